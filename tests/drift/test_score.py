import mir_eval
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.drift.score import f_measure, hits, lock_in, nearest_errors

# Milliseconds off the window's edge, where mir_eval's float subtraction decides by its last bit.
TIMES = st.lists(st.integers(0, 3_000), max_size=24, unique=True).map(
    lambda ms: [t / 1000 + 0.0001 * (i % 2) for i, t in enumerate(sorted(ms))]
)


@given(truth=TIMES, beats=TIMES.map(lambda times: [t + 0.00033 for t in times]))
def test_f_is_that_of_mir_eval(truth: list[float], beats: list[float]) -> None:
    if not truth or not beats:
        assert f_measure(truth, beats) == (None if not truth and not beats else 0.0)
        return
    expected = mir_eval.beat.f_measure(np.array(truth), np.array(beats))
    assert f_measure(truth, beats) == pytest.approx(expected)


def test_each_true_beat_is_hit_once() -> None:
    assert hits([1.0], [0.95, 1.0, 1.05]) == 1
    assert hits([1.0, 1.1], [1.05, 1.15]) == 2


def test_errors_keep_their_sign_and_leave_nothing_out() -> None:
    assert nearest_errors([1.0, 2.0], [0.9, 1.2, 1.9, 5.0]) == pytest.approx([-0.1, 0.2, -0.1, 3.0])
    assert nearest_errors([], [1.0]) == []
    assert nearest_errors([1.0], []) == []


def test_lock_in_is_the_first_of_four_in_a_row() -> None:
    truth = [float(n) for n in range(10)]
    assert lock_in(truth, [0.0, 1.0, 3.01, 4.0, 5.05, 5.95, 7.0]) == 3.0
    assert lock_in(truth, [0.0, 1.0, 2.0, 4.0, 5.0, 6.0]) is None
    assert lock_in([], [1.0]) is None
