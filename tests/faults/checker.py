"""What must hold when all is calm again: everything acknowledged took effect once, in order, and everywhere.

Reads the services' databases as an auditor would, with the superuser's eyes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services import declarations
from shared.contracts.registry import Kind, event_types
from shared.database.server import DatabaseServer
from tests.faults.clients import Command, History

Rows = list[tuple[Any, ...]]
MOST = 20  # of each kind of fault are named


@dataclass
class Findings:
    """What does not hold, by kind. Empty lists: all is well."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(self.said.values())

    @property
    def said(self) -> dict[str, list[str]]:
        return {name: found[:MOST] for name, found in vars(self).items()}


class Databases:
    """The services' databases, to look at."""

    def __init__(self, server: DatabaseServer) -> None:
        self._server = server

    def rows(self, service: str, sql: str, *values: Any) -> Rows:
        with self._server.connect(f"linli_{service}") as connection:
            return list(connection.execute(sql.encode(), values or None))

    def one(self, service: str, sql: str, *values: Any) -> Any:
        return self.rows(service, sql, *values)[0][0]


WAITING = """
    SELECT a.datname, a.pid, pg_blocking_pids(a.pid)::text, a.state, a.application_name, a.wait_event,
           round(extract(epoch FROM clock_timestamp() - a.xact_start)), left(a.query, 120)
    FROM pg_stat_activity a WHERE a.xact_start < clock_timestamp() - interval '3 seconds' AND a.pid <> pg_backend_pid()
"""


class Before:
    """What stood before the run: the sample's own."""

    def __init__(self, databases: Databases) -> None:
        self.needs = {row[0] for row in databases.rows("daycare", "SELECT need_id::text FROM need")}
        self.records = {
            row[0] for row in databases.rows("volunteers", "SELECT attendance_id::text FROM record_entry")
        }
        self.audits = {
            name: databases.one(name, "SELECT coalesce(max(pos), 0) FROM audit") for name in AUDITED
        }


AUDITED = ("daycare", "matcher")
HEARING = tuple(name for name in declarations.NAMES if declarations.service(name).handlers.topics)


def on_the_way(databases: Databases) -> int:
    """How many events have not arrived everywhere, as the databases tell: in outboxes, parked."""
    waiting = 0
    for name in declarations.NAMES:
        waiting += databases.one(name, "SELECT count(*) FROM outbox WHERE published_at IS NULL")
        waiting += databases.one(name, "SELECT count(*) FROM parked_event")
    return waiting


def check(databases: Databases, history: History, before: Before) -> Findings:
    """All findings of a run that has been drained."""
    found = Findings()
    for command in history.open():
        found.left_over.append(f"{command.kind} {command.key}: never answered")
    _commands(databases, history, before, found)
    _nobody_twice(databases, found)
    _events(databases, found)
    _projections(databases, found)
    _ledgers(databases, before, found)
    return found


def _commands(databases: Databases, history: History, before: Before, found: Findings) -> None:
    """Every acknowledged command has its effect, and no effect is there twice."""
    _same(
        (c.answer["id"] for c in history.acknowledged("post")),
        (
            r[0]
            for r in databases.rows("daycare", "SELECT need_id::text FROM need")
            if r[0] not in before.needs
        ),
        "need",
        found,
    )
    _have(
        databases,
        "daycare",
        "SELECT need_id::text FROM need WHERE state = 'cancelled'",
        [c.answer["id"] for c in history.acknowledged("cancel")],
        "need cancelled",
        found,
    )
    for kind, state in (("accept", "accepted"), ("decline", "declined")):
        ids = [c.path.split("/")[2] for c in history.acknowledged(kind)]
        _have(
            databases,
            "matcher",
            f"SELECT offer_id::text FROM offer WHERE state = '{state}'",
            ids,
            f"offer {state}",
            found,
        )
    _have(
        databases,
        "matcher",
        "SELECT assignment_id::text FROM assignment WHERE state = 'withdrawn'",
        [c.answer["id"] for c in history.acknowledged("withdraw")],
        "withdrawal",
        found,
    )
    for kind, column in (("check-in", "started_at"), ("check-out", "ended_at")):
        _have(
            databases,
            "daycare",
            f"SELECT attendance_id::text FROM attendance WHERE {column} IS NOT NULL",
            [c.answer["id"] for c in history.acknowledged(kind)],
            kind,
            found,
        )
    revisions = Counter(
        r[0] for r in databases.rows("daycare", "SELECT attendance_id::text FROM attendance_revision")
    )
    wanted = Counter(c.path.split("/")[2] for k in ("confirm", "correct") for c in history.acknowledged(k))
    for attendance, times in wanted.items():
        if revisions[attendance] < times:
            found.lost.append(f"attendance {attendance}: {times} confirmed, {revisions[attendance]} kept")
        elif revisions[attendance] > times:
            found.doubled.append(f"attendance {attendance}: {times} confirmed, {revisions[attendance]} kept")
    _audits(databases, history, before, found)


def _audits(databases: Databases, history: History, before: Before, found: Findings) -> None:
    """The audit trail was written with each command: as often as it was acknowledged."""
    actions = {
        "daycare": {
            "check-in": "attendance.in",
            "check-out": "attendance.out",
            "confirm": "attendance.confirm",
        },
        "matcher": {"withdraw": "assignment.withdraw"},
    }
    for service, named in actions.items():
        rows = databases.rows(service, "SELECT action FROM audit WHERE pos > %s", before.audits[service])
        counts = Counter(row[0] for row in rows)
        for kind, action in named.items():
            wanted = len(_effective(history.acknowledged(kind)))
            if kind == "confirm":
                wanted += len(history.acknowledged("correct"))
            if counts[action] != wanted:
                kind_of = found.lost if counts[action] < wanted else found.doubled
                kind_of.append(f"audit {action}: {wanted} acknowledged, {counts[action]} written")


def _effective(commands: list[Command]) -> set[str]:
    """Checking in twice is one check-in: the thing that was acted on, once."""
    return {str(c.answer["id"]) for c in commands}


def _same(acknowledged: Iterable[str], there: Iterable[str], what: str, found: Findings) -> None:
    known, kept = Counter(acknowledged), Counter(there)
    found.lost += [f"{what} {key}" for key in known.keys() - kept.keys()]
    found.doubled += [f"{what} {key}: nobody was told of it" for key in kept.keys() - known.keys()]


def _have(
    databases: Databases, service: str, sql: str, wanted: list[str], what: str, found: Findings
) -> None:
    there = {row[0] for row in databases.rows(service, sql)}
    found.lost += [f"{what} {key}" for key in wanted if key not in there]


def _nobody_twice(databases: Databases, found: Findings) -> None:
    held = """
        SELECT a.person_id::text, a.visit_id::text, b.visit_id::text FROM assignment a JOIN assignment b
          ON a.person_id = b.person_id AND a.assignment_id < b.assignment_id
         AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at
        WHERE a.state IN ('accepted', 'rostered') AND b.state IN ('accepted', 'rostered')"""
    expected = """
        SELECT a.person_id::text, a.visit_id::text, b.visit_id::text FROM attendance a JOIN attendance b
          ON a.person_id = b.person_id AND a.attendance_id < b.attendance_id
         AND a.planned_start < b.planned_end AND b.planned_start < a.planned_end
        WHERE a.state = 'expected' AND b.state = 'expected'"""
    for service, sql in (("matcher", held), ("daycare", expected)):
        found.doubled += [f"{service}: {p} at {a} and {b}" for p, a, b in databases.rows(service, sql)]


def _events(databases: Databases, found: Findings) -> None:
    """Every event that was told has arrived at whoever hears it: entries once, states in their last version, in order."""
    told: dict[str, Rows] = defaultdict(list)
    for service in declarations.NAMES:
        left = databases.one(service, "SELECT count(*) FROM outbox WHERE published_at IS NULL")
        if left:
            found.left_over.append(f"{service}: {left} events not published")
        for row in databases.rows(
            service, "SELECT type, key, aggregate_version, pos, event_id::text FROM outbox ORDER BY pos"
        ):
            told[row[0]].append(row)
    kinds = {event.TYPE: event.TOPIC.kind for event in event_types()}
    for service in HEARING:
        for table in ("dead_letter WHERE decided_at IS NULL", "parked_key", "parked_event"):
            left = databases.one(service, f"SELECT count(*) FROM {table}")
            if left:
                found.left_over.append(f"{service}: {left} in {table.split()[0]}")
        taken = {
            row[0]: row[1]
            for row in databases.rows(
                service, "SELECT event_id::text, at FROM inbox WHERE consumer = %s", service
            )
        }
        versions = {
            (row[0], row[1]): row[2]
            for row in databases.rows(
                service, "SELECT type, key, version FROM projection_version WHERE consumer = %s", service
            )
        }
        for event in declarations.service(service).handlers.events:
            _arrived(service, event.TYPE, kinds[event.TYPE], told[event.TYPE], taken, versions, found)


def _arrived(
    service: str,
    type_name: str,
    kind: Kind,
    told: Rows,
    taken: dict[str, datetime],
    versions: dict[tuple[str, str], int],
    found: Findings,
) -> None:
    of_key: dict[str, Rows] = defaultdict(list)
    for row in told:
        of_key[row[1]].append(row)
    for key, rows in of_key.items():
        if kind is Kind.ENTRY:
            found.lost += [f"{service}: {type_name} {key} {r[4]}" for r in rows if r[4] not in taken]
        else:
            last = max(row[2] for row in rows)
            if versions.get((type_name, key)) != last:
                found.lost.append(
                    f"{service}: {type_name} {key}: version {last}, has {versions.get((type_name, key))}"
                )
        moments = [taken[row[4]] for row in sorted(rows, key=lambda r: (r[2], r[3])) if row[4] in taken]
        if moments != sorted(moments):
            found.disordered.append(f"{service}: {type_name} {key}")


def _projections(databases: Databases, found: Findings) -> None:
    """What one service knows of another's things equals what the other says of them."""
    pairs = (
        (
            "visit",
            "daycare",
            "SELECT visit_id::text, version, status, earliest_start, latest_start, carers FROM visit",
            "matcher",
            "SELECT visit_id::text, visit_version, status, earliest_start, latest_start, carers FROM visit",
        ),
        (
            "staffing",
            "matcher",
            "SELECT visit_id::text, staffing_version FROM visit WHERE staffing_version > 0",
            "daycare",
            "SELECT visit_id::text, staffing_version FROM staffing",
        ),
        (
            "line",
            "projects",
            "SELECT l.line_id::text, l.version FROM contract_line l "
            "JOIN contract c USING (contract_id) WHERE c.state <> 'unsigned'",  # told once both have signed
            "matcher",
            "SELECT line_id::text, line_version FROM line",
        ),
        (
            "place held",
            "matcher",
            "SELECT visit_id::text || person_id::text, 1 FROM assignment WHERE state IN ('accepted', 'rostered')",
            "daycare",
            "SELECT visit_id::text || p::text, 1 FROM staffing, unnest(held_ids) p",
        ),
        (
            "units reserved",
            "matcher",
            "SELECT visit_id::text || person_id::text, units FROM assignment WHERE committed AND units > 0",
            "projects",
            "SELECT visit_id::text || person_id::text, units FROM reservation r WHERE units > 0 AND NOT EXISTS "
            "(SELECT 1 FROM delivery d WHERE d.visit_id = r.visit_id AND d.person_id = r.person_id)",
        ),
        (
            "units delivered",
            "projects",
            "SELECT attendance_id::text, units FROM delivery",
            "matcher",
            "SELECT attendance_id::text, units FROM delivery",
        ),
    )
    for what, source, source_sql, reader, reader_sql in pairs:
        ours = {row[0]: row[1:] for row in databases.rows(source, source_sql)}
        theirs = {row[0]: row[1:] for row in databases.rows(reader, reader_sql)}
        for key in ours.keys() | theirs.keys():
            if ours.get(key) != theirs.get(key):
                found.differs.append(f"{what} {key}: {source} {ours.get(key)}, {reader} {theirs.get(key)}")
    drawn = databases.rows(
        "matcher",
        """SELECT l.line_id::text, l.committed, l.delivered,
                  (SELECT coalesce(sum(units), 0) FROM assignment a WHERE a.line_id = l.line_id AND a.committed),
                  (SELECT coalesce(sum(units), 0) FROM delivery d WHERE d.line_id = l.line_id) FROM line l""",
    )
    for line, committed, delivered, held, given in drawn:
        if (committed, delivered) != (held, given):
            found.differs.append(f"line {line}: {committed}+{delivered} kept, {held}+{given} counted")


def _ledgers(databases: Databases, before: Before, found: Findings) -> None:
    """Recorded minutes are the confirmed ones; so are units; the two ledgers never meet."""
    for capacity, service, sql in (
        ("volunteer", "volunteers", "SELECT attendance_id::text, sum(minutes) FROM record_entry GROUP BY 1"),
        (
            "employed",
            "projects",
            "SELECT attendance_id::text, sum(CASE WHEN reversal THEN -minutes ELSE minutes END) "
            "FROM delivery_entry GROUP BY 1",
        ),
    ):
        confirmed = dict(
            databases.rows(
                "daycare",
                "SELECT attendance_id::text, minutes FROM attendance WHERE revision > 0 AND capacity = %s "
                "AND (capacity = 'volunteer' OR line_id IS NOT NULL)",
                capacity,
            )
        )
        recorded = {
            row[0]: int(row[1]) for row in databases.rows(service, sql) if row[0] not in before.records
        }
        for key in confirmed.keys() | recorded.keys():
            if confirmed.get(key) != recorded.get(key):
                found.differs.append(
                    f"{capacity} attendance {key}: {confirmed.get(key)} confirmed, {recorded.get(key)} recorded"
                )
