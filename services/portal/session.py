"""Browser sessions: an opaque cookie, and here what it stands for. Forms that outlive a session wait as drafts (8.5)."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, delete
from sqlalchemy.orm import Mapped, mapped_column

from services.portal.base import Base
from shared.clock import wall_day
from shared.contracts.codes import Role, ScopeKind
from shared.database.work import Database, Work
from shared.ids import new_id
from shared.rules import rule_value
from shared.security.caller import Membership

COOKIE = "linli"
DRAFT_KEPT = timedelta(days=1)


class SessionRow(Base):
    """One signed-in browser. Sealed under the person's key: identity's session token and the access token."""

    __tablename__ = "session"

    session_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    person_id: Mapped[UUID] = mapped_column(index=True)
    account: Mapped[dict[str, Any]]
    role: Mapped[str | None]
    scope_id: Mapped[UUID | None]
    csrf: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    flash: Mapped[list[Any]]
    began_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)


class DraftRow(Base):
    """A form that was sent when its session had ended. Sealed under the person's key."""

    __tablename__ = "draft"

    draft_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    path: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime] = mapped_column(index=True)


@dataclass(slots=True)
class Session:
    """A signed-in browser, as a page sees it. `role`: the one its reader acts in now."""

    key: bytes
    person_id: UUID
    username: str
    memberships: tuple[Membership, ...]
    must_change: bool
    role: Membership | None
    csrf: str
    session_token: str
    access_token: str
    access_until: float
    flash: list[list[str]] = field(default_factory=list)


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()


def _memberships(account: dict[str, Any]) -> tuple[Membership, ...]:
    return tuple(
        Membership(Role(m["role"]), ScopeKind(m["scope"]), UUID(m["scope_id"]) if m.get("scope_id") else None)
        for m in account["memberships"]
    )


def lasts(now: datetime, *, by_card: bool) -> timedelta:
    """How long a sign-in holds: by card on the own phone much longer (8.5)."""
    day = wall_day(now)
    if by_card:
        return timedelta(days=int(rule_value("card_session_days", day)))
    return timedelta(hours=int(rule_value("session_hours", day)))


def open_session(work: Work, signed_in: dict[str, Any], *, by_card: bool, until: float) -> str:
    """Keep a fresh sign-in. The cookie's value."""
    cookie = secrets.token_urlsafe(32)
    account = signed_in["account"]
    person = UUID(account["person_id"])
    first = next(iter(account["memberships"]), None)
    sealed = {
        "session": signed_in["session_token"],
        "access": signed_in["access_token"],
        "until": until,
    }
    work.session.add(
        SessionRow(
            session_hash=_hash(cookie),
            person_id=person,
            account=account,
            role=first["role"] if first else None,
            scope_id=UUID(first["scope_id"]) if first and first.get("scope_id") else None,
            csrf=secrets.token_urlsafe(16),
            sealed=work.vault.seal(work.session, person, sealed),
            flash=[],
            began_at=work.now,
            ends_at=work.now + lasts(work.now, by_card=by_card),
        )
    )
    return cookie


def read_session(database: Database, cookie: str, *, take_flash: bool = True) -> Session | None:
    """The session of a cookie, unless it has ended."""
    with database.work() as work:
        row = work.session.get(SessionRow, _hash(cookie))
        if row is None or row.ends_at <= work.now:
            return None
        [secret] = work.vault.open(work.session, [(row.person_id, row.sealed)])
        if not secret:
            return None
        memberships = _memberships(row.account)
        active = next(
            (m for m in memberships if m.role == row.role and m.scope_id == row.scope_id),
            memberships[0] if memberships else None,
        )
        flash = list(row.flash) if take_flash else []
        if flash:
            row.flash = []
        return Session(
            key=row.session_hash,
            person_id=row.person_id,
            username=row.account["username"],
            memberships=memberships,
            must_change=bool(row.account.get("must_change_password")),
            role=active,
            csrf=row.csrf,
            session_token=secret["session"],
            access_token=secret["access"],
            access_until=float(secret["until"]),
            flash=flash,
        )


def whose(database: Database, cookie: str) -> UUID | None:
    """Whose session a cookie was, also for a day after its end: a form sent too late is kept for them (8.5)."""
    with database.work() as work:
        row = work.session.get(SessionRow, _hash(cookie))
        return row.person_id if row is not None else None


def keep_token(database: Database, session: Session, renewed: dict[str, Any], until: float) -> None:
    """Keep a renewed access token and what the account may do now."""
    session.access_token, session.access_until = renewed["access_token"], until
    session.memberships = _memberships(renewed["account"])
    session.must_change = bool(renewed["account"].get("must_change_password"))
    with database.work() as work:
        row = work.session.get(SessionRow, session.key, with_for_update=True)
        if row is None:
            return
        row.account = renewed["account"]
        if row.role is None and session.memberships:
            row.role, row.scope_id = session.memberships[0].role.value, session.memberships[0].scope_id
        sealed = {"session": session.session_token, "access": session.access_token, "until": until}
        row.sealed = work.vault.seal(work.session, row.person_id, sealed)


def act_as(database: Database, session: Session, membership: Membership) -> None:
    """Change the role in which the reader acts."""
    with database.work() as work:
        row = work.session.get(SessionRow, session.key, with_for_update=True)
        if row is not None:
            row.role, row.scope_id = membership.role.value, membership.scope_id


def add_flash(database: Database, session: Session, kind: str, text: str) -> None:
    """Say something on the next page."""
    with database.work() as work:
        row = work.session.get(SessionRow, session.key, with_for_update=True)
        if row is not None:
            row.flash = [*row.flash, [kind, text]][-5:]


def end_session(database: Database, session: Session) -> None:
    """Forget a session."""
    with database.work() as work:
        work.session.execute(delete(SessionRow).where(SessionRow.session_hash == session.key))


def keep_draft(database: Database, person_id: UUID, path: str, fields: list[tuple[str, str]]) -> UUID:
    """Keep a form that came too late."""
    with database.work() as work:
        row = DraftRow(
            draft_id=new_id(),
            person_id=person_id,
            path=path,
            sealed=work.vault.seal(work.session, person_id, {"fields": fields}),
            at=work.now,
        )
        work.session.add(row)
        return row.draft_id


def read_draft(database: Database, person_id: UUID, draft_id: UUID) -> list[tuple[str, str]]:
    """The fields of a draft of the same person."""
    with database.work() as work:
        row = work.session.get(DraftRow, draft_id)
        if row is None or row.person_id != person_id:
            return []
        [value] = work.vault.open(work.session, [(row.person_id, row.sealed)])
        return [(str(k), str(v)) for k, v in value.get("fields", [])]


def forget_old(database: Database) -> None:
    """Drop sessions that ended a day ago and drafts of yesterday (a job)."""
    with database.work() as work:
        work.session.execute(delete(SessionRow).where(SessionRow.ends_at < work.now - DRAFT_KEPT))
        work.session.execute(delete(DraftRow).where(DraftRow.at < work.now - DRAFT_KEPT))
