from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1edge.beat.spectrum import HOP
from k1edge.beat.timeline import DELAY_SAMPLES, SLEW_SAMPLES, Follow, Grid, Promise
from k1edge.beat.tracker import Estimate
from k1edge.timebase import SAMPLE_RATE_HZ

LEAD = 4410.0


def played(grid: Grid, estimates: list[Estimate], follow: Follow = Follow.SMOOTHLY, start_hop: int = 1) -> list[tuple[int, Promise]]:
    """Promises, each with the sample at which it was made."""
    made = []
    for hop, estimate in enumerate(estimates, start=start_hop):
        promise = grid.step(hop * HOP, estimate, follow=follow)
        if promise is not None:
            made.append((hop * HOP, promise))
    return made


def steady(period: float, hops: int, shift: float = 0.0, start: int = 0) -> list[Estimate]:
    return [Estimate(period, ((hop - shift) / period) % 1.0, 0.95, 0.99) for hop in range(start, start + hops)]


def test_a_steady_estimate_gives_beats_one_period_apart_each_promised_a_lead_ahead() -> None:
    made = played(Grid(LEAD), steady(50.0, 1000))
    times = [p.sample for _, p in made]
    assert [b - a for a, b in pairwise(times)] == pytest.approx([50 * HOP] * (len(times) - 1), abs=1.0)
    assert all(LEAD - HOP <= p.sample - now <= LEAD for now, p in made[1:])
    first = (times[3] + DELAY_SAMPLES - HOP) / HOP % 50.0
    assert min(first, 50.0 - first) == pytest.approx(0.0, abs=0.01)


def test_locked_a_phase_error_is_slewed_by_a_quarter_and_never_by_more_than_20_ms_a_beat() -> None:
    grid = Grid(LEAD)
    before = [p.sample for _, p in played(grid, steady(80.0, 800))]
    late = played(grid, steady(80.0, 800, shift=6.0, start=800), start_hop=801)
    times = before + [p.sample for _, p in late]
    gaps = [b - a for a, b in pairwise(times)]
    assert max(abs(g - 80 * HOP) for g in gaps) <= SLEW_SAMPLES
    assert gaps[len(before) - 1] - 80 * HOP == pytest.approx(0.25 * 6 * HOP, rel=0.1)
    assert sum(gaps[len(before) - 1 :]) - len(late) * 80 * HOP == pytest.approx(6 * HOP, rel=0.2)


def test_locked_a_large_error_is_jumped_held_it_is_not_believed() -> None:
    for follow, moved in ((Follow.SMOOTHLY, 25.0), (Follow.STEADILY, 0.0)):
        grid = Grid(LEAD)
        last = played(grid, steady(50.0, 500))[-1][1].sample
        made = played(grid, steady(50.0, 300, shift=25.0, start=500), follow, start_hop=501)
        off = ((made[-1][1].sample - last) / HOP) % 50.0
        assert min(abs(off - moved), 50 - abs(off - moved)) < 1.0


def test_in_a_break_the_beat_goes_on_along_the_line_through_the_beats_before_whatever_the_filter_says() -> None:
    grid, period = Grid(LEAD), 51.37
    rng = np.random.default_rng(4)
    last = 0.0
    for hop in range(1, 1500):  # seen one to two hops beside where it is, and whole frames only
        last = hop % period / period
        jitter = float(rng.normal(0.0, 0.6))
        grid.step(hop * HOP, Estimate(float(round(period)), (last + jitter / period) % 1.0, 0.9, 0.9), follow=Follow.SMOOTHLY)
    assert grid.coasting_phase(1500.0 * HOP) is None
    made = played(grid, [Estimate(60.0, 0.3, 0.5, 0.5)] * round(16.4 * period), Follow.COASTING, start_hop=1500)
    assert len(made) >= 16
    off = [((p.sample + DELAY_SAMPLES) / HOP / period + 0.5) % 1.0 - 0.5 for _, p in made]
    assert max(abs(each) for each in off) * period < 2.0  # 20 ms
    hop = 1500 + round(16.4 * period)
    phase = grid.coasting_phase(hop * HOP)
    assert phase is not None
    assert ((phase - hop / period + 0.5) % 1.0 - 0.5) * period == pytest.approx(0.0, abs=2.0)
    assert grid.coasting_phase((hop + 50 * period) * HOP) is None  # so long after anything may begin anywhere


def test_a_beat_that_is_missing_bends_no_line_and_too_few_beats_make_none() -> None:
    grid = Grid(LEAD)
    played(grid, steady(50.0, 600))
    played(grid, steady(50.0, 60, start=600), Follow.COASTING, start_hop=601)
    played(grid, steady(50.0, 400, start=660), start_hop=661)
    made = played(grid, [Estimate(70.0, 0.0, 0.5, 0.5)] * 400, Follow.COASTING, start_hop=1061)
    assert [b.sample - a.sample for (_, a), (_, b) in pairwise(made)] == pytest.approx([50 * HOP] * (len(made) - 1), rel=1e-6)
    young = Grid(LEAD)
    played(young, steady(50.0, 200))
    played(young, steady(50.0, 10, start=200), Follow.COASTING, start_hop=201)
    assert young.coasting_phase(211.0 * HOP) is None


def test_confirmed_attacks_shift_the_beats_towards_them_within_15_ms() -> None:
    grid = Grid(LEAD)
    estimates = steady(50.0, 6000)
    plain = [p.sample for _, p in played(Grid(LEAD), estimates)]
    shifted = []
    for hop, estimate in enumerate(estimates, start=1):
        promise = grid.step(hop * HOP, estimate, follow=Follow.SMOOTHLY)
        if promise is not None:
            shifted.append(promise.sample)
            grid.confirm(plain[len(shifted) - 1] - 441, 0.9)  # attacks come 10 ms before
    assert shifted[-1] - plain[-1] == pytest.approx(-441, abs=20)
    assert grid.strength > 0.7
    for _ in range(100):
        grid.confirm(shifted[-1] - 1400, 0.9)
    assert abs(grid._bias) <= 0.015 * SAMPLE_RATE_HZ


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(28.0, 109.0), st.floats(0.0, 0.999), st.integers(1, 60), st.sampled_from(Follow)), min_size=1, max_size=30)
)
def test_fault_54_whatever_the_filter_says_promises_ascend_with_a_refractory_gap_and_never_lie_in_the_past(
    story: list[tuple[float, float, int, Follow]],
) -> None:
    grid = Grid(LEAD)
    hop = 0
    made = []
    for period, phase, hops, follow in story:
        for step in range(hops):
            hop += 1
            promise = grid.step(hop * HOP, Estimate(period, (phase + step / period) % 1.0, 0.9, 0.9), follow=follow)
            if promise is not None:
                assert promise.sample >= hop * HOP
                made.append(promise.sample)
    assert all(b - a > 0.16 * SAMPLE_RATE_HZ for a, b in pairwise(made))


def test_freed_the_grid_goes_where_the_beat_is_seen_at_once_and_no_nearer_than_either_tempo_allows() -> None:
    grid = Grid(LEAD)
    last = played(grid, steady(50.0, 500))[-1][1].sample
    grid.free()
    grid.step(501 * HOP, steady(100.0, 1, start=500)[0], follow=Follow.SMOOTHLY)
    grid.free()  # another word before the next beat
    made = played(grid, steady(100.0, 400, shift=50.0, start=501), start_hop=502)
    assert (made[0][1].sample - last) / HOP == pytest.approx(50.0, abs=1.0)
    assert (made[1][1].sample - made[0][1].sample) / HOP == pytest.approx(100.0, abs=1.0)


@given(st.floats(0.0, 0.999), st.floats(20.0, 200.0), st.integers(1, 10_000))
def test_the_phase_of_a_beat_is_the_inverse_of_where_it_is_seen(phase: float, period: float, hop: int) -> None:
    grid = Grid(LEAD)
    ahead = grid.forecast(hop * HOP, Estimate(period, phase, 0.95, 0.99), follow=Follow.FREELY)
    again = grid.phase_of(ahead.time_origin, hop * HOP, period * HOP)
    assert abs((again - phase + 0.5) % 1.0 - 0.5) < 1e-6
