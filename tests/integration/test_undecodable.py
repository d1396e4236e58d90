"""Records that kafka-python can't decode: each is in the dead letters, and its partition goes on."""

import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.util import calc_crc32c
from sqlalchemy import select

from shared.ids import new_id
from shared.messaging.bus import fetched
from shared.messaging.bus.kafka import KafkaBus
from shared.messaging.bus.port import Part
from shared.messaging.tables import DeadLetter
from tests.conftest import NewDatabase
from tests.posting import ENTRIES, Post, effects, good, keeping, posts, read_all
from tools.broker import Cluster, missing_program

Spoil = Callable[[bytearray], bytearray]
HEADER = DefaultRecordBatchBuilder.HEADER_STRUCT.size
ATTRIBUTES = DefaultRecordBatchBuilder.ATTRIBUTES_OFFSET
ZSTD = 4


def batch(*numbers: int, base: int = 0) -> bytearray:
    """Entries of thing 乙 as they travel: one batch."""
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1_000_000)
    for place, number in enumerate(numbers):
        message = good("乙", number)
        headers = [(name, value.encode()) for name, value in message.headers.items()]
        builder.append(place, None, message.key.encode(), message.value, headers)
    made = builder.build()
    struct.pack_into(">q", made, 0, base)
    return bytearray(made)


def sealed(raw: bytearray) -> bytearray:
    """With the length and the checksum that it has to have."""
    struct.pack_into(">i", raw, 8, len(raw) - 12)
    struct.pack_into(">I", raw, DefaultRecordBatchBuilder.CRC_OFFSET, calc_crc32c(raw[ATTRIBUTES:]))
    return raw


def second_key(raw: bytearray) -> int:
    """Where the key of the second record stands; its value names the thing as well."""
    place = -1
    for _ in range(3):
        place = raw.index("乙".encode(), place + 1)
    return place


def misnamed(raw: bytearray) -> bytearray:
    """The second record's header `ce_source` has a name that is no UTF-8."""
    at = raw.index(b"ce_source", raw.index(b"ce_source") + 1)
    raw[at : at + 3] = b"\xff\xfe\xfd"
    return sealed(raw)


def in_zstd(raw: bytearray) -> bytearray:
    """Packed by a codec that is not installed here: one frame, its only block as it is."""
    body = bytes(raw[HEADER:])
    block = len(body) << 3 | 1
    frame = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(body)) + block.to_bytes(3, "little") + body
    raw[HEADER:] = frame
    raw[ATTRIBUTES + 1] |= ZSTD
    return sealed(raw)


def send_raw(servers: str, place: str, raw: bytearray) -> None:
    """Have the broker take a batch as it is."""
    producer = KafkaProducer(bootstrap_servers=[servers], enable_idempotence=False, linger_ms=0)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DefaultRecordBatchBuilder, "build", lambda _: raw)
            producer.send(place, value=b"", partition=0).get(10)
    finally:
        producer.close()


@pytest.fixture
def post(new_database: NewDatabase, kafka_servers: str) -> Iterator[Post]:
    bus = KafkaBus(kafka_servers, prefix=f"{new_id()}.")
    yield from posts(new_database, bus, kafka_servers)
    bus.close()


def letters(post: Post) -> list[DeadLetter]:
    with post.taker.work() as work:
        return list(work.session.scalars(select(DeadLetter).order_by(DeadLetter.offset)))


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.parametrize("from_the_middle", [False, True])
def test_a_header_whose_name_is_no_text_costs_its_record_and_nothing_else(
    post: Post, from_the_middle: bool
) -> None:
    assert isinstance(post.bus, KafkaBus)
    place = post.bus.prefix + ENTRIES.name
    send_raw(post.bus_at, place, batch(1))
    send_raw(post.bus_at, place, misnamed(batch(2, 3, 4)))
    send_raw(post.bus_at, place, batch(5))
    if from_the_middle:
        member = post.bus.subscribe("taker", [ENTRIES.name])
        got: list[Any] = []
        while len(got) < 3:
            got += member.poll(3 - len(got), 1)
        member.commit({Part(ENTRIES.name, 0): 2})
        member.close()
    read_all(post, keeping())
    read_all(post, keeping())
    assert effects(post) == {"乙": [4, 5] if from_the_middle else [1, 2, 4, 5]}
    [letter] = letters(post)
    assert (letter.topic, letter.partition, letter.offset, letter.key) == (ENTRIES.name, 0, 2, "乙")
    assert letter.reason == "a header's name is no text"
    assert letter.headers[r"\xff\xfe\xfdsource"] == "linli/test"
    assert letter.value is not None
    assert b'"number":3' in letter.value


@pytest.mark.kafka
@pytest.mark.postgres
def test_a_batch_in_a_codec_that_is_not_here_is_one_dead_letter_with_its_bytes(post: Post) -> None:
    assert isinstance(post.bus, KafkaBus)
    place = post.bus.prefix + ENTRIES.name
    send_raw(post.bus_at, place, batch(1))
    packed = in_zstd(batch(2, 3, 4))
    send_raw(post.bus_at, place, packed)
    assert read_all(post, keeping()).waiting == 0
    send_raw(post.bus_at, place, batch(5))
    read_all(post, keeping())
    assert effects(post) == {"乙": [1, 5]}
    [letter] = letters(post)
    assert (letter.topic, letter.partition, letter.offset) == (ENTRIES.name, 0, 3)
    assert letter.reason.startswith("offsets 1 to 3 can't be decoded: UnsupportedCodecError")
    assert letter.value is not None
    assert letter.value[ATTRIBUTES:] == bytes(packed[ATTRIBUTES:])


@pytest.mark.kafka
@pytest.mark.postgres
def test_a_batch_that_rotted_on_the_brokers_disk_is_a_dead_letter(
    new_database: NewDatabase, kafka_servers: str, tmp_path: Path
) -> None:
    if missing_program():
        pytest.skip("brokers of the tests' own need Java and Maven")
    with Cluster(tmp_path / "kafka") as cluster:
        bus = KafkaBus(cluster.servers)
        with contextmanager(posts)(new_database, bus, cluster.servers) as post:
            for raw in (batch(1), batch(2, 77777), batch(3)):
                send_raw(cluster.servers, ENTRIES.name, raw)
            [node] = cluster.nodes
            node.stop(signal.SIGTERM)
            [segment] = (node.folder / "log" / f"{ENTRIES.name}-0").glob("*.log")
            whole = segment.read_bytes()
            assert whole.count(b"77777") == 1
            segment.write_bytes(whole.replace(b"77777", b"77377"))
            node.start()
            node.wait()
            read_all(post, keeping(), 40)
            assert effects(post) == {"乙": [1, 3]}
            [letter] = letters(post)
            assert (letter.partition, letter.offset) == (0, 2)
            assert letter.reason.startswith("offsets 1 to 2 can't be decoded: its checksum is wrong")
            assert letter.value is not None
            assert b"77377" in letter.value
        bus.close()


def read(*batches: bytes, wanted: int = 0) -> tuple[list[tuple[int, str | None]], int]:
    """Offsets and faults of what a fetch brings, and where the next begins."""
    fetch: Any = SimpleNamespace(
        topic_partition=("things", 0),
        fetch_offset=wanted,
        next_fetch_offset=wanted,
        leader_epoch=-1,
        records_read=0,
        bytes_read=0,
        drain=lambda: None,
    )
    found = [(r.offset, getattr(r.headers, "fault", None)) for r in fetched._read(fetch, b"".join(batches))]
    return found, fetch.next_fetch_offset


def said(first: int, last: int, why: str) -> str:
    return f"offsets {first} to {last} can't be decoded: {why}; the value is their batch as it came"


def spoilt(raw: bytearray, place: int, value: bytes) -> bytearray:
    raw[place : place + len(value)] = value
    return raw


WRONG = "its checksum is wrong"


def test_sound_batches_are_read_from_the_offset_that_is_wanted() -> None:
    two = batch(1, 2), batch(3, 4, base=2)
    assert read(*two) == ([(0, None), (1, None), (2, None), (3, None)], 4)
    assert read(*two, wanted=1) == ([(1, None), (2, None), (3, None)], 4)
    cut = bytes(two[1])[:-5]
    assert read(two[0], cut) == ([(0, None), (1, None)], 2), "what is cut is fetched again"


def test_a_damaged_batch_ends_where_it_says_or_where_the_next_begins() -> None:
    delta = ATTRIBUTES + 2
    damaged = spoilt(batch(1, 2, base=5), HEADER + 20, b"\0\0\0\0")
    assert read(damaged, batch(3, base=7), wanted=5) == ([(6, said(5, 6, WRONG)), (7, None)], 8)
    assert read(damaged, wanted=6) == ([(6, said(6, 6, WRONG))], 7)
    for nonsense in (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xfe"):
        lies = spoilt(batch(1, 2, base=5), delta, nonsense)
        assert read(lies, batch(3, base=7), wanted=5) == ([(6, said(5, 6, WRONG)), (7, None)], 8)
        assert read(lies, batch(3, base=7), wanted=7) == ([(7, None)], 8)
        assert read(lies, wanted=5) == ([(5, said(5, 5, WRONG))], 6)
        assert read(lies, wanted=6) == ([], 6), "told once"
    tiny = struct.pack(">qi", 5, 8) + b"12345678"
    assert read(tiny, batch(3, base=6), wanted=5) == ([(5, said(5, 5, "error")), (6, None)], 7)
    older = spoilt(batch(1, base=5), 16, b"\1")
    assert read(older, wanted=5) == ([(5, said(5, 5, "of format 1"))], 6)


def test_a_record_of_nonsense_is_told_alone_where_its_end_is_known() -> None:
    raw = batch(1, 2, 3)
    nonsense = sealed(spoilt(raw, second_key(raw) - 1, b"\x7e"))  # a key longer than it is
    found, following = read(nonsense)
    assert found == [
        (0, None),
        (1, "the record can't be decoded; the value is what came of it"),
        (2, None),
    ]
    assert following == 3


def test_what_comes_after_a_record_without_an_end_is_one_dead_letter() -> None:
    raw = batch(1, 2, 3)
    endless = sealed(spoilt(raw, second_key(raw) - 6, b"\xfe\x7f"))
    found, following = read(endless, batch(4, base=3))
    assert found == [(0, None), (2, said(1, 2, "CorruptRecordError")), (3, None)]
    assert following == 4


def test_an_offset_outside_of_its_batch_moves_no_position() -> None:
    raw = batch(1, 2)
    second = second_key(raw) - 2
    assert raw[second] == 2, "the second's distance from the first, as zigzag"
    found, following = read(sealed(spoilt(raw, second, b"\x7e")), batch(3, base=2))
    assert found == [(0, None), (1, said(1, 1, "ValueError")), (2, None)]
    assert following == 3
