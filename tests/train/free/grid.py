"""Where a piece keeps to one strict grid, found without asking what a beat is: any period on which the sound repeats will do."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from k1edge.beat.spectrum import FRAME_RATE_HZ
from tests.train.free.hearing import Floats, times

HIGHEST_RATE = 13.0
"""Repetitions a second that still tell of rhythm."""

SEARCHED_S = (0.40, 1.25)
"""Periods of repetition searched; the beat is a multiple or a part of the one found."""

WINDOW_S, STEP_S = 14.0, 3.5
"""Of the phase's track through a piece."""

COHERENT = 0.55
STEADY_S = 0.015
"""A stretch's phase stays within this about one straight line."""

LEAST_S = 18.0
LONGEST_HOLE_S = 14.0


@dataclass(frozen=True)
class Stretch:
    """Where one strict grid holds: repetitions at origin + n * period, from start to end (s)."""

    period: float
    origin: float
    start: float
    end: float


def stretches(curve: Floats) -> list[Stretch]:
    """All that plays on one strict grid."""
    period = repetition(curve)
    width = min(int(WINDOW_S * FRAME_RATE_HZ), len(curve))
    window, starts = np.hanning(width), starts_of(len(curve), width)
    middle = (starts + width / 2) / FRAME_RATE_HZ
    origin = 0.0
    for _ in range(3):
        found = coefficients(curve, period, window, starts)
        found = found * np.exp(2j * np.pi * np.arange(1, found.shape[1] + 1) * origin / period)
        late, alike = aligned(found, period)
        firm = alike >= COHERENT
        if firm.sum() < 2:
            return []
        offset, slope, on = straight(middle[firm], late[firm], period)
        offset, slope = refined(middle[firm][on], late[firm][on], period, offset, slope)
        origin += offset
        period *= 1.0 + slope
    rest = np.angle(np.exp(2j * np.pi * (late - offset - slope * middle) / period)) * period / (2 * np.pi)
    return runs(period, origin, middle, firm & (np.abs(rest) < STEADY_S), len(curve))


def aligned(found: NDArray[np.complex128], period: float) -> tuple[Floats, Floats]:
    """`lags` against what most of the windows have in common."""
    strength = np.linalg.norm(found, axis=1)
    model = found[int(strength.argmax())]
    for _ in range(3):
        late, alike = lags(found, model, period)
        turns = np.exp(2j * np.pi * np.outer(late, np.arange(1, found.shape[1] + 1)) / period)
        good = alike >= np.sort(alike)[len(alike) // 2]
        model = ((found * turns) / (strength[:, None] + 1e-9))[good].mean(axis=0)
    return lags(found, model, period)


def coefficients(curve: Floats, period: float, window: Floats, starts: NDArray[np.intp]) -> NDArray[np.complex128]:
    """Harmonics of the period in each window, shape (windows, harmonics)."""
    counts = np.arange(1, int(HIGHEST_RATE * period) + 1)
    waves = np.exp(-2j * np.pi * np.outer(times(len(curve)), counts) / period) * curve[:, None]
    return np.stack([(waves[at : at + len(window)] * window[:, None]).sum(axis=0) for at in starts])


def starts_of(count: int, width: int) -> NDArray[np.intp]:
    """First frames of the windows."""
    return np.arange(0, max(count - width, 0) + 1, int(STEP_S * FRAME_RATE_HZ))


def repetition(curve: Floats) -> float:
    """The period on which most of the windows repeat."""
    width = min(int(20 * FRAME_RATE_HZ), len(curve))
    size = 1 << 16
    window = np.hanning(width)
    power = sum(
        np.abs(np.fft.rfft(curve[at : at + width] * window, size)) ** 2 / (np.sum(curve[at : at + width] ** 2) + 1e-9)
        for at in starts_of(len(curve), width)
    )
    power = np.asarray(power)
    periods = np.exp(np.arange(np.log(SEARCHED_S[0]), np.log(SEARCHED_S[1]), 2e-4))
    scores = np.zeros(len(periods))
    rates = np.fft.rfftfreq(size, 1 / FRAME_RATE_HZ)
    floor = power[(rates > 0.8) & (rates < HIGHEST_RATE)].mean()
    for at, period in enumerate(periods):
        harmonics = np.arange(1, int(HIGHEST_RATE * period) + 1) / period
        scores[at] = (np.interp(harmonics, rates, power) - floor).sum() / floor / np.sqrt(len(harmonics))
    return float(periods[int(np.argmax(scores))])


def lags(found: NDArray[np.complex128], model: NDArray[np.complex128], period: float) -> tuple[Floats, Floats]:
    """How much later than the model each window plays (s, within half a period), and how alike they are."""
    steps = np.arange(int(period * 500)) / 500.0
    counts = np.arange(1, found.shape[1] + 1)
    turn = np.exp(2j * np.pi * np.outer(counts, steps) / period)
    alike = np.real((found * model.conj()) @ turn)
    alike /= np.linalg.norm(found, axis=1, keepdims=True) * np.linalg.norm(model) + 1e-9
    best = alike.argmax(axis=1)
    late = steps[best]
    return np.where(late > period / 2, late - period, late), alike[np.arange(len(best)), best]


def straight(at: Floats, late: Floats, period: float) -> tuple[float, float, NDArray[np.bool_]]:
    """The line through most of the points, modulo the period: offset, slope, and who lies on it."""
    best = (0.0, 0.0, np.zeros(len(at), bool))
    for slope in np.linspace(-2.5e-3, 2.5e-3, 501):
        rest = late - slope * at
        circle = np.exp(2j * np.pi * rest / period)
        for pivot in range(0, len(at), max(1, len(at) // 12)):
            off = np.angle(circle * circle[pivot].conj()) * period / (2 * np.pi)
            on = np.abs(off) < STEADY_S
            if on.sum() > best[2].sum():
                best = (float(rest[pivot] + off[on].mean()), float(slope), on)
    return best


def refined(at: Floats, late: Floats, period: float, offset: float, slope: float) -> tuple[float, float]:
    """Offset and slope by least squares over the points on the line."""
    if len(at) <= 2:
        return offset, slope
    off = np.angle(np.exp(2j * np.pi * (late - offset - slope * at) / period)) * period / (2 * np.pi)
    more = np.polyfit(at, off, 1)
    return offset + float(more[1]), slope + float(more[0])


def runs(period: float, origin: float, middle: Floats, on: NDArray[np.bool_], count: int) -> list[Stretch]:
    """Windows on the grid, joined over short holes."""
    found: list[Stretch] = []
    group: list[int] = []
    for at in [*np.flatnonzero(on).tolist(), -1]:
        if at < 0 or (group and middle[at] - middle[group[-1]] > LONGEST_HOLE_S):
            start = 0.0 if group[0] == 0 else middle[group[0]] - WINDOW_S / 4
            end = count / FRAME_RATE_HZ if group[-1] == len(middle) - 1 else middle[group[-1]] + WINDOW_S / 4
            if end - start >= LEAST_S:
                found.append(Stretch(period, origin, float(start), float(end)))
            group = []
        group.append(at)
    return found


def jitter(curve: Floats, stretch: Stretch) -> float:
    """How far single bars' worth of sound stray from the grid: the 80th percentile (s) over windows of 5 s. People: 25 ms and more."""
    window = np.hanning(int(5.0 * FRAME_RATE_HZ))
    last = min(int(stretch.end * FRAME_RATE_HZ), len(curve)) - len(window)
    starts = np.arange(int(stretch.start * FRAME_RATE_HZ), last + 1, int(2.5 * FRAME_RATE_HZ))
    if len(starts) < 3:
        return 1.0
    found = coefficients(curve, stretch.period, window, starts)
    found = found / (np.linalg.norm(found, axis=1, keepdims=True) + 1e-9)
    shifts = np.arange(-0.06, 0.0601, 0.002)
    turn = np.exp(2j * np.pi * np.outer(np.arange(1, found.shape[1] + 1), shifts) / stretch.period)
    return float(np.percentile(np.abs(shifts[np.real((found * found.mean(axis=0).conj()) @ turn).argmax(axis=1)]), 80))
