"""Any rate and any number of channels to the 44.1 kHz mono stream of the tracker, chunk by chunk.

State: the resampler's own filter memory and the input that does not fill a whole sub-chunk yet. Owned by the thread that calls
`push` (the DSP thread).
"""

from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from k1edge.timebase import SAMPLE_RATE_HZ

MIN_RATE_HZ: Final = 4_000
MAX_RATE_HZ: Final = 768_000
"""Rates that sound hardware and files really have; anything outside is a broken header or a broken driver."""

# soxr emits in bursts of its transform length. At 48 kHz "LQ" holds back 0.7 to 10 ms (mean 5), "HQ" 2.5 to 19 (mean 11), and every
# millisecond here is taken from the lead of a beat. LQ is flat within 0.2 dB to 16 kHz and 110 dB down in the stop band: enough to
# hear a hi-hat. "QQ" would hold back nothing, but aliases.
_QUALITY: Final = "LQ"

_SUB_CHUNKS_PER_S: Final = 100  # 10 ms: as fine as a usual driver block, coarse enough that a call costs nothing

_LOUDEST: Final = 16.0  # 24 dB above full scale; beyond it a sample is no sound and would overflow the power spectra


class Resampler:
    """A stream of frames in, a stream of 44.1 kHz mono samples out; the same samples bit by bit for every way of cutting the input.

    Output i lies at input frame i * rate_hz / 44100 exactly: soxr compensates the delay of its own filter.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        """Prepare for `rate_hz` (MIN_RATE_HZ to MAX_RATE_HZ) and `channels` >= 1.

        Raises:
            ValueError: a rate or channel count that the caller should have refused.
        """
        if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            msg = f"rate {rate_hz} Hz is outside {MIN_RATE_HZ} to {MAX_RATE_HZ}"
            raise ValueError(msg)
        if channels < 1:
            msg = f"{channels} channels"
            raise ValueError(msg)
        self.rate_hz: Final = rate_hz
        self.channels: Final = channels
        self.bad_samples = 0
        """Input samples that were NaN, infinite or absurdly loud, and were silenced or clipped."""
        self._sub_chunk: Final = max(1, rate_hz // _SUB_CHUNKS_PER_S)
        self._held = np.zeros(0, np.float32)  # mono input, shorter than a sub-chunk
        self._frames_in = 0
        self._samples_out = 0
        self._ended = False
        self._soxr = self._new_stream()

    def _new_stream(self) -> soxr.ResampleStream | None:
        if self.rate_hz == SAMPLE_RATE_HZ:
            return None
        return soxr.ResampleStream(self.rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality=_QUALITY)

    @property
    def latency_frames(self) -> float:
        """How much of the input pushed so far has not come out yet, in device frames; 0 when nothing has to be resampled."""
        return max(0.0, self._frames_in - self._samples_out * self.rate_hz / SAMPLE_RATE_HZ)

    def push(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Resample `frames`, shape (n, channels) or (n,) for mono, n >= 0; return the samples that are ready, shape (m,), m >= 0, owned by the caller.

        Raises:
            ValueError: pushed after `flush`, or another channel count.
        """
        if self._ended:
            msg = "the stream was flushed; reset before pushing again"
            raise ValueError(msg)
        mono = self._to_mono(frames)
        self._frames_in += len(mono)
        return self._counted(mono if self._soxr is None else self._resample(mono))

    def flush(self) -> NDArray[np.float32]:
        """Return what the filter still holds; the stream ends here. Empty on a second call."""
        if self._ended or self._soxr is None:
            self._ended = True
            return np.zeros(0, np.float32)
        self._ended = True
        held, self._held = self._held, np.zeros(0, np.float32)
        return self._counted(np.asarray(self._soxr.resample_chunk(held, last=True), np.float32))

    def reset(self) -> None:
        """Forget the past: the next frame is frame 0 of a fresh stream. `bad_samples` counts on."""
        self._held = np.zeros(0, np.float32)
        self._frames_in = 0
        self._samples_out = 0
        self._ended = False
        self._soxr = self._new_stream()

    def _counted(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        self._samples_out += len(samples)
        return samples

    def _resample(self, mono: NDArray[np.float32]) -> NDArray[np.float32]:
        # Always whole sub-chunks: soxr's rounding depends on how its input is cut, and the same sound must give the same beats.
        waiting = np.concatenate((self._held, mono))
        whole = len(waiting) - len(waiting) % self._sub_chunk
        self._held = waiting[whole:].copy()
        if not whole or self._soxr is None:
            return np.zeros(0, np.float32)
        resample = self._soxr.resample_chunk
        ready = [resample(waiting[at : at + self._sub_chunk]) for at in range(0, whole, self._sub_chunk)]
        return np.asarray(np.concatenate(ready), np.float32)

    def _to_mono(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        channels = 1 if frames.ndim == 1 else frames.shape[1]
        if channels != self.channels:
            msg = f"frames of {channels} channels in a stream of {self.channels}"
            raise ValueError(msg)
        clean = np.array(frames, np.float32)  # a copy: the caller may reuse its buffer
        # `not <=` and not `>`: a NaN fails every comparison.
        if clean.size and not np.abs(clean).max() <= _LOUDEST:
            self.bad_samples += int(np.count_nonzero(~(np.abs(clean) <= _LOUDEST)))
            np.nan_to_num(clean, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
            np.clip(clean, -_LOUDEST, _LOUDEST, out=clean)
        if clean.ndim == 1:
            return clean
        if channels == 1:
            return clean[:, 0]
        if channels == 2:  # five times as fast as mean(axis=1), and what nearly every device is
            return np.asarray((clean[:, 0] + clean[:, 1]) * np.float32(0.5), np.float32)
        return np.asarray(clean.mean(axis=1), np.float32)
