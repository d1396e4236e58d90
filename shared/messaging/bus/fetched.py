"""Reads what a fetch from Kafka brought, so that a record nobody can decode stops nothing that comes after it.

kafka-python gives a fetch up at the first record that it can't read, and again each time it comes back to it. Here such
a record comes out alone where its end is known, else its batch from there on, with the fault told and the bytes as they
are. This stands in for `Fetcher.PartitionRecords`, which is kafka-python's own affair: tests/integration/test_undecodable.py
holds the two together.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any

from kafka.consumer.fetcher import ConsumerRecord
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint

_BASE_AND_LENGTH = struct.Struct(">qi")
_BASE = struct.Struct(">q")
_MOST_OFFSETS = 2**20  # no batch of two megabytes has had so many: what says so is damaged


class Faulty(list[tuple[str, bytes | None]]):
    """The headers of a record that could not be read as it should."""

    def __init__(self, fault: str, headers: list[tuple[str, bytes | None]] | None = None) -> None:
        super().__init__(headers or ())
        self.fault = fault


def read_tolerantly(consumer: Any) -> None:
    """Have a consumer read its fetches by this module."""
    original: Callable[..., Any] = consumer._fetcher.PartitionRecords

    def fetched(offset: int, part: Any, records: Any, **settings: Any) -> Any:
        made = original(offset, part, records, **settings)
        made.record_iterator = _read(made, records._buffer)
        return made

    consumer._fetcher.PartitionRecords = fetched


def _read(fetch: Any, buffer: bytes) -> Iterator[Any]:
    """The records from the fetch's offset on. A fault of several takes the last offset of theirs: they are done with."""
    wanted: int = fetch.fetch_offset
    for raw, following in _batches(buffer):
        expected = last = int(_BASE.unpack_from(raw)[0])
        fault = None
        try:
            batch = DefaultRecordBatch(raw)
            last = _last_offset(batch, following)
            fetch.leader_epoch = batch.leader_epoch
            if batch.magic != 2:
                fault = f"of format {batch.magic}"
            elif not batch.validate_crc():
                fault = "its checksum is wrong"
            elif not batch.is_control_batch:
                iter(batch)  # unpacks it
                for offset, key, value, headers in _records(batch, last):
                    expected = offset + 1
                    if offset >= wanted:
                        fetch.next_fetch_offset = expected
                        yield _record(fetch, offset, key, value, headers)
        except Exception as error:  # whatever a codec or a parser makes of nonsense
            fault = type(error).__name__
        fetch.next_fetch_offset = max(fetch.next_fetch_offset, last + 1)
        fetch.bytes_read += len(raw)
        expected = max(expected, wanted)
        if fault is not None and expected <= last:
            where = f"offsets {expected} to {last} can't be decoded"
            faulty = Faulty(f"{where}: {fault}; the value is their batch as it came")
            yield _record(fetch, last, b"", bytes(raw), faulty)
    fetch.drain()


def _record(fetch: Any, offset: int, key: bytes | None, value: bytes | None, headers: Any) -> Any:
    """As kafka-python hands it out. What nobody asks for here is left empty: time, checksum, sizes."""
    fetch.records_read += 1
    topic, partition = fetch.topic_partition
    return ConsumerRecord(
        topic, partition, fetch.leader_epoch, offset, 0, 0, key, value, headers, None, -1, -1, -1
    )


def _batches(buffer: bytes) -> Iterator[tuple[memoryview, int | None]]:
    """Each whole batch, and where the one after it begins. The last of a fetch may be cut: it is fetched again."""
    view, start = memoryview(buffer), 0
    while start + _BASE_AND_LENGTH.size <= len(view):
        _, length = _BASE_AND_LENGTH.unpack_from(view, start)
        end = start + _BASE_AND_LENGTH.size + length
        if length < 0 or end > len(view):
            return
        following = _BASE.unpack_from(view, end)[0] if end + _BASE.size <= len(view) else None
        yield view[start:end], following
        start = end


def _last_offset(batch: Any, following: int | None) -> int:
    """A damaged batch may say anything: it ends before the next begins, and has no more than there can be."""
    base, last = int(batch.base_offset), int(batch.last_offset)
    if base <= last < base + _MOST_OFFSETS and (following is None or last < following):
        return last
    return max(base, following - 1) if following is not None else base


def _records(batch: Any, last: int) -> Iterator[tuple[int, bytes | None, bytes | None, Any]]:
    """Offset, key, value and headers of each. Raises where it can't be told where the next begins."""
    expected = int(batch.base_offset)
    while True:
        try:
            record = next(batch)
        except StopIteration:
            return
        except Exception as error:
            found = _record_as_it_is(batch, expected, error)
        else:
            found = record.offset, record.key, record.value, record.headers
        if not expected <= found[0] <= last:
            raise ValueError(found[0])
        expected = found[0] + 1
        yield found


def _record_as_it_is(
    batch: Any, expected: int, error: Exception
) -> tuple[int, bytes | None, bytes | None, Faulty]:
    """The record that kafka-python stumbles over, and the batch moved past it."""
    length, start = decode_varint(batch._buffer, batch._pos)
    end = start + length
    if length < 0 or end > len(batch._buffer) or batch._next_record_index >= batch.records_count:
        raise error
    raw = bytes(batch._buffer[start:end])
    batch._pos = end
    batch._next_record_index += 1
    try:
        delta, key, value, headers = _parsed(raw)
    except (ValueError, IndexError):
        return expected, b"", raw, Faulty("the record can't be decoded; the value is what came of it")
    return batch.base_offset + delta, key, value, Faulty("a header's name is no text", headers)


def _parsed(raw: bytes) -> tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]:
    """Distance from the batch's first offset, key, value, headers: their names as well as they can be read."""
    at = 0

    def number() -> int:
        nonlocal at
        found, at = decode_varint(raw, at)
        return int(found)

    def taken() -> bytes | None:
        nonlocal at
        size = number()
        if size < 0:
            return None
        start, at = at, at + size
        if at > len(raw):
            raise ValueError(at)
        return raw[start:at]

    number()  # attributes
    number()  # time
    delta, key, value = number(), taken(), taken()
    headers = [((taken() or b"").decode(errors="backslashreplace"), taken()) for _ in range(number())]
    if at != len(raw):
        raise ValueError(at)
    return delta, key, value, headers
