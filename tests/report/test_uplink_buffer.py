"""Whatever order things come in: each alert at least once and in order, duplicates told by their number, memory bounded."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from k1edge.events import Beat
from k1edge.report.feed import Feed
from k1edge.report.telemetry import AlertMessage, Message, TelemetryMessage
from k1edge.report.uplink_buffer import MOST_BEATS, UplinkBuffer
from k1edge.report.uplink_messages import UplinkAlert
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime, SampleIndex
from tests.report.lan_scene import WALL_NS
from tests.report.scene import ALERT, SNAPSHOT

BEAT = Beat(index=7, sample=SampleIndex(1), heard=SampleIndex(0), bpm=120.0, confidence=0.9, strength=0.5, beat_in_bar=1)

MOST = 8


def published() -> tuple[Feed, list[Message]]:
    feed, got = Feed("k1e-1"), list[Message]()
    feed.listen(got.append)
    return feed, got


def alert(number: int) -> AlertMessage:
    feed, got = published()
    feed.alert(ALERT.model_copy(update={"id": number, "end_ns": None}), HostTime(number), WALL_NS)
    assert isinstance(got[0], AlertMessage)
    return got[0]


def beat() -> Message:
    feed, got = published()
    feed.beat(BEAT, HostTime(2), 0.0, HostTime(1), WALL_NS)
    return got[0]


def telemetry(seq: int = 1) -> TelemetryMessage:
    feed, got = published()
    feed.seq = seq - 1
    feed.telemetry(lambda: SNAPSHOT, WALL_NS)
    assert isinstance(got[0], TelemetryMessage)
    return got[0]


ALERTS = [alert(number) for number in range(1, 40)]
TELEMETRY, BEATING = telemetry(), beat()


def taken(buffer: UplinkBuffer, now: int = 0) -> Iterator[Message]:
    while (message := buffer.take(HostTime(now))) is not None:
        yield message


class Delivery(RuleBasedStateMachine):
    """A daemon, a line that breaks and a hub that may forget what it did not acknowledge; `MOST` alerts wait at most."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = UplinkBuffer(most_alerts=MOST)
        self.buffer.connect()
        self.put = 0
        self.kept: list[int] = []  # at the hub, for good: alert ids in the order in which they came, without those that came twice
        self.newest = 0  # number of the newest of them
        self.arrived = 0  # and of what the hub has read in this connection
        self.given_up: set[int] = set()
        self.dead = False  # what is sent now never arrives

    @rule()
    def alert_begins(self) -> None:
        if self.buffer.waiting == MOST:
            self.given_up.add(next(iter(self.buffer)).alert.id)
        self.put += 1
        self.buffer.put(ALERTS[self.put % len(ALERTS)].model_copy(update={"alert": ALERT.model_copy(update={"id": self.put})}), HostTime(0))

    @rule(message=st.sampled_from([TELEMETRY, BEATING]))
    def something_else(self, message: Message) -> None:
        self.buffer.put(message, HostTime(0))

    @rule(most=st.integers(1, 5))
    def line_carries(self, most: int) -> None:
        for _ in range(most):
            message = self.buffer.take(HostTime(0))
            if isinstance(message, UplinkAlert) and not self.dead:
                self.arrived = message.alert_seq
                if message.alert_seq > self.newest:  # else it came before
                    self.newest = message.alert_seq
                    self.kept.append(message.alert.id)

    @rule(behind=st.integers(0, 3))
    def hub_acknowledges(self, behind: int) -> None:
        assert self.buffer.acknowledge(max(0, self.arrived - behind), HostTime(0))

    @rule()
    def hub_acknowledges_what_it_never_had(self) -> None:
        before = self.buffer.waiting
        assert not self.buffer.acknowledge(self.put + 1, HostTime(0))
        assert self.buffer.waiting == before

    @rule()
    def line_dies_unnoticed(self) -> None:
        self.dead = True

    @rule()
    def line_breaks(self) -> None:
        self.buffer.connect()
        self.dead = False
        self.arrived = 0

    @precondition(lambda self: self.put > 0)
    @rule()
    def all_is_well_for_a_while(self) -> None:
        self.line_breaks()
        self.line_carries(MOST + 2)
        assert sorted(self.kept) == self.kept
        assert set(self.kept) | self.given_up == set(range(1, self.put + 1)), "an alert was lost"
        assert self.buffer.acknowledge(self.newest, HostTime(0))
        assert self.buffer.waiting == 0

    @invariant()
    def memory_is_bounded(self) -> None:
        assert self.buffer.waiting <= MOST
        assert self.buffer.counts.dropped == len(self.given_up)

    @invariant()
    def numbers_have_no_gap(self) -> None:
        numbers = [each.alert_seq for each in self.buffer]
        assert numbers == list(range(self.buffer.oldest, self.buffer.oldest + self.buffer.waiting))


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_alerts_go_first_then_beats_then_the_newest_telemetry() -> None:
    buffer = UplinkBuffer()
    buffer.connect()
    buffer.want(10.0, beats=True)
    for message in (telemetry(1), BEATING, ALERTS[0]):
        buffer.put(message, HostTime(0))
    buffer.put(telemetry(2), HostTime(NS_PER_S))
    assert [message.type for message in taken(buffer)] == ["alert", "beat", "telemetry"]
    assert buffer.counts.sent == 3
    assert buffer.counts.lost == 1  # the older telemetry


def test_beats_only_for_who_wants_them_and_not_without_end() -> None:
    buffer = UplinkBuffer()
    buffer.connect()
    buffer.put(BEATING, HostTime(0))
    assert list(taken(buffer)) == []
    buffer.want(10.0, beats=True)
    for _ in range(MOST_BEATS + 5):
        buffer.put(BEATING, HostTime(0))
    assert len(list(taken(buffer))) == MOST_BEATS
    assert buffer.counts.lost == 5
    buffer.put(BEATING, HostTime(0))
    buffer.connect()  # a new connection has no wishes, and what is old has passed
    buffer.put(BEATING, HostTime(0))
    assert list(taken(buffer)) == []


@pytest.mark.parametrize(("wanted_hz", "comes"), [(50.0, 100), (10.0, 100), (5.0, 50), (1.0, 10), (0.1, 1)])
def test_the_hub_has_its_rate(wanted_hz: float, comes: int) -> None:
    buffer = UplinkBuffer()
    buffer.connect()
    buffer.want(wanted_hz, beats=False)
    got = 0
    for tick in range(100):  # 10 s at 10 Hz, the ticks up to 8 ms early or late
        now = NS_PER_S + tick * 100 * NS_PER_MS + (tick * 37 % 17 - 8) * NS_PER_MS
        buffer.put(TELEMETRY, HostTime(now))
        got += len(list(taken(buffer)))
    assert abs(got - comes) <= 1


@given(st.integers(1, 30), st.integers(0, 30))
def test_what_waited_before_a_restart_comes_first(restored: int, fresh: int) -> None:
    before = UplinkBuffer()
    for each in ALERTS[:restored]:
        before.put(each, HostTime(0))
    after = UplinkBuffer(before)
    for each in ALERTS[restored : restored + fresh]:
        after.put(each, HostTime(0))
    after.connect()
    got = list(taken(after))
    assert [each.alert.id for each in got if isinstance(each, UplinkAlert)] == list(range(1, len(got) + 1))
    assert [each.alert_seq for each in got if isinstance(each, UplinkAlert)] == list(range(1, len(got) + 1))
    assert [each.seq for each in got] == [each.seq for each in ALERTS[: len(got)]]  # and stays what it was


def test_how_long_an_answer_is_waited_for() -> None:
    buffer = UplinkBuffer()
    buffer.connect()
    assert buffer.asked_at is None
    buffer.put(ALERTS[0], HostTime(1))
    buffer.put(ALERTS[1], HostTime(1))
    assert buffer.asked_at is None
    list(taken(buffer, 5))
    assert buffer.asked_at == 5
    assert buffer.acknowledge(1, HostTime(9))
    assert buffer.asked_at == 9  # the other one is still out
    assert buffer.acknowledge(1, HostTime(20))
    assert buffer.asked_at == 9  # an old answer tells nothing new
    assert buffer.acknowledge(2, HostTime(21))
    assert buffer.asked_at is None
    assert buffer.counts.acknowledged == 2
