import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.events import Timeline
from k1edge.timebase import AffineMap, unwrap

ticks = st.integers(min_value=-(2**50), max_value=2**50)


@given(ticks, ticks, st.floats(min_value=1e-3, max_value=1e5), st.integers(min_value=-(2**40), max_value=2**40))
def test_inverse_is_exact_for_whole_ticks(x0: int, y0: int, rate: float, away: int) -> None:
    clock = AffineMap(x0, y0, rate)
    y = y0 + away
    # the fraction of x is a float: its resolution at |x| bounds what can come back
    resolution = max(abs(clock.inverse(y)), 1.0) * 2.0**-52 * rate
    assert abs(clock.forward(clock.inverse(y)) - y) <= 0.5 + 2 * resolution


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_clock_runs_forward(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        AffineMap(0, 0, rate)


@given(st.integers(min_value=0, max_value=2**63), st.sampled_from([8, 16, 32]), st.data())
def test_fault_07_counters_extend_to_the_nearest_prediction(true: int, bits: int, data: st.DataObject) -> None:
    half = (1 << bits) // 2
    near = max(0, true + data.draw(st.integers(min_value=-half + 1, max_value=half - 1)))
    assert unwrap(true % (1 << bits), near, bits) == true


def test_unwrap_never_goes_below_zero() -> None:
    assert unwrap(250, 3, 8) == 250


@given(st.floats(1.0, 1e10), st.floats(-1e6, 1e6), st.floats(-1e12, 1e12), st.floats(-1e4, 1e4))
def test_timeline_has_an_inverse(period: float, beat_origin: float, time_origin: float, away: float) -> None:
    line = Timeline(period, beat_origin, time_origin)
    beat = beat_origin + away
    assert line.beat_at(line.time_at(beat)) == pytest.approx(beat, abs=1e-3 + 1e-15 * abs(time_origin) / period)
    assert 0.0 <= line.phase_at(time_origin) < 1.0


def test_timeline_moves_between_clocks() -> None:
    in_samples = Timeline(period=22_050.0, beat_origin=4, time_origin=44_100.0)  # 120 bpm
    on_host = in_samples.mapped(AffineMap(0, 5_000_000_000, 1e9 / 44_100))
    assert on_host.bpm(1e9) == pytest.approx(120.0)
    assert on_host.time_at(4) == pytest.approx(6e9)
    assert on_host.time_at(6) == pytest.approx(7e9)
    assert on_host.shifted(1e6).time_at(6) == pytest.approx(7.001e9)
