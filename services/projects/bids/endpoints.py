"""Bids, their receipts and their opening over HTTP."""

from typing import Annotated

from sqlalchemy import select

from services.projects.bids import keys
from services.projects.bids.schemas import OpenerKey, Renewal, SigningKey
from services.projects.bids.tables import OpenerKeyRow, SigningKeyRow
from shared.contracts.codes import Role
from shared.security.caller import Caller
from shared.web.app import router
from shared.web.routing import Transaction
from shared.web.schemas import Page
from shared.web.signed_in import may

ROUTER = router("", "bids")
Bureau = Annotated[Caller, may(Role.BUREAU)]


@ROUTER.get("/opener-key")
def read_opener_key(work: Transaction, caller: Bureau) -> OpenerKey:
    """Whether the caller has an opening code (开标码), and since when. The code itself is nowhere."""
    row = work.session.get(OpenerKeyRow, caller.person_id)
    return OpenerKey(person_id=caller.person_id, made_at=row.made_at if row else None)


@ROUTER.post("/opener-key", status_code=201)
def make_opener_key(work: Transaction, caller: Bureau) -> OpenerKey:
    """Make the caller's opening code: this answer alone shows it."""
    row, code = keys.make_opener_key(work, caller.person_id)
    return OpenerKey(person_id=row.person_id, made_at=row.made_at, code=code)


@ROUTER.post("/opener-key/renewal")
def renew_opener_key(body: Renewal, work: Transaction, caller: Bureau) -> OpenerKey:
    """A new opening code for one that was lost or seen. With the old one, calls still to be opened follow."""
    row, code, left = keys.renew_opener_key(work, caller.person_id, body.code)
    return OpenerKey(person_id=row.person_id, made_at=row.made_at, code=code, calls_on_the_old_code=left)


@ROUTER.get("/opener-keys")
def list_opener_keys(
    work: Transaction, caller: Annotated[Caller, may(Role.BUREAU, Role.AUDITOR)]
) -> Page[OpenerKey]:
    """Who may be named as an opener: those who have an opening code."""
    rows = work.session.scalars(select(OpenerKeyRow).order_by(OpenerKeyRow.made_at, OpenerKeyRow.person_id))
    return Page(items=[OpenerKey(person_id=row.person_id, made_at=row.made_at) for row in rows])


@ROUTER.get("/public/signing-keys")
def list_signing_keys(work: Transaction) -> Page[SigningKey]:
    """The keys by which receipts and packages are checked, for anybody."""
    rows = work.session.scalars(select(SigningKeyRow).order_by(SigningKeyRow.made_at, SigningKeyRow.key_id))
    return Page(
        items=[
            SigningKey(key_id=row.key_id, public_key=row.public_key.hex(), made_at=row.made_at)
            for row in rows
        ]
    )
