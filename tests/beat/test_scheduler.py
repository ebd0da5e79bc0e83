from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1edge.beat.scheduler import EDGE_NS, KEEP, MOVED_NS, REFRACTORY_NS, Scheduler
from k1edge.events import Bar, BeatPlan, PlannedBeat, Timeline

MS = 1_000_000
PERIOD = 500 * MS


def line(period: int = PERIOD, number: int = 0, at: int = 0) -> Timeline:
    return Timeline(float(period), float(number), float(at))


def test_plans_the_next_three_beats_and_lasts_one_period_beyond_them() -> None:
    plan = Scheduler().update(line(at=1000 * MS), (), 0, 0.7, 900 * MS)
    assert isinstance(plan, BeatPlan)
    assert [(b.beat_id, b.due_ns) for b in plan.beats] == [(0, 1000 * MS), (1, 1500 * MS), (2, 2000 * MS)]
    assert {b.strength for b in plan.beats} == {0.7}
    assert plan.valid_until_ns == 2500 * MS


def test_committed_beats_stand_where_they_were_committed_and_keep_their_number() -> None:
    committed = (PlannedBeat(6, 700 * MS, 0.4, None), PlannedBeat(7, 1203 * MS, 0.9, 1))
    plan = Scheduler().update(line(number=8, at=1700 * MS), committed, 8, 0.5, 1000 * MS)
    assert [(b.beat_id, b.due_ns, b.strength, b.beat_in_bar) for b in plan.beats] == [
        (7, 1203 * MS, 0.9, 1),
        (8, 1700 * MS, 0.5, None),
        (9, 2200 * MS, 0.5, None),
    ]


def test_places_in_the_bar_go_on_beyond_the_committed_beats_and_news_of_them_is_a_new_plan() -> None:
    scheduler = Scheduler()
    committed = (PlannedBeat(7, 1200 * MS, 0.9, 3),)
    plan = scheduler.update(line(number=8, at=1700 * MS), committed, 8, 0.5, 1000 * MS, Bar(3, 5))
    assert [(b.beat_id, b.beat_in_bar) for b in plan.beats] == [(7, 3), (8, 1), (9, 2)]
    assert scheduler.update(line(number=8, at=1700 * MS), committed, 8, 0.5, 1010 * MS, Bar(3, 8)) is KEEP
    unsure = scheduler.update(line(number=8, at=1700 * MS), committed, 8, 0.5, 1020 * MS)
    assert [b.beat_in_bar for b in unsure.beats] == [3, None, None]


@pytest.mark.parametrize("offset_ms", [-80, 35])
def test_the_users_offset_moves_light_and_timeline_plus_being_later(offset_ms: int) -> None:
    plan = Scheduler(offset_ns=offset_ms * MS).update(line(at=1000 * MS), (PlannedBeat(0, 1000 * MS, 1.0, None),), 1, 1.0, 800 * MS)
    assert plan.beats[0].due_ns == (1000 + offset_ms) * MS
    assert plan.timeline.time_at(0) == (1000 + offset_ms) * MS


def test_nothing_is_said_twice_and_each_beat_that_passes_brings_one_new_plan() -> None:
    scheduler = Scheduler()
    said = []
    for now in range(0, 5000 * MS, 10 * MS):
        answer = scheduler.update(line(at=200 * MS), (), 0, 1.0, now)
        if answer is not KEEP:
            said.append(answer)
    assert len(said) == 10 + 1
    assert [p.beats[0].beat_id for p in said] == list(range(11))


def test_a_beat_that_moves_by_more_than_a_millisecond_is_revised_a_smaller_move_is_not() -> None:
    scheduler = Scheduler()
    scheduler.update(line(at=1000 * MS), (), 0, 1.0, 0)
    assert scheduler.update(line(at=1000 * MS + MOVED_NS // 2), (), 0, 1.0, 0) is KEEP
    moved = scheduler.update(line(at=1000 * MS + 2 * MOVED_NS), (), 0, 1.0, 0)
    assert moved.beats[0].due_ns == 1002 * MS


def test_losing_the_lock_goes_dark_once() -> None:
    scheduler = Scheduler()
    assert scheduler.update(None, (), 0, 1.0, 0) is KEEP
    scheduler.update(line(at=1000 * MS), (), 0, 1.0, 0)
    assert scheduler.update(None, (), 0, 1.0, 10 * MS) is None
    assert scheduler.update(None, (), 0, 1.0, 20 * MS) is KEEP
    assert isinstance(scheduler.update(line(at=1000 * MS), (), 0, 1.0, 30 * MS), BeatPlan)


def test_nothing_beyond_the_horizon_is_planned() -> None:
    plan = Scheduler(horizon_ns=1200 * MS).update(line(at=1000 * MS), (), 0, 1.0, 0)
    assert [b.beat_id for b in plan.beats] == [0]


def test_fault_54_tempo_doubled_or_halved_supersedes_without_a_double_flash() -> None:
    for factor in (0.5, 2.0):
        scheduler = Scheduler()
        first = scheduler.update(line(at=1000 * MS), (), 0, 1.0, 990 * MS)
        assert first.beats[0].due_ns == 1000 * MS
        # beat 0 has just been flashed; the filter now believes in another tempo, whose beat 1 would be 40 ms after it
        second = scheduler.update(line(int(PERIOD * factor), 1, 1040 * MS), (), 1, 1.0, 1010 * MS)
        assert all(b.beat_id > 0 for b in second.beats)
        assert second.beats[0].due_ns >= 1000 * MS + REFRACTORY_NS
        assert all(b.due_ns - a.due_ns == PERIOD * factor for a, b in pairwise(second.beats))


def test_a_beat_whose_time_has_come_is_never_planned_again_however_it_moves() -> None:
    scheduler = Scheduler(offset_ns=-150 * MS)  # light is due before the tracker commits
    scheduler.update(line(number=4, at=1000 * MS), (), 4, 1.0, 800 * MS)
    moved = scheduler.update(line(number=4, at=1040 * MS), (), 4, 1.0, 860 * MS)
    assert moved is KEEP or all(b.beat_id > 4 for b in moved.beats)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(5, 400), st.integers(280, 1090), st.integers(-300, 300), st.booleans()), min_size=1, max_size=60),
    st.integers(-200, 200),
)
def test_whatever_the_grid_does_planned_beats_lie_ahead_ascend_and_keep_apart(
    story: list[tuple[int, int, int, bool]], offset_ms: int
) -> None:
    scheduler = Scheduler(offset_ns=offset_ms * MS)
    now = 0
    number = 0
    flashed: list[tuple[int, int]] = []
    playing: BeatPlan | None = None
    for wait_ms, period_ms, shift_ms, lit in story:
        later = now + wait_ms * MS
        due = [(b.beat_id, b.due_ns) for b in playing.beats if now < b.due_ns <= later] if playing else []
        flashed += due
        now = later
        number += len(due)
        timeline = line(period_ms * MS, number, now + (150 + shift_ms) * MS) if lit else None
        answer = scheduler.update(timeline, (), number, 1.0, now)
        if answer is KEEP:
            continue
        playing = answer
        if playing is not None:
            assert 1 <= len(playing.beats) <= 3
            assert all(now < b.due_ns <= now + 2_000 * MS + EDGE_NS for b in playing.beats)
            assert all(b.beat_id > a.beat_id and b.due_ns - a.due_ns >= REFRACTORY_NS for a, b in pairwise(playing.beats))
    assert all(b[0] > a[0] and b[1] - a[1] >= REFRACTORY_NS for a, b in pairwise(flashed))
