"""Work that comes round: each job is run by one process at a time, under a lease of the service's database."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import func, text, update
from sqlalchemy.dialects.postgresql import insert

from shared.database.work import Database, Job
from shared.ids import new_id
from shared.messaging.faults import is_away, patiently
from shared.messaging.tables import JobLease
from shared.telemetry.traces import work_for

log = structlog.get_logger()

LEASE = timedelta(seconds=20)  # renewed while the job runs: a dead process's job is begun again by another
RENEW_SECONDS = 5.0
TICK_SECONDS = 0.5

_DUE = text(
    """
    SELECT name FROM job_lease
    WHERE due_at <= clock_timestamp() AND (owner IS NULL OR expires_at < clock_timestamp())
    """
)
_CLAIM = text(
    """
    UPDATE job_lease SET owner = :owner, epoch = epoch + 1, expires_at = clock_timestamp() + :lease
    WHERE name = :name AND due_at <= clock_timestamp() AND (owner IS NULL OR expires_at < clock_timestamp())
    RETURNING epoch
    """
)


class JobRunner:
    """Runs a service's jobs when they are due, one after the other. A job that fails comes round again."""

    def __init__(self, database: Database, jobs: Sequence[Job]) -> None:
        self._database = database
        self._jobs = jobs
        self.owner = new_id()
        self._known = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"jobs-{database.service}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish the job at hand."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=15)

    def _run(self) -> None:
        work_for(self._database.service)
        while not self._stopping.is_set():
            try:
                self.run_due()
            except Exception as error:
                if not is_away(error):
                    log.exception("jobs")
            self._stopping.wait(TICK_SECONDS)

    def run_due(self) -> list[str]:
        """Run what is due and nobody else runs. The names of the jobs run."""
        self._make_known()
        ran = []
        due = self._due()
        for job in self._jobs:
            if self._stopping.is_set():
                break
            epoch = self._claim(job) if job.name in due else None
            if epoch is None:
                continue
            problem = None
            try:
                with self._renewing(job, epoch):
                    patiently(partial(job.run, self._database))
            except Exception as error:
                if is_away(error):
                    raise
                problem = type(error).__name__
                log.exception("job failed", job=job.name)
            self._release(job, epoch, problem)
            ran.append(job.name)
        return ran

    def _make_known(self) -> None:
        if self._known or not self._jobs:
            return
        with self._database.work() as work:
            now = func.clock_timestamp()
            rows = [{"name": job.name, "epoch": 0} for job in self._jobs]
            work.session.execute(
                insert(JobLease)
                .values([{**row, "expires_at": now, "due_at": now} for row in rows])
                .on_conflict_do_nothing()
            )
        self._known = True

    def _due(self) -> set[str]:
        """One look for all, as most looks find nothing."""
        with self._database.work() as work:
            return set(work.session.scalars(_DUE))

    def _claim(self, job: Job) -> int | None:
        with self._database.work() as work:
            epoch: int | None = work.session.scalar(
                _CLAIM, {"owner": self.owner, "name": job.name, "lease": LEASE}
            )
            return epoch

    @contextmanager
    def _renewing(self, job: Job, epoch: int) -> Iterator[None]:
        done = threading.Event()

        def renew() -> None:
            while not done.wait(RENEW_SECONDS):
                try:
                    with self._database.work() as work:
                        work.session.execute(
                            update(JobLease)
                            .where(
                                JobLease.name == job.name,
                                JobLease.owner == self.owner,
                                JobLease.epoch == epoch,
                            )
                            .values(expires_at=func.clock_timestamp() + LEASE)
                        )
                except Exception as error:
                    if not is_away(error):
                        log.exception("job's lease", job=job.name)

        thread = threading.Thread(target=renew, name=f"lease-{job.name}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _release(self, job: Job, epoch: int, problem: str | None) -> None:
        with self._database.work() as work:
            now = func.clock_timestamp()
            work.session.execute(
                update(JobLease)
                .where(JobLease.name == job.name, JobLease.owner == self.owner, JobLease.epoch == epoch)
                .values(owner=None, due_at=now + job.every, ran_at=now, problem=problem)
            )
