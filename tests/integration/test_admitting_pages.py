"""Organisations that registered themselves, judged by the bureau on its page."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.projects.organisations.schemas import NewApplication
from services.projects.organisations.service import apply
from services.projects.organisations.tables import OrganisationRow
from shared.database.server import DatabaseServer
from shared.sample import SAMPLE_PASSWORD
from shared.sample.people import credit_code
from tests.running import Product, product


@pytest.fixture(scope="module")
def running(postgres_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with product(postgres_server, Path(tmp_path_factory.mktemp("admitting"))) as city:
        yield city


def hidden(page: httpx.Response) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(_\w+|version)" value="([^"]*)"', page.text))


def found(pattern: str, page: httpx.Response) -> str:
    match = re.search(pattern, page.text)
    assert match, f"{pattern} is not on {page.url}"
    return match[1]


class Reader:
    """Somebody who works by pages."""

    def __init__(self, running: Product, username: str) -> None:
        self.client = httpx.Client(base_url=running.address, timeout=60, follow_redirects=True)
        answer = self.client.post("/sign-in", data={"username": username, "password": SAMPLE_PASSWORD})
        assert "/sign-in" not in str(answer.url), username

    def get(self, address: str) -> httpx.Response:
        answer = self.client.get(address)
        assert answer.status_code == 200, (address, answer.status_code)
        return answer

    def send(self, start: str, address: str, status: int = 200, **fields: object) -> httpx.Response:
        """Fill in the form on the page `start` that goes to `address`."""
        page = self.get(start)
        assert f'action="{address}"' in page.text, f"no form for {address} on {start}"
        answer = self.client.post(address, data={**hidden(page), **fields})
        assert answer.status_code == status, (address, answer.status_code, answer.text[:3000])
        return answer


def test_a_registration_is_refused_with_a_reason_and_another_admitted(running: Product) -> None:
    assert running.city is not None
    projects = running.city.databases["projects"]
    with projects.work() as work:
        ids = [
            apply(
                work,
                NewApplication.model_validate(
                    {
                        "name": f"新来的为老服务社{n}",
                        "kind": "social_organisation",
                        "credit_code": credit_code("52", 9_100_000 + n),
                        "phone": "0514-83400000",
                        "address": "解放东路1号",
                        "controllers": [{"name": "沈国平", "id_number": "321081197203071235", "share": 60}],
                    }
                ),
            ).organisation_id
            for n in range(2)
        ]
    clerk, at = Reader(running, "bureau"), "/purchases/organisations"
    first, second = (f"{at}/{each}/decision" for each in ids)
    assert "不通过应写明原因" in clerk.send(at, first, 422, at=f"no-{ids[0]}", version="1").text
    clerk.send(at, first, reason="信用代码与登记证书不符", version="1")
    clerk.send(at, second, holds="1", version="1")
    with projects.work() as work:
        states = [work.session.get_one(OrganisationRow, each).state for each in ids]
    assert states == ["refused", "admitted"]
