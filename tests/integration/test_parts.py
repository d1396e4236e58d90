"""Parts of a plan over workers: the same plan whoever plans, workers that die, calls that come twice, nobody who waits for ever."""

import json
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from services.matcher.plans import part_worker
from services.matcher.plans.beat import DEATHS, LEASE
from services.matcher.plans.part_worker import ATTENDED, PartBeat, PartWorker, Taken, attend
from services.matcher.plans.parts import UNHEARD, Parts, living
from services.matcher.plans.runner import PlanRunner
from services.matcher.plans.sample_snapshot import sample_snapshot
from services.matcher.plans.service import request_plan
from services.matcher.plans.tables import PartRow
from services.matcher.solver.plan import Limits, Plan, Progress, Work
from services.matcher.solver.solve import solve
from services.matcher.solver.worker import SolveCancelled, SolveFailed, SolverDied, solve_apart
from shared.contracts.parts import PartAsked
from shared.ids import new_id
from shared.messaging.bus.port import TYPE, Bus, Received
from shared.messaging.relay import Relay
from shared.sample import Size
from tests.conftest import NewDatabase
from tests.support import MovableClock, service_under_test, until

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
MONDAY = date(2026, 11, 23)
SMALL = sample_snapshot(Size.SMALL, 1, MONDAY)
LIMITS = Limits(rounds=10, seconds=3000, explained=0, area=25)  # two areas of the small city's forty visits


@dataclass
class Yard:
    """A matcher's database with a plan at work, a bus, and workers that a test starts."""

    database: Any
    bus: Bus
    clock: MovableClock
    plan_id: UUID
    epoch: int
    pool: ThreadPoolExecutor
    told: list[tuple[int, Progress]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)

    def worker(self) -> PartWorker:
        """One that counts as there, and does what the test has it do."""
        made = PartWorker(self.database, self.bus)
        with self.database.work() as work:
            attend(work, made.worker_id, ATTENDED)
        return made

    def ask(self, *parts: str, seconds: float = 3000) -> Future[list[str | None]]:
        """Have parts planned, as the plan's worker does."""
        return self.pool.submit(
            Parts(self.database, self.plan_id, self.epoch),
            parts,
            replace(LIMITS, seconds=seconds),
            lambda number, progress: self.told.append((number, progress)),
            self.stop.is_set,
            self.gone.is_set,
        )

    def take(self, worker: PartWorker) -> Taken:
        """Have a worker take the next part and no more: from then on it is silent."""
        taken = self.pool.submit(worker._next).result(timeout=30)
        assert taken is not None
        return taken

    def rows(self) -> int:
        with self.database.work() as work:
            return work.session.scalar(select(func.count()).select_from(PartRow)) or 0


def yards(new_database: NewDatabase, bus: Bus) -> Iterator[Yard]:
    clock = MovableClock(NOW)
    with service_under_test("matcher", new_database("matcher"), clock) as service:
        bus.ensure_topics([PartAsked.TOPIC])
        relay = Relay(service.database, bus)
        relay.start()
        with service.database.work() as work:
            plan_id = request_plan(work, MONDAY + timedelta(days=2), 1, "test").plan_id
        claimed = PlanRunner(service.database)._claim()
        assert claimed is not None
        with ThreadPoolExecutor() as pool:
            yard = Yard(service.database, bus, clock, plan_id, claimed[1], pool)
            yield yard
            yard.gone.set()
        relay.stop()


@pytest.fixture
def yard(new_database: NewDatabase, postgres_bus: Bus) -> Iterator[Yard]:
    yield from yards(new_database, postgres_bus)


@pytest.fixture(params=["postgres_bus", pytest.param("kafka_bus", marks=pytest.mark.kafka)])
def either_yard(request: pytest.FixtureRequest, new_database: NewDatabase) -> Iterator[Yard]:
    yield from yards(new_database, request.getfixturevalue(request.param))


PLAN = Plan(new_id(), "", (), (), (), 0, (), 0, 0, "done", Work())


def test_workers_make_the_same_plan_as_one_process_although_one_dies_midway(yard: Yard) -> None:
    """Real solves of two areas: one worker is never heard of again, and one area comes back unplanned. Seams stay at home."""
    died, other = yard.worker(), yard.worker()
    sent, asked = Parts(yard.database, yard.plan_id, yard.epoch), list[int]()

    def elsewhere(
        parts: Sequence[str],
        limits: Limits,
        told: Callable[[int, Progress], None],
        stop: Callable[[], bool],
        gone: Callable[[], bool],
    ) -> list[str | None]:
        asked.append(len(parts))
        return [*sent(parts[:-1], limits, told, stop, gone), None]

    limits = replace(LIMITS, rounds=4)
    planning = yard.pool.submit(solve_apart, SMALL, limits, elsewhere=elsewhere)
    left = yard.take(died)
    living = [other, yard.worker()]
    for worker in living:
        worker.start()
    with yard.database.work() as work:
        work.session.get_one(PartRow, left.part_id).lease_until = yard.clock.at - timedelta(seconds=1)
    plan = planning.result(timeout=90)
    for worker in living:
        worker.stop()
    alone = solve(SMALL, limits)
    assert asked == [2]
    assert plan.objective == alone.objective > 0
    assert (plan.assignments, plan.unmet, plan.bound) == (alone.assignments, alone.unmet, alone.bound)
    assert (plan.stopped_by, plan.visit_prices) == (alone.stopped_by, alone.visit_prices)
    with PartBeat(yard.database, left) as beat:
        until(lambda: beat.lost)
    assert yard.rows() == 0


def test_calls_go_to_who_is_free_and_each_part_is_planned_once(
    either_yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard, began, barrier = either_yard, Counter[tuple[str, float]](), threading.Barrier(2)

    def both_at_once(
        snapshot: str, limits: Limits, *, progress: Callable[[Progress], None], **_: Any
    ) -> Plan:
        began[snapshot, limits.seconds] += 1
        progress(Progress("round", 0, 1, 1, 0.5, int(snapshot), None))
        barrier.wait(timeout=30)
        return replace(PLAN, objective=int(snapshot))

    monkeypatch.setattr(part_worker, "solve_apart", both_at_once)
    workers = [yard.worker(), yard.worker()]
    for worker in workers:
        worker.start()
    plans = yard.ask("1", "2", "3", "4", seconds=600).result(timeout=60)
    for worker in workers:
        worker.stop()
    assert [json.loads(plan or "")["objective"] for plan in plans] == [1, 2, 3, 4]
    assert sorted(snapshot for snapshot, _ in began.elements()) == ["1", "2", "3", "4"]
    # two turns of two workers; the clock stands, so that the second has all of it too
    assert sorted(seconds for _, seconds in began) == [300, 300, 600, 600]
    assert yard.rows() == 0
    with yard.database.work() as work:
        assert living(work) == 0, "who ends says so"


def test_a_part_that_its_workers_die_over_fails_the_plan(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two go silent, and of a third the solver's process is killed."""
    workers = [yard.worker() for _ in range(DEATHS)]
    planning = yard.ask("a part")
    for worker in workers[:-1]:
        yard.take(worker)
        yard.clock.move(LEASE + timedelta(seconds=1))

    def killed(*_: Any, **__: Any) -> Plan:
        raise SolverDied("the solver's process ended with -9")

    monkeypatch.setattr(part_worker, "solve_apart", killed)
    workers[-1]._plan(yard.take(workers[-1]))
    with pytest.raises(SolveFailed, match="3 workers died over a part of it"):
        planning.result(timeout=30)
    assert yard.rows() == 0


def test_a_part_that_has_no_plan_fails_the_plan_with_its_reason(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, _ = yard.worker(), yard.worker()
    planning = yard.ask("a part")

    def failed(*_: Any, **__: Any) -> Plan:
        raise SolveFailed("the solver ran out of memory")

    monkeypatch.setattr(part_worker, "solve_apart", failed)
    worker._plan(yard.take(worker))
    with pytest.raises(SolveFailed, match="ran out of memory"):
        planning.result(timeout=30)


def test_a_call_that_comes_twice_or_late_or_makes_no_sense_does_nothing(yard: Yard) -> None:
    first, second = yard.worker(), yard.worker()
    planning = yard.ask("a part")
    taken = yard.take(first)

    def called(value: bytes) -> Received:
        return Received(PartAsked.TOPIC.name, "", {TYPE: PartAsked.TYPE}, value, 0, 0)

    again = called(PartAsked(part_id=taken.part_id, attempt=1).model_dump_json().encode())
    assert second._hear(again) is None, "it is the first one's"
    assert second._hear(called(b"{")) is None
    assert second._hear(called(PartAsked(part_id=new_id(), attempt=1).model_dump_json().encode())) is None
    yard.clock.move(LEASE + timedelta(seconds=1))
    until(lambda: _states(yard) == ["waiting"])
    assert second._hear(again) is None, "it called for the first attempt"
    anew = yard.take(second)
    assert (anew.part_id, anew.attempt) == (taken.part_id, 2)
    assert first._end(taken, "done", plan=b"late") == "void"
    assert second._end(anew, "done", plan=zlib.compress(b"in time")) == "done"
    assert planning.result(timeout=30) == ["in time"]


def test_a_worker_that_stops_hands_its_part_back(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = yard.worker(), yard.worker()
    planning = yard.ask("a part")

    def solving(*_: Any, cancelled: Callable[[], bool], **__: Any) -> Plan:
        until(cancelled)
        raise SolveCancelled("cancelled")

    monkeypatch.setattr(part_worker, "solve_apart", solving)
    first.start()
    until(lambda: _states(yard) == ["running"])
    first.stop()
    anew = yard.take(second)
    second._end(anew, "done", plan=zlib.compress(b"whole"))
    assert planning.result(timeout=30) == ["whole"]


def test_a_plan_that_is_stopped_has_its_parts_as_they_stand(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, _ = yard.worker(), yard.worker()
    planning = yard.ask("one", "two")

    def solving(*_: Any, stop: Callable[[], bool], **__: Any) -> Plan:
        until(stop)
        return replace(PLAN, stopped_by="asked")

    monkeypatch.setattr(part_worker, "solve_apart", solving)
    taken = yard.take(worker)
    yard.stop.set()
    worker._plan(taken)
    plans = planning.result(timeout=30)
    assert sorted(plan is None for plan in plans) == [False, True], "what nobody was at is not waited for"


def test_parts_of_a_plan_that_another_takes_up_are_void(yard: Yard) -> None:
    """Its worker was silent: whoever is at a part of it ends, and so does the old worker once it comes round."""
    worker, _ = yard.worker(), yard.worker()
    planning = yard.ask("a part")
    with PartBeat(yard.database, yard.take(worker)) as beat:
        until(lambda: yard.rows() == 1)
        yard.clock.move(LEASE + timedelta(seconds=1))
        assert PlanRunner(yard.database)._claim() is not None
        until(lambda: beat.lost)
    with pytest.raises(SolveCancelled):
        planning.result(timeout=30)
    yard.worker(), yard.worker()
    with pytest.raises(SolveCancelled, match="another has taken the plan up"):
        yard.ask("a part").result(timeout=30)


def test_what_nobody_takes_is_planned_where_it_came_from(yard: Yard) -> None:
    assert yard.ask("a part").result(timeout=30) == [None], "nobody is there"
    yard.worker()
    assert yard.ask("a part").result(timeout=30) == [None], "one alone need not send it"
    yard.worker()  # both are there and hear nothing: their bus is away
    waiting = yard.ask("one", "two")
    until(lambda: _states(yard) == ["waiting"] * 2)
    yard.clock.move(UNHEARD + timedelta(seconds=1))
    assert waiting.result(timeout=30) == [None, None]
    yard.worker(), yard.worker()
    cancelled = yard.ask("a part")
    until(lambda: _states(yard) == ["waiting"])
    yard.gone.set()
    with pytest.raises(SolveCancelled):
        cancelled.result(timeout=30)
    assert yard.rows() == 0


def _states(yard: Yard) -> list[str]:
    with yard.database.work() as work:
        return list(work.session.scalars(select(PartRow.status).order_by(PartRow.number)))
