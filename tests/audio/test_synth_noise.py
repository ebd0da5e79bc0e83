from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1edge.audio.synth import applause_like, babble, drone, hiss, hum, pink, rms_dbfs, silence, speech_like, white
from k1edge.audio.synth.shaping import Samples, in_room
from k1edge.timebase import SAMPLE_RATE_HZ

Maker = Callable[[float, float, int], Samples]

MAKERS: dict[str, Maker] = {
    "white": lambda s, db, seed: white(s, db, seed=seed),
    "pink": lambda s, db, seed: pink(s, db, seed=seed),
    "hum": lambda s, db, seed: hum(s, db, seed=seed),
    "drone": lambda s, db, seed: drone(s, db, seed=seed),
    "speech": lambda s, db, seed: speech_like(s, db, seed=seed),
    "babble": lambda s, db, seed: babble(s, db, seed=seed, speakers=3),
    "applause": lambda s, db, seed: applause_like(s, db, seed=seed),
}


def envelope(samples: Samples, hop: int = 441) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    frames = samples[: samples.size // hop * hop].reshape(-1, hop).astype(np.float64)
    return np.sqrt(np.mean(np.square(frames), axis=1))


def band_share(samples: Samples, low_hz: float, high_hz: float) -> float:
    power = np.square(np.abs(np.fft.rfft(samples)))
    freq = np.fft.rfftfreq(samples.size, 1.0 / SAMPLE_RATE_HZ)
    return float(np.sum(power[(freq >= low_hz) & (freq < high_hz)]) / np.sum(power))


def test_silence_is_exactly_silent() -> None:
    assert silence(1.5).shape == (66_150,)
    assert not silence(1.5).any()
    assert rms_dbfs(silence(1.0)) == -np.inf


@pytest.mark.parametrize("name", MAKERS)
def test_level_shape_seed(name: str) -> None:
    make = MAKERS[name]
    sound = make(4.0, -30.0, 5)
    assert sound.dtype == np.float32
    assert sound.shape == (4 * SAMPLE_RATE_HZ,)
    assert rms_dbfs(sound) == pytest.approx(-30.0, abs=0.1)
    assert sound.tobytes() == make(4.0, -30.0, 5).tobytes()
    assert sound.tobytes() != make(4.0, -30.0, 6).tobytes()


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["white", "pink"]), st.floats(-96.0, -12.0), st.floats(0.5, 3.0), st.integers(0, 99))
def test_noise_is_within_half_a_decibel_and_never_clips(name: str, dbfs: float, seconds: float, seed: int) -> None:
    sound = MAKERS[name](seconds, dbfs, seed)
    assert rms_dbfs(sound) == pytest.approx(dbfs, abs=0.5)
    assert np.max(np.abs(sound)) <= np.float32(0.9)


def test_people_stay_within_the_peak_limit_and_near_their_level_when_loud() -> None:
    for name in ("speech", "babble", "applause"):
        sound = MAKERS[name](6.0, -18.0, 1)
        assert np.max(np.abs(sound)) <= np.float32(0.9)
        assert rms_dbfs(sound) == pytest.approx(-18.0, abs=1.0)


def test_hiss_is_at_minus_sixty() -> None:
    assert rms_dbfs(hiss(2.0)) == pytest.approx(-60.0, abs=0.1)


def test_white_is_flat_and_pink_falls_by_three_decibel_an_octave() -> None:
    flat, falling = white(8.0, -20.0), pink(8.0, -20.0)
    assert band_share(flat, 4000, 8000) == pytest.approx(2 * band_share(flat, 2000, 4000), rel=0.05)
    assert band_share(falling, 4000, 8000) == pytest.approx(band_share(falling, 500, 1000), rel=0.1)


def test_hum_lies_on_the_harmonics_of_the_mains() -> None:
    assert sum(band_share(hum(4.0), 50 * k - 1, 50 * k + 1) for k in (1, 2, 3, 5, 7)) > 0.97


def test_drone_has_no_onset() -> None:
    rise = np.diff(20 * np.log10(envelope(drone(30.0, seed=2), 4410) + 1e-6))
    assert np.max(rise[5:]) < 4.0  # dB in 0.1 s; a drum rises by 20 and more


@pytest.mark.parametrize("seed", range(3))
def test_speech_has_pauses_syllables_and_no_pulse(seed: int) -> None:
    curve = envelope(speech_like(40.0, seed=seed))
    assert 0.08 < np.mean(curve < 0.05 * np.max(curve)) < 0.5
    modulation = np.square(np.abs(np.fft.rfft((curve - np.mean(curve)) * np.hanning(curve.size))))
    rate_hz = np.fft.rfftfreq(curve.size, 0.01)
    voice = (rate_hz > 1.0) & (rate_hz < 12.0)
    assert 2.0 < np.sum(rate_hz[voice] * modulation[voice]) / np.sum(modulation[voice]) < 6.0
    assert strongest_pulse(curve) < 0.3  # a click track has 0.9 and more


def test_applause_is_dense_and_has_no_pulse() -> None:
    assert strongest_pulse(envelope(applause_like(40.0, seed=1))) < 0.25
    few = envelope(applause_like(10.0, seed=1, claps_per_s=5.0))
    many = envelope(applause_like(10.0, seed=1, claps_per_s=150.0))
    assert np.median(few) / np.max(few) < 0.2 * np.median(many) / np.max(many) + 0.05


def strongest_pulse(curve: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Highest autocorrelation of the onset strength between 40 and 200 beats per minute, against lag 0."""
    rise = np.maximum(0.0, np.diff(curve))
    rise -= np.mean(rise)
    spectrum = np.fft.rfft(rise, 2 * rise.size)
    lags = np.fft.irfft(np.square(np.abs(spectrum)))
    return float(np.max(lags[30:150]) / lags[0])


def test_the_pulse_measure_sees_a_pulse() -> None:
    curve = np.zeros(4000)
    curve[::50] = 1.0
    assert strongest_pulse(curve) > 0.9


def test_too_loud_is_refused() -> None:
    for make in (white, pink):
        with pytest.raises(ValueError, match="would clip"):
            make(1.0, -6.0)
    for people in (speech_like, applause_like, babble):
        with pytest.raises(ValueError, match="at least one"):
            people(1.0, -6.0)


def test_a_room_leaves_the_attack_where_it_is() -> None:
    knock = np.zeros(4410, dtype=np.float32)
    knock[0] = 1.0
    wet = in_room(knock, 0.4, 0.2)
    assert wet[0] == pytest.approx(1.0, abs=1e-6)
    assert np.max(np.abs(wet[1:300])) < 1e-6
    assert np.sum(np.square(wet[300:])) == pytest.approx(0.16, rel=0.01)
