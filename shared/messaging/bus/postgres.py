"""The bus as a log in PostgreSQL, for the product in one process: topics, partitions, groups, without a broker.

An offset is given under its partition's row lock, so that offsets become visible in order and a reader's position
never passes a message that commits late. Members of a group share partitions as rows of `bus_claim`: whoever joins,
leaves or finds a dead member works out the same even, sticky share under the group's row lock; a partition's owner
hands it over itself, between two batches, and only a dead owner's is taken. Every change of owner raises the claim's
epoch, and a commit counts only with the epoch it was read under.
"""

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID
from zlib import crc32

import psycopg
from sqlalchemy import Connection, Engine, create_engine, exc

from shared.contracts.registry import Kind, Topic
from shared.database.work import WATCHED
from shared.ids import new_id
from shared.messaging.bus.port import (
    AGGREGATE_VERSION,
    BusAway,
    BusError,
    Fenced,
    GroupBusy,
    Lag,
    Message,
    Part,
    Received,
    Refused,
    refuse_unfit,
)

log = logging.getLogger(__name__)

TIDY_SECONDS = 600.0
# A member that freezes in the middle holds partitions locked that all write to: the server ends its transaction.
_SESSION = "-c client_connection_check_interval=1s -c idle_in_transaction_session_timeout=2s"
_CHANNEL = "linli_bus"
_GROUP = "group:"
_SCHEMA_LOCK = 7_001_004

_VERSIONS: tuple[str, ...] = (
    """
    CREATE TABLE bus_topic (
        name text PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('state', 'entry')),
        partitions int NOT NULL CHECK (partitions > 0),
        retention_days int NOT NULL
    );
    CREATE TABLE bus_partition (
        topic text REFERENCES bus_topic,
        part int,
        next_offset bigint NOT NULL DEFAULT 0,
        compacted_to bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (topic, part)
    ) WITH (fillfactor = 50);
    CREATE TABLE bus_log (
        topic text,
        part int,
        log_offset bigint,
        key text NOT NULL,
        version bigint NOT NULL,
        headers jsonb NOT NULL,
        value bytea,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (topic, part, log_offset)
    );
    CREATE INDEX ix_bus_log_key ON bus_log (topic, part, key);
    CREATE INDEX ix_bus_log_tombstone ON bus_log (at) WHERE value IS NULL;
    CREATE TABLE bus_group (
        name text PRIMARY KEY,
        generation bigint NOT NULL DEFAULT 0
    ) WITH (fillfactor = 50);
    CREATE TABLE bus_member (
        member uuid PRIMARY KEY,
        grp text NOT NULL REFERENCES bus_group,
        topics text[] NOT NULL,
        expires_at timestamptz NOT NULL
    ) WITH (fillfactor = 50);
    CREATE INDEX ix_bus_member_grp ON bus_member (grp);
    CREATE TABLE bus_claim (
        grp text REFERENCES bus_group,
        topic text,
        part int,
        member uuid NOT NULL,
        epoch bigint NOT NULL,
        PRIMARY KEY (grp, topic, part),
        FOREIGN KEY (topic, part) REFERENCES bus_partition
    );
    CREATE TABLE bus_offset (
        grp text REFERENCES bus_group,
        topic text,
        part int,
        next_offset bigint NOT NULL,
        PRIMARY KEY (grp, topic, part)
    ) WITH (fillfactor = 50);
    """,
)

_APPEND = """
INSERT INTO bus_log (topic, part, log_offset, key, version, headers, value)
SELECT topic, part, log_offset, key, version, headers::jsonb, value
FROM unnest(%(topics)s::text[], %(parts)s::int[], %(offsets)s::bigint[], %(keys)s::text[], %(versions)s::bigint[],
            %(headers)s::text[], %(values)s::bytea[])
     AS m (topic, part, log_offset, key, version, headers, value)
"""

_FETCH = """
SELECT l.topic, l.part, l.log_offset, l.key, l.headers, l.value
FROM unnest(%(topics)s::text[], %(parts)s::int[], %(offsets)s::bigint[]) AS p (topic, part, next_offset)
CROSS JOIN LATERAL (
    SELECT * FROM bus_log l
    WHERE l.topic = p.topic AND l.part = p.part AND l.log_offset >= p.next_offset
    ORDER BY l.log_offset LIMIT %(limit)s
) l
LIMIT %(limit)s
"""

_COMMIT = """
INSERT INTO bus_offset AS o (grp, topic, part, next_offset)
SELECT c.grp, c.topic, c.part, n.next_offset
FROM unnest(%(topics)s::text[], %(parts)s::int[], %(offsets)s::bigint[], %(epochs)s::bigint[])
     AS n (topic, part, next_offset, epoch)
JOIN bus_claim c ON c.grp = %(grp)s AND c.topic = n.topic AND c.part = n.part
                AND c.member = %(member)s AND c.epoch = n.epoch
FOR SHARE OF c
ON CONFLICT (grp, topic, part) DO UPDATE SET next_offset = excluded.next_offset
RETURNING o.topic, o.part
"""

_COMPACT = """
WITH touched AS (
    SELECT DISTINCT key FROM bus_log
    WHERE topic = %(topic)s AND part = %(part)s AND log_offset >= %(since)s AND log_offset < %(until)s
), ranked AS (
    SELECT log_offset, row_number() OVER (PARTITION BY key ORDER BY version DESC, log_offset DESC) AS rank
    FROM bus_log JOIN touched USING (key)
    WHERE topic = %(topic)s AND part = %(part)s AND log_offset < %(until)s
)
DELETE FROM bus_log l USING ranked r
WHERE l.topic = %(topic)s AND l.part = %(part)s AND l.log_offset = r.log_offset AND r.rank > 1
"""

_PRUNE = """
DELETE FROM bus_log l USING (
    SELECT p.topic, p.part, coalesce(
        (SELECT k.log_offset FROM bus_log k WHERE k.topic = p.topic AND k.part = p.part
           AND k.at >= clock_timestamp() - make_interval(days => t.retention_days)
         ORDER BY k.log_offset LIMIT 1), p.next_offset) AS keep_from
    FROM bus_partition p JOIN bus_topic t ON t.name = p.topic
    WHERE t.kind = 'entry' AND t.retention_days > 0
) old
WHERE l.topic = old.topic AND l.part = old.part AND l.log_offset < old.keep_from
"""


def ensure_schema(owner_url: str, *roles: str) -> None:
    """Bring the bus's database to the newest shape and let the roles work in it. Safe to run at every start."""
    engine = create_engine(owner_url)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))
            connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS bus_schema (version int PRIMARY KEY)")
            stands = connection.exec_driver_sql(
                "SELECT coalesce(max(version), 0) FROM bus_schema"
            ).scalar_one()
            for version, script in enumerate(_VERSIONS[stands:], start=stands + 1):
                connection.exec_driver_sql(script)
                connection.exec_driver_sql("INSERT INTO bus_schema VALUES (%s)", (version,))
            quote = engine.dialect.identifier_preparer.quote
            for role in roles:
                connection.exec_driver_sql(
                    f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {quote(role)}"
                )
    finally:
        engine.dispose()


class PostgresBus:
    """The adapter. One a process: its members share one LISTEN connection and one heartbeat.

    `session`: how long a member may be silent before its partitions are taken; `patience`: how long it may work on
    one batch between two polls.
    """

    def __init__(
        self,
        url: str,
        *,
        session: timedelta = timedelta(seconds=2),
        heartbeat: timedelta = timedelta(seconds=0.5),
        patience: timedelta = timedelta(seconds=60),
        pool: int = 8,
    ) -> None:
        self._engine: Engine = create_engine(
            url,
            pool_size=pool,
            max_overflow=16,
            pool_pre_ping=True,
            connect_args={"application_name": "linli-bus", "options": _SESSION, **WATCHED},
        )
        self._partitions: dict[str, int] = {}
        self._session = session.total_seconds()
        self._heartbeat = heartbeat.total_seconds()
        self._patience = patience.total_seconds()
        self._members: dict[UUID, PostgresSubscription] = {}
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()

    def ensure_topics(self, topics: Iterable[Topic]) -> None:
        """Make what is missing. A topic that stands with other partitions or another kind is refused."""
        wanted = sorted({topic.name: topic for topic in topics}.values(), key=lambda t: t.name)
        with self._transaction() as connection:
            for topic in wanted:
                connection.exec_driver_sql(
                    "INSERT INTO bus_topic (name, kind, partitions, retention_days) VALUES (%s, %s, %s, %s)"
                    " ON CONFLICT (name) DO UPDATE SET retention_days = excluded.retention_days"
                    " WHERE bus_topic.retention_days <> excluded.retention_days",
                    (topic.name, topic.kind.value, topic.partitions, topic.retention_days),
                )
                kind, partitions = connection.exec_driver_sql(
                    "SELECT kind, partitions FROM bus_topic WHERE name = %s", (topic.name,)
                ).one()
                if (kind, partitions) != (topic.kind.value, topic.partitions):
                    raise ValueError(
                        f"{topic.name} stands as {kind} with {partitions} partitions; a change needs a new topic"
                    )
                made = connection.exec_driver_sql(
                    "INSERT INTO bus_partition (topic, part) SELECT %s, n FROM generate_series(0, %s - 1) n"
                    " ON CONFLICT DO NOTHING",
                    (topic.name, topic.partitions),
                ).rowcount
                if made:
                    for (group,) in connection.exec_driver_sql(
                        "SELECT DISTINCT grp FROM bus_member WHERE %s = ANY (topics) ORDER BY grp",
                        (topic.name,),
                    ).all():
                        _raise_generation(connection, group)
        self._partitions.update({topic.name: topic.partitions for topic in wanted})

    def publish(self, messages: Sequence[Message]) -> None:
        """Append in one transaction: all of them or none."""
        if not messages:
            return
        for message in messages:
            refuse_unfit(message)
        parts = [self._part(message) for message in messages]
        needed = sorted(set(parts))
        with self._transaction() as connection:
            found = connection.exec_driver_sql(
                "SELECT p.topic, p.part, p.next_offset FROM bus_partition p"
                " JOIN unnest(%s::text[], %s::int[]) AS n (topic, part) USING (topic, part)"
                " ORDER BY p.topic, p.part FOR UPDATE OF p",
                ([part.topic for part in needed], [part.partition for part in needed]),
            )
            following = {Part(topic, part): offset for topic, part, offset in found}
            offsets = []
            for part in parts:
                offsets.append(following[part])
                following[part] += 1
            connection.exec_driver_sql(
                _APPEND,
                {
                    "topics": [part.topic for part in parts],
                    "parts": [part.partition for part in parts],
                    "offsets": offsets,
                    "keys": [message.key for message in messages],
                    "versions": [_version(message) for message in messages],
                    "headers": [json.dumps(message.headers) for message in messages],
                    "values": [message.value for message in messages],
                },
            )
            connection.exec_driver_sql(
                "UPDATE bus_partition p SET next_offset = n.next_offset"
                " FROM unnest(%s::text[], %s::int[], %s::bigint[]) AS n (topic, part, next_offset)"
                " WHERE p.topic = n.topic AND p.part = n.part",
                (
                    [part.topic for part in following],
                    [part.partition for part in following],
                    list(following.values()),
                ),
            )
            connection.exec_driver_sql(
                "SELECT pg_notify(%s, topic) FROM unnest(%s::text[]) AS n (topic)",
                (_CHANNEL, sorted({part.topic for part in needed})),
            )

    def subscribe(self, group: str, topics: Sequence[str]) -> "PostgresSubscription":
        """Become a member: it takes part in the group from its first poll on."""
        member = PostgresSubscription(self, group, sorted(set(topics)))
        with self._lock:
            self._members[member.id] = member
            if not self._threads:
                for work in (self._beat, self._tidy):
                    self._threads.append(
                        threading.Thread(target=work, name=f"bus{work.__name__}", daemon=True)
                    )
                    self._threads[-1].start()
        return member

    def lag(self, group: str) -> list[Lag]:
        """What waits, in each partition of the topics the group has ever read."""
        with self._transaction() as connection:
            rows = connection.exec_driver_sql(
                "SELECT p.topic, p.part, coalesce(o.next_offset, 0), (SELECT count(*) FROM bus_log l"
                "   WHERE l.topic = p.topic AND l.part = p.part AND l.log_offset >= coalesce(o.next_offset, 0))"
                " FROM bus_partition p LEFT JOIN bus_offset o ON (o.grp, o.topic, o.part) = (%(grp)s, p.topic, p.part)"
                " WHERE p.topic IN (SELECT topic FROM bus_claim WHERE grp = %(grp)s"
                "                   UNION SELECT topic FROM bus_offset WHERE grp = %(grp)s)"
                " ORDER BY p.topic, p.part",
                {"grp": group},
            ).all()
        return [Lag(Part(topic, part), committed, waiting) for topic, part, committed, waiting in rows]

    def reset(self, group: str) -> None:
        """Send a group without living members back to the beginning."""
        with self._transaction() as connection:
            connection.exec_driver_sql("SELECT 1 FROM bus_group WHERE name = %s FOR UPDATE", (group,))
            living = connection.exec_driver_sql(
                "SELECT count(*) FROM bus_member WHERE grp = %s AND expires_at > clock_timestamp()", (group,)
            ).scalar_one()
            if living:
                raise GroupBusy(f"{group} has {living} members: stop them first")
            connection.exec_driver_sql("DELETE FROM bus_offset WHERE grp = %s", (group,))

    def maintain(self, *, tombstones_for: timedelta = timedelta(days=1)) -> int:
        """Compact state topics to the last version per key and prune entries past retention. Returns rows removed."""
        removed = 0
        with self._transaction() as connection:
            if not connection.exec_driver_sql("SELECT pg_try_advisory_xact_lock(7001005)").scalar_one():
                return 0
            grown = connection.exec_driver_sql(
                "SELECT p.topic, p.part, p.compacted_to, p.next_offset FROM bus_partition p"
                " JOIN bus_topic t ON t.name = p.topic WHERE t.kind = %s AND p.next_offset > p.compacted_to",
                (Kind.STATE.value,),
            ).all()
        for topic, part, since, until in grown:
            span = {"topic": topic, "part": part, "since": since, "until": until}
            with self._transaction() as connection:
                removed += connection.exec_driver_sql(_COMPACT, span).rowcount
                connection.exec_driver_sql(
                    "UPDATE bus_partition SET compacted_to = %(until)s"
                    " WHERE topic = %(topic)s AND part = %(part)s AND compacted_to < %(until)s",
                    span,
                )
        with self._transaction() as connection:
            removed += connection.exec_driver_sql(
                "DELETE FROM bus_log l USING bus_topic t, bus_partition p WHERE l.value IS NULL AND t.name = l.topic"
                " AND t.kind = 'state' AND (p.topic, p.part) = (l.topic, l.part) AND l.log_offset < p.compacted_to"
                " AND l.at <= clock_timestamp() - make_interval(secs => %s)",
                (tombstones_for.total_seconds(),),
            ).rowcount
            removed += connection.exec_driver_sql(_PRUNE).rowcount
        return removed

    def close(self) -> None:
        """End every member and let go of the connections."""
        for member in list(self._members.values()):
            try:
                member.close()
            except BusError:
                log.warning("bus: a member of %s could not say goodbye", member.group)
        self._closed.set()
        for thread in self._threads:
            thread.join(5)
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError) as error:
            raise BusAway(str(error).splitlines()[0]) from error

    def _part(self, message: Message) -> Part:
        partitions = self._partitions.get(message.topic)
        if partitions is None:
            with self._transaction() as connection:
                partitions = connection.exec_driver_sql(
                    "SELECT partitions FROM bus_topic WHERE name = %s", (message.topic,)
                ).scalar_one_or_none()
            if partitions is None:
                raise Refused(message, "there is no such topic")
            self._partitions[message.topic] = partitions
        return Part(message.topic, crc32(message.key.encode()) % partitions)

    def _forget(self, member: UUID) -> None:
        with self._lock:
            self._members.pop(member, None)

    def _tidy(self) -> None:
        """Compact and prune now and then, so that the log does not grow for ever."""
        while not self._closed.wait(TIDY_SECONDS):
            try:
                self.maintain()
            except BusError:
                log.warning("bus: the log was not tidied")

    def _beat(self) -> None:
        """Keep the members alive and wake them."""
        while not self._closed.is_set():
            try:
                arguments, options = self._engine.dialect.create_connect_args(self._engine.url)
                with psycopg.connect(*arguments, **options, autocommit=True, connect_timeout=5) as connection:
                    connection.execute(f"LISTEN {_CHANNEL}")
                    self._wake_all()
                    self._listen(connection)
            except psycopg.Error as error:
                log.warning("bus: the database is away: %s", type(error).__name__)
                self._wake_all()
                self._closed.wait(0.25)

    def _listen(self, connection: "psycopg.Connection[Any]") -> None:
        due = 0.0
        while not self._closed.is_set():
            if time.monotonic() >= due:
                self._renew(connection)
                due = time.monotonic() + self._heartbeat
            for notice in connection.notifies(timeout=max(0.0, due - time.monotonic()), stop_after=1):
                for member in list(self._members.values()):
                    member.notice(notice.payload)

    def _renew(self, connection: "psycopg.Connection[Any]") -> None:
        now = time.monotonic()
        members = [m for m in list(self._members.values()) if m.joined and now - m.polled_at < self._patience]
        if not members:
            return
        kept = {
            row[0]
            for row in connection.execute(
                "UPDATE bus_member SET expires_at = clock_timestamp() + make_interval(secs => %s)"
                " WHERE member = ANY (%s) RETURNING member",
                (self._session, [m.id for m in members]),
            )
        }
        groups = {
            name: (generation, dead)
            for name, generation, dead in connection.execute(
                "SELECT g.name, g.generation, EXISTS (SELECT 1 FROM bus_member m"
                "  WHERE m.grp = g.name AND m.expires_at <= clock_timestamp())"
                " FROM bus_group g WHERE g.name = ANY (%s)",
                (sorted({m.group for m in members}),),
            )
        }
        for member in members:
            generation, dead = groups.get(member.group, (None, True))
            if member.id not in kept or dead or generation != member.generation:
                member.unsettle()

    def _wake_all(self) -> None:
        for member in list(self._members.values()):
            member.unsettle()


class PostgresSubscription:
    """A member of a group. Polled and committed by one thread."""

    def __init__(self, bus: PostgresBus, group: str, topics: list[str]) -> None:
        self.id = new_id()
        self.group = group
        self.generation = -1
        self.joined = False
        self.polled_at = time.monotonic()
        self._bus = bus
        self._topics = topics
        self._next: dict[Part, int] = {}
        self._epochs: dict[Part, int] = {}
        self._paused: set[Part] = set()
        self._unsettled = True
        self._wake = threading.Event()
        self._turn = 0

    def notice(self, payload: str) -> None:
        """A topic has grown, or a group has changed."""
        if payload in self._topics:
            self._wake.set()
        elif payload == _GROUP + self.group:
            self.unsettle()

    def unsettle(self) -> None:
        """Have the next poll look at who owns what."""
        self._unsettled = True
        self._wake.set()

    def poll(self, limit: int, timeout: float) -> list[Received]:
        deadline = time.monotonic() + timeout
        while True:
            self.polled_at = time.monotonic()
            self._wake.clear()
            if self._unsettled:
                self._settle()
            received = self._fetch(limit)
            left = deadline - time.monotonic()
            if received or left <= 0:
                return received
            self._wake.wait(min(left, 0.5))

    def commit(self, offsets: Mapping[Part, int]) -> None:
        own = {part: offset for part, offset in offsets.items() if part in self._epochs}
        moved: set[Part] = set()
        if own:
            with self._bus._transaction() as connection:
                rows = connection.exec_driver_sql(
                    _COMMIT,
                    {
                        "grp": self.group,
                        "member": self.id,
                        "topics": [part.topic for part in own],
                        "parts": [part.partition for part in own],
                        "offsets": list(own.values()),
                        "epochs": [self._epochs[part] for part in own],
                    },
                )
                moved = {Part(topic, part) for topic, part in rows}
        lost = offsets.keys() - moved
        if lost:
            for part in lost:
                self._drop(part)
            self.unsettle()
            raise Fenced(lost)

    def rewind(self) -> None:
        self._next.clear()
        self._epochs.clear()
        self.unsettle()

    def assigned(self) -> frozenset[Part]:
        return frozenset(self._next)

    def pause(self, parts: Iterable[Part]) -> None:
        self._paused.update(parts)

    def resume(self, parts: Iterable[Part]) -> None:
        self._paused.difference_update(parts)
        self._wake.set()

    def close(self) -> None:
        self._bus._forget(self.id)
        self._next.clear()
        self._epochs.clear()
        if self.joined:
            self.joined = False
            with self._bus._transaction() as connection:
                connection.exec_driver_sql(
                    "SELECT 1 FROM bus_group WHERE name = %s FOR UPDATE", (self.group,)
                )
                connection.exec_driver_sql("DELETE FROM bus_member WHERE member = %s", (self.id,))
                _raise_generation(connection, self.group)

    def _drop(self, part: Part) -> None:
        self._next.pop(part, None)
        self._epochs.pop(part, None)

    def _fetch(self, limit: int) -> list[Received]:
        parts = [part for part in sorted(self._next) if part not in self._paused]
        if not parts:
            return []
        self._turn = (self._turn + 1) % len(parts)  # a busy partition must not starve the others
        parts = parts[self._turn :] + parts[: self._turn]
        with self._bus._transaction() as connection:
            rows = connection.exec_driver_sql(
                _FETCH,
                {
                    "topics": [part.topic for part in parts],
                    "parts": [part.partition for part in parts],
                    "offsets": [self._next[part] for part in parts],
                    "limit": limit,
                },
            ).all()
        received = []
        for topic, part, offset, key, headers, value in rows:
            received.append(
                Received(topic, key, headers, None if value is None else bytes(value), part, offset)
            )
            self._next[Part(topic, part)] = offset + 1
        return received

    def _settle(self) -> None:
        """Join or stay, hand over what others are due, take what is free, and learn where to read on."""
        self._unsettled = False
        try:
            with self._bus._transaction() as connection:
                epochs, committed = self._share(connection)
        except BusAway:
            self._unsettled = True
            raise
        self._next = {
            part: self._next[part] if self._epochs.get(part) == epoch else committed.get(part, 0)
            for part, epoch in epochs.items()
        }
        self._epochs = epochs
        self._paused &= epochs.keys()
        self.joined = True

    def _share(self, connection: Connection) -> tuple[dict[Part, int], dict[Part, int]]:
        connection.exec_driver_sql(
            "INSERT INTO bus_group (name) VALUES (%s) ON CONFLICT DO NOTHING", (self.group,)
        )
        connection.exec_driver_sql("SELECT 1 FROM bus_group WHERE name = %s FOR UPDATE", (self.group,))
        changed = connection.exec_driver_sql(
            "DELETE FROM bus_member WHERE grp = %s AND expires_at <= clock_timestamp() AND member <> %s",
            (self.group, self.id),
        ).rowcount
        changed += connection.exec_driver_sql(
            "INSERT INTO bus_member (member, grp, topics, expires_at)"
            " VALUES (%s, %s, %s, clock_timestamp() + make_interval(secs => %s)) ON CONFLICT DO NOTHING",
            (self.id, self.group, self._topics, self._bus._session),
        ).rowcount
        living: dict[UUID, list[str]] = {
            row[0]: row[1]
            for row in connection.exec_driver_sql(
                "SELECT member, topics FROM bus_member WHERE grp = %s ORDER BY member", (self.group,)
            )
        }
        parts = [
            Part(topic, part)
            for topic, part in connection.exec_driver_sql(
                "SELECT topic, part FROM bus_partition WHERE topic = ANY (%s) ORDER BY topic, part",
                (sorted({topic for topics in living.values() for topic in topics}),),
            )
        ]
        claims: dict[Part, tuple[UUID, int]] = {
            Part(topic, part): (member, epoch)
            for topic, part, member, epoch in connection.exec_driver_sql(
                "SELECT topic, part, member, epoch FROM bus_claim WHERE grp = %s", (self.group,)
            )
        }
        due = fair_share(parts, living, {part: member for part, (member, _) in claims.items()})
        for part, member in due.items():
            holder, epoch = claims.get(part, (None, 0))
            if holder == member or (holder in living and holder != self.id):
                continue  # rightly held, or handed over by its living holder
            connection.exec_driver_sql(
                "INSERT INTO bus_claim (grp, topic, part, member, epoch) VALUES (%s, %s, %s, %s, %s)"
                " ON CONFLICT (grp, topic, part) DO UPDATE SET member = excluded.member, epoch = excluded.epoch",
                (self.group, part.topic, part.partition, member, epoch + 1),
            )
            claims[part] = (member, epoch + 1)
            changed += 1
        if changed:
            _raise_generation(connection, self.group)
        self.generation = connection.exec_driver_sql(
            "SELECT generation FROM bus_group WHERE name = %s", (self.group,)
        ).scalar_one()
        committed = {
            Part(topic, part): offset
            for topic, part, offset in connection.exec_driver_sql(
                "SELECT topic, part, next_offset FROM bus_offset WHERE grp = %s", (self.group,)
            )
        }
        return {part: epoch for part, (member, epoch) in claims.items() if member == self.id}, committed


def fair_share(
    parts: Sequence[Part], living: Mapping[UUID, Sequence[str]], holders: Mapping[Part, UUID]
) -> dict[Part, UUID]:
    """Who should read each partition: as even as can be, and what is held stays where it is as far as that allows.

    Every member works out the same answer from the same rows.
    """
    if not living:
        return {}
    most = -(-len(parts) // len(living))
    load = Counter(dict.fromkeys(living, 0))
    due: dict[Part, UUID] = {}
    for part in parts:
        holder = holders.get(part)
        if holder is not None and holder in living and part.topic in living[holder] and load[holder] < most:
            due[part] = holder
            load[holder] += 1
    for part in parts:
        readers = [member for member, topics in living.items() if part.topic in topics]
        if part not in due and readers:
            member = min(readers, key=lambda m: (load[m], m))
            due[part] = member
            load[member] += 1
    return due


def _raise_generation(connection: Connection, group: str) -> None:
    connection.exec_driver_sql("UPDATE bus_group SET generation = generation + 1 WHERE name = %s", (group,))
    connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (_CHANNEL, _GROUP + group))


def _version(message: Message) -> int:
    try:
        version = int(message.headers.get(AGGREGATE_VERSION, "0"))
    except ValueError:
        return 0
    return version if 0 <= version < 2**63 else 0
