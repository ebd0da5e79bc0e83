"""A second listener at the sound server's monitor: when was each click in the air?

It is a process of its own with a PortAudio stream of its own, of another latency than the daemon's. Listeners of one monitor agree within
1 ms whatever their parameters, so the constant between writing and air that this one measures is the server's, not the daemon's: a timing
error of the daemon is not taken out with it.

"In the air" is when the sound could first be had from the server: the envelope of the earliest deliveries. PulseAudio's own capture times
lie some 9 ms after that. They may be right about a loudspeaker behind a sink, but a microphone cannot deliver what it has not heard yet.
"""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.system.sound_server import DEVICE, RATE_HZ, SoundServer

_BLOCK_FRAMES = 441
_LATENCY_S = 0.05
_ENVELOPE_S = 3.0  # on either side: some 600 deliveries, of which one is prompt even on a busy machine; the clocks part by 0.4 ms in it
_SEARCH_FRAMES = RATE_HZ // 5  # less than half a beat, so that the next click is not taken for this one


class Ear:
    """Starts listening when made; `stop` ends it and gives back what was heard."""

    def __init__(self, server: SoundServer, folder: Path) -> None:
        self._file = folder / "ear.npz"
        command = [sys.executable, str(Path(__file__).resolve()), str(self._file)]
        self._process = subprocess.Popen(
            command, env=server.environment | {"PYTHONPATH": _ROOT}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        if self._process.stdout is None or self._process.stdout.readline() != b"listening\n":
            msg = "the second listener cannot open the monitor"
            raise RuntimeError(msg)

    def stop(self) -> "Recording":
        """End the recording."""
        self._process.communicate(timeout=20.0)
        with np.load(self._file) as saved:
            return Recording(saved["pcm"], saved["ends"], saved["arrived_ns"])


class Recording:
    """What the ear heard: `pcm` int16 (n,); of each delivery its last frame plus one, and when it came, host ns."""

    def __init__(self, pcm: NDArray[np.int16], ends: NDArray[np.int64], arrived_ns: NDArray[np.int64]) -> None:
        self.pcm = pcm.astype(np.float64)
        self._ends = ends
        self._zero_ns = arrived_ns - ends * 1e9 / RATE_HZ

    def air_ns(self, frame: int) -> float:
        """When `frame` was in the air."""
        near = np.abs(self._ends - frame) < _ENVELOPE_S * RATE_HZ
        return float(np.min(self._zero_ns[near] if near.any() else self._zero_ns)) + frame * 1e9 / RATE_HZ

    def find(self, sound: NDArray[np.float32], about_ns: float) -> float | None:
        """When the start of `sound` was in the air, host ns, within a fifth of a second of `about_ns`; None if it was not heard.

        The way is digital and without loss, so the correlation peak is exact. A click wants 256 frames, music some thousand.
        """
        guess = round((about_ns - self.air_ns(0)) * RATE_HZ / 1e9)
        template = sound.astype(np.float64) * 32767.0
        low = max(0, guess - _SEARCH_FRAMES)
        window = self.pcm[low : guess + _SEARCH_FRAMES + len(template)]
        if len(window) < len(template) or not template.any():
            return None
        size = 1 << (len(window) + len(template)).bit_length()  # by the frequency domain: a thousand times faster than summing
        likeness = np.fft.irfft(np.fft.rfft(window, size) * np.conj(np.fft.rfft(template, size)), size)[: len(window) - len(template) + 1]
        best = int(np.argmax(likeness))
        heard = likeness[best] > 0.5 * float(template @ template)
        return self.air_ns(low + best) if heard else None


_ROOT = str(Path(__file__).resolve().parents[2])


def record(target: Path) -> None:
    """Listen until standard input closes, then save."""
    import sounddevice  # here, for only the ear's own process touches PortAudio

    blocks: list[tuple[int, NDArray[np.int16]]] = []

    def callback(sound: NDArray[np.int16], _frames: int, _times: object, _status: object) -> None:
        blocks.append((time.monotonic_ns(), sound[:, 0].copy()))

    stream = sounddevice.InputStream(
        device=DEVICE, samplerate=RATE_HZ, channels=2, dtype="int16", blocksize=_BLOCK_FRAMES, latency=_LATENCY_S, callback=callback
    )
    with stream:
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        sys.stdin.read()
    ends = np.cumsum([len(pcm) for _, pcm in blocks])
    np.savez(target, pcm=np.concatenate([pcm for _, pcm in blocks]), ends=ends, arrived_ns=np.array([when for when, _ in blocks]))


if __name__ == "__main__":
    record(Path(sys.argv[1]))
