"""The three clocks as types, and the affine maps between them.

| clock | type          | what it is                                                              |
|-------|---------------|-------------------------------------------------------------------------|
| audio | `SampleIndex` | frames of the 44.1 kHz mono stream since it began; never reused          |
| host  | `HostTime`    | CLOCK_MONOTONIC in ns; the only time inside the daemon                   |
| node  | `NodeTime`    | the node's free-running counter in us, unwrapped to 64 bit               |

All three are integers: ten days in nanoseconds lose 0.1 us in a float, and a month in samples must not either.
"""

from dataclasses import dataclass
from typing import NewType

SampleIndex = NewType("SampleIndex", int)
HostTime = NewType("HostTime", int)
NodeTime = NewType("NodeTime", int)

SAMPLE_RATE_HZ = 44_100
"""Rate of the stream that leaves audio/: what the tracker was measured at."""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000


@dataclass(frozen=True, slots=True)
class AffineMap:
    """A line between two clocks: y = y0 + (x - x0) * rate, anchored at integers so that long runs keep their resolution.

    Attributes:
        x0: anchor on the clock mapped from, in its ticks.
        y0: the same instant on the clock mapped to, in its ticks.
        rate: ticks of y per tick of x, > 0.
    """

    x0: int
    y0: int
    rate: float

    def __post_init__(self) -> None:
        if not self.rate > 0.0:
            msg = f"a clock map needs a rate above 0, got {self.rate}"
            raise ValueError(msg)

    def forward(self, x: float) -> int:
        """Map `x` (ticks, fractions allowed) to the nearest tick of y."""
        return self.y0 + round((x - self.x0) * self.rate)

    def inverse(self, y: float) -> float:
        """Map `y` back to ticks of x, fractions kept: forward(inverse(y)) == y for every integer y within 2**52 ticks of y0."""
        return self.x0 + (y - self.y0) / self.rate


def unwrap(counter: int, near: int, bits: int) -> int:
    """Extend a counter of `bits` bits to the value congruent to it that lies nearest to `near`; ties go up, never below 0."""
    span = 1 << bits
    value = near + ((counter - near + span // 2) % span) - span // 2
    return value if value >= 0 else value + span
