"""Flashes against a song whose beats are known: the F-measure of the field, and how far each flash was from its beat.

Dixon, "Evaluation of the audio beat tracking system BeatRoot", JNMR 36(1), 2007; the window and the dropped first seconds are
those of MIREX and mir_eval. Pure; times in seconds on any one clock.
"""

from bisect import bisect_left
from collections.abc import Sequence

WINDOW_S = 0.07
"""A beat within +- this of a true one is right (MIREX)."""

SKIP_S = 5.0
"""Beats before this are left out: a tracker may take its time to lock (MIREX)."""


def hits(truth: Sequence[float], beats: Sequence[float], window_s: float = WINDOW_S) -> int:
    """Most pairs (true beat, beat) within +- `window_s`, each used once; both sorted. Greedy is exact for equal windows on a line."""
    pairs = true_at = beat_at = 0
    while true_at < len(truth) and beat_at < len(beats):
        gap = beats[beat_at] - truth[true_at]
        pairs += abs(gap) <= window_s
        true_at += gap >= -window_s
        beat_at += gap <= window_s
    return pairs


def f_measure(truth: Sequence[float], beats: Sequence[float], window_s: float = WINDOW_S) -> float | None:
    """Harmonic mean of precision and recall, 0 to 1, of beats within +- `window_s`; None where there is neither truth nor beat."""
    if not len(truth) + len(beats):
        return None
    return 2 * hits(truth, beats, window_s) / (len(truth) + len(beats))


def nearest_errors(truth: Sequence[float], beats: Sequence[float]) -> list[float]:
    """For each beat its distance in s to the nearest true one, + = late; beats outside the window count as well."""
    errors: list[float] = []
    for beat in beats if truth else ():
        at = bisect_left(truth, beat)
        errors.append(min((beat - near for near in truth[max(0, at - 1) : at + 1]), key=abs))
    return errors


def lock_in(truth: Sequence[float], beats: Sequence[float], window_s: float = WINDOW_S, run: int = 4) -> float | None:
    """When the light is first right to stay: the first of `run` true beats in a row that each had a beat within +- `window_s`."""
    in_a_row = 0
    for number, true in enumerate(truth):
        at = bisect_left(beats, true - window_s)
        in_a_row = in_a_row + 1 if at < len(beats) and beats[at] <= true + window_s else 0
        if in_a_row == run:
            return truth[number - run + 1]
    return None
