from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from k1edge.audio import synth
from k1edge.audio.source import AudioBlock
from k1edge.beat.bar import MISSED, PLACES, STILL_SURE, SURE, BarFilter, Bars, Recurrence, Usual
from k1edge.beat.pipeline import Event, Pipeline
from k1edge.beat.spectrum import HOP, Spectrum
from k1edge.beat.steering import Steering
from k1edge.beat.tempo import Tempi
from k1edge.events import Bar, Beat, BeatGrid
from k1edge.timebase import SAMPLE_RATE_HZ, SampleIndex

S = SAMPLE_RATE_HZ
BEAT_S = 0.5


@cache
def song(name: str, seconds: float = 40.0) -> synth.Song:
    return synth.song(name, seed=7, seconds=seconds)


class Room:
    """Bars that hear a sound and are told of beats when they are 0.1 s away."""

    def __init__(self, samples: NDArray[np.float32]) -> None:
        self.bars = Bars(71)
        self._spectrum = Spectrum()
        self._samples = samples
        self._hop = 0

    def until(self, second: float) -> None:
        for _ in range(round(second * S) // HOP - self._hop):
            block = self._samples[self._hop * HOP : (self._hop + 1) * HOP]
            self._hop += 1
            self.bars.hear(self._spectrum.process(block), self._hop * HOP)

    def places(self, beats_s: Sequence[float], period_s: float, *, lit: bool = True) -> list[int | None]:
        found = []
        for beat in beats_s:
            self.until(beat - 0.1)
            self.bars.promise(beat * S, period_s * S, lit=lit)
            found.append(self.bars.place().beat_in_bar)
        return found


def push(
    samples: NDArray[np.floating], pipeline: Pipeline | None = None, sizes: Sequence[int] = (4096,), start: int = 0, epoch: int = 0
) -> list[Event]:
    pipeline = pipeline or Pipeline()
    events: list[Event] = []
    at = turn = 0
    while at < len(samples):
        size = sizes[turn % len(sizes)]
        block = np.asarray(samples[at : at + size], dtype=np.float32).copy()
        events += pipeline.push(AudioBlock(block, SampleIndex(start + at), epoch, None))
        at, turn = at + size, turn + 1
    return events


def beats_of(events: Sequence[Event]) -> list[Beat]:
    return [event for event in events if isinstance(event, Beat)]


def judged(music: synth.Song, told: Sequence[tuple[float, int | None]]) -> tuple[float, float]:
    """Share of the beats (s, place) that have a place, and of those the share that is right."""
    places = [(place, music.beat_in_bar[np.abs(music.beats_s - beat).argmin()]) for beat, place in told]
    known = [place == truth for place, truth in places if place is not None]
    return len(known) / len(places), float(np.mean(known)) if known else 0.0


@pytest.mark.parametrize(("name", "told"), [("rock", 0.7), ("waltz", 0.6), ("house", 0.05), ("bossa", 0.7), ("dnb", 0.7), ("swing", 0.3)])
def test_made_up_songs_get_the_right_places(name: str, told: float) -> None:
    music = song(name, 60.0)
    places = Room(music.samples).places(music.beats_s.tolist(), float(np.median(np.diff(music.beats_s))))
    share, right = judged(music, list(zip(music.beats_s.tolist(), places, strict=True)))
    assert share >= told
    assert right >= 0.97


def click_track(bpm: float, seconds: float = 40.0) -> NDArray[np.float32]:
    samples = np.zeros(int(seconds * S))
    decay = np.exp(-np.arange(2000) / 300.0) * np.sin(2.0 * np.pi * 1000.0 * np.arange(2000) / S)
    for beat in range(int(seconds * bpm / 60.0) - 1):
        at = round(beat * 60.0 / bpm * S)
        samples[at : at + 2000] += 0.5 * decay
    return samples.astype(np.float32)


@pytest.mark.parametrize("bpm", [90.0, 120.0, 150.0])
def test_clicks_without_accents_have_no_bars(bpm: float) -> None:
    beats = beats_of(push(click_track(bpm)))
    assert len(beats) > 30
    assert {beat.beat_in_bar for beat in beats} == {None}
    assert max(beat.bar_confidence for beat in beats) < 0.7


def test_noise_has_no_bars_whatever_beats_are_said_to_be_in_it() -> None:
    for seed in range(3):
        beats_s = np.arange(1.0, 59.0, BEAT_S).tolist()
        assert set(Room(synth.pink(60.0, -14.0, seed=seed)).places(beats_s, BEAT_S)) == {None}


def test_through_the_pipeline_the_places_are_right_and_known_ahead_of_the_beat() -> None:
    music = song("rock", 60.0)
    events = push(music.samples)
    beats = beats_of(events)
    share, right = judged(music, [(beat.sample / S, beat.beat_in_bar) for beat in beats])
    assert share > 0.6
    assert right > 0.97
    assert all(beat.bar_confidence >= STILL_SURE for beat in beats if beat.beat_in_bar is not None)
    assert all(beat.beat_in_bar is not None for beat in beats if beat.bar_confidence >= SURE)
    by_index = {beat.index: beat for beat in beats}
    grids = [event for event in events if isinstance(event, BeatGrid) and event.bar is not None]
    assert len(grids) > 100
    foretold = [(grid.bar.place(grid.next_index), by_index[grid.next_index]) for grid in grids if grid.next_index in by_index]
    assert np.mean([place == beat.beat_in_bar for place, beat in foretold]) > 0.95


@settings(max_examples=5, deadline=None)
@given(st.lists(st.sampled_from([64, 333, 441, 1024, 20000]), min_size=1, max_size=4))
def test_any_block_size_gives_the_same_places(sizes: list[int]) -> None:
    samples = song("rock", 16.0).samples
    assert beats_of(push(samples, sizes=sizes)) == beats_of(push(samples))


def test_thirty_decibels_down_are_the_same_places() -> None:
    samples = song("rock").samples
    loud, soft = beats_of(push(samples)), beats_of(push(samples * np.float32(10**-1.5)))
    assert [beat.beat_in_bar for beat in soft] == [beat.beat_in_bar for beat in loud]


def test_another_epoch_is_a_fresh_start() -> None:
    samples = song("rock", 20.0).samples
    pipeline = Pipeline()
    first = beats_of(push(samples, pipeline))
    again = beats_of(push(samples, pipeline, start=len(samples) + S, epoch=1))
    assert [(beat.beat_in_bar, beat.bar_confidence) for beat in again] == [(beat.beat_in_bar, beat.bar_confidence) for beat in first]


def test_a_short_gap_in_the_sound_leaves_the_count() -> None:
    music, pipeline, cut = song("rock", 60.0), Pipeline(), 40 * S
    beats = beats_of(push(music.samples[:cut], pipeline))
    assert beats[-1].beat_in_bar is not None
    lost = int(0.3 * S)
    after = beats_of(push(music.samples[cut + lost :], pipeline, start=cut + lost, epoch=1))
    share, right = judged(music, [(beat.sample / S, beat.beat_in_bar) for beat in after[:-1]])
    assert share > 0.9
    assert right == 1.0


def test_a_bar_goes_on_across_beats_left_out_and_not_across_half_a_beat() -> None:
    music = song("rock")
    beats_s, period_s = music.beats_s.tolist(), float(np.median(np.diff(music.beats_s)))
    room = Room(music.samples)
    places = room.places(beats_s[:40], period_s)
    assert places[-1] == music.beat_in_bar[39]
    assert room.places(beats_s[43:44], period_s) == [music.beat_in_bar[43]]
    assert room.places([beats_s[44] + 0.5 * period_s], period_s) == [None]


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_other_beats_have_other_bars(factor: float) -> None:
    music = song("rock")
    beats_s, period_s = music.beats_s.tolist(), float(np.median(np.diff(music.beats_s)))
    room = Room(music.samples)
    assert room.places(beats_s[:40], period_s)[-1] is not None
    assert room.places([beats_s[39] + factor * period_s], factor * period_s) == [None]


def test_what_was_lost_for_long_is_another_song() -> None:
    music = song("rock")
    beats_s, period_s = music.beats_s.tolist(), float(np.median(np.diff(music.beats_s)))
    room = Room(music.samples)
    room.places(beats_s[:40], period_s)
    assert room.places([beats_s[39] + (MISSED + 1) * period_s], period_s) == [None]


@pytest.mark.parametrize("named", [10, 11, 12, 13])
def test_a_persons_word_holds_whatever_is_heard(named: int) -> None:
    music = song("rock")
    beats_s, period_s = music.beats_s.tolist(), float(np.median(np.diff(music.beats_s)))
    room = Room(music.samples)
    room.places(beats_s[:12], period_s)
    room.bars.tell((beats_s[named] + 0.03) * S)
    places = room.places(beats_s[12:60], period_s)
    told = [(number, place) for number, place in enumerate(places, 12) if place is not None]
    assert len(told) > 36
    assert {(number - named) % 4 + 1 == place for number, place in told} == {True}
    assert any(place == 1 for _, place in told)


def test_in_the_dark_a_persons_word_is_over() -> None:
    music = song("rock")
    beats_s, period_s = music.beats_s.tolist(), float(np.median(np.diff(music.beats_s)))
    wrong = next(number for number in range(20, 30) if music.beat_in_bar[number] == 3)
    room = Room(music.samples)
    room.places(beats_s[:28], period_s)
    room.bars.tell(beats_s[wrong] * S)
    assert room.places(beats_s[28:32], period_s)[-1] == (31 - wrong) % 4 + 1
    after = room.places(beats_s[32:], period_s, lit=False)
    assert after[-1] in {None, music.beat_in_bar[len(beats_s) - 1]}


def test_a_downbeat_by_word_reaches_the_beats_of_the_pipeline() -> None:
    samples = click_track(120.0, 24.0)
    pipeline = Pipeline()
    before = beats_of(push(samples[: 12 * S], pipeline))
    pipeline.steer(Steering(Tempi(), downbeat_at=float(before[-2].sample)))
    after = []
    for at in range(12 * S, len(samples), 4096):
        after += beats_of(pipeline.push(AudioBlock(samples[at : at + 4096].copy(), SampleIndex(at), 0, None)))
    numbers = [(beat.index - before[-2].index) % 4 + 1 for beat in after]
    told = [(beat.beat_in_bar, number) for beat, number in zip(after, numbers, strict=True) if beat.beat_in_bar is not None]
    assert len(told) > 10
    assert all(place == number for place, number in told)


def test_nobody_can_speak_before_there_is_a_beat() -> None:
    bars = Bars(71)
    bars.tell(1000.0)
    assert bars.place().beat_in_bar is None
    assert bars.forecast(0) is None


def test_the_filter_counts_on_and_forgets() -> None:
    told = BarFilter()
    told.tell(0)
    assert PLACES[int(told.belief.argmax())] == (4, 1)
    told.count(5)
    assert PLACES[int(told.belief.argmax())] == (4, 2)
    certain = float(told.belief.max())
    told.doubt()
    told.count(400)
    assert float(told.belief.max()) < 0.6 < certain


@given(st.lists(st.lists(st.floats(-50.0, 50.0), min_size=18, max_size=18), max_size=20), st.integers(-30, 30))
def test_belief_stays_a_belief_whatever_is_heard(beats: list[list[float]], ago: int) -> None:
    belief = BarFilter()
    for unusual in beats:
        belief.hear(np.array(unusual), 1.0)
        belief.count(1)
    belief.tell(ago)
    assert belief.belief.sum() == pytest.approx(1.0)
    assert (belief.belief >= 0.0).all()


def test_usual_is_what_all_beats_have() -> None:
    usual = Usual()
    heard = np.tile([[3.0] + 17 * [0.5], [3.0] + 17 * [0.1]], (20, 1))
    unusual = np.array([usual.against(row) for row in heard])
    assert unusual[0] == pytest.approx(np.zeros(18))
    assert np.abs(unusual[:, 0]).max() < 1e-9
    assert (unusual[20::2, 1:] > 0.3).all()
    assert (unusual[21::2, 1:] < -0.3).all()
    assert usual.against(np.full(18, np.nan)) == pytest.approx(np.zeros(18))


@pytest.mark.parametrize(("metre", "sign"), [(3, 1.0), (4, -1.0)])
def test_recurrence_tells_threes_from_fours(metre: int, sign: float) -> None:
    recurrence = Recurrence()
    pattern = np.random.default_rng(3).normal(0.0, 1.0, (metre, 18))
    pattern -= pattern.mean(axis=0)
    says = [recurrence.hear(pattern[number % metre]) for number in range(40)]
    assert says[:8] == [0.0] * 8
    assert np.sign(np.mean(says[8:])) == sign
    assert abs(np.mean(says[8:])) > 0.3


def test_bars_are_a_line_of_numbers() -> None:
    bar = Bar(3, 10)
    assert [bar.place(number) for number in range(8, 14)] == [2, 3, 1, 2, 3, 1]
    assert bar.shifted(5).place(15) == 1
