"""Test flashes at chosen times: the plans that bring them about, and what became of each. Pure; owned by whoever drives the node."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from k1edge.events import BeatPlan, FlashReport, PlannedBeat, Timeline
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

SOONEST_NS = 150 * NS_PER_MS
"""A flash nearer than this may not reach the node in time."""

FARTHEST_NS = 600 * NS_PER_S
MOST = 64
TAKE_OVER_NS = 1_900 * NS_PER_MS
"""How long before its first flash a trial has the timed node to itself: within the horizon of a beat."""

UNTIMED_TAKE_OVER = 0.9
"""The same for an untimed node, in periods: time to start and to set its phase once; longer would be more flashes that nobody asked for."""

LINGER_NS = 50 * NS_PER_MS
"""How long after its last flash: the node finishes by itself what it was told."""

REPORT_NS = 1_500 * NS_PER_MS
"""After this no word on the last flash comes any more: the link gives up after 1 s."""


@dataclass(frozen=True, slots=True)
class TrialFlash:
    """One flash asked for, and the node's word on it; None while there is none, and for ever where the node is untimed."""

    due_ns: HostTime
    report: FlashReport | None = None


class Trial:
    """Some flashes in a row.

    Args:
        first_ns: when the first shall be seen.
        count: how many, 1 to MOST.
        period_ns: from one to the next; the tempo that an untimed node is told.
    """

    def __init__(self, first_ns: HostTime, count: int, period_ns: int) -> None:
        self.flashes = [TrialFlash(HostTime(first_ns + k * period_ns)) for k in range(count)]
        self._period_ns = period_ns

    def begins_ns(self, *, timed: bool) -> int:
        """From when on the node is to follow this."""
        return self.flashes[0].due_ns - (TAKE_OVER_NS if timed else round(UNTIMED_TAKE_OVER * self._period_ns))

    def plan(self, now: HostTime, *, timed: bool) -> BeatPlan | None:
        """What the node shall play at `now`; None while the trial is not on."""
        until_ns = HostTime(self.flashes[-1].due_ns + LINGER_NS)
        if not self.begins_ns(timed=timed) <= now < until_ns:
            return None
        count = len(self.flashes)
        ahead = [PlannedBeat(k - count, flash.due_ns, 1.0, None) for k, flash in enumerate(self.flashes) if flash.due_ns > now]
        return BeatPlan(Timeline(float(self._period_ns), 0.0, float(self.flashes[0].due_ns)), tuple(ahead[:3]), until_ns)

    def take(self, report: FlashReport) -> None:
        """Note the node's word; a trial's beats have numbers below 0, and those of no other are taken."""
        at = report.beat_id + len(self.flashes)
        if report.beat_id < 0 <= at and self.flashes[at].due_ns == report.due_ns:
            self.flashes[at] = replace(self.flashes[at], report=report)

    def is_over(self, now: HostTime, *, timed: bool) -> bool:
        """Whether nothing more will come."""
        if timed and all(flash.report is not None for flash in self.flashes):
            return True
        return now >= self.flashes[-1].due_ns + (REPORT_NS if timed else LINGER_NS)


def told(flashes: Sequence[TrialFlash], *, timed: bool) -> list[dict[str, object]]:
    """Each flash as JSON tells it: due and flashed on the host clock, its error (+ = late) with the bound of the node's clock."""
    return [
        {
            "due_ns": flash.due_ns,
            "timing": "timed" if timed else "untimed",
            "fate": None if flash.report is None else flash.report.fate.value,
            "fired_ns": flash.report and flash.report.fired_ns,
            "error_us": None if flash.report is None or flash.report.fired_ns is None else (flash.report.fired_ns - flash.due_ns) / 1e3,
            "bound_us": flash.report and flash.report.bound_us,
        }
        for flash in flashes
    ]
