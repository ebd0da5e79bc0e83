"""Plays samples into the sound server at exactly the pace of the host's clock, and knows when each of them was written.

The writer is the ground truth of the timing tests. Between the write and the air lies a constant that is the sound server's own
(its buffers); `Ear` measures it.
"""

import contextlib
import fcntl
import subprocess
import threading
import time
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tests.system.sound_server import RATE_HZ, SINK, SoundServer

CHUNK_FRAMES = RATE_HZ * 5 // 1000
LATENCY_MS = 200
AHEAD_FRAMES = RATE_HZ // 20
"""Written at once at the start: it rides out a busy machine and only adds to the constant. With more, pacat makes the writer wait."""
_F_SETPIPE_SZ = 1031  # Linux; the fcntl module of Python 3.11 knows it on some builds only


class Player:
    """A thread that writes `track` to `pacat`, 5 ms at a time. The thread owns the log; read it after `wait` or for what is past."""

    def __init__(self, server: SoundServer, track: NDArray[np.float32]) -> None:
        pcm = np.round(np.clip(track, -1.0, 1.0) * 32767.0).astype("<i2")
        self._stereo = np.repeat(pcm[:, None], 2, axis=1)
        command = [
            "pacat",
            "-d",
            SINK,
            "--raw",
            f"--rate={RATE_HZ}",
            "--channels=2",
            "--format=s16le",
            "--latency-msec=100",
            "--process-time-msec=5",
        ]
        self._pacat = subprocess.Popen(command, env=server.environment, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        self._first_write_ns = 0
        self._lateness_ns: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, name="player", daemon=True)
        if self._pacat.stdin is None:
            msg = "pacat has no standard input"
            raise RuntimeError(msg)
        self._pipe = self._pacat.stdin
        fcntl.fcntl(self._pipe, _F_SETPIPE_SZ, 4096)  # else the pipe hides 0.4 s of unplayed sound
        self._first_write_ns = time.monotonic_ns()
        self._thread.start()

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # the server died: some tests are about that
            for first in range(0, len(self._stereo), CHUNK_FRAMES):
                wait_ns = self.written_ns(first) - time.monotonic_ns()
                if self._stop.wait(max(0, wait_ns) / 1e9):
                    break
                self._pipe.write(self._stereo[first : first + CHUNK_FRAMES].tobytes())
                if first > AHEAD_FRAMES:
                    self._lateness_ns.append(time.monotonic_ns() - self.written_ns(first))

    def written_ns(self, frame: float) -> int:
        """Host time at which frame `frame` is due to be written, from `AHEAD_FRAMES` on: the pace, which `lateness_ms` shows to be kept."""
        return self._first_write_ns + round((frame - AHEAD_FRAMES) * 1e9 / RATE_HZ)

    def lateness_ms(self) -> float:
        """The 99th percentile of how late the writes were."""
        return float(np.percentile(self._lateness_ns, 99)) / 1e6 if self._lateness_ns else float("nan")

    def wait(self) -> None:
        """Wait until the whole track is written."""
        self._thread.join()

    def close(self) -> None:
        """Fall silent at once."""
        self._stop.set()
        self._thread.join(5.0)
        self._pacat.kill()
        self._pacat.wait(5.0)
        with contextlib.suppress(OSError):
            self._pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
