"""Identity over HTTP.

Answers that hold a secret are plain responses: the kernel keeps other answers for repeated POSTs, these it must not.
"""

import base64
import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from services.identity import accounts, keys, people, rules, schemas, signing_in
from services.identity.tables import AccountRow
from shared.contracts.codes import Role
from shared.database.work import Work
from shared.security.caller import Caller, Membership
from shared.web.address import Address
from shared.web.app import router
from shared.web.problems import Invalid, Refused, refused
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import SignedIn, may

ROUTER = router("", "identity")
MANAGERS = (
    Role.CENTRE_STAFF,
    Role.DISPATCHER,
    Role.BUREAU,
    Role.TOWN,
    Role.COMMUNITY,
    Role.GRID_WORKER,
)
POSTERS = tuple(role for role in people.REGISTRARS if role is not Role.DISPATCHER)
Manager = Annotated[Caller, may(*MANAGERS)]
_BEARER = HTTPBearer(auto_error=False)
_TRIES: dict[int | str, dict[str, Any]] = {429: {"description": "too many tries: see Retry-After"}}


def _session_id(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> UUID | None:
    """The session that the request's token came from. SignedIn has checked the token."""
    if credentials is None or credentials.credentials.count(".") != 2:
        return None
    part = credentials.credentials.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return UUID(claims["sid"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _secret(answer: BaseModel, status: int = 200, version: int | None = None) -> JSONResponse:
    headers = {"Cache-Control": "no-store"}
    if version is not None:
        headers["ETag"] = f'"{version}"'
    return JSONResponse(answer.model_dump(mode="json"), status, headers=headers)


def _account(
    row: AccountRow, *, must_change: bool | None = None, has_card: bool = False, by_card: bool = False
) -> schemas.Account:
    """The account as its owner sees it; in a session by card, with the roles that a card carries."""
    return schemas.Account(
        account_id=row.account_id,
        version=row.version,
        person_id=row.person_id,
        username=row.username,
        must_change_password=row.must_change_password if must_change is None else must_change,
        has_card=has_card,
        memberships=[
            schemas.MembershipAnswer.model_validate(m)
            for m in row.memberships
            if not by_card or Role(m.role) in rules.CARD_ROLES
        ],
    )


def _opened(work: Work, request: Request, opened: signing_in.Opened | Refused) -> Response:
    if isinstance(opened, Refused):
        return refused(request, opened)
    token, seconds = signing_in.access_token(work, opened)
    account = _account(opened.account, must_change=opened.must_change, by_card=opened.by_card)
    assert opened.token is not None
    return _secret(
        schemas.SignedInAnswer(
            session_token=opened.token, access_token=token, expires_in=seconds, account=account
        )
    )


def _memberships(asked: list[schemas.NewMembership], person_id: UUID) -> tuple[list[Membership], UUID | None]:
    memberships = [accounts.settled(m.role, m.scope, m.scope_id, person_id) for m in asked]
    communities = {m.centre_community_id for m in asked if m.centre_community_id is not None}
    if len(communities) > 1:
        raise Invalid("one_centre", "一次只能登记一个照料中心所在的社区。", field="memberships")
    return memberships, next(iter(communities), None)


@ROUTER.post("/sign-in", response_model=schemas.SignedInAnswer, responses=_TRIES)
def sign_in(body: schemas.PasswordSignIn, request: Request, address: Address, work: Transaction) -> Response:
    """Sign in by password: a session of 12 hours."""
    return _opened(work, request, signing_in.by_password(work, body.username, body.password, address))


@ROUTER.post("/sign-in/card", response_model=schemas.SignedInAnswer, responses=_TRIES)
def sign_in_by_card(
    body: schemas.CardSignIn, request: Request, address: Address, work: Transaction
) -> Response:
    """Sign in by card and PIN: a session of 90 days (8.5)."""
    return _opened(work, request, signing_in.by_card(work, body.card_code, body.pin, address))


@ROUTER.post("/tokens", response_model=schemas.Token)
def renew_token(body: schemas.SessionBody, work: Transaction) -> Response:
    """A fresh access token for a session. 401 when it has ended."""
    opened = signing_in.by_session(work, body.session_token)
    token, seconds = signing_in.access_token(work, opened)
    account = _account(opened.account, must_change=opened.must_change, by_card=opened.by_card)
    return _secret(schemas.Token(access_token=token, expires_in=seconds, account=account))


@ROUTER.delete("/sessions/current", status_code=204)
def sign_out(body: schemas.SessionBody, work: Transaction) -> None:
    """End a session."""
    signing_in.sign_out(work, body.session_token)


@ROUTER.get("/jwks")
def jwks(work: Transaction) -> schemas.Jwks:
    """The keys that check access tokens: the signing one and the next."""
    return schemas.Jwks(keys=keys.published(work))


@ROUTER.get("/me")
def me(work: Transaction, caller: SignedIn) -> schemas.Account:
    """The own account."""
    row = accounts.own(work, caller)
    return _account(row, has_card=bool(accounts.with_cards(work, [row])))


@ROUTER.post("/me/password", response_model=Done, responses=_TRIES)
def change_password(
    body: schemas.PasswordChange,
    request: Request,
    address: Address,
    session_id: Annotated[UUID | None, Depends(_session_id)],
    work: Transaction,
    caller: SignedIn,
) -> Response:
    """Change the own password. Other sessions end; ask /tokens for a token with all roles."""
    result = accounts.change_password(work, caller, body.old, body.new, session_id, address)
    if isinstance(result, Refused):
        return refused(request, result)
    return _secret(Done(id=result.account_id, version=result.version), version=result.version)


@ROUTER.post("/people", status_code=201)
def register_person(
    body: schemas.NewPerson, work: Transaction, caller: Annotated[Caller, may(*people.REGISTRARS)]
) -> schemas.PersonAnswer:
    """The id of a person: a known ID number gives the existing one (8.1, 8.3)."""
    person_id, known = people.find_or_register(work, caller, body.id_number)
    return schemas.PersonAnswer(person_id=person_id, known=known)


@ROUTER.post("/accounts", status_code=201, response_model=schemas.Invited)
def invite(body: schemas.NewAccount, work: Transaction, caller: Manager) -> Response:
    """Open an account for one of the caller's own people, with a one-time password."""
    memberships, community = _memberships(body.memberships, body.person_id)
    row, password = accounts.invite(
        work, caller, body.person_id, body.username, memberships, community, body.name
    )
    return _secret(
        schemas.Invited(account_id=row.account_id, version=row.version, one_time_password=password),
        201,
        row.version,
    )


@ROUTER.get("/accounts")
def list_accounts(
    work: Transaction,
    caller: Annotated[Caller, may(*MANAGERS, Role.VOLUNTEER, Role.RESIDENT, Role.FAMILY)],
    person_id: Annotated[list[UUID], Query(min_length=1, max_length=200)],
    cursor: Cursor = None,
    limit: Limit = 200,
) -> Page[schemas.Account]:
    """The accounts of up to 200 people, as far as they are the caller's own people."""
    rows = accounts.accounts_of(work, caller, person_id)
    if cursor:
        after = cursor_keys(cursor, UUID)[0]
        rows = [row for row in rows if row.person_id > after]
    shown = rows[:limit]
    cards = accounts.with_cards(work, shown)
    return Page(
        items=[_account(row, has_card=row.account_id in cards) for row in shown],
        next=encode_cursor(shown[-1].person_id) if len(rows) > limit else None,
    )


@ROUTER.post("/names")
def names(body: schemas.NamesWanted, work: Transaction, caller: SignedIn) -> dict[UUID, schemas.NameAnswer]:
    """Names of who holds an office: whoever sees what they did may know who it was. Nobody else's."""
    found = accounts.office_names(work, body.person_ids)
    return {person_id: schemas.NameAnswer(name=name) for person_id, name in found.items()}


@ROUTER.get("/social-workers")
def social_workers(
    work: Transaction,
    caller: Annotated[Caller, may(*POSTERS)],
    community_id: Annotated[list[UUID], Query(min_length=1, max_length=60)],
) -> list[schemas.OfficeHolder]:
    """The social workers of some communities, by name: whom a need can name as in charge."""
    found = accounts.office_holders(work, Role.SOCIAL_WORKER, community_id)
    return [
        schemas.OfficeHolder(person_id=person_id, name=name)
        for person_id, name in sorted(found.items(), key=lambda each: each[1])
    ]


@ROUTER.get("/scorers")
def scorers(work: Transaction, caller: Annotated[Caller, may(Role.BUREAU)]) -> list[schemas.OfficeHolder]:
    """Who scores bids (评审人员), by name: whom the bureau can name for a call."""
    found = accounts.office_holders(work, Role.SCORER, ())
    return [
        schemas.OfficeHolder(person_id=person_id, name=name)
        for person_id, name in sorted(found.items(), key=lambda each: each[1])
    ]


@ROUTER.post("/accounts/{account_id}/password-reset", response_model=schemas.Invited)
def reset_password(account_id: UUID, work: Transaction, caller: Manager) -> Response:
    """Give one of the caller's own people a one-time password; their sessions end."""
    row, password = accounts.reset_password(work, caller, account_id)
    return _secret(
        schemas.Invited(account_id=row.account_id, version=row.version, one_time_password=password),
        version=row.version,
    )


@ROUTER.post("/accounts/{account_id}/cards", status_code=201, response_model=schemas.Card)
def print_card(account_id: UUID, work: Transaction, caller: Manager) -> Response:
    """A new card for one of the caller's own people; the one before it ends."""
    card, code, pin = accounts.print_card(work, caller, account_id)
    return _secret(schemas.Card(card_id=card.card_id, card_code=code, pin=pin), 201)


@ROUTER.delete("/accounts/{account_id}/cards")
def revoke_cards(account_id: UUID, work: Transaction, caller: Manager) -> Done:
    """End the cards of one of the caller's own people, and the sessions opened by them."""
    row = accounts.revoke_cards(work, caller, account_id)
    return Done(id=row.account_id, version=row.version)


@ROUTER.post("/accounts/{account_id}/memberships", status_code=201)
def give_role(
    account_id: UUID, body: schemas.NewMembership, work: Transaction, caller: Manager
) -> schemas.Account:
    """Give an account another role, within what the caller may give."""
    row = accounts.found(work, account_id)
    memberships, community = _memberships([body], row.person_id)
    return _account(accounts.add_membership(work, caller, account_id, memberships[0], community))


@ROUTER.delete("/accounts/{account_id}/memberships/{membership_id}")
def take_role(account_id: UUID, membership_id: UUID, work: Transaction, caller: Manager) -> schemas.Account:
    """Take a role that the caller could give."""
    return _account(accounts.remove_membership(work, caller, account_id, membership_id))


@ROUTER.post("/registrations", status_code=201, response_model=schemas.Registered, responses=_TRIES)
def register_volunteer(
    body: schemas.Registration, request: Request, address: Address, work: Transaction
) -> Response:
    """A volunteer registers. Skills and lone visits wait for approval, in volunteers."""
    fault = rules.password_fault(body.password, body.username)
    if fault:
        raise Invalid("password", fault, field="password")
    refusal = signing_in.counted(work, "registration", address)
    if refusal is not None:
        return refused(request, refusal)
    try:
        with work.session.begin_nested():
            row = accounts.register_volunteer(work, body.username, body.password, body.id_number)
    except Refused as fault_found:
        return refused(request, fault_found)
    answer = schemas.Registered(account_id=row.account_id, person_id=row.person_id, version=row.version)
    return _secret(answer, 201, row.version)
