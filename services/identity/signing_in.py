"""Ways in: password, card, session. A failed try is counted in the transaction that refuses it, so that it stays."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.orm import selectinload

from services.identity import keys, rules, secrets
from services.identity.tables import AccountRow, AttemptRow, CardRow, SessionRow
from shared.clock import wall_day
from shared.database.work import Database, Work
from shared.ids import new_id
from shared.rules import rule_value
from shared.security.caller import Caller
from shared.security.tokens import claims_of
from shared.web.problems import Refused, Unauthenticated

ATTEMPTS_KEPT = timedelta(days=1)


class TooManyTries(Refused):
    """The username, card or address has to wait: 429."""

    status = 429

    def __init__(self, after: timedelta) -> None:
        seconds = max(1, ceil(after.total_seconds()))
        super().__init__(
            "too_many_tries",
            "试错次数太多，请 {minutes} 分钟后再试，或请工作人员帮忙。",
            retry_after=seconds,
            minutes=ceil(seconds / 60),
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """A session and what it may do. `token` only when it was just opened."""

    session: SessionRow
    account: AccountRow
    token: str | None = None

    @property
    def by_card(self) -> bool:
        """Whether a card opened the session: it then carries a card's roles only."""
        return self.session.card_id is not None

    @property
    def must_change(self) -> bool:
        """By card nobody is asked to change a password they do not use."""
        return self.account.must_change_password and not self.by_card


def by_password(work: Work, username: str, password: str, address: str) -> Opened | Refused:
    """Open a session for whoever knows the password. A refusal is returned, not raised: its count must be kept."""
    account = _account_named(work, username)
    refusal = tried(
        work,
        f"username:{username}",
        address,
        lambda: secrets.holds(password, account.password_hash if account else None),
        Unauthenticated("wrong_password", "用户名或密码不对。"),
    )
    if refusal is not None or account is None:
        return refusal or Unauthenticated("wrong_password", "用户名或密码不对。")
    hours = int(rule_value("session_hours", wall_day(work.now)))
    return _open(work, account, None, timedelta(hours=hours))


def by_card(work: Work, code: str, pin: str, address: str) -> Opened | Refused:
    """Open a session of 90 days for whoever holds a card and knows its PIN (8.5)."""
    hash_ = work.vault.fingerprint(f"card:{code}")
    card = work.session.scalar(
        select(CardRow)
        .where(CardRow.code_hash == hash_, CardRow.revoked_at.is_(None))
        .with_for_update(read=True)
    )
    wrong = Unauthenticated("wrong_pin", "卡号或密码不对，或者卡已停用。")
    refusal = tried(
        work,
        f"card:{code}",
        address,
        lambda: secrets.holds(secrets.peppered(work.vault, pin), card.pin_hash if card else None),
        wrong,
    )
    if refusal is not None or card is None:
        return refusal or wrong
    days = int(rule_value("card_session_days", wall_day(work.now)))
    return _open(work, work.session.get_one(AccountRow, card.account_id), card.card_id, timedelta(days=days))


def tried(
    work: Work, subject: str, address: str, holds: Callable[[], bool], wrong: Refused
) -> Refused | None:
    """Check a secret, unless its subject or the address has failed too often. Tries at one subject take turns."""
    day = wall_day(work.now)
    pause = timedelta(minutes=int(rule_value("sign_in_pause_minutes", day)))
    subject_hash = work.vault.fingerprint(subject)
    address_hash = work.vault.fingerprint(f"address:{address}")
    _lock(work, subject_hash)
    waiting = max(
        _wait(work, subject_hash, int(rule_value("sign_in_attempts", day)), pause),
        _wait(work, address_hash, int(rule_value("sign_in_attempts_an_address", day)), pause),
    )
    if waiting:
        return TooManyTries(waiting)
    if holds():
        work.session.execute(delete(AttemptRow).where(AttemptRow.subject == subject_hash))
        return None
    work.session.add_all(AttemptRow(subject=hash_, at=work.now) for hash_ in (subject_hash, address_hash))
    work.session.flush()
    return wrong


def counted(work: Work, action: str, address: str) -> TooManyTries | None:
    """Count one use of something an address may do only so often, such as registering."""
    day = wall_day(work.now)
    pause = timedelta(minutes=int(rule_value("sign_in_pause_minutes", day)))
    subject = work.vault.fingerprint(f"{action}:{address}")
    _lock(work, subject)
    waiting = _wait(work, subject, int(rule_value("sign_in_attempts_an_address", day)), pause)
    if waiting:
        return TooManyTries(waiting)
    work.session.add(AttemptRow(subject=subject, at=work.now))
    work.session.flush()
    return None


def by_session(work: Work, token: str) -> Opened:
    """The session of a token. 401 when it has ended."""
    row = work.session.scalar(
        select(SessionRow).where(
            SessionRow.token_hash == secrets.token_hash(token), SessionRow.ends_at > work.now
        )
    )
    if row is None:
        raise Unauthenticated("session_ended", "登录已过期，请重新登录。")
    return Opened(row, work.session.get_one(AccountRow, row.account_id))


def sign_out(work: Work, token: str) -> None:
    """End a session; one that is not there has ended already."""
    work.session.execute(delete(SessionRow).where(SessionRow.token_hash == secrets.token_hash(token)))


def end_sessions(
    work: Work, account_id: UUID, *, card_id: UUID | None = None, except_id: UUID | None = None
) -> None:
    """End an account's sessions: all, one card's, or all but one."""
    statement = delete(SessionRow).where(SessionRow.account_id == account_id)
    if card_id is not None:
        statement = statement.where(SessionRow.card_id == card_id)
    if except_id is not None:
        statement = statement.where(SessionRow.session_id != except_id)
    work.session.execute(statement)


def access_token(work: Work, opened: Opened) -> tuple[str, int]:
    """A token for what the session may do, and its seconds: ten minutes, never longer than the session."""
    used = rules.used_roles(
        (row.as_membership() for row in opened.account.memberships),
        by_card=opened.by_card,
        must_change=opened.must_change,
    )
    longest = 60 * int(rule_value("access_token_minutes", wall_day(work.now)))
    lifetime = max(1, min(longest, int((opened.session.ends_at - work.now).total_seconds())))
    caller = Caller(opened.account.account_id, opened.account.person_id, used)
    claims: dict[str, Any] = claims_of(caller, int(work.now.timestamp()), lifetime)
    return keys.signed(work, {**claims, "sid": str(opened.session.session_id)}), lifetime


def forget_ended(database: Database) -> None:
    """Drop ended sessions and tries that count no more (a job)."""
    with database.work() as work:
        work.session.execute(delete(SessionRow).where(SessionRow.ends_at <= work.now))
        work.session.execute(delete(AttemptRow).where(AttemptRow.at < work.now - ATTEMPTS_KEPT))


def _open(work: Work, account: AccountRow, card_id: UUID | None, lasts: timedelta) -> Opened:
    token = secrets.session_token()
    row = SessionRow(
        session_id=new_id(),
        token_hash=secrets.token_hash(token),
        account_id=account.account_id,
        card_id=card_id,
        opened_at=work.now,
        ends_at=work.now + lasts,
    )
    work.session.add(row)
    work.session.flush()
    return Opened(row, account, token)


def _account_named(work: Work, username: str) -> AccountRow | None:
    return work.session.scalar(
        select(AccountRow)
        .options(selectinload(AccountRow.memberships))
        .where(AccountRow.username == username)
        .with_for_update(read=True)
    )


def _lock(work: Work, subject: bytes) -> None:
    work.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"try {subject.hex()}"}
    )


def _wait(work: Work, subject: bytes, most: int, pause: timedelta) -> timedelta:
    failures = work.session.scalars(
        select(AttemptRow.at)
        .where(AttemptRow.subject == subject, AttemptRow.at > work.now - pause)
        .order_by(AttemptRow.at.desc())
        .limit(most)
    ).all()
    return rules.wait(failures, work.now, most, pause)
