"""People by id, their accounts and ways in, and the keys that sign tokens. Names only of who holds an office."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from services.identity.base import Base
from services.identity.rules import ROLE_SCOPES
from shared.contracts.codes import Role, ScopeKind
from shared.database.base import Versioned
from shared.security.caller import Membership

_ROLE_SCOPES = " OR ".join(
    f"role = '{role.value}' AND scope IN ({', '.join(repr(s.value) for s in scopes)})"
    for role, scopes in ROLE_SCOPES.items()
)


class PersonRow(Base):
    """One person over all roles (8.1). The ID number is a keyed hash: equal ones are found, none is readable."""

    __tablename__ = "person"
    __table_args__ = (UniqueConstraint("id_number_hash", name="uq_person_id_number"),)

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    id_number_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    registered_at: Mapped[datetime]


class PlaceRow(Base):
    """An office that knows a person: who registered them, or where a carer is registered (`source`)."""

    __tablename__ = "person_place"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    scope_id: Mapped[UUID] = mapped_column(primary_key=True)


class AreaRow(Base):
    """Where a town, community, cell or centre lies; `parent_id` is the next wider one."""

    __tablename__ = "area"

    area_id: Mapped[UUID] = mapped_column(primary_key=True)
    level: Mapped[str]
    parent_id: Mapped[UUID | None]


class AccountRow(Versioned, Base):
    """A sign-in: one a person. `must_change_password` while the password is the one-time one an office gave.

    Sealed: the name, of who holds an office only. Others' names stand with who looks after them.
    """

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("username", name="uq_account_username"),
        UniqueConstraint("person_id", name="uq_account_person"),
        CheckConstraint("username ~ '^[a-z][a-z0-9._-]{2,39}$'", name="username"),
        CheckConstraint("starts_with(password_hash, '$argon2id$')", name="password"),
    )

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.person_id"))
    username: Mapped[str]
    password_hash: Mapped[str]
    must_change_password: Mapped[bool]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    opened_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    memberships: Mapped[list["MembershipRow"]] = relationship(
        order_by="MembershipRow.given_at, MembershipRow.membership_id", cascade="all, delete-orphan"
    )


class MembershipRow(Base):
    """A role of an account within a scope."""

    __tablename__ = "membership"
    __table_args__ = (
        CheckConstraint("(scope = 'city') = (scope_id IS NULL)", name="scope"),
        CheckConstraint(_ROLE_SCOPES, name="role_scope"),
        UniqueConstraint(
            "account_id",
            "role",
            "scope",
            "scope_id",
            name="uq_membership_once",
            postgresql_nulls_not_distinct=True,
        ),
    )

    membership_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.account_id"))
    role: Mapped[str]
    scope: Mapped[str]
    scope_id: Mapped[UUID | None]
    given_at: Mapped[datetime]

    def as_membership(self) -> Membership:
        """The membership as tokens carry it."""
        return Membership(Role(self.role), ScopeKind(self.scope), self.scope_id)


class CardRow(Base):
    """A printed card (8.5): the code by keyed hash, the PIN by argon2. One live card an account."""

    __tablename__ = "card"
    __table_args__ = (
        UniqueConstraint("code_hash", name="uq_card_code"),
        Index("uq_card_live", "account_id", unique=True, postgresql_where=text("revoked_at IS NULL")),
        CheckConstraint("revoked_at >= printed_at", name="revoked"),
    )

    card_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.account_id"))
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    pin_hash: Mapped[str]
    printed_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class SessionRow(Base):
    """A signed-in browser: its opaque token is kept as a hash only. `card_id`: opened by that card."""

    __tablename__ = "session"
    __table_args__ = (
        UniqueConstraint("token_hash", name="uq_session_token"),
        CheckConstraint("ends_at > opened_at", name="span"),
    )

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.account_id"), index=True)
    card_id: Mapped[UUID | None] = mapped_column(ForeignKey("card.card_id"))
    opened_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)


class AttemptRow(Base):
    """A failed sign-in: what was tried (username, card or address), as a keyed hash, and when."""

    __tablename__ = "attempt"
    __table_args__ = (Index("ix_attempt_subject_at", "subject", "at"),)

    attempt_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    subject: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime] = mapped_column(index=True)


class SigningKeyRow(Base):
    """An Ed25519 key: signs from `signs_from` to `signs_until`, published before and a little after."""

    __tablename__ = "signing_key"
    __table_args__ = (
        UniqueConstraint("signs_from", name="uq_signing_key_signs_from"),
        CheckConstraint("signs_until > signs_from", name="span"),
    )

    kid: Mapped[str] = mapped_column(primary_key=True)
    public: Mapped[dict[str, str]] = mapped_column(JSONB)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    signs_from: Mapped[datetime]
    signs_until: Mapped[datetime]
