"""The bus as the kernel sees it: topics with partitions, groups with offsets. Two adapters keep one contract.

Order holds per (topic, key). Delivery is at least once: what is read again after a fault is told apart by its id.
The contract is written down as tests: tests/integration/test_bus.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from shared.contracts.registry import Topic

MAX_MESSAGE_BYTES = 1_000_000

ID = "ce_id"
TYPE = "ce_type"
SOURCE = "ce_source"
TIME = "ce_time"
SPEC_VERSION = "ce_specversion"
AGGREGATE_VERSION = "ce_aggregateversion"
RETOLD = "ce_retold"
TRACE = "traceparent"


@dataclass(frozen=True, slots=True)
class Message:
    """One event on the wire: CloudEvents 1.0, binary mode. `value` None is a tombstone: the key is gone."""

    topic: str
    key: str
    headers: dict[str, str]
    value: bytes | None

    @property
    def size(self) -> int:
        """Bytes on the wire, near enough."""
        headers = sum(len(name) + len(value.encode()) for name, value in self.headers.items())
        return len(self.key.encode()) + headers + len(self.value or b"")


@dataclass(frozen=True, slots=True)
class Received(Message):
    """A message as it stands in the log. `fault`: what of it could not be read; the rest is shown as well as can be."""

    partition: int
    offset: int
    fault: str | None = None


class Part(NamedTuple):
    """One partition of a topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a group is behind in one partition: `committed` is the next offset it will read."""

    part: Part
    committed: int
    waiting: int


class BusError(Exception):
    """The bus could not do what was asked."""


class BusAway(BusError):
    """The bus does not answer. Nothing is known to be lost: try again."""


class Refused(BusError):
    """One message can't be published, however often it is tried. Nothing of its list was."""

    def __init__(self, message: Message, reason: str) -> None:
        super().__init__(f"{message.topic}, key {message.key}: {reason}")
        self.message = message
        self.reason = reason


class Fenced(BusError):
    """Partitions that another member owns by now: their offsets were not moved."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self.parts = frozenset(parts)
        super().__init__(
            "owned by another member: " + ", ".join(f"{p.topic}/{p.partition}" for p in self.parts)
        )


class GroupBusy(BusError):
    """The group's offsets can't be moved while it has members."""


class Subscription(Protocol):
    """A member of a group. Belongs to one thread; keeps its membership alive by itself between polls."""

    def poll(self, limit: int, timeout: float) -> list[Received]:
        """What came next, in order per partition; waits up to `timeout` seconds for the first."""

    def commit(self, offsets: Mapping[Part, int]) -> None:
        """Move the group's offsets: each is the next to read. Raises Fenced for parts owned by another by now."""

    def rewind(self) -> None:
        """Read again from the committed offsets."""

    def assigned(self) -> frozenset[Part]:
        """The partitions this member reads at present."""

    def pause(self, parts: Iterable[Part]) -> None:
        """Keep the partitions but read nothing from them."""

    def resume(self, parts: Iterable[Part]) -> None: ...

    def close(self) -> None:
        """Leave the group: others take over at once."""


class Bus(Protocol):
    def ensure_topics(self, topics: Iterable[Topic]) -> None:
        """Make what is missing. A topic whose partitions or kind differ from what stands is refused (ValueError)."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Append in order, all or nothing known; returns once they are durable.

        Raises Refused for a message that is too large or has no topic, BusAway when it is worth trying again.
        """

    def subscribe(self, group: str, topics: Sequence[str]) -> Subscription:
        """Become a member of the group. A group without offsets reads from the beginning."""

    def lag(self, group: str) -> list[Lag]:
        """What waits for the group, in each partition of the topics it reads."""

    def reset(self, group: str) -> None:
        """Send a group without members back to the beginning. Raises GroupBusy."""

    def close(self) -> None: ...


def refuse_unfit(message: Message) -> None:
    """Raise Refused for a message over the bus's limit: an event carries ids and state, not documents."""
    if message.size > MAX_MESSAGE_BYTES:
        raise Refused(message, f"{message.size} bytes are over the limit of {MAX_MESSAGE_BYTES}")
