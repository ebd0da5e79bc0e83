"""How likely an announced beat is right: a logistic model of what filter, gate and reading know when it is announced (Platt 1999).

Rounded from fits to the beats announced on 136 recorded songs, right = within 70 ms of an annotated one, each half of the titles checked by the other
(docs/beats-ablation.md). It hardly passes 0.96, for no more of the surest beats were right: whether a beat of theirs is the annotators' beat is what
nobody can hear in advance.
"""

from math import exp

from k1edge.beat.tracker import Estimate

CONSTANT, MASS, FOCUS, SUPPORT, RIGHT = -1.9, 0.75, 0.4, 1.75, 2.4
"""Weights of tempo mass, agreement of phase, the gate's support up to `ENOUGH`, and the reading's chance that what is believed is right."""

UNREAD_CONSTANT, UNREAD_MASS, UNREAD_FOCUS, UNREAD_SUPPORT = -2.5, 1.1, 2.3, 1.8
"""The same where nobody reads. Fitted to the beats of both networks before the last weight was there; for rises alone nobody fitted any."""

ENOUGH = 6.0
"""Nepers: two bars of won bets; what is beyond makes no beat likelier."""


def confidence(estimate: Estimate, support: float, right: float | None = None) -> float:
    """Chance, 0 to 1, that a beat announced now is right; `right` as in `reading.Verdict`, None where nobody reads."""
    won = min(max(support, 0.0), ENOUGH) / ENOUGH
    if right is None:
        odds = UNREAD_CONSTANT + UNREAD_MASS * estimate.mass + UNREAD_FOCUS * estimate.focus + UNREAD_SUPPORT * won
    else:
        odds = CONSTANT + MASS * estimate.mass + FOCUS * estimate.focus + SUPPORT * won + RIGHT * right
    return 1.0 / (1.0 + exp(-odds))
