"""Does the music read as music to somebody who has not written it? aubio's tempo and onset detectors listen."""

import aubio
import numpy as np
import pytest

from k1edge.audio.synth import song
from k1edge.audio.synth.shaping import Samples

HOP = 441


def blocks(samples: Samples) -> list[Samples]:
    return list(np.array(samples[: samples.size // HOP * HOP]).reshape(-1, HOP))


@pytest.mark.parametrize("name", ["rock", "house", "bossa", "waltz", "swing", "demo"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_listener_finds_the_tempo(name: str, seed: int) -> None:
    music = song(name, seed=seed, seconds=30.0)
    listener = aubio.tempo("default", 1024, HOP, 44_100)
    for block in blocks(music.samples):
        listener(block)
    assert listener.get_bpm() == pytest.approx(music.beat_bpm[0], rel=0.02)


@pytest.mark.parametrize("name", ["rock", "house", "dnb", "demo"])
def test_a_listener_hears_an_onset_at_each_struck_beat(name: str) -> None:
    music = song(name, seconds=30.0)
    listener = aubio.onset("hfc", 1024, HOP, 44_100)
    heard = np.array([listener.get_last_s() for block in blocks(music.samples) if listener(block)[0]])
    struck = music.beats_s[music.struck]
    nearest = np.min(np.abs(heard[None, :] - struck[:, None]), axis=1)
    assert np.mean(nearest < 0.025) > 0.95
