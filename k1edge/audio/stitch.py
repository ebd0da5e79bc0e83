"""From driver callbacks to the stream: time stamps checked, gaps made into epochs, stale sound dropped, 44.1 kHz mono out. Pure.

Owned by the DSP thread. Frames are counted as delivered by the driver (ring index); samples are counted in the 44.1 kHz stream and
jump forward at every new epoch by as much as the host clock did, so that index and time stay one line over all gaps.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from k1edge.audio.resample import Resampler
from k1edge.audio.sampleclock import ClockFit, SampleClock
from k1edge.audio.source import AudioBlock
from k1edge.timebase import NS_PER_MS, NS_PER_S, SAMPLE_RATE_HZ, AffineMap, SampleIndex

STALE_NS: Final = 500 * NS_PER_MS
"""Sound older than this on arrival cannot be lit any more, and a burst of it would stall the tracker; a driver's buffer is 30 ms."""

_FLOW_NS: Final = 200 * NS_PER_MS
_FLOW_RATIO: Final = 1.3
_LATENCY_SHARE: Final = 0.05  # of the newest block in the running mean: 0.2 s


class Stitcher:
    """What lies between the callback and the `AudioBlock`."""

    def __init__(self) -> None:
        self.epoch = 0
        self.xruns = 0
        """Gaps that the driver told of."""
        self.dropped_frames = 0
        """Device frames thrown away because they came too late."""
        self.latency_ns: float | None = None
        """From the air to the reader, for the last sample of a block; running mean."""
        self._rate_hz = SAMPLE_RATE_HZ
        self._clock = SampleClock(self._rate_hz)
        self._resampler = Resampler(self._rate_hz, 1)
        self._origin_frame = 0  # this frame of the device ...
        self._origin_sample = 0  # ... is this sample of the stream
        self._next = 0
        self._line: AffineMap | None = None  # the newest sample -> host map, kept over gaps
        self._bad_before = 0  # bad samples of the streams before this one
        self._gap = True
        self._flow: tuple[int, int] | None = None  # (frame, arrival) at which stale sound is being watched

    @property
    def fit(self) -> ClockFit | None:
        """The clock of the present stream."""
        return self._clock.fit

    @property
    def bad_samples(self) -> int:
        """Device samples, over all streams, that were NaN, infinite or absurdly loud."""
        return self._bad_before + self._resampler.bad_samples

    def begin_stream(self, rate_hz: int, channels: int) -> None:
        """A device was opened: its frames count from 0 again, and maybe at another rate."""
        if rate_hz == self._rate_hz:
            self._clock.restart(new_stream=True)
        else:
            self._rate_hz = rate_hz
            self._clock = SampleClock(rate_hz)
        self._bad_before = self.bad_samples
        self._resampler = Resampler(rate_hz, channels)
        self._gap = True
        self._flow = None

    def push(
        self,
        frame: int,
        frames: NDArray[np.float32] | None,
        *,
        count: int,
        adc_ns: int | None,
        arrival_ns: int,
        overflow: bool,
        now_ns: int,
    ) -> AudioBlock | None:
        """Take one callback in order; return its sound, or None where it was dropped or is still inside the resampler.

        Args:
            frame: index of its first frame as delivered.
            frames: shape (count, channels); None where the reader was lapped.
            count: how many frames there are or were.
            adc_ns: the driver's capture time of the first frame, host clock, unchecked.
            arrival_ns: when the callback ran.
            overflow: the driver lost frames before these.
            now_ns: the time of reading.
        """
        if overflow:
            self.xruns += 1
            self._gap = True
            self._clock.restart(new_stream=False)
        backlog = self._is_backlog(frame, count, arrival_ns)
        if not backlog:
            self._clock.add(frame, count, adc_ns, arrival_ns)
            if self._clock.stepped:  # frames vanished unsaid, or the server moved the stream to another source
                self._gap = True
                self._clock.restart(new_stream=False)
                self._clock.add(frame, count, adc_ns, arrival_ns)
        if frames is None or backlog or now_ns - arrival_ns > STALE_NS:
            self._gap = True
            self.dropped_frames += 0 if frames is None else count  # what the ring lost it counts itself
            return None
        return self._block(frame, frames, now_ns)

    def _is_backlog(self, frame: int, count: int, arrival_ns: int) -> bool:
        """Tell whether these frames waited in the driver for long: a burst after a stall.

        Frames that only seem late because others vanished before them come at the pace of real time, and a burst does not: then the
        clock is begun anew.
        """
        fit = self._clock.fit
        if fit is None or arrival_ns - fit.to_host.forward(frame + count) <= STALE_NS:
            self._flow = None
            return False
        if self._flow is None:
            self._flow = (frame, arrival_ns)
            return True
        since_frame, since_ns = self._flow
        elapsed_ns = arrival_ns - since_ns
        if elapsed_ns < _FLOW_NS:
            return True
        if (frame - since_frame) * NS_PER_S > _FLOW_RATIO * elapsed_ns * self._rate_hz:
            self._flow = (frame, arrival_ns)
            return True
        self._flow = None
        self._gap = True
        self._clock.restart(new_stream=False)
        return False

    def _block(self, frame: int, frames: NDArray[np.float32], now_ns: int) -> AudioBlock | None:
        fit = self._clock.fit
        if fit is None:  # cannot be: the clock has just been told of this callback
            return None
        if self._gap:
            self._begin_epoch(frame, fit)
        samples = self._resampler.push(frames)
        if len(samples) == 0:
            return None
        start, self._next = self._next, self._next + len(samples)
        first_frame = self._origin_frame + (start - self._origin_sample) * self._rate_hz / SAMPLE_RATE_HZ
        self._line = AffineMap(start, fit.to_host.forward(first_frame), fit.to_host.rate * self._rate_hz / SAMPLE_RATE_HZ)
        latency_ns = now_ns - self._line.forward(self._next)
        self.latency_ns = latency_ns if self.latency_ns is None else self.latency_ns + _LATENCY_SHARE * (latency_ns - self.latency_ns)
        return AudioBlock(samples, SampleIndex(start), self.epoch, self._line)

    def _begin_epoch(self, frame: int, fit: ClockFit) -> None:
        self._gap = False
        self._resampler.reset()
        if self._next > self._origin_sample:  # an epoch that gave no sound was none
            self.epoch += 1
        if self._line is not None:
            self._next = max(self._next, round(self._line.inverse(fit.to_host.forward(frame))))
        self.latency_ns = None
        self._origin_frame = frame
        self._origin_sample = self._next
