import numpy as np
import pytest
from numpy.typing import NDArray

from k1edge.audio import synth
from k1edge.beat.evidence import FLUX_LATER, OFF_BEAT_SHARPNESS, SHARPNESS, Evidence, Way, listener
from k1edge.beat.spectrum import HOP, Novelty, NoveltyDetector, Spectrum
from k1edge.timebase import SAMPLE_RATE_HZ

WAYS: list[Way] = ["network", "flux"]


def told(way: Way, samples: NDArray[np.floating]) -> list[Evidence]:
    spectrum = Spectrum()
    novelty, ears = NoveltyDetector(spectrum.bands), listener(way, spectrum.bands)
    found = []
    for hop in np.asarray(samples, dtype=np.float32)[: len(samples) // HOP * HOP].reshape(-1, HOP):
        bands = spectrum.process(hop)
        found.append(ears.weigh(novelty.process(bands), bands))
    return found


def test_flux_alone_is_the_novelty_sharpened() -> None:
    evidence = listener("flux", 71).weigh(Novelty(0.4, 0.3, -0.2, 0.01), np.zeros(71, dtype=np.float32))
    assert (evidence.on_beat, evidence.off_beat, evidence.bet, evidence.stirs) == (SHARPNESS * 0.3, OFF_BEAT_SHARPNESS * -0.2, 0.3, True)


def test_the_network_waits_and_says_by_how_much() -> None:
    flux, network = listener("flux", 71), listener("network", 71)
    assert network.delay_samples - flux.delay_samples == FLUX_LATER * HOP


@pytest.mark.parametrize("way", WAYS)
def test_evidence_is_zero_mean_and_greatest_where_the_beats_are(way: Way) -> None:
    song = synth.song("rock", seed=2, seconds=20.0)
    evidence = told(way, song.samples)
    on_beat = np.array([each.on_beat for each in evidence])
    assert abs(on_beat[500:].mean()) < 0.1
    delay_hops = listener(way, 71).delay_samples / HOP
    hops = [round(beat * SAMPLE_RATE_HZ / HOP + delay_hops) for beat in song.beats_s if 5.0 < beat < 19.5]
    at_beats = np.array([on_beat[hop - 1 : hop + 4].max() for hop in hops])
    assert np.median(at_beats) > np.percentile(on_beat[500:], 90)


@pytest.mark.parametrize("way", WAYS)
def test_a_listener_begins_afresh(way: Way) -> None:
    samples = synth.song("bossa", seed=5, seconds=4.0).samples
    assert told(way, samples) == told(way, samples)


@pytest.mark.parametrize("way", WAYS)
def test_after_a_gap_what_rose_before_it_is_not_waited_for(way: Way) -> None:
    ears = listener(way, 71)
    quiet = np.full(71, 1e-3, dtype=np.float32)
    for _ in range(200):
        ears.weigh(Novelty(0.0, 0.0, 0.0, 0.0), quiet)
    ears.weigh(Novelty(1.0, 0.9, 0.5, 0.1), quiet)
    ears.resume(quiet)
    assert not any(ears.weigh(Novelty(0.0, 0.0, 0.0, 0.0), quiet).stirs for _ in range(6))
