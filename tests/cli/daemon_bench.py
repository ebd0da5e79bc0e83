"""The whole daemon in a thread of this process, on silence, with a node on a pty."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from structlog.testing import capture_logs

from k1edge.audio.replay import ArraySource
from k1edge.config import load
from k1edge.daemon import Daemon
from tests.link.serial_bench import PATIENCE_S, eventually


@contextmanager
def daemon_on(port: str, folder: Path) -> Iterator[Daemon]:
    """Run it until the end of the block; its socket is `k1.sock` in `folder`."""
    settings = load(Path("/dev/null"), {}, {"node.port": port, "node.identify_drain_ms": 30, "network.bind": "off"})
    source = ArraySource(np.zeros(44_100 * 600, np.float32), realtime=True, name="silence")
    daemon = Daemon(settings, source, identity="k1e-test", socket=folder / "k1.sock", env={})
    thread = threading.Thread(target=lambda: asyncio.run(daemon.run()))
    with capture_logs():  # they would stand between what a command prints
        thread.start()
        try:
            yield _started(daemon, thread, folder / "k1.sock")
        finally:
            assert daemon._loop is not None
            daemon._loop.call_soon_threadsafe(daemon.stop)
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def _started(daemon: Daemon, thread: threading.Thread, socket: Path) -> Daemon:
    eventually(lambda: (socket.exists() and daemon._hearing is not None) or not thread.is_alive())
    return daemon
