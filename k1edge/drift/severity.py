"""How bad a drift is, without flapping. Pure; state is owned by the daemon's event loop.

Judged is what is shown: the signed median of the last 10 s, of 5 comparisons at the least. Signed, for musicians are early as often as
late, which is no drift: on 15 recorded songs tracked live, with a light that is never late, the p95 of single beats is 31 ms. Judged like
this, 48 minutes of them are amber for 44 s, mostly where the tracker is lost, and never worse.

| severity | up, above                                | down, at most        |
|----------|------------------------------------------|----------------------|
| amber    | 20 ms                                    | 16 ms for 3 s        |
| alert    | 50 ms                                    | 40 ms for 3 s        |
| red      | 100 ms, in flashes that lie 5 s apart     | 80 ms for 3 s        |

Up at once, for the median has waited for half of its flashes. After 3 s without anything to judge there is no severity.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from k1edge.drift.spread import MAX_RECENT, WINDOW_NS, median
from k1edge.events import Severity
from k1edge.timebase import NS_PER_S, HostTime

RUNGS_MS = {Severity.AMBER: 20.0, Severity.ALERT: 50.0, Severity.RED: 100.0}
"""What people see: up to 20 ms nothing, above 50 ms everybody."""

RED_AFTER_NS = 5 * NS_PER_S
"""The first and the newest flash beyond the last rung are this far apart: a mixer's cross-fade is over by then."""

DOWN_SHARE = 0.8
DOWN_AFTER_NS = 3 * NS_PER_S
"""A severity is left at this share of its rung, when it has been deserved no more for this long."""

LEAST = 5
"""Comparisons that are judged: what 10 s hold at 36 bpm, each told a second late."""

_ORDER = [None, *Severity]

_Compared = tuple[HostTime, float]
"""When a flash was, and its drift in ms."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said now.

    Attributes:
        severity: None where there is nothing to judge.
        drift_ms: the running drift that was judged, signed; None likewise.
        since_ns: the first flash that was no longer ok, or with which all was well again; None before anything was judged.
    """

    severity: Severity | None
    drift_ms: float | None
    since_ns: HostTime | None


class SeverityLadder:
    """Climbs at once and descends slowly."""

    def __init__(self) -> None:
        self._compared: deque[_Compared] = deque(maxlen=MAX_RECENT)  # in order of time
        self._severity: Severity | None = None  # as told last
        self._since_ns: HostTime | None = None  # of the verdict
        self._far_since_ns: HostTime | None = None  # the first flash of the run beyond the last rung
        self._calm_since_ns: HostTime | None = None  # the first flash of the run below all rungs
        self._lower_since_ns: HostTime | None = None  # since when the severity is deserved no more

    def add(self, at_ns: HostTime, drift_ms: float) -> None:
        """Take the comparison of one flash, in order of time."""
        self._compared.append((at_ns, drift_ms))

    def step(self, now: HostTime) -> Verdict:
        """Judge at `now`; call it every few tenths of a second."""
        judged = [each for each in self._compared if now - WINDOW_NS < each[0] <= now]
        drift_ms = median(drift_ms for _, drift_ms in judged)
        if drift_ms is None or len(judged) < LEAST:
            self._far_since_ns = self._calm_since_ns = None
            self._descend(None, now)
            return Verdict(self._severity, None, self._since_ns)
        size_ms = abs(drift_ms)
        sizes = [(at_ns, each_ms if drift_ms > 0 else -each_ms) for at_ns, each_ms in judged]
        self._note_runs(size_ms, sizes)
        up = self._deserved(size_ms, sizes)
        if _ORDER.index(up) > _ORDER.index(self._severity):
            if self._severity in {None, Severity.OK}:
                self._since_ns = _began(sizes, lambda size_ms: up is Severity.OK or size_ms > RUNGS_MS[Severity.AMBER])
            self._severity, self._lower_since_ns = up, None
        else:
            stay = (rung for rung, rung_ms in RUNGS_MS.items() if size_ms > DOWN_SHARE * rung_ms)
            self._descend(max(stay, key=_ORDER.index, default=Severity.OK), now)
        return Verdict(self._severity, drift_ms, self._since_ns)

    def _note_runs(self, size_ms: float, sizes: list[_Compared]) -> None:
        """Remember with which flash it became red, or calm, if it is."""
        far_ms, calm_ms = RUNGS_MS[Severity.RED], DOWN_SHARE * RUNGS_MS[Severity.AMBER]
        if size_ms <= far_ms:
            self._far_since_ns = None
        elif self._far_since_ns is None:
            self._far_since_ns = _began(sizes, lambda size_ms: size_ms > far_ms)
        if size_ms > calm_ms:
            self._calm_since_ns = None
        elif self._calm_since_ns is None:
            self._calm_since_ns = _began(sizes, lambda size_ms: abs(size_ms) <= calm_ms)

    def _deserved(self, size_ms: float, sizes: list[_Compared]) -> Severity:
        """Where on the ladder this belongs, coming from below."""
        if self._far_since_ns is not None:
            last_far_ns = max(at_ns for at_ns, each_ms in sizes if each_ms > RUNGS_MS[Severity.RED])
            if last_far_ns - self._far_since_ns >= RED_AFTER_NS:
                return Severity.RED
        if size_ms > RUNGS_MS[Severity.ALERT]:
            return Severity.ALERT
        return Severity.AMBER if size_ms > RUNGS_MS[Severity.AMBER] else Severity.OK

    def _descend(self, to: Severity | None, now: HostTime) -> None:
        """Go down to `to` if it is lower and a lower one has been deserved for long enough."""
        if _ORDER.index(to) >= _ORDER.index(self._severity):
            self._lower_since_ns = None
        elif self._lower_since_ns is None:
            self._lower_since_ns = now
        elif now - self._lower_since_ns >= DOWN_AFTER_NS:
            if to in {None, Severity.OK}:
                self._since_ns = self._lower_since_ns if self._calm_since_ns is None else self._calm_since_ns
            self._severity, self._lower_since_ns = to, None


def _began(sizes: list[_Compared], fits: Callable[[float], bool]) -> HostTime:
    """With which flash the median became what it is: the one that tipped it, and those before it in a row that fit."""
    first = (len(sizes) - 1) // 2
    while first > 0 and fits(sizes[first - 1][1]):
        first -= 1
    return sizes[first][0]
