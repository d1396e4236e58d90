"""One visit's next-best people are found in a picture of those who could reach it: the same as in the whole city's."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from services.matcher.plans.snapshot import KnownCarers, take_snapshot
from services.matcher.projections.tables import VisitRow
from services.matcher.solver.explain import Prepared
from shared.clock import wall_day
from shared.contracts.codes import VisitStatus
from shared.database.server import DatabaseServer
from shared.database.vault import Vault
from shared.database.work import Database
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
            narrow, _ = take_snapshot(work, known, day, 1, around=[visit])
            smaller += len(narrow.carers) < len(whole.carers)
            assert Prepared(narrow).best_carers(visit.visit_id) == everyone.best_carers(visit.visit_id)
            compared += 1
        together, _ = take_snapshot(work, known, day, 1, around=visits[:5])
        prepared = Prepared(together)
        for visit in visits[:5]:
            assert prepared.best_carers(visit.visit_id) == everyone.best_carers(visit.visit_id)
    database.close()
    assert compared > 20
    assert smaller > 10
