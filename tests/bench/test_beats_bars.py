import numpy as np
import pytest

from k1edge.audio import synth
from tests.bench.beats_bars import Truth, counted, given, judged

BEATS_S = [0.5 * number for number in range(12)]


def test_places_are_counted_from_each_downbeat_and_unknown_before_the_first() -> None:
    truth = counted(BEATS_S, [1.01, 2.99, 4.5])
    assert [beat.place for beat in truth] == [0, 0, 1, 2, 3, 4, 1, 2, 3, 1, 2, 3]
    assert [beat.metre for beat in truth] == [0, 0, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3]


def test_a_hole_in_the_annotation_has_no_places() -> None:
    assert {beat.place for beat in counted(BEATS_S, [0.0, 5.0])[:10]} == {0}
    assert {beat.place for beat in counted(BEATS_S, [])} == {0}


def test_only_beats_whose_tempo_is_right_count() -> None:
    truth = [Truth(time_s, number % 4 + 1, 4) for number, time_s in enumerate(BEATS_S)]
    assert judged(truth, [(0.52, 2), (1.01, 3), (1.5, None), (2.0, 3)]) == [True, None, False]
    assert judged(truth, [(0.25 * number, 1) for number in range(20)]) == []
    assert judged([], [(0.5, 1)]) == []


def test_in_bars_of_two_odd_is_odd() -> None:
    truth = [Truth(time_s, number % 2 + 1, 2) for number, time_s in enumerate(BEATS_S)]
    assert judged(truth, [(0.0, 1), (0.5, 4), (1.0, 3), (1.5, 1)]) == [True, True, False]


@pytest.mark.parametrize("name", ["rock", "waltz"])
def test_true_beats_get_places(name: str) -> None:
    song = synth.song(name, seed=7, seconds=40.0)
    beats_s = song.beats_s.tolist()
    rows = judged(counted(beats_s, song.downbeats_s.tolist()), given(song.samples, beats_s))
    told = [row for row in rows if row is not None]
    assert len(rows) >= len(beats_s) - 3
    assert len(told) > 0.5 * len(rows)
    assert np.mean(told) > 0.95
