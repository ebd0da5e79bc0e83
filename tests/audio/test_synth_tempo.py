import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.audio.synth.tempo import TempoMap, TempoSegment

tempi = st.floats(40.0, 240.0)
segments = st.lists(st.builds(TempoSegment, st.floats(1.0, 64.0), tempi, tempi), min_size=1, max_size=5).map(tuple)


def integrated(tempo: TempoMap, beat: float, steps: int = 20_000) -> float:
    """Seconds from beat 0 to `beat`, by the midpoint rule over 60 / bpm: knows nothing of the closed form."""
    edges = np.unique(np.concatenate([np.linspace(0.0, beat, steps), np.cumsum([s.beats for s in tempo.segments])]))
    edges = edges[edges <= beat]
    middle = (edges[1:] + edges[:-1]) / 2
    return float(np.sum(np.diff(edges) * 60.0 / tempo.bpm_at(middle)))


def test_steady_tempo_is_a_line() -> None:
    tempo = TempoMap((TempoSegment(16.0, 120.0, 120.0),), origin_s=0.25)
    np.testing.assert_allclose(tempo.time_at([0, 1, 2.5, 16, 20, -1]), [0.25, 0.75, 1.5, 8.25, 10.25, -0.25], rtol=0, atol=1e-12)


def test_a_step_changes_the_spacing_at_once() -> None:
    tempo = TempoMap((TempoSegment(4.0, 120.0, 120.0), TempoSegment(4.0, 150.0, 150.0)))
    np.testing.assert_allclose(np.diff(tempo.time_at(np.arange(9))), [0.5] * 4 + [0.4] * 4, rtol=0, atol=1e-12)
    assert tempo.bpm_at(4).item() == 150.0


def test_a_ramp_is_linear_in_time() -> None:
    tempo = TempoMap((TempoSegment(32.0, 100.0, 140.0),))
    beats = np.linspace(0.0, 32.0, 65)
    times = tempo.time_at(beats)
    assert times[-1] == pytest.approx(60.0 * 32.0 / 120.0, abs=1e-12)
    np.testing.assert_allclose(tempo.bpm_at(beats), 100.0 + 40.0 * times / times[-1], atol=1e-9)


@given(segments, st.floats(0.0, 1.0))
def test_times_are_the_integral_of_the_tempo(parts: tuple[TempoSegment, ...], share: float) -> None:
    tempo = TempoMap(parts)
    beat = share * tempo.beats
    assert tempo.time_at(beat).item() == pytest.approx(integrated(tempo, beat), abs=1e-4)


@given(segments, st.floats(-5.0, 5.0))
def test_time_grows_with_the_beat_and_segments_meet(parts: tuple[TempoSegment, ...], origin_s: float) -> None:
    tempo = TempoMap(parts, origin_s)
    assert np.all(np.diff(tempo.time_at(np.arange(-4.0, tempo.beats + 4.0, 0.25))) > 0.0)
    ends = np.cumsum([s.beats for s in parts])
    np.testing.assert_allclose(tempo.time_at(ends), origin_s + np.cumsum([s.seconds for s in parts]), atol=1e-9)
    np.testing.assert_allclose(tempo.time_at(ends - 1e-9), tempo.time_at(ends), atol=1e-6)


@pytest.mark.parametrize("bad", [(0.0, 120.0, 120.0), (4.0, 0.0, 120.0), (4.0, 120.0, -1.0), (float("nan"), 120.0, 120.0)])
def test_impossible_segments_are_refused(bad: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        TempoSegment(*bad)


def test_a_map_without_segments_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        TempoMap(())
