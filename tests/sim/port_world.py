"""`World` from the opening of the port on: the ASCII question first, and another conversation after a pause whenever one ends."""

from typing import Any

from k1edge.link.backoff import Backoff
from k1edge.link.dialect import LinkCounters, LinkState
from k1edge.link.port_status import total
from k1edge.link.session import NodeSession
from k1edge.link.virtual.brain import K1LinkBrain
from k1edge.timebase import HostTime
from tests.sim.conftest import T0, S, World

_OVER = {LinkState.CLOSED, LinkState.UNRECOGNISED, LinkState.INCOMPATIBLE}


class PortWorld(World):
    """The host is a `NodeSession` and a port's patience, the node a `K1LinkBrain` that begins in ASCII."""

    def __init__(self, seed: int, **parts: Any) -> None:
        super().__init__(seed, **parts)
        self.brain = K1LinkBrain(self.identity, self.node_time(), announce=False)
        self.node = self.brain.core
        self.opened = 0
        self.ready_ns: int | None = None  # when it was ready first
        self.ended = LinkCounters()  # of the conversations before
        self._backoff = Backoff(self.rng)
        self._seen = 0  # events looked at
        self._on_open(b"")

    def counters(self) -> LinkCounters:
        """Of all conversations."""
        return total(self.ended, self.session.counters())

    def run_until_ready(self, at_most_s: float) -> float:
        """Seconds from the opening until READY; `at_most_s` where it took longer."""
        while self.ready_ns is None and self.now < T0 + at_most_s * S:
            self.run(0.1)
        return at_most_s if self.ready_ns is None else (self.ready_ns - T0) / S

    def check(self) -> None:
        """The invariants that hold from one conversation to the next."""
        counters = self.session.counters()
        assert counters.sent == counters.fired + counters.late + counters.missed + counters.cancelled + counters.pending
        assert len(self.node.queue) <= self.identity.queue_depth
        fit = self.session.clock()
        if fit is not None:
            self._check_clock(fit)

    def _on_open(self, _data: bytes) -> None:
        if self.opened:
            now = self.session.counters()
            self.ended = total(self.ended, now)
        self.opened += 1
        self.session = NodeSession(HostTime(self.now), nonce=self.rng.randrange(1 << 32))  # type: ignore[assignment]  # it is driven alike
        self._host_wake = -1
        self._on_host(b"")

    def _on_host(self, data: bytes) -> None:
        super()._on_host(data)
        for event in self.events[self._seen :]:
            state = getattr(event, "state", None)
            if state is LinkState.READY:
                self.ready_ns = self.ready_ns or self.now
                self._backoff.reset()
            elif state in _OVER:
                self.session.close(HostTime(self.now))
                self._push(self.now + self._backoff.next_ns(slow=state is not LinkState.CLOSED), "open")
        self._seen = len(self.events)

    def _on_up(self, data: bytes) -> None:
        self.brain.receive(data, self.node_time())
        self._push(self.now + self.rng.uniform(0.01, 0.2) * 1e6, "node")

    def _on_node(self, data: bytes) -> None:
        self._send(self.down, "down", self.brain.data_to_send(self.node_time()))
        super()._on_node(data)
