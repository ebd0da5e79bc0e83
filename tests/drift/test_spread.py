import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.drift.spread import BINS, LEAST, MAX_RECENT, WINDOW_NS, Histogram, Running, median, percentile_abs, spread
from k1edge.snapshot import Spread
from k1edge.timebase import HostTime

NOTHING = Spread(median=None, p95=None, worst=None, count=0)
VALUES = st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=60)


def test_nothing_is_null_not_zero() -> None:
    figure = Running().figure(HostTime(0))
    assert (figure.newest, figure.last_10s, figure.since_start) == (None, NOTHING, NOTHING)


def test_the_window_forgets_and_the_start_does_not() -> None:
    running = Running()
    for at_ns, value in ((1, -40.0), (WINDOW_NS, 10.0), (WINDOW_NS + 5, 12.0)):
        running.add(HostTime(at_ns), value)
    figure = running.figure(HostTime(WINDOW_NS + 5))
    assert figure.newest == 12.0
    assert figure.last_10s == Spread(median=11.0, p95=12.0, worst=12.0, count=2)
    assert (figure.since_start.count, figure.since_start.worst) == (3, -40.0)
    later = running.figure(HostTime(3 * WINDOW_NS))
    assert (later.newest, later.last_10s) == (None, NOTHING)
    assert later.since_start == figure.since_start


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, -math.inf])
def test_fault_06_what_is_no_number_is_not_counted(nothing: float | None) -> None:
    running = Running()
    running.add(HostTime(1), nothing)
    assert running.figure(HostTime(1)).since_start == NOTHING


@given(VALUES)
def test_since_start_is_right_within_its_resolution(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    found = histogram.spread()
    ordered = sorted(values)
    true_median = ordered[math.ceil(len(values) / 2) - 1]  # nearest rank
    true_p95 = percentile_abs(values, 95)
    assert found.median == pytest.approx(true_median, rel=0.0101, abs=LEAST)
    assert found.p95 == pytest.approx(true_p95, rel=0.0101, abs=LEAST)
    assert (found.worst, found.count) == (spread(values).worst, len(values))


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_values_makes_no_difference(values: list[float], order: object) -> None:
    def told(values: list[float]) -> Spread:
        histogram = Histogram()
        for value in values:
            histogram.add(value)
        return histogram.spread()

    shuffled = values.copy()
    order.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis gives a random.Random
    assert told(shuffled) == told(values)
    assert spread(shuffled) == spread(values)


def test_fault_33_months_of_values_take_no_more_memory() -> None:
    running = Running()
    sizes = running._ever._counts.nbytes
    for at_ns, value in enumerate(np.random.default_rng(5).standard_normal(20_000) * 1e9):
        running.add(HostTime(at_ns), float(value))
    assert len(running._recent) == MAX_RECENT
    assert running._ever._counts.nbytes == sizes == 8 * (2 * BINS + 1)
    assert running.figure(HostTime(20_000)).since_start.count == 20_000


def test_what_is_beyond_the_scale_is_never_told_larger_than_it_was() -> None:
    histogram = Histogram()
    histogram.add(-3e9)
    found = histogram.spread()
    assert found.worst == -3e9
    assert found.median is not None
    assert found.p95 is not None
    assert -3e9 <= found.median < 0 < found.p95 <= 3e9


def test_median_and_percentile() -> None:
    assert median([3.0, -1.0, 2.0]) == 2.0
    assert median([4.0, 1.0]) == 2.5
    assert median([]) is None
    assert percentile_abs([-100.0, *[1.0] * 19], 95) == 1.0
    assert percentile_abs([-100.0, *[1.0] * 18], 95) == 100.0
    assert percentile_abs([], 95) is None
