"""What a node has still to flash: revisions, freezing, lateness, refractory time; one end for each beat.

Pure; the thread that owns the node owns the state. Times are node us; a beat's time is the LED latch, so sending starts `led_tx_us` before.
"""

from collections import deque
from dataclasses import dataclass, field

from k1edge.link.k1link.messages import Fate, WireBeat, WireReport
from k1edge.timebase import NodeTime

FREEZE_US = 30_000
"""Within this time of its latch a beat stands: the light may be on its way."""

ON_TIME_US = 2_000
"""Fired within this of its time counts as on time; the smallest node loops pass every 1 ms."""

LATE_US = 10_000
"""Up to here a beat still flashes, flagged LATE; a flash later than this looks wrong."""

FAR_US = 10_000_000
"""A time further away than this is a mistake of the sender."""

REFRACTORY_US = 100_000
"""No flash so soon after the one before; half the shortest beat period (300 bpm)."""

ENDED_KEPT = 16
"""Ids of ended beats that are remembered: a BEATS under way when one fired names it again. Two full queues."""


@dataclass(frozen=True, slots=True)
class Flash:
    """Light to make now: `t_latch_us` is when it will be seen."""

    id: int
    t_sched_us: NodeTime
    t_latch_us: NodeTime
    strength: int
    beat_in_bar: int


@dataclass(slots=True)
class FlashTotals:
    """How beats ended since the node started."""

    fired: int = 0
    late: int = 0
    missed: int = 0
    cancelled: int = 0


@dataclass(slots=True)
class FlashQueue:
    """At most `depth` beats; `ends` collects the verdicts until the owner takes them."""

    led_tx_us: int
    depth: int
    refractory_us: int = REFRACTORY_US
    totals: FlashTotals = field(default_factory=FlashTotals)
    peak: int = 0
    """most beats that ever waited"""
    ends: list[WireReport] = field(default_factory=list)
    """verdicts not yet taken by the owner, oldest first"""
    _beats: dict[int, WireBeat] = field(default_factory=dict)
    """waiting, by id"""
    _ended: deque[int] = field(default_factory=lambda: deque(maxlen=ENDED_KEPT))
    """ids that ended in this session"""
    _last_latch_us: int | None = None
    """when light was last made; outlives sessions, so that a new one cannot flash twice"""

    def __len__(self) -> int:
        return len(self._beats)

    def replace(self, beats: tuple[WireBeat, ...], now: NodeTime) -> bool:
        """Play `beats` from now on; False, and nothing changed, where one is too far away. What is about to flash stands."""
        if any(abs(beat.t_node_us - now) > FAR_US for beat in beats):
            return False
        named = {beat.id for beat in beats}
        for beat in list(self._beats.values()):
            if beat.id not in named and not _frozen(beat, now):
                self._end(beat, Fate.CANCELLED)
        for beat in beats:
            held = self._beats.get(beat.id)
            if beat.id in self._ended or (held is not None and _frozen(held, now)):
                continue
            if held is None and len(self._beats) >= self.depth:
                self._end(beat, Fate.MISSED)
                continue
            self._beats[beat.id] = beat
        self.peak = max(self.peak, len(self._beats))
        return True

    def cancel_all(self) -> None:
        """Withdraw every beat, frozen ones too."""
        for beat in list(self._beats.values()):
            self._end(beat, Fate.CANCELLED)

    def forget(self) -> None:
        """Withdraw every beat and start a session afresh: its ids are free again."""
        self.cancel_all()
        self.ends.clear()
        self._ended.clear()

    def next_fire(self) -> NodeTime | None:
        """When sending to the LEDs must start for the next beat."""
        return NodeTime(min(beat.t_node_us for beat in self._beats.values()) - self.led_tx_us) if self._beats else None

    def fire(self, now: NodeTime) -> list[Flash]:
        """End every beat whose start has come by `now`; the flashes to make, sending to the LEDs at `now`."""
        flashes: list[Flash] = []
        latch = NodeTime(now + self.led_tx_us)
        for beat in sorted(self._beats.values(), key=lambda beat: beat.t_node_us):
            late_us = latch - beat.t_node_us
            if late_us < 0:
                break
            if late_us > LATE_US:
                self._end(beat, Fate.MISSED)
            elif self._last_latch_us is not None and latch - self._last_latch_us < self.refractory_us:
                self._end(beat, Fate.CANCELLED | Fate.REFRACTORY)
            else:
                self._last_latch_us = latch
                self._end(beat, Fate.FIRED if late_us <= ON_TIME_US else Fate.LATE, latch)
                flashes.append(Flash(beat.id, NodeTime(beat.t_node_us), latch, beat.strength, beat.beat_in_bar))
        return flashes

    def _end(self, beat: WireBeat, fate: Fate, latch: int = 0) -> None:
        self._beats.pop(beat.id, None)
        self._ended.append(beat.id)
        self.ends.append(WireReport(beat.id, beat.t_node_us, latch, fate))
        if fate is Fate.FIRED:
            self.totals.fired += 1
        elif fate is Fate.LATE:
            self.totals.late += 1
        elif fate is Fate.MISSED:
            self.totals.missed += 1
        else:
            self.totals.cancelled += 1


def _frozen(beat: WireBeat, now: NodeTime) -> bool:
    return beat.t_node_us - now < FREEZE_US
