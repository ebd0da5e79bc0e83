"""Beats against annotated beats: the measures of the field, and those that a light needs besides. Pure; times in s from the start of the sound.

F-measure: Dixon, "Evaluation of the audio beat tracking system BeatRoot", JNMR 36(1), 2007. Continuity: Davies, Degara and Plumbley,
"Evaluation methods for musical audio beat tracking algorithms", QMUL C4DM-TR-09-06, 2009. As in mir_eval, with which the tests compare them.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from k1edge.drift.score import SKIP_S, WINDOW_S, lock_in

NARROW_S = 0.04
"""Light that is further from the sound than this is seen to be wrong."""

LATE_S = 0.001
"""So much later than the annotated beat an announcement still counts as in time."""

CONTINUITY = 0.175
"""Share of an interval by which phase and interval of a continuous beat may be off."""

FLIP = (1.4, 2.9)
"""A tempo that changes by a factor between these from one beat to the next has changed its octave (or to a relative: 3:2)."""

BINS = 10

Announced = Sequence[tuple[float, float]]
"""(beat, how much sound had been heard when it was announced), ascending."""


@dataclass(frozen=True, slots=True)
class Score:
    """One track. Beats before 5 s are left out (MIREX), but for `lock_s`.

    Attributes:
        f: F-measure within +-70 ms, whenever announced.
        f0: the same, a beat counting only if it was announced no later than its true beat.
        f40: f0 within +-40 ms.
        cmlt: share of the beats that continue at the annotated level.
        amlt: the same with double, half and off-beat allowed.
        lock_s: the first of four true beats in a row that were hit, inf = never.
        errors_s: of the hits, + = late.
    """

    f: float
    f0: float
    f40: float
    cmlt: float
    amlt: float
    lock_s: float
    errors_s: tuple[float, ...]


def score(truth: Sequence[float], beats: Announced, span: tuple[float, float] = (0.0, inf)) -> Score | None:
    """Judge `beats` within the annotated `span`; None where too little is annotated.

    Args:
        truth: annotated beats, ascending.
        beats: in any order; of two at the same time the first one counts.
        span: the annotated stretch.
    """
    lock_s = lock_in(truth, sorted(time for time, _ in beats))
    within = sorted(b for b in beats if max(SKIP_S, span[0] - WINDOW_S) <= b[0] <= span[1] + WINDOW_S)
    within = [b for before, b in pairwise([(-inf, 0.0), *within]) if b[0] > before[0]]
    truth = [time for time in truth if time >= SKIP_S]
    if len(truth) < 4:
        return None
    times = [time for time, _ in within]
    pairs = matched(truth, within)
    total = max(len(truth) + len(within), 1)
    cmlt, amlt = continuity(truth, times)
    return Score(
        f=2 * len(pairs) / total,
        f0=2 * len(matched(truth, within, in_time=True)) / total,
        f40=2 * len(matched(truth, within, NARROW_S, in_time=True)) / total,
        cmlt=cmlt,
        amlt=amlt,
        lock_s=inf if lock_s is None else lock_s,
        errors_s=tuple(times[beat] - truth[true] for true, beat in pairs),
    )


def matched(truth: Sequence[float], beats: Announced, window_s: float = WINDOW_S, *, in_time: bool = False) -> list[tuple[int, int]]:
    """A largest set of pairs (index of a true beat, index of a beat), each used once, both ascending in their lists.

    Each beat can meet the true beats of one interval: +- `window_s`, and, `in_time`, none before it was announced. Giving each true
    beat the fitting beat whose interval ends first is exact.
    """
    pairs = []
    free = list(range(len(beats)))
    for index, true in enumerate(truth):
        while free and beats[free[0]][0] + window_s < true - 1e-9:
            free.pop(0)
        for place, at in enumerate(free):
            time, announced = beats[at]
            if time - window_s > true + 1e-9:
                break
            if not in_time or announced <= true + LATE_S:
                pairs.append((index, free.pop(place)))
                break
    return pairs


def right(truth: Sequence[float], beats: Announced, window_s: float = WINDOW_S) -> list[bool]:
    """Of each beat, whether it is one of the hits."""
    hit = {beat for _, beat in matched(truth, beats, window_s)}
    return [index in hit for index in range(len(beats))]


def continuity(truth: Sequence[float], beats: Sequence[float]) -> tuple[float, float]:
    """(CMLt, AMLt): share of beats that continue at the annotated level, and at the best of it, its off-beat, double and two halves."""
    if len(truth) < 4 or len(beats) < 2:
        return 0.0, 0.0
    middles = [(a + b) / 2 for a, b in pairwise(truth)]
    double = [time for pair in zip(truth, middles, strict=False) for time in pair] + [truth[-1]]
    levels = (truth, middles, double, truth[::2], truth[1::2])
    shares = [_continuing(level, beats) / max(len(level), len(beats)) for level in levels]
    return shares[0], max(shares)


def _continuing(truth: Sequence[float], beats: Sequence[float]) -> int:
    """True beats with a beat near and an interval of their length before both; at either beginning the interval ahead counts."""
    used: set[int] = set()
    for number, beat in enumerate(beats):
        near = _nearest(truth, beat)
        first = number == 0 or near == 0
        true_gap = _gap(truth, near, ahead=first)
        gap = _gap(beats, number, ahead=first)
        if true_gap > 0 and abs(beat - truth[near]) < CONTINUITY * true_gap and abs(1 - gap / true_gap) < CONTINUITY:
            used.add(near)
    return len(used)


def _nearest(times: Sequence[float], time: float) -> int:
    after = bisect_left(times, time)
    near = [at for at in (after - 1, after) if 0 <= at < len(times)]
    return min(near, key=lambda at: abs(times[at] - time))


def _gap(times: Sequence[float], at: int, *, ahead: bool) -> float:
    later = at + 1 if (ahead and at + 1 < len(times)) or at == 0 else at
    return times[later] - times[later - 1]


def recovery_s(truth: Sequence[float], beats: Sequence[float], after_s: float, window_s: float = WINDOW_S) -> float:
    """Seconds from `after_s` to the first of four true beats in a row that were hit; inf = never."""
    lock_s = lock_in([time for time in truth if time >= after_s - 1e-6], beats, window_s)
    return inf if lock_s is None else lock_s - after_s


def flips(bpms: Sequence[float]) -> int:
    """How often the tempo jumped to its double, half or another relative."""
    ratios = (max(a, b) / min(a, b) for a, b in pairwise(bpms))
    return sum(FLIP[0] <= ratio <= FLIP[1] for ratio in ratios)


def interval_errors_s(truth: Sequence[float], beats: Announced) -> list[float]:
    """Of two hits in a row of two true beats in a row: the emitted interval minus the true one."""
    pairs = matched(truth, beats)
    return [
        (beats[later_beat][0] - beats[beat][0]) - (truth[later] - truth[true])
        for (true, beat), (later, later_beat) in pairwise(pairs)
        if later == true + 1 and later_beat == beat + 1
    ]


@dataclass(frozen=True, slots=True)
class Bin:
    """Of the beats announced with a confidence within one tenth: how many, what was announced on average, and the share that was right."""

    count: int
    announced: float
    right: float


def reliability(confidences: Sequence[float], hits: Sequence[bool]) -> list[Bin]:
    """Announced confidence against what came true, in ten bins; empty ones are left out."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for confidence, hit in zip(confidences, hits, strict=True):
        bins[min(int(confidence * BINS), BINS - 1)].append((confidence, hit))
    return [Bin(len(each), sum(c for c, _ in each) / len(each), sum(h for _, h in each) / len(each)) for each in bins if each]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: mean distance between announced and right, weighted by beats (Naeini et al., AAAI 2015)."""
    total = sum(each.count for each in bins)
    return sum(each.count * abs(each.announced - each.right) for each in bins) / total if total else 0.0
