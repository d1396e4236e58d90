"""A plan's parts, handed to whichever workers are free: asked for, waited for, called again when a worker dies.

Rows hold what a part is and what came of it; on the bus go calls, in the rows' own transaction. decisions/0025.
"""

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, delete, func, select, update

from services.matcher.plans.beat import DEATHS
from services.matcher.plans.tables import PartRow, PlanRow, PlanWorkerRow
from services.matcher.solver.plan import Limits, Progress
from services.matcher.solver.worker import SolveCancelled, SolveFailed
from shared.contracts.parts import PartAsked
from shared.database.work import Database, Work
from shared.ids import new_id
from shared.messaging.faults import is_away

log = structlog.get_logger()

SPREAD = 2  # workers from which on parts are worth sending: one alone plans them in the process that has them
LOOK_SECONDS = 0.25
SILENT_SECONDS = 2.0  # seen past its lease: after a pause of the database the living renew theirs first
UNHEARD = timedelta(seconds=20)  # after so long without a taker a part is planned where it came from


class Parts:
    """The solver's `elsewhere` for one plan under one lease."""

    def __init__(self, database: Database, plan_id: UUID, epoch: int, *, spread: int = SPREAD) -> None:
        self._database = database
        self._plan_id = plan_id
        self._epoch = epoch
        self._spread = spread
        self._turn = 0

    def __call__(
        self,
        parts: Sequence[str],
        limits: Limits,
        told: Callable[[int, Progress], None],
        stop: Callable[[], bool],
        gone: Callable[[], bool],
    ) -> list[str | None]:
        """Plans in the order of the parts; None for what is to be planned where it came from.

        Raises SolveFailed for a part that can't be planned, SolveCancelled when nobody waits for it any more.
        """
        if not parts:
            return []
        with self._database.work() as work:
            workers = living(work)
        if workers < self._spread:
            return [None] * len(parts)
        self._turn += 1
        log.info("parts asked", plan=str(self._plan_id), turn=self._turn, parts=len(parts), workers=workers)
        try:
            self._ask([zlib.compress(text.encode(), 1) for text in parts], limits)
            found = self._wait(told, stop, gone)
        finally:
            self._forget()
        return [found[number] for number in range(len(parts))]

    def _ask(self, packed: Sequence[bytes], limits: Limits) -> None:
        with self._database.work() as work:
            plan = work.session.get(PlanRow, self._plan_id, with_for_update=True)
            if plan is None or plan.lease_epoch != self._epoch or plan.status != "running":
                raise SolveCancelled("another has taken the plan up")
            work.trace = plan.trace
            for number, snapshot in enumerate(packed):
                row = PartRow(
                    part_id=new_id(),
                    plan_id=self._plan_id,
                    epoch=self._epoch,
                    turn=self._turn,
                    number=number,
                    limits=asdict(limits),
                    asked_at=work.now,
                    until=work.now + timedelta(seconds=limits.seconds),
                    attempt=1,
                    snapshot=snapshot,
                )
                work.session.add(row)
                call(work, row)

    def _wait(
        self, told: Callable[[int, Progress], None], stop: Callable[[], bool], gone: Callable[[], bool]
    ) -> dict[int, str | None]:
        found: dict[int, str | None] = {}
        shown: dict[int, object] = {}
        silent: dict[tuple[int, int], float] = {}
        while not gone():
            try:
                with self._database.work() as work:
                    rows = self._look(work, found, silent, stop=stop())
            except Exception as error:
                if not is_away(error):
                    raise
                log.warning("parts: no database", kind=type(error).__name__)
                time.sleep(1)
                continue
            for row in rows:
                if row.progress is not None and row.progress != shown.get(row.number):
                    shown[row.number] = row.progress
                    told(row.number, Progress(**row.progress))
            if all(row.number in found for row in rows):
                return found
            time.sleep(LOOK_SECONDS)
        raise SolveCancelled("nobody waits for its parts")

    def _look(
        self,
        work: Work,
        found: dict[int, str | None],
        silent: dict[tuple[int, int], float],
        *,
        stop: bool,
    ) -> Sequence[PartRow]:
        """What became of the parts; calls again for those whose worker is gone, takes back what nobody takes.

        `silent`: since when a part's attempt is seen past its lease.
        """
        rows = work.session.scalars(select(PartRow).where(*self._mine).order_by(PartRow.number)).all()
        if not rows:
            raise SolveCancelled("another has taken the plan up")
        for row in rows:
            if row.deaths >= DEATHS:
                raise SolveFailed(f"{row.deaths} workers died over a part of it")
            if past_lease(row, work.now):
                since = silent.setdefault((row.number, row.attempt), time.monotonic())
                if time.monotonic() - since > SILENT_SECONDS:
                    self._bury(work, row)
                continue
            silent.pop((row.number, row.attempt), None)
            if row.status == "failed":
                raise SolveFailed(row.problem or "a part of it failed")
            if row.status == "returned":
                found[row.number] = None
            elif row.status == "done" and row.number not in found:
                assert row.plan is not None
                found[row.number] = zlib.decompress(row.plan).decode()
        if stop:
            asked = update(PartRow).where(*self._mine, ~PartRow.stop_asked).values(stop_asked=True)
            work.session.execute(asked)
        if stop or work.now >= rows[0].until or _unheard(rows, work.now):
            # planned where it came from, with what is left of the plan's time
            waiting = update(PartRow).where(*self._mine, PartRow.status == "waiting")
            work.session.execute(waiting.values(status="returned", ended_at=work.now))
        return rows

    @property
    def _mine(self) -> tuple[ColumnElement[bool], ...]:
        return PartRow.plan_id == self._plan_id, PartRow.epoch == self._epoch, PartRow.turn == self._turn

    def _bury(self, work: Work, row: PartRow) -> None:
        """The part's worker does not say any more that it lives: the next one, please."""
        work.session.refresh(row, with_for_update=True)
        if past_lease(row, work.now):
            log.warning("part left", plan=str(self._plan_id), part=row.number, deaths=row.deaths + 1)
            died(work, row)

    def _forget(self) -> None:
        try:
            with self._database.work() as work:
                forget(work, self._plan_id)
        except Exception as error:
            if not is_away(error):
                raise


def call(work: Work, row: PartRow) -> None:
    """Call for a worker, with the transaction's end."""
    work.emit(PartAsked(part_id=row.part_id, attempt=row.attempt))


def call_again(work: Work, row: PartRow) -> None:
    """Have another worker begin the part anew."""
    row.status, row.worker_id, row.lease_until, row.progress = "waiting", None, None, None
    row.attempt += 1
    row.asked_at = work.now
    call(work, row)


def past_lease(row: PartRow, now: datetime) -> bool:
    return row.status == "running" and row.lease_until is not None and row.lease_until < now


def died(work: Work, row: PartRow) -> None:
    """A worker died over the part: it is called for again, and after so many deaths the plan fails."""
    row.deaths += 1
    call_again(work, row)


def forget(work: Work, plan_id: UUID) -> None:
    """Drop a plan's parts: whoever is at one of them ends soon."""
    work.session.execute(delete(PartRow).where(PartRow.plan_id == plan_id))


def living(work: Work) -> int:
    """How many workers take parts at present."""
    alive = select(func.count()).where(PlanWorkerRow.expires_at > work.now)
    return work.session.scalar(alive) or 0


def _unheard(rows: Sequence[PartRow], now: datetime) -> bool:
    """Whether parts wait, nobody is at any, and nothing has happened for long: the bus is away, or the workers busy."""
    happened = (at for row in rows for at in (row.asked_at, row.taken_at, row.ended_at) if at is not None)
    states = {row.status for row in rows}
    return "waiting" in states and "running" not in states and now > max(happened) + UNHEARD
