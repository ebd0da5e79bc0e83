import numpy as np
import pytest
from numpy.typing import NDArray

from k1edge.audio import synth
from k1edge.beat.spectrum import HOP, WINDOW, Novelty, NoveltyDetector, Spectrum, filterbank
from k1edge.timebase import SAMPLE_RATE_HZ


def hops(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(samples, dtype=np.float32)[: len(samples) // HOP * HOP].reshape(-1, HOP)


def novelties(samples: NDArray[np.floating]) -> list[Novelty]:
    spectrum = Spectrum()
    detector = NoveltyDetector(spectrum.bands)
    return [detector.process(spectrum.process(hop)) for hop in hops(samples)]


def click_every(period: int, count: int) -> NDArray[np.float32]:
    samples = np.zeros(period * count, dtype=np.float32)
    samples[period - 1 :: period] = 0.8
    return samples


def test_filters_are_71_triangles_of_unit_area_that_overlap_without_holes() -> None:
    bank = filterbank()
    assert bank.shape == (71, WINDOW // 2 + 1)
    np.testing.assert_allclose(bank.sum(axis=1), 1.0, rtol=1e-5)
    covered = np.flatnonzero(bank.sum(axis=0))
    assert np.all(np.diff(covered) == 1)


def test_bands_equal_the_dense_product_of_the_bank_with_the_windowed_spectrum() -> None:
    rng = np.random.default_rng(7)
    samples = rng.standard_normal(HOP * 6).astype(np.float32)
    spectrum = Spectrum()
    for hop in hops(samples):
        bands = spectrum.process(hop)
    hann = np.hanning(WINDOW + 1)[:-1]
    expected = filterbank() @ np.abs(np.fft.rfft(samples[-WINDOW:] * hann * 2.0 / hann.sum()))
    np.testing.assert_allclose(bands, expected, rtol=2e-3)


@pytest.mark.parametrize("hz", [60.0, 440.0, 5000.0])
def test_a_tone_lights_the_band_at_its_pitch(hz: float) -> None:
    time_s = np.arange(HOP * 8) / SAMPLE_RATE_HZ
    spectrum = Spectrum()
    for hop in hops(0.5 * np.sin(2 * np.pi * hz * time_s)):
        bands = spectrum.process(hop)
    peak_bins = np.flatnonzero(filterbank()[int(np.argmax(bands))])
    assert peak_bins[0] - 1 <= hz * WINDOW / SAMPLE_RATE_HZ <= peak_bins[-1] + 1


def test_novelty_of_clicks_peaks_once_per_click_and_is_zero_mean() -> None:
    found = novelties(click_every(22050, 12))
    flux = np.array([n.flux for n in found])
    peaks = np.flatnonzero((flux[1:-1] > 0.5) & (flux[1:-1] >= flux[2:]) & (flux[1:-1] > flux[:-2]))
    np.testing.assert_array_equal(np.diff(peaks)[1:], 50)
    evidence = np.array([n.evidence for n in found[300:]])
    assert abs(evidence.mean()) < 0.02
    assert flux.min() >= 0.0
    assert flux.max() <= 1.0


def test_a_steady_tone_brings_no_rise_after_it_has_begun() -> None:
    time_s = np.arange(3 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    raw = np.array([n.raw for n in novelties(0.5 * np.sin(2 * np.pi * 440.0 * time_s))])
    assert raw[100:].max() < 1e-4


def test_silence_and_the_beginning_of_a_stream_are_no_attacks() -> None:
    assert all(n.flux == 0.0 and n.raw == 0.0 for n in novelties(np.zeros(SAMPLE_RATE_HZ)))
    loud_from_the_start = np.sin(2 * np.pi * 200.0 * np.arange(SAMPLE_RATE_HZ // 4) / SAMPLE_RATE_HZ)
    assert max(n.raw for n in novelties(loud_from_the_start)) < 5e-3


def test_gain_cancels_out() -> None:
    samples = synth.song("rock", seconds=6.0).samples
    loud = np.array([n.evidence for n in novelties(samples)])
    soft = np.array([n.evidence for n in novelties(samples * np.float32(0.03))])
    np.testing.assert_allclose(soft, loud, atol=2e-3)


def test_a_bass_drum_sounds_like_a_beat_and_a_cymbal_like_an_off_beat() -> None:
    time_s = np.arange(HOP * 5) / SAMPLE_RATE_HZ
    fade = np.exp(-time_s * 40.0)
    samples = np.zeros(SAMPLE_RATE_HZ * 6, dtype=np.float32)
    rng = np.random.default_rng(1)
    for beat in range(20, 560, 50):
        samples[beat * HOP : (beat + 5) * HOP] += 0.5 * np.sin(2 * np.pi * 90.0 * time_s) * fade
        hiss = np.diff(rng.standard_normal(HOP * 5 + 2), 2)  # little below 4 kHz
        samples[(beat + 25) * HOP : (beat + 30) * HOP] += 0.05 * hiss * fade
    found = novelties(samples)[:570]
    drums = [max(found[hop : hop + 6], key=lambda n: n.evidence) for hop in range(220, 560, 50)]
    cymbals = [max(found[hop : hop + 6], key=lambda n: n.off_beat) for hop in range(245, 560, 50)]
    assert min(n.evidence for n in drums) > 0.5
    assert min(n.off_beat for n in cymbals) > 0.5
    assert max(n.off_beat for n in drums) < min(n.off_beat for n in cymbals) - 0.3


def test_hum_whose_lines_beat_with_the_hops_is_no_evidence() -> None:
    found = novelties(synth.hum(10.0, -20.0))[300:]
    assert max(n.flux for n in found) < 0.15
