"""The keys that sign access tokens: always one that signs and the next one, both published, each sealed at rest."""

import json
from datetime import timedelta
from typing import Any

from joserfc import jwt
from joserfc.jwk import OKPKey
from sqlalchemy import delete, select, text

from services.identity.tables import SigningKeyRow
from shared.clock import wall_day
from shared.database.work import Database, Work
from shared.ids import new_id
from shared.rules import rule_value
from shared.security.tokens import ALGORITHMS

PURPOSE = "signing key"
KEPT = timedelta(hours=1)  # a key's last token has expired by then
_LOCK = 7_001_011


def signed(work: Work, claims: dict[str, Any]) -> str:
    """An access token with these claims."""
    row = next(key for key in live_keys(work) if key.signs_from <= work.now < key.signs_until)
    key = OKPKey.import_key(json.loads(work.vault.open_secret(PURPOSE, row.sealed)))
    return jwt.encode({"alg": ALGORITHMS[0], "kid": row.kid}, claims, key, algorithms=ALGORITHMS)


def published(work: Work) -> list[dict[str, str]]:
    """The public keys by which tokens are checked, the signing one first."""
    return [row.public for row in live_keys(work)]


def live_keys(work: Work) -> list[SigningKeyRow]:
    """The key that signs now and the next (and for an hour the last one), by age. Makes what is missing."""
    period = timedelta(days=int(rule_value("signing_key_days", wall_day(work.now))))
    rows = _rows(work)
    if not rows or rows[-1].signs_until <= work.now + period:
        work.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        rows = _rows(work)
        last = rows[-1].signs_until if rows else work.now - KEPT
        if last <= work.now - KEPT:
            last = work.now - KEPT
        while last <= work.now + period:
            rows.append(_new_key(work, last, period))
            last += period
        work.session.flush()
    return [row for row in rows if row.signs_until > work.now - KEPT]


def rotate_keys(database: Database) -> None:
    """Make the next key in time and drop those whose tokens have all expired (a job)."""
    with database.work() as work:
        live_keys(work)
        work.session.execute(delete(SigningKeyRow).where(SigningKeyRow.signs_until < work.now - KEPT))


def _rows(work: Work) -> list[SigningKeyRow]:
    return list(work.session.scalars(select(SigningKeyRow).order_by(SigningKeyRow.signs_from)))


def _new_key(work: Work, start: Any, period: timedelta) -> SigningKeyRow:
    kid = str(new_id())
    key = OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig", "alg": ALGORITHMS[0]})
    row = SigningKeyRow(
        kid=kid,
        public=dict(key.as_dict(private=False)),
        sealed=work.vault.seal_secret(PURPOSE, json.dumps(key.as_dict(private=True)).encode()),
        signs_from=start,
        signs_until=start + period,
    )
    work.session.add(row)
    return row
