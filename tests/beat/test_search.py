import numpy as np
import pytest

from k1edge.audio import synth
from k1edge.beat.activation import DELAY_HOPS
from k1edge.beat.reading import CENTRE, Reader
from k1edge.beat.search import DOUBTED, TIMES, Search, goes_on, of_others_concern
from k1edge.timebase import SAMPLE_RATE_HZ
from tests.beat.test_reading import FASTEST, SLOWEST, reader_of

WRONG = 0.5 * DOUBTED


def heard(style: str, seconds: float = 16.0) -> tuple[Reader, float, float]:
    """A reader that has heard a song up to 0.1 s after one of its beats; the song's period, and that beat, in hops."""
    song = synth.song(style, seed=3, seconds=seconds + 2.0)
    newest = song.beats_s[song.beats_s < seconds][-1]
    reader = reader_of(song.samples[: round((newest + 0.1) * SAMPLE_RATE_HZ)])
    return reader, 100.0 * float(np.median(np.diff(song.beats_s))), 100.0 * newest + DELAY_HOPS + CENTRE


@pytest.mark.parametrize(("style", "ratio", "place"), [("rock", 4 / 3, 0.0), ("house", 0.75, 0.0), ("rock", 1.0, 0.3)])
def test_where_another_tempo_or_place_is_believed_the_song_is_found_the_second_time(style: str, ratio: float, place: float) -> None:
    reader, period, beat = heard(style)
    search = Search(reader)
    believed = (ratio * period, beat + (place - ratio) * period)
    found = [search.look(believed, WRONG, FASTEST, SLOWEST) for _ in range(TIMES)]
    assert found[:-1] == [None] * (TIMES - 1)
    told = found[-1]
    assert told is not None
    assert told.period_frames == pytest.approx(period, rel=0.01)
    off = (reader.hops - (told.phase * told.period_frames) + CENTRE - beat) / period
    assert off - round(off) == pytest.approx(0.0, abs=0.06)
    assert told.nepers > 0.0
    assert search.look(believed, WRONG, FASTEST, SLOWEST) is None  # it begins anew


def test_what_is_not_doubted_is_not_replaced_and_to_be_sure_for_once_is_enough_to_begin_anew() -> None:
    reader, period, beat = heard("rock")
    search = Search(reader)
    believed = (4 / 3 * period, beat - period / 3)
    assert [search.look(believed, right, FASTEST, SLOWEST) for right in (DOUBTED, WRONG, 0.9, WRONG)] == [None] * 4
    assert search.look(believed, WRONG, FASTEST, SLOWEST) is not None


def test_tempi_that_may_not_be_are_not_found() -> None:
    reader, period, beat = heard("rock")
    search = Search(reader)
    believed = (4 / 3 * period, beat - period / 3)
    assert [search.look(believed, WRONG, 1.1 * period, SLOWEST) for _ in range(3)] == [None] * 3


def test_in_noise_and_in_the_first_seconds_nothing_is_found() -> None:
    reader = reader_of(synth.pink(16.0, -20.0, seed=2))
    search = Search(reader)
    assert [search.look((50.0, reader.hops - 10.0), WRONG, FASTEST, SLOWEST) for _ in range(3)] == [None] * 3
    young, period, beat = heard("rock", seconds=2.5)
    search = Search(young)
    assert [search.look((4 / 3 * period, beat - period / 3), WRONG, FASTEST, SLOWEST) for _ in range(3)] == [None] * 3


def test_half_double_and_the_off_beat_are_left_to_the_reading() -> None:
    believed = (50.0, 1000.0)
    for period, beat in ((50.5, 1001.0), (50.0, 975.0), (25.0, 990.0), (100.0, 1000.0), (75.0, 930.0), (33.0, 1000.0)):
        assert of_others_concern((period, beat), believed)
    for period, beat in ((50.0, 985.0), (66.7, 1000.0), (37.5, 1000.0)):
        assert not of_others_concern((period, beat), believed)


def test_a_layout_goes_on_if_its_beats_lie_on_those_before() -> None:
    assert goes_on((50.0, 1200.0), (50.5, 1002.0))
    assert not goes_on((50.0, 1210.0), (50.0, 1000.0))
    assert not goes_on((52.0, 1200.0), (50.0, 1000.0))
