from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.events import BeatFate, BeatPlan, FlashReport, PlannedBeat, Timeline
from k1edge.link.dialect import Dialect, LinkEvent, LinkState, NodeIdentified, NodeSaid, StateChanged
from k1edge.link.identify import ASK_STATUS, START_BINARY
from k1edge.link.lightwave import STOP
from k1edge.link.lines import KEPT_BYTES
from k1edge.link.node.reports import NodeIdentity
from k1edge.link.session import NodeSession, SessionTuning
from k1edge.link.virtual.brain import Brain, K1LinkBrain, LightwaveBrain
from k1edge.timebase import NS_PER_MS, NS_PER_S, AffineMap, HostTime, NodeTime

T0 = 500 * NS_PER_S
IDENTITY = NodeIdentity(unique_id=b"board001", boot_id=7)


def at(ms: float) -> HostTime:
    return HostTime(T0 + round(ms * NS_PER_MS))


def k1link(identity: NodeIdentity = IDENTITY) -> K1LinkBrain:
    return K1LinkBrain(identity, NodeTime(1_000_000), announce=False)


def plan(first_ms: float, period_ms: float = 500.0) -> BeatPlan:
    beats = tuple(PlannedBeat(k, at(first_ms + k * period_ms), 1.0, None) for k in range(3))
    return BeatPlan(Timeline(period_ms * NS_PER_MS, 0.0, float(at(first_ms))), beats, at(first_ms + 5_000))


@dataclass
class Table:
    """A session and a node across a wire of 1 ms, in steps of 1 ms."""

    brain: Brain
    session: NodeSession = field(default_factory=lambda: NodeSession(at(0), nonce=0x12345678))
    now_ms: int = 0
    sent: list[bytes] = field(default_factory=list)
    events: list[LinkEvent] = field(default_factory=list)
    flashes: list[tuple[int | None, int]] = field(default_factory=list)
    clock: AffineMap = field(default_factory=lambda: AffineMap(T0, 1_000_000, 1.0001e-3))
    chunk: int = 4_096

    def run(self, ms: int) -> None:
        for _ in range(ms):
            up = self.session.data_to_send(at(self.now_ms))
            self.sent += up
            self.now_ms += 1
            node_now = NodeTime(self.clock.forward(at(self.now_ms)))
            self.flashes += [(flash.wire_id, flash.latch_us) for flash in self.brain.flash(node_now)]
            for data in up:
                self.brain.receive(data, node_now)
            down = b"".join(self.brain.data_to_send(node_now))
            self.now_ms += 1
            for start in range(0, len(down), self.chunk):
                self.session.receive_data(down[start : start + self.chunk], at(self.now_ms))
            while (event := self.session.next_event()) is not None:
                self.events.append(event)

    def states(self) -> list[LinkState]:
        return [event.state for event in self.events if isinstance(event, StateChanged)]


def test_it_is_a_dialect() -> None:
    dialect: Dialect = NodeSession(at(0), nonce=1)
    assert dialect.timed is False
    assert dialect.clock() is None
    assert dialect.next_event() == StateChanged(LinkState.IDENTIFYING, None)


def test_a_lightwave_node_is_followed_without_time() -> None:
    table = Table(LightwaveBrain())
    table.session.follow(plan(3_000), at(0))
    table.run(2_000)
    assert table.states() == [LinkState.IDENTIFYING, LinkState.HANDSHAKE, LinkState.READY]
    assert table.sent[:2] == [ASK_STATUS, STOP]
    assert not table.session.timed
    assert table.session.counters().sent > 0
    assert table.session.counters().frames_out == len(table.sent)
    assert len(table.flashes) in {2, 3, 4}
    info = next(event.info for event in table.events if isinstance(event, NodeIdentified))
    assert (info.dialect, info.firmware) == ("trinity", "3.0.0-virtual")


@pytest.mark.parametrize("chunk", [1, 7, 4_096])
def test_a_k1link_node_is_switched_to_binary_and_flashes_on_time(chunk: int) -> None:
    table = Table(k1link(), chunk=chunk)
    table.run(3_000)  # 6 s
    assert table.states()[-1] is LinkState.READY
    assert table.sent[:2] == [ASK_STATUS, START_BINARY]
    assert table.session.timed
    wanted = plan(7_000)
    table.session.follow(wanted, at(table.now_ms))
    table.run(1_500)
    clock = table.session.clock()
    assert clock is not None
    for beat, (_, latch_us) in zip(wanted.beats, table.flashes, strict=True):
        assert abs(latch_us - table.clock.forward(beat.due_ns)) <= clock.bound_us + 1_000  # the table moves in steps of 1 ms
    reports = [event for event in table.events if isinstance(event, FlashReport)]
    assert [(report.beat_id, report.fate) for report in reports] == [(beat_id, BeatFate.FIRED) for beat_id in range(3)]
    assert table.session.counters().fired == 3


def test_fault_19_another_major_is_incompatible_and_gets_no_frame() -> None:
    table = Table(k1link(replace(IDENTITY, major=9)))
    table.session.follow(plan(3_000), at(0))
    table.run(3_000)
    assert table.states() == [LinkState.IDENTIFYING, LinkState.INCOMPATIBLE]
    assert table.sent == [ASK_STATUS]


def test_nothing_recognised_means_nothing_said() -> None:
    session = NodeSession(at(0), nonce=1, tuning=SessionTuning(drain_ns=100 * NS_PER_MS, answer_ns=200 * NS_PER_MS))
    session.follow(plan(1_000), at(0))
    assert session.next_deadline() == at(100)
    assert session.data_to_send(at(100)) == [ASK_STATUS]
    session.receive_data(b'{"type":"error"}\n', at(150))
    assert session.next_deadline() == at(300)
    assert session.data_to_send(at(300)) == []
    events = [session.next_event(), session.next_event(), session.next_event()]
    assert events[0] == NodeSaid('{"type":"error"}')
    assert isinstance(events[2], StateChanged)
    assert events[2].state is LinkState.UNRECOGNISED
    session.receive_data(b'{"type":"device.getStatus","success":true,"data":{"effectCount":1}}\n', at(400))
    session.close(at(500))
    assert session.data_to_send(at(500)) == []
    assert session.next_deadline() is None
    assert "error" in session.kept_text()


def test_closing_before_anybody_answered_says_nothing() -> None:
    session = NodeSession(at(0), nonce=1)
    session.close(at(10))
    assert session.data_to_send(at(3_000)) == []
    assert session.next_deadline() is None


def test_closing_releases_the_node() -> None:
    table = Table(LightwaveBrain())
    table.session.follow(plan(3_000), at(0))
    table.run(2_000)
    console = table.brain.console
    table.session.close(at(table.now_ms))
    table.run(5)
    assert console.lines[-1] + b"\n" == STOP


def test_bytes_after_the_last_line_of_ascii_belong_to_the_dialect() -> None:
    session = NodeSession(at(0), nonce=1)
    session.data_to_send(at(2_000))
    session.receive_data(b'{"type":"device.getStatus","success":true,"data":{"effectCount":1}}\n[I] hello\n', at(2_010))
    assert session.unknown_replies() == {"text": 1}
    assert session.counters().garbage_bytes == len(b"[I] hello")


def test_fault_04_what_a_timed_node_said_is_kept_boot_text_logs_and_panic() -> None:
    table = Table(k1link())
    table.session.receive_data(b"ESP-ROM:esp32s3\r\n", at(0))
    table.run(3_000)
    assert table.states()[-1] is LinkState.READY
    assert table.session.kept_text() == "ESP-ROM:esp32s3\n"
    assert isinstance(table.brain, K1LinkBrain)
    table.brain.core.log(4, "brown\x1bout")
    table.run(5)
    table.session.receive_data(b"\0Guru Meditation\0", at(table.now_ms))
    assert table.session.kept_text() == "ESP-ROM:esp32s3\n[4] brown\\x1bout\nGuru Meditation"


@given(st.lists(st.binary(max_size=600), max_size=6), st.booleans())
def test_fault_04_what_is_kept_is_bounded_and_harmless_to_a_terminal(pieces: list[bytes], timed: bool) -> None:
    session = NodeSession(at(0), nonce=1)
    session.data_to_send(at(2_000))
    if timed:
        session.receive_data(b'{"type":"device.getStatus","success":true,"data":{"k1link":1}}\n', at(2_001))
        session.data_to_send(at(2_002))
        session.receive_data(b'{"type":"k1link.start","success":true}\n', at(2_003))
    for piece in pieces:
        session.receive_data(piece, at(2_010))
    text = session.kept_text()
    assert len(text.encode()) <= KEPT_BYTES
    assert text.replace("\n", "").isprintable()
    assert session.timed is timed
