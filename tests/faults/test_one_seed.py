"""One seed of a minute in every run of the tests; `make faults` runs many, and longer."""

import json
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.faults.running import run


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.timeout(900)
def test_nothing_acknowledged_is_lost_doubled_or_out_of_order_while_parts_die(kafka_servers: str) -> None:
    """`kafka_servers` says that brokers can be had here; the three of this city are its own, to be killed."""
    folder = Path(mkdtemp(prefix="linli-faults-"))
    folder.chmod(0o711)
    result = run(1, 60, 2, folder)
    counts = result["commands"]
    assert not result["failed"], json.dumps(result["findings"], indent=1, ensure_ascii=False)
    assert counts["post"]["acknowledged"] > 20, "people were at work"
    assert counts["confirm"]["acknowledged"] > 0, "hours were recorded"
    assert len(result["faults"]) > 5
