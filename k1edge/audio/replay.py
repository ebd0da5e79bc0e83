"""Sound files and synthesised songs as an `AudioSource`: the same path as live sound, paced by the host clock or as fast as it goes.

A file is streamed: memory does not grow with its length. One thread (the DSP thread) owns everything but the counters that
`health` copies.

Where a file's zero is: libsndfile drops the encoder's padding that an mp3's LAME header tells (within a sample); an mp3 without
that header starts late by its encoder's and decoder's delay, 1105 samples (25 ms at 44.1 kHz) for a usual LAME file.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from k1edge.audio.resample import MAX_RATE_HZ, MIN_RATE_HZ, Resampler
from k1edge.audio.source import AudioBlock, AudioHealth, AudioState, EndOfStreamError
from k1edge.errors import DeviceError
from k1edge.timebase import NS_PER_S, SAMPLE_RATE_HZ, AffineMap, HostTime, SampleIndex

DEFAULT_BLOCK_FRAMES: Final = 441
"""10 ms: what a live driver delivers, too."""

_FILE_CHUNK_FRAMES: Final = 4_096  # a decoder's appetite: about three mp3 frames


class _PlayedSource(ABC):
    """What a file and an array share: resampling, cutting into blocks, pacing."""

    def __init__(
        self,
        name: str,
        rate_hz: int,
        channels: int,
        *,
        block_frames: int,
        realtime: bool,
        start_ns: HostTime | None,
        monotonic_ns: Callable[[], int],
        sleep: Callable[[float], None],
    ) -> None:
        if block_frames < 1:
            msg = f"block of {block_frames} frames; give at least 1"
            raise ValueError(msg)
        self._name: Final = name
        self._resampler: Final = Resampler(rate_hz, channels)
        self._block_frames: Final = block_frames
        self._realtime: Final = realtime
        self._monotonic_ns: Final = monotonic_ns
        self._sleep: Final = sleep
        self._start_ns = start_ns
        self._ready = np.zeros(0, np.float32)
        self._next = 0  # index of _ready[0]
        self._exhausted = False  # the input has ended and the resampler is flushed
        self._closed = False
        self._state = AudioState.OPENING
        self._arrived_ns: int | None = None

    @property
    def start_ns(self) -> HostTime | None:
        """The instant at which sample 0 is in the air; None before the first read and when not in real time."""
        return self._start_ns if self._realtime else None

    @abstractmethod
    def _read_frames(self, frames: int) -> NDArray[np.float32]:
        """Return the next up to `frames` frames, shape (n, channels); n == 0 only at the end.

        Raises:
            DeviceError: the file broke off.
        """

    @abstractmethod
    def _release(self) -> None:
        """Give back what was opened."""

    def read(self, timeout_s: float) -> AudioBlock | None:
        """Return the next block: `block_frames` samples, fewer only at the end; None where the block is not due within `timeout_s` (real time).

        Raises:
            EndOfStreamError: everything has been played, or the source was closed.
            DeviceError: the file broke off.
        """
        if self._realtime and self._start_ns is None:
            self._start_ns = HostTime(self._monotonic_ns())
        self._fill()
        count = min(self._block_frames, len(self._ready))
        if count == 0:
            self._state = AudioState.ENDED
            msg = f"{self._name} has played to its end"
            raise EndOfStreamError(msg)
        if self._realtime and not self._wait_until_played(self._next + count, timeout_s):
            return None
        block = AudioBlock(self._ready[:count].copy(), SampleIndex(self._next), 0, self._to_host())
        self._ready = self._ready[count:]
        self._next += count
        self._state = AudioState.LIVE
        return block

    def renew(self) -> None:  # noqa: B027 - nothing to do, for all of them
        """Nothing: a file stands still while the host sleeps."""

    def health(self) -> AudioHealth:
        """See `AudioSource.health`. A file knows no gaps; its clock is the host's own."""
        state = self._state
        arrived_ns = self._arrived_ns
        reason = {AudioState.OPENING: "nothing has been read yet", AudioState.ENDED: "played to its end"}.get(state)
        return AudioHealth(
            state=state,
            reason=reason,
            device=self._name,
            device_rate_hz=self._resampler.rate_hz,
            channels=self._resampler.channels,
            age_ns=None if arrived_ns is None else self._monotonic_ns() - arrived_ns,
            latency_ns=0 if arrived_ns is not None else None,
            drift_ppm=0.0 if self._realtime else None,
            clock_estimated=False,
            overruns=0,
            xruns=0,
            bad_samples=self._resampler.bad_samples,
            epoch=0,
            reopened=0,
        )

    def close(self) -> None:
        """Close the file; reading on ends the stream. May be called twice."""
        if not self._closed:
            self._closed = True
            self._exhausted = True
            self._ready = np.zeros(0, np.float32)
            self._release()

    def _to_host(self) -> AffineMap | None:
        return None if self._start_ns is None or not self._realtime else AffineMap(0, self._start_ns, NS_PER_S / SAMPLE_RATE_HZ)

    def _fill(self) -> None:
        parts = [self._ready]
        have = len(self._ready)
        while have < self._block_frames and not self._exhausted:
            frames = self._read_frames(_FILE_CHUNK_FRAMES)
            self._exhausted = len(frames) == 0
            parts.append(self._resampler.flush() if self._exhausted else self._resampler.push(frames))
            have += len(parts[-1])
        if len(parts) > 1:
            self._ready = np.concatenate(parts)

    def _wait_until_played(self, end: int, timeout_s: float) -> bool:
        # A block exists once its last sample has been in the air, as with a microphone.
        due_ns = (self._start_ns or 0) + end * NS_PER_S // SAMPLE_RATE_HZ
        give_up_ns = self._monotonic_ns() + max(0, round(timeout_s * NS_PER_S))
        while (now_ns := self._monotonic_ns()) < due_ns:
            if now_ns >= give_up_ns:
                return False
            self._sleep((min(due_ns, give_up_ns) - now_ns) / NS_PER_S)
        self._arrived_ns = now_ns
        return True


class ReplaySource(_PlayedSource):
    """A sound file (wav, flac, ogg, mp3 and whatever else libsndfile reads)."""

    def __init__(
        self,
        path: Path | str,
        block_frames: int = DEFAULT_BLOCK_FRAMES,
        realtime: bool = False,
        *,
        start_ns: HostTime | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open `path`.

        Args:
            path: the file.
            block_frames: samples of 44.1 kHz per block, >= 1; the samples themselves do not depend on it.
            realtime: pace by the host clock and stamp the blocks; otherwise never wait.
            start_ns: when sample 0 is in the air (real time only); None = at the first read.
            monotonic_ns: the host clock.
            sleep: how to wait.

        Raises:
            DeviceError: missing, unreadable, not a sound file, empty, or of an absurd rate.
        """
        self._path: Final = Path(path)
        self._file: Final = _open(self._path)
        super().__init__(
            str(path),
            self._file.samplerate,
            self._file.channels,
            block_frames=block_frames,
            realtime=realtime,
            start_ns=start_ns,
            monotonic_ns=monotonic_ns,
            sleep=sleep,
        )

    @property
    def duration_s(self) -> float | None:
        """Length by the file's header in seconds; None where it does not tell."""
        frames = self._file.frames
        return frames / self._file.samplerate if 0 < frames < 1 << 48 else None

    def _read_frames(self, frames: int) -> NDArray[np.float32]:
        try:
            return np.asarray(self._file.read(frames, dtype="float32", always_2d=True), np.float32)
        except soundfile.LibsndfileError as error:
            msg = f"{self._path}: broken sound file after {self._next / SAMPLE_RATE_HZ:.1f} s ({error}); decode it again or cut it there"
            raise DeviceError(msg) from error

    def _release(self) -> None:
        self._file.close()


class ArraySource(_PlayedSource):
    """Sound that is already in memory, such as a synthesised song."""

    def __init__(
        self,
        samples: NDArray[np.float32],
        rate_hz: int = SAMPLE_RATE_HZ,
        block_frames: int = DEFAULT_BLOCK_FRAMES,
        realtime: bool = False,
        *,
        name: str = "memory",
        start_ns: HostTime | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Play `samples`, shape (n,) or (n, channels), n >= 1, at `rate_hz`; the rest as for `ReplaySource`.

        Raises:
            DeviceError: no samples, or an absurd rate.
        """
        frames = np.asarray(samples, np.float32)
        self._frames: Final = frames[:, np.newaxis] if frames.ndim == 1 else frames
        self._at = 0
        _check(name, len(self._frames), rate_hz)
        super().__init__(
            name,
            rate_hz,
            self._frames.shape[1],
            block_frames=block_frames,
            realtime=realtime,
            start_ns=start_ns,
            monotonic_ns=monotonic_ns,
            sleep=sleep,
        )

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self._frames) / self._resampler.rate_hz

    def _read_frames(self, frames: int) -> NDArray[np.float32]:
        chunk = self._frames[self._at : self._at + frames]
        self._at += len(chunk)
        return chunk

    def _release(self) -> None:
        self._at = len(self._frames)


def _open(path: Path) -> soundfile.SoundFile:
    try:
        with path.open("rb") as probe:
            empty = not probe.read(1)
    except OSError as error:
        msg = f"{path}: cannot be opened ({error.strerror or error}); check the path and its permissions"
        raise DeviceError(msg) from error
    if empty:
        msg = f"{path}: the file is empty; was the copy or the recording interrupted?"
        raise DeviceError(msg)
    try:
        file = soundfile.SoundFile(str(path))
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: a format without a header (.raw)
        msg = f"{path}: not a sound file that libsndfile reads ({error}); give wav, flac, ogg or mp3"
        raise DeviceError(msg) from error
    try:
        _check(str(path), file.frames, file.samplerate)
    except DeviceError:
        file.close()
        raise
    return file


def _check(name: str, frames: int, rate_hz: int) -> None:
    if frames <= 0:
        msg = f"{name}: a sound file without any sound (0 frames); was the recording interrupted?"
        raise DeviceError(msg)
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        msg = (
            f"{name}: a sample rate of {rate_hz} Hz (usable: {MIN_RATE_HZ} to {MAX_RATE_HZ}); the header is damaged, convert the file again"
        )
        raise DeviceError(msg)
