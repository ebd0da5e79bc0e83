"""Who is on a port, found out without leaving a trace: opened without a reset, asked one line, and left as it was.

An untimed node is sent nothing but the one question. A timed one is met, its clock measured for a moment, and released; it goes back to
its ASCII console by itself 1.5 s later. Runs in the caller's thread.
"""

import secrets
import time
from dataclasses import dataclass, replace

from k1edge.events import ClockMap
from k1edge.link.conversation import Conversation
from k1edge.link.device import DEFAULT_BAUD, GONE, Wire, cure
from k1edge.link.dialect import LinkState, NodeIdentified, NodeInfo, StateChanged
from k1edge.link.session import NodeSession, SessionTuning
from k1edge.timebase import NS_PER_S, HostTime

MEASURE_NS = NS_PER_S
"""How long the clock is measured after the first burst: the rate shows only over time."""

PATIENCE_NS = 12 * NS_PER_S
"""Longest talk after the boot text: two answers, five HELLOs and a burst on a bad line."""

_OVER = {LinkState.CLOSED, LinkState.UNRECOGNISED, LinkState.INCOMPATIBLE}


@dataclass(frozen=True, slots=True)
class Probed:
    """What was found.

    Attributes:
        port: where.
        state: READY where a node was recognised (and, timed, its clock measured), else how the talk ended.
        reason: why it is not READY, with the cure.
        info: who answered; None for nobody.
        timed: whether its dialect carries time; None for nobody.
        round_trip_ns: from the ASCII question to its answer.
        clock: the newest fit; None without.
        kept_text: what it said that was no message.
    """

    port: str
    state: LinkState
    reason: str | None
    info: NodeInfo | None = None
    timed: bool | None = None
    round_trip_ns: int | None = None
    clock: ClockMap | None = None
    kept_text: str = ""


def probe(path: str, *, baud: int = DEFAULT_BAUD, tuning: SessionTuning | None = None, host_name: str = "") -> Probed:
    """Find out who is on `path`; takes some 4 s, most of it waiting for boot text to pass. What goes wrong is in the result."""
    try:
        wire = Wire(path, baud)
    except GONE as error:
        return Probed(path, LinkState.CLOSED, cure(error, path))
    session = NodeSession(HostTime(time.monotonic_ns()), nonce=secrets.randbits(32), tuning=tuning, host_name=host_name)
    found = Probed(path, LinkState.IDENTIFYING, "no end to the talk; try again")
    try:
        found = _talk(Conversation(wire, session), found, (tuning or SessionTuning()).drain_ns)
    except GONE as error:
        found = replace(found, state=LinkState.CLOSED, reason=cure(error, path))
    finally:
        wire.close()
    return replace(found, round_trip_ns=session.round_trip_ns, kept_text=session.kept_text())


def _talk(talk: Conversation, found: Probed, drain_ns: int) -> Probed:
    session = talk.session
    until_ns = time.monotonic_ns() + drain_ns + PATIENCE_NS
    while time.monotonic_ns() < until_ns:
        talk.listen()
        while (event := session.next_event()) is not None:
            if isinstance(event, StateChanged):
                found = replace(found, state=event.state, reason=event.reason)
                if event.state is LinkState.READY:
                    until_ns = min(until_ns, time.monotonic_ns() + MEASURE_NS)
            elif isinstance(event, NodeIdentified):
                found = replace(found, info=event.info, timed=session.timed)
        if found.timed is False:
            return replace(found, state=LinkState.READY, reason=None)  # recognised: not a byte more
        found = replace(found, clock=session.clock() or found.clock)
        if found.state in _OVER:
            return found
        talk.write()
    talk.release()
    return found
