import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.events import BeatFate, FlashReport
from k1edge.link.trial import LINGER_NS, REPORT_NS, TAKE_OVER_NS, Trial, told
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime, NodeTime

FIRST = HostTime(10 * NS_PER_S)


def report(beat_id: int, due_ns: int, fate: BeatFate = BeatFate.FIRED) -> FlashReport:
    return FlashReport(beat_id, fate, HostTime(due_ns), NodeTime(5), NodeTime(7), HostTime(due_ns + 2_000), 80.0)


@given(count=st.integers(1, 12), period_ms=st.integers(200, 2_000), step_ms=st.integers(30, 300))
def test_every_flash_is_planned_in_time_and_no_plan_names_more_than_three(count: int, period_ms: int, step_ms: int) -> None:
    trial = Trial(FIRST, count, period_ms * NS_PER_MS)
    planned: dict[int, int] = {}
    now = FIRST - 3 * NS_PER_S
    end = FIRST + count * period_ms * NS_PER_MS
    while now < end:
        plan = trial.plan(HostTime(now), timed=True)
        if plan is not None:
            assert len(plan.beats) <= 3
            assert all(beat.due_ns > now and beat.beat_id < 0 and beat.due_ns <= plan.valid_until_ns for beat in plan.beats)
            for beat in plan.beats:
                planned.setdefault(beat.due_ns, now)
        now += step_ms * NS_PER_MS
    assert list(planned) == [flash.due_ns for flash in trial.flashes]
    assert all(due - first >= min(2 * period_ms, 1_900) * NS_PER_MS - step_ms * NS_PER_MS for due, first in planned.items())


def test_it_has_the_node_from_shortly_before_to_shortly_after() -> None:
    trial = Trial(FIRST, 2, 500 * NS_PER_MS)
    assert trial.plan(HostTime(FIRST - TAKE_OVER_NS - 1), timed=True) is None
    assert trial.plan(HostTime(FIRST - TAKE_OVER_NS), timed=True) is not None
    assert trial.plan(HostTime(FIRST - 451 * NS_PER_MS), timed=False) is None  # it would flash all the while
    assert trial.plan(HostTime(FIRST - 450 * NS_PER_MS), timed=False) is not None
    last = FIRST + 500 * NS_PER_MS
    assert trial.plan(HostTime(last + LINGER_NS - 1), timed=True) is not None
    assert trial.plan(HostTime(last + LINGER_NS), timed=True) is None


def test_each_word_belongs_to_its_flash_and_strangers_to_none() -> None:
    trial = Trial(FIRST, 2, 500 * NS_PER_MS)
    trial.take(report(-1, FIRST + 500 * NS_PER_MS))
    for stranger in (report(0, FIRST), report(-2, FIRST + 1), report(-3, FIRST)):
        trial.take(stranger)
    assert [flash.report is None for flash in trial.flashes] == [True, False]
    assert not trial.is_over(FIRST, timed=True)
    trial.take(report(-2, FIRST))
    assert trial.is_over(FIRST, timed=True)
    assert [each["error_us"] for each in told(trial.flashes, timed=True)] == [2.0, 2.0]


@pytest.mark.parametrize(("timed", "after"), [(True, REPORT_NS), (False, LINGER_NS)])
def test_it_ends_without_a_word_too(timed: bool, after: int) -> None:
    trial = Trial(FIRST, 1, 500 * NS_PER_MS)
    assert not trial.is_over(HostTime(FIRST + after - 1), timed=timed)
    assert trial.is_over(HostTime(FIRST + after), timed=timed)
    (flash,) = told(trial.flashes, timed=timed)
    assert (flash["fate"], flash["error_us"], flash["timing"]) == (None, None, "timed" if timed else "untimed")
