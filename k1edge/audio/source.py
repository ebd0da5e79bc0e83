"""What a source of sound is. Live capture, a sound file and a synthesised song all look like this to the daemon."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from k1edge.errors import K1EdgeError
from k1edge.timebase import AffineMap, SampleIndex


class EndOfStreamError(K1EdgeError):
    """The source has played to its end; there will be no more blocks."""


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """Consecutive samples of the stream.

    Attributes:
        samples: float32, shape (n,), n >= 1, mono at `SAMPLE_RATE_HZ`, nominally within +-1, always finite; owned by the receiver.
        start: index of samples[0]. Within an epoch blocks follow each other without a gap; indices never go back.
        epoch: grows by one after every gap, xrun, dropped backlog or reopening. `start` tells how much was lost: up to 0.5 s the tracker
            bridges by time alone, hearing nothing across the cut; after more it begins anew.
        to_host: sample index -> host ns (when that sample was in the air); None where there is no real time (a file read at full speed).
    """

    samples: NDArray[np.float32]
    start: SampleIndex
    epoch: int
    to_host: AffineMap | None


class AudioState(StrEnum):
    """How the sound comes in."""

    OPENING = "opening"
    LIVE = "live"
    STALLED = "stalled"  # "active", yet no callback for too long
    LOST = "lost"  # absent, removed or refused; being retried
    ENDED = "ended"  # a file has played to its end


@dataclass(frozen=True, slots=True)
class AudioHealth:
    """The source as people see it.

    Attributes:
        state: see `AudioState`.
        reason: why it is not LIVE, with the cure; None when LIVE.
        device: name as the system knows it.
        device_rate_hz: the rate the device runs at; None until open.
        channels: channels captured; None until open.
        age_ns: host time since the newest sound arrived; None before any.
        latency_ns: from the air to the reader, as measured now; None before it is known.
        drift_ppm: the audio clock against the host's, + = fast; None until fitted.
        clock_estimated: True while timestamps are not trusted and arrival times stand in for them.
        overruns: samples lost because the reader was late, in frames.
        xruns: gaps reported by the driver.
        bad_samples: device samples that were NaN, infinite or absurdly loud, and were silenced or clipped.
        epoch: current epoch.
        reopened: how many times the device was opened again.
    """

    state: AudioState
    reason: str | None
    device: str
    device_rate_hz: int | None
    channels: int | None
    age_ns: int | None
    latency_ns: int | None
    drift_ppm: float | None
    clock_estimated: bool
    overruns: int
    xruns: int
    bad_samples: int
    epoch: int
    reopened: int


class AudioSource(Protocol):
    """A stream of `AudioBlock`s. One thread (the DSP thread) calls `read` and `close`; any thread may call `health`."""

    def read(self, timeout_s: float) -> AudioBlock | None:
        """Wait up to `timeout_s` for sound; None when there was none (look at `health`). A lost device is reopened in here.

        Raises:
            EndOfStreamError: the source has ended.
        """
        ...

    def health(self) -> AudioHealth:
        """The state now; cheap, never blocks."""
        ...

    def renew(self) -> None:
        """Begin anew with a fresh clock, because the host slept: a device is opened again, a recording goes on. Called by the reading thread."""
        ...

    def close(self) -> None:
        """Give the device back; may be called twice."""
        ...
