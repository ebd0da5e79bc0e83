from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from k1edge.audio import synth
from k1edge.beat.activation import DELAY_HOPS, LAGS, RISE_GAIN, RISE_SCALE, TONE_GAIN, Inputs, Network
from k1edge.beat.spectrum import HOP, Spectrum

BANDS = 71


def bands_of(samples: NDArray[np.floating]) -> list[NDArray[np.float32]]:
    spectrum = Spectrum()
    whole = np.asarray(samples, dtype=np.float32)
    return [spectrum.process(hop) for hop in whole[: len(whole) // HOP * HOP].reshape(-1, HOP)]


def chances_of(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    inputs, network = Inputs(BANDS), Network()
    return np.array([network.process(inputs.process(bands)) for bands in bands_of(samples)])


def test_inputs_are_tones_in_pairs_and_rises_of_each_band() -> None:
    rng = np.random.default_rng(3)
    before, now = rng.random((2, BANDS)).astype(np.float32)
    inputs = Inputs(BANDS)
    inputs.process(before)
    heard = inputs.process(now)
    assert heard.shape == (36 + BANDS,) == (inputs.size,)
    loudest = max(now.sum(), before.sum() * np.exp(-1.0 / 800.0))
    padded = np.append(now / loudest, 0.0)
    np.testing.assert_allclose(heard[:36], np.log1p((padded[0::2] + padded[1::2]) * TONE_GAIN), rtol=1e-4)
    past = np.log1p(before / before.sum() * RISE_GAIN)
    wide = np.max([past, np.append(past[1:], 0.0), np.insert(past[:-1], 0, 0.0)], axis=0)
    expected = np.maximum(np.log1p(now / loudest * RISE_GAIN) - wide, 0.0) * RISE_SCALE
    np.testing.assert_allclose(heard[36:], expected, rtol=1e-3, atol=1e-5)


def test_after_a_gap_nothing_has_risen_and_the_next_hop_is_compared_as_ever() -> None:
    rng = np.random.default_rng(4)
    one, other, third = rng.random((3, BANDS)).astype(np.float32)
    cut, whole = Inputs(BANDS), Inputs(BANDS)
    for inputs in (cut, whole):
        inputs.process(one)
    assert not cut.resume(other)[36:].any()
    assert whole.process(other)[36:].any()
    np.testing.assert_array_equal(cut.process(third), whole.process(third))


def test_the_network_is_its_weights_written_out() -> None:
    rng = np.random.default_rng(5)
    network, inputs = Network(), rng.random((150, 107)).astype(np.float32)
    told = [network.process(row) for row in inputs][-1]
    with np.load(str(files("k1edge.beat") / "activation.npz")) as stored:
        w = {name: stored[name].astype(np.float64) for name in stored.files}
    dense = np.maximum(inputs @ w["dense.weight"].T + w["dense.bias"], 0.0)
    hidden = np.concatenate([dense[-1 - lag] for lag in LAGS])
    for layer in ("layers.0", "layers.1"):
        hidden = np.maximum(w[f"{layer}.weight"] @ hidden + w[f"{layer}.bias"], 0.0)
    expected = 1.0 / (1.0 + np.exp(-(w["heads.weight"] @ hidden + w["heads.bias"])))
    np.testing.assert_allclose(told, expected, rtol=1e-4, atol=1e-6)


def test_its_weights_are_small() -> None:
    assert len((files("k1edge.beat") / "activation.npz").read_bytes()) < 400_000


def test_a_beat_is_told_four_hops_after_it_and_its_middle_is_not_taken_for_one() -> None:
    song = synth.song("house", seed=3, seconds=20.0)
    chances = chances_of(song.samples)
    beats = [round(beat * 100.0) + DELAY_HOPS for beat in song.beats_s if 3.0 < beat < 19.0]
    middles = [(a + b) // 2 for a, b in pairwise(beats)]
    at_beats, at_middles = (np.array([chances[hop - 2 : hop + 3, 0].max() for hop in hops]) for hops in (beats, middles))
    assert np.median(at_beats) > 0.6
    assert np.mean(at_beats[:-1] > at_middles) > 0.9


@pytest.mark.parametrize("gain_db", [-30.0, -12.0])
def test_loudness_does_not_matter(gain_db: float) -> None:
    samples = synth.song("rock", seed=3, seconds=6.0).samples
    np.testing.assert_allclose(chances_of(samples * 10.0 ** (gain_db / 20.0)), chances_of(samples), atol=2e-3)
