from dataclasses import replace

import pytest

from k1edge.beat.scheduler import Scheduler
from k1edge.daemon.conductor import FORGET_AFTER_NS, Conductor
from k1edge.daemon.hearing import Heard
from k1edge.drift.meter import DriftMeter
from k1edge.events import Bar, Beat, BeatGrid, BeatPlan, LockState, Timeline
from k1edge.timebase import NS_PER_S, AffineMap, HostTime, SampleIndex

TO_HOST = AffineMap(0, 7_000 * NS_PER_S, 1e9 / 44_100)
PERIOD = 22_050.0  # 120 bpm


def at(seconds: float) -> HostTime:
    return HostTime(7_000 * NS_PER_S + round(seconds * NS_PER_S))


def grid(heard_s: float, next_index: int, *, origin_s: float, lock: LockState = LockState.LOCKED) -> BeatGrid:
    lit = lock is LockState.LOCKED
    timeline = Timeline(PERIOD, float(next_index), origin_s * 44_100) if lit else None
    return BeatGrid(SampleIndex(round(heard_s * 44_100)), lock, timeline, next_index, 0.9, 0.5, -20.0)


def coasted_until_dark() -> tuple[Conductor, int]:
    """The sound is lost after beat 2 at 1.0 s and the light goes on for 4 s; the last number flashed."""
    ours = Conductor(Scheduler(), DriftMeter())
    ours.hear(Heard((grid(0.9, 2, origin_s=1.0),), TO_HOST, 0), at(0.9))
    for tick in range(1, 60):
        now = at(0.9 + 0.1 * tick)
        ours.plan(now)
    assert now - at(0.9) > FORGET_AFTER_NS
    flashed = ours.scheduler.spent_id
    assert flashed >= 8
    return ours, flashed


@pytest.mark.parametrize("next_index", [3, 0], ids=["the same tracker", "a tracker started anew"])
def test_fault_24_31_light_returns_after_a_coast_that_outran_the_tracker(next_index: int) -> None:
    ours, flashed = coasted_until_dark()
    ours.hear(Heard((grid(20.0, next_index, origin_s=0.0, lock=LockState.UNLOCKED),), TO_HOST, 0), at(20.0))
    beat = Beat(next_index, SampleIndex(30 * 44_100), SampleIndex(round(29.9 * 44_100)), 120.0, 0.9, 0.7, 3)
    after = replace(grid(29.9, next_index + 1, origin_s=30.5), bar=Bar(4, next_index + 2))
    plan = ours.hear(Heard((beat, after), TO_HOST, 0), at(29.9))
    assert isinstance(plan, BeatPlan)
    assert [round((planned.due_ns - at(0)) / 1e9, 6) for planned in plan.beats] == [30.0, 30.5, 31.0]
    assert [planned.beat_id for planned in plan.beats] == [flashed + 1, flashed + 2, flashed + 3]
    assert [planned.beat_in_bar for planned in plan.beats] == [3, 4, 1]
    assert ours.committed[-1].beat == replace(beat, index=flashed + 1)


def test_numbers_are_the_trackers_own_while_nothing_was_lost() -> None:
    ours = Conductor(Scheduler(), DriftMeter())
    ours.hear(Heard((grid(0.5, 0, origin_s=0.0, lock=LockState.LOCKING),), TO_HOST, 0), at(0.5))
    plan = ours.hear(Heard((grid(0.9, 2, origin_s=1.0),), TO_HOST, 0), at(0.9))
    assert isinstance(plan, BeatPlan)
    assert [planned.beat_id for planned in plan.beats] == [2, 3, 4]
