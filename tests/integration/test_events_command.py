"""`python -m services events …` of a `make run` that is running: found by its folder, whatever its port."""

import pytest

from services import declarations, wiring
from services.__main__ import main
from shared.database.server import EmbeddedServer, ensure_databases
from shared.database.vault import Vault
from shared.database.work import Database
from shared.ids import new_id
from shared.messaging import operator
from shared.messaging.applying import Applier
from shared.messaging.bus.port import Received
from shared.messaging.operator import note_reading


def test_dead_letters_are_listed_replayed_and_given_up_beside_a_running_city(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path_factory.mktemp("run")
    for folder in (data, *list(data.parents)[:2]):
        folder.chmod(0o711)  # for the server's own user, where the tests run as root
    assert main(["events", "lag", "daycare", "--data", str(data)]) == 2
    assert "make run" in capsys.readouterr().err
    with EmbeddedServer(data / "postgres") as server:
        urls = ensure_databases(server, (*declarations.NAMES, wiring.BUS))
        wiring.migrate(urls)
        key = wiring.installation_key(data / "keys")
        database = Database(urls["daycare"].app, "daycare", Vault(key))
        handlers = declarations.service("daycare").handlers
        bad = {"ce_id": str(new_id()), "ce_type": "linli.nobody.knows.v1", "ce_aggregateversion": "1"}
        Applier(database, "daycare", handlers).take(
            [Received(min(handlers.topics), "a", bad, b"{}", 0, offset) for offset in (4, 5)]
        )
        capsys.readouterr()
        at = ["--data", str(data)]
        assert main(["events", "dead-letters", "daycare", *at]) == 0
        listed = capsys.readouterr().out.splitlines()
        assert len(listed) == 3
        assert "unknown type" in listed[0]
        first, second = (line.split("\t")[0] for line in listed[:2])
        assert main(["events", "replay", "daycare", first, *at]) == 1
        assert "unknown type" in capsys.readouterr().out
        assert main(["events", "discard", "daycare", first, second, *at]) == 0
        assert main(["events", "discard", "daycare", first, "99", *at]) == 1
        out = capsys.readouterr().out
        assert "already decided" in out
        assert "no such dead letter" in out
        assert main(["events", "parked", "daycare", *at]) == 0
        assert main(["events", "lag", "daycare", *at]) == 0
        assert main(["events", "discard", "daycare", *at]) == 2
        assert main(["events", "go-on", "daycare", *at]) == 2
        assert "no worker has read" in capsys.readouterr().err
        note_reading(database, "daycare", 3, stopped=True)
        assert main(["events", "go-on", "daycare", *at]) == 0
        with database.work() as work:
            reading = operator.reading(work, "daycare")
            assert reading is not None
            assert not reading.stopped
        with database.engine.connect() as connection:
            audits = connection.exec_driver_sql("SELECT action FROM audit ORDER BY pos").scalars().all()
        assert audits == ["event.replay", "event.discard", "event.discard", "events.go_on"]
        database.close()
