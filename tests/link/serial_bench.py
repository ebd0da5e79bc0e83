"""What the tests of the port share: a node on a pty with short waits, and everything it told."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from k1edge.events import BeatPlan, PlannedBeat, Timeline
from k1edge.link.address import SerialDevice
from k1edge.link.device import Wire, list_ports
from k1edge.link.dialect import LinkEvent, LinkState, StateChanged
from k1edge.link.port import NodePort, SerialNode
from k1edge.link.session import SessionTuning
from k1edge.link.virtual.lightwave_console import LightwaveConsole
from k1edge.link.virtual_node import VirtualNode
from k1edge.timebase import NS_PER_MS, HostTime

QUICK = SessionTuning(drain_ns=30 * NS_PER_MS, answer_ns=400 * NS_PER_MS)
DIALECTS = ["k1link", "trinity"]
PATIENCE_S = 15.0  # only a broken program waits this long


def eventually(what: Callable[[], object], why: str = "") -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, why or "it did not come to pass"
        time.sleep(0.002)


def plan(*, period_ms: float = 400.0, ahead_ms: float = 300.0, valid_ms: float = 60_000.0) -> BeatPlan:
    now = time.monotonic_ns()
    first = now + round(ahead_ms * NS_PER_MS)
    period = round(period_ms * NS_PER_MS)
    beats = tuple(PlannedBeat(k, HostTime(first + k * period), 1.0, None) for k in range(3))
    return BeatPlan(Timeline(float(period), 0.0, float(first)), beats, HostTime(now + round(valid_ms * NS_PER_MS)))


def device(path: str, serial: str | None, *, likely: bool = True) -> SerialDevice:
    return SerialDevice(path, None, 0x303A, 0x1001, serial, "USB JTAG/serial", likely)


@dataclass
class Told:
    """Everything a node's port has told, by thread-safe appends."""

    events: list[LinkEvent] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    failed: threading.Event = field(default_factory=threading.Event)

    def fail(self, error: BaseException) -> None:
        self.failures.append(error)
        self.failed.set()

    def states(self) -> list[LinkState]:
        return [event.state for event in self.events if isinstance(event, StateChanged)]


@contextmanager
def serial_node(
    path: str = "auto",
    *,
    unique_id: str | None = None,
    told: Told | None = None,
    scan: Callable[[], Sequence[SerialDevice]] = list_ports,
    open_wire: Callable[[str, int], Wire] = Wire,
    pauses_ms: tuple[float, float] = (2.0, 20.0),
    tuning: SessionTuning = QUICK,
) -> Iterator[SerialNode]:
    told = told if told is not None else Told()
    first_ns, last_ns = (round(pause * NS_PER_MS) for pause in pauses_ms)
    where = NodePort(path, unique_id, tuning=tuning, first_pause_ns=first_ns, last_pause_ns=last_ns)
    node = SerialNode(where, told.events.append, told.fail, scan=scan, open_wire=open_wire)
    node.start()
    try:
        yield node
    finally:
        assert node.close(PATIENCE_S), "the thread did not end"
    assert told.failures == []


def ready(node: SerialNode) -> Callable[[], bool]:
    return lambda: node.status().state is LinkState.READY


def external(node: VirtualNode) -> bool:
    console = node.brain.console
    assert isinstance(console, LightwaveConsole)
    return console.external


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
