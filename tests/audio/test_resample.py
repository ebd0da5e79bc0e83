"""The resampler: the same samples for every way of cutting the input, each at its exact place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1edge.audio.resample import Resampler
from k1edge.timebase import SAMPLE_RATE_HZ

RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000)


def _noise(frames: int, channels: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.2, (frames, channels)).astype(np.float32)


def _cut(resampler: Resampler, frames: np.ndarray, sizes: list[int]) -> np.ndarray:
    parts, at, turn = [], 0, 0
    while at < len(frames):
        size = sizes[turn % len(sizes)]
        parts.append(resampler.push(frames[at : at + size]))
        at, turn = at + size, turn + 1
    parts.append(resampler.flush())
    return np.concatenate(parts)


@settings(max_examples=60, deadline=None)
@given(rate=st.sampled_from(RATES), channels=st.integers(1, 3), sizes=st.lists(st.integers(1, 3_000), min_size=1, max_size=5))
def test_any_cutting_gives_the_same_bits(rate: int, channels: int, sizes: list[int]) -> None:
    frames = _noise(rate // 8 + 17, channels)
    whole = _cut(Resampler(rate, channels), frames, [len(frames)])
    assert np.array_equal(whole, _cut(Resampler(rate, channels), frames, sizes))


@pytest.mark.parametrize("rate", RATES)
def test_an_impulse_stays_at_its_time(rate: int) -> None:
    at = rate // 3
    frames = np.zeros(rate, np.float32)
    frames[at] = 1.0
    out = np.abs(_cut(Resampler(rate, 1), frames, [rate // 100]))
    peak = int(np.argmax(out))
    before, top, after = (float(out[peak + step]) for step in (-1, 0, 1))
    vertex = peak + 0.5 * (before - after) / (before - 2 * top + after)
    assert vertex == pytest.approx(at * SAMPLE_RATE_HZ / rate, abs=0.5)
    assert len(out) == pytest.approx(SAMPLE_RATE_HZ, abs=1)


@pytest.mark.parametrize("rate", RATES)
def test_latency_is_known_and_small(rate: int) -> None:
    resampler = Resampler(rate, 1)
    worst_ms, got = 0.0, 0
    frames = _noise(rate, 1)
    for at in range(0, rate, rate // 100):
        got += len(resampler.push(frames[at : at + rate // 100]))
        pushed = min(rate, at + rate // 100)
        assert resampler.latency_frames == pytest.approx(max(0.0, pushed - got * rate / SAMPLE_RATE_HZ), abs=1e-6)
        worst_ms = max(worst_ms, resampler.latency_frames / rate * 1e3)
    assert worst_ms < (12.0 if rate >= 32_000 else 25.0 if rate >= 11_025 else 80.0)
    assert rate != SAMPLE_RATE_HZ or worst_ms == 0.0


def test_own_rate_passes_through_untouched() -> None:
    frames = _noise(1_000, 1)[:, 0]
    assert np.array_equal(Resampler(SAMPLE_RATE_HZ, 1).push(frames), frames)


def test_output_is_the_callers_own() -> None:
    frames = _noise(1_000, 1)
    out = Resampler(SAMPLE_RATE_HZ, 1).push(frames)
    before = out.copy()
    frames[:] = 9.0
    assert np.array_equal(out, before)


def test_channels_are_averaged() -> None:
    frames = _noise(500, 2)
    out = Resampler(SAMPLE_RATE_HZ, 2).push(frames)
    assert np.allclose(out, (frames[:, 0] + frames[:, 1]) / 2, atol=1e-7)


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_fault_29_nan_inf_and_absurd_samples_are_silenced_and_counted(rate: int) -> None:
    frames = np.zeros((4_800, 2), np.float32)
    frames[100, 0], frames[101, 1], frames[102, 0], frames[103, 0] = np.nan, np.inf, -np.inf, 3e38
    resampler = Resampler(rate, 2)
    out = np.concatenate((resampler.push(frames), resampler.flush()))
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= 16.0
    assert resampler.bad_samples == 4
    assert np.isnan(frames[100, 0]), "the caller's buffer was written to"


def test_reset_gives_a_fresh_start() -> None:
    frames = _noise(7_777, 1)
    resampler = Resampler(48_000, 1)
    first = np.concatenate((resampler.push(frames), resampler.flush()))
    with pytest.raises(ValueError, match="flushed"):
        resampler.push(frames)
    assert len(resampler.flush()) == 0
    resampler.reset()
    assert np.array_equal(first, np.concatenate((resampler.push(frames), resampler.flush())))


def test_refuses_what_no_device_has() -> None:
    with pytest.raises(ValueError, match="rate"):
        Resampler(100, 1)
    with pytest.raises(ValueError, match="channels"):
        Resampler(48_000, 0)
    with pytest.raises(ValueError, match="2 channels"):
        Resampler(48_000, 1).push(np.zeros((4, 2), np.float32))
