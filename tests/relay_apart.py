"""A relay as a process of its own, for tests to freeze and kill: `python -m tests.relay_apart DATABASE_URL BUS PREFIX`."""

import sys
import threading

from shared.database.vault import Vault
from shared.database.work import Database
from shared.messaging.bus.kafka import KafkaBus
from shared.messaging.bus.port import Bus
from shared.messaging.bus.postgres import PostgresBus
from shared.messaging.relay import Relay

database_url, bus_at, prefix = sys.argv[1:]
bus: Bus = PostgresBus(bus_at) if bus_at.startswith("postgresql") else KafkaBus(bus_at, prefix=prefix)
relay = Relay(Database(database_url, "sender", Vault(b"k" * 32)), bus)
relay.start()
print(relay.owner, flush=True)
threading.Event().wait()
