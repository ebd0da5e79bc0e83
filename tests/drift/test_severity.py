from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.drift.severity import DOWN_AFTER_NS, REACH_NS, RUNGS_MS, SeverityLadder, Verdict
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


def first(drifts_ms: Sequence[float], severity: Severity) -> float:
    return next(second for second, verdict in climbed(drifts_ms) if verdict.severity is severity)


def test_nothing_to_judge_has_no_severity() -> None:
    assert severities([]) == [None]
    assert severities([500.0, 500.0]) == [None]


@pytest.mark.parametrize(
    ("drift_ms", "expected"),
    [(19.9, Severity.OK), (20.1, Severity.AMBER), (-35.0, Severity.AMBER), (50.1, Severity.ALERT), (100.1, Severity.RED)],
)
def test_each_rung_begins_where_it_says(drift_ms: float, expected: Severity) -> None:
    assert climbed([drift_ms] * 20)[-1][1].severity is expected


def test_a_step_is_amber_with_the_third_flash_and_begins_with_the_first() -> None:
    drifts_ms = [1.0] * 10 + [35.0] * 10
    assert first(drifts_ms, Severity.AMBER) == pytest.approx(5.0 + 2 * 0.5 + 1.0)
    assert climbed(drifts_ms)[-1][1].since_ns == 5 * NS_PER_S


def test_red_needs_five_seconds_of_flashes_beyond_its_rung() -> None:
    drifts_ms = [0.0] * 10 + [120.0] * 20
    assert first(drifts_ms, Severity.ALERT) == pytest.approx(7.0)
    assert first(drifts_ms, Severity.RED) == pytest.approx(5.0 + 5.0 + 1.0)
    assert Severity.RED not in severities([0.0] * 10 + [120.0] * 10 + [0.0] * 10)
    assert Severity.RED not in severities([120.0] * 10 + [90.0] * 5 + [120.0] * 9)  # the run was broken


def test_two_flashes_beside_a_wrong_onset_move_nothing() -> None:
    assert severities([2.0] * 8 + [-70.0, 66.0] + [2.0] * 8) == [None, Severity.OK]


@pytest.mark.parametrize("rung", list(RUNGS_MS))
def test_around_a_rung_it_does_not_flap(rung: Severity) -> None:
    wobble = [RUNGS_MS[rung] * (1.03 if number % 7 < 3 else 0.9) for number in range(200)]
    told = severities([RUNGS_MS[rung] * 1.1] * 16 + wobble)
    assert told[-1] is rung
    assert len(told) <= 3  # None, what comes before red, and the rung


def test_it_goes_down_after_three_seconds_and_the_calm_began_with_the_first_calm_flash() -> None:
    drifts_ms = [60.0] * 10 + [3.0] * 20
    assert severities(drifts_ms) == [None, Severity.ALERT, Severity.OK]
    fell_s = first(drifts_ms, Severity.OK)
    assert fell_s == pytest.approx(5.0 + 1.0 + 1.0 + DOWN_AFTER_NS / NS_PER_S)  # the third calm flash, its second, and the wait
    assert climbed(drifts_ms)[-1][1].since_ns == 5 * NS_PER_S


def test_from_red_it_goes_down_as_far_as_it_deserves() -> None:
    assert severities([120.0] * 20 + [60.0] * 20 + [30.0] * 20) == [None, Severity.ALERT, Severity.RED, Severity.ALERT, Severity.AMBER]


def test_without_flashes_there_is_nothing_to_say_after_a_while() -> None:
    verdicts = climbed([60.0] * 10, then_s=20.0)
    assert verdicts[-1][1].severity is None
    gone_s = next(second for second, verdict in verdicts if second > 5.0 and verdict.severity is None)
    assert gone_s <= 5.0 + (REACH_NS + DOWN_AFTER_NS) / NS_PER_S


@given(st.lists(st.floats(-300, 300), max_size=40))
def test_it_is_never_worse_than_the_worst_flash_nor_better_than_the_best(drifts_ms: list[float]) -> None:
    sizes = [abs(drift) for drift in drifts_ms]
    for _, verdict in climbed(drifts_ms):
        if verdict.drift_ms is not None:
            assert min(sizes) <= abs(verdict.drift_ms) <= max(sizes)
        if verdict.severity in RUNGS_MS:
            assert max(sizes) > RUNGS_MS[verdict.severity]
