"""Whether to believe the tracker: any posterior grows sure of itself within seconds, on white noise too.

The test is a bet: each beat is predicted `lead` ahead, and when its time has come the novelty there is compared with what a random
moment would have brought. Noise cannot win such bets, however sure the filter is.

Owned by the thread that pushes the pipeline. Counts in hops.
"""

from collections import deque

import numpy as np

from k1edge.beat.spectrum import FRAME_RATE_HZ
from k1edge.events import LockState

REACH = 2
"""Hops either side of a predicted beat in which its attack may come (+-20 ms, the jitter of a drummer)."""

FORGET_PER_BEAT = 0.92
"""Some 12 beats, three bars, decide."""

NULL_S = 5.0
"""Memory of what random moments bring."""

LOCK_AT = 4.0
"""Sigmas of the bet that open the gate: 3e-5 per independent look at noise."""

KEEP_AT = 1.5
"""Sigmas that keep it open: a bar of syncopation is no reason to go dark."""

SURE_AT = 0.6
DOUBT_AT = 0.3
"""Tempo mass that opens, and that keeps."""

HOLD_BEATS = 8
"""Two bars of four without evidence, then dark."""

SILENCE_DB = -75.0
"""Below this there is no signal, whatever the noise floor: the hiss of an open input."""

DEAD_S = 4.0
"""No signal for so long: stop at once, even within the hold."""

RANGE_DB = 2.0
"""Least spread between the loudest and the quietest 50 ms of late: steady noise, hum and pads have none to speak of."""


class NoiseFloor:
    """Tracks the quietest and the loudest of late, dB."""

    def __init__(self) -> None:
        self._floor = 0.0
        self._peak = -200.0

    def step(self, level_db: float) -> float:
        """Take the level of this hop; return how far the loudest of late stands above the quietest."""
        # the floor rises 1 dB/s: a verse is not mistaken for a floor, a fan that starts is one after half a minute
        self._floor = min(self._floor + 1.0 / FRAME_RATE_HZ, level_db)
        self._peak = max(self._peak - 3.0 / FRAME_RATE_HZ, level_db)
        return self._peak - self._floor


class Gate:
    """Facts of each hop in, lock state out."""

    def __init__(self) -> None:
        self.state = LockState.UNLOCKED
        self.support = 0.0
        """Sigmas by which predicted beats beat chance."""
        self._recent = np.zeros(2 * REACH + 1)
        self._mean = 0.0
        self._square = 0.0
        self._hops = 0
        self._due: deque[int] = deque()
        self._sum = 0.0
        self._weight = 0.0
        self._floor = NoiseFloor()
        self._quiet_hops = 0
        self._held_beats = 0

    def expect(self, hops_ahead: float) -> None:
        """A beat is predicted: its novelty will peak `hops_ahead` from now."""
        self._due.append(self._hops + round(hops_ahead))

    def step(self, evidence: float, mass: float, level_db: float, *, beat: bool) -> LockState:
        """Take one hop: its novelty, the filter's tempo mass, the level, and whether a beat was predicted in it."""
        self._hops += 1
        self._recent[:-1] = self._recent[1:]
        self._recent[-1] = evidence
        around = float(self._recent.max())
        rate = max(1.0 / (NULL_S * FRAME_RATE_HZ), 1.0 / self._hops)
        self._mean += (around - self._mean) * rate
        self._square += (around * around - self._square) * rate
        while self._due and self._due[0] + REACH <= self._hops:
            self._due.popleft()
            self._settle(around)
        spread = self._floor.step(level_db)
        self._quiet_hops = self._quiet_hops + 1 if level_db < SILENCE_DB else 0
        self._decide(mass, spread, beat=beat)
        return self.state

    def _settle(self, around: float) -> None:
        sigma = max(self._square - self._mean**2, 1e-6) ** 0.5
        z = max(-3.0, min(4.0, (around - self._mean) / sigma))
        self._sum = FORGET_PER_BEAT * self._sum + z
        self._weight = FORGET_PER_BEAT**2 * self._weight + 1.0
        self.support = self._sum / self._weight**0.5

    def _decide(self, mass: float, spread_db: float, *, beat: bool) -> None:
        state = self.state
        if self._quiet_hops > DEAD_S * FRAME_RATE_HZ:
            self.state = LockState.UNLOCKED
            self._sum = self._weight = self.support = 0.0
            return
        good = self.support >= LOCK_AT and mass >= SURE_AT and spread_db >= RANGE_DB
        bad = self.support < KEEP_AT or mass < DOUBT_AT
        if good:
            self.state = LockState.LOCKED
        elif state is LockState.LOCKED and bad:
            self.state, self._held_beats = LockState.HOLDING, 0
        elif state is LockState.HOLDING:
            self._held_beats += beat
            if self._held_beats > HOLD_BEATS:
                self.state = LockState.UNLOCKED
        elif state in {LockState.UNLOCKED, LockState.LOCKING}:
            hopeful = mass >= SURE_AT and self.support >= KEEP_AT
            self.state = LockState.LOCKING if hopeful else LockState.UNLOCKED
