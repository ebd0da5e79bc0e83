import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from k1edge.beat.evidence import OFF_BEAT_SHARPNESS, SHARPNESS
from k1edge.beat.reading import Reading
from k1edge.beat.tempo import Tempi, tempo_model
from k1edge.beat.tracker import BEAT_WINDOW, MOVED, NEIGHBOURHOOD, PLACE_SPREAD, READ_REACH, ForwardFilter


def pulses(period: int, count: int, shape: tuple[float, ...] = (0.5, 0.9, 0.7, 0.4)) -> NDArray[np.float64]:
    evidence = np.full(period * count, -0.1)
    for k in range(count):
        evidence[k * period : k * period + len(shape)] = shape
    return evidence


def test_model_has_every_period_each_phase_once_and_a_stochastic_transition() -> None:
    model = tempo_model()
    assert model.states == sum(range(28, 110)) == 5617
    np.testing.assert_allclose(model.transition.sum(axis=0), 1.0)
    assert np.all(model.phase[model.first] == 0.0)
    np.testing.assert_array_equal(model.last[:-1] + 1, model.first[1:])
    assert model.prior.sum() == pytest.approx(1.0)


def test_one_step_equals_the_forward_algorithm_written_out_in_full() -> None:
    model = tempo_model()
    tracker = ForwardFilter(model)
    rng = np.random.default_rng(1)
    tracker._now[:] = rng.random(model.states)
    tracker._now /= tracker._now.sum()
    before = tracker._now.copy()
    expected = np.zeros(model.states)
    for column, (first, last) in enumerate(zip(model.first, model.last, strict=True)):
        expected[first + 1 : last + 1] += before[first:last]
        expected[model.first] += model.transition[:, column] * before[last]
    expected[model.phase < BEAT_WINDOW] *= np.exp(SHARPNESS * 0.4)
    expected[(model.phase >= 0.5) & (model.phase < 0.5 + BEAT_WINDOW)] *= np.exp(OFF_BEAT_SHARPNESS * -0.3)
    tracker.step(SHARPNESS * 0.4, OFF_BEAT_SHARPNESS * -0.3)
    np.testing.assert_allclose(tracker._now, expected / expected.sum(), rtol=1e-9)


@pytest.mark.parametrize("period", [33, 50, 62, 90])
def test_pulses_give_their_period_and_phase(period: int) -> None:
    tracker = ForwardFilter()
    for evidence in pulses(period, 14):
        tracker.step(SHARPNESS * float(evidence))
    estimate = tracker.estimate()
    assert estimate.period_frames == pytest.approx(period, rel=0.02)
    assert estimate.mass > 0.8
    since_pulse = period - 1  # the last step is that far after its pulse
    error = (estimate.phase - since_pulse / period + 0.5) % 1.0 - 0.5
    assert abs(error) < 0.06


def test_of_two_pulses_alike_the_one_that_sounds_off_beat_is_none() -> None:
    tracker = ForwardFilter()
    for hop in range(50 * 16):
        phase = hop % 50
        loud, cymbal = phase % 25 < 4, 25 <= phase < 29
        tracker.step(SHARPNESS * (0.5 if loud else -0.1), OFF_BEAT_SHARPNESS * (0.6 if cymbal else -0.4 if loud else -0.1))
    estimate = tracker.estimate()
    assert estimate.period_frames == pytest.approx(50, rel=0.02)
    assert abs((estimate.phase - 49 / 50 + 0.5) % 1.0 - 0.5) < 0.06


def test_without_evidence_only_time_passes() -> None:
    tracker = ForwardFilter()
    for evidence in pulses(50, 12):
        tracker.step(SHARPNESS * float(evidence))
    before = tracker.estimate()
    for _ in range(150):
        tracker.step(None)
    after = tracker.estimate()
    assert after.period_frames == pytest.approx(before.period_frames, rel=0.02)
    assert abs((after.phase - before.phase + 0.5) % 1.0 - 0.5) < 0.1
    assert after.focus < before.focus


def test_chance_of_a_beat_is_high_where_one_is_due_and_low_between() -> None:
    tracker = ForwardFilter()
    for evidence in pulses(50, 14)[:-9]:
        tracker.step(SHARPNESS * float(evidence))
    assert tracker.beat_chance(10) > 0.5
    assert tracker.beat_chance(30) < 0.02


@settings(max_examples=15, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(-1.0, 1.0)), min_size=1, max_size=120))
def test_posterior_stays_a_distribution_and_reset_forgets(evidence: list[float | None]) -> None:
    tracker = ForwardFilter()
    for e in evidence:
        tracker.step(None if e is None else SHARPNESS * e)
    assert tracker._now.sum() == pytest.approx(1.0)
    assert tracker._now.min() >= 0.0
    estimate = tracker.estimate()
    assert 0.0 <= estimate.phase < 1.0
    assert 0.0 <= estimate.mass <= 1.0
    assert 28 <= estimate.period_frames <= 109
    tracker.reset()
    np.testing.assert_array_equal(tracker._now, ForwardFilter()._now)


@pytest.mark.parametrize(
    ("bpm_min", "bpm_max", "shortest", "longest"), [(60.0, 100.0, 60, 100), (30.0, 300.0, 20, 200), (55.0, 215.0, 28, 109)]
)
def test_tempi_outside_the_range_asked_for_have_no_states(bpm_min: float, bpm_max: float, shortest: int, longest: int) -> None:
    periods = tempo_model(Tempi(bpm_min, bpm_max)).periods
    assert (periods[0], periods[-1]) == (shortest, longest)


@pytest.mark.parametrize(("bpm_min", "bpm_max"), [(29.0, 215.0), (55.0, 301.0), (100.0, 149.0), (120.0, 60.0), (float("nan"), 215.0)])
def test_a_range_too_narrow_or_beyond_what_is_tracked_is_refused(bpm_min: float, bpm_max: float) -> None:
    with pytest.raises(ValueError, match="bpm_min and bpm_max"):
        tempo_model(Tempi(bpm_min, bpm_max))


@pytest.mark.parametrize(("bpm", "octaves"), [(29.0, 0.8), (301.0, 0.8), (120.0, 0.1), (120.0, 4.1), (float("nan"), 0.8)])
def test_a_preference_that_is_none_or_beyond_what_is_tracked_is_refused(bpm: float, octaves: float) -> None:
    with pytest.raises(ValueError, match="prior_bpm must be"):
        tempo_model(Tempi(prior_bpm=bpm, prior_octaves=octaves))


def test_where_the_music_leaves_a_tempo_and_its_double_open_the_preference_decides() -> None:
    for prior_bpm, period in ((75.0, 80), (150.0, 40)):
        tracker = ForwardFilter(tempo_model(Tempi(prior_bpm=prior_bpm, prior_octaves=0.2)))
        for hop in range(800):  # something every 0.4 s, every other time soft
            tracker.step(SHARPNESS * ((0.3 if hop % 80 < 3 else 0.05) if hop % 40 < 3 else -0.02))
        assert tracker.estimate().period_frames == pytest.approx(period, abs=1.0)


def test_what_was_read_weighs_that_tempo_and_place_alone() -> None:
    tracker = ForwardFilter()
    for evidence in pulses(50, 12):
        tracker.step(SHARPNESS * float(evidence))
    model, before = tracker.model, tracker.posterior()
    tracker.weigh([Reading(51.0, 0.25, 1.5), Reading(20.0, 0.0, 2.0)])  # the second is faster than any state
    lengths = np.repeat(model.periods, model.periods.astype(int))
    near = (np.abs(lengths / 51.0 - 1.0) <= NEIGHBOURHOOD) & (np.abs((model.phase - 0.25 + 0.5) % 1.0 - 0.5) < READ_REACH)
    expected = np.where(near, before * np.exp(1.5), before)
    np.testing.assert_allclose(tracker.posterior(), expected / expected.sum(), rtol=1e-9)


def test_after_a_break_every_tempo_has_its_beat_where_it_was_expected_and_no_tempo_is_likelier_for_it() -> None:
    tracker = ForwardFilter()
    for evidence in pulses(50, 12):
        tracker.step(SHARPNESS * float(evidence))
    model = tracker.model
    before = np.add.reduceat(tracker.posterior(), model.first)
    tracker.place(0.4)
    after = tracker.posterior()
    np.testing.assert_allclose(np.add.reduceat(after, model.first), before, rtol=0.02)
    far = np.abs((model.phase - 0.4 + 0.5) % 1.0 - 0.5) > 4 * PLACE_SPREAD
    assert 0.0 < after[far].sum() < 0.2
    assert tracker.estimate().phase == pytest.approx(0.4, abs=0.01)


def test_what_was_found_is_believed_however_little_was_believed_of_it_before() -> None:
    tracker = ForwardFilter()
    for evidence in pulses(40, 20):
        tracker.step(SHARPNESS * float(evidence))
    tracker.move(53.3, 0.7)
    estimate = tracker.estimate()
    assert estimate.period_frames == pytest.approx(53.3, rel=0.01)
    assert estimate.phase == pytest.approx(0.7, abs=0.02)
    assert MOVED - 0.05 < estimate.mass < MOVED + 0.05
    assert tracker.posterior().sum() == pytest.approx(1.0)
