"""What a new installation needs before its services run apart: databases, roles, secrets, migrations, topics."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
from psycopg import sql

from services import declarations, wiring
from services.sample import load_sample
from shared.clock import system_clock
from shared.database.migrate import upgrade
from shared.database.server import ExternalServer, ensure_databases, let_in, write_private
from shared.database.vault import Vault
from shared.database.work import Database
from shared.messaging.bus.postgres import ensure_schema
from shared.settings import Settings

OWN = "setup"  # the folder of secrets that no service sees


def migrate(name: str, settings: Settings) -> None:
    """Bring one service's database to the newest shape, by its owner, and let the service's own role in."""
    assert settings.owner_url is not None
    with psycopg.connect(settings.owner_url.replace("+psycopg", "")) as connection:
        let_in(connection, connection.info.user)
    upgrade(settings.owner_url, declarations.service(name).metadata, declarations.migrations(name))


def set_up(settings: Settings, folder: Path, say: Callable[[str], None]) -> None:
    """Make what is missing and leave the rest; each service's secrets in a folder of its own below `folder`.

    A second run changes nothing but the passwords of roles that differ from the kept ones.
    """
    assert settings.server_url is not None
    own = folder / OWN
    own.mkdir(parents=True, exist_ok=True)
    server = ExternalServer(settings.server_url, own / "passwords.json")
    names = (*declarations.NAMES, *(() if settings.kafka else (wiring.BUS,)))
    urls = ensure_databases(server, names)
    _hold_passwords(server, names)
    key = wiring.installation_key(own).hex()
    for name in declarations.NAMES:
        say(f"{name}: database, roles, migrations")
        upgrade(urls[name].owner, declarations.service(name).metadata, declarations.migrations(name))
        place = folder / name
        place.mkdir(exist_ok=True)
        write_private(place / "linli_database_url", urls[name].app)
        write_private(place / "linli_installation_key", key)
        if not settings.kafka and declarations.service(name).on_bus:
            write_private(place / "linli_bus_url", urls[wiring.BUS].app)
    if not settings.kafka:
        ensure_schema(urls[wiring.BUS].owner)
    bus = wiring.bus_of(settings, None if settings.kafka else urls[wiring.BUS].app)
    say("topics")
    bus.ensure_topics(wiring.topics())
    bus.close()


def _hold_passwords(server: ExternalServer, names: tuple[str, ...]) -> None:
    """The roles have the passwords that the secrets say, also where they were made by an earlier installation."""
    roles = [role for name in names for role in (f"linli_{name}", f"linli_{name}_owner")]
    with server.connect() as connection:
        for role, password in server.passwords(roles).items():
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
            )


def load(settings: Settings, folder: Path, size: str, say: Callable[[str], None]) -> None:
    """Load the sample city into running services, each part through its service's own layer."""
    with ExitStack() as stack:
        databases = {}
        for name in declarations.NAMES:
            place = folder / name
            vault = Vault(bytes.fromhex((place / "linli_installation_key").read_text()))
            told = None if name == "identity" else settings.clock
            databases[name] = Database(
                (place / "linli_database_url").read_text(),
                name,
                vault,
                pool=4,
                clock=told,
                objects=wiring.objects_of(settings, declarations.service(name)),
            )
            stack.callback(databases[name].close)
        log_url = folder / "daycare" / "linli_bus_url"
        bus = wiring.bus_of(settings, log_url.read_text() if log_url.exists() else None)
        stack.callback(bus.close)
        load_sample(wiring.City(databases, {}, bus), size, folder / OWN, say, settings.clock or system_clock)
