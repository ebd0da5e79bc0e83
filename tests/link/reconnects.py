"""Nodes that are unplugged again and again at every awkward moment, real ports on real ptys; counts what that leaves behind."""

import gc
import random
import threading
import time
import tracemalloc
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

import pytest

from k1edge.link.dialect import LinkEvent, LinkState
from k1edge.link.port import SerialNode
from k1edge.link.session import SessionTuning
from k1edge.link.virtual_node import VirtualNode
from k1edge.timebase import NS_PER_MS
from tests.link.serial_bench import DIALECTS, Told, descriptors, eventually, plan, ready, serial_node

TUNING = SessionTuning(drain_ns=2 * NS_PER_MS, answer_ns=400 * NS_PER_MS)
PAUSES_MS = (0.2, 1.0)


class Moment(Enum):
    """When the plug is pulled."""

    OPENED = auto()  # hardly
    ASKED = auto()  # the one question is out, or being answered
    HANDSHAKE = auto()  # HELLO, the first pings
    IDLE = auto()
    WRITING = auto()  # and the node does not read


@dataclass(frozen=True, slots=True)
class Left:
    """What was there at half time and is there at the end; memory is what Python has allocated."""

    reconnects: int
    seconds: float
    by_moment: dict[Moment, int]
    descriptors: tuple[int, int]
    threads: tuple[int, int]
    memory_bytes: tuple[int, int]

    def __str__(self) -> str:
        fds, threads, memory = self.descriptors, self.threads, self.memory_bytes
        moments = ", ".join(f"{count} {moment.name.lower()}" for moment, count in self.by_moment.items())
        return (
            f"{self.reconnects} reconnects ({moments}) in {self.seconds:.1f} s: descriptors {fds[0]} then {fds[1]}, "
            f"threads {threads[0]} then {threads[1]}, memory {(memory[1] - memory[0]) / 1024:+.0f} KiB over the second half"
        )


def _await(moment: Moment, virtual: VirtualNode, node: SerialNode, opened: int) -> None:
    lines = virtual.brain.console.lines
    eventually(lambda: node.status().reopened >= opened)
    if moment is Moment.ASKED:
        eventually(lambda: lines)
    elif moment is Moment.HANDSHAKE:
        eventually(lambda: len(lines) >= 2 or node.status().state is LinkState.READY)
    elif moment in {Moment.IDLE, Moment.WRITING}:
        eventually(ready(node))
    if moment is Moment.WRITING:
        virtual.stop_reading()
        for _ in range(5):
            node.follow(plan(period_ms=200, ahead_ms=200))
            node.follow(None)


def _count() -> tuple[int, int, int]:
    gc.collect()
    return descriptors(), threading.active_count(), tracemalloc.get_traced_memory()[0]


class _Forgetful(list[LinkEvent]):
    """What is told here would be all that grows."""

    def append(self, event: LinkEvent) -> None:
        """Let it go."""


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make what is bounded full soon, and most of the time be reconnecting instead of measuring clocks."""
    monkeypatch.setattr("k1edge.link.k1link.delivery.BURST", 4)
    monkeypatch.setattr("k1edge.link.k1link.peer.READY_PINGS", 2)
    monkeypatch.setattr("k1edge.link.journal.ENTRIES_KEPT", 50)


def reconnect(times: int, seed: int, folder: Path) -> Left:
    """Unplug and replug a node of each dialect, `times` in all."""
    rng = random.Random(seed)
    begun_s = time.monotonic()
    by_moment = dict.fromkeys(Moment, 0)
    counts = []
    tracemalloc.start()
    try:
        with ExitStack() as stack:
            nodes = []
            for dialect in DIALECTS:
                virtual = stack.enter_context(VirtualNode(dialect, link=folder / dialect, seed=seed))
                nodes.append(
                    (
                        virtual,
                        stack.enter_context(serial_node(virtual.path, told=Told(events=_Forgetful()), tuning=TUNING, pauses_ms=PAUSES_MS)),
                    )
                )
            for _, node in nodes:
                eventually(ready(node))
            for number in range(times):
                virtual, node = rng.choice(nodes)
                moment = rng.choice(list(Moment))
                by_moment[moment] += 1
                virtual.unplug()
                virtual.resume_reading()
                if virtual.brain.binary:
                    virtual.reset()  # it had its power from there; the other one would take a second to boot
                virtual.brain.console.lines.clear()
                eventually(lambda: node.status().state is LinkState.CLOSED)  # noqa: B023 - done before the next turn
                opened = node.status().reopened + 1
                virtual.replug()
                _await(moment, virtual, node, opened)
                if number in {times // 2, times - 1}:
                    for virtual, node in nodes:
                        virtual.resume_reading()
                        eventually(ready(node))
                    counts.append(_count())
    finally:
        tracemalloc.stop()
    half, end = counts
    return Left(times, time.monotonic() - begun_s, by_moment, (half[0], end[0]), (half[1], end[1]), (half[2], end[2]))
