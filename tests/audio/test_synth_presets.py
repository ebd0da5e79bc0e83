import numpy as np
import pytest

from k1edge.audio.synth import PRESETS, click_and_drums, find_clicks, rms_dbfs, song
from k1edge.timebase import SAMPLE_RATE_HZ


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_as_long_as_asked_and_has_its_truth(name: str) -> None:
    music = song(name, seconds=24.0)
    assert music.name == name
    assert music.seconds == 24.0
    assert np.max(np.abs(music.samples)) <= 0.9
    assert np.all(np.diff(music.beats_s) > 0.2)
    assert np.mean(music.struck) > 0.6
    assert music.beats_s[-1] > 24.0 - 2.0  # music to the end


@pytest.mark.parametrize("seconds", [12.0, 20.0, 60.0, 120.0])
def test_the_demo_has_an_intro_a_fill_a_break_and_a_return(seconds: float) -> None:
    demo = song("demo", seconds=seconds)
    labels = [s.label for s in demo.sections]
    assert labels == ["intro", "verse", "chorus", "break", "chorus"]
    pause = demo.sections[3]
    assert 1.9 < pause.end_s - pause.start_s < 9.0
    assert seconds - pause.end_s > 1.5


def test_the_step_is_a_step_and_the_ramp_a_ramp() -> None:
    step, ramp = song("tempo_step", seconds=40.0), song("tempo_ramp", seconds=40.0)
    assert sorted(set(np.round(step.beat_bpm, 6))) == [118.0, 141.6]
    assert ramp.beat_bpm[0] == pytest.approx(124.0)
    assert ramp.beat_bpm[-1] == pytest.approx(124.0 * 1.15)
    assert np.all(np.diff(ramp.beat_bpm) > -1e-9)
    assert np.max(np.diff(ramp.beat_bpm)) < 1.0


def test_the_intro_is_silent_and_the_noise_is_there() -> None:
    late, noisy, quiet = (song(n, seconds=16.0) for n in ("intro_silence", "noisy", "quiet"))
    assert not late.samples[: 10 * SAMPLE_RATE_HZ].any()
    assert late.beats_s[0] == 10.0
    before_s = slice(0, SAMPLE_RATE_HZ * 4 // 10)
    assert rms_dbfs(noisy.samples[before_s]) == pytest.approx(-30.0, abs=0.5)
    assert rms_dbfs(quiet.samples[before_s]) == pytest.approx(-70.0, abs=0.5)
    assert rms_dbfs(quiet.samples) < -45.0


def test_choices_override_the_preset() -> None:
    music = song("demo", seconds=15.0, bpm=90.0, lead_in_s=1.0)
    assert music.beats_s[0] == 1.0
    np.testing.assert_allclose(np.diff(music.beats_s), 60.0 / 90.0)


def test_an_unknown_song_names_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"polka.*demo"):
        song("polka")


@pytest.mark.parametrize("bpm", [60.0, 97.3, 120.0, 180.0])
def test_clicks_are_found_where_the_truth_has_them(bpm: float) -> None:
    track = click_and_drums(bpm, 20.0)
    assert np.max(np.abs(track.samples)) <= 0.9
    found = find_clicks(track.samples)
    assert found.shape == track.beats_s.shape
    assert np.max(np.abs(found - track.beats_s)) <= 1.0 / SAMPLE_RATE_HZ


def test_clicks_are_found_through_gain_noise_delay_another_rate_and_a_spike() -> None:
    track = click_and_drums(120.0, 20.0)
    rate_hz, delay_s = 48_000, 0.0474
    at_s = np.arange(20 * rate_hz) / rate_hz - delay_s
    heard = 0.2 * np.interp(at_s, np.arange(track.samples.size) / SAMPLE_RATE_HZ, track.samples, left=0.0)
    heard += np.random.default_rng(1).normal(0.0, 0.002, heard.size)
    heard[round(3.21 * rate_hz)] = 0.9  # the spike of a plug
    found = find_clicks(heard, rate_hz)
    spike = np.abs(found - 3.21) < 0.001
    assert spike.sum() == 1
    assert np.max(np.abs(found[~spike] - delay_s - track.beats_s)) <= 0.0003


def test_no_clicks_in_silence() -> None:
    assert find_clicks(np.zeros(SAMPLE_RATE_HZ)).size == 0
    assert find_clicks(np.zeros(0)).size == 0
