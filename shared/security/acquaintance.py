"""Who may learn the name of somebody who comes: whom they come to, who answers for the visit, who comes along (8.17).

Built by each service that keeps such people's names, from who comes to visits; read when a name is asked for.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.clock import wall_day
from shared.contracts.codes import HELD_SLOTS, LIVE_SLOTS, ScopeKind
from shared.contracts.staffing import StaffingChanged
from shared.database.base import among
from shared.database.work import Work
from shared.security.caller import Caller

CALLS_AFTER = timedelta(days=7)

_MEET = """
INSERT INTO {table} AS known (person_id, with_id, until)
SELECT * FROM unnest(CAST(:people AS uuid[]), CAST(:met AS uuid[]), CAST(:until AS date[]))
ON CONFLICT (person_id, with_id) DO UPDATE SET until = excluded.until WHERE known.until < excluded.until
"""


class Acquaintance:
    """A pair: `person_id` comes, came or is asked to come to `with_id`: a resident, a fellow, a centre, a community,
    a town. `until`: a desk may call them up to a week after the last visit of the pair; the name stays known."""

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    with_id: Mapped[UUID] = mapped_column(primary_key=True)
    until: Mapped[date]


def acquaint(work: Work, table: type[Any], event: StaffingChanged) -> None:
    """Note who meets whom at a visit. Who is only asked is known to the desks that may call them, not to the resident."""
    desks = {event.centre_id, event.community_id, event.town_id} - {None}
    live = [slot for slot in event.slots if slot.state in LIVE_SLOTS]
    held = {slot.person_id for slot in live if slot.state in HELD_SLOTS}
    pairs: dict[tuple[UUID, UUID], date] = {}
    for slot in live:
        met = desks | ({*event.resident_ids, *held} if slot.person_id in held else set())
        for other in met - {slot.person_id}:
            if other is not None:
                pairs[slot.person_id, other] = wall_day(slot.end) + CALLS_AFTER
    if not pairs:
        return
    known = sorted(pairs)
    work.session.execute(
        text(_MEET.format(table=table.__tablename__)),
        {"people": [p for p, _ in known], "met": [w for _, w in known], "until": [pairs[k] for k in known]},
    )


def acquainted(
    work: Work, table: type[Any], areas: type[Any], caller: Caller, person_ids: Iterable[UUID]
) -> dict[UUID, date]:
    """Whom of these people the caller meets at visits, and until when a desk may call them.

    `areas`: the service's areas, for a visit is known by its community and not by its cell.
    """
    own = {m.scope_id for m in caller.memberships if m.scope_id is not None}
    cells = caller.scope_ids(ScopeKind.CELL)
    if cells:
        own |= set(work.session.scalars(select(areas.parent_id).where(areas.area_id.in_(cells))))
    rows = work.session.execute(
        select(table.person_id, func.max(table.until).label("until"))
        .where(among(table.person_id, person_ids), table.with_id.in_({*own, caller.person_id}))
        .group_by(table.person_id)
    )
    return {row.person_id: row.until for row in rows}
