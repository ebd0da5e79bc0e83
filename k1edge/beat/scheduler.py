"""What the node shall play: the next beats on the host clock, each under the number that it keeps.

Committed beats stand at their committed time; later ones come from the timeline and may still move. Pure: `now` is an argument. State is
owned by the event loop.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from math import floor
from typing import Final, Literal

from k1edge.events import Bar, BeatPlan, PlannedBeat, Timeline
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime


class Keep(Enum):
    """The one value `KEEP`: nothing has changed, the last plan stands."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP

MOVED_NS = NS_PER_MS
"""A beat that moves by less is not worth a frame: nobody sees it, and clock refits alone move it by tenths."""

REFRACTORY_NS = 160 * NS_PER_MS
"""No two flashes nearer than this, whatever became of the tempo: 0.57 of a beat at the fastest tempo tracked (214 bpm)."""


EDGE_NS = 50 * NS_PER_MS
"""A planned beat may move so far beyond the horizon without being withdrawn: jitter at the edge is no news."""


class Scheduler:
    """Makes plans.

    Args:
        offset_ns: the user's offset, + = light later.
        count: most beats in a plan; a frame of the timed dialect holds 3.
        horizon_ns: nothing later than this is planned; nodes refuse what is too far away.
    """

    def __init__(self, offset_ns: int = 0, count: int = 3, horizon_ns: int = 2 * NS_PER_S) -> None:
        self.offset_ns = offset_ns
        self._count = count
        self._horizon_ns = horizon_ns
        self._plan: BeatPlan | None = None  # the newest issued
        self._passed_id = -1  # the highest number whose time has come
        self._passed_ns: int | None = None  # and when that was

    @property
    def spent_id(self) -> int:
        """The highest number whose time has come, -1 before any; it and those below are never planned again."""
        return self._passed_id

    def update(
        self,
        timeline: Timeline | None,
        committed: Sequence[PlannedBeat],
        next_index: int,
        strength: float,
        now: HostTime,
        bar: Bar | None = None,
    ) -> BeatPlan | Literal[Keep.KEEP] | None:
        """Look at the grid as it is now.

        Args:
            timeline: beats on the host clock in ns, offset not applied, whole numbers being beat numbers; None = no lock.
            committed: recent committed beats in order, offset not applied; past ones are skipped.
            next_index: the first number not committed yet.
            strength: of the beats after the committed ones, 0 to 1.
            now: host time.
            bar: places of the beats after the committed ones; None while unknown.

        Returns:
            A plan that replaces the last one, None = go dark from now on, KEEP = the last answer stands.
        """
        self._note_passed(committed, now)
        if timeline is None:
            was, self._plan = self._plan, None
            return KEEP if was is None else None
        later = _Later(timeline, next_index, strength, bar)
        beats = tuple(self._pick(later, committed, now))
        if not beats or (self._plan is not None and _same(self._plan.beats, beats, now)):
            return KEEP
        valid_until = HostTime(round(beats[-1].due_ns + timeline.period))
        self._plan = BeatPlan(timeline.shifted(self.offset_ns), beats, valid_until)
        return self._plan

    def _note_passed(self, committed: Sequence[PlannedBeat], now: int) -> None:
        """Remember the last beat that is over, planned or committed: its number and its neighbourhood are spent."""
        planned = self._plan.beats if self._plan is not None else ()
        over = [(b.beat_id, int(b.due_ns)) for b in planned if b.due_ns <= now]
        over += [(b.beat_id, b.due_ns + self.offset_ns) for b in committed if b.due_ns + self.offset_ns <= now]
        for beat_id, due_ns in over:
            if beat_id > self._passed_id:
                self._passed_id, self._passed_ns = beat_id, due_ns

    def _pick(self, later: "_Later", committed: Sequence[PlannedBeat], now: int) -> Iterator[PlannedBeat]:
        last_ns = self._passed_ns
        count = 0
        told = {b.beat_id for b in self._plan.beats} if self._plan is not None else set()
        for beat in self._candidates(later, committed, now):
            if count == self._count or beat.due_ns > now + self._horizon_ns + (EDGE_NS if beat.beat_id in told else 0):
                return
            if beat.due_ns <= now or beat.beat_id <= self._passed_id or (last_ns is not None and beat.due_ns < last_ns + REFRACTORY_NS):
                continue
            last_ns = beat.due_ns
            count += 1
            yield beat

    def _candidates(self, later: "_Later", committed: Sequence[PlannedBeat], now: int) -> Iterator[PlannedBeat]:
        """Committed beats, then the timeline's for ever; offset applied."""
        for beat in committed:
            yield PlannedBeat(beat.beat_id, HostTime(beat.due_ns + self.offset_ns), beat.strength, beat.beat_in_bar)
        number = max(later.next_index, floor(later.timeline.beat_at(now - self.offset_ns)))
        while True:
            due_ns = HostTime(round(later.timeline.time_at(number)) + self.offset_ns)
            yield PlannedBeat(number, due_ns, later.strength, None if later.bar is None else later.bar.place(number))
            number += 1


@dataclass(frozen=True, slots=True)
class _Later:
    """The beats after the committed ones, as in `Scheduler.update`."""

    timeline: Timeline
    next_index: int
    strength: float
    bar: Bar | None


def _same(old: Sequence[PlannedBeat], new: Sequence[PlannedBeat], now: int) -> bool:
    """Whether the last plan already says all of `new`, and nothing to come that `new` does not say."""
    told = {b.beat_id: b for b in old}
    if any(b.beat_id not in told or _differ(told[b.beat_id], b) for b in new):
        return False
    said = {b.beat_id for b in new}
    return all(b.beat_id in said or b.due_ns <= now for b in old)


def _differ(told: PlannedBeat, beat: PlannedBeat) -> bool:
    return abs(told.due_ns - beat.due_ns) > MOVED_NS or told.beat_in_bar != beat.beat_in_bar
