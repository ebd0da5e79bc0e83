from dataclasses import replace

import pytest

from k1edge.beat.scheduler import KEEP, Scheduler
from k1edge.daemon.conductor import DEAF_AFTER_NS, FORGET_AFTER_NS, Conductor
from k1edge.daemon.hearing import Heard
from k1edge.drift.meter import DriftMeter
from k1edge.events import Beat, BeatFate, BeatGrid, BeatPlan, FlashReport, LockState, Onset, Timeline
from k1edge.timebase import NS_PER_MS, NS_PER_S, AffineMap, HostTime, SampleIndex

START_NS = 7_000 * NS_PER_S
TO_HOST = AffineMap(0, START_NS, 1e9 / 44_100)
PERIOD = 22_050.0  # 120 bpm


def at(seconds: float) -> HostTime:
    return HostTime(START_NS + round(seconds * NS_PER_S))


def grid(heard_s: float, lock: LockState = LockState.LOCKED, next_index: int = 4) -> BeatGrid:
    timeline = None if lock in {LockState.UNLOCKED, LockState.LOCKING} else Timeline(PERIOD, 0.0, 0.0)
    return BeatGrid(SampleIndex(round(heard_s * 44_100)), lock, timeline, next_index, 0.9, 0.5, -20.0)


def beat(index: int) -> Beat:
    sample = round(index * PERIOD)
    return Beat(index, SampleIndex(sample), SampleIndex(sample - 4410), 120.0, 0.9, 0.7, None)


def conductor(offset_ns: int = 0) -> Conductor:
    return Conductor(Scheduler(offset_ns), DriftMeter())


def test_the_next_three_beats_are_planned_at_their_time_in_the_room() -> None:
    plan = conductor().hear(Heard((beat(3), grid(1.45)), TO_HOST, 0), at(1.46))
    assert isinstance(plan, BeatPlan)
    assert [b.beat_id for b in plan.beats] == [3, 4, 5]
    assert [b.due_ns for b in plan.beats] == [pytest.approx(at(t), abs=2) for t in (1.5, 2.0, 2.5)]
    assert plan.bpm == pytest.approx(120.0)


@pytest.mark.parametrize("offset_ms", [-40, 25])
def test_the_users_offset_moves_the_light_and_nothing_else(offset_ms: int) -> None:
    ours = conductor(offset_ms * NS_PER_MS)
    plan = ours.hear(Heard((beat(3), grid(1.45)), TO_HOST, 0), at(1.40))
    assert isinstance(plan, BeatPlan)
    assert plan.beats[0].due_ns == pytest.approx(at(1.5) + offset_ms * NS_PER_MS, abs=2)
    timeline = ours.timeline(at(1.46))
    assert timeline is not None
    assert timeline.phase_at(at(1.75)) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("lock", [LockState.UNLOCKED, LockState.LOCKING])
def test_no_light_before_a_lock(lock: LockState) -> None:
    ours = conductor()
    assert ours.hear(Heard((grid(1.45, lock),), TO_HOST, 0), at(1.46)) is KEEP
    assert ours.timeline(at(1.46)) is None


def test_losing_the_lock_means_dark_once() -> None:
    ours = conductor()
    assert isinstance(ours.hear(Heard((grid(1.45),), TO_HOST, 0), at(1.46)), BeatPlan)
    assert ours.hear(Heard((grid(1.6, LockState.UNLOCKED),), TO_HOST, 0), at(1.61)) is None
    assert ours.plan(at(1.7)) is KEEP


def test_fault_24_without_sound_beats_coast_then_stop() -> None:
    ours = conductor()
    ours.hear(Heard((grid(1.45),), TO_HOST, 0), at(1.46))
    assert ours.lock(at(1.5)) is LockState.LOCKED
    deaf = HostTime(at(1.46) + DEAF_AFTER_NS)
    assert ours.lock(deaf) is LockState.HOLDING
    coasting = ours.hear(Heard((), None, 0), deaf)
    assert isinstance(coasting, BeatPlan)
    assert coasting.beats[0].beat_id == 5
    forgotten = HostTime(at(1.46) + FORGET_AFTER_NS)
    assert ours.hear(Heard((), None, 0), forgotten) is None
    assert ours.lock(forgotten) is LockState.UNLOCKED
    assert ours.timeline(forgotten) is None


def test_fault_55_music_after_a_long_silence_gets_a_fresh_plan() -> None:
    ours = conductor()
    ours.hear(Heard((grid(1.45),), TO_HOST, 0), at(1.46))
    assert ours.plan(at(500.0)) is None
    plan = ours.hear(Heard((replace(grid(600.0), timeline=Timeline(PERIOD, 9.0, 600.2 * 44_100), next_index=9),), TO_HOST, 0), at(600.05))
    assert isinstance(plan, BeatPlan)
    assert plan.beats[0].beat_id == 9
    assert plan.beats[0].due_ns == pytest.approx(at(600.2), abs=30)


def test_drift_of_a_late_node() -> None:
    ours = conductor()
    onset = Onset(SampleIndex(round(3 * PERIOD)), SampleIndex(round(3 * PERIOD) + 700), 0.8)
    ours.hear(Heard((beat(3), grid(1.45), onset), TO_HOST, 0), at(1.46))
    ours.flashed(FlashReport(3, BeatFate.FIRED, at(1.5), None, None, HostTime(at(1.5) + 12 * NS_PER_MS), 100.0))
    (reading,) = ours.meter.settle(at(3.0))
    assert reading.drift_ms == pytest.approx(12.0, abs=0.1)
    assert reading.fire_error_us == pytest.approx(12_000, abs=1)


def test_old_beats_are_forgotten() -> None:
    ours = conductor()
    for index in range(1000):
        now = at(index * 0.5 + 0.01)
        ours.hear(Heard((beat(index), grid(index * 0.5, next_index=index + 1)), TO_HOST, 0), now)
    assert len(ours.committed) < 12
    assert ours.total_committed == 1000
