"""Contracts and lines over HTTP."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, false, select, true

from services.projects.awards.tables import SupplementRow
from services.projects.contracts import service
from services.projects.contracts.schemas import (
    Balance,
    Contract,
    ContractLine,
    LineChange,
    NewContract,
    NewLine,
    example,
)
from services.projects.contracts.tables import AreaRow, ContractRow, LineRow
from services.projects.organisations.tables import OrganisationRow
from shared.clock import wall_day
from shared.contracts.codes import Role, ScopeKind
from shared.database.work import Work
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.routing import Transaction
from shared.web.schemas import Body, Cursor, Done, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import may, require

ROUTER = router("", "contracts")
WIDE = (Role.BUREAU, Role.PLANNER, Role.TOWN, Role.AUDITOR)
OWN = (Role.DISPATCHER, Role.ORGANISATION_STAFF)
Reader = Annotated[Caller, may(*WIDE, *OWN)]
Bureau = Annotated[Caller, may(Role.BUREAU)]


class ContractState(Body):
    """Suspend, take up again or end a contract."""

    model_config = example(state="suspended")

    state: Literal["active", "suspended", "ended"]


def _visible(caller: Caller) -> ColumnElement[bool]:
    if caller.has(*WIDE):
        return true()
    own = caller.scope_ids(ScopeKind.ORGANISATION, *OWN)
    return ContractRow.organisation_id.in_(own) if own else false()


@ROUTER.get("/contracts")
def list_contracts(
    work: Transaction,
    caller: Reader,
    organisation_id: UUID | None = None,
    town_id: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Contract]:
    """Contracts with their lines and balances; `town_id`: those with a line in one of the town's communities."""
    query = select(ContractRow).where(_visible(caller)).order_by(ContractRow.contract_id).limit(limit + 1)
    if organisation_id:
        query = query.where(ContractRow.organisation_id == organisation_id)
    if town_id:
        communities = work.session.scalars(
            select(AreaRow.area_id).where(AreaRow.parent_id == town_id, AreaRow.level == "community")
        ).all()
        lines = select(LineRow.contract_id).where(LineRow.community_ids.overlap(list(communities)))
        query = query.where(ContractRow.contract_id.in_(lines))
    if cursor:
        query = query.where(ContractRow.contract_id > cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query))
    return Page(
        items=_contracts(work, rows[:limit]),
        next=encode_cursor(rows[limit - 1].contract_id) if len(rows) > limit else None,
    )


def _contracts(work: Work, rows: Sequence[ContractRow]) -> list[Contract]:
    lines = work.session.scalars(
        select(LineRow)
        .where(LineRow.contract_id.in_([r.contract_id for r in rows]))
        .order_by(LineRow.name, LineRow.line_id)
    ).all()
    balances = service.balances(work, lines)
    known = work.session.execute(select(OrganisationRow.organisation_id, OrganisationRow.name))
    waiting = select(SupplementRow.contract_id, SupplementRow.answer_by).where(
        SupplementRow.contract_id.in_([r.contract_id for r in rows]),
        SupplementRow.state == "proposed",
        SupplementRow.answer_by > work.now,
    )
    until = {row.contract_id: row.answer_by for row in work.session.execute(waiting)}
    names = {row.organisation_id: row.name for row in known}
    today = wall_day(work.now)
    shown: dict[UUID, list[ContractLine]] = {}
    for line in lines:
        balance = Balance.model_validate(balances[line.line_id])
        plain = (
            "line_id version contract_id organisation_id name kinds community_ids unit rounding_minutes unit_price_fen "
            "wasted_trip valid_from valid_to channel active"
        )
        drawn = balance.delivered + balance.accepted
        shown.setdefault(line.contract_id, []).append(
            ContractLine.model_validate(
                {
                    **{name: getattr(line, name) for name in plain.split()},
                    "balance": balance,
                    "time_gone": service.time_gone(line, today),
                    "drawn": drawn * 1000 // line.ceiling if line.ceiling else 0,
                }
            )
        )
    plain = "contract_id version organisation_id number title fund theme beneficiary signed valid_from valid_to state"
    return [
        Contract.model_validate(
            {
                **{name: getattr(row, name) for name in plain.split()},
                "organisation": names[row.organisation_id],
                "supplement_until": until.get(row.contract_id),
                "lines": shown.get(row.contract_id, []),
            }
        )
        for row in rows
    ]


def _require(caller: Caller, row: ContractRow) -> None:
    if not caller.has(*WIDE):
        require(caller, Reach(organisation_id=row.organisation_id), *OWN)


@ROUTER.get("/contracts/{contract_id}")
def read_contract(contract_id: UUID, work: Transaction, caller: Reader) -> Contract:
    """One contract: each line's ceiling, reserved, delivered, accepted and free units, and its pace."""
    row = service.contract(work, contract_id)
    _require(caller, row)
    return _contracts(work, [row])[0]


@ROUTER.post("/contracts", status_code=201)
def sign(body: NewContract, work: Transaction, caller: Bureau) -> Done:
    """Enter a signed contract."""
    row = service.sign(work, body)
    return Done(id=row.contract_id, version=row.version)


@ROUTER.post("/contracts/{contract_id}/state")
def set_state(contract_id: UUID, body: ContractState, work: Transaction, caller: Bureau) -> Done:
    """Suspend a contract, take it up again, or end it: nobody draws on its lines meanwhile."""
    row = service.contract(work, contract_id, lock=True)
    service.not_bought(row)
    service.set_state(work, row, body.state)
    work.session.flush()
    return Done(id=row.contract_id, version=row.version)


@ROUTER.post("/contracts/{contract_id}/lines", status_code=201)
def add_line(contract_id: UUID, body: NewLine, work: Transaction, caller: Bureau) -> Done:
    """Add a line to a contract."""
    of = service.contract(work, contract_id)
    service.not_bought(of)
    row = service.add_line(work, of, body)
    return Done(id=row.line_id, version=row.version)


@ROUTER.patch("/lines/{line_id}")
def change_line(line_id: UUID, body: LineChange, work: Transaction, caller: Bureau) -> Done:
    """Change a line (If-Match). A ceiling below what is drawn or reserved is refused."""
    row = service.line(work, line_id, lock=True)
    service.change_line(work, row, body)
    return Done(id=row.line_id, version=row.version)
