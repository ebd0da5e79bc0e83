"""A scripted node with a perfect clock, to test the host's session against."""

from typing import Any

from k1edge.events import BeatFate, BeatPlan, FlashReport, PlannedBeat, Timeline
from k1edge.link.k1link.framing import Frame, FrameDecoder, encode
from k1edge.link.k1link.messages import (
    Ack,
    Blackout,
    Config,
    Hello,
    HelloAck,
    Message,
    OtherMajor,
    Ping,
    Pong,
    Refusal,
    parse,
)
from k1edge.link.k1link.session import K1LinkSession
from k1edge.timebase import HostTime

MS, S = 1_000_000, 1_000_000_000
T0 = 1000 * S
AHEAD_US = 77_000_000  # the node's counter against the host's
TRIP = 400_000


class Node:
    """A scripted node with a perfect clock; takes every frame and answers what `answering` allows."""

    def __init__(self, **kwargs: Any) -> None:
        self.now = T0
        self.session = K1LinkSession(HostTime(T0), nonce=0x12345678, **kwargs)
        self.decoder = FrameDecoder()
        self.got: list[Message | OtherMajor | Refusal] = []
        self.seq = 0
        self.boot_id = 1
        self.answering: set[type] = {Hello, Ping, Config, Blackout}
        self.events: list[Any] = []

    def us(self, at: int | None = None) -> int:
        return ((self.now if at is None else at) - T0) // 1000 + AHEAD_US

    def say(self, message: Message, session: int | None = None) -> None:
        number = self.session.peer.channel.session if session is None else session
        self.session.receive_data(encode(Frame(message.TYPE, number, self.seq & 0xFF, message.encode())), HostTime(self.now))
        self.seq += 1
        self.take_events()

    def take_events(self) -> None:
        while (event := self.session.next_event()) is not None:
            self.events.append(event)

    def pump(self) -> list[Message | OtherMajor | Refusal]:
        """Let the host write; answer half a round trip later."""
        new = []
        for write in self.session.data_to_send(HostTime(self.now)):
            for frame in self.decoder.receive(write):
                message = parse(frame)
                new.append(message)
                if type(message) in self.answering:
                    self.now += TRIP
                    self.answer(message, frame)
        self.got += new
        self.take_events()
        return new

    def answer(self, message: Any, frame: Frame) -> None:
        if isinstance(message, Hello):
            self.say(HelloAck(message.nonce, self.boot_id, self.us() - AHEAD_US, b"node", 5000, firmware="fw 1"))
        elif isinstance(message, Ping):
            self.say(Pong(message.n, message.t1, self.us(self.now - TRIP // 2), self.us(self.now - TRIP // 2)))
        else:
            self.say(Ack(message.TYPE, frame.seq))

    def run(self, seconds: float) -> None:
        end = self.now + round(seconds * S)
        while self.now < end:
            self.pump()
            wake = self.session.next_deadline()
            if wake is None:
                break
            self.now = min(end, max(self.now + MS, wake))

    def sent(self, kind: type) -> list[Any]:
        return [message for message in self.got if isinstance(message, kind)]

    def fates(self) -> list[tuple[int, BeatFate]]:
        return [(event.beat_id, event.fate) for event in self.events if isinstance(event, FlashReport)]

    def plan(self, *due_ms: int, first_id: int = 10, period_ms: int = 500) -> BeatPlan:
        beats = tuple(PlannedBeat(first_id + n, HostTime(self.now + due * MS), 0.5, n % 4 + 1) for n, due in enumerate(due_ms))
        return BeatPlan(Timeline(period_ms * MS, float(first_id), float(self.now)), beats, HostTime(self.now + 4 * S))
