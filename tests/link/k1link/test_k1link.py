"""The host's session step by step: handshake, requests, when beats go out. Whole links in motion are in tests/sim."""

import itertools

import pytest

from k1edge.events import BeatPlan, PlannedBeat
from k1edge.link.dialect import ClockUpdated, LinkState, NodeIdentified, StateChanged
from k1edge.link.k1link.messages import (
    Beats,
    Config,
    GetStats,
    Hello,
    Ping,
)
from k1edge.timebase import HostTime
from tests.link.k1link.k1_script import MS, T0, Node, S


@pytest.fixture
def node() -> Node:
    made = Node()
    made.run(2)
    assert made.session.peer.state is LinkState.READY
    return made


def test_handshake_sync_ready_in_that_order() -> None:
    node = Node(host_name="pi", config=Config(refractory_ms=120))
    node.run(1)
    assert [event.state for event in node.events if isinstance(event, StateChanged)] == [
        LinkState.HANDSHAKE,
        LinkState.SYNCING,
        LinkState.READY,
    ]
    (info,) = (event.info for event in node.events if isinstance(event, NodeIdentified))
    assert (info.dialect, info.unique_id, info.firmware, info.led_tx_us) == ("k1link", b"node\0\0\0\0".hex(), "fw 1", 5000)
    assert node.sent(Hello)[0].host_name == "pi"
    assert node.sent(Config) == [Config(refractory_ms=120)]
    assert len(node.sent(Ping)) >= 32
    clock = node.session.clock()
    assert clock is not None
    assert abs(clock.to_node.forward(node.now) - node.us()) <= clock.bound_us < 1000
    assert any(isinstance(event, ClockUpdated) for event in node.events)


def test_hello_is_tried_five_times_ever_more_slowly_then_the_port_is_to_be_reopened() -> None:
    node = Node()
    node.answering = set()
    times = []
    while node.session.next_deadline() is not None:
        times += [node.now] * len(node.pump())
        node.now = max(node.now + MS, node.session.next_deadline() or 0)
    assert [round((b - a) / MS) for a, b in itertools.pairwise(times)] == [250, 500, 1000, 1000]
    assert node.session.wants_reopen
    assert node.events[-1] == StateChanged(LinkState.CLOSED, "no answer to HELLO")
    assert len({message.nonce for message in node.sent(Hello)}) == 1


def test_the_timeout_follows_the_measured_round_trip(node: Node) -> None:
    node.answering.discard(GetStats)
    node.now += 10 * S  # the host was busy; statistics are due
    asked: list[int] = []
    while len(asked) < 5:
        node.run(0.002)
        asked += [node.now] * (len(node.sent(GetStats)) - len(asked))
    gaps = [(b - a) / MS for a, b in itertools.pairwise(asked)]
    assert gaps == pytest.approx([25, 50, 100, 200], abs=6)


def test_no_beats_before_the_clock_is_fitted() -> None:
    node = Node()
    node.session.follow(node.plan(600, 1100, 1600), HostTime(T0))
    node.answering.discard(Ping)
    node.run(1.5)
    assert node.sent(Beats) == []
    assert node.session.counters().sent == 0


def test_beats_go_out_in_node_time_and_are_repeated(node: Node) -> None:
    plan = node.plan(600, 1100, 1600)
    node.session.follow(plan, HostTime(node.now))
    node.run(0.45)
    first, *more = node.sent(Beats)
    assert [beat.t_node_us for beat in first.beats] == pytest.approx([node.us(beat.due_ns) for beat in plan.beats], abs=5)
    assert [(beat.strength, beat.beat_in_bar) for beat in first.beats] == [(128, 1), (128, 2), (128, 3)]
    assert first.period_us == 500_000
    assert len(more) >= 2
    assert [message.revision for message in node.sent(Beats)] == list(range(1, len(more) + 2))
    assert {beat.id for message in more for beat in message.beats} == {beat.id for beat in first.beats}


def test_beats_beyond_the_horizon_wait(node: Node) -> None:
    node.session.follow(node.plan(500, 1900, 2500), HostTime(node.now))
    node.run(0.02)
    assert [len(message.beats) for message in node.sent(Beats)] == [2]
    node.run(0.6)
    assert len({beat.id for beat in node.sent(Beats)[-1].beats}) == 2  # the first is over, the third came in
    assert node.session.counters().sent == 3


def test_a_beat_that_moves_more_than_50_us_gets_a_revision_and_less_does_not(node: Node) -> None:
    plan = node.plan(1000)
    node.session.follow(plan, HostTime(node.now))
    node.run(0.03)
    for shift_us, revisions in ((40, 1), (60, 2)):
        moved = PlannedBeat(10, HostTime(plan.beats[0].due_ns + shift_us * 1000), 0.5, 1)
        node.session.follow(BeatPlan(plan.timeline, (moved,), plan.valid_until_ns), HostTime(node.now))
        node.run(0.03)
        assert len(node.sent(Beats)) == revisions


def test_a_move_that_the_pace_holds_back_is_told_as_soon_as_the_pace_allows(node: Node) -> None:
    node.run(8.1)  # pings are rare by now, and none makes the host look in the moments below
    plan = node.plan(1000)
    node.session.follow(plan, HostTime(node.now))
    node.run(0.9)
    for shift_us in (200, 400, 600):  # more often than the pace allows
        moved = PlannedBeat(10, HostTime(plan.beats[0].due_ns + shift_us * 1000), 0.5, 1)
        node.session.follow(BeatPlan(plan.timeline, (moved,), plan.valid_until_ns), HostTime(node.now))
        node.run(0.005)
    node.run(0.03)
    assert node.sent(Beats)[-1].beats[0].t_node_us == pytest.approx(node.us(moved.due_ns), abs=5)
