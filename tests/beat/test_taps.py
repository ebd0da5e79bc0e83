from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.beat.taps import BOUNCE_S, LEAST_TAPS, MOST_TAPS, PAUSE_S, Tapped, Taps

RATE = 44_100.0


def tapped(times_s: list[float], taps: Taps | None = None) -> Tapped | None:
    """What the last of these taps says."""
    taps = Taps(RATE) if taps is None else taps  # one without taps is false
    said = None
    for time in times_s:
        said = taps.add(time * RATE)
    return said


def steady(bpm: float, count: int, start_s: float = 100.0) -> list[float]:
    return [start_s + k * 60.0 / bpm for k in range(count)]


tempi = st.floats(30.0, 300.0)
hands = st.lists(st.floats(-0.03, 0.03), min_size=LEAST_TAPS, max_size=MOST_TAPS)


@given(tempi, st.integers(LEAST_TAPS, 3 * MOST_TAPS))
def test_steady_taps_are_read_to_the_hair(bpm: float, count: int) -> None:
    times = steady(bpm, count)
    said = tapped(times)
    assert said is not None
    assert said.bpm == pytest.approx(bpm, rel=1e-9)
    assert said.beat_at == pytest.approx(times[-1] * RATE, abs=0.01)
    assert 0.0 < said.bpm_share < 0.05
    assert 0.0 < said.beat_s < 0.02


@given(tempi.filter(lambda bpm: bpm < 200.0), hands)
def test_a_hand_that_scatters_is_averaged_and_the_errors_are_honest(bpm: float, off: list[float]) -> None:
    times = [time + o for time, o in zip(steady(bpm, len(off)), off, strict=True)]
    said = tapped(times)
    assert said is not None
    assert abs(said.bpm / bpm - 1.0) < 6.0 * said.bpm_share + 1e-9
    true_last_s = steady(bpm, len(off))[-1]
    assert abs(said.beat_at / RATE - true_last_s) < 0.06


@pytest.mark.parametrize("wrong", range(1, 7))
def test_a_tap_left_out_or_set_beside_the_beat_changes_nothing(wrong: int) -> None:
    times = steady(120.0, 8)
    left_out = tapped(times[:wrong] + times[wrong + 1 :])
    beside = tapped([time + (0.16 if k == wrong else 0.0) for k, time in enumerate(times)])
    for said in (left_out, beside):
        assert said is not None
        assert said.bpm == pytest.approx(120.0, rel=0.002)
        assert said.beat_at == pytest.approx(times[-1] * RATE, abs=0.002 * RATE)


def test_a_key_that_bounces_taps_once() -> None:
    times = sorted([*steady(100.0, 6), *(t + 0.9 * BOUNCE_S for t in steady(100.0, 6))])
    taps = Taps(RATE)
    said = tapped(times, taps)
    assert said is None  # the bounce itself says nothing
    assert len(taps) == 6
    assert tapped([106.0 - 2.4], taps) is not None


def test_fewer_than_four_taps_say_nothing_and_a_pause_begins_anew() -> None:
    taps = Taps(RATE)
    assert tapped(steady(120.0, LEAST_TAPS - 1), taps) is None
    assert tapped(steady(120.0, LEAST_TAPS - 1, start_s=101.0 + PAUSE_S), taps) is None
    assert len(taps) == LEAST_TAPS - 1
    taps.clear()
    assert len(taps) == 0


def test_a_tap_that_came_late_over_its_socket_is_dropped_and_a_clock_begun_anew_is_followed() -> None:
    taps = Taps(RATE)
    tapped(steady(120.0, 4), taps)
    assert tapped([101.2], taps) is None
    assert len(taps) == 4
    said = tapped(steady(90.0, 4, start_s=1.0), taps)
    assert said is not None
    assert said.bpm == pytest.approx(90.0)


@pytest.mark.parametrize(("before", "after"), [(120.0, 60.0), (60.0, 120.0), (100.0, 130.0), (174.0, 87.0)])
def test_another_tempo_is_taken_up_after_four_taps_of_it(before: float, after: float) -> None:
    first = steady(before, 10)
    second = list(accumulate([60.0 / after] * 4, initial=first[-1]))[1:]
    said = tapped(first + second)
    assert said is not None
    assert said.bpm == pytest.approx(after, rel=0.01)


@given(st.lists(st.floats(0.0, 4.0), max_size=40))
def test_nonsense_is_borne(gaps: list[float]) -> None:
    taps = Taps(RATE)
    for time in accumulate(gaps):
        said = taps.add(time * RATE)
        assert len(taps) <= MOST_TAPS
        if said is not None:
            assert said.bpm > 0.0
            assert said.bpm_share > 0.0
            assert said.beat_s > 0.0
            assert abs(said.beat_at / RATE - time) <= 60.0 / said.bpm
    assert all(b >= a for a, b in pairwise(accumulate(gaps)))
