"""The host's session: how beats end, resets, old sessions, hostile messages."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1edge.events import BeatFate, BeatPlan, FlashReport, PlannedBeat, Timeline
from k1edge.link.dialect import LinkState, NodeReset
from k1edge.link.k1link.framing import Frame, encode
from k1edge.link.k1link.messages import (
    Beats,
    Blackout,
    Fate,
    Fired,
    Hello,
    HelloAck,
    Log,
    Ping,
    Pong,
    WireReport,
)
from k1edge.link.lines import KEPT_BYTES
from k1edge.timebase import HostTime
from tests.link.k1link.k1_script import MS, Node


@pytest.fixture
def node() -> Node:
    made = Node()
    made.run(2)
    assert made.session.peer.state is LinkState.READY
    return made


def report(node: Node, fate: Fate, at: int = 0, late_us: int = 0) -> None:
    beat = node.sent(Beats)[-1].beats[at]
    fired = beat.t_node_us + late_us if fate in {Fate.FIRED, Fate.LATE} else 0
    node.say(Fired((WireReport(beat.id, beat.t_node_us, fired, fate),)))


@pytest.mark.parametrize(
    ("fate", "ends"),
    [
        (Fate.FIRED, BeatFate.FIRED),
        (Fate.LATE, BeatFate.LATE),
        (Fate.MISSED, BeatFate.MISSED),
        (Fate.CANCELLED | Fate.REFRACTORY, BeatFate.CANCELLED),
    ],
)
def test_fault_20_a_report_ends_the_beat_once(node: Node, fate: Fate, ends: BeatFate) -> None:
    plan = node.plan(500)
    node.session.follow(plan, HostTime(node.now))
    node.run(0.6)
    for _ in range(3):
        report(node, fate, late_us=3000)
    node.run(3)
    assert node.fates() == [(10, ends)]
    event = next(event for event in node.events if isinstance(event, FlashReport))
    assert event.due_ns == plan.beats[0].due_ns
    if ends in {BeatFate.FIRED, BeatFate.LATE}:
        assert event.fired_ns == pytest.approx(plan.beats[0].due_ns + 3 * MS, abs=(event.bound_us or 0) * 1000)
    else:
        assert event.fired_ns is event.fired_us is event.bound_us is None
    assert node.session.counters().pending == 0


def test_a_beat_never_heard_of_again_is_missed_after_a_second(node: Node) -> None:
    node.session.follow(node.plan(500), HostTime(node.now))
    node.run(1.4)
    assert node.fates() == []
    node.run(0.2)
    assert node.fates() == [(10, BeatFate.MISSED)]
    report(node, Fate.FIRED)  # too late to change the books
    assert node.fates() == [(10, BeatFate.MISSED)]


def test_fault_12_a_beat_that_could_not_be_sent_in_time_is_missed_without_reaching_the_node(node: Node) -> None:
    plan = node.plan(500)
    node.now += 550 * MS
    node.session.follow(plan, HostTime(node.now))
    node.run(0.1)
    (event,) = (event for event in node.events if isinstance(event, FlashReport))
    assert (event.fate, event.scheduled_us) == (BeatFate.MISSED, None)
    assert node.sent(Beats) == []


def test_no_plan_means_blackout_and_cancelled_beats(node: Node) -> None:
    node.session.follow(node.plan(500, 1000), HostTime(node.now))
    node.run(0.05)
    node.session.follow(None, HostTime(node.now))
    node.session.follow(None, HostTime(node.now))
    node.run(0.1)
    assert node.sent(Blackout) == [Blackout(node.sent(Beats)[-1].revision)]
    for at in (0, 1):
        report(node, Fate.CANCELLED, at)
    assert node.fates() == [(10, BeatFate.CANCELLED), (11, BeatFate.CANCELLED)]


def test_a_blackout_that_is_never_answered_starts_a_new_session(node: Node) -> None:
    node.session.follow(node.plan(500), HostTime(node.now))
    node.run(0.05)
    node.answering.discard(Blackout)
    node.session.follow(None, HostTime(node.now))
    node.run(3)
    assert len(node.sent(Blackout)) == 5
    assert len(node.sent(Hello)) == 2
    assert node.fates() == [(10, BeatFate.CANCELLED)]


@pytest.mark.parametrize("sign", ["announced", "clock fell", "boot id"])
def test_fault_08_each_sign_of_a_reset_starts_a_new_session(node: Node, sign: str) -> None:
    node.session.follow(node.plan(1500), HostTime(node.now))
    node.run(0.05)
    session = node.session.peer.channel.session
    node.boot_id = 2
    if sign == "announced":
        node.say(HelloAck(0, 2, 10, b"node", 5000), session=0)
    elif sign == "clock fell":
        node.answering.discard(Ping)
        while not any(isinstance(message, Ping) for message in node.pump()):
            node.now += 5 * MS
        node.now += MS
        ping = node.sent(Ping)[-1]
        node.say(Pong(ping.n, ping.t1, 1000, 1001))
        node.answering.add(Ping)
    else:  # it lost the session, so nothing but HELLO is answered
        node.session.peer.begin_session(HostTime(node.now), "test")
    node.run(1)
    assert len([event for event in node.events if isinstance(event, NodeReset)]) == 1
    assert node.session.counters().resets == 1
    assert node.session.peer.channel.session != session
    assert node.session.peer.state is LinkState.READY
    assert node.sent(Beats)[-1].beats[0].id != node.sent(Beats)[0].beats[0].id  # told again, as another life
    assert node.session.counters().sent == 1
    report(node, Fate.FIRED)
    assert node.fates() == [(10, BeatFate.FIRED)]


def test_fault_05_frames_of_an_old_session_and_foreign_pongs_are_refused(node: Node) -> None:
    node.session.follow(node.plan(500), HostTime(node.now))
    node.run(0.05)
    beat = node.sent(Beats)[-1].beats[0]
    before = node.session.clock()
    node.say(Fired((WireReport(beat.id, beat.t_node_us, beat.t_node_us, 0),)), session=3)
    node.say(Pong(9999, node.now, node.us(), node.us()))
    node.say(Pong(node.sent(Ping)[-1].n, 5, node.us(), node.us()))
    assert node.session.peer.refused == 3
    assert node.session.counters().bad_frames == 3
    assert node.session.clock() is before
    assert node.fates() == []


def test_fault_06_a_report_with_an_absurd_time_is_refused(node: Node) -> None:
    node.session.follow(node.plan(500), HostTime(node.now))
    node.run(0.05)
    beat = node.sent(Beats)[-1].beats[0]
    node.say(Fired((WireReport(beat.id, beat.t_node_us, (1 << 63) - 1, 0),)))
    node.say(Fired((WireReport(beat.id, 5, beat.t_node_us, 0),)))
    assert node.session.peer.refused == 2
    assert node.fates() == []


def test_a_strength_that_is_no_number_is_dark_not_a_crash(node: Node) -> None:
    plan = node.plan(500)
    beat = PlannedBeat(1, plan.beats[0].due_ns, float("nan"), 99)
    node.session.follow(BeatPlan(Timeline(float("inf"), 0.0, 0.0), (beat,), plan.valid_until_ns), HostTime(node.now))
    node.run(0.05)
    (message,) = node.sent(Beats)
    assert (message.beats[0].strength, message.beats[0].beat_in_bar, message.period_us) == (0, 0, 0)


def test_what_the_node_says_for_people_is_kept(node: Node) -> None:
    for n in range(30):
        node.say(Log(6, f"line {n}"))
    assert [log.text for log in node.session.peer.logs] == [f"line {n}" for n in range(10, 30)]
    node.session.receive_data(b"\0rst:0x1 (POWERON)\0", HostTime(node.now))
    assert b"POWERON" in node.session.garbage
    assert node.session.kept_text().endswith("[6] line 29\nrst:0x1 (POWERON)")
    assert len(node.session.kept_text()) <= KEPT_BYTES


def test_fault_06_echoes_and_unknown_types_are_refused(node: Node) -> None:
    node.say(Ping(1, 1))
    node.session.receive_data(encode(Frame(0xEE, node.session.peer.channel.session, 0, b"new in 1.7")), HostTime(node.now))
    assert node.session.peer.refused == 2
    assert node.session.peer.state is LinkState.READY


@given(st.lists(st.binary(max_size=200), max_size=20))
@settings(max_examples=60, deadline=None)
def test_fault_01_no_bytes_raise(chunks: list[bytes]) -> None:
    node = Node()
    for chunk in chunks:
        node.session.receive_data(chunk, HostTime(node.now))
        node.run(0.01)
    node.run(1)
    assert node.session.peer.state is LinkState.READY


@given(data=st.binary(max_size=111), kind=st.sampled_from([0x81, 0x82, 0x84, 0xA0, 0xB0, 0xB1]))
@settings(max_examples=150, deadline=None)
def test_fault_06_no_payload_raises_or_breaks_the_books(data: bytes, kind: int) -> None:
    node = Node()
    node.run(0.5)
    node.session.follow(node.plan(500, 1000), HostTime(node.now))
    node.run(0.05)
    node.session.receive_data(encode(Frame(kind, node.session.peer.channel.session, 0, data)), HostTime(node.now))
    node.run(0.2)
    counters = node.session.counters()
    assert counters.sent == counters.fired + counters.late + counters.missed + counters.cancelled + counters.pending
