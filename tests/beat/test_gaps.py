"""Gaps in the sound: short ones are bridged by time alone, after long ones the tracker begins anew."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1edge.audio import synth
from k1edge.audio.source import AudioBlock
from k1edge.beat.pipeline import Event, Pipeline
from k1edge.events import Beat, BeatGrid, LockState
from k1edge.timebase import SAMPLE_RATE_HZ, SampleIndex

S = SAMPLE_RATE_HZ


@cache
def song() -> synth.Song:
    return synth.song("rock", seconds=24.0)


def push_with_gaps(
    gap: int, every_s: float = 3.0, sizes: Sequence[int] = (512,), first_s: float = 6.0, until_s: float = 24.0
) -> list[Event]:
    """The song with `gap` samples cut out from `first_s` on every `every_s`; an epoch begins after each."""
    samples = song().samples[: round(until_s * S)]
    cuts = [round(t * S) + 77 for t in np.arange(first_s, until_s - 1.0, every_s)]
    pipeline = Pipeline()
    events: list[Event] = []
    starts, stops = [0, *(cut + gap for cut in cuts)], [*cuts, len(samples)]
    turn = 0
    for epoch, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        at = start
        while at < stop:
            block = samples[at : min(at + sizes[turn % len(sizes)], stop)]
            events += pipeline.push(AudioBlock(block.copy(), SampleIndex(at), epoch, None))
            at += len(block)
            turn += 1
    return events


def beats_of(events: list[Event]) -> list[Beat]:
    return [e for e in events if isinstance(e, Beat)]


@pytest.mark.parametrize("gap_ms", [0, 5, 20, 100, 400])
def test_fault_27_short_gaps_keep_the_lock_and_the_beats(gap_ms: int) -> None:
    events = push_with_gaps(gap_ms * S // 1000)
    late = [e for e in events if e.heard > 6 * S]
    assert {e.lock for e in late if isinstance(e, BeatGrid)} <= {LockState.LOCKED, LockState.HOLDING}
    beats = beats_of(late)
    errors_s = [np.min(np.abs(song().beats_s - b.sample / S)) for b in beats if b.sample < 23.5 * S]
    assert max(errors_s) < 0.025
    assert all(b.heard <= b.sample for b in beats)
    # a beat is missing only where it fell into the gap, and then its number is missing too
    gaps_in_beats = [(b.sample - a.sample) / S * song().beat_bpm[0] / 60.0 for a, b in pairwise(beats)]
    assert [round(g) for g in gaps_in_beats] == [b.index - a.index for a, b in pairwise(beats)]
    assert len(beats) >= len(song().beats_s[(song().beats_s > 6.2) & (song().beats_s < 23.5)]) - (6 if gap_ms > 100 else 0)


def test_a_cut_is_no_onset() -> None:
    whole = {e.sample for e in push_with_gaps(0, every_s=99.0, first_s=22.0) if not isinstance(e, BeatGrid | Beat)}
    cut = [e for e in push_with_gaps(20 * S // 1000) if not isinstance(e, BeatGrid | Beat)]
    assert len(cut) > 20
    assert not [e for e in cut if min(abs(e.sample - w) for w in whole) > 0.03 * S]


@settings(max_examples=6, deadline=None)
@given(st.lists(st.sampled_from([64, 100, 441, 1024, 4096, 50000]), min_size=1, max_size=4), st.integers(0, S // 2 - 441))
def test_any_block_size_gives_the_same_events_across_gaps(sizes: list[int], gap: int) -> None:
    assert push_with_gaps(gap, 1.5, sizes, 5.0, 8.0) == push_with_gaps(gap, 1.5, (512,), 5.0, 8.0)


@pytest.mark.parametrize("gap_s", [-1.0, 0.6, 2.0])
def test_fault_27_a_long_gap_or_a_jump_back_is_a_fresh_start(gap_s: float) -> None:
    pipeline = Pipeline()
    before = pipeline.push(AudioBlock(song().samples[: 8 * S].copy(), SampleIndex(10 * S), 0, None))
    assert [e.lock for e in before if isinstance(e, BeatGrid)][-1] is LockState.LOCKED
    start = SampleIndex(round((18.0 + gap_s) * S))
    after = pipeline.push(AudioBlock(song().samples[8 * S : 10 * S].copy(), start, 1, None))
    grid = next(e for e in after if isinstance(e, BeatGrid))
    assert grid.lock is LockState.UNLOCKED
    assert grid.next_index == beats_of(before)[-1].index + 1
