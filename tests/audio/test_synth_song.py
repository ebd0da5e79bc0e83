import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from k1edge.audio.synth import STYLES, Section, Song, concatenate, render, rms_dbfs
from k1edge.audio.synth.arrange import swung
from k1edge.audio.synth.drums import DRUMS, KITS, kit
from k1edge.audio.synth.shaping import Samples
from k1edge.audio.synth.styles import STEPS_PER_BEAT, STROKES, steps
from k1edge.audio.synth.tones import VOICES, note
from k1edge.timebase import SAMPLE_RATE_HZ

DRUMS_ONLY = (Section("drums", 8, tonal=False),)


def attack_offsets_ms(samples: Samples, times_s: NDArray[np.float64], reach_s: float = 0.015) -> NDArray[np.float64]:
    """Where, within `reach_s` of each time, the energy of the next ms stands out most against the 4 ms before; minus that time."""
    bright = np.diff(samples.astype(np.float64), n=2, prepend=[0.0, 0.0])  # what rings on is low; what is struck is bright
    energy = np.concatenate([[0.0], np.cumsum(np.square(bright))])
    ms, reach = SAMPLE_RATE_HZ // 1000, int(reach_s * SAMPLE_RATE_HZ)
    offsets = []
    for time_s in times_s:
        middle = round(time_s * SAMPLE_RATE_HZ)
        at = np.arange(max(4 * ms, middle - reach), min(samples.size - ms, middle + reach))
        after, before = energy[at + ms] - energy[at], (energy[at] - energy[at - 4 * ms]) / 4
        offsets.append((at[np.argmax(after / (before + 1e-6))] - middle) / ms)
    return np.array(offsets)


def short(style: str = "rock", **choices: object) -> Song:
    return render(style, (Section("verse", 4, lead=True, fill=True), Section("chorus", 2)), **choices)  # type: ignore[arg-type]  # forwarded as they come


@pytest.mark.parametrize("style", STYLES)
def test_same_arguments_same_bits_and_another_seed_another_song(style: str) -> None:
    first, again, other = short(style), short(style), short(style, seed=2)
    assert first.samples.tobytes() == again.samples.tobytes()
    np.testing.assert_array_equal(first.onsets_s, again.onsets_s)
    assert first.samples.tobytes() != other.samples.tobytes()


@pytest.mark.parametrize("style", STYLES)
def test_truth_lies_on_the_attacks_of_the_drums(style: str) -> None:
    song = render(style, DRUMS_ONLY, humanise_ms=0.0)
    assert song.struck.any()
    offsets = attack_offsets_ms(song.samples, song.beats_s[song.struck])
    assert np.max(np.abs(offsets)) <= 2.0


@pytest.mark.parametrize("style", ["rock", "house", "dnb"])
def test_truth_lies_on_the_attacks_in_the_full_mix(style: str) -> None:
    song = render(style, (Section("chorus", 8, lead=True),), humanise_ms=0.0)
    offsets = attack_offsets_ms(song.samples, song.beats_s[song.struck])
    assert np.mean(np.abs(offsets) <= 2.0) >= 0.9  # a note of the lead may hide a soft hat


def test_a_shifted_truth_is_noticed() -> None:
    song = render("rock", DRUMS_ONLY, humanise_ms=0.0)
    assert np.median(attack_offsets_ms(song.samples, song.beats_s + 0.005)) == pytest.approx(-5.0, abs=0.5)


@pytest.mark.parametrize("name", KITS)
@pytest.mark.parametrize("drum", DRUMS)
def test_a_drum_is_there_within_its_first_three_milliseconds(name: str, drum: str) -> None:
    for shot in kit(name)[drum]:
        assert np.max(np.abs(shot)) == pytest.approx(1.0, abs=1e-6)
        assert np.max(np.abs(shot[: 3 * SAMPLE_RATE_HZ // 1000])) >= 0.4
        assert np.max(np.abs(shot[: SAMPLE_RATE_HZ // 1000])) >= 0.1


def test_strokes_of_one_drum_differ() -> None:
    for shots in kit("acoustic").values():
        assert len({shot.tobytes() for shot in shots}) == len(shots)


@pytest.mark.parametrize("voice", VOICES)
def test_a_note_has_its_pitch(voice: str) -> None:
    tone = note(voice, 57, 1.0)  # A3, 220 Hz
    spectrum = np.abs(np.fft.rfft(tone * np.hanning(tone.size)))
    freq = np.fft.rfftfreq(tone.size, 1.0 / SAMPLE_RATE_HZ)
    partial = freq[np.argmax(spectrum)] / 220.0
    assert partial == pytest.approx(round(partial), rel=0.01)
    assert round(partial) >= 1


@pytest.mark.parametrize("name", STYLES)
def test_every_pattern_fills_its_bar_with_known_marks(name: str) -> None:
    table = STYLES[name]
    length = table.beats_per_bar * STEPS_PER_BEAT
    for groove in table.grooves:
        assert set(groove) <= set(DRUMS)
        for pattern in groove.values():
            assert len(steps(pattern)) == length
            assert set(steps(pattern)) <= {".", *STROKES}
    for pattern in (*table.bass, table.chords):
        assert len(steps(pattern)) == length
    assert {table.bass_voice, table.chord_voice, table.lead_voice} <= set(VOICES)
    assert table.kit in KITS


def test_humanising_moves_the_strokes_and_not_the_truth() -> None:
    straight, human = short(humanise_ms=0.0), short(humanise_ms=6.0)
    np.testing.assert_array_equal(straight.beats_s, human.beats_s)
    moved_ms = 1000.0 * np.min(np.abs(human.onsets_s[:, None] - straight.onsets_s[None, :]), axis=1)
    assert 2.0 < np.mean(moved_ms) < 6.0
    assert np.max(moved_ms) <= 15.0 + 1e-9  # 2.5 standard deviations
    strokes = human.onsets_s[np.argmin(np.abs(human.onsets_s[None, :] - human.beats_s[:, None]), axis=1)]
    assert abs(np.mean(strokes - human.beats_s)) < 0.003  # no bias


@given(st.floats(0.0, 16.0), st.sampled_from(list(STYLES)), st.floats(0.5, 0.75))
def test_swing_bends_between_beats_and_leaves_beats_alone(grid: float, style: str, swing: float) -> None:
    table = STYLES[style]
    assert swung(float(int(grid)), table, swing) == pytest.approx(int(grid), abs=1e-12)
    assert 0.0 <= swung(grid, table, swing) - grid <= 0.25 * table.swing_steps / 2 + 1e-9
    assert swung(grid, table, 0.5) == pytest.approx(grid, abs=1e-12)


def test_swing_puts_the_off_beat_late() -> None:
    straight = render("swing", DRUMS_ONLY, humanise_ms=0.0, swing=0.5, bpm=120.0, lead_in_s=0.0)
    swinging = render("swing", DRUMS_ONLY, humanise_ms=0.0, swing=2 / 3, bpm=120.0, lead_in_s=0.0)
    assert 0.75 in np.round(straight.onsets_s, 6)  # the ride's second eighth of beat 2
    assert round(0.5 + 0.5 * 2 / 3, 6) in np.round(swinging.onsets_s, 6)


def test_three_four_has_three_beats_in_a_bar() -> None:
    waltz = render("waltz", (Section("verse", 8),), bpm=120.0, lead_in_s=0.5)
    assert waltz.beat_in_bar.tolist() == [1, 2, 3] * 8
    np.testing.assert_allclose(waltz.downbeats_s, 0.5 + 1.5 * np.arange(8), atol=1e-12)


def test_four_four_has_four_beats_in_a_bar() -> None:
    assert short().beat_in_bar.tolist() == [1, 2, 3, 4] * 6


def test_a_break_of_the_drums_has_beats_but_no_strokes() -> None:
    song = render("house", (Section("verse", 2), Section("break", 2, drums="none"), Section("chorus", 2)), humanise_ms=0.0)
    spans = {s.label: s for s in song.sections}
    inside = (song.beats_s >= spans["break"].start_s - 1e-9) & (song.beats_s < spans["break"].end_s - 1e-9)
    assert inside.sum() == 8
    assert not song.struck[inside].any()
    assert song.struck[~inside].all()
    assert not ((song.onsets_s >= spans["break"].start_s - 1e-6) & (song.onsets_s < spans["break"].end_s - 1e-6)).any()
    start, stop = (round(t * SAMPLE_RATE_HZ) for t in (spans["break"].start_s, spans["break"].end_s))
    assert rms_dbfs(song.samples[start:stop]) > -35.0  # bass and chords go on


def test_a_silent_section_is_digitally_silent_to_the_sample() -> None:
    silent = Section("silence", 2, drums="none", tonal=False)
    song = render("rock", (Section("verse", 2, lead=True), silent, Section("chorus", 2)), humanise_ms=8.0, bpm=120.0, lead_in_s=0.5)
    start, stop = round(4.5 * SAMPLE_RATE_HZ), round(8.5 * SAMPLE_RATE_HZ)
    assert not song.samples[start:stop].any()
    assert song.samples[start - 2000 : start].any()
    assert song.samples[stop : stop + 2000].any()
    assert not song.samples[: SAMPLE_RATE_HZ // 2].any()  # the lead-in
    assert song.beats_s.size == 24


def test_a_fill_brings_the_toms_and_ends_in_a_crash() -> None:
    plain = render("ballad", (Section("verse", 4), Section("chorus", 2)), humanise_ms=0.0)
    filled = render("ballad", (Section("verse", 4, fill=True), Section("chorus", 2)), humanise_ms=0.0)
    last_two_beats = slice(*np.searchsorted(filled.onsets_s, [filled.beats_s[14] - 1e-6, filled.beats_s[16] - 1e-6]))
    plain_two = slice(*np.searchsorted(plain.onsets_s, [plain.beats_s[14] - 1e-6, plain.beats_s[16] - 1e-6]))
    assert filled.onsets_s[last_two_beats].size >= plain.onsets_s[plain_two].size + 3
    after = slice(round(filled.beats_s[16] * SAMPLE_RATE_HZ), round(filled.beats_s[17] * SAMPLE_RATE_HZ))
    bright = [rms_dbfs(np.diff(s.samples[after])) for s in (plain, filled)]
    assert bright[1] > bright[0] + 3.0


def test_step_and_ramp_reach_the_truth() -> None:
    form = (Section("a", 2), Section("b", 2, bpm=150.0), Section("c", 4, bpm_end=100.0), Section("d", 1))
    song = render("rock", form, bpm=120.0, lead_in_s=0.0)
    spacing = np.diff(song.beats_s)
    np.testing.assert_allclose(spacing[:8], 0.5, atol=1e-12)
    np.testing.assert_allclose(spacing[8:16], 0.4, atol=1e-12)
    assert np.all(np.diff(spacing[15:33]) > 0)
    np.testing.assert_allclose(song.beat_bpm[[0, 8, 16, 32, 35]], [120.0, 150.0, 150.0, 100.0, 100.0], atol=1e-9)
    assert song.beats_s[32] - song.beats_s[16] == pytest.approx(16 * 60.0 / 125.0, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(
    style=st.sampled_from(list(STYLES)),
    bpm=st.floats(50.0, 200.0),
    seconds=st.floats(0.3, 8.0),
    seed=st.integers(0, 1000),
    humanise_ms=st.floats(0.0, 10.0),
    noise_dbfs=st.one_of(st.none(), st.floats(-90.0, -12.0)),
)
def test_any_song_keeps_its_promises(
    style: str, bpm: float, seconds: float, seed: int, humanise_ms: float, noise_dbfs: float | None
) -> None:
    song = short(style, bpm=bpm, seconds=seconds, seed=seed, humanise_ms=humanise_ms, noise_dbfs=noise_dbfs)
    assert song.samples.dtype == np.float32
    assert song.samples.shape == (round(seconds * SAMPLE_RATE_HZ),)
    assert np.max(np.abs(song.samples)) <= 0.9
    assert np.isfinite(song.samples).all()
    assert song.beats_s.shape == song.beat_in_bar.shape == song.beat_bpm.shape == song.struck.shape
    assert np.all((song.beats_s >= 0.0) & (song.beats_s < song.seconds))
    np.testing.assert_allclose(np.diff(song.beats_s), 60.0 / bpm, rtol=1e-9)
    assert np.all(np.diff(song.onsets_s) >= 0.0)
    for one, following in zip(song.sections, song.sections[1:], strict=False):
        assert one.end_s == following.start_s


def test_samples_cannot_be_overwritten() -> None:
    with pytest.raises(ValueError, match="read-only"):
        short().samples[0] = 1.0


def test_concatenated_songs_carry_their_truths_along() -> None:
    one, two = render("house", (Section("a", 2),), seconds=4.0), render("waltz", (Section("b", 2),), seconds=3.0)
    both = concatenate([one, two], gap_s=1.0)
    assert both.seconds == 8.0
    np.testing.assert_array_equal(both.beats_s[: one.beats_s.size], one.beats_s)
    np.testing.assert_allclose(both.beats_s[one.beats_s.size :], two.beats_s + 5.0, atol=1e-12)
    np.testing.assert_allclose(both.onsets_s[one.onsets_s.size :], two.onsets_s + 5.0, atol=1e-12)
    assert not both.samples[4 * SAMPLE_RATE_HZ : 5 * SAMPLE_RATE_HZ].any()
    np.testing.assert_array_equal(both.samples[5 * SAMPLE_RATE_HZ :], two.samples)
    assert [s.label for s in both.sections] == ["a", "b"]
    with pytest.raises(ValueError, match="at least one"):
        concatenate([])


def test_gain_and_noise_floor() -> None:
    song = short(seconds=6.0)
    assert rms_dbfs(song.scaled(-40.0).samples) == pytest.approx(rms_dbfs(song.samples) - 40.0, abs=0.01)
    assert np.max(np.abs(song.scaled(40.0).samples)) <= np.float32(0.9)
    floor = song.with_noise(-50.0, seed=3).samples[: SAMPLE_RATE_HZ * 4 // 10]  # in the silent lead-in
    assert rms_dbfs(floor) == pytest.approx(-50.0, abs=0.5)


def test_impossible_wishes_are_refused() -> None:
    with pytest.raises(KeyError):
        render("polka", DRUMS_ONLY)
    with pytest.raises(ValueError, match="at least one"):
        render("rock", ())
    with pytest.raises(ValueError, match="one bar"):
        Section("nothing", 0)
