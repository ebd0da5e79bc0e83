"""The demo's virtual node, in a process of its own: a microcontroller does not wait for the daemon's interpreter lock, so neither may its stand-in.

`k1edge node simulate` is that process; it ends when its stdin does: no demo, no node.

| thread                          | owns                                                        |
|---------------------------------|-------------------------------------------------------------|
| `k1-demo-node`, in the demo     | reads the lines and appends to `_flashes`                   |
| any other of the demo           | reads `flashes()`                                           |
"""

import json
import subprocess
import sys
import threading
from typing import Self

from k1edge.errors import DeviceError
from k1edge.link.virtual_node import FlashLog
from k1edge.timebase import AffineMap, NodeTime

GOODBYE_S = 3.0
"""How long the process may take to end."""


class DemoNode:
    """A `VirtualNode` elsewhere; see there for the arguments. A context manager: the process lives as long as the context."""

    def __init__(self, *, dialect: str, ppm: float, delay_ms: tuple[float, float], seed: int) -> None:
        self.path = ""  # where the host opens it
        self.clock: AffineMap | None = None  # the truth: host ns to node us
        low, high = delay_ms
        self._options = [f"--dialect={dialect}", f"--ppm={ppm}", f"--delay={low}-{high}", f"--seed={seed}"]
        self._flashes: list[FlashLog] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            DeviceError: it did not start; why is on stderr.
        """
        command = [sys.executable, "-m", "k1edge", "node", "simulate", "--json", "--until-eof", *self._options]
        # In a session of its own: Ctrl-C is for the demo, which still wants to release the node.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        first = self._process.stdout.readline()
        if not first:
            self._end(self._process)
            msg = "the demo's virtual node did not start; does this system allow pseudo-terminals (/dev/ptmx)?"
            raise DeviceError(msg)
        told = json.loads(first)
        self.path, self.clock = told["port"], AffineMap(*told["clock"])
        self._reader = threading.Thread(target=self._read, args=(self._process,), name="k1-demo-node", daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Pull the plug."""
        if self._process is not None:
            self._end(self._process)

    def flashes(self) -> tuple[FlashLog, ...]:
        """Every flash so far, oldest first."""
        return tuple(self._flashes)

    def node_us(self, host_ns: int) -> NodeTime:
        """The node's counter at a host time; the truth, once it runs."""
        assert self.clock is not None  # noqa: S101 - set on entering
        return NodeTime(self.clock.forward(host_ns))

    def host_ns(self, node_us: int) -> float:
        """When the node's counter stood at `node_us`; the truth, once it runs."""
        assert self.clock is not None  # noqa: S101 - set on entering
        return self.clock.inverse(node_us)

    def _read(self, process: "subprocess.Popen[str]") -> None:
        for line in process.stdout or ():
            told = json.loads(line)
            del told["event"]
            self._flashes.append(FlashLog(**told))

    def _end(self, process: "subprocess.Popen[str]") -> None:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(GOODBYE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join(GOODBYE_S)
        if process.stdout is not None:
            process.stdout.close()
