from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.beat.manual import LOCKED, MOST_NUDGE_MS, NAMED, Manual, Tracked, Verb
from k1edge.beat.steering import Steering, steered
from k1edge.beat.tempo import Tempi
from k1edge.beat.tracker import ForwardFilter
from k1edge.errors import PeerError
from k1edge.events import Timeline
from k1edge.timebase import SAMPLE_RATE_HZ as S


def tracked(bpm: float = 120.0, downbeat: int | None = None, at_beat: float = 40.3) -> Tracked:
    timeline = Timeline(60.0 * S / bpm, 40.0, 20.0 * S)
    return Tracked(timeline, timeline.time_at(at_beat), downbeat)


def tap(manual: Manual, bpm: float, count: int, start: float = 50.0 * S) -> Steering | None:
    said = None
    for k in range(count):
        said = manual.tap(start + k * 60.0 * S / bpm)
    return said


def test_half_keeps_the_beat_nearest_to_now_and_twice_the_tempo_is_out_of_reach() -> None:
    manual = Manual(Tempi())
    said = manual.half(tracked())
    assert (said.bpm, said.beat_at, said.keep) == (60.0, 20.0 * S, True)
    assert said.tempi.bpm_max == pytest.approx(60.0 * sqrt(2.0))
    assert (manual.verb, manual.tempi) == (Verb.HALF, said.tempi)


@pytest.mark.parametrize("downbeat", [35, 36, 40, 41, 44])
def test_half_keeps_the_downbeat_where_it_is_known(downbeat: int) -> None:
    grid = tracked(downbeat=downbeat)
    said = Manual(Tempi()).half(grid)
    assert said.beat_at is not None
    assert (grid.timeline.beat_at(said.beat_at) - downbeat) % 2.0 == 0.0
    assert abs(said.beat_at - grid.at) <= 1.5 * grid.timeline.period


def test_double_lets_every_beat_stay() -> None:
    grid = tracked(80.0)
    said = Manual(Tempi()).double(grid)
    assert said.bpm == pytest.approx(160.0)
    assert said.beat_at == grid.timeline.time_at(40)


def test_double_goes_by_the_downbeat_so_that_it_is_still_one_after_half() -> None:
    grid = tracked(80.0, downbeat=37)
    assert Manual(Tempi()).double(grid).beat_at == grid.timeline.time_at(41)


def test_half_and_double_undo_each_other_whatever_held_before() -> None:
    manual = Manual(Tempi())
    manual.set_to(100.0, None)
    before = manual.tempi
    manual.half(tracked(100.0))
    assert manual.tempi == Tempi(before.bpm_min / 2.0, before.bpm_max / 2.0)
    manual.double(tracked(50.0))
    assert manual.tempi == before


def test_what_would_lead_beyond_all_tempi_is_refused_and_changes_nothing() -> None:
    manual = Manual(Tempi())
    with pytest.raises(PeerError, match=r"half of 58.0 bpm would be 29.0; only 30 to 300 bpm"):
        manual.half(tracked(58.0))
    with pytest.raises(PeerError, match=r"double of 160.0 bpm would be 320.0"):
        manual.double(tracked(160.0))
    for bpm in (29.9, 301.0, float("nan")):
        with pytest.raises(PeerError, match="name one from 30 to 300"):
            manual.set_to(bpm, None)
    assert (manual.verb, manual.tempi) == (None, Tempi())


def test_set_goes_on_from_the_nearest_beat_or_from_none_and_follows_the_music() -> None:
    manual = Manual(Tempi(prior_bpm=90.0))
    assert manual.set_to(100.0, None) == Steering(Tempi(100.0 / NAMED, 100.0 * NAMED, 90.0), 100.0)
    grid = tracked(140.0)
    said = manual.set_to(70.0, grid)
    assert (said.beat_at, said.keep) == (grid.timeline.time_at(40), False)


def test_lock_holds_tempo_and_place() -> None:
    said = Manual(Tempi()).lock(tracked(100.0))
    assert said == Steering(Tempi(100.0 / LOCKED, 100.0 * LOCKED), keep=True)


def test_four_taps_are_a_tempo_and_take_the_nudge_back() -> None:
    manual = Manual(Tempi())
    manual.nudge(30.0)
    assert tap(manual, 90.0, 3) is None
    assert (manual.verb, manual.nudge_ms) == (None, 30.0)
    said = manual.tap(52.0 * S)
    assert said is not None
    assert said.bpm == pytest.approx(90.0)
    assert said.beat_at == pytest.approx(52.0 * S)
    assert said.keep
    assert (manual.verb, manual.nudge_ms) == (Verb.TAP, 0.0)


def test_taps_beyond_what_can_be_followed_say_nothing() -> None:
    manual = Manual(Tempi())
    assert tap(manual, 310.0, 12) is None
    assert tap(manual, 26.0, 12) is None
    assert manual.verb is None


def test_another_word_begins_the_taps_anew() -> None:
    manual = Manual(Tempi())
    tap(manual, 90.0, 3)
    manual.set_to(100.0, None)
    assert len(manual.taps) == 0


def test_nudges_add_up_to_a_limit_and_outlast_other_words_but_auto() -> None:
    manual = Manual(Tempi())
    manual.nudge(300.0)
    manual.nudge(-20.0)
    manual.half(tracked())
    assert manual.nudge_ms == 280.0
    with pytest.raises(PeerError, match=rf"nudged by \+280 ms, and \+221 more would be beyond {MOST_NUDGE_MS:g}"):
        manual.nudge(221.0)
    assert manual.nudge_ms == 280.0
    assert manual.auto() == Steering(Tempi())
    assert (manual.nudge_ms, manual.verb, manual.tempi) == (0.0, None, Tempi())


def test_the_downbeat_is_the_beat_nearest_to_now_and_leaves_the_tempi() -> None:
    manual = Manual(Tempi())
    assert manual.downbeat(tracked(at_beat=40.6)) == Steering(Tempi(), downbeat_at=tracked().timeline.time_at(41))
    manual.set_to(100.0, None)
    assert manual.downbeat(tracked()).tempi == manual.tempi
    assert manual.verb is Verb.SET


def test_a_changed_configuration_waits_for_auto_while_a_word_holds() -> None:
    manual, wide = Manual(Tempi()), Tempi(40.0, 200.0)
    assert manual.configure(Tempi()) is None
    assert manual.configure(wide) == Steering(wide)
    held = manual.set_to(100.0, None).tempi
    assert manual.configure(Tempi()) is None
    assert manual.tempi == held
    assert manual.auto() == Steering(Tempi())


words = st.sampled_from(["half", "double", "lock", "set", "tap", "auto"])


@given(st.lists(st.tuples(words, st.floats(30.0, 300.0)), max_size=12))
def test_whatever_is_said_in_whatever_order_leaves_a_tracker_that_can_run(said: list[tuple[str, float]]) -> None:
    manual, tracker = Manual(Tempi()), ForwardFilter()
    bpm = 120.0
    for word, named in said:
        steering: Steering | None
        try:
            match word:
                case "half" | "double" | "lock":
                    steering = getattr(manual, word)(tracked(bpm))
                case "set":
                    steering = manual.set_to(named, tracked(bpm))
                case "tap":
                    steering = tap(manual, named, 4)
                case _:
                    steering = manual.auto()
        except PeerError:
            continue
        if steering is not None:
            assert steering.tempi == manual.tempi
            tracker = steered(tracker, steering, None if steering.beat_at is None else 0.25)
            tracker.step(1.5)
            bpm = 6000.0 / tracker.estimate().period_frames
            assert 0.99 * manual.tempi.bpm_min <= bpm <= 1.01 * manual.tempi.bpm_max or steering.bpm is None
