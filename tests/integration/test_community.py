"""The community service over a real database: the grid, the gazetteer, the calendar, and what it tells the others."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import func, select

from services.community.sample import load
from shared.contracts.codes import Role
from shared.database.outbox import OutboxRow
from shared.sample import Size, make_city
from tests.conftest import NewDatabase
from tests.support import ServiceUnderTest, caller, service_under_test

pytestmark = pytest.mark.postgres
CITY = make_city(Size.SMALL, monday=date(2026, 11, 23))


@pytest.fixture(scope="module")
def community(new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test("community", new_module_database("community")) as service:
        load(service.database, CITY)
        yield service


@pytest.fixture
def asked(community: ServiceUnderTest):
    return community.as_(caller(Role.AUDITOR))


def everything(asked, path: str, limit: int = 100, **params) -> list[dict]:
    items, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        answer = asked.get(path, params={**params, "limit": limit, **more})
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        cursor = answer.json()["next"]
        if cursor is None:
            return items


def test_nobody_reads_without_signing_in(community: ServiceUnderTest) -> None:
    for path in (
        "/towns",
        "/cells",
        "/buildings",
        "/areas/0199f0c0-0000-7000-8000-00000000dead",
    ):
        assert community.as_(None).get(path).status_code == 401
    assert community.as_(None).get("/communities").status_code == 200, "named on public calls"


def test_the_grid_is_complete_page_by_page(asked) -> None:
    assert {t["town_id"] for t in everything(asked, "/towns", 1)} == {str(t.town_id) for t in CITY.towns}
    communities = everything(asked, "/communities", 1)
    assert {c["community_id"] for c in communities} == {str(c.community_id) for c in CITY.communities}
    cells = everything(asked, "/cells", 2)
    assert len(cells) == len(CITY.cells)
    assert {c["town_id"] for c in cells} <= {str(t.town_id) for t in CITY.towns}


def test_outlines_come_from_the_facts(asked) -> None:
    fact = CITY.communities[0]
    shown = everything(asked, "/communities", town_id=str(fact.town_id))
    outline = next(c["outline"] for c in shown if c["community_id"] == str(fact.community_id))
    assert outline == [list(point) for point in fact.outline]
    assert outline[0] == outline[-1]


def test_cells_of_one_community(asked) -> None:
    fact = CITY.communities[0].community_id
    shown = everything(asked, "/cells", community_id=str(fact))
    assert {c["cell_id"] for c in shown} == {str(c.cell_id) for c in CITY.cells if c.community_id == fact}


def test_the_gazetteer_finds_a_building_by_words_of_its_address(asked) -> None:
    fact = CITY.buildings[3]
    words = fact.address.replace(fact.address[:3], fact.address[:3] + " ", 1)
    found = everything(asked, "/buildings", q=words)
    here = next(b for b in found if b["building_id"] == str(fact.building_id))
    assert here["address"] == fact.address
    assert here["cell_id"] == str(fact.cell_id)
    assert here["community_id"] == str(fact.community_id)
    assert (here["lon"], here["lat"]) == (fact.lon, fact.lat)
    pages = everything(asked, "/buildings", 7)
    assert len(pages) == len(CITY.buildings) == len({b["building_id"] for b in pages})


@pytest.mark.parametrize("q", ["%", "_", "' OR 1=1", "\\"])
def test_a_search_takes_signs_as_signs(asked, q: str) -> None:
    assert everything(asked, "/buildings", q=q) == []


def test_8_7_the_calendar_names_holidays_and_make_up_workdays(asked) -> None:
    answer = asked.get("/calendar", params={"from": "2026-10-01", "to": "2026-10-10"})
    days = {d["day"]: d["workday"] for d in answer.json()["items"]}
    facts = {
        str(d.day): d.workday for d in CITY.special_days if date(2026, 10, 1) <= d.day <= date(2026, 10, 10)
    }
    assert days == facts
    assert days["2026-10-01"] is False
    unpublished = asked.get("/calendar", params={"from": "2026-01-01", "to": "2027-12-31"}).json()
    assert tuple(unpublished["years_unpublished"]) == tuple(
        y for y in CITY.years_unpublished if y in (2026, 2027)
    )


def test_an_area_says_in_what_it_lies(asked) -> None:
    cell = CITY.cells[0]
    answer = asked.get(f"/areas/{cell.cell_id}").json()
    assert (answer["level"], answer["parent_id"]) == ("cell", str(cell.community_id))
    town = asked.get(f"/areas/{answer['town_id']}").json()
    assert (town["level"], town["parent_id"], town["outline"]) == ("town", None, None)
    assert asked.get(f"/areas/{answer['community_id']}").json()["parent_id"] == answer["town_id"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/areas/none", 422),
        ("/areas/0199f0c0-0000-7000-8000-00000000dead", 404),
        ("/calendar?from=2026-02-01&to=2026-01-01", 422),
        ("/calendar?from=1000-02-01&to=2026-01-01", 422),
        ("/calendar?from=yesterday&to=2026-01-01", 422),
        ("/calendar", 422),
        ("/buildings?q=%00", 422),
        ("/buildings?q=" + "a" * 61, 422),
        ("/buildings?cursor=xx", 422),
        ("/towns?limit=0", 422),
    ],
)
def test_bad_questions_are_refused_with_the_field(asked, path: str, status: int) -> None:
    answer = asked.get(path)
    assert answer.status_code == status, answer.text
    assert answer.json()["errors"][0]["field"]


def test_loading_tells_of_every_area_and_day_once(community: ServiceUnderTest) -> None:
    load(community.database, CITY)
    with community.database.work() as work:
        told = dict(work.session.execute(select(OutboxRow.type, func.count()).group_by(OutboxRow.type)).all())
    assert told == {
        "linli.community.area_changed.v1": len(CITY.towns) + len(CITY.communities) + len(CITY.cells),
        "linli.community.calendar_day.v1": len(CITY.special_days),
    }


def test_a_pin_lies_in_one_cell_or_outside_the_city(asked) -> None:
    for building in everything(asked, "/buildings")[::25]:
        found = asked.get("/cells/at", params={"lon": building["lon"], "lat": building["lat"]}).json()
        assert [cell["cell_id"] for cell in found] == [building["cell_id"]]
    assert asked.get("/cells/at", params={"lon": 100, "lat": 10}).json() == []
    assert asked.get("/cells/at", params={"lon": 200, "lat": 10}).status_code == 422
