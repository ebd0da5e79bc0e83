"""The bar-pointer model: which tempi and phases there are, and how likely one tempo follows another.

States are (period, position) with whole frames as positions, so that every state steps by one frame at a time and only the last
position of a period chooses the next period (Krebs, Boeck and Widmer, "An efficient state-space model for joint tempo and meter
tracking", ISMIR 2015).
"""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from k1edge.beat.spectrum import FRAME_RATE_HZ

Floats = NDArray[np.float64]

SLOWEST_BPM = 55.0
FASTEST_BPM = 215.0
"""The usual range: 28 to 109 frames a beat, 5,617 states. Twice as fast is heard as the off-beat of half the tempo."""

LOWEST_BPM = 30.0
HIGHEST_BPM = 300.0
LEAST_SPAN = 1.5
"""A range that may be configured. Nearly an octave wide, or the music's own tempo and all its relatives may lie outside.

A person who hears the music may ask for a narrower one (`manual`).
"""

STIFFNESS = 100.0
"""How hard a tempo is to leave: exp(-100 |ratio - 1|) lets a drummer drift by 1-2 % a beat."""

PRIOR_BPM = 120.0
PRIOR_OCTAVES = 0.8
"""Log-normal preference of listeners (Parncutt 1994; van Noorden and Moelants 1999)."""

LEAST_PRIOR_OCTAVES = 0.2
MOST_PRIOR_OCTAVES = 4.0
"""A preference narrower than 0.2 octaves is a range, one wider than 4 is none."""

WANDER = 1e-8
"""Share of each beat's probability that forgets its tempo: lets a new song in; 1e-3 already lets weak passages wander (AMLt 0.82, not 0.85)."""


@dataclass(frozen=True, slots=True)
class Tempi:
    """Which tempi are considered, from `bpm_min` to `bpm_max`, and which are preferred before any sound: a bell over the octaves."""

    bpm_min: float = SLOWEST_BPM
    bpm_max: float = FASTEST_BPM
    prior_bpm: float = PRIOR_BPM
    prior_octaves: float = PRIOR_OCTAVES


@dataclass(frozen=True, slots=True)
class TempoModel:
    """The states laid out flat, period after period, each from its beat on.

    Attributes:
        periods: frames per beat, ascending, shape (p,): 28 to 109, p = 82, for the usual range.
        first: index of each period's first state, shape (p,).
        last: index of its last state, shape (p,).
        phase: position / period of every state, in [0, 1).
        prior: probability of each period before any sound.
        transition: column = period left, row = period entered; columns sum to 1.
    """

    periods: Floats
    first: NDArray[np.intp]
    last: NDArray[np.intp]
    phase: Floats
    prior: Floats
    transition: Floats

    @property
    def states(self) -> int:
        """Number of states."""
        return len(self.phase)


def tempo_model(tempi: Tempi = Tempi(), *, least_span: float = LEAST_SPAN) -> TempoModel:
    """Build the model of `tempi`; there are no states for others.

    Args:
        tempi: which, and which rather.
        least_span: how many times its beginning the end of the range must be at least.

    Raises:
        ValueError: the range leaves 30 to 300 bpm or is too narrow, or so is the preference.
    """
    bpm_min, bpm_max = tempi.bpm_min, tempi.bpm_max
    if not LOWEST_BPM <= bpm_min <= bpm_max / least_span <= HIGHEST_BPM / least_span:
        msg = f"bpm_min and bpm_max must be within {LOWEST_BPM:g} to {HIGHEST_BPM:g} and {least_span:g} times apart, got {bpm_min:g} and {bpm_max:g}"
        raise ValueError(msg)
    if not (LOWEST_BPM <= tempi.prior_bpm <= HIGHEST_BPM and LEAST_PRIOR_OCTAVES <= tempi.prior_octaves <= MOST_PRIOR_OCTAVES):
        msg = (
            f"prior_bpm must be within {LOWEST_BPM:g} to {HIGHEST_BPM:g} and prior_octaves within {LEAST_PRIOR_OCTAVES:g} to "
            f"{MOST_PRIOR_OCTAVES:g}, got {tempi.prior_bpm:g} and {tempi.prior_octaves:g}"
        )
        raise ValueError(msg)
    periods = np.arange(ceil(60.0 * FRAME_RATE_HZ / bpm_max), floor(60.0 * FRAME_RATE_HZ / bpm_min) + 1)
    ends = np.cumsum(periods)
    first = ends - periods
    phase = np.concatenate([np.arange(n) / n for n in periods])
    octaves = np.log2(60.0 * FRAME_RATE_HZ / periods / tempi.prior_bpm)
    prior = np.exp(-0.5 * (octaves / tempi.prior_octaves) ** 2)
    prior /= prior.sum()
    near = np.exp(-STIFFNESS * np.abs(periods[:, None] / periods[None, :] - 1.0))
    near /= near.sum(axis=0)
    transition = (1.0 - WANDER) * near + WANDER * prior[:, None]
    return TempoModel(periods.astype(np.float64), first, ends - 1, phase, prior, transition)
