"""The call's key, split among its openers at publication; two of them put it together after the deadline."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select

from services.projects.bids import sealing
from services.projects.bids.tables import OpenerKeyRow, OpenerRow
from services.projects.calls.tables import CallRow
from shared.clock import wall_day
from shared.database.work import Work
from shared.rules import rule_value
from shared.web.problems import Refused


def prepare(work: Work, call: CallRow, opener_ids: Sequence[UUID]) -> None:
    """Make the call's key and share it among the openers. The key itself is forgotten: only its public half stays."""
    openers = sorted(set(opener_ids))
    least = max(int(rule_value("openers_least", wall_day(work.now))), sealing.NEEDED)
    if len(openers) < least:
        raise Refused("too_few_openers", "至少要有 {least} 位开标人。", field="opener_ids", least=least)
    known = {
        row.person_id: row.public_key
        for row in work.session.scalars(
            select(OpenerKeyRow).where(OpenerKeyRow.person_id.in_(openers)).with_for_update(read=True)
        )
    }
    if known.keys() != set(openers):
        raise Refused("opener_without_key", "每位开标人都要先生成自己的开标码。", field="opener_ids")
    work.session.execute(delete(OpenerRow).where(OpenerRow.call_id == call.call_id))
    seed = sealing.new_seed()
    call.public_key = sealing.public(sealing.call_key(seed, call.call_id))
    work.session.flush()
    work.session.add_all(
        OpenerRow(
            call_id=call.call_id,
            person_id=person,
            public_key=known[person],
            share=sealing.seal_share(share, known[person], call.call_id, person),
        )
        for person, share in zip(openers, sealing.split(seed, len(openers)), strict=True)
    )
    work.session.flush()
    work.audit("call.share_key", call.call_id, openers=[str(person) for person in openers])
