"""What people say, from the helm to the plan and to the DSP thread, without a thread and without a clock."""

from pathlib import Path

import pytest

from k1edge.beat.scheduler import Scheduler
from k1edge.beat.steering import Steering
from k1edge.beat.tempo import Tempi
from k1edge.config import Settings, load
from k1edge.daemon.conductor import FORGET_AFTER_NS, Conductor
from k1edge.daemon.hearing import Heard
from k1edge.daemon.helm import SETTLED_NS, Helm
from k1edge.drift.meter import DriftMeter
from k1edge.errors import PeerError
from k1edge.events import Beat, BeatGrid, BeatPlan, LockState, Timeline
from k1edge.held import Word
from k1edge.timebase import NS_PER_MS, NS_PER_S, SAMPLE_RATE_HZ, AffineMap, HostTime, SampleIndex

START_NS = 7_000 * NS_PER_S
TO_HOST = AffineMap(0, START_NS, 1e9 / SAMPLE_RATE_HZ * (1.0 + 50e-6))
PERIOD = 22_050.0  # 120 bpm


def at(seconds: float) -> HostTime:
    return HostTime(TO_HOST.forward(seconds * SAMPLE_RATE_HZ))


def configured(**flags: float) -> Settings:
    return load(Path("/dev/null"), {}, {key.replace("__", "."): value for key, value in flags.items()})


class Scene:
    """A helm, and what it handed over."""

    def __init__(self, *, lit: bool = True, beat_in_bar: int | None = None, **flags: float) -> None:
        self.conductor = Conductor(Scheduler(), DriftMeter())
        self.handed: list[Steering] = []
        self.settings = configured(**flags)
        self.helm = Helm(self.settings, self.conductor, self.handed.append)
        timeline = Timeline(PERIOD, 40.0, 40.0 * PERIOD) if lit else None
        lock = LockState.LOCKED if lit else LockState.UNLOCKED
        beats = (Beat(39, SampleIndex(round(39 * PERIOD)), SampleIndex(round(38.8 * PERIOD)), 120.0, 0.9, 0.7, beat_in_bar),) if lit else ()
        grid = BeatGrid(SampleIndex(round(19.6 * SAMPLE_RATE_HZ)), lock, timeline, 40, 0.9, 0.5, -20.0)
        self.conductor.hear(Heard((*beats, grid), TO_HOST, 0), at(19.65))


@pytest.mark.parametrize(("word", "bpm"), [(Word.HALF, 60.0), (Word.DOUBLE, 240.0)])
def test_half_and_double_are_of_the_beat_nearest_to_now_in_the_room(word: Word, bpm: float) -> None:
    scene = Scene()
    assert scene.helm.say(word, at(19.8)) == pytest.approx(bpm)
    (steering,) = scene.handed
    assert steering.beat_at == pytest.approx(40.0 * PERIOD)
    assert steering.tempi == scene.helm.manual.tempi
    assert (scene.helm.status().held_by, scene.helm.status().bpm_max) == (word.value, steering.tempi.bpm_max)


@pytest.mark.parametrize(("beat_in_bar", "kept"), [(1, 41), (2, 40), (3, 41), (4, 40)])
def test_half_keeps_the_downbeats_where_bars_are_known(beat_in_bar: int, kept: int) -> None:
    scene = Scene(beat_in_bar=beat_in_bar)
    scene.helm.say(Word.HALF, at(19.8))
    assert scene.handed[0].beat_at == pytest.approx(kept * PERIOD)


def test_a_word_before_the_tracker_has_followed_the_last_one_is_of_what_was_asked_for() -> None:
    scene = Scene()
    scene.helm.say(Word.HALF, at(19.8))
    assert scene.helm.say(Word.HALF, at(19.9)) == pytest.approx(30.0)
    assert scene.helm.say(Word.DOUBLE, at(20.0)) == pytest.approx(60.0)
    late = HostTime(at(20.0) + SETTLED_NS)
    assert scene.helm.say(Word.DOUBLE, late) == pytest.approx(240.0)  # this tracker never followed


def test_after_double_half_keeps_the_beats_that_were_there_before_until_it_was_dark() -> None:
    for dark in (False, True):
        scene = Scene()
        scene.helm.say(Word.DOUBLE, at(19.8))  # beat 40 was there before, at 20.0 s
        for heard_s, lit in ((20.2, True), (20.6, True), (20.7, not dark), (20.8, True)):
            # the tracker has followed: beat 41 at 20.25 s, and so on; what was there before has even numbers now
            timeline = Timeline(PERIOD / 2.0, 40.0, 40.0 * PERIOD) if lit else None
            lock = LockState.LOCKED if lit else LockState.UNLOCKED
            grid = BeatGrid(SampleIndex(round(heard_s * SAMPLE_RATE_HZ)), lock, timeline, 44, 0.9, 0.5, -20.0)
            scene.conductor.hear(Heard((grid,), TO_HOST, 0), at(heard_s + 0.05))
        assert scene.conductor.anchor == (None if dark else 40)
        scene.helm.say(Word.HALF, at(21.25))  # on a beat that came between
        assert scene.handed[-1].beat_at == pytest.approx((42.5 if dark else 43.0) * PERIOD)
        assert scene.conductor.anchor is None


def test_taps_fall_on_the_samples_that_were_in_the_air() -> None:
    scene = Scene(lit=False)
    told = [scene.helm.tap(at(19.0 + 0.6 * k), at(21.0)) for k in range(5)]
    assert told[:3] == [None] * 3
    assert told[4] == pytest.approx(100.0, rel=1e-6)
    assert [s.beat_at for s in scene.handed] == pytest.approx([(19.0 + 0.6 * k) * SAMPLE_RATE_HZ for k in (3, 4)], abs=1.0)
    assert (scene.helm.status().held_by, scene.helm.status().taps) == ("tap", 5)


def test_in_the_dark_a_tempo_can_be_set_and_what_needs_a_beat_says_so() -> None:
    scene = Scene(lit=False)
    for word in (Word.HALF, Word.DOUBLE, Word.LOCK, Word.DOWNBEAT):
        with pytest.raises(PeerError, match=r"no beat is followed now .* tap it, or set a tempo"):
            scene.helm.say(word, at(19.8))
    assert scene.helm.set_to(100.0, at(19.8)) == 100.0
    assert scene.handed == [Steering(scene.helm.manual.tempi, 100.0)]


def test_without_sound_a_tap_is_refused() -> None:
    scene = Scene()
    for now in (HostTime(at(19.6) + FORGET_AFTER_NS + NS_PER_S), at(19.7)):
        with pytest.raises(PeerError, match="no sound comes in"):
            scene.helm.tap(now, now)
        scene.conductor.forget()
    assert scene.helm.status().taps == 0


def test_a_nudge_moves_the_plan_beside_the_offset_and_auto_takes_it_back() -> None:
    scene = Scene(node__offset_ms=-10.0)
    assert scene.conductor.scheduler.offset_ns == -10 * NS_PER_MS
    scene.helm.nudge(40.0)
    scene.helm.nudge(-5.0)
    assert scene.helm.status().nudge_ms == 35.0
    plan = scene.conductor.plan(at(19.66))
    assert isinstance(plan, BeatPlan)
    assert plan.beats[0].due_ns == pytest.approx(at(20.0) + 25 * NS_PER_MS, abs=2)
    with pytest.raises(PeerError, match="beyond 500"):
        scene.helm.nudge(500.0)
    scene.helm.say(Word.AUTO, at(19.7))
    assert scene.conductor.scheduler.offset_ns == -10 * NS_PER_MS
    assert scene.handed == [Steering(Tempi())]


def test_taps_take_a_nudge_back_from_the_plan_too() -> None:
    scene = Scene()
    scene.helm.nudge(40.0)
    for k in range(4):
        scene.helm.tap(at(19.0 + 0.5 * k), at(21.0))
    assert (scene.helm.status().nudge_ms, scene.conductor.scheduler.offset_ns) == (0.0, 0)


def test_a_downbeat_is_handed_over_as_the_sample_of_the_nearest_beat_and_holds_no_tempo() -> None:
    scene = Scene()
    assert scene.helm.say(Word.DOWNBEAT, at(20.3)) is None
    assert scene.handed == [Steering(Tempi(), downbeat_at=41.0 * PERIOD)]
    assert scene.helm.status().held_by is None


def test_a_reload_keeps_what_was_said_and_is_followed_after_auto() -> None:
    scene = Scene()
    scene.helm.set_to(100.0, at(19.8))
    scene.helm.nudge(20.0)
    held = scene.helm.status()
    changed = configured(beat__bpm_min=70.0, beat__lead_ms=50.0, node__offset_ms=5.0)
    ours = scene.helm.reload(scene.settings, changed)
    assert scene.helm.status() == held
    assert scene.conductor.scheduler.offset_ns == 25 * NS_PER_MS
    assert (ours.beat.bpm_min, ours.beat.lead_ms, ours.node.offset_ms) == (70.0, 100.0, 5.0)
    scene.helm.say(Word.AUTO, at(19.9))
    assert scene.handed[-1] == Steering(Tempi(bpm_min=70.0))
    assert scene.helm.status().bpm_min == 70.0


def test_a_reload_of_the_tempi_is_followed_at_once_while_nothing_was_said() -> None:
    scene = Scene()
    scene.helm.reload(scene.settings, configured(beat__prior_bpm=90.0))
    assert scene.handed == [Steering(Tempi(prior_bpm=90.0))]
    scene.helm.reload(scene.settings, configured(beat__prior_bpm=90.0))
    assert len(scene.handed) == 1
