"""What goes wrong, and when: drawn from a seed, so that a run can be repeated."""

import random
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["kill", "pause", "cut", "slow"]
CALM_SECONDS = 6.0  # at the start, so that there is something to lose

# What may happen to whom, how often in relation, and for how many seconds.
CHANCES: tuple[tuple[Kind, str, float, tuple[float, float]], ...] = (
    ("kill", "service", 5, (0.0, 0.0)),
    ("pause", "service", 4, (1.0, 9.0)),
    ("cut", "http", 2, (0.5, 4.0)),
    ("slow", "http", 1, (2.0, 6.0)),
    ("cut", "database of", 3, (0.5, 5.0)),
    ("slow", "database of", 2, (2.0, 6.0)),
    ("kill", "broker", 2, (2.0, 5.0)),
    ("pause", "broker", 2, (1.0, 8.0)),
    ("cut", "broker", 2, (0.5, 6.0)),
    ("slow", "broker", 2, (2.0, 6.0)),
    ("kill", "database", 1, (0.5, 2.0)),
    ("pause", "database", 1, (1.0, 4.0)),
)
BROKERS = ("1", "2", "3")


@dataclass(frozen=True)
class Fault:
    """At `at` seconds, `kind` happens to the `name` of `what` for `seconds`; `slow` holds data back by `delay`."""

    at: float
    kind: Kind
    what: str
    name: str
    seconds: float
    delay: float = 0.0

    @property
    def said(self) -> dict[str, Any]:
        return asdict(self)


def schedule(seed: int, seconds: float, processes: list[str], services: list[str]) -> list[Fault]:
    """The faults of a run. Only one broker at a time is away, so that two of three keep every acknowledged event."""
    drawn = random.Random(seed)
    names = {
        "service": processes,
        "http": services,
        "database of": services,
        "broker": list(BROKERS),
        "database": ["postgres"],
    }
    faults: list[Fault] = []
    at, brokers_free = CALM_SECONDS, 0.0
    while at < seconds - 2:
        kind, what, _, (least, most) = drawn.choices(CHANCES, [chance[2] for chance in CHANCES])[0]
        lasting = round(drawn.uniform(least, most), 2)
        name = drawn.choice(names[what])
        delay = round(drawn.uniform(0.03, 0.3), 3) if kind == "slow" else 0.0
        if what in ("broker", "database"):
            if at < brokers_free:
                at += 1.0
                continue
            brokers_free = at + lasting + 12.0  # and back in the in-sync set
        faults.append(Fault(round(at, 2), kind, what, name, lasting, delay))
        at += drawn.uniform(2.0, 9.0)
    return faults
