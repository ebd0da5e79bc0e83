"""Turns what was heard into what the node shall play, and what the node reports into drift. Reads no clock: `now` is an argument.

State is owned by the event loop.
"""

from dataclasses import dataclass, replace

from k1edge.beat.scheduler import Keep, Scheduler
from k1edge.daemon.hearing import Heard
from k1edge.drift.meter import DriftMeter
from k1edge.events import Beat, BeatGrid, BeatPlan, FlashReport, LockState, Onset, PlannedBeat, Timeline
from k1edge.timebase import NS_PER_S, AffineMap, HostTime

DEAF_AFTER_NS = NS_PER_S
"""Without sound for this long a lock is no longer claimed: the grid is only held."""

FORGET_AFTER_NS = 4 * NS_PER_S
"""Without sound for this long the light stops; the same limit as for silence (BEATS.md)."""

REMEMBER_NS = 4 * NS_PER_S
"""Committed beats are kept this long after their time, for the scheduler and the view."""


@dataclass(frozen=True, slots=True)
class CommittedBeat:
    """A committed beat on the host clock, the user's offset not applied."""

    beat: Beat
    at_ns: HostTime


class Conductor:
    """Grid and beats in, plans out.

    Args:
        scheduler: makes plans of a grid on the host clock.
        meter: takes every beat, onset and flash.
    """

    def __init__(self, scheduler: Scheduler, meter: DriftMeter) -> None:
        self.scheduler = scheduler
        self.meter = meter
        self.grid: BeatGrid | None = None  # the newest
        self.to_host: AffineMap | None = None  # the newest audio clock
        self.heard_ns: HostTime | None = None  # when the newest sample was in the air
        self.committed: list[CommittedBeat] = []  # in order, the recent ones
        self.total_committed = 0
        self.dsp_ns = 0  # what the newest block cost
        self.anchor: int | None = None  # number of a beat that people named; None while there is none, or its number is not known yet
        self._named: tuple[float, HostTime] | None = None  # its sample, and from when on grids know of it
        self._shift = 0  # our beat number minus the tracker's

    def hear(self, heard: Heard, now: HostTime) -> BeatPlan | Keep | None:
        """Take one turn of the DSP thread: the new plan, None = go dark, KEEP = nothing changed."""
        if heard.to_host is not None:
            self.to_host = heard.to_host
            self.dsp_ns = heard.dsp_ns
            for event in heard.events:
                self._take(event, heard.to_host)
        return self.plan(now)

    def plan(self, now: HostTime) -> BeatPlan | Keep | None:
        """The plan as time alone has changed it; call it also when nothing is heard."""
        self.committed = [c for c in self.committed if c.at_ns > now - REMEMBER_NS]
        timeline = self.timeline(now)
        if self.grid is None or timeline is None:
            return self.scheduler.update(None, (), 0, 0.0, now)
        ahead = tuple(PlannedBeat(c.beat.index, c.at_ns, c.beat.strength, c.beat.beat_in_bar) for c in self.committed)
        return self.scheduler.update(timeline, ahead, self.grid.next_index, self.grid.strength, now, self.grid.bar)

    def forget(self) -> None:
        """Drop the grid and every beat: the music went on while the host slept."""
        self.grid = self.to_host = self.heard_ns = None
        self.committed = []
        self.name(None, HostTime(0))

    def name(self, sample: float | None, since: HostTime) -> None:
        """Find the number of the beat at `sample` in the first grid heard from `since` on, and keep it as `anchor` until it is dark; None = forget it."""
        self.anchor = None
        self._named = None if sample is None else (sample, since)

    def flashed(self, report: FlashReport) -> None:
        """Take what became of a beat."""
        self.meter.add_flash(report)

    def lock(self, now: HostTime) -> LockState:
        """The lock as it may be claimed at `now`: never LOCKED while no sound comes in."""
        if self.grid is None or self.heard_ns is None or now - self.heard_ns > FORGET_AFTER_NS:
            return LockState.UNLOCKED
        if self.grid.lock is LockState.LOCKED and now - self.heard_ns > DEAF_AFTER_NS:
            return LockState.HOLDING
        return self.grid.lock

    def timeline(self, now: HostTime) -> Timeline | None:
        """Beats on the host clock, the user's offset not applied; None unless there is a lock to follow at `now`."""
        if self.lock(now) not in {LockState.LOCKED, LockState.HOLDING} or self.grid is None or self.to_host is None:
            return None
        return None if self.grid.timeline is None else self.grid.timeline.mapped(self.to_host)

    def _renumbered(self, event: Onset | Beat | BeatGrid) -> Onset | Beat | BeatGrid:
        """Give beats numbers that were never used.

        While no sound came, light went on for up to 4 s under numbers that the tracker has not reached, and a tracker started anew counts
        from 0. Both show first in a grid without a lock.
        """
        if isinstance(event, BeatGrid):
            if event.timeline is None:
                self._shift = max(self._shift, self.scheduler.spent_id + 1 - event.next_index)
                return replace(event, next_index=event.next_index + self._shift)
            timeline = replace(event.timeline, beat_origin=event.timeline.beat_origin + self._shift)
            bar = None if event.bar is None else event.bar.shifted(self._shift)
            return replace(event, timeline=timeline, next_index=event.next_index + self._shift, bar=bar)
        return replace(event, index=event.index + self._shift) if isinstance(event, Beat) else event

    def _find_named(self, grid: BeatGrid, at_ns: HostTime) -> None:
        """Numbers go on one by one as long as there is a timeline; after the dark they count other beats."""
        if grid.timeline is None:
            self.anchor = None
        if self._named is not None and at_ns >= self._named[1]:
            self.anchor = None if grid.timeline is None else round(grid.timeline.beat_at(self._named[0]))
            self._named = None

    def _take(self, event: Onset | Beat | BeatGrid, to_host: AffineMap) -> None:
        event = self._renumbered(event)
        at_ns = HostTime(to_host.forward(event.heard if isinstance(event, BeatGrid) else event.sample))
        if isinstance(event, BeatGrid):
            self.grid = event
            self.heard_ns = at_ns
            self._find_named(event, at_ns)
        elif isinstance(event, Beat):
            self.committed.append(CommittedBeat(event, at_ns))
            self.total_committed += 1
            self.meter.add_beat(event, at_ns)
        else:
            self.meter.add_onset(at_ns, event.strength)
