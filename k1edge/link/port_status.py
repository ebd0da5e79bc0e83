"""What a node's port is told and what it tells: values only."""

import os
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field

from k1edge.config import NodeSettings
from k1edge.events import ClockMap
from k1edge.link.backoff import FIRST_NS, LAST_NS
from k1edge.link.device import DEFAULT_BAUD
from k1edge.link.dialect import LinkCounters, LinkState, NodeInfo
from k1edge.link.rates import RateMemory
from k1edge.link.session import SessionTuning
from k1edge.timebase import NS_PER_MS


@dataclass(frozen=True, slots=True)
class NodePort:
    """Where the node is and how patiently it is treated.

    Attributes:
        port: "auto", "VID:PID[:SERIAL]" or a path.
        unique_id: the only node to accept, None for any.
        baud: bits per second of a real UART; USB and a pty ignore it.
        tuning: waits of the conversation.
        host_name: ours, for people who look at the node.
        first_pause_ns: shortest pause before trying again.
        last_pause_ns: longest.
    """

    port: str = "auto"
    unique_id: str | None = None
    baud: int = DEFAULT_BAUD
    tuning: SessionTuning = field(default_factory=SessionTuning)
    host_name: str = ""
    first_pause_ns: int = FIRST_NS
    last_pause_ns: int = LAST_NS


def node_port(node: NodeSettings, rates: RateMemory | None = None) -> NodePort:
    """The settings as the link takes them; `rates` remembers the clocks of nodes."""
    return NodePort(
        port=node.port,
        unique_id=node.unique_id or None,
        baud=node.baud,
        tuning=SessionTuning(drain_ns=node.identify_drain_ms * NS_PER_MS, rates=rates),
        host_name=os.uname().nodename,
    )


@dataclass(frozen=True, slots=True)
class PortStatus:
    """The node as any thread may read it.

    Attributes:
        port: as configured.
        path: the device in use or last used, None before the first.
        state: of the link.
        reason: why it is not READY, with the cure.
        info: who answered last; None before.
        timed: whether the dialect carries time; None before a node is known.
        counters: totals over all conversations; beats pending in one that broke off count as missed.
        clock: the newest fit, None without.
        reopened: times the port was opened after the first.
        kept_text: the newest text that was no message, printable, at most 1 KiB of UTF-8; "" for none.
        unknown_replies: replies not understood over all conversations, by kind; at most KINDS_KEPT kinds and "others".
        dropped: writes given up because the node did not read.
    """

    port: str
    path: str | None = None
    state: LinkState = LinkState.CLOSED
    reason: str | None = "not started"
    info: NodeInfo | None = None
    timed: bool | None = None
    counters: LinkCounters = field(default_factory=LinkCounters)
    clock: ClockMap | None = None
    reopened: int = 0
    kept_text: str = ""
    unknown_replies: tuple[tuple[str, int], ...] = ()
    dropped: int = 0


KINDS_KEPT = 32
"""Kinds of unknown replies kept apart over all conversations."""


def total(one: LinkCounters, other: LinkCounters) -> LinkCounters:
    """The counters of two conversations, added."""
    return LinkCounters(*(a + b for a, b in zip(astuple(one), astuple(other), strict=True)))


def tally(before: tuple[tuple[str, int], ...], kinds: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Add counts by kind, in the order in which the kinds came up; beyond KINDS_KEPT they count as "others"."""
    counts = dict(before)
    for kind, count in kinds:
        name = kind if kind in counts or len(counts) < KINDS_KEPT else "others"
        counts[name] = counts.get(name, 0) + count
    return tuple(counts.items())
