"""Organisations over HTTP: they register themselves, the bureau admits them; papers, controllers, eligibility."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response
from sqlalchemy import select

from services.projects.calls.tables import CallRow
from services.projects.files.tables import FileRow
from services.projects.organisations import service
from services.projects.organisations.schemas import (
    Application,
    ApplicationState,
    Controller,
    Decision,
    Eligibility,
    MissingNow,
    NewApplication,
    NewControllers,
    NewOrganisation,
    NewPaper,
    Organisation,
    Paper,
    State,
)
from services.projects.organisations.tables import OrganisationRow, PaperRow
from shared.clock import wall_day
from shared.contracts.codes import Role
from shared.database.work import Work
from shared.security.caller import Caller, Reach
from shared.web.address import Address
from shared.web.app import router
from shared.web.language import language_of, translate
from shared.web.problems import NotFound, Refused, refused
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import SignedIn, may, require

ROUTER = router("", "organisations")
OFFICES = (Role.BUREAU, Role.AUDITOR)
Bureau = Annotated[Caller, may(Role.BUREAU)]
Office = Annotated[Caller, may(*OFFICES)]
Dispatcher = Annotated[Caller, may(Role.DISPATCHER)]
OfficeOrOwn = Annotated[Caller, may(*OFFICES, Role.DISPATCHER)]
_TRIES: dict[int | str, dict[str, Any]] = {429: {"description": "too many registrations: see Retry-After"}}


def _own(caller: Caller, organisation_id: UUID) -> bool:
    reach = Reach(organisation_id=organisation_id)
    return caller.reaches(reach, Role.DISPATCHER, Role.ORGANISATION_STAFF)


def _require_own(caller: Caller, organisation_id: UUID) -> None:
    if not caller.has(*OFFICES):
        require(caller, Reach(organisation_id=organisation_id), Role.DISPATCHER)


@ROUTER.get("/organisations")
def list_organisations(
    work: Transaction,
    caller: SignedIn,
    state: Annotated[State | None, Query(description="the bureau's and auditor's to choose")] = None,
    organisation_id: Annotated[list[UUID] | None, Query(max_length=100, description="only these")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Organisation]:
    """Organisations by id. Who serves in the city is public; who was not admitted is not."""
    query = select(OrganisationRow).order_by(OrganisationRow.organisation_id).limit(limit + 1)
    if not caller.has(*OFFICES):
        query = query.where(OrganisationRow.state == "admitted")
    if state is not None:
        query = query.where(OrganisationRow.state == state)
    if organisation_id is not None:
        query = query.where(OrganisationRow.organisation_id.in_(organisation_id))
    if cursor:
        query = query.where(OrganisationRow.organisation_id > cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query))
    items = [Organisation.model_validate(row) for row in rows[:limit]]
    return Page(items=items, next=encode_cursor(items[-1].organisation_id) if len(rows) > limit else None)


@ROUTER.get("/organisations/{organisation_id}")
def read_organisation(organisation_id: UUID, work: Transaction, caller: SignedIn) -> Organisation:
    """One organisation."""
    row = service.organisation(work, organisation_id)
    if row.state != "admitted" and not caller.has(*OFFICES) and not _own(caller, organisation_id):
        raise NotFound("organisation_unknown", "没有这个组织。", field="organisation_id")
    return Organisation.model_validate(row)


@ROUTER.post("/organisations", status_code=201)
def add_organisation(body: NewOrganisation, work: Transaction, caller: Bureau) -> Done:
    """Register an organisation (the bureau's to do)."""
    row = service.add_organisation(work, body)
    return Done(id=row.organisation_id, version=row.version)


@ROUTER.post("/organisation-applications", status_code=201, responses=_TRIES, response_model=Done)
def apply(body: NewApplication, request: Request, address: Address, work: Transaction) -> Done | Response:
    """An organisation registers itself, without signing in. The bureau admits or refuses it."""
    refusal = service.too_many(work, address)
    if refusal is not None:
        return refused(request, refusal)
    try:
        with work.session.begin_nested():
            row = service.apply(work, body)
    except Refused as fault:  # said, not raised: that it was tried stays counted
        return refused(request, fault)
    return Done(id=row.organisation_id, version=row.version)


@ROUTER.get("/organisation-applications/{organisation_id}")
def read_application(organisation_id: UUID, work: Transaction) -> ApplicationState:
    """What became of a registration: for whoever has the number that was given for it."""
    return ApplicationState.model_validate(service.organisation(work, organisation_id))


@ROUTER.get("/organisation-applications")
def list_applications(
    work: Transaction,
    caller: Office,
    state: State = "applied",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Application]:
    """Registrations as the bureau looks at them, with who controls them, the earliest first."""
    query = (
        select(OrganisationRow)
        .where(OrganisationRow.state == state)
        .order_by(OrganisationRow.organisation_id)
        .limit(limit + 1)
    )
    if cursor:
        query = query.where(OrganisationRow.organisation_id > cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query))
    shown = rows[:limit]
    known = service.controllers(work, [row.organisation_id for row in shown])
    items = []
    for row in shown:
        values = {
            name: getattr(row, name) for name in (*Organisation.model_fields, "made_at", "refused_reason")
        }
        values["controllers"] = _controllers(known.get(row.organisation_id, []))
        values["same_controller"] = service.under_same_controller(work, row.organisation_id)
        items.append(Application.model_validate(values))
        if known.get(row.organisation_id):
            work.audit("organisation.controllers_read", row.organisation_id)
    return Page(items=items, next=encode_cursor(shown[-1].organisation_id) if len(rows) > limit else None)


def _controllers(found: list[tuple[dict[str, Any], int]]) -> list[Controller]:
    return [
        Controller(
            name=str(value.get("name") or ""),
            id_number=_masked(str(value.get("id_number") or "")),
            share=share,
        )
        for value, share in found
    ]


def _masked(number: str) -> str:
    return f"{number[:6]}***********{number[-1]}" if number else ""


@ROUTER.post("/organisation-applications/{organisation_id}/decision")
def decide(organisation_id: UUID, body: Decision, work: Transaction, caller: Bureau) -> Done:
    """Admit an organisation that registered itself, or refuse it with a reason (If-Match)."""
    row = service.organisation(work, organisation_id, lock=True)
    service.decide(work, row, body)
    return Done(id=organisation_id, version=row.version)


@ROUTER.get("/organisations/{organisation_id}/controllers")
def read_controllers(organisation_id: UUID, work: Transaction, caller: OfficeOrOwn) -> list[Controller]:
    """Who controls an organisation, as it said."""
    _require_own(caller, organisation_id)
    service.organisation(work, organisation_id)
    work.audit("organisation.controllers_read", organisation_id)
    return _controllers(service.controllers(work, [organisation_id]).get(organisation_id, []))


@ROUTER.put("/organisations/{organisation_id}/controllers")
def say_controllers(
    organisation_id: UUID, body: NewControllers, work: Transaction, caller: Dispatcher
) -> Done:
    """Say anew who controls the own organisation (If-Match)."""
    require(caller, Reach(organisation_id=organisation_id), Role.DISPATCHER)
    row = service.organisation(work, organisation_id, lock=True)
    service.say_controllers(work, row, body.controllers)
    return Done(id=organisation_id, version=row.version)


@ROUTER.post("/organisations/{organisation_id}/papers", status_code=201)
def hand_in(organisation_id: UUID, body: NewPaper, work: Transaction, caller: Dispatcher) -> Done:
    """Hand in a paper of the own organisation, with the file that shows it."""
    require(caller, Reach(organisation_id=organisation_id), Role.DISPATCHER)
    row = service.hand_in(work, service.organisation(work, organisation_id), body)
    return Done(id=row.paper_id, version=row.version)


@ROUTER.get("/organisations/{organisation_id}/papers")
def list_papers(
    organisation_id: UUID, work: Transaction, caller: OfficeOrOwn, cursor: Cursor = None, limit: Limit = 100
) -> Page[Paper]:
    """An organisation's papers, by id."""
    _require_own(caller, organisation_id)
    query = (
        select(PaperRow)
        .where(PaperRow.organisation_id == organisation_id)
        .order_by(PaperRow.paper_id)
        .limit(limit + 1)
    )
    if cursor:
        query = query.where(PaperRow.paper_id > cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query))
    return Page(
        items=_papers(work, caller, rows[:limit]),
        next=encode_cursor(rows[limit - 1].paper_id) if len(rows) > limit else None,
    )


def _papers(work: Work, caller: Caller, rows: Sequence[PaperRow]) -> list[Paper]:
    wanted = {row.file_id for row in rows if row.file_id}
    files = {f.file_id: f for f in work.session.scalars(select(FileRow).where(FileRow.file_id.in_(wanted)))}
    plain = set(Paper.model_fields) - {"lapsed", "file_withdrawn_at", "file_own"}
    shown = []
    for row in rows:
        file = files.get(row.file_id) if row.file_id else None
        withdrawn_at = file.withdrawn_at if file else None
        waits = row.state == "handed_in" and withdrawn_at is None
        said = {
            "lapsed": row.valid_until is not None and row.valid_until < wall_day(work.now),
            "file_withdrawn_at": withdrawn_at,
            "file_own": file is not None and waits and file.made_by == caller.person_id,
        }
        shown.append(Paper.model_validate({**{name: getattr(row, name) for name in plain}, **said}))
    return shown


@ROUTER.get("/papers")
def papers_to_look_at(
    work: Transaction, caller: Office, cursor: Cursor = None, limit: Limit = 100
) -> Page[Paper]:
    """Papers that nobody of the bureau has looked at, the earliest first."""
    query = select(PaperRow).where(PaperRow.state == "handed_in").order_by(PaperRow.paper_id).limit(limit + 1)
    if cursor:
        query = query.where(PaperRow.paper_id > cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query))
    return Page(
        items=_papers(work, caller, rows[:limit]),
        next=encode_cursor(rows[limit - 1].paper_id) if len(rows) > limit else None,
    )


@ROUTER.post("/papers/{paper_id}/decision")
def look_at(paper_id: UUID, body: Decision, work: Transaction, caller: Bureau) -> Done:
    """Verify a paper, or refuse it with a reason (If-Match)."""
    row = service.paper(work, paper_id, lock=True)
    service.look_at(work, row, body)
    return Done(id=paper_id, version=row.version)


@ROUTER.get("/organisations/{organisation_id}/eligibility/{call_id}")
def eligibility(
    organisation_id: UUID, call_id: UUID, request: Request, work: Transaction, caller: OfficeOrOwn
) -> Eligibility:
    """Whether an organisation may bid for a call today, and which papers it lacks."""
    _require_own(caller, organisation_id)
    call = work.session.get(CallRow, call_id)
    if call is None or (call.state == "draft" and not caller.has(*OFFICES)):
        raise NotFound("call_unknown", "没有这次采购。", field="call_id")
    lang = language_of(request)
    found = service.missing(work, call, organisation_id)
    return Eligibility(
        organisation_id=organisation_id,
        call_id=call_id,
        eligible=not found,
        missing=[
            MissingNow(
                code=each.code,
                message=translate(lang, each.sentence, **each.params),
                paper=each.paper,
            )
            for each in found
        ],
        controllers_said=service.organisation(work, organisation_id).controllers_at is not None,
    )
