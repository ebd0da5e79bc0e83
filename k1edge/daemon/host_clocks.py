"""The host's own clocks against each other: how fast it is slewed, and whether it slept. Reads the clocks; owned by the event loop.

CLOCK_MONOTONIC, the daemon's time, is slewed by NTP and stands still while the host is suspended. CLOCK_MONOTONIC_RAW is not slewed, and
CLOCK_BOOTTIME goes on.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from k1edge.timebase import NS_PER_MS, NS_PER_S

SPAN_NS = 10 * NS_PER_S
"""The slew is measured over this: reading the clocks errs by a us, 0.1 ppm."""

APART_NS = 20_000
"""A reading that took longer was interrupted in the middle."""

TRIES = 3
SLEPT_NS = 100 * NS_PER_MS
"""Less is no suspend."""


class Reading(NamedTuple):
    """All three at one moment, ns."""

    monotonic_ns: int
    raw_ns: int
    boot_ns: int


def read_clocks() -> Reading | None:
    """Read them within APART_NS; None where we were interrupted each time."""
    for _ in range(TRIES):
        begin_ns = time.monotonic_ns()
        raw_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        end_ns = time.monotonic_ns()
        if end_ns - begin_ns <= APART_NS:
            return Reading((begin_ns + end_ns) // 2, raw_ns, boot_ns)
    return None


class HostClocks:
    """Ask `look` a few times a second.

    Args:
        read: reads the clocks.
    """

    def __init__(self, read: Callable[[], Reading | None] = read_clocks) -> None:
        self._read = read
        self._past: deque[Reading] = deque()  # over SPAN_NS, a few a second
        self.slew_ppm: float | None = None
        """CLOCK_MONOTONIC against CLOCK_MONOTONIC_RAW over the last 10 s, + = made to run fast; None before"""

    def look(self) -> int:
        """Return how long the host was suspended since the last look, ns; 0 = it was not."""
        now = self._read()
        if now is None:
            return 0
        slept_ns = 0 if not self._past else (now.boot_ns - now.monotonic_ns) - (self._past[-1].boot_ns - self._past[-1].monotonic_ns)
        if slept_ns >= SLEPT_NS:
            self._past.clear()
        self._past.append(now)
        while now.monotonic_ns - self._past[0].monotonic_ns > SPAN_NS:
            first = self._past.popleft()
            raw_ns = now.raw_ns - first.raw_ns
            self.slew_ppm = ((now.monotonic_ns - first.monotonic_ns) - raw_ns) / raw_ns * 1e6
        return slept_ns if slept_ns >= SLEPT_NS else 0
