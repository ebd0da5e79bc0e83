import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.drift.severity import DOWN_AFTER_NS, LEAST, RUNGS_MS, SeverityLadder, Verdict
from k1edge.drift.spread import MAX_RECENT, WINDOW_NS
from k1edge.events import Severity
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

BEAT_NS = NS_PER_S // 2
HOLD_NS = NS_PER_S
"""The meter tells a flash so long after it."""


def climbed(drifts_ms: Sequence[float], *, then_s: float = 0.0) -> list[tuple[float, Verdict]]:
    """Verdicts ten times a second, with the seconds since the first flash, one flash every half second; then nothing for `then_s`."""
    ladder = SeverityLadder()
    verdicts = []
    told = 0
    for tick in range(round((len(drifts_ms) * 0.5 + 1.0 + then_s) * 10)):
        now = tick * 100 * NS_PER_MS
        while told < len(drifts_ms) and told * BEAT_NS + HOLD_NS <= now:
            ladder.add(HostTime(told * BEAT_NS), drifts_ms[told])
            told += 1
        verdicts.append((now / NS_PER_S, ladder.step(HostTime(now))))
    return verdicts


def severities(drifts_ms: Sequence[float], *, then_s: float = 0.0) -> list[Severity | None]:
    """In order, each once."""
    told = [verdict.severity for _, verdict in climbed(drifts_ms, then_s=then_s)]
    return [now for before, now in zip([..., *told], told, strict=False) if now is not before]


def first(drifts_ms: Sequence[float], severity: Severity | None, after_s: float = 0.0) -> float:
    return next(second for second, verdict in climbed(drifts_ms) if second >= after_s and verdict.severity is severity)


def test_nothing_to_judge_has_no_severity() -> None:
    assert severities([]) == [None]
    assert severities([500.0] * (LEAST - 1)) == [None]


@pytest.mark.parametrize(
    ("drift_ms", "expected"),
    [(19.9, Severity.OK), (20.1, Severity.AMBER), (-35.0, Severity.AMBER), (50.1, Severity.ALERT), (-100.1, Severity.RED)],
)
def test_each_rung_begins_where_it_says(drift_ms: float, expected: Severity) -> None:
    verdicts = climbed([drift_ms] * 20)
    assert verdicts[-1][1].severity is expected
    assert verdicts[-1][1].drift_ms == drift_ms
    assert verdicts[-1][1].since_ns == 0  # off from the first flash on


@pytest.mark.parametrize("shift_ms", [35.0, -35.0])
def test_a_step_is_amber_within_6_s_and_begins_with_its_first_flash(shift_ms: float) -> None:
    drifts_ms = [1.0, -1.0] * 10 + [shift_ms] * 20
    assert 4.0 < first(drifts_ms, Severity.AMBER) - 10.0 <= 6.0
    assert climbed(drifts_ms)[-1][1].since_ns == 10 * NS_PER_S


def test_red_needs_five_seconds_of_flashes_beyond_its_rung() -> None:
    drifts_ms = [0.0] * 20 + [120.0] * 20
    assert 5.0 < first(drifts_ms, Severity.RED) - 10.0 <= 6.5
    assert Severity.RED not in severities([0.0] * 20 + [120.0] * 10 + [0.0] * 10)
    assert severities([120.0] * 8) == [None, Severity.ALERT]  # eight flashes lie 3.5 s apart


def test_musicians_who_are_early_as_often_as_late_are_no_drift() -> None:
    rng = random.Random(4)
    assert severities([rng.gauss(0.0, 25.0) for _ in range(2_000)]).count(Severity.AMBER) <= 5
    assert severities([2.0] * 8 + [-70.0, 66.0, 68.0] + [2.0] * 8) == [None, Severity.OK]


@pytest.mark.parametrize("rung", list(RUNGS_MS))
def test_around_a_rung_it_does_not_flap(rung: Severity) -> None:
    wobble = [RUNGS_MS[rung] * (1.03 if number // 25 % 2 else 0.9) for number in range(400)]
    told = severities([RUNGS_MS[rung] * 1.1] * 30 + wobble)
    assert told[-1] is rung
    assert len(told) <= 3  # None, what comes before red, and the rung


def test_it_goes_down_after_three_seconds_and_the_calm_began_with_the_first_calm_flash() -> None:
    drifts_ms = [60.0] * 20 + [3.0] * 30
    assert severities(drifts_ms) == [None, Severity.ALERT, Severity.OK]
    assert 7.0 < first(drifts_ms, Severity.OK) - 10.0 <= 6.0 + DOWN_AFTER_NS / NS_PER_S
    assert climbed(drifts_ms)[-1][1].since_ns == 10 * NS_PER_S


def test_from_red_it_goes_down_as_far_as_it_deserves() -> None:
    drifts_ms = [120.0] * 30 + [60.0] * 30 + [30.0] * 30
    assert severities(drifts_ms) == [None, Severity.ALERT, Severity.RED, Severity.ALERT, Severity.AMBER]
    assert climbed(drifts_ms)[-1][1].since_ns == 0  # it was never well in between


def test_without_flashes_there_is_nothing_to_say_after_a_while() -> None:
    verdicts = climbed([60.0] * 10, then_s=20.0)
    gone_s = next(second for second, verdict in verdicts if second > 5.0 and verdict.severity is None)
    assert 5.0 + DOWN_AFTER_NS / NS_PER_S < gone_s <= 5.0 + (WINDOW_NS + DOWN_AFTER_NS) / NS_PER_S


def test_fault_33_a_flood_is_kept_within_its_cap() -> None:
    ladder = SeverityLadder()
    for number in range(10_000):
        ladder.add(HostTime(number), 1.0)
    assert len(ladder._compared) == MAX_RECENT


@given(st.lists(st.floats(-300, 300), max_size=40))
def test_it_is_never_worse_than_the_worst_flash(drifts_ms: list[float]) -> None:
    for _, verdict in climbed(drifts_ms):
        if verdict.drift_ms is not None:
            assert min(drifts_ms) <= verdict.drift_ms <= max(drifts_ms)
        if verdict.severity in RUNGS_MS:
            assert max(map(abs, drifts_ms)) > RUNGS_MS[verdict.severity]


@given(st.lists(st.floats(-300, 300), max_size=40))
def test_early_is_as_bad_as_late(drifts_ms: list[float]) -> None:
    late, early = climbed(drifts_ms), climbed([-drift_ms for drift_ms in drifts_ms])
    assert [(v.severity, v.since_ns) for _, v in late] == [(v.severity, v.since_ns) for _, v in early]
