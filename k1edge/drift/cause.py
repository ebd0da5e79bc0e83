"""What a drift is put down to, by the parts it is made of: fire error + aim + residual (see `meter`). Pure."""

from collections.abc import Callable, Collection, Sequence
from math import copysign
from typing import Final

from k1edge.drift.meter import Reading
from k1edge.drift.spread import median
from k1edge.events import Culprit
from k1edge.timebase import NS_PER_MS, NS_PER_US

US_PER_MS = NS_PER_MS // NS_PER_US

EXPLAINS = 0.5
"""Share of the drift that a part has to be; with less no single thing is to blame."""


def culprit(readings: Sequence[Reading], bound_us: float | None, moved: Collection[Culprit]) -> Culprit | None:
    """What the drift of `readings` is put down to; None where there is none, and where no part explains half of it.

    A part that a clock could have made is put down to that clock: the node's where its bound is as large as the part, and any clock that
    has just jumped or changed its rate, the host's before the others, for everything is measured on it.

    Args:
        readings: those with a drift count.
        bound_us: of the node's clock map, now.
        moved: clocks that have jumped or changed their rate of late.
    """
    compared = [reading for reading in readings if reading.drift_ms is not None]
    drift_ms = median(reading.drift_ms or 0.0 for reading in compared)
    if not drift_ms:
        return None
    parts_ms = {what: copysign(1.0, drift_ms) * (median(map(part, compared)) or 0.0) for what, part in _PARTS_MS.items()}
    what = max(parts_ms, key=lambda what: parts_ms[what])
    part_ms = parts_ms[what]
    if part_ms < EXPLAINS * abs(drift_ms):
        return None
    own_clock = _CLOCKS.get(what)
    if own_clock is None:
        return what
    if Culprit.HOST_CLOCK in moved:
        return Culprit.HOST_CLOCK
    unsure = own_clock is Culprit.NODE_CLOCK and (bound_us or 0.0) >= part_ms * US_PER_MS
    return own_clock if unsure or own_clock in moved else what


_PARTS_MS: Final[dict[Culprit, Callable[[Reading], float]]] = {
    Culprit.NODE: lambda reading: (reading.fire_error_us or 0.0) / US_PER_MS,
    Culprit.OFFSET: lambda reading: reading.aim_ms or 0.0,
    Culprit.TRACKER: lambda reading: reading.beat_residual_ms or 0.0,
}

_CLOCKS: Final = {Culprit.NODE: Culprit.NODE_CLOCK, Culprit.TRACKER: Culprit.AUDIO_CLOCK}
"""Whose clock can make such a part."""
