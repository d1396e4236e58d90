"""A worker for parts: a member of the group only while it is free, so that calls go to whoever can follow them.

It hears one call, takes the part under a lease, leaves the group and plans: what waits in its partitions goes to those
who are still there. Back in the group it hears the next one. Whoever is told a call twice, or one that is past, finds nothing to take.
"""

import threading
import time
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from uuid import UUID

import structlog
from pydantic import ValidationError
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from services.matcher.measures import PART_SECONDS
from services.matcher.plans.beat import Beat
from services.matcher.plans.parts import call_again, died, living
from services.matcher.plans.tables import PartRow, PlanWorkerRow
from services.matcher.solver.plan import Limits, Progress, plan_to_json
from services.matcher.solver.worker import SolveCancelled, SolveFailed, SolverDied, solve_apart
from shared.contracts.parts import PartAsked
from shared.database.work import Database, Work
from shared.ids import new_id
from shared.messaging.bus.port import TRACE, TYPE, Bus, BusAway, Fenced, Part, Received, Subscription
from shared.messaging.faults import is_away
from shared.telemetry.traces import span, work_for

log = structlog.get_logger()

GROUP = "matcher-parts"
POLL_SECONDS = 0.5
AWAY_SECONDS = 1.0
LEASE = timedelta(seconds=15)  # half of a plan's: parts are short
ATTEND_SECONDS = 5.0
ATTENDED = timedelta(seconds=15)  # for so long a worker counts after it last said so


@dataclass(frozen=True, slots=True)
class Taken:
    """A part that is this worker's."""

    part_id: UUID
    attempt: int
    limits: Limits
    snapshot: str
    trace: str | None


class PartBeat(Beat):
    """Beside a part's solve."""

    def __init__(self, database: Database, taken: Taken) -> None:
        super().__init__(database, "part-beat")
        self.progress: Progress | None = None
        self._taken = taken
        self._written: Progress | None = None

    def note(self, progress: Progress) -> None:
        self.progress = progress

    def _beat(self) -> None:
        progress = self.progress
        with self._database.work() as work:
            row = held(work, self._taken)
            if row is None:
                self.lost = True
                return
            self.stop_asked = row.stop_asked
            if progress is not self._written:
                row.progress = None if progress is None else asdict(progress)
            if (
                progress is not self._written
                or row.lease_until is None
                or row.lease_until < work.now + LEASE / 2
            ):
                row.lease_until = work.now + LEASE
        self._written = progress


class PartWorker:
    """Plans parts, one at a time, each in a process of its own."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self.worker_id = new_id()
        self._database = database
        self._bus = bus
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name="part-worker", daemon=True),
            threading.Thread(target=self._attend, name="part-attendance", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Hand back what is at work, and leave."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=15)

    def _run(self) -> None:
        work_for(self._database.service)
        while not self._stopping.is_set():
            try:
                taken = self._next()
                if taken is not None:
                    self._plan(taken)
            except Exception as error:
                if not isinstance(error, BusAway) and not is_away(error):
                    log.exception("part worker")
                self._stopping.wait(AWAY_SECONDS)

    def _next(self) -> Taken | None:
        """Wait in the group for a call that can be followed. None when this worker is to stop."""
        subscription = self._bus.subscribe(GROUP, [PartAsked.TOPIC.name])
        try:
            while not self._stopping.is_set():
                for message in subscription.poll(1, POLL_SECONDS):
                    taken = self._hear(message)
                    _done_with(subscription, message)
                    if taken is not None:
                        return taken
            return None
        finally:
            with suppress(BusAway):
                subscription.close()

    def _hear(self, message: Received) -> Taken | None:
        """The part that a message calls for, if it can still be taken."""
        try:
            if message.headers.get(TYPE) != PartAsked.TYPE:
                return None
            asked = PartAsked.model_validate_json(message.value or b"")
        except ValidationError:
            log.error("part call unreadable", partition=message.partition, offset=message.offset)
            return None
        with self._database.work() as work:
            row = work.session.get(PartRow, asked.part_id, with_for_update=True)
            if row is None or row.status != "waiting" or row.attempt != asked.attempt:
                return None
            waiting = select(func.count()).where(
                PartRow.plan_id == row.plan_id, PartRow.turn == row.turn, PartRow.status == "waiting"
            )
            turns = -(-(work.session.scalar(waiting) or 1) // max(1, living(work)))
            seconds = max(1.0, (row.until - work.now).total_seconds() / turns)
            row.status, row.worker_id = "running", self.worker_id
            row.taken_at, row.lease_until = work.now, work.now + LEASE
            return Taken(
                row.part_id,
                row.attempt,
                replace(Limits(**row.limits), seconds=seconds),
                zlib.decompress(row.snapshot).decode(),
                message.headers.get(TRACE),
            )

    def _plan(self, taken: Taken) -> None:
        began = time.monotonic()
        with span(self._database.service, "part", "internal", taken.trace) as current:
            outcome = self._solve(taken)
            if outcome == "failed":
                current.fail("part")
        seconds = time.monotonic() - began
        log.info("part", part=str(taken.part_id), outcome=outcome, seconds=round(seconds, 1))
        PART_SECONDS.labels(self._database.service, outcome).observe(seconds)

    def _solve(self, taken: Taken) -> str:
        """What became of the part: done, failed, handed back, void."""
        with PartBeat(self._database, taken) as beat:
            try:
                plan = solve_apart(
                    taken.snapshot,
                    taken.limits,
                    progress=beat.note,
                    cancelled=lambda: self._stopping.is_set() or beat.lost,
                    stop=lambda: beat.stop_asked,
                )
            except SolveCancelled:
                return "void" if beat.lost else self._hand_back(taken)
            except SolverDied:
                return self._leave(taken)
            except SolveFailed as error:
                return self._end(taken, "failed", problem=str(error)[:500])
            return self._end(taken, "done", plan=zlib.compress(plan_to_json(plan).encode(), 1))

    def _end(self, taken: Taken, status: str, plan: bytes | None = None, problem: str | None = None) -> str:
        """Write down what came of it; a database that is away is waited for."""
        while True:
            try:
                with self._database.work() as work:
                    row = held(work, taken)
                    if row is None:
                        return "void"
                    row.status, row.plan, row.problem = status, plan, problem
                    row.ended_at, row.lease_until = work.now, None
                return status
            except Exception as error:
                if not is_away(error) or self._stopping.wait(AWAY_SECONDS):
                    raise

    def _hand_back(self, taken: Taken) -> str:
        """This worker stops: the next one, please."""
        with self._database.work() as work:
            row = held(work, taken)
            if row is not None:
                call_again(work, row)
        return "handed back"

    def _leave(self, taken: Taken) -> str:
        """Its process died: as if this worker had."""
        with self._database.work() as work:
            row = held(work, taken)
            if row is not None:
                died(work, row)
        return "died"

    def _attend(self) -> None:
        """Say that there is a worker, as long as there is."""
        work_for(self._database.service)
        ended = False
        while not ended:
            ended = self._stopping.is_set()
            try:
                with self._database.work() as work:
                    attend(work, self.worker_id, timedelta() if ended else ATTENDED)
            except Exception as error:
                if not is_away(error):
                    log.exception("part attendance")
            self._stopping.wait(ATTEND_SECONDS)


def _done_with(subscription: Subscription, message: Received) -> None:
    """What the row says counts: a call that is told again finds nothing to take."""
    with suppress(BusAway, Fenced):
        subscription.commit({Part(message.topic, message.partition): message.offset + 1})


def attend(work: Work, worker_id: UUID, lasting: timedelta) -> None:
    """Count as a worker for so long from now; forget those who no longer do."""
    expires_at = work.now + lasting
    said = insert(PlanWorkerRow).values(worker_id=worker_id, expires_at=expires_at)
    work.session.execute(
        said.on_conflict_do_update(index_elements=["worker_id"], set_={"expires_at": expires_at})
    )
    gone = select(PlanWorkerRow.worker_id).where(PlanWorkerRow.expires_at <= work.now)
    gone = gone.with_for_update(skip_locked=True)  # who comes back says so at this moment
    work.session.execute(delete(PlanWorkerRow).where(PlanWorkerRow.worker_id.in_(gone)))


def held(work: Work, taken: Taken) -> PartRow | None:
    """The part's row, locked, if it is still under this taking."""
    row = work.session.get(PartRow, taken.part_id, with_for_update=True)
    return row if row is not None and row.attempt == taken.attempt and row.status == "running" else None
