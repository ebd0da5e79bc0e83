from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.drift.meter import CONFIRM_NS, HOLD_NS, MAX_BEATS, MAX_ONSETS, DriftMeter, Reading, wrap
from k1edge.events import BeatFate
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime
from tests.drift.facts import beat, flash, host


def played(
    count: int, *, bpm: float = 120.0, beat_ms: float = 0.0, onset_ms: float = 0.0, fired_ms: float = 0.0, due_ms: float = 0.0
) -> DriftMeter:
    meter = DriftMeter()
    for index in range(count):
        meter.add_beat(beat(index, bpm), host(index, beat_ms, bpm))
        meter.add_onset(host(index, onset_ms, bpm), 0.8)
        meter.add_flash(flash(index, fired_ms, due_ms, bpm))
    return meter


def only(readings: list[Reading]) -> Reading:
    assert len(readings) == 1
    return readings[0]


def test_each_part_has_its_own_sign_and_they_add_up() -> None:
    readings = played(8, beat_ms=-10.0, onset_ms=4.0, fired_ms=7.0, due_ms=6.5).settle(host(12))
    assert [reading.index for reading in readings] == list(range(8))
    for reading in readings:
        assert reading.drift_ms == pytest.approx(3.0)
        assert reading.beat_residual_ms == pytest.approx(-14.0)
        assert reading.fire_error_us == pytest.approx(500.0)
        assert reading.aim_ms == pytest.approx(16.5)
        assert reading.drift_ms == pytest.approx(reading.fire_error_us / 1e3 + reading.aim_ms + reading.beat_residual_ms)


def test_the_users_offset_is_part_of_drift_and_of_nothing_else_but_the_aim() -> None:
    reading = played(8, fired_ms=20.0, due_ms=20.0).settle(host(12))[0]
    assert (reading.drift_ms, reading.aim_ms) == (pytest.approx(20.0), pytest.approx(20.0))
    assert (reading.fire_error_us, reading.beat_residual_ms) == (pytest.approx(0.0), pytest.approx(0.0))


@pytest.mark.parametrize("offset_ms", [-500.0, 500.0])
def test_the_farthest_offset_still_finds_its_beat(offset_ms: float) -> None:
    meter = DriftMeter()
    report = flash(0, offset_ms, offset_ms)
    if offset_ms < 0:  # the report is there before the beat is even committed
        meter.add_flash(report)
        meter.settle(host(0, -100.0))
    meter.add_beat(beat(0), host(0))
    meter.add_onset(host(0), 0.8)
    meter.settle(host(0, 700.0))
    if offset_ms > 0:
        meter.add_flash(report)
    assert only(meter.settle(host(0, 1000.0))).aim_ms == pytest.approx(offset_ms)


def test_a_beat_without_an_onset_says_nothing_about_drift() -> None:
    meter = DriftMeter()
    meter.add_beat(beat(0), host(0))
    meter.add_onset(host(0, 71.0), 1.0)  # out of reach
    meter.add_flash(flash(0, 2.0))
    reading = only(meter.settle(host(4)))
    assert (reading.drift_ms, reading.beat_residual_ms) == (None, None)
    assert reading.fire_error_us == pytest.approx(2000.0)


def test_a_flash_for_an_unknown_beat_has_a_fire_error_alone() -> None:
    meter = DriftMeter()
    meter.add_flash(flash(3, 1.0))
    reading = only(meter.settle(host(8)))
    assert (reading.drift_ms, reading.aim_ms, reading.fire_error_us) == (None, None, pytest.approx(1000.0))


def test_missed_and_cancelled_beats_make_no_reading() -> None:
    meter = DriftMeter()
    meter.add_flash(replace(flash(0, 0.0), fate=BeatFate.MISSED, fired_ns=None, fired_us=None, bound_us=None))
    assert meter.settle(host(9)) == []


def test_drift_wraps_at_half_a_beat() -> None:
    assert played(6, fired_ms=490.0).settle(host(9))[0].drift_ms == pytest.approx(-10.0)


@pytest.mark.parametrize("bpm", [55.0, 120.0, 180.0, 215.0])
@pytest.mark.parametrize("shift_ms", [-120.0, 35.0, 120.0])
def test_a_shift_is_never_taken_for_the_next_onset(bpm: float, shift_ms: float) -> None:
    """Onsets on every half beat; half a beat is 140 ms at 215 bpm."""
    meter = played(12, bpm=bpm, fired_ms=shift_ms)
    for index in range(12):
        meter.add_onset(host(index + 0.5, 0.0, bpm), 1.0)
    readings = meter.settle(host(20, 0.0, bpm))
    assert [reading.drift_ms for reading in readings] == [pytest.approx(shift_ms, abs=1e-3)] * 12


@pytest.mark.parametrize("bpm", [55.0, 120.0, 180.0, 215.0, 300.0])
def test_a_louder_sixteenth_beside_it_does_not_confirm_the_beat(bpm: float) -> None:
    meter = DriftMeter()
    meter.add_beat(beat(0, bpm), host(0, 0.0, bpm))
    meter.add_onset(host(0.25, 0.0, bpm), 1.0)
    meter.add_onset(host(-0.25, 0.0, bpm), 1.0)
    assert only(meter.settle(host(20))).beat_residual_ms is None
    meter.add_beat(beat(1, bpm), host(0, 0.0, bpm))
    meter.add_onset(host(0, 3.0, bpm), 0.1)
    assert only(meter.settle(host(20))).beat_residual_ms == pytest.approx(-3.0)


def test_the_drum_confirms_the_beat_not_the_flam_before_it() -> None:
    meter = DriftMeter()
    meter.add_beat(beat(0), host(0))
    meter.add_onset(host(0, -5.0), 0.2)
    meter.add_onset(host(0, 20.0), 0.9)
    assert only(meter.settle(host(4))).beat_residual_ms == pytest.approx(-20.0)


def test_a_beat_is_held_open_for_a_second_and_told_once() -> None:
    meter = played(1)
    assert meter.settle(HostTime(host(0) + HOLD_NS - 1)) == []
    assert only(meter.settle(HostTime(host(0) + HOLD_NS))).index == 0
    assert meter.settle(HostTime(host(0) + 10 * HOLD_NS)) == []


def test_a_number_used_again_means_the_newer_beat() -> None:
    meter = played(1)
    meter.add_beat(beat(0), host(4))
    meter.add_onset(host(4), 0.5)
    meter.add_flash(replace(flash(0, 0.0), due_ns=host(4), fired_ns=host(4, 9.0)))
    assert only(meter.settle(host(7))).drift_ms == pytest.approx(9.0)


def test_fault_33_a_flood_is_kept_within_its_caps() -> None:
    meter = DriftMeter()
    for number in range(5_000):
        meter.add_beat(beat(number), host(number / 100))
        meter.add_onset(host(number / 100), 1.0)
        meter.add_flash(flash(number, 0.0))
    assert (len(meter._beats), len(meter._onsets), len(meter._flashes)) == (MAX_BEATS, MAX_ONSETS, MAX_BEATS)
    assert len(meter.settle(host(10_000))) == 2 * MAX_BEATS - MAX_BEATS
    assert (len(meter._beats), len(meter._flashes)) == (0, 0)


JITTER = st.lists(st.tuples(st.integers(-60, 60), st.integers(-60, 60), st.booleans()), min_size=1, max_size=16)


@given(jitter_ms=JITTER, order=st.randoms(use_true_random=False), shift_s=st.sampled_from([0, 10 * 86_400]))
def test_neither_the_order_of_facts_nor_the_age_of_the_clock_makes_a_difference(
    jitter_ms: list[tuple[int, int, bool]], order: object, shift_s: int
) -> None:
    facts: list[tuple[str, int, int]] = []
    for index, (onset_ms, fired_ms, heard) in enumerate(jitter_ms):
        facts += [("beat", index, 0), ("flash", index, fired_ms)] + ([("onset", index, onset_ms)] if heard else [])

    def told(facts: list[tuple[str, int, int]], shift_ns: int) -> list[Reading]:
        meter = DriftMeter()
        for kind, index, ms in facts:
            at_ns = HostTime(host(index, ms) + shift_ns)
            if kind == "beat":
                meter.add_beat(beat(index), at_ns)
            elif kind == "onset":
                meter.add_onset(at_ns, 0.5)
            else:
                meter.add_flash(replace(flash(index, ms), due_ns=HostTime(host(index) + shift_ns), fired_ns=at_ns))
        return [replace(r, at_ns=HostTime(r.at_ns - shift_ns)) for r in meter.settle(HostTime(host(len(jitter_ms) + 2) + shift_ns))]

    shuffled = facts.copy()
    order.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis gives a random.Random
    assert told(shuffled, shift_s * NS_PER_S) == told(facts, 0)


@given(jitter_ms=JITTER, looks_ms=st.lists(st.integers(0, 12_000), max_size=12))
def test_however_often_it_is_asked_the_readings_are_the_same(jitter_ms: list[tuple[int, int, bool]], looks_ms: list[int]) -> None:
    def told(looks: list[HostTime]) -> list[Reading]:
        meter = DriftMeter()
        readings: list[Reading] = []
        waiting = sorted(looks)
        for index, (onset_ms, fired_ms, heard) in enumerate(jitter_ms):
            meter.add_beat(beat(index), host(index))
            meter.add_flash(flash(index, fired_ms))
            if heard:
                meter.add_onset(host(index, onset_ms), 0.5)
            while waiting and waiting[0] <= host(index, 300):
                readings += meter.settle(waiting.pop(0))
        return readings + meter.settle(host(len(jitter_ms) + 2))

    assert told([host(0, ms) for ms in looks_ms]) == told([])
    assert all(first.at_ns <= then.at_ns for first, then in pairwise(told([])))


@given(difference=st.integers(-(10**12), 10**12), period=st.integers(2, 10**10))
def test_wrapping_keeps_the_difference_modulo_the_beat(difference: int, period: int) -> None:
    wrapped = wrap(difference, period)
    assert -period / 2 <= wrapped < period / 2
    assert round((difference - wrapped) / period) * period == pytest.approx(difference - wrapped)


def test_reach_is_the_field_s_own_window() -> None:
    assert CONFIRM_NS == 70 * NS_PER_MS
