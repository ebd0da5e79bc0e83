from itertools import pairwise

import pytest

from k1edge.beat.gate import BET_HOPS, HOLD_BEATS, LIKE_MUSIC, MUSIC_AT, NO_MUSIC_AT, UNLIKE_MUSIC, Gate, demanded
from k1edge.beat.tracker import BEAT_WINDOW, Estimate
from k1edge.events import LockState

PERIOD = 50
SURE = Estimate(float(PERIOD), 0.0, 0.95, 0.99)
VAGUE = Estimate(float(PERIOD), 0.0, 0.2, 0.3)


class Played:
    """A gate and a drummer: `hits` says whether each beat is heard where the filter forecasts it."""

    def __init__(self, music: float | None = None) -> None:
        self.gate = Gate()
        self.music = music
        self.hop = 0
        self.states: list[LockState] = []

    def beats(self, count: int, *, hit: bool = True, estimate: Estimate = SURE, level_db: float = -20.0, heard: bool = True) -> LockState:
        for _ in range(count * PERIOD):
            self.hop += 1
            phase = self.hop % PERIOD
            due = (self.hop + BET_HOPS) % PERIOD < PERIOD * BEAT_WINDOW
            loud = phase < 3 if hit else 25 <= phase < 28
            evidence = (0.7 if loud else -0.04) if heard else None
            self.gate.step(evidence, 0.9 if due else 0.01, estimate, level_db, beat=phase == PERIOD - 10, music=self.music)
            self.states.append(self.gate.state)
        return self.gate.state


def test_hits_on_forecast_beats_open_the_gate_within_seconds_by_way_of_locking() -> None:
    played = Played()
    assert played.beats(6) is LockState.LOCKED
    order = [a for a, b in pairwise([*played.states, None]) if a is not b]
    assert order == [LockState.UNLOCKED, LockState.LOCKING, LockState.LOCKED]


def test_one_lucky_hit_does_not_open_it() -> None:
    played = Played()
    played.beats(1)
    played.beats(4, hit=False)
    assert LockState.LOCKED not in played.states


def test_hits_beside_the_beats_never_open_it_and_close_it() -> None:
    assert Played().beats(20, hit=False) is LockState.UNLOCKED
    played = Played()
    played.beats(8)
    assert played.beats(20, hit=False) is LockState.UNLOCKED
    assert LockState.HOLDING in played.states


def test_an_undecided_filter_does_not_open_it() -> None:
    assert Played().beats(8, estimate=VAGUE) is LockState.UNLOCKED


def test_fault_55_a_break_is_held_for_two_bars_then_dark_and_music_resumes_at_once() -> None:
    played = Played()
    played.beats(8)
    assert played.beats(HOLD_BEATS - 1, heard=False) is LockState.HOLDING
    assert played.beats(1) is LockState.LOCKED
    played.beats(HOLD_BEATS + 2, heard=False)
    assert played.gate.state is LockState.UNLOCKED
    played.beats(4)
    assert played.gate.state is LockState.LOCKED


def test_no_signal_for_four_seconds_closes_it_even_within_the_hold() -> None:
    slow = Played()
    slow.beats(8)
    slow.beats(6, heard=False, level_db=-120.0)  # 3 s
    assert slow.gate.state is LockState.HOLDING
    for _ in range(120):
        slow.gate.step(None, 0.1, SURE, -120.0, beat=False)
    assert slow.gate.state is LockState.UNLOCKED


@pytest.mark.parametrize("hit", [True, False])
def test_support_stays_within_its_bounds(hit: bool) -> None:
    played = Played()
    played.beats(60, hit=hit)
    assert -3.0 <= played.gate.support <= 9.0


def test_where_it_looks_like_music_a_bar_of_hits_is_enough_and_where_it_looks_like_speech_much_more_is_wanted() -> None:
    waits = {}
    for music in (0.1, None, 0.95):
        played = Played(music)
        played.beats(20)
        waits[music] = played.states.index(LockState.LOCKED) if LockState.LOCKED in played.states else len(played.states)
    assert waits[0.95] <= 3 * PERIOD < waits[None] < waits[0.1]


def test_between_music_and_none_the_demands_are_between() -> None:
    between = demanded((MUSIC_AT + NO_MUSIC_AT) / 2)
    assert between.steady == pytest.approx((UNLIKE_MUSIC.steady + LIKE_MUSIC.steady) / 2)
    assert (demanded(1.0), demanded(MUSIC_AT - 1e-12)) == (LIKE_MUSIC, pytest.approx(LIKE_MUSIC))
    assert (demanded(0.0), demanded(NO_MUSIC_AT + 1e-12)) == (UNLIKE_MUSIC, pytest.approx(UNLIKE_MUSIC))


def test_where_music_gives_way_to_speech_it_is_dark_within_a_bar_and_where_it_only_rests_it_is_not() -> None:
    states = {}
    for music in (0.05, 0.95):
        played = Played(0.95)
        assert played.beats(8) is LockState.LOCKED
        played.music = music
        states[music] = played.beats(4, estimate=VAGUE)
    assert states == {0.05: LockState.UNLOCKED, 0.95: LockState.HOLDING}


def test_music_alone_opens_nothing() -> None:
    played = Played(0.9)
    assert played.beats(20, hit=False) is LockState.UNLOCKED
    assert LockState.LOCKED not in played.states
