"""The likely line: what the window holds and nothing else, whatever came and went before."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1edge.link.k1link.likely import LikelyLine, Side

MS, S = 1_000_000, 1_000_000_000
T0 = 86_400 * S

measurements = st.lists(st.tuples(st.integers(1, 3_000), st.floats(-2_000, 2_000)), min_size=1, max_size=60)


@given(measurements, st.floats(-600, 600), st.integers(0, 40_000))
def test_least_and_mean_are_those_of_the_window_whatever_was_dropped(
    gaps_and_values: list[tuple[int, float]], slope: float, window_ms: int
) -> None:
    side, every, t = Side(), [], T0
    for gap_ms, value in gaps_and_values:
        t += gap_ms * MS
        side.add(t, value)
        every.append((t, value))
        side.drop_before(t - window_ms * MS)
        inside = [(at, each) for at, each in every if at >= t - window_ms * MS]
        along = [each - slope * (at - t) / S for at, each in inside]
        least, above = side.seen_from(t)(slope)
        assert least == pytest.approx(min(along), abs=1e-6)
        assert above == pytest.approx(sum(along) / len(along) - min(along), abs=1e-6)
    assert len(side.points) == len(inside)


def exchanges(seed: int, rate_ppm: float, bend_ppm_s: float = 0.0, count: int = 200) -> list[tuple[int, float, int, float]]:
    """Four a second; delays of 70 us and more up, up to 1 ms more down."""
    rng, made = random.Random(seed), []
    for n in range(count):
        t1 = T0 + n * 250 * MS + rng.randint(0, MS)
        t4 = t1 + 2 * MS
        s1, s4 = (t1 - T0) / S, (t4 - T0) / S
        up_us, down_us = 70 + rng.expovariate(1 / 50), 70 + rng.uniform(0, 1000)
        made.append((t1, rate_ppm * s1 + bend_ppm_s / 2 * s1**2 + up_us, t4, rate_ppm * s4 + bend_ppm_s / 2 * s4**2 - down_us))
    return made


@given(st.integers(0, 50), st.floats(-500, 500))
@settings(max_examples=30, deadline=None)
def test_what_was_before_the_window_changes_nothing(seed: int, rate_ppm: float) -> None:
    long, short = LikelyLine(1100.0, 20 * S), LikelyLine(1100.0, 20 * S)
    made = exchanges(seed, rate_ppm)
    for exchange in made:
        long.add(*exchange)
    for exchange in [each for each in made if each[2] >= made[-1][2] - 20 * S]:
        short.add(*exchange)
    h = made[-1][2]
    one, other = long.line(h, 0.0, 30.0), short.line(h, 0.0, 30.0)
    assert list(one) == pytest.approx(list(other), abs=1e-3)
    assert one.rate_ppm == pytest.approx(rate_ppm, abs=3.0)
    assert abs(one.theta_us - rate_ppm * (h - T0) / S) < 100


def test_a_clock_that_is_not_straight_keeps_what_is_and_gives_up_the_rest() -> None:
    line = LikelyLine(1100.0, 50 * S)
    made = exchanges(1, 0.0, bend_ppm_s=5.0)
    for exchange in made:
        line.add(*exchange)
    h = made[-1][2]
    found = line.line(h, 0.0, 30.0)
    assert found.half_width_us >= 0
    assert found.theta_us == pytest.approx(5.0 / 2 * 50**2, abs=400)
    assert len(line._upper.points) < 150


def test_one_exchange_is_enough_for_a_line() -> None:
    line = LikelyLine(1100.0, 50 * S)
    line.add(T0, 300.0, T0 + MS, -500.0)
    found = line.line(T0 + MS, 12.0, 5.0)
    assert found.theta_us == pytest.approx(-100.0, abs=50)
    assert found.rate_ppm == pytest.approx(12.0, abs=3)
    assert found.half_width_us == pytest.approx(400.0, abs=1)
