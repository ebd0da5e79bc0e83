"""What a port notes of its node, in words."""

import json

import pytest
from structlog.testing import capture_logs

from k1edge.link.dialect import LinkState, NodeSaid
from k1edge.link.journal import ENTRIES_KEPT, Journal, Kind
from k1edge.link.k1link.framing import OVERHEAD, FrameDecoder
from k1edge.link.k1link.messages import Ack, AckResult, Beats, Blackout, Config, GetStats, Hello, HelloAck, Log, Ping, Pong, WireBeat, parse
from k1edge.link.lines import SPOKEN_CHARS, spoken
from k1edge.link.port_status import KINDS_KEPT, tally
from k1edge.link.session import NodeSession
from k1edge.link.virtual.brain import K1LinkBrain
from k1edge.link.virtual_node import VirtualNode
from k1edge.timebase import HostTime
from tests.link.k1link.k1_script import Node
from tests.link.serial_bench import eventually, ready, serial_node


def test_it_keeps_the_newest_and_numbers_go_on() -> None:
    journal = Journal()
    for number in range(ENTRIES_KEPT + 10):
        journal.add(HostTime(number), Kind.TEXT, str(number))
    kept = journal.since(0)
    assert len(kept) == ENTRIES_KEPT
    assert [entry.number for entry in kept] == list(range(11, ENTRIES_KEPT + 11))
    assert journal.since(kept[-2].number) == (kept[-1],)
    assert journal.since(kept[-1].number) == ()


def test_what_a_node_says_logs_and_why_it_resets_is_noted() -> None:
    with capture_logs() as logs, VirtualNode("k1link") as virtual, serial_node(virtual.path) as node:
        eventually(ready(node))
        brain = virtual.brain
        assert isinstance(brain, K1LinkBrain)
        virtual._order(lambda: brain.core.log(4, "LED driver hot"))
        eventually(lambda: any(entry.kind is Kind.LOG for entry in node.journal.since(0)))
        virtual.reset()
        eventually(lambda: any(entry.kind is Kind.RESET for entry in node.journal.since(0)))
        eventually(ready(node))
        kept = node.journal.since(0)
    assert [entry.number for entry in kept] == list(range(1, len(kept) + 1))
    assert [entry.at_ns for entry in kept] == sorted(entry.at_ns for entry in kept)
    assert [(entry.text, entry.level) for entry in kept if entry.kind is Kind.LOG] == [("LED driver hot", 4)]
    assert any(entry.kind is Kind.TEXT and entry.text.startswith("ESP-ROM") for entry in kept)
    states = [entry.text for entry in kept if entry.kind is Kind.STATE]
    assert states[0] == "identifying"
    assert "ready" in states
    assert "identified: k1link, k1edge virtual, id 7669727475616c31, started by power on" in states
    assert [entry["text"] for entry in logs if entry["event"] == "the node says"] == ["LED driver hot"]


def test_an_unknown_reply_is_noted_and_logged_once_over_all_conversations() -> None:
    with capture_logs() as logs, VirtualNode("trinity") as virtual, serial_node(virtual.path) as node:
        for conversation in range(2):
            eventually(lambda number=conversation: node.status().reopened == number and ready(node)())  # type: ignore[misc]  # a lambda with a default
            virtual.say(b'{"type":"telemetry","success":true}\n')
            eventually(lambda number=conversation: dict(node.status().unknown_replies) == {"telemetry": number + 1})  # type: ignore[misc]  # as above
            if conversation == 0:
                virtual.unplug()
                eventually(lambda: node.status().state is LinkState.CLOSED)
                assert dict(node.status().unknown_replies) == {"telemetry": 1}
                virtual.replug()
                node._where = type(node._where)(virtual.path, tuning=node._where.tuning, first_pause_ns=1_000_000, last_pause_ns=20_000_000)
        assert [entry.text for entry in node.journal.since(0) if entry.kind is Kind.UNKNOWN] == ["telemetry"]
    assert sum(entry["event"] == "unknown reply" for entry in logs) == 1


def test_fault_33_kinds_of_unknown_replies_are_bounded() -> None:
    counted = tally((), [(f"kind {number}", 1) for number in range(100)])
    assert len(counted) == KINDS_KEPT + 1
    assert dict(counted)["others"] == 100 - KINDS_KEPT
    assert dict(tally(counted, [("kind 3", 2), ("new", 5)])) == dict(counted) | {"kind 3": 3, "others": 105 - KINDS_KEPT}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"I (31) boot\r", "I (31) boot"),
        (b"\x1b[0;31mE (5) led: hot\x1b[0m", "E (5) led: hot"),
        ("21 \u00b0C".encode(), "21 \u00b0C"),
        (b"\x07\xb1\x00\x93Guru Meditation", "Guru Meditation"),
        (b"\x07\xb1\x93\x80", ""),
        (b"x" * 1_000, "x" * SPOKEN_CHARS),
    ],
)
def test_words_are_told_from_damaged_frames(line: bytes, words: str) -> None:
    assert spoken(line) == words


def test_a_refusal_is_told_once() -> None:
    node = Node(config=Config(refractory_ms=5))
    node.answering = {Hello, Ping}
    node.run(0.1)
    for _ in range(2):
        for result in (AckResult.OK, AckResult.REFUSED):
            node.session.peer.requests.ask(Config(refractory_ms=5))
            node.pump()
            node.say(Ack(Config.TYPE, (node.session.peer.channel.seq - 1) & 0xFF, result))
    said = [event for event in node.events if isinstance(event, NodeSaid)]
    assert said == [NodeSaid("it refused Config", 4)]


def test_an_answer_that_cannot_be_taken_is_named_when_the_link_gives_up() -> None:
    node = Node()
    node.answering = set()
    for _ in range(200):
        for message in node.pump():
            assert isinstance(message, Hello)
            node.say(HelloAck(message.nonce, 1, 5, b"node", 5_000, max_frame=60))
        node.now += 50_000_000
    assert node.session.peer.state is LinkState.CLOSED
    assert [event.reason for event in node.events if getattr(event, "state", None) is LinkState.CLOSED] == [
        "its answer to HELLO is out_of_range; update the node"
    ]


def test_no_frame_of_the_host_is_longer_than_every_node_takes() -> None:
    """So `max_frame` (80 at least) and `queue_depth` (3 at least) of HELLO_ACK need no adapting to: BEATS names three beats at most."""
    beats = Beats(1, 500_000, 2, tuple(WireBeat(number, 1, 2, 3) for number in range(3)))
    for message in (Hello(1, "h" * 40), Config(), Blackout(1), GetStats(), beats, Ping(1, 2), Pong(1, 2, 3, 4)):
        assert len(message.encode()) + OVERHEAD <= 80


def test_lost_frames_and_words_on_beats_that_had_ended_are_counted() -> None:
    node = Node()
    node.run(0.5)
    before = node.session.counters()
    node.seq += 3
    node.say(Log(6, "after a gap"))
    assert node.session.counters().lost_frames - before.lost_frames == 3
    assert node.session.counters().stray_reports == 0


def test_the_host_tells_its_name() -> None:
    session = NodeSession(HostTime(0), nonce=1, host_name="livingroom")
    now = HostTime(3_000_000_000)
    for kind, data in (("device.getStatus", {"k1link": 1}), ("k1link.start", {})):
        assert len(session.data_to_send(now)) == 1
        session.receive_data(json.dumps({"type": kind, "success": True, "data": data}).encode() + b"\n", now)
    (frame,) = FrameDecoder().receive(session.data_to_send(now)[0])
    hello = parse(frame)
    assert isinstance(hello, Hello)
    assert hello.host_name == "livingroom"
