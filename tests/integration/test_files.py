"""Files over a real database: who may hand in and read, what comes back, and how much is taken."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from sqlalchemy import select

from services.projects.files import service as files
from services.projects.files.tables import FileRow
from shared.contracts.codes import Role, ScopeKind
from shared.ids import new_id
from shared.objects.port import ObjectsAway
from shared.objects.s3 import S3Objects
from shared.web.bodies import MAX_BODY
from shared.web.problems import Refused
from tests.certificates import certificate
from tests.conftest import NewDatabase
from tests.integration.test_payments import Bought
from tests.integration.test_projects import organisation
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test
from tests.unit.test_files_rules import PDF
from tools.broker import free_port
from tools.object_store import ACCESS_KEY, SECRET_KEY, ObjectStore, StoreMissing, ensure

pytestmark = pytest.mark.postgres
MB = 2**20


@pytest.fixture(scope="module")
def service(new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test("projects", new_module_database("projects"), MovableClock()) as running:
        yield running


def dispatcher(service: ServiceUnderTest, organisation_id: UUID) -> Any:
    return service.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, organisation_id))


def hand_in(
    who: Any, about_id: object, content: bytes = PDF, name: str = "审计报告.pdf", about: str = "organisation"
) -> Any:
    return who.post(
        "/files",
        params={"about": about, "about_id": str(about_id)},
        content=content,
        headers={"File-Name": quote(name), "Content-Type": "application/octet-stream"},
    )


def test_a_file_comes_back_as_it_was_and_only_as_an_attachment(service: ServiceUnderTest) -> None:
    own_id = organisation(service)
    own = dispatcher(service, own_id)
    made = hand_in(own, own_id)
    assert made.status_code == 201, made.text
    shown = made.json()
    assert (shown["name"], shown["media_type"], shown["size"]) == (
        "审计报告.pdf",
        "application/pdf",
        len(PDF),
    )
    assert shown["sha256"] == hashlib.sha256(PDF).hexdigest()
    answer = own.get(f"/files/{shown['file_id']}/content")
    assert answer.content == PDF
    assert answer.headers["Content-Disposition"] == f"attachment; filename*=UTF-8''{quote('审计报告.pdf')}"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_only_the_own_organisation_and_the_offices_reach_it(service: ServiceUnderTest) -> None:
    own_id, other_id = organisation(service), organisation(service)
    file_id = hand_in(dispatcher(service, own_id), own_id).json()["file_id"]
    stranger = dispatcher(service, other_id)
    assert hand_in(stranger, own_id).status_code == 403
    listed = {"about": "organisation", "about_id": str(own_id)}
    for who, status in (
        (stranger, 403),
        (service.as_(caller(Role.VOLUNTEER, ScopeKind.PERSON)), 403),
        (service.as_(caller(Role.SCORER)), 403),
        (service.as_(None), 401),
        (service.as_(caller(Role.AUDITOR)), 200),
        (service.as_(caller(Role.BUREAU)), 200),
        (dispatcher(service, own_id), 200),
    ):
        assert who.get(f"/files/{file_id}").status_code == status
        assert who.get(f"/files/{file_id}/content").status_code == status
        assert who.get("/files", params=listed).status_code == status
    assert [each["file_id"] for each in dispatcher(service, own_id).get("/files", params=listed).json()] == [
        file_id
    ]


def test_what_is_not_what_its_name_says_is_refused(service: ServiceUnderTest) -> None:
    own_id = organisation(service)
    own = dispatcher(service, own_id)
    for content, name, code in (
        (b"<html>", "报告.pdf", "file_kind"),
        (PDF, "报告.png", "file_ending"),
        (PDF, "报告.exe.pdf", "file_name_endings"),
        (PDF, "报告\u202efdp.pdf", "file_name_characters"),
        (PDF, "../报告.pdf", "file_name_characters"),
    ):
        answer = hand_in(own, own_id, content, name)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert hand_in(own, new_id()).status_code == 404
    assert hand_in(own, own_id, b"").status_code == 422


def test_twenty_megabytes_are_taken_here_and_nowhere_else(service: ServiceUnderTest) -> None:
    own_id = organisation(service)
    own = dispatcher(service, own_id)
    largest = PDF + bytes(20 * MB - len(PDF))
    made = hand_in(own, own_id, largest)
    assert made.status_code == 201, made.text
    assert own.get(f"/files/{made.json()['file_id']}/content").content == largest
    over = hand_in(own, own_id, largest + b"x")
    assert (over.status_code, over.json()["code"]) == (422, "file_large")
    assert hand_in(own, own_id, largest + bytes(MB)).status_code == 413
    elsewhere = service.as_(caller(Role.BUREAU)).post("/organisations", content=bytes(MAX_BODY + 1))
    assert elsewhere.status_code == 413


def test_a_repeated_upload_is_one_file(service: ServiceUnderTest) -> None:
    own_id = organisation(service)
    own = dispatcher(service, own_id)
    key = str(new_id())
    own.headers["Idempotency-Key"] = key
    first, second = hand_in(own, own_id), hand_in(own, own_id)
    assert first.json()["file_id"] == second.json()["file_id"]
    assert hand_in(own, own_id, PDF + b"\n").json()["code"] == "key_reused"


def test_a_thing_has_only_so_many_files(service: ServiceUnderTest) -> None:
    about_id = new_id()
    with service.database.work() as work:
        for _ in range(50):
            files.keep(work, "organisation", about_id, "报告.pdf", files.Laid(PDF))
        with pytest.raises(Refused):
            files.keep(work, "organisation", about_id, "报告.pdf", files.Laid(PDF))


def test_sealed_files_keep_no_name_and_are_not_given_out(service: ServiceUnderTest) -> None:
    own_id = organisation(service)
    with service.database.work() as work:
        row = files.keep(
            work,
            "bid",
            new_id(),
            "报价.pdf",
            files.Laid(b"\x01" * 100),
            organisation_id=own_id,
            sealed=True,
        )
        assert row.name is None
        assert files.content(work, row) == b"\x01" * 100
    for who in (dispatcher(service, own_id), service.as_(caller(Role.BUREAU))):
        assert who.get(f"/files/{row.file_id}").status_code == 404
        assert who.get(f"/files/{row.file_id}/content").status_code == 404


def test_a_file_is_taken_back_by_who_handed_it_in_until_what_it_supports_is_decided(
    service: ServiceUnderTest,
) -> None:
    bought = Bought(service)
    own, colleague = bought.own, bought.buying.dispatcher(0)
    listed = {"about": "contract", "about_id": bought.contract_id}

    def invoice() -> str:
        made = hand_in(own, bought.contract_id, name="发票.pdf", about="contract")
        assert made.status_code == 201, made.text
        return str(made.json()["file_id"])

    wrong, right = invoice(), invoice()
    for who, code in ((colleague, "file_not_yours"), (bought.bureau, "file_not_yours")):
        refused = who.post(f"/files/{wrong}/withdrawal")
        assert (refused.status_code, refused.json()["code"]) == (403, code)
    assert bought.buying.dispatcher(1).post(f"/files/{wrong}/withdrawal").status_code == 403
    assert own.post(f"/files/{wrong}/withdrawal").status_code == 200
    assert own.post(f"/files/{wrong}/withdrawal").json()["code"] == "file_withdrawn"
    for who in (own, bought.bureau):
        gone = who.get(f"/files/{wrong}/content")
        assert (gone.status_code, gone.json()["code"]) == (410, "file_withdrawn")
    auditor = service.as_(caller(Role.AUDITOR))
    assert auditor.get(f"/files/{wrong}/content").content == PDF, "nothing is deleted"
    shown = own.get("/files", params=listed).json()
    assert [(each["own"], each["withdrawn_at"] is not None) for each in shown] == [
        (False, True),
        (True, False),
    ]

    service.clock.move(timedelta(seconds=1))  # type: ignore[union-attr]
    bought.served()
    bought.paid()
    late = own.post(f"/files/{right}/withdrawal")
    assert (late.status_code, late.json()["code"]) == (409, "file_decided")
    assert not own.get("/files", params=listed).json()[1]["own"]


def test_a_paper_whose_file_was_taken_back_is_not_verified(service: ServiceUnderTest) -> None:
    own_id = organisation(service)
    own = dispatcher(service, own_id)
    papers = []
    for _ in range(2):
        file_id = hand_in(own, own_id).json()["file_id"]
        body = {
            "kind": "audit",
            "name": "审计报告",
            "number": "2025",
            "issued_on": "2026-01-05",
            "valid_until": "2027-01-04",
            "file_id": file_id,
        }
        made = own.post(f"/organisations/{own_id}/papers", json=body)
        assert made.status_code == 201, made.text
        papers.append((file_id, made.json()))
    (taken, first), (kept, second) = papers
    bureau, path = service.as_(caller(Role.BUREAU)), f"/organisations/{own_id}/papers"
    assert [each["file_own"] for each in own.get(path).json()["items"]] == [True, True]
    assert [each["file_own"] for each in bureau.get(path).json()["items"]] == [False, False]
    assert own.post(f"/files/{taken}/withdrawal").status_code == 200
    shown = own.get(path).json()["items"]
    assert [(each["file_withdrawn_at"] is None, each["file_own"]) for each in shown] == [
        (False, False),
        (True, True),
    ]

    def look_at(paper: dict[str, Any], **said: object) -> Any:
        version = {"If-Match": f'"{paper["version"]}"'}
        return bureau.post(f"/papers/{paper['id']}/decision", json=said, headers=version)

    assert look_at(first, holds=True).json()["code"] == "file_withdrawn"
    assert look_at(first, holds=False, reason="材料已收回").status_code == 200
    assert look_at(second, holds=True).status_code == 200
    assert not own.get(path).json()["items"][1]["file_own"]
    assert own.post(f"/files/{kept}/withdrawal").json()["code"] == "file_decided"


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectStore]:
    """A server of S3's interface; on a machine without Go left out, in CI a failure."""
    with store() as running:
        yield running


@contextmanager
def store(pem: Path | None = None) -> Iterator[ObjectStore]:
    try:
        ensure()
    except StoreMissing as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
    with ObjectStore(free_port(), pem) as running:
        yield running


def client_of(running: ObjectStore, secret: str = SECRET_KEY, ca: Path | None = None) -> S3Objects:
    return S3Objects(running.address, ACCESS_KEY, secret, region="us-east-1", ca=ca)


@pytest.fixture
def objects(bucket: ObjectStore, service: ServiceUnderTest) -> Iterator[S3Objects]:
    """The service as it is with LINLI_S3 set."""
    made = client_of(bucket)
    service.database.objects = made
    yield made
    service.database.objects = None


def kept(service: ServiceUnderTest, file_id: str) -> FileRow:
    with service.database.work() as work:
        return work.session.get_one(FileRow, UUID(file_id))


def test_files_lie_in_the_object_store_and_older_ones_where_they_were(
    service: ServiceUnderTest, objects: S3Objects
) -> None:
    own_id = organisation(service)
    own = dispatcher(service, own_id)
    service.database.objects = None
    older = hand_in(own, own_id).json()["file_id"]
    service.database.objects = objects
    large = PDF + b"\n%" + b"x" * (9 * MB)
    newer = hand_in(own, own_id, large).json()["file_id"]
    assert (kept(service, older).stored_as, kept(service, newer).stored_as) == (None, newer)
    with service.database.work() as work:
        held = select(FileRow.content.is_(None)).where(FileRow.file_id == UUID(newer))
        assert work.session.scalars(held).one()
    assert objects.get(newer, 20 * MB) == large
    assert own.get(f"/files/{older}/content").content == PDF
    assert own.get(f"/files/{newer}/content").content == large
    service.database.objects = None
    assert own.get(f"/files/{newer}/content").json()["code"] == "files_away"


def test_while_the_object_store_is_away_nothing_is_half_written(
    service: ServiceUnderTest, objects: S3Objects, bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_id = organisation(service)
    own = dispatcher(service, own_id)
    there = hand_in(own, own_id).json()["file_id"]
    listed = {"about": "organisation", "about_id": str(own_id)}
    bucket.go()
    try:
        for _ in range(2):
            refused = hand_in(own, own_id)
            assert (refused.status_code, refused.json()["code"]) == (503, "files_away")
            assert refused.headers["Retry-After"] == "10"
        assert own.get(f"/files/{there}/content").status_code == 503
        assert [each["file_id"] for each in own.get("/files", params=listed).json()] == [there]
    finally:
        bucket.come_back()
    assert hand_in(own, own_id).status_code == 503, "it is left alone for a while"
    monkeypatch.setattr(objects, "_away_until", 0.0)
    assert own.get(f"/files/{there}/content").content == PDF
    assert hand_in(own, own_id).status_code == 201


def test_what_no_row_tells_of_is_taken_out_again(service: ServiceUnderTest, objects: S3Objects) -> None:
    own_id, other_id = organisation(service), organisation(service)
    own = dispatcher(service, own_id)
    before = {name for name, _ in objects.names()}
    assert hand_in(own, other_id).status_code == 403
    assert hand_in(own, own_id, b"<html>").status_code == 422
    assert hand_in(service.as_(caller(Role.AUDITOR)), own_id).status_code == 403
    own.headers["Idempotency-Key"] = str(new_id())
    first, again = hand_in(own, own_id).json(), hand_in(own, own_id).json()
    assert first["file_id"] == again["file_id"]
    assert {name for name, _ in objects.names()} - before == {first["file_id"]}


def test_a_store_that_hangs_holds_no_connection(
    service: ServiceUnderTest, objects: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects are written before a transaction is open."""
    own_id = organisation(service)
    put = objects.put
    during: list[int] = []

    def seen(name: str, content: bytes) -> None:
        during.append(service.database.engine.pool.checkedout())  # type: ignore[attr-defined]
        put(name, content)

    monkeypatch.setattr(objects, "put", seen)
    own = dispatcher(service, own_id)
    idle = service.database.engine.pool.checkedout()  # type: ignore[attr-defined]
    assert hand_in(own, own_id).status_code == 201
    assert during == [idle]


def test_another_secret_is_refused(
    service: ServiceUnderTest, bucket: ObjectStore, objects: S3Objects
) -> None:
    own_id = organisation(service)
    own = dispatcher(service, own_id)
    file_id = hand_in(own, own_id).json()["file_id"]
    service.database.objects = client_of(bucket, "another")
    for answer in (hand_in(own, own_id), own.get(f"/files/{file_id}/content")):
        assert (answer.status_code, answer.json()["code"]) == (503, "files_away")
    service.database.objects = objects
    assert own.get(f"/files/{file_id}/content").content == PDF, "it is not left alone for another's fault"


def test_a_store_is_reached_by_the_authority_that_the_settings_name(tmp_path: Path) -> None:
    pem, own = certificate(tmp_path)
    _, other = certificate(tmp_path / "other")
    with store(pem) as running:
        objects = client_of(running, ca=own)
        objects.put("a", PDF)
        assert objects.get("a", 2 * len(PDF)) == PDF
        for ca in (None, other):
            with pytest.raises(ObjectsAway):
                client_of(running, ca=ca).put("b", PDF)
        assert [name for name, _ in objects.names()] == ["a"]


def test_other_bytes_than_were_handed_in_are_never_given_out(
    service: ServiceUnderTest, objects: S3Objects
) -> None:
    own_id = organisation(service)
    own = dispatcher(service, own_id)
    file_id = hand_in(own, own_id).json()["file_id"]
    for other in (PDF[:-1], PDF + b"x", bytes(len(PDF))):
        objects.put(file_id, other)
        answer = own.get(f"/files/{file_id}/content")
        if other.startswith(PDF):
            assert answer.content == PDF, "more than its size is not read"
        else:
            assert (answer.status_code, answer.json()["code"]) == (500, "file_damaged")
    objects.remove(file_id)
    assert own.get(f"/files/{file_id}/content").json()["code"] == "file_damaged"


def test_an_object_without_a_row_is_swept_and_no_other(
    service: ServiceUnderTest, objects: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_id = organisation(service)
    own = dispatcher(service, own_id)
    file_id = hand_in(own, own_id).json()["file_id"]
    begun = str(new_id())
    lost = ""

    def interrupted() -> None:
        nonlocal lost
        with files.laid(objects, PDF) as given, service.database.work(caller(Role.BUREAU)) as work:
            lost = str(files.keep(work, "organisation", own_id, "报告.pdf", given).file_id)
            raise Refused("undone", "没有提交。")

    with pytest.raises(Refused):
        interrupted()
    objects.put(begun, PDF)
    files.sweep(service.database)
    assert {file_id, begun, lost} <= {name for name, _ in objects.names()}, (
        "not while it may still be at work"
    )
    monkeypatch.setattr(files, "SWEPT_AFTER", timedelta(0))
    monkeypatch.setattr(files, "SWEPT_AT_ONCE", 2)
    files.sweep(service.database)
    left = {name for name, _ in objects.names()}
    assert file_id in left
    assert not {begun, lost} & left
    with service.database.work() as work:
        assert left == set(work.session.scalars(select(FileRow.stored_as).where(FileRow.stored_as.in_(left))))
