"""Frame index to host time: a robust line through the driver's capture times. Pure; owned by the DSP thread.

Why not one callback's time: behind a sound server callbacks come in pairs or bursts (sd 7 ms), capture times have an sd of 1.4 ms
and are wrong by up to 600 ms in the first second. Why capture times at all: arrival alone does not know how long the sound was
buffered. Why not trust them wholly: they can be missing, frozen or from another clock, and PulseAudio's claim frames captured after
they were delivered. Delivery cannot precede capture, so the envelope of the earliest arrivals bounds the line from above.

Observations are gathered into bins of a quarter second (the median of each is what the line is drawn through), so a callback costs an
append and the fit runs four times a second. The rate has a prior of 100 ppm around the last rate known (0 for a new device): a line
through one second of jitter would otherwise have a slope of thousands of ppm.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from k1edge.timebase import NS_PER_MS, NS_PER_S, AffineMap

BIN_S: Final = 0.25
WINDOW_S: Final = 40.0
"""Long enough for 4 ppm with 0.35 ms per bin, short enough to follow a crystal that warms up."""

_DISCARD_S: Final = 1.0  # capture times are off by hundreds of ms before
_DRIFT_AFTER_S: Final = 10.0  # before, the prior speaks louder than the data
_PRIOR_RATE: Final = 100e-6  # crystals of sound cards
_PRIOR_BIN_NS: Final = 0.5 * NS_PER_MS  # noise of a bin's median that the prior is weighed against
_RATE_LIMIT: Final = 1_000e-6  # beyond this it is not a crystal but broken times

_OLDEST_NS: Final = 2 * NS_PER_S  # no driver buffers more
_FUTURE_NS: Final = 50 * NS_PER_MS  # PulseAudio is up to 20 ms ahead of itself

_OUTLIER_NS: Final = 3 * NS_PER_MS
_SLEW_NS: Final = NS_PER_MS // 2  # per bin: 2 ms/s, faster than any drift and too slow to be seen
_STEP_BINS: Final = 6  # this many bins off to the same side are no jitter
_STEP_NS: Final = 20 * NS_PER_MS  # beyond this sliding would take too long: frames were lost
_MISTRUST_BINS: Final = 4  # bins without a usable capture time before arrivals stand in ...
_TRUST_BINS: Final = 20  # ... and bins with one before they are believed again
_NEVER: Final = 1 << 60


@dataclass(frozen=True, slots=True)
class ClockFit:
    """The clock as fitted now.

    Attributes:
        to_host: frame index -> host ns at which it was in the air.
        drift_ppm: the audio clock against the host's, + = fast; None until 10 s were seen.
        residual_ms: sd of the bins around the line; None with fewer than 4 bins.
        estimated: arrival times stand in for capture times.
    """

    to_host: AffineMap
    drift_ppm: float | None
    residual_ms: float | None
    estimated: bool


@dataclass(frozen=True, slots=True)
class _Bin:
    frame: int  # its middle
    captured_ns: float | None  # median of capture time - nominal time; None where most were invalid
    arrived_ns: float  # the earliest arrival - nominal time


class SampleClock:
    """Maps the frames of one stream to the host clock."""

    def __init__(self, rate_hz: int) -> None:
        """Start afresh for a stream of `rate_hz`, its nominal rate."""
        self._rate_hz: Final = rate_hz
        self._ns_per_frame: Final = NS_PER_S / rate_hz
        self._bin_frames: Final = max(1, round(rate_hz * BIN_S))
        self._slope = 0.0  # extra ns per nominal ns, as last known: the prior of the next fit
        self._discard_frames = round(_DISCARD_S * rate_hz)
        self._estimated = True
        self._good_bins_needed = 1
        self._begin(0, 0)

    def _begin(self, frame: int, arrival_ns: int) -> None:
        self._frame0 = frame  # nominal time runs from here
        self._host0 = arrival_ns
        self._began = False
        self._bins: deque[_Bin] = deque(maxlen=round(WINDOW_S / BIN_S))
        self._open_start = frame
        self._open_captured: list[float] = []
        self._open_arrived: list[float] = []
        self._open_invalid = 0
        self._last_adc_ns: int | None = None
        self._good_run = 0
        self._bad_run = 0
        self._settled = False
        self._stepped = False
        self._fit: ClockFit | None = None

    @property
    def fit(self) -> ClockFit | None:
        """The clock now; None before the first observation."""
        return self._fit

    @property
    def stepped(self) -> bool:
        """True once the capture times have left the line by more than 20 ms for good: frames were lost unsaid, or the stream was moved. Restart."""
        return self._stepped

    def restart(self, *, new_stream: bool) -> None:
        """Begin anew after a gap; the rate learned so far stays as the prior. A new stream's first second of capture times is not believed."""
        self._begin(0, 0)
        self._discard_frames = round(_DISCARD_S * self._rate_hz) if new_stream else 0
        if new_stream:
            self._estimated = True
            self._good_bins_needed = 1

    def add(self, frame: int, frames: int, adc_ns: int | None, arrival_ns: int) -> None:
        """Take one callback: `frames` frames from index `frame` on, captured at `adc_ns` (host clock; None = unknown), delivered at `arrival_ns`.

        Frame indices grow; arrival times are the host's own and trusted.
        """
        if not self._began:
            self._begin(frame, arrival_ns)
            self._began = True
        nominal_ns = (frame - self._frame0) * self._ns_per_frame
        # The last frame of the block cannot have been captured after the block came.
        self._open_arrived.append(arrival_ns - self._host0 - nominal_ns - frames * self._ns_per_frame)
        if frame - self._frame0 >= self._discard_frames:
            if self._plausible(adc_ns, arrival_ns) and adc_ns is not None:
                self._open_captured.append(adc_ns - self._host0 - nominal_ns)
            else:
                self._open_invalid += 1
        if adc_ns is not None:
            self._last_adc_ns = adc_ns
        end = frame + frames
        if end - self._open_start >= self._bin_frames:
            self._close_bin(end)
        elif len(self._bins) < 4 or self._is_late(end, arrival_ns):  # young, or refuted: every callback counts
            self._refit(end, [*self._bins, self._bin_of_open(end)])

    def _is_late(self, end: int, arrival_ns: int) -> bool:
        return self._fit is not None and self._fit.to_host.forward(end) > arrival_ns + _OUTLIER_NS

    def _plausible(self, adc_ns: int | None, arrival_ns: int) -> bool:
        if adc_ns is None or (self._last_adc_ns is not None and adc_ns <= self._last_adc_ns):
            return False
        return -_FUTURE_NS <= arrival_ns - adc_ns <= _OLDEST_NS

    def _bin_of_open(self, end: int) -> _Bin:
        trusted = len(self._open_captured) > self._open_invalid
        captured = float(np.median(self._open_captured)) if trusted else None
        return _Bin((self._open_start + end) // 2, captured, min(self._open_arrived))

    def _close_bin(self, end: int) -> None:
        closed = self._bin_of_open(end)
        self._bins.append(closed)
        judged = self._open_captured or self._open_invalid
        self._open_captured, self._open_arrived, self._open_invalid, self._open_start = [], [], 0, end
        if judged:
            self._judge(good=closed.captured_ns is not None)
        self._refit(end, list(self._bins))
        self._settled = self._settled or len(self._bins) * BIN_S >= 2 * _DISCARD_S

    def _judge(self, *, good: bool) -> None:
        self._good_run = self._good_run + 1 if good else 0
        self._bad_run = 0 if good else self._bad_run + 1
        if self._bad_run >= _MISTRUST_BINS:
            self._estimated = True
            self._good_bins_needed = _TRUST_BINS
        elif self._good_run >= self._good_bins_needed:
            self._estimated = False

    def _refit(self, now_frame: int, bins: list[_Bin]) -> None:
        captured = [(each.frame, each.captured_ns) for each in bins if each.captured_ns is not None]
        estimated = self._estimated or not captured
        points = [(each.frame, each.arrived_ns) for each in bins] if estimated else captured
        x = np.array([(frame - self._frame0) * self._ns_per_frame for frame, _ in points])
        y = np.array([value for _, value in points])
        level, slope, residuals = robust_line(x, y, self._slope)
        if abs(slope) > _RATE_LIMIT:
            if not estimated and self._settled:  # capture times of a clock that is not the sound card's: not believed again
                self._estimated = True
                self._good_bins_needed = _NEVER
            slope = self._slope
            level = float(np.median(y - slope * x))
        # Causality. The lowest of a few bins, a low quantile of many, so that one bin leaving the window is no step.
        slack = np.array([each.arrived_ns - level - slope * (each.frame - self._frame0) * self._ns_per_frame for each in bins])
        level += min(0.0, float(np.quantile(slack, 0.1, method="lower")))
        self._watch(residuals)
        self._publish(now_frame, level, slope, x, residuals, bins[-1].arrived_ns, estimated=estimated)

    def _watch(self, residuals: NDArray[np.float64]) -> None:
        newest = residuals[-_STEP_BINS:]
        if not self._settled or len(newest) < _STEP_BINS:
            return
        limit = max(_OUTLIER_NS, 6.0 * float(np.median(np.abs(residuals))))
        off = bool((newest > limit).all() or (newest < -limit).all())
        if off and abs(float(np.median(newest))) > _STEP_NS:
            self._stepped = True
        elif off:
            # A small step for good: forget what was before; the published line slides over.
            while len(self._bins) > _STEP_BINS:
                self._bins.popleft()

    def _publish(
        self,
        now_frame: int,
        level: float,
        slope: float,
        x: NDArray[np.float64],
        residuals: NDArray[np.float64],
        newest_arrived_ns: float,
        *,
        estimated: bool,
    ) -> None:
        nominal_ns = (now_frame - self._frame0) * self._ns_per_frame
        host_ns = self._host0 + round(nominal_ns + level + slope * nominal_ns)
        if self._settled and self._fit is not None:
            expected_ns = self._fit.to_host.forward(now_frame)
            host_ns = expected_ns + max(-_SLEW_NS, min(_SLEW_NS, host_ns - expected_ns))
            # Sliding is for the eye; sound from the future is wrong at once. The slack keeps early arrivals of ordinary jitter from being steps.
            delivered_ns = self._host0 + round(nominal_ns + newest_arrived_ns)
            host_ns = min(host_ns, delivered_ns + _OUTLIER_NS)
        span_ns = float(x[-1] - x[0])
        known = span_ns >= _DRIFT_AFTER_S * NS_PER_S
        if known:
            self._slope = slope
        inliers = residuals[np.abs(residuals) < max(_OUTLIER_NS, 6.0 * float(np.median(np.abs(residuals))))]
        self._fit = ClockFit(
            AffineMap(now_frame, host_ns, self._ns_per_frame * (1.0 + slope)),
            drift_ppm=-slope / (1.0 + slope) * 1e6 if known else None,
            residual_ms=float(np.std(inliers)) / NS_PER_MS if len(residuals) >= 4 else None,
            estimated=estimated,
        )


def robust_line(x: NDArray[np.float64], y: NDArray[np.float64], prior_slope: float) -> tuple[float, float, NDArray[np.float64]]:
    """Fit y = level + slope * x with a prior on the slope; outliers of up to half of the points do not move it.

    Least squares reweighted by Tukey's biweight (Beaton and Tukey 1974), begun at the medians, in ns throughout.

    Returns:
        level, slope and the residuals of all points, outliers included.
    """
    slope = prior_slope
    level = float(np.median(y - slope * x))
    ridge = (_PRIOR_BIN_NS / _PRIOR_RATE) ** 2
    for _ in range(4):
        residuals = y - level - slope * x
        reach = max(_OUTLIER_NS, 6.0 * 1.4826 * float(np.median(np.abs(residuals))))
        weights = np.clip(1.0 - (residuals / reach) ** 2, 0.0, None) ** 2
        total = float(weights.sum())
        if total < 0.5:  # all far off: the medians are the best there is
            break
        mean_x = float(weights @ x) / total
        mean_y = float(weights @ y) / total
        dx, dy = x - mean_x, y - mean_y
        slope = (float((weights * dx) @ dy) + ridge * prior_slope) / (float((weights * dx) @ dx) + ridge)
        level = mean_y - slope * mean_x
    return level, slope, y - level - slope * x
