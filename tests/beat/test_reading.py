from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from k1edge.audio import synth
from k1edge.beat.activation import DELAY_HOPS, Chances, Inputs, Network
from k1edge.beat.reading import (
    BEATS,
    CENTRE,
    CHANNELS,
    EDGES,
    MOST,
    RISES_LATER,
    SETTLES_BEATS,
    SHARPNESS,
    SLOTS,
    Reader,
    Verdict,
    relatives,
)
from k1edge.beat.spectrum import HOP, Spectrum
from k1edge.timebase import SAMPLE_RATE_HZ

BANDS = 71
FASTEST, SLOWEST = 28.0, 109.0
NOTHING = Chances(0.0, 0.0, 0.0)


def reader_of(samples: NDArray[np.floating]) -> Reader:
    spectrum, inputs, network, reader = Spectrum(), Inputs(BANDS), Network(), Reader()
    whole = np.asarray(samples, dtype=np.float32)
    for hop in whole[: len(whole) // HOP * HOP].reshape(-1, HOP):
        heard = inputs.process(spectrum.process(hop))
        reader.hear(heard[-BANDS:], network.process(heard))
    return reader


def noise(rng: np.random.Generator) -> tuple[NDArray[np.float32], Chances]:
    return rng.random(BANDS, dtype=np.float32), Chances(*rng.random(3).tolist())


def test_a_layout_is_judged_as_its_slots_and_weights_written_out() -> None:
    rng = np.random.default_rng(1)
    reader = Reader()
    heard = [noise(rng) for _ in range(1200)]
    for rises, chances in heard:
        reader.hear(rises, chances)
    channels = np.zeros((len(heard), CHANNELS))
    for hop, (rises, chances) in enumerate(heard):
        channels[hop, len(EDGES) :] = chances
        if hop + RISES_LATER < len(heard):
            channels[hop + RISES_LATER, : len(EDGES)] = [each.mean() for each in np.split(rises, EDGES[1:])]
    fine = np.repeat(channels, 20, axis=0) / 20.0  # a twentieth of a hop each
    expected = []
    with np.load(str(files("k1edge.beat") / "reading.npz")) as stored:
        w = {name: stored[name].astype(np.float64) for name in stored.files}
    layouts = [(60.0, 1180.0), (30.0, 1165.0)]
    for period, beat in layouts:
        edges = [round(20 * (beat + period * ((slot - 0.5) / SLOTS - BEATS))) for slot in range(BEATS * SLOTS + 1)]
        slots = np.log1p([fine[a:b].sum(axis=0) for a, b in pairwise(edges)])
        dense = np.maximum(slots.reshape(BEATS, -1) @ w["dense.weight"].T + w["dense.bias"], 0.0)
        layer = np.maximum(w["layer.weight"] @ dense.ravel() + w["layer.bias"], 0.0)
        expected.append(float(w["out.weight"][0] @ layer + w["out.bias"][0]))
    odds = reader.judge(np.array([p for p, _ in layouts]), np.array([b for _, b in layouts]))
    assert odds.tolist() == pytest.approx(expected, abs=0.02)
    assert odds[1] - odds[0] == pytest.approx(expected[1] - expected[0], abs=0.02)


@pytest.mark.parametrize("style", ["rock", "house", "bossa"])
def test_of_a_song_and_its_relatives_the_song_itself_is_read(style: str) -> None:
    song = synth.song(style, seed=3, seconds=24.0)
    reader = reader_of(song.samples)
    newest = song.beats_s[song.beats_s < 23.5][-1]
    period = 100.0 * float(np.median(np.diff(song.beats_s)))
    beat = 100.0 * newest + DELAY_HOPS + CENTRE
    odds = reader.judge(*np.array(relatives(period, beat, FASTEST, SLOWEST)).T)
    assert len(odds) >= 6
    assert odds.argmax() == 0


def test_readings_come_once_a_beat_and_say_where_each_relative_has_its_beat() -> None:
    rng = np.random.default_rng(2)
    reader = Reader()
    read_at = []
    for hop in range(1, 901):
        reader.hear(*noise(rng))
        verdict = reader.read(50.0, hop % 50 / 50.0, FASTEST, SLOWEST)
        if verdict is not None:
            readings = verdict.readings
            read_at.append(hop)
            assert [r.period_frames for r in readings] == pytest.approx([50.0, 100.0, 100.0, 100 / 3, 100 / 3, 75.0, 75.0, 75.0])
            assert [r.phase for r in readings] == pytest.approx([0.5, 0.0, 0.5, 0.0, 0.5, 0.0, 2 / 3, 1 / 3])
            assert all(abs(r.nepers) <= SHARPNESS * MOST for r in readings)
    assert read_at == list(range(100, 901, 50))


def test_a_tempo_that_is_held_gives_way_less_and_less_but_its_place_does_not() -> None:
    rng = np.random.default_rng(6)
    reader = Reader()
    said = []
    for hop in range(1, 50 * 140):
        rises, chances = noise(rng)
        strong = float(hop % 100 < 3)  # twice as slow, if anything
        reader.hear(rises * np.float32(0.01 + strong), Chances(strong, chances.off_beat * 0.01, 0.0))
        verdict = reader.read(50.0, hop % 50 / 50.0, FASTEST, SLOWEST)
        if verdict is not None:
            said.append([abs(r.nepers) for r in verdict.readings])
    place, tempo = np.array(said)[:, 0], np.array(said)[:, 1:].max(axis=1)
    assert place[100:].max() > 0.5 * place[:30].max() > 0.0
    assert tempo[100:].max() <= MOST * SHARPNESS * SETTLES_BEATS / (SETTLES_BEATS + 100) + 1e-6
    assert tempo[20:40].max() > 1.5 * tempo[100:].max()


def test_a_song_is_music_whatever_tempi_are_wanted_and_noise_and_speech_are_none() -> None:
    song = synth.song("rock", seed=3, seconds=24.0)
    newest = song.beats_s[song.beats_s < 23.5][-1]
    period = 100.0 * float(np.median(np.diff(song.beats_s)))

    def verdict(samples: NDArray[np.floating], period: float, slowest: float = SLOWEST) -> Verdict:
        reader = reader_of(samples[: round((newest + 0.1) * SAMPLE_RATE_HZ)])
        reader.read(period, 0.9, FASTEST, slowest)
        told = reader.read(period, (reader.hops - 100.0 * newest - DELAY_HOPS - CENTRE) / period % 1.0, FASTEST, slowest)
        assert told is not None
        return told

    right = verdict(song.samples, period)
    assert right.music > 0.9
    assert right.right > 0.7
    assert verdict(song.samples, 0.5 * period, slowest=0.6 * period).music > 0.7
    assert verdict(song.samples, 0.5 * period, slowest=0.6 * period).right < 0.3
    for other in (synth.white(24.0, -30.0, seed=1), synth.speech_like(24.0, seed=1), synth.applause_like(24.0, seed=1)):
        assert verdict(other, period).music < 0.5


def test_tempi_that_are_not_considered_are_not_read() -> None:
    reader = Reader()
    readings = []
    for hop in range(1, 301):
        reader.hear(np.zeros(BANDS, dtype=np.float32), NOTHING)
        verdict = reader.read(50.0, hop % 50 / 50.0, 40.0, 60.0)
        readings += [] if verdict is None else verdict.readings
    assert [r.period_frames for r in readings] == [50.0] * 5


def test_lost_hops_are_silence_and_keep_their_time() -> None:
    rng = np.random.default_rng(3)
    bridged, whole = Reader(), Reader()
    before, after = [noise(rng) for _ in range(700)], [noise(rng) for _ in range(200)]
    zeros = np.zeros(BANDS, dtype=np.float32)
    for reader in (bridged, whole):
        for each in [*before, *[(zeros, NOTHING)] * RISES_LATER]:
            reader.hear(*each)
    bridged.miss(40)
    for _ in range(40):
        whole.hear(zeros, NOTHING)
    for each in after:
        bridged.hear(*each)
        whole.hear(*each)
    layouts = np.array([50.0, 33.0]), np.array([930.0, 935.0])
    np.testing.assert_allclose(bridged.judge(*layouts), whole.judge(*layouts), rtol=1e-4)


def test_months_later_it_reads_the_same() -> None:
    rng = np.random.default_rng(4)
    young, old = Reader(), Reader()
    old._sums += 3e9  # what some months add up to
    for _ in range(2100):
        each = noise(rng)
        young.hear(*each)
        old.hear(*each)
    layouts = np.array([50.0, 100.0]), np.array([2090.0, 2090.0])
    np.testing.assert_allclose(old.judge(*layouts), young.judge(*layouts), atol=1e-2)
