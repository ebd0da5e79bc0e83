"""A host for a node core, in the node's own time; what the tests of the node talk through."""

from typing import Any

from k1edge.link.k1link.framing import Frame, FrameDecoder, encode
from k1edge.link.k1link.messages import (
    Beats,
    Fate,
    Fired,
    Hello,
    Message,
    WireBeat,
    parse,
)
from k1edge.link.node.core import NodeCore
from k1edge.link.node.reports import NodeIdentity
from k1edge.timebase import NodeTime

US = 1_000_000
TX = 5_000
IDENTITY = NodeIdentity(b"K1-00042", 7, led_tx_us=TX)


class Host:
    """Talks to a node core; `now` is the node's counter."""

    def __init__(self, identity: NodeIdentity = IDENTITY, *, announce: bool = False, started: int = 1000) -> None:
        self.node = NodeCore(identity, NodeTime(started), announce=announce)
        self.now = started
        self.session = 5
        self.revision = 0
        self._decoder = FrameDecoder()
        self.flashes = []

    def send(self, message: Message, session: int | None = None, seq: int = 0) -> None:
        frame = Frame(message.TYPE, self.session if session is None else session, seq, message.encode())
        self.node.receive(encode(frame), NodeTime(self.now))

    def answers(self) -> list[Any]:
        return [parse(frame) for write in self.node.data_to_send(NodeTime(self.now)) for frame in self._decoder.receive(write)]

    def hello(self, nonce: int = 9) -> list[Any]:
        self.send(Hello(nonce))
        return self.answers()

    def beats(self, *beats: tuple[int, int], revision: int | None = None) -> None:
        self.revision = self.revision + 1 if revision is None else revision
        self.send(Beats(self.revision, 500_000, self.now + US, tuple(WireBeat(number, due, 200, 1) for number, due in beats)))

    def run_to(self, end: int) -> dict[int, Fate]:
        """Fire everything on time until `end`; returns the fates that were told, by id."""
        fates = {}
        while (at := self.node.next_fire()) is not None and at <= end:
            self.now = max(self.now, at)
            self.flashes += self.node.fire(NodeTime(self.now))
            fates.update(self.fates())
        self.now = end
        fates.update(self.fates())
        return fates

    def fates(self) -> dict[int, Fate]:
        return {report.id: report.fate for answer in self.answers() if isinstance(answer, Fired) for report in answer.reports}
