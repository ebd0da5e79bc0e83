from itertools import pairwise

import pytest

from k1edge.beat.confidence import ENOUGH, confidence
from k1edge.beat.tracker import Estimate

SURE = Estimate(50.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("right", [None, 0.0, 1.0])
@pytest.mark.parametrize("support", [-3.0, 0.0, 2.0, 9.0])
def test_a_surer_tempo_and_phases_that_agree_make_a_beat_likelier(support: float, right: float | None) -> None:
    told = [confidence(Estimate(50.0, 0.0, share, share), support, right) for share in (0.0, 0.3, 0.7, 1.0)]
    assert all(0.0 < a < b < 1.0 for a, b in pairwise(told))


def test_won_bets_make_it_likelier_up_to_enough_of_them() -> None:
    told = [confidence(SURE, support) for support in (0.0, 2.0, ENOUGH)]
    assert all(a < b for a, b in pairwise(told))
    assert confidence(SURE, ENOUGH) == confidence(SURE, 9.0)
    assert confidence(SURE, -3.0) == confidence(SURE, 0.0)


def test_what_was_read_to_be_right_is_likelier_than_what_was_read_to_be_wrong() -> None:
    told = [confidence(SURE, 9.0, right) for right in (0.0, 0.4, 0.8, 1.0)]
    assert all(a < b for a, b in pairwise(told))
    assert told[0] < 0.8


def test_the_surest_beat_is_as_likely_as_the_surest_were() -> None:
    assert confidence(SURE, 9.0, 1.0) == pytest.approx(0.96, abs=0.02)
    assert confidence(SURE, 9.0) == pytest.approx(0.94, abs=0.02)
