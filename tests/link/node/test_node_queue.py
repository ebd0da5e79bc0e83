"""What a node has still to flash: revisions, freezing, lateness, refractory time, and one end for each beat."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1edge.link.k1link.messages import (
    CAP_CLOCK_32,
    Ack,
    AckResult,
    Beats,
    Blackout,
    Config,
    Fate,
    Hello,
    WireBeat,
)
from k1edge.link.node.reports import NodeIdentity
from k1edge.timebase import NodeTime
from tests.link.node.node_host import TX, US, Host


@pytest.fixture
def host() -> Host:
    made = Host()
    made.hello()
    return made


def test_a_beat_is_sent_to_the_leds_so_that_the_latch_is_on_time(host: Host) -> None:
    host.beats((1, 500_000))
    assert host.node.next_fire() == 500_000 - TX
    assert host.run_to(US) == {1: Fate.FIRED}
    assert [(flash.t_sched_us, flash.t_latch_us, flash.strength, flash.beat_in_bar) for flash in host.flashes] == [
        (500_000, 500_000, 200, 1)
    ]


@pytest.mark.parametrize(
    ("late_us", "fate"),
    [(0, Fate.FIRED), (2_000, Fate.FIRED), (2_001, Fate.LATE), (10_000, Fate.LATE), (10_001, Fate.MISSED), (3 * US, Fate.MISSED)],
)
def test_fault_20_late_fires_flagged_later_is_dropped(host: Host, late_us: int, fate: Fate) -> None:
    host.beats((1, 500_000))
    host.now = 500_000 - TX + late_us
    flashes = host.node.fire(NodeTime(host.now))
    assert host.fates() == {1: fate}
    assert len(flashes) == (fate is not Fate.MISSED)


def test_each_end_is_told_three_times(host: Host) -> None:
    host.beats((1, 500_000))
    told = []
    host.now = host.node.next_fire()
    host.node.fire(NodeTime(host.now))
    while (at := host.node.next_send()) is not None:
        host.now = max(host.now, at)
        told += [(host.now, report.id) for answer in host.answers() for report in answer.reports]
    assert [number for _, number in told] == [1, 1, 1]
    assert told[2][0] - told[1][0] >= 100_000


def test_a_newer_revision_moves_adds_and_withdraws(host: Host) -> None:
    host.beats((1, 500_000), (2, 1_000_000), (3, 1_500_000))
    host.beats((2, 1_010_000), (3, 1_490_000), (4, 2_000_000))
    assert host.run_to(3 * US) == {1: Fate.CANCELLED, 2: Fate.FIRED, 3: Fate.FIRED, 4: Fate.FIRED}
    assert [flash.t_sched_us for flash in host.flashes] == [1_010_000, 1_490_000, 2_000_000]


@pytest.mark.parametrize(("before_us", "taken"), [(30_000, True), (29_999, False)])
def test_fault_54_revisions_are_taken_until_30_ms_before(host: Host, before_us: int, taken: bool) -> None:
    host.beats((1, 500_000))
    host.now = 500_000 - before_us
    host.beats((1, 520_000))
    host.run_to(US)
    assert [flash.t_sched_us for flash in host.flashes] == [520_000 if taken else 500_000]


def test_a_beat_about_to_flash_is_not_withdrawn_by_a_revision_but_by_a_blackout(host: Host) -> None:
    host.beats((1, 500_000))
    host.now = 490_000
    host.beats()
    assert len(host.node.queue) == 1
    host.send(Blackout(host.revision), seq=8)
    ack, fired = host.answers()
    assert ack == Ack(Blackout.TYPE, 8, AckResult.OK)
    assert fired.reports[0].fate is Fate.CANCELLED
    assert host.node.next_fire() is None


def test_fault_05_old_revisions_duplicates_and_played_ids_are_ignored(host: Host) -> None:
    host.beats((1, 500_000), (2, 1_000_000))
    host.beats((1, 500_000), (2, 1_000_000))
    host.beats((7, 600_000), revision=1)
    host.beats((8, 700_000), revision=2)
    assert host.node.refused == 2
    host.run_to(600_000)
    host.beats((1, 800_000), (2, 1_000_000), revision=3)  # 1 has flashed
    host.run_to(2 * US)
    assert [flash.id for flash in host.flashes] == [1, 2]


def test_fault_07_revisions_wrap(host: Host) -> None:
    host.node._revision = 0xFFFFFFFE
    for revision in (0xFFFFFFFF, 0, 1):
        host.beats((revision, 500_000), revision=revision)
    assert host.node.refused == 0
    assert host.run_to(US)[1] is Fate.FIRED


def test_fault_05_a_blackout_that_was_overtaken_is_stale(host: Host) -> None:
    host.beats((1, 500_000))
    host.beats((2, 600_000))
    host.send(Blackout(1))
    assert Ack(Blackout.TYPE, 0, AckResult.STALE) in host.answers()
    assert len(host.node.queue) == 1


def test_fault_05_a_replayed_hello_of_an_earlier_session_changes_nothing(host: Host) -> None:
    host.session = 6
    host.hello(nonce=10)
    host.beats((1, 500_000))
    host.send(Hello(9), session=5)
    assert host.answers() == []
    assert host.node.session == 6
    assert len(host.node.queue) == 1


@pytest.mark.parametrize("due", [10_001_001 + 1000, -1])
def test_fault_06_times_more_than_10_s_away_are_refused(host: Host, due: int) -> None:
    host.now = 1000 if due > 0 else 11 * US
    host.beats((1, max(0, due)))
    assert len(host.node.queue) == 0
    assert host.node.refused == 1
    host.beats((1, host.now + US))
    assert len(host.node.queue) == 1


def test_fault_54_no_second_flash_within_the_refractory_time(host: Host) -> None:
    host.beats((1, 500_000), (2, 599_000), (3, 601_000))
    assert host.run_to(US) == {1: Fate.FIRED, 2: Fate.CANCELLED | Fate.REFRACTORY, 3: Fate.FIRED}
    host.send(Config(refractory_ms=300), seq=4)
    assert Ack(Config.TYPE, 4) in host.answers()
    host.beats((4, 1_500_000), (5, 1_700_000))
    fates = host.run_to(2 * US)
    assert (fates[4], fates[5]) == (Fate.FIRED, Fate.CANCELLED | Fate.REFRACTORY)


def test_fault_12_after_a_stall_no_burst_of_stale_flashes(host: Host) -> None:
    host.beats((1, 500_000), (2, 700_000), (3, 900_000))
    host.now = 2 * US
    assert host.node.fire(NodeTime(host.now)) == []
    assert host.fates() == dict.fromkeys((1, 2, 3), Fate.MISSED)


def test_fault_07_a_32_bit_counter_wraps_within_a_beat() -> None:
    start = (1 << 32) - 300_000
    host = Host(NodeIdentity(b"old", 1, led_tx_us=TX, clock_bits=32), started=start)
    (ack,) = host.hello()
    assert ack.capabilities & CAP_CLOCK_32
    due = start + 500_000
    host.send(Beats(1, 0, 0, (WireBeat(1, due & 0xFFFFFFFF, 255, 0),)))
    assert host.node.next_fire() == due - TX
    host.now = due - TX
    host.node.fire(NodeTime(host.now))
    (fired,) = host.answers()
    assert fired.reports[0].t_fired == due & 0xFFFFFFFF


beats_st = st.lists(st.tuples(st.integers(1, 12), st.integers(-200_000, 3 * US)), max_size=3, unique_by=lambda beat: beat[0])
step_st = st.one_of(
    st.tuples(st.just("beats"), beats_st),
    st.tuples(st.just("wait"), st.integers(0, US)),
    st.tuples(st.just("stall"), st.integers(0, US)),
    st.tuples(st.just("blackout"), st.integers(0, 3)),
    st.tuples(st.just("hello"), st.integers(1, 3)),
    st.tuples(st.just("junk"), st.binary(max_size=80)),
)


@given(st.lists(step_st, max_size=30))
@settings(max_examples=150)
def test_whatever_comes_the_queue_is_bounded_and_nothing_flashes_twice(steps: list[tuple[str, Any]]) -> None:
    host = Host()
    host.now = host.node.started_us = NodeTime(US)
    host.hello()
    for what, value in steps:
        if what == "beats":
            host.beats(*[(number, max(0, host.now + ahead)) for number, ahead in value])
        elif what == "wait":
            host.run_to(host.now + value)
        elif what == "stall":
            host.now += value
        elif what == "blackout":
            host.send(Blackout(max(0, host.revision - value)))
        elif what == "hello":
            host.session, host.revision = value + 5, 0
            host.hello(nonce=value + 100)
        else:
            host.node.receive(value, NodeTime(host.now))
        node = host.node
        assert len(node.queue) <= 8
        assert len(node._replies) <= 8
        latches = [flash.t_latch_us for flash in host.flashes]
        assert all(b - a >= 100_000 for a, b in itertools.pairwise(latches))
        assert all(0 <= flash.t_latch_us - flash.t_sched_us <= 10_000 for flash in host.flashes)
