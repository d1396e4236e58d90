"""The plan's worker: takes queued plans one at a time, solves each in a process of its own, keeps what comes out."""

import threading
import time
from uuid import UUID

import structlog
from sqlalchemy import or_, select

from services.matcher.measures import PLAN_SECONDS
from services.matcher.plans.beat import DEATHS, LEASE, RENEWED, Beat
from services.matcher.plans.keeping import keep
from services.matcher.plans.parts import Parts, forget
from services.matcher.plans.progress import Heard, days_reached, first_days
from services.matcher.plans.snapshot import KnownCarers, take_snapshot
from services.matcher.plans.tables import PlanRow
from services.matcher.projections.tables import VisitRow
from services.matcher.solver.plan import Limits, Plan
from services.matcher.solver.snapshot import Snapshot, SnapshotRefused
from services.matcher.solver.worker import SolveCancelled, SolveFailed, solve_apart
from services.matcher.staffing.release import release_impossible
from shared.database.work import Database
from shared.telemetry.traces import span, work_for

log = structlog.get_logger()

IDLE_SECONDS = 0.5


class PlanBeat(Beat):
    """Beside a plan's solve."""

    def __init__(self, database: Database, plan_id: UUID, epoch: int) -> None:
        super().__init__(database, "plan-beat")
        self.heard = Heard()
        self._plan_id, self._epoch = plan_id, epoch
        self._written = self.heard.points

    @property
    def unwanted(self) -> bool:
        """Nothing that came of it would be kept."""
        return self.lost or (self.stop_asked and not self.heard.begun)

    def _beat(self) -> None:
        points, step = self.heard.points, self.heard.step
        with self._database.work() as work:
            row = work.session.get(PlanRow, self._plan_id, with_for_update=True)
            if row is None or row.lease_epoch != self._epoch or row.status != "running":
                self.lost = True
                return
            self.stop_asked = row.stop_asked_at is not None
            news = points is not self._written
            if news:
                row.progress, row.step = points, step
            if news or row.lease_until is None or row.lease_until < work.now + RENEWED:
                row.lease_until = work.now + LEASE
        self._written = points


class PlanRunner:
    """Claims plans by lease and epoch: when its process dies, another takes the plan up again."""

    def __init__(self, database: Database, limits: Limits | None = None) -> None:
        self._database = database
        self._limits = limits or Limits()
        self._carers = KnownCarers()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="plan-runner", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=15)

    def _run(self) -> None:
        work_for(self._database.service)
        while not self._stopping.is_set():
            try:
                if self.run_one():
                    continue
            except Exception:
                log.exception("plan runner")
            self._stopping.wait(IDLE_SECONDS)

    def run_one(self) -> UUID | None:
        """Solve the oldest waiting plan, if there is one. Returns its id."""
        claimed = self._claim()
        if claimed is None:
            return None
        plan_id, epoch, trace = claimed
        began = time.monotonic()
        with span(self._database.service, "plan", "internal", trace) as current:
            outcome = self._solve(plan_id, epoch)
            if outcome == "failed":
                current.fail("plan")
        PLAN_SECONDS.labels(self._database.service, outcome).observe(time.monotonic() - began)
        return plan_id

    def _solve(self, plan_id: UUID, epoch: int) -> str:
        """What became of the plan: ready, failed, cancelled, handed back."""
        with PlanBeat(self._database, plan_id, epoch) as beat:
            try:
                snapshot, visits = self._picture(plan_id)
                plan = solve_apart(
                    snapshot,
                    self._limits,
                    progress=beat.heard.note,
                    cancelled=lambda: self._stopping.is_set() or beat.unwanted,
                    stop=lambda: beat.stop_asked,
                    elsewhere=Parts(self._database, plan_id, epoch),
                )
                if beat.unwanted:
                    raise SolveCancelled("cancelled")
            except SolveCancelled:
                return self._hand_back(plan_id, epoch)
            except (SolveFailed, SnapshotRefused) as error:
                log.warning("plan failed", plan=str(plan_id), kind=type(error).__name__)
                self._fail(plan_id, epoch, str(error))
                return "failed"
            self._keep(plan_id, epoch, snapshot, plan, visits, beat.heard)
            return "ready"

    def _claim(self) -> tuple[UUID, int, str | None] | None:
        with self._database.work() as work:
            row = work.session.scalars(
                select(PlanRow)
                .where(
                    or_(
                        PlanRow.status == "queued",
                        (PlanRow.status == "running") & (PlanRow.lease_until < work.now),
                    )
                )
                .order_by(PlanRow.asked_at)
                .limit(1)
                .with_for_update(skip_locked=True)
            ).first()
            if row is None:
                return None
            forget(work, row.plan_id)  # of an epoch that is past
            row.deaths += row.status == "running"
            row.lease_epoch += 1
            if row.stop_asked_at is not None:
                row.status = "cancelled"
                return None
            if row.deaths >= DEATHS:
                row.status, row.problem = "failed", f"{row.deaths} workers died over it"
                return None
            row.status = "running"
            row.lease_until = work.now + LEASE
            row.started_at = work.now
            row.progress, row.step = [], None
            return row.plan_id, row.lease_epoch, row.trace

    def _picture(self, plan_id: UUID) -> tuple[Snapshot, list[VisitRow]]:
        with self._database.work() as work:
            row = work.session.get_one(PlanRow, plan_id)
            release_impossible(work, row.first_day, row.days, self._carers)
        with self._database.work() as work:
            row = work.session.get_one(PlanRow, plan_id)
            return take_snapshot(work, self._carers, row.first_day, row.days)

    def _hand_back(self, plan_id: UUID, epoch: int) -> str:
        """Put the plan at the queue's head again: this worker stops, the next one takes it up. Or nobody wants it."""
        wanted = True
        with self._database.work() as work:
            row = work.session.get(PlanRow, plan_id, with_for_update=True)
            if row is not None and row.lease_epoch == epoch:
                wanted = row.stop_asked_at is None
                row.status = "queued" if wanted else "cancelled"
                row.lease_until, row.started_at = None, None
        return "handed back" if wanted else "cancelled"

    def _fail(self, plan_id: UUID, epoch: int, problem: str) -> None:
        with self._database.work() as work:
            row = work.session.get(PlanRow, plan_id, with_for_update=True)
            if row is not None and row.lease_epoch == epoch:
                row.status, row.problem = "failed", problem[:500]

    def _keep(
        self, plan_id: UUID, epoch: int, snapshot: Snapshot, plan: Plan, visits: list[VisitRow], heard: Heard
    ) -> None:
        days = snapshot.days
        if plan.stopped_by == "asked":
            days = days_reached(snapshot, heard.begun)
        if days < snapshot.days:
            bound = heard.bounds[max(day for day in heard.bounds if day < days)]
            snapshot, plan = first_days(snapshot, plan, days, bound)
            kept = {visit.visit_id for visit in snapshot.visits}
            visits = [visit for visit in visits if visit.visit_id in kept]
        with self._database.work() as work:
            row = work.session.get(PlanRow, plan_id, with_for_update=True)
            if row is None or row.lease_epoch != epoch:
                return
            keep(work, row, snapshot, plan, visits)
            forget(work, plan_id)
            row.summary = {**(row.summary or {}), "days_asked": row.days}
            row.days, row.progress, row.step = days, heard.points, heard.step
            row.status, row.ready_at, row.lease_until = "ready", work.now, None
