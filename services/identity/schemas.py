"""Accounts and ways in, as they cross HTTP."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints

from services.identity import rules
from shared.contracts.codes import Role, ScopeKind
from shared.id_numbers import IdNumber, plain
from shared.web.schemas import Answer, Body, Line


def _username(value: str) -> str:
    fault = rules.username_fault(value)
    if fault:
        raise ValueError(fault)
    return value


def _plain(value: Any) -> Any:
    return plain(value) if isinstance(value, str) and len(value) <= 200 else value


Username = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, max_length=40),
    AfterValidator(_username),
]
TypedUsername = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=100)
]
TypedPassword = Annotated[str, StringConstraints(min_length=1, max_length=rules.PASSWORD_LONGEST)]
NewPassword = Annotated[
    str, StringConstraints(min_length=rules.PASSWORD_SHORTEST, max_length=rules.PASSWORD_LONGEST)
]
CardCode = Annotated[
    str, BeforeValidator(_plain), StringConstraints(pattern=r"^[A-Z0-9]{8,64}$", max_length=64)
]
Pin = Annotated[str, BeforeValidator(_plain), StringConstraints(pattern=r"^[0-9]{6}$", max_length=6)]
SessionToken = Annotated[str, StringConstraints(min_length=20, max_length=200)]


def _examples(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": list(examples)})


class PasswordSignIn(Body):
    """Username and password."""

    model_config = _examples({"username": "centre", "password": "linli-2026"})

    username: TypedUsername
    password: TypedPassword


class CardSignIn(Body):
    """What a printed card's QR carries, and its six digits (8.5)."""

    model_config = _examples({"card_code": "V2TWM4CR65H4MN5RMNAEHF9HFQ", "pin": "396803"})

    card_code: CardCode
    pin: Pin


class SessionBody(Body):
    """The opaque token that sign-in gave."""

    model_config = _examples({"session_token": "Qm9XkqgZ0y7m3m0u0bq1mC2m5o8xj9lq8b1h2k3l4m5"})

    session_token: SessionToken


class NewMembership(Body):
    """A role to be given. Without a scope: the role's usual one; a volunteer's and a resident's is the person."""

    model_config = _examples(
        {"role": "volunteer"},
        {"role": "centre_staff", "scope": "centre", "scope_id": "79300166-4dfd-50cc-838a-c3f87a1f5e31"},
    )

    role: Role
    scope: ScopeKind | None = None
    scope_id: UUID | None = None
    centre_community_id: UUID | None = Field(
        default=None,
        description="where a new centre lies (the bureau's to say): its town may then look after it",
    )


class NewPerson(Body):
    """Somebody at the desk. Without an ID number a new person each time."""

    model_config = _examples({"id_number": "321081195203071226"})

    id_number: IdNumber | None = None


class NewAccount(Body):
    """An invitation."""

    model_config = _examples(
        {
            "person_id": "938fb545-fae1-52c9-8052-f3f341bc9dec",
            "username": "wang.xiulan",
            "memberships": [{"role": "volunteer"}],
        }
    )

    person_id: UUID
    username: Username
    memberships: Annotated[list[NewMembership], Field(min_length=1, max_length=20)]
    name: Line | None = Field(
        default=None, description="of who is to hold an office; others' are not kept here"
    )


class NamesWanted(Body):
    """Whose names are asked for."""

    model_config = _examples({"person_ids": ["938fb545-fae1-52c9-8052-f3f341bc9dec"]})

    person_ids: Annotated[list[UUID], Field(min_length=1, max_length=500)]


class NameAnswer(Answer):
    name: str


class OfficeHolder(Answer):
    """Who holds an office, and under which name."""

    person_id: UUID
    name: str


class Registration(Body):
    """A volunteer registers."""

    model_config = _examples(
        {"username": "wang.xiulan", "password": "a good long one", "id_number": "321081195203071226"}
    )

    username: Username
    password: NewPassword
    id_number: IdNumber


class PasswordChange(Body):
    """The own password, old and new."""

    model_config = _examples({"old": "kqmw-7xnb-h3td", "new": "a good long one"})

    old: TypedPassword
    new: NewPassword


class MembershipAnswer(Answer):
    """A role within a scope; a city-wide one has no `scope_id`."""

    membership_id: UUID
    role: Role
    scope: ScopeKind
    scope_id: UUID | None


class Account(Answer):
    """An account, without its secrets."""

    account_id: UUID
    version: int
    person_id: UUID
    username: str
    must_change_password: bool
    has_card: bool = False
    memberships: list[MembershipAnswer]


class Token(Answer):
    """An access token for so many seconds. Its roles are empty while the one-time password is not changed."""

    access_token: str
    expires_in: int
    account: Account


class SignedInAnswer(Token):
    """A new session: its token stays with whoever serves the browser, and is shown this once."""

    session_token: str


class Jwks(Answer):
    """The public keys that check access tokens."""

    keys: list[dict[str, str]]


class PersonAnswer(Answer):
    """`known`: the ID number was on record, as far as the caller may know."""

    person_id: UUID
    known: bool


class Invited(Answer):
    """An account and the password for its first sign-in, shown this once."""

    account_id: UUID
    version: int
    one_time_password: str


class Registered(Answer):
    """A volunteer's new account."""

    account_id: UUID
    person_id: UUID
    version: int


class Card(Answer):
    """A card's code and PIN, shown this once."""

    card_id: UUID
    card_code: str
    pin: str
