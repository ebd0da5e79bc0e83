import numpy as np
import pytest
from numpy.typing import NDArray

from k1edge.audio import synth
from k1edge.beat.accent import FEATURES, Features, Listener
from k1edge.beat.spectrum import HOP, Spectrum
from k1edge.timebase import SAMPLE_RATE_HZ

S = SAMPLE_RATE_HZ
GOLDEN = (
    0.2962, 0.3826, 0.1044, 0.0046, 0.0045, 0.1106, 0.0475, 0.0028, 0.0008, 0.0028,
    0.4319, 0.1896, 0.2633, 0.3005, 0.1235, 0.1151, 0.0317, 0.0140,
)  # fmt: skip
"""The thirteenth beat of a rock song: bass drum, and a new chord."""


def described(samples: NDArray[np.float32], beats_s: NDArray[np.float64], gap: range = range(0)) -> list[Features | None]:
    """Every beat but the last two, when the one after next is 0.1 s away; hops in `gap` are left out."""
    listener, spectrum = Listener(71), Spectrum()
    found: list[Features | None] = []
    beats = beats_s * S
    for hop in range(len(samples) // HOP):
        bands = spectrum.process(samples[hop * HOP : (hop + 1) * HOP])
        now = (hop + 1) * HOP
        if hop not in gap:
            listener.hear(bands, now)
        while len(found) + 2 < len(beats) and now >= beats[len(found) + 2] - 0.1 * S:
            found.append(listener.describe(beats[len(found)], beats[len(found) + 1]))
    return found


def of(name: str, found: list[Features | None], first: int, step: int) -> float:
    """Mean of a feature over the beats `first`, `first` + `step`, ... from the ninth on."""
    values = [each[FEATURES.index(name)] for each in found[8 + first :: step] if each is not None]
    return float(np.mean(values))


def tones(pitches_hz: list[float], beat_s: float) -> NDArray[np.float32]:
    """One soft tone a beat."""
    at = np.arange(int(beat_s * S)) / S
    shape = np.minimum(1.0, at / 0.01) * np.minimum(1.0, (beat_s - at) / 0.01)
    return np.concatenate([0.2 * shape * np.sin(2 * np.pi * hz * at) for hz in pitches_hz]).astype(np.float32)


def test_features_are_as_they_were() -> None:
    song = synth.song("rock", seed=7, seconds=10.0)
    found = described(song.samples, song.beats_s)
    assert found[12] == pytest.approx(GOLDEN, abs=1e-3)


def test_bass_drum_and_snare_are_told_apart() -> None:
    song = synth.song("rock", seed=7, seconds=24.0)
    found = described(song.samples, song.beats_s)
    assert of("bass drum", found, 0, 2) > 2.0 * of("bass drum", found, 1, 2)
    assert of("snare", found, 1, 2) > 2.0 * of("snare", found, 0, 2)


def test_a_chord_that_changes_every_four_beats_changes_on_the_first() -> None:
    hz = [440.0, 440.0, 440.0, 440.0, 660.0, 660.0, 660.0, 660.0] * 4
    found = described(tones(hz, 0.5), np.arange(len(hz)) * 0.5)
    assert of("harmony 1", found, 0, 4) > 0.4
    assert max(of("harmony 1", found, place, 4) for place in (1, 2, 3)) < 0.1
    assert of("harmony 4", found, 3, 4) > of("harmony 4", found, 1, 4)


def test_a_bass_note_is_not_a_chord() -> None:
    hz = [82.4, 82.4, 61.7, 61.7] * 8
    found = described(tones(hz, 0.5), np.arange(len(hz)) * 0.5)
    assert of("bass note 1", found, 0, 2) > 0.3
    assert of("bass note 1", found, 1, 2) < 0.1


@pytest.mark.parametrize("gain_db", [-30.0, 12.0])
def test_the_microphones_gain_changes_nothing(gain_db: float) -> None:
    song = synth.song("house", seed=7, seconds=12.0)
    plain = described(song.samples, song.beats_s)
    other = described(song.samples * np.float32(10.0 ** (gain_db / 20.0)), song.beats_s)
    for a, b in zip(plain[1:], other[1:], strict=True):
        assert a == pytest.approx(b, abs=1e-3, nan_ok=True)


def test_a_gap_takes_the_features_of_its_beat_and_of_the_one_not_yet_described() -> None:
    song = synth.song("house", seed=7, seconds=12.0)
    lost = int(song.beats_s[10] * 100) + 20
    found = described(song.samples, song.beats_s, range(lost, lost + 12))
    assert [number for number, each in enumerate(found) if each is None] == [9, 10]


def test_what_is_still_to_be_heard_has_no_features_and_nothing_is_learned_of_it() -> None:
    listener = Listener(71)
    assert listener.describe(0.0, 0.5 * S) is None
    for hop in range(40):
        listener.hear(np.ones(71, dtype=np.float32), (hop + 1) * HOP)
    assert listener.describe(0.0, 0.5 * S) is None  # before the first sound
    assert listener.describe(0.1 * S, 0.6 * S) is None  # to come
    assert listener.describe(0.1 * S, 0.4 * S) is not None


def test_beats_before_are_forgotten_when_told() -> None:
    hz = [440.0, 660.0] * 8
    samples, listener, spectrum = tones(hz, 0.5), Listener(71), Spectrum()
    changes = []
    for hop in range(len(samples) // HOP):
        listener.hear(spectrum.process(samples[hop * HOP : (hop + 1) * HOP]), (hop + 1) * HOP)
        if hop % 50 == 49 and hop > 110:
            if hop == 549:
                listener.forget()
            start = (hop - 98) * HOP
            features = listener.describe(start, start + 50 * HOP)
            changes.append(features[FEATURES.index("harmony 1")])
    assert [number for number, change in enumerate(changes) if np.isnan(change)] == [0, 8]
