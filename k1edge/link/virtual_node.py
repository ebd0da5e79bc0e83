"""A node behind a pty, with a clock of its own: for the demo, the tests, and `k1edge node simulate`.

It knows when it really flashed, on the host's clock, which no report of a node can prove.

| thread              | owns                                                                                        |
|---------------------|---------------------------------------------------------------------------------------------|
| `k1-virtual` (ours) | the pty, the brain, both delay lines                                                          |
| any other           | reads `flashes()`; stages faults, each carried out in the node's thread before the call returns |
"""

import os
import random
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from k1edge.link.node.reports import NodeIdentity
from k1edge.link.virtual.brain import Brain, make_brain
from k1edge.link.virtual.wire import DelayLine, PluggedPty
from k1edge.timebase import NS_PER_MS, NS_PER_S, AffineMap, HostTime, NodeTime

BOOT_TEXT = b"ESP-ROM:esp32s3-20210327\r\nrst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)\r\nLoading app partition\r\n"
NAP_NS = 300_000
"""How long before a flash the node stops sleeping and looks at the clock all the time: Linux wakes sleepers some 0.1 ms late."""

IDLE_NS = 50 * NS_PER_MS
FLASHES_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class FlashLog:
    """One flash.

    Attributes:
        wire_id: the id that the host gave it on the wire, which is not `Beat.index`; None in the untimed dialect.
        scheduled_us: when the node had been told to show it, node clock.
        fired_us: when it was really seen, node clock.
        fired_ns: the same on the host clock.
    """

    wire_id: int | None
    scheduled_us: NodeTime
    fired_us: NodeTime
    fired_ns: HostTime


class VirtualNode:
    """A K1 node made of a pty and a thread.

    Args:
        dialect: "k1link" or "trinity".
        ppm: rate error of its clock, + = fast.
        offset_us: its counter at the start.
        delay_ms: shortest and longest delay of a burst of bytes, each way.
        loss: share of the bursts of frames that vanish, each way, 0 to 1.
        seed: of delays and losses.
        identity: what it tells of itself; k1link only.
        link: a symlink kept on the pty's current path, so that the path survives `unplug` and `replug`.
        on_flash: called in the node's thread with each flash.
    """

    def __init__(
        self,
        dialect: str = "k1link",
        *,
        ppm: float = 0.0,
        offset_us: int = 5_000_000,
        delay_ms: tuple[float, float] = (0.0, 0.0),
        loss: float = 0.0,
        seed: int = 1,
        identity: NodeIdentity | None = None,
        link: Path | None = None,
        on_flash: Callable[[FlashLog], None] | None = None,
    ) -> None:
        rng = random.Random(seed)  # noqa: S311 - seeded delays, not cryptography
        self.failure: BaseException | None = None
        self.identity = identity or NodeIdentity(unique_id=b"virtual1", boot_id=1)
        self.clock = AffineMap(time.monotonic_ns(), offset_us, (1.0 + ppm * 1e-6) / 1_000)
        """the truth: host ns to node us"""
        self.brain: Brain = make_brain(dialect, self.identity, NodeTime(offset_us), announce=False)
        self._dialect = dialect
        self._pty = PluggedPty(link)
        self._on_flash = on_flash
        self._in = DelayLine(rng, delay_ms, loss)
        self._out = DelayLine(rng, delay_ms, loss)
        self._flashes: deque[FlashLog] = deque(maxlen=FLASHES_KEPT)
        self._flashes_lock = threading.Lock()
        self._frozen = self._deaf = self._stopping = False
        self._orders: deque[tuple[Callable[[], None], threading.Event]] = deque()
        self._wake_in, self._wake_out = -1, -1
        self._thread: threading.Thread | None = None

    @property
    def path(self) -> str:
        """Where the host opens it: the symlink, or the pty.

        Raises:
            RuntimeError: it is unplugged or was never started.
        """
        return self._pty.path

    def start(self) -> Self:
        """Plug in and begin; returns itself."""
        self._wake_out, self._wake_in = os.pipe()
        self._pty.plug()
        self._thread = threading.Thread(target=self._run, name="k1-virtual", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the thread and pull the plug."""
        if self._thread is None:
            return
        self._stopping = True
        os.write(self._wake_in, b"\0")
        self._thread.join()
        self._thread = None
        self._unplug()
        os.close(self._wake_in)
        os.close(self._wake_out)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def flashes(self) -> tuple[FlashLog, ...]:
        """Every flash so far, oldest first (at most the last 100,000)."""
        with self._flashes_lock:
            return tuple(self._flashes)

    def freeze(self) -> None:
        """Hang: nothing is read, flashed or sent; the clock runs on."""
        self._order(lambda: setattr(self, "_frozen", True))

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._order(lambda: setattr(self, "_frozen", False))

    def stop_reading(self) -> None:
        """Leave the host's bytes in the pty."""
        self._order(lambda: setattr(self, "_deaf", True))

    def resume_reading(self) -> None:
        """Read again after `stop_reading`."""
        self._order(lambda: setattr(self, "_deaf", False))

    def reset(self) -> None:
        """Start anew as after a watchdog: queue lost, counter near 0, boot text first."""
        self._order(self._reset)

    def say(self, data: bytes) -> None:
        """Put bytes on the wire towards the host, as boot text or a panic dump would come."""
        self._order(lambda: self._out.put(data, time.monotonic_ns(), may_lose=False))

    def unplug(self) -> None:
        """Take the pty away."""
        self._order(self._unplug)

    def replug(self) -> None:
        """Come back on another pty; the symlink follows."""
        self._order(self._pty.plug)

    def node_us(self, host_ns: int) -> NodeTime:
        """The node's counter at a host time; the truth."""
        return NodeTime(self.clock.forward(host_ns))

    def _order(self, action: Callable[[], None]) -> None:
        done = threading.Event()
        self._orders.append((action, done))
        os.write(self._wake_in, b"\0")
        if not done.wait(5.0):
            msg = "the virtual node's thread does not answer"
            raise RuntimeError(msg) from self.failure

    def _unplug(self) -> None:
        self._pty.unplug()
        self._in.clear()
        self._out.clear()

    def _reset(self) -> None:
        self._in.clear()
        self._out.clear()
        now = time.monotonic_ns()
        self.identity = replace(self.identity, boot_id=self.identity.boot_id + 1)
        self.clock = AffineMap(now, 1_000, self.clock.rate)
        self.brain = make_brain(self._dialect, self.identity, NodeTime(1_000), announce=True)
        self._out.put(BOOT_TEXT, now, may_lose=False)

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._wait()
                while self._orders:
                    action, done = self._orders.popleft()
                    action()
                    done.set()
                if not self._frozen:
                    self._step()
        except BaseException as error:
            self.failure = error
            raise

    def _step(self) -> None:
        self._flash()  # first: nothing else is in such a hurry
        if not self._deaf:
            for data in self._pty.read():
                self._in.put(data, time.monotonic_ns(), may_lose=self.brain.binary)
        for burst in self._in.take(time.monotonic_ns()):
            self.brain.receive(burst, self.node_us(time.monotonic_ns()))
        now = time.monotonic_ns()
        for data in self.brain.data_to_send(self.node_us(now)):
            self._out.put(data, now, may_lose=self.brain.binary)
        for burst in self._out.take(time.monotonic_ns()):
            self._pty.write(burst)

    def _flash(self) -> None:
        now = time.monotonic_ns()
        for flash in self.brain.flash(self.node_us(now)):
            latch_after_ns = round((flash.latch_us - self.clock.forward(now)) / self.clock.rate)
            log = FlashLog(flash.wire_id, flash.scheduled_us, flash.latch_us, HostTime(now + latch_after_ns))
            with self._flashes_lock:
                self._flashes.append(log)
            if self._on_flash is not None:
                self._on_flash(log)

    def _wait(self) -> None:
        """Sleep until bytes come or something is due; the last fraction of a millisecond before a flash awake."""
        now = time.monotonic_ns()
        brain_due = self.brain.next_due()
        flash_ns = None if brain_due is None else round(self.clock.inverse(brain_due))
        dues = [due for due in (self._in.next_due(), self._out.next_due()) if due is not None]
        if flash_ns is not None:
            dues.append(flash_ns - NAP_NS)
        left_ns = IDLE_NS if self._frozen else max(0, min([IDLE_NS, *(due - now for due in dues)]))
        readers = [self._wake_out] + ([] if self._pty.fd is None or self._deaf or self._frozen else [self._pty.fd])
        ready, _, _ = select.select(readers, [], [], left_ns / NS_PER_S)
        if self._wake_out in ready:
            os.read(self._wake_out, 4_096)
        elif not ready and flash_ns is not None and not self._frozen:
            while NAP_NS >= flash_ns - time.monotonic_ns() > 0:
                pass  # yielding here would hand the interpreter to a thread that keeps it for up to 5 ms
