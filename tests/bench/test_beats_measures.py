import warnings
from itertools import pairwise
from math import inf

import mir_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1edge.events import BeatGrid, LockState, Timeline
from k1edge.timebase import SAMPLE_RATE_HZ
from tests.bench.beats_hearing import Heard, shared
from tests.bench.beats_measures import (
    Bin,
    calibration_error,
    continuity,
    flips,
    interval_errors_s,
    matched,
    recovery_s,
    reliability,
    right,
    score,
)

GRID = [0.5 * n for n in range(60)]  # 120 bpm, 30 s


def at_once(times: list[float]) -> list[tuple[float, float]]:
    return [(time, time) for time in times]


def ahead(times: list[float], lead_s: float = 0.1) -> list[tuple[float, float]]:
    return [(time, time - lead_s) for time in times]


def test_the_very_beats_score_one_in_everything() -> None:
    judged = score(GRID, ahead(GRID))
    assert judged is not None
    assert (judged.f, judged.f0, judged.f40, judged.cmlt, judged.amlt, judged.lock_s) == (1.0, 1.0, 1.0, 1.0, 1.0, 0.0)
    assert judged.errors_s == pytest.approx([0.0] * 50)


def test_a_beat_announced_after_the_true_one_counts_for_f_and_not_for_f_in_time() -> None:
    late = [(time, time + 0.02) for time in GRID]
    judged = score(GRID, late)
    assert judged is not None
    assert (judged.f, judged.f0) == (1.0, 0.0)
    truth = [time + 0.1 for time in GRID]
    early = [(time - 0.03, time) for time in truth]  # announced at the true beat, dated before it
    judged = score(truth, early)
    assert judged is not None
    assert (judged.f0, judged.f40) == (1.0, 1.0)


def test_fifty_milliseconds_off_are_right_within_seventy_and_wrong_within_forty() -> None:
    judged = score(GRID, ahead([time + 0.05 for time in GRID]))
    assert judged is not None
    assert (judged.f, judged.f0, judged.f40) == (1.0, 1.0, 0.0)
    assert judged.cmlt == 1.0  # 10 % of the interval


def test_half_the_beats_are_two_thirds_and_double_and_off_beat_are_allowed_in_amlt_only() -> None:
    half = score(GRID, ahead(GRID[::2]))
    assert half is not None
    assert half.f == pytest.approx(2 / 3)
    assert half.cmlt == 0.0
    assert half.amlt == 1.0
    off = score(GRID, ahead([time + 0.25 for time in GRID]))
    assert off is not None
    assert (off.f, off.cmlt, off.amlt) == (0.0, 0.0, pytest.approx(1.0, abs=0.03))  # the last one has no beat after it


def test_beats_before_five_seconds_and_outside_the_span_are_not_judged_but_lock_in_is() -> None:
    judged = score(GRID[20:40], ahead([*GRID[18:30], 25.0]), (10.0, 19.5))
    assert judged is not None
    assert judged.f == pytest.approx(2 * 10 / (20 + 10))
    assert judged.lock_s == 10.0
    assert score(GRID[:12], ahead(GRID)) is None


def test_a_missing_beat_costs_continuity_its_neighbour_as_well() -> None:
    truth = GRID[10:30]
    beats = truth[:8] + truth[9:]
    cmlt, _ = continuity(truth, beats)
    assert cmlt == 18 / 20  # the one left out, and the one after it, whose interval is double
    assert continuity(truth, [truth[0] - 0.8, *truth])[0] == 20 / 21  # at the first true beat the interval ahead counts


def test_each_beat_is_matched_once_and_as_many_as_can_be() -> None:
    assert matched([1.0, 1.1], at_once([1.05])) == [(0, 0)]
    assert matched([1.0, 1.1], at_once([0.95, 1.05])) == [(0, 0), (1, 1)]
    assert matched([1.0], [(0.99, 1.2), (1.01, 0.9)], in_time=True) == [(0, 1)]
    assert right([1.0], at_once([0.99, 1.01, 1.5])) == [True, False, False]


def test_recovery_counts_from_the_event_to_the_first_of_four_in_a_row() -> None:
    beats = [time for time in GRID if time < 10.0 or time >= 12.4]
    assert recovery_s(GRID, beats, 10.0) == 2.5
    assert recovery_s(GRID, GRID, 10.0) == 0.0
    assert recovery_s(GRID, GRID[:20], 10.0) == inf


def test_a_tempo_that_doubles_flips_and_one_that_drifts_does_not() -> None:
    assert flips([120.0, 120.5, 60.2, 60.0, 90.0, 93.0, 98.0]) == 2
    assert flips([]) == 0


def test_interval_errors_leave_out_intervals_with_a_miss() -> None:
    errors = interval_errors_s([1.0, 2.0, 3.0, 4.0], at_once([1.0, 2.01, 3.2, 4.0]))
    assert errors == pytest.approx([0.01])


def test_reliability_puts_ten_bins_and_their_error_beside_each_other() -> None:
    bins = reliability([0.95, 0.91, 1.0, 0.92, 0.42], [True, True, True, False, False])
    assert bins == [Bin(1, 0.42, 0.0), Bin(4, pytest.approx(0.945), 0.75)]
    assert calibration_error(bins) == pytest.approx((0.42 + 4 * 0.195) / 5)


def test_beats_are_the_same_when_each_has_a_counterpart() -> None:
    assert shared([1.0, 2.0], [1.009, 2.011], 0.010) == 0.5
    assert shared([], [], 0.01) == 1.0
    assert shared([1.0], [], 0.01) == 0.0


def test_a_forecast_takes_each_beat_once_as_far_ahead_as_asked_and_keeps_to_it() -> None:
    second = SAMPLE_RATE_HZ
    lines = [(1.0, 5, Timeline(0.5 * second, 5.0, 1.4 * second)), (1.65, 5, Timeline(0.5 * second, 5.0, 1.6 * second)), (1.7, 6, None)]
    grids = [BeatGrid(round(heard * second), LockState.LOCKED, line, index, 1.0, 0.5, None) for heard, index, line in lines]
    heard = Heard([], grids, 3.0, 0.0)
    assert heard.foreseen(0.5) == [(1.4, 1.0), (2.1, 1.65)]


times = st.lists(st.floats(0.13, 1.1), min_size=8, max_size=40).map(lambda gaps: (4.9 + np.cumsum(gaps)).tolist())


@settings(max_examples=60, deadline=None)
@given(times, st.one_of(times, st.none()), st.lists(st.floats(-0.09, 0.09), min_size=40, max_size=40), st.integers(1, 3))
def test_all_measures_are_those_of_mir_eval(truth: list[float], other: list[float] | None, off: list[float], every: int) -> None:
    beats = other or sorted({time + shift for time, shift in zip(truth[::every], off, strict=False)})
    beats = [beat for before, beat in pairwise([-inf, *beats]) if beat > max(before, 5.0) and beat <= truth[-1] + 0.07]
    judged = score(truth, at_once(beats), (0.0, truth[-1]))
    scored = np.array([time for time in truth if time >= 5.0])
    assert judged is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of empty lists
        assert judged.f == pytest.approx(mir_eval.beat.f_measure(scored, np.array(beats)))
        if len(beats) > 1:
            _, cmlt, _, amlt = mir_eval.beat.continuity(scored, np.array(beats))
            assert (judged.cmlt, judged.amlt) == pytest.approx((cmlt, amlt))
