"""Work, wall clock and memory of one solve."""

import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from services.matcher.solver.plan import Limits, Progress

_PAIR = 350  # bytes that a pair of visit and carer needs at the height of a solve (seen: 210 to 310)


class OutOfTime(Exception):
    """A step's share of the time or memory is used up; what stands so far is the plan."""


@dataclass(slots=True)
class Watch:
    """Work, wall clock and memory of one solve."""

    limits: Limits
    progress: Callable[[Progress], None] | None
    stop: Callable[[], bool] | None
    days: int
    began: float = field(default_factory=time.monotonic)
    stopped_by: str = "done"
    steps: dict[str, float] = field(default_factory=dict)
    pool: ThreadPoolExecutor = field(init=False)
    beside: ThreadPoolExecutor = field(init=False)
    _last: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.pool = ThreadPoolExecutor(max(1, self.limits.threads))  # compiled searches let go of the GIL
        self.beside = ThreadPoolExecutor(1)  # what the next step need not wait for

    def spent(self) -> float:
        return time.monotonic() - self.began

    def lap(self, step: str) -> None:
        now = time.monotonic()
        self.steps[step] = self.steps.get(step, 0.0) + now - self._last
        self._last = now

    def past(self, until: float) -> bool:
        """Whether a step's time or the memory is used up, or a stop was asked for; the reason is remembered."""
        if self.stop is not None and self.stop():
            self.stopped_by = "asked"
        elif peak_megabytes() > self.limits.megabytes:
            self.stopped_by = "megabytes"
        elif self.spent() > until:
            self.stopped_by = "seconds"
        else:
            return False
        return True

    def pairs(self) -> int:
        """How many pairs of visit and carer a day may have in the memory allowed, whatever was solved before it."""
        return self.limits.megabytes * 1_000_000 // _PAIR

    def tell(self, step: str, day: int, round_: int, best: int, bound: int | None) -> None:
        if self.progress is not None:
            self.progress(Progress(step, day, self.days, round_, round(self.spent(), 3), best, bound))


def peak_megabytes() -> int:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
