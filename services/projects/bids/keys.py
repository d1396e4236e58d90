"""Openers' keys (开标人), and the key that signs receipts and packages."""

from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import select, text

from services.projects.bids import sealing
from services.projects.bids.tables import OpenerKeyRow, OpenerRow, SigningKeyRow
from services.projects.calls.tables import CallRow
from shared.database.work import Work
from shared.web.problems import Invalid, NotFound, Refused

SIGNING = "projects receipts"


def make_opener_key(work: Work, person_id: UUID, code: str | None = None) -> tuple[OpenerKeyRow, str]:
    """A key for somebody who will open bids, and the code from which it follows: shown once, kept nowhere.

    `code`: the sample's, which everybody may know.
    """
    if work.session.get(OpenerKeyRow, person_id) is not None:
        raise Refused("opener_key_there", "您已有开标码。要换新的，请用“更换开标码”。")
    code = code or sealing.new_code()
    row = OpenerKeyRow(
        person_id=person_id,
        public_key=sealing.public(sealing.opener_key(code, person_id)),
        made_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    work.audit("opener_key.make", person=person_id)
    return row, code


def renew_opener_key(work: Work, person_id: UUID, old_code: str | None) -> tuple[OpenerKeyRow, str, int]:
    """A new code. With the old one the shares of unopened calls follow it; without, those calls still need the old code.

    The row, the code, and how many calls still need the old code.
    """
    row = work.session.get(OpenerKeyRow, person_id, with_for_update=True)
    if row is None:
        raise NotFound("opener_key_unknown", "您还没有开标码。")
    shares = work.session.scalars(
        select(OpenerRow)
        .join(CallRow, CallRow.call_id == OpenerRow.call_id)
        .where(OpenerRow.person_id == person_id, CallRow.state == "published")
        .order_by(OpenerRow.call_id)
        .with_for_update(of=OpenerRow)
    ).all()
    code = sealing.new_code()
    public_key = sealing.public(sealing.opener_key(code, person_id))
    followed = 0
    if old_code is not None:
        old = opener_private(old_code, person_id)
        if sealing.public(old) != row.public_key:
            raise Invalid("wrong_code", "开标码不对，请核对后重新输入。", field="code")
        for each in shares:
            if each.public_key == row.public_key:
                share = sealing.open_share(each.share, old, each.call_id, person_id)
                each.share = sealing.seal_share(share, public_key, each.call_id, person_id)
                each.public_key = public_key
                followed += 1
    row.public_key = public_key
    row.made_at = work.now
    work.session.flush()
    work.audit("opener_key.renew", person=person_id, followed=followed, left=len(shares) - followed)
    return row, code, len(shares) - followed


def opener_private(code: str, person_id: UUID) -> X25519PrivateKey:
    """The key that follows from a typed code. 422 when it can't be a code at all."""
    try:
        return sealing.opener_key(code, person_id)
    except ValueError:
        raise Invalid("bad_code", "开标码是 25 个字母和数字，请核对后重新输入。", field="code") from None


def signing_key(work: Work) -> SigningKeyRow:
    """The newest key that signs; the first is made when it is needed."""
    newest = select(SigningKeyRow).order_by(SigningKeyRow.made_at.desc(), SigningKeyRow.key_id).limit(1)
    row = work.session.scalars(newest).first()
    if row is None:
        work.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('signing_key', 0))"))
        row = work.session.scalars(newest).first() or _make_signing_key(work)
    return row


def _make_signing_key(work: Work) -> SigningKeyRow:
    key = Ed25519PrivateKey.generate()
    public_key = key.public_key().public_bytes_raw()
    row = SigningKeyRow(
        key_id=sealing.key_id(public_key),
        public_key=public_key,
        sealed=work.vault.seal_secret(SIGNING, key.private_bytes_raw()),
        made_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    return row


def signature(work: Work, row: SigningKeyRow, signed: bytes) -> bytes:
    """The city's signature under a text."""
    return sealing.sign(signed, work.vault.open_secret(SIGNING, row.sealed))
