from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from k1edge.audio import synth
from k1edge.audio.resample import Resampler
from k1edge.audio.source import AudioBlock
from k1edge.beat.pipeline import Event, Pipeline
from k1edge.beat.tempo import Tempi
from k1edge.events import Beat, BeatGrid, LockState
from k1edge.timebase import SAMPLE_RATE_HZ, SampleIndex

S = SAMPLE_RATE_HZ


@cache
def drums() -> synth.Song:
    return synth.song("rock", seconds=14.0)


def push(
    samples: NDArray[np.floating], pipeline: Pipeline | None = None, sizes: Sequence[int] = (4096,), start: int = 0, epoch: int = 0
) -> list[Event]:
    pipeline = pipeline or Pipeline()
    samples = np.asarray(samples, dtype=np.float32)
    events: list[Event] = []
    at = turn = 0
    while at < len(samples):
        size = sizes[turn % len(sizes)]
        events += pipeline.push(AudioBlock(samples[at : at + size].copy(), SampleIndex(start + at), epoch, None))
        at += size
        turn += 1
    return events


def beats_of(events: Iterable[Event]) -> list[Beat]:
    return [e for e in events if isinstance(e, Beat)]


def grids_of(events: Iterable[Event]) -> list[BeatGrid]:
    return [e for e in events if isinstance(e, BeatGrid)]


@cache
def reference() -> tuple[Event, ...]:
    return tuple(push(drums().samples))


@settings(max_examples=8, deadline=None)
@given(st.lists(st.sampled_from([1, 64, 333, 441, 512, 1024, 4096, 20000]), min_size=1, max_size=5))
def test_any_block_size_gives_the_same_events(sizes: list[int]) -> None:
    cut = 4 * S if 1 in sizes or 64 in sizes else len(drums().samples)
    expected = [e for e in reference() if e.heard <= cut]
    assert push(drums().samples[:cut], sizes=sizes) == expected


def test_beats_are_committed_ahead_in_order_and_lie_on_the_music() -> None:
    beats = beats_of(reference())
    assert [b.index for b in beats] == list(range(len(beats)))
    assert all(b.sample > a.sample and b.heard >= a.heard for a, b in pairwise(beats))
    assert all(b.heard <= b.sample <= b.heard + 0.1 * S for b in beats)
    assert beats[0].sample < 5 * S
    truth = drums().beats_s
    errors_ms = [1e3 * (b.sample / S - truth[np.argmin(np.abs(truth - b.sample / S))]) for b in beats[:-1]]
    assert np.median(errors_ms) == pytest.approx(0.0, abs=5.0)
    assert np.quantile(np.abs(errors_ms), 0.95) < 20.0
    assert np.median([b.bpm for b in beats]) == pytest.approx(118.0, abs=0.5)
    assert beats[-1].confidence > 0.8
    assert all(0.0 <= b.confidence <= 1.0 and 0.0 <= b.strength <= 1.0 for b in beats)


def test_the_grid_continues_the_committed_numbers_and_forecasts_the_next_beats() -> None:
    next_index = 0
    for event in reference():
        if isinstance(event, Beat):
            next_index = event.index + 1
        elif isinstance(event, BeatGrid):
            assert event.next_index == next_index
            assert (event.timeline is not None) == (event.lock in {LockState.LOCKED, LockState.HOLDING})
    grids = [g for g in grids_of(reference()) if g.lock is LockState.LOCKED]
    beats = {b.index: b for b in beats_of(reference())}
    late = [g for g in grids if g.heard > 6 * S and g.next_index + 1 in beats]
    off_ms = [abs(g.timeline.time_at(g.next_index + 1) - beats[g.next_index + 1].sample) / S * 1e3 for g in late]
    assert np.quantile(off_ms, 0.95) < 20.0
    assert -40.0 < late[-1].level_dbfs < 0.0


def test_thirty_decibels_down_are_the_same_beats() -> None:
    loud, soft = beats_of(reference()), beats_of(push(drums().samples * np.float32(10**-1.5)))
    assert len(loud) == len(soft)
    assert max(abs(a.sample - b.sample) for a, b in zip(loud, soft, strict=True)) < 0.010 * S


@pytest.mark.parametrize("rate_hz", [22_050, 48_000])
@pytest.mark.parametrize("name", ["rock", "house", "swing"])
def test_the_sources_rate_changes_no_beat(name: str, rate_hz: int) -> None:
    samples = synth.song(name, seconds=20.0).samples
    original = beats_of(push(samples))
    recorded = np.asarray(soxr.resample(samples, SAMPLE_RATE_HZ, rate_hz), dtype=np.float32)
    resampler = Resampler(rate_hz, 1)
    copy = beats_of(push(np.concatenate([resampler.push(recorded), resampler.flush()])))
    assert len(copy) == len(original) > 20
    assert max(abs(a.sample - b.sample) for a, b in zip(copy, original, strict=True)) < 0.015 * S


def test_reset_and_a_new_epoch_give_a_fresh_start_with_numbers_going_on() -> None:
    pipeline = Pipeline()
    first = push(drums().samples, pipeline)
    assert [b.index for b in beats_of(first)] == list(range(len(beats_of(first))))
    offset = len(drums().samples) + S + 12345
    again = push(drums().samples, pipeline, start=offset, epoch=1)
    assert [b.sample - offset for b in beats_of(again)] == [b.sample for b in beats_of(first)]
    assert [b.bpm for b in beats_of(again)] == pytest.approx([b.bpm for b in beats_of(first)])
    assert beats_of(again)[0].index == beats_of(first)[-1].index + 1
    pipeline.reset()
    assert grids_of(push(np.zeros(S), pipeline, start=3 * offset, epoch=1))[-1].lock is LockState.UNLOCKED


def test_fault_27_a_gap_in_mid_song_is_not_bridged() -> None:
    pipeline = Pipeline()
    push(drums().samples[: 8 * S], pipeline)
    after = push(drums().samples[8 * S :], pipeline, start=9 * S, epoch=1)
    assert grids_of(after)[0].lock is LockState.UNLOCKED
    assert not [b for b in beats_of(after) if b.sample < 10 * S]


@pytest.mark.parametrize(
    ("sound", "most"),
    [
        (synth.silence(30.0), 0),
        (synth.hiss(30.0, seed=1), 0),
        (synth.speech_like(30.0, seed=4), 0),
        (synth.applause_like(30.0, seed=4), 0),
        (synth.white(30.0, -12.0, seed=4), 2),
        (synth.hum(30.0, -20.0), 0),
        (synth.pink(30.0, -20.0, seed=4), 0),
        (synth.drone(30.0, seed=4), 0),
    ],
    ids=["silence", "hiss", "speech", "applause", "white", "hum", "pink", "drone"],
)
def test_fault_29_what_is_no_music_has_no_beats(sound: NDArray[np.float32], most: int) -> None:
    assert len(beats_of(push(sound))) <= most


def test_digital_silence_has_no_level() -> None:
    assert grids_of(push(np.zeros(S)))[-1].level_dbfs is None


def test_fault_55_silence_after_music_is_held_and_then_dark_and_music_comes_back_at_its_tempo() -> None:
    music = drums().samples
    events = push(np.concatenate([music, np.zeros(8 * S, dtype=np.float32), music]))
    end = len(music)
    silent = [g for g in grids_of(events) if end + S // 2 < g.heard < end + 8 * S]
    assert silent[0].lock is LockState.HOLDING
    assert silent[-1].lock is LockState.UNLOCKED
    held = [b for b in beats_of(events) if end < b.sample < end + 8 * S]
    assert 1 <= len(held) <= 8
    back = [b for b in beats_of(events) if b.sample > end + 8 * S]
    assert back[0].sample < end + 11 * S
    assert back[0].bpm == pytest.approx(118.0, rel=0.03)


def test_after_four_bars_of_silence_the_beat_is_expected_where_it_returns() -> None:
    song = drums()
    middle = song.beats_s[24]
    pipeline = Pipeline()
    bars_s = 16 * 60.0 / 118.0
    sound = np.concatenate([song.samples[: round(middle * S)], np.zeros(round(bars_s * S), dtype=np.float32)])
    for start in range(0, len(sound) // 441 * 441, 441):
        pipeline.push(AudioBlock(sound[start : start + 441], SampleIndex(start), 0, None))
    wheel = pipeline.flywheel()
    off_beats = wheel.beat_at((middle + bars_s) * S)
    assert abs(off_beats - round(off_beats)) * wheel.period / S < 0.02


def test_a_tempo_step_is_followed_within_three_seconds() -> None:
    song = synth.song("tempo_step", seconds=24.0)
    step_s = song.sections[1].start_s
    late = [b.sample / S for b in beats_of(push(song.samples)) if step_s + 3.0 < b.sample / S < 23.5]
    assert len(late) > 10
    assert max(np.min(np.abs(song.beats_s - t)) for t in late) < 0.05


@pytest.mark.parametrize("lead_ms", [-1.0, 251.0])
def test_a_lead_out_of_range_is_refused(lead_ms: float) -> None:
    with pytest.raises(ValueError, match="lead_ms"):
        Pipeline(lead_ms)


@pytest.mark.parametrize("lead_ms", [0.0, 200.0])
def test_the_lead_is_kept(lead_ms: float) -> None:
    beats = beats_of(push(drums().samples, Pipeline(lead_ms)))
    assert len(beats) > 15
    assert all(0 <= b.sample - b.heard <= max(lead_ms, 10.0) * 1e-3 * S + 1 for b in beats)


def test_a_tempo_above_bpm_max_is_tracked_at_half() -> None:
    samples = synth.song("house", seconds=16.0, bpm=140.0).samples
    whole, half = (beats_of(push(samples, pipeline)) for pipeline in (Pipeline(), Pipeline(tempi=Tempi(bpm_max=100.0))))
    assert np.median([b.bpm for b in whole]) == pytest.approx(140.0, abs=1.0)
    assert np.median([b.bpm for b in half]) == pytest.approx(70.0, abs=0.5)
    assert max(b.bpm for b in half) < 101.0


def test_a_range_of_tempi_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="bpm_min"):
        Pipeline(tempi=Tempi(100.0, 120.0))
