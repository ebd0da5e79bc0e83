"""One conversation with whatever is on the port: ask who it is, then speak its dialect.

Pure; owned by the port's thread. Implements `Dialect`; nothing but the one ASCII question goes out before an answer proves a node.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from k1edge.events import BeatPlan, ClockMap
from k1edge.link.dialect import Dialect, LinkCounters, LinkEvent, LinkState, NodeSaid, StateChanged
from k1edge.link.identify import ANSWER_NS, DRAIN_NS, Identifier, Identity, Verdict
from k1edge.link.k1link.messages import MAJOR
from k1edge.link.k1link.session import K1LinkSession
from k1edge.link.lines import newest, printable
from k1edge.link.rates import RateMemory
from k1edge.link.trinity import TRANSPORT_NS, TrinitySession
from k1edge.timebase import HostTime


@dataclass(frozen=True, slots=True)
class SessionTuning:
    """What may be set about a conversation; waits in ns, see `identify` and `trinity` for the reasons behind the defaults."""

    drain_ns: int = DRAIN_NS
    answer_ns: int = ANSWER_NS
    transport_ns: int = TRANSPORT_NS
    rates: RateMemory | None = None
    """of the clocks of nodes met before, and where a new one is kept; None = of this conversation only"""


class NodeSession:
    """From an opened port to its closing.

    Args:
        now: when the port was opened.
        nonce: 32 random bits; tells this conversation from every earlier one.
        tuning: waits.
        host_name: ours, for people who look at the node.
    """

    def __init__(self, now: HostTime, *, nonce: int, tuning: SessionTuning | None = None, host_name: str = "") -> None:
        self.timed = False
        self._nonce = nonce
        self._host_name = host_name
        self._tuning = tuning or SessionTuning()
        self._identifier = Identifier(now, major=MAJOR, drain_ns=self._tuning.drain_ns, answer_ns=self._tuning.answer_ns)
        self._dialect: Dialect | None = None
        self._ended = False  # closed before there was a dialect, or nobody to talk to
        self._plan: BeatPlan | None = None
        self._events: deque[LinkEvent] = deque([StateChanged(LinkState.IDENTIFYING, None)])

    def receive_data(self, data: bytes, now: HostTime) -> None:
        """Take bytes that had arrived at `now`; never raises for what they contain."""
        if self._dialect is not None:
            self._dialect.receive_data(data, now)
        elif not self._ended:
            self._identifier.receive_data(data, now)
            self._settle(now)

    def data_to_send(self, now: HostTime) -> list[bytes]:
        """Bytes to write at once, each element in one write."""
        if self._dialect is None and not self._ended:
            lines = self._identifier.data_to_send(now)
            self._settle(now)
            if lines:
                return lines
        return self._dialect.data_to_send(now) if self._dialect is not None else []

    def next_event(self) -> LinkEvent | None:
        """The oldest event not yet taken, or None."""
        if self._identifier.said:
            return NodeSaid(self._identifier.said.popleft())
        if self._events:
            return self._events.popleft()
        return self._dialect.next_event() if self._dialect is not None else None

    def next_deadline(self) -> HostTime | None:
        """When `data_to_send` should be called again; None = not before something happens."""
        if self._dialect is not None:
            return self._dialect.next_deadline()
        return None if self._ended else self._identifier.next_deadline()

    def follow(self, plan: BeatPlan | None, now: HostTime) -> None:
        """Play this from now on; kept until the node is known."""
        self._plan = plan
        if self._dialect is not None:
            self._dialect.follow(plan, now)

    def close(self, now: HostTime) -> None:
        """Release the node, if there is one: `data_to_send` once more, then hang up."""
        self._ended = True
        if self._dialect is not None:
            self._dialect.close(now)

    def counters(self) -> LinkCounters:
        """Totals so far, the lines of the identification included."""
        asked = self._identifier
        now = self._dialect.counters() if self._dialect is not None else LinkCounters()
        return replace(
            now,
            frames_in=now.frames_in + asked.lines_in,
            frames_out=now.frames_out + asked.lines_out,
            garbage_bytes=now.garbage_bytes + asked.garbage_bytes,
        )

    def clock(self) -> ClockMap | None:
        """The newest fit; None for an untimed dialect or before the first."""
        return self._dialect.clock() if self._dialect is not None else None

    def kept_text(self) -> str:
        """The last text that was no message (boot text, panic dumps, strange answers, logs), for people; at most 1 KiB, "" for none."""
        dialect, said = self._dialect, ""
        if isinstance(dialect, TrinitySession):
            said = dialect.kept.text()
        elif isinstance(dialect, K1LinkSession):
            said = dialect.kept_text()
        return newest(self._identifier.kept.text() + said)

    @property
    def round_trip_ns(self) -> int | None:
        """From the ASCII question to its answer; None before."""
        return self._identifier.round_trip_ns

    def unknown_replies(self) -> dict[str, int]:
        """Replies of an untimed node that were not understood, by kind."""
        return dict(self._dialect.unknown_replies) if isinstance(self._dialect, TrinitySession) else {}

    def _settle(self, now: HostTime) -> None:
        identity = self._identifier.outcome
        if identity is None:
            return
        if identity.verdict is Verdict.TRINITY:
            self._dialect = TrinitySession(now, firmware=_firmware(identity.data), transport_ns=self._tuning.transport_ns)
        elif identity.verdict is Verdict.K1LINK:
            self._dialect = K1LinkSession(now, nonce=self._nonce, host_name=self._host_name, rates=self._tuning.rates)
        else:
            self._ended = True
            state = LinkState.INCOMPATIBLE if identity.verdict is Verdict.INCOMPATIBLE else LinkState.UNRECOGNISED
            self._events.append(StateChanged(state, identity.reason))
            return
        self._begin(self._dialect, identity, now)

    def _begin(self, dialect: Dialect, identity: Identity, now: HostTime) -> None:
        self.timed = dialect.timed
        dialect.follow(self._plan, now)
        if identity.rest:
            dialect.receive_data(identity.rest, now)


def _firmware(data: dict[str, Any]) -> str | None:
    """The version in a status, under the names that firmware has used for it."""
    for key in ("firmware", "firmwareVersion", "version"):
        value = data.get(key)
        if isinstance(value, str) and value:
            return printable(value[:64])
    return None
