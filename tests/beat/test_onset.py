import numpy as np
import pytest
from numpy.typing import NDArray

from k1edge.audio import synth
from k1edge.audio.source import AudioBlock
from k1edge.beat.pipeline import Pipeline
from k1edge.events import Onset
from k1edge.timebase import SAMPLE_RATE_HZ


def onsets_of(samples: NDArray[np.float32]) -> list[Onset]:
    events = Pipeline().push(AudioBlock(np.asarray(samples, dtype=np.float32), 0, 0, None))
    return [e for e in events if isinstance(e, Onset)]


def nearest_error_ms(times_s: list[float], truth_s: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([(t - truth_s[np.argmin(np.abs(truth_s - t))]) * 1e3 for t in times_s])


@pytest.mark.parametrize("name", ["rock", "house", "bossa"])
def test_onsets_lie_on_attacks_and_strong_drums_are_all_found(name: str) -> None:
    song = synth.song(name, seconds=20.0)
    found = onsets_of(song.samples)
    error = nearest_error_ms([o.sample / SAMPLE_RATE_HZ for o in found], song.onsets_s)
    assert np.median(error) == pytest.approx(0.0, abs=3.0)
    assert np.quantile(np.abs(error), 0.9) < 15.0
    times = np.array([o.sample / SAMPLE_RATE_HZ for o in found])
    struck = song.beats_s[song.struck & (song.beats_s > 1.0) & (song.beats_s < 19.5)]
    assert np.mean([np.min(np.abs(times - t)) < 0.03 for t in struck]) > (
        0.7 if name == "bossa" else 0.95
    )  # brushed strokes under a bass are no transients


def test_onsets_are_causal_prompt_and_in_order_of_being_heard() -> None:
    found = onsets_of(synth.song("rock", seconds=10.0).samples)
    lag_ms = np.array([(o.heard - o.sample) / SAMPLE_RATE_HZ * 1e3 for o in found])
    assert lag_ms.min() >= 0.0
    assert lag_ms.max() < 70.0
    heard = [o.heard for o in found]
    assert heard == sorted(heard)
    assert all(0.0 <= o.strength <= 1.0 for o in found)


@pytest.mark.parametrize(
    "sound",
    [synth.silence(10.0), synth.hiss(10.0, seed=3), synth.hum(10.0, -20.0), synth.white(10.0, -20.0, seed=3)],
    ids=["silence", "hiss", "hum", "white"],
)
def test_steady_sound_has_no_onsets(sound: NDArray[np.float32]) -> None:
    assert len([o for o in onsets_of(sound) if o.sample > SAMPLE_RATE_HZ]) == 0
