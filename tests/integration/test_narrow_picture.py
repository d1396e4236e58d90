"""The matcher's pictures of a running city: a narrow one finds the same people, and the sample from files is the same."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from services.matcher.plans.sample_snapshot import sample_snapshot
from services.matcher.plans.snapshot import KnownCarers, take_snapshot
from services.matcher.projections.tables import LineRow, VisitRow, WorkRow
from services.matcher.solver.explain import Prepared
from services.matcher.solver.snapshot import to_json
from services.matcher.staffing.tables import AssignmentRow, OfferRow, RefusalRow
from shared.clock import wall_day
from shared.contracts.codes import VisitStatus
from shared.database.server import DatabaseServer
from shared.database.vault import Vault
from shared.database.work import Database
from shared.sample import Size
from tests.running import Product, product
from tests.support import KEY

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def running(postgres_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with product(postgres_server, tmp_path_factory.mktemp("city")) as city:
        yield city


def test_the_best_people_are_the_same_in_the_narrow_and_the_whole_picture(running: Product) -> None:
    compared = smaller = 0
    database = Database(running.urls["matcher"].app, "matcher", Vault(KEY), clock=running.clock)
    database.engine = database.engine.execution_options(
        isolation_level="REPEATABLE READ"
    )  # invitations go on
    with database.work() as work:
        day = wall_day(work.now) + timedelta(days=1)
        whole, _ = take_snapshot(work, KnownCarers(), day, 1)
        everyone = Prepared(whole)
        visits = work.session.scalars(
            select(VisitRow).where(VisitRow.day == day, VisitRow.status == VisitStatus.OPEN)
        ).all()
        known = KnownCarers()
        for visit in visits:
            best = everyone.best_carers(visit.visit_id)
            near, _ = take_snapshot(work, known, day, 1, around=[visit])
            free, _ = take_snapshot(work, known, day, 1, around=[visit], free=True)
            smaller += len(free.carers) < len(near.carers) < len(whole.carers)
            assert Prepared(near).best_carers(visit.visit_id) == best
            assert Prepared(free).best_carers(visit.visit_id) == best
            compared += 1
        together, _ = take_snapshot(work, known, day, 1, around=visits[:5], free=True)
        prepared = Prepared(together)
        for visit in visits[:5]:
            assert prepared.best_carers(visit.visit_id) == everyone.best_carers(visit.visit_id)
    database.close()
    assert compared > 20
    assert smaller > 10


def test_the_sample_from_files_is_what_the_running_matcher_plans_from(running: Product) -> None:
    """Byte for byte, once what the first plan and the week before did is taken back; only the snapshot's own id is random in the city."""
    database = Database(running.urls["matcher"].owner, "matcher", Vault(KEY), clock=running.clock)
    tomorrow = wall_day(running.began) + timedelta(days=1)
    with database.work() as work:
        for told in (RefusalRow, AssignmentRow, OfferRow, WorkRow):
            work.session.execute(delete(told))
        work.session.execute(update(LineRow).values(committed=0, delivered=0))
        for days in (1, 3):
            taken, _ = take_snapshot(work, KnownCarers(), tomorrow, days)
            made = sample_snapshot(Size.SMALL, 1, tomorrow, days, taken.taken_at)
            assert len(made.visits) > 20 * days
            assert to_json(replace(taken, snapshot_id=made.snapshot_id)) == to_json(made)
        work.session.rollback()
    database.close()
