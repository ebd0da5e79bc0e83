"""The host's ledger of beats: which to tell the node now, and how each one that was sent ended. Exactly one end for each.

    plan ─► take ─► pending ─► BEATS (revision n, the next 3) ─► node
                       └─ FIRED report, newer plan, or silence ─► FlashReport

A beat goes out under a wire id of its own, so a beat that was withdrawn and planned again is told apart from its first life.
Pure; owned by the thread that owns the dialect.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from k1edge.events import BeatFate, BeatPlan, ClockMap, FlashReport, PlannedBeat
from k1edge.link.k1link.messages import SLOTS, Beats, Fate, WireBeat, WireReport
from k1edge.link.k1link.messages_flow import MAX_BEAT_IN_BAR, MAX_PERIOD_US, MIN_PERIOD_US
from k1edge.timebase import NS_PER_MS, NS_PER_S, NS_PER_US, HostTime, NodeTime

HORIZON_NS = 2 * NS_PER_S
"""Beats further ahead wait: the tempo may still change, and the node must not play on for long without us."""

FREEZE_NS = 40 * NS_PER_MS
"""The node's 30 ms, and 10 ms for the way there: later changes would not be taken."""

MOVED_US = 50
"""A beat that moved less is not worth a new revision."""

REFRESH_NS = 200 * NS_PER_MS
"""Say the pending beats again after this long: a lost frame then costs no flash."""

LOSING_REFRESH_NS = 25 * NS_PER_MS
"""The same while the line loses frames: a beat is then told up to 60 times."""

PACE_NS = 25 * NS_PER_MS
"""Least time between two BEATS: 40 a second are 2.8 kB, a quarter of the slowest line."""

SILENCE_NS = NS_PER_S
"""A beat of which nothing was heard for this long after its time counts as missed."""

VALID_NS = 8 * NS_PER_S
"""Most that the grid may be continued by the node itself; within the 10 s that it accepts."""

PENDING_CAP = 64
"""Beats without an end; more means plans that flicker, and the oldest withdrawn ones are closed."""

ENDED_KEPT = 32
"""Beats that flashed or were missed and are not sent again, though an older plan still names them."""

FAR_US = 10_000_000
"""A reported time further from the scheduled one is a mistake."""

_FATES = {Fate.FIRED: BeatFate.FIRED, Fate.LATE: BeatFate.LATE, Fate.MISSED: BeatFate.MISSED}


@dataclass(slots=True)
class Pending:
    """A beat that has been taken from a plan and has no end yet."""

    wire_id: int
    planned: PlannedBeat
    node_us: NodeTime | None = None
    """what the node was told last in this session; None = not told"""
    counted: bool = False
    """it was sent, in this session or one before"""
    withdrawn: bool = False
    """no longer wanted; waits for the node's word"""


@dataclass(slots=True)
class BeatTotals:
    """sent == fired + late + missed + cancelled + the counted ones that are pending."""

    sent: int = 0
    fired: int = 0
    late: int = 0
    missed: int = 0
    cancelled: int = 0


@dataclass(slots=True)
class BeatLedger:
    """See the module. `reports` is emptied by the owner."""

    totals: BeatTotals = field(default_factory=BeatTotals)
    reports: list[FlashReport] = field(default_factory=list)
    """ends not yet taken by the owner, oldest first"""
    revision: int = 0
    """of the newest BEATS"""
    since_ns: int = 0
    """set by the owner: the link became ready then, and beats before are none of its business"""
    woke_ns: int = 0
    """set by the owner: we were stalled until then, and what the node said meanwhile has yet to be read"""
    refresh_ns: int = REFRESH_NS
    """set by the owner: the line loses frames, or not"""
    stray_reports: int = 0
    """reports of beats that had ended or were never sent: repeats, mostly"""
    _pending: dict[int, Pending] = field(default_factory=dict)
    """by wire id, in the order of taking"""
    _ended: deque[tuple[int, HostTime]] = field(default_factory=lambda: deque(maxlen=ENDED_KEPT))
    """(beat id, due) of beats that the plan did not take back; they are not sent again"""
    _plan: BeatPlan | None = None
    """the newest"""
    _next_wire_id: int = 1
    _sent_ns: int | None = None
    """when the newest BEATS went out"""
    _stale: bool = False
    """the node has been told something that the plan no longer says"""

    @property
    def pending(self) -> int:
        """Beats sent that have no end yet."""
        return sum(beat.counted for beat in self._pending.values())

    def follow(self, plan: BeatPlan | None, now: HostTime) -> None:
        """Replace the plan; what it no longer names is withdrawn, unless it is about to flash. None withdraws everything."""
        self._plan = plan
        if plan is None:
            self._withdraw(list(self._pending.values()))
            return
        named = {beat.beat_id for beat in plan.beats}
        over = [
            beat
            for beat in self._pending.values()
            if not beat.withdrawn and beat.planned.beat_id not in named and beat.planned.due_ns - now > FREEZE_NS
        ]
        self._stale = self._withdraw(over) or self._stale
        self.take(now)

    def take(self, now: HostTime) -> None:
        """Take what the plan names within the horizon; what is already over ends as missed."""
        plan = self._plan
        if plan is None or now > plan.valid_until_ns:
            return
        held = {beat.planned.beat_id: beat for beat in self._pending.values() if not beat.withdrawn}
        for planned in plan.beats[:SLOTS]:
            beat = held.get(planned.beat_id)
            if beat is not None:
                if beat.planned.due_ns - now > FREEZE_NS:
                    self._stale |= beat.node_us is not None and abs(planned.due_ns - beat.planned.due_ns) > MOVED_US * NS_PER_US
                    beat.planned = planned
            elif self.since_ns <= planned.due_ns <= min(now + HORIZON_NS, plan.valid_until_ns) and not self._was_played(planned, plan):
                self._pending[self._next_wire_id] = Pending(self._next_wire_id, planned)
                self._next_wire_id = (self._next_wire_id + 1) & 0xFFFFFFFF
        self._trim()

    def message(self, clock: ClockMap, now: HostTime) -> Beats | None:
        """The BEATS to send at `now`, None where the node knows all; counts what it names as sent."""
        if self._plan is None or not self._due_to_send(clock, now):
            return None
        named = self._upcoming(now)
        beats = []
        for beat in named:
            if beat.node_us is None or beat.planned.due_ns - now > FREEZE_NS:
                beat.node_us = NodeTime(clock.to_node.forward(beat.planned.due_ns))
            if not beat.counted:
                beat.counted = True
                self.totals.sent += 1
            beats.append(WireBeat(beat.wire_id, beat.node_us, _strength(beat.planned.strength), _position(beat.planned.beat_in_bar)))
        self.revision = (self.revision + 1) & 0xFFFFFFFF
        self._sent_ns, self._stale = now, False
        valid_ns = min(self._plan.valid_until_ns, now + VALID_NS)
        return Beats(self.revision, _period_us(self._plan), max(0, clock.to_node.forward(valid_ns)), tuple(beats))

    def next_deadline(self, now: HostTime) -> HostTime | None:
        """When `take`, `message` or `expire` may have something to do though nothing happened."""
        times = [beat.planned.due_ns if beat.node_us is None else self._silent_ns(beat) for beat in self._pending.values()]
        if self._plan is not None:
            times += [beat.due_ns - HORIZON_NS for beat in self._plan.beats if beat.due_ns - HORIZON_NS > now]
            last_ns = now - REFRESH_NS if self._sent_ns is None else self._sent_ns
            upcoming = self._upcoming(now)
            if self._stale or any(beat.node_us is None for beat in upcoming):
                times.append(last_ns + PACE_NS)
            elif any(beat.planned.due_ns - now > FREEZE_NS for beat in upcoming):
                times.append(last_ns + self.refresh_ns)
        return HostTime(min(times)) if times else None

    def report(self, report: WireReport, clock: ClockMap | None) -> bool:
        """Take the node's word on one beat, its times unwrapped; False where it cannot be true."""
        beat = self._pending.get(report.id)
        if beat is None or beat.node_us is None:
            self.stray_reports += 1
            return True
        fate = _FATES.get(report.fate, BeatFate.CANCELLED)
        if abs(report.t_sched - beat.node_us) > FAR_US:
            return False
        if fate in {BeatFate.FIRED, BeatFate.LATE}:
            if abs(report.t_fired - report.t_sched) > FAR_US:
                return False
            self._end(beat, fate, NodeTime(report.t_sched), NodeTime(report.t_fired), clock)
        else:
            self._end(beat, fate, NodeTime(report.t_sched))
        return True

    def expire(self, now: HostTime) -> None:
        """End what can no longer flash: never told in time, or nothing heard of it."""
        for beat in list(self._pending.values()):
            if beat.node_us is None and now >= beat.planned.due_ns:
                self._end(beat, BeatFate.MISSED)
            elif beat.node_us is not None and now >= self._silent_ns(beat):
                self._end(beat, BeatFate.CANCELLED if beat.withdrawn else BeatFate.MISSED, beat.node_us)

    def new_session(self) -> None:
        """The node has forgotten everything, as `untell`, and revisions start over."""
        self.untell()
        self.revision = 0

    def untell(self) -> None:
        """What the node was told holds no longer: withdrawn beats end, the others are told anew under new ids."""
        self._sent_ns, self._stale = None, False
        for beat in list(self._pending.values()):
            if beat.withdrawn:
                self._end(beat, BeatFate.CANCELLED, beat.node_us)
            else:
                del self._pending[beat.wire_id]
                beat.wire_id, beat.node_us = self._next_wire_id, None
                self._pending[beat.wire_id] = beat
                self._next_wire_id = (self._next_wire_id + 1) & 0xFFFFFFFF

    def close(self) -> None:
        """The node is out of reach: whatever has no end is missed."""
        self._plan = None
        for beat in list(self._pending.values()):
            if beat.counted:
                self._end(beat, BeatFate.CANCELLED if beat.withdrawn else BeatFate.MISSED, beat.node_us)
        self._pending.clear()

    def _silent_ns(self, beat: Pending) -> int:
        return max(beat.planned.due_ns, self.woke_ns) + SILENCE_NS

    def _upcoming(self, now: HostTime) -> list[Pending]:
        """The next beats that are wanted, at most SLOTS, in order of time."""
        ahead = (beat for beat in self._pending.values() if not beat.withdrawn and beat.planned.due_ns > now)
        return sorted(ahead, key=lambda beat: beat.planned.due_ns)[:SLOTS]

    def _due_to_send(self, clock: ClockMap, now: HostTime) -> bool:
        since_ns = math.inf if self._sent_ns is None else now - self._sent_ns
        if since_ns < PACE_NS:
            return False
        upcoming = self._upcoming(now)
        open_ones = [beat for beat in upcoming if beat.planned.due_ns - now > FREEZE_NS]
        return (
            self._stale
            or any(beat.node_us is None for beat in upcoming)
            or any(abs(clock.to_node.forward(beat.planned.due_ns) - (beat.node_us or 0)) > MOVED_US for beat in open_ones)
            or (bool(open_ones) and since_ns >= self.refresh_ns)
        )

    def _was_played(self, planned: PlannedBeat, plan: BeatPlan) -> bool:
        """True where this very beat has ended; a number that comes again at another time is another beat (the stream began anew)."""
        near_ns = plan.timeline.period / 2
        return any(beat_id == planned.beat_id and abs(due_ns - planned.due_ns) < near_ns for beat_id, due_ns in self._ended)

    def _withdraw(self, beats: list[Pending]) -> bool:
        """Mark or end; True where the node has to be told."""
        told = False
        for beat in beats:
            if beat.node_us is not None:
                told = told or not beat.withdrawn
                beat.withdrawn = True
            elif beat.counted:
                self._end(beat, BeatFate.CANCELLED)
            else:
                del self._pending[beat.wire_id]
        return told

    def _trim(self) -> None:
        while len(self._pending) > PENDING_CAP:
            oldest = min(self._pending.values(), key=lambda beat: (not beat.withdrawn, beat.planned.due_ns))
            self._end(oldest, BeatFate.CANCELLED if oldest.withdrawn else BeatFate.MISSED, oldest.node_us)

    def _end(
        self,
        beat: Pending,
        fate: BeatFate,
        scheduled_us: NodeTime | None = None,
        fired_us: NodeTime | None = None,
        clock: ClockMap | None = None,
    ) -> None:
        del self._pending[beat.wire_id]
        if not beat.counted:
            self.totals.sent += 1
        setattr(self.totals, fate.value, getattr(self.totals, fate.value) + 1)
        if not beat.withdrawn:  # one that was withdrawn may be planned again
            self._ended.append((beat.planned.beat_id, beat.planned.due_ns))
        fired_ns = None if fired_us is None or clock is None else HostTime(round(clock.to_node.inverse(fired_us)))
        bound_us = None if fired_ns is None or clock is None else clock.bound_us
        self.reports.append(FlashReport(beat.planned.beat_id, fate, beat.planned.due_ns, scheduled_us, fired_us, fired_ns, bound_us))


def _strength(strength: float) -> int:
    return round(255 * min(1.0, max(0.0, strength))) if math.isfinite(strength) else 0


def _position(beat_in_bar: int | None) -> int:
    return beat_in_bar if beat_in_bar is not None and 1 <= beat_in_bar <= MAX_BEAT_IN_BAR else 0


def _period_us(plan: BeatPlan) -> int:
    period_us = plan.timeline.period / NS_PER_US
    return round(period_us) if MIN_PERIOD_US <= period_us <= MAX_PERIOD_US else 0
