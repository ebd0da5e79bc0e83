"""What a person tells the tracker, as a value, and what it does to the filter: another set of tempi, a new belief to begin with.

`manual` makes these values, on whatever thread people are heard; `Pipeline.steer` takes them on its own. Reads no clock.
"""

from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray

from k1edge.beat.spectrum import FRAME_RATE_HZ
from k1edge.beat.tempo import Tempi, TempoModel, tempo_model
from k1edge.beat.tracker import ForwardFilter

DOUBT = 1e-3
"""Share of belief in a tempo that is spread anew where a person has spoken: what was known counts, and may be wrong."""

BPM_SHARE = 0.01
BEAT_S = 0.015
"""Standard errors of a tempo and of a beat that come from the tracker's own grid: a step of the states, and the width of an attack."""

GRAIN = 0.3
"""Standard error, in frames, of a period that has to be a whole number of them."""

TINIEST = 1e-20
"""Belief left to tempi and phases far from what was told: as much as the model grants to a tempo that is left and come back to."""


@dataclass(frozen=True, slots=True)
class Steering:
    """What the tracker is to hold to.

    Attributes:
        tempi: the only ones from now on.
        bpm: the tempo to go on with; None = whichever is the likeliest of them, by all that was heard.
        beat_at: a sample on which a beat falls, past or to come; None with no `bpm`, or where only the music can tell.
        bpm_share: standard error of `bpm`, as a share of it.
        beat_s: standard error of `beat_at`, s.
        keep: from now on the beat may drift with the music, but not move by a quarter of a beat and more; until `tempi` change or it is dark.
        downbeat_at: a sample, past or to come, on which a bar's first beat falls; None = nothing was said about bars.
    """

    tempi: Tempi
    bpm: float | None = None
    beat_at: float | None = None
    bpm_share: float = BPM_SHARE
    beat_s: float = BEAT_S
    keep: bool = False
    downbeat_at: float | None = None


def steered(before: ForwardFilter, steering: Steering, phase: float | None) -> ForwardFilter:
    """Build the filter that goes on from `before` as told.

    Args:
        before: what was believed so far, not changed.
        steering: what to hold to.
        phase: of the beat that was told, at the newest hop, in [0, 1), 0 = on the beat; None where none was told.
    """
    model = tempo_model(steering.tempi, least_span=1.0)
    after = ForwardFilter(model)
    belief = _known(before, model, after.posterior())
    if steering.bpm is not None:
        period = 60.0 * FRAME_RATE_HZ / steering.bpm
        lengths = np.repeat(model.periods, model.periods.astype(int))
        share = hypot(steering.bpm_share, GRAIN / period)
        belief *= np.exp(-0.5 * ((lengths / period - 1.0) / share) ** 2) + TINIEST
        if phase is not None:
            off = (model.phase - phase + 0.5) % 1.0 - 0.5
            belief *= np.exp(-0.5 * (off * period / (FRAME_RATE_HZ * steering.beat_s)) ** 2) + TINIEST
    after.reset(belief)
    return after


def _known(before: ForwardFilter, model: TempoModel, prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """What was believed of the tempi that both have, the prior for those of which nothing could be known; shape (model.states,)."""
    known, old = before.posterior(), before.model
    belief = prior.copy()
    for row in np.flatnonzero(np.isin(model.periods, old.periods)):
        was = int(model.periods[row] - old.periods[0])
        states = slice(model.first[row], model.last[row] + 1)
        belief[states] = DOUBT * prior[states] + (1.0 - DOUBT) * known[old.first[was] : old.last[was] + 1]
    return belief
