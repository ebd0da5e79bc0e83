"""Pauses between tries: doubling, bounded, for ever, and jittered so that two ports do not beat in step. Pure."""

import random
from dataclasses import dataclass, field

from k1edge.timebase import NS_PER_MS, NS_PER_S

FIRST_NS = 250 * NS_PER_MS
LAST_NS = 5 * NS_PER_S


@dataclass(slots=True)
class Backoff:
    """From `first_ns` doubling to `last_ns`, each shortened at random by up to a quarter, never below `first_ns`."""

    rng: random.Random
    first_ns: int = FIRST_NS
    last_ns: int = LAST_NS
    tries: int = field(default=0, init=False)

    def next_ns(self, *, slow: bool = False) -> int:
        """The next pause in ns; `slow` goes straight to the longest: knocking harder does not wake a mute node."""
        pause_ns = self.last_ns if slow else min(self.last_ns, self.first_ns << min(self.tries, 20))
        self.tries += 1
        return max(self.first_ns, round(pause_ns * self.rng.uniform(0.75, 1.0)))

    def reset(self) -> None:
        """Begin again with the shortest: the node is well."""
        self.tries = 0
