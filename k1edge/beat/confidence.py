"""How likely an announced beat is right: a logistic model of what filter and gate know when it is announced (Platt 1999).

Rounded from fits to the 26,387 beats announced on 136 recorded songs, right = within 70 ms of an annotated one, each half of the titles
checked by the other (docs/beats-ablation.md). It hardly passes 0.93, for no more of the surest beats were right: whether a beat of theirs is
the annotators' beat is what nobody can hear in advance.
"""

from math import exp

from k1edge.beat.tracker import Estimate

CONSTANT = -2.5
MASS = 1.1
FOCUS = 2.3
SUPPORT = 1.8
"""Weights of tempo mass, agreement of phase, and the gate's support up to `ENOUGH`."""

ENOUGH = 6.0
"""Nepers: two bars of won bets; what is beyond makes no beat likelier."""


def confidence(estimate: Estimate, support: float) -> float:
    """Chance, 0 to 1, that a beat announced now is right."""
    won = min(max(support, 0.0), ENOUGH) / ENOUGH
    return 1.0 / (1.0 + exp(-(CONSTANT + MASS * estimate.mass + FOCUS * estimate.focus + SUPPORT * won)))
