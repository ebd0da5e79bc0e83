"""Whether to believe the tracker: any posterior grows sure of itself within seconds, on white noise too.

The test is a bet. At every hop the filter says how likely a beat is `BET_HOPS` later, before it can have heard it; when that hop comes, its
novelty is judged under that forecast and under chance. The running log-likelihood ratio of the two is the support: it rises only where
onsets fall on forecast beats and not beside them, and noise loses its bets however sure the filter is. (The prequential test of Dawid,
JRSS A 1984; a leaky CUSUM.)

Owned by the thread that pushes the pipeline. Counts in hops.
"""

from collections import deque
from math import exp, log
from typing import NamedTuple

from k1edge.beat.spectrum import FRAME_RATE_HZ
from k1edge.beat.tracker import BEAT_WINDOW, Estimate
from k1edge.events import LockState

BET_HOPS = 8
"""80 ms: beyond the width of one attack in the novelty, so that its flank cannot win a bet on its peak."""

BOLDNESS = 2.0
"""Log-likelihood of the loudest onset in the bet: half the filter's own sharpness, for a bet should forgive what a tracker must notice."""

MOST_A_HOP = 0.4
"""Most that one hop can win. An attack spans four hops; without a cap one lucky clap could open the gate (speech once reached 11.6 without, 4.0 with)."""

FORGET_S = 8.0
"""Four bars at 120 bpm decide."""


class Demands(NamedTuple):
    """What opens the gate, and what keeps it open.

    Attributes:
        at_once: support that opens it whatever the tempo did.
        steady: support that opens it to a tempo that has not jumped for `steady_s`.
        steady_s: seconds.
        sure: tempo mass.
        keep: support that keeps it.
        hold_beats: how long it stays open without that, while there is something to hear.
    """

    at_once: float
    steady: float
    steady_s: float
    sure: float
    keep: float
    hold_beats: float

    def towards(self, other: "Demands", share: float) -> "Demands":
        """Between these and `other`, share 0 to 1."""
        return Demands(*(mine + share * (theirs - mine) for mine, theirs in zip(self, other, strict=True)))


DEAF = Demands(4.6, 3.2, 2.0, 0.6, 1.0, 7.0)
"""Where nobody listens to what it sounds like. Largest support of a dozen minutes each: white noise 0.1, pink 0.4, applause 2.7, speech 3.7, babble 4.1."""

UNLIKE_MUSIC = Demands(8.0, 7.0, 2.0, 0.6, 7.0, 2.0)
LIKE_MUSIC = Demands(0.6, 0.4, 0.3, 0.5, 0.3, 7.0)
"""Where the last bars do not look like music (speech, applause), next to nothing opens the gate; where they do, a won bet is enough."""

NO_MUSIC_AT = 0.4
MUSIC_AT = 0.8
"""`Verdict.music` of the two."""

JUMP = 0.05
"""A tempo that changes by more within one hop has jumped: another hypothesis leads."""

STRANGER = 1.0
"""Support below which nobody hopes for a lock yet."""

DROP_AT = -1.0
"""Support that closes it, held or not: what is heard contradicts the grid, and two bars more of it would be wrong."""

MOST = 9.0
LEAST = -3.0
"""Support is kept within these, so that neither a long song nor a long speech delays the next verdict by more than seconds."""

VOUCHED = 6.0
"""Support that a person's word is worth: ten seconds of nothing in particular, two bars of contradiction."""

DOUBT_AT = 0.3
"""Tempo mass that keeps it open."""

HOLD_BEATS = 7
"""With the beat on which it was noticed two bars of four without evidence, then dark."""

SILENCE_DB = -80.0
"""Level below which there is no signal: dither is below; the quietest usable microphone (RMS 0.004) is 30 dB above."""

DEAD_S = 4.0
"""No signal for so long: stop at once, even within the hold."""


def demanded(music: float | None) -> Demands:
    """What is asked where the last bars have a beat with the chance `music`, 0 to 1; None = nobody can tell."""
    if music is None:
        return DEAF
    if music <= NO_MUSIC_AT:
        return UNLIKE_MUSIC
    if music >= MUSIC_AT:
        return LIKE_MUSIC
    return UNLIKE_MUSIC.towards(LIKE_MUSIC, (music - NO_MUSIC_AT) / (MUSIC_AT - NO_MUSIC_AT))


class Gate:
    """Facts of each hop in, lock state out."""

    def __init__(self) -> None:
        self.state = LockState.UNLOCKED
        self.support = 0.0
        """Log-likelihood ratio of the forecast against chance, forgetting."""
        self._keep = exp(-1.0 / (FORGET_S * FRAME_RATE_HZ))
        self._bets: deque[float] = deque([BEAT_WINDOW] * BET_HOPS)
        self._quiet_hops = 0
        self._held_beats = 0
        self._period = 1.0  # of the filter's leading tempo, frames
        self._steady_hops = 0
        self._vouched = False
        self._known = False  # whether anybody can tell music from what is none

    def step(
        self, evidence: float | None, bet: float, estimate: Estimate, level_db: float, *, beat: bool, music: float | None = None
    ) -> LockState:
        """Take one hop.

        Args:
            evidence: its novelty, zero-mean; None in a break, when nothing can be told.
            bet: probability that the hop `BET_HOPS` later lies in a beat, as the filter has it now.
            estimate: what the filter holds to be true.
            level_db: RMS of late, dB against full scale.
            beat: whether a beat was promised in this hop.
            music: chance that what was heard of late has a beat (`reading.Verdict`); None = nobody can tell.
        """
        self._bets.append(bet)
        forecast = self._bets.popleft()
        if evidence is not None:
            gain = exp(BOLDNESS * evidence) - 1.0
            won = log((1.0 + forecast * gain) / (1.0 + BEAT_WINDOW * gain))
            self.support = min(MOST, max(LEAST, self.support * self._keep + min(won, MOST_A_HOP)))
        jumped = abs(estimate.period_frames / self._period - 1.0) > JUMP
        self._period = estimate.period_frames
        self._steady_hops = 0 if jumped else self._steady_hops + 1
        self._quiet_hops = self._quiet_hops + 1 if level_db < SILENCE_DB else 0
        self._known = music is not None
        self._decide(estimate.mass, demanded(music), heard=evidence is not None and self._quiet_hops == 0, beat=beat)
        return self.state

    def vouch(self) -> None:
        """A person hears the beat: as good as a lock, until what is heard contradicts or there is no signal."""
        self.support = max(self.support, VOUCHED)
        self.state = LockState.LOCKED
        self._vouched = True

    def pass_over(self, bet: float) -> None:
        """Take one hop that was lost, `bet` as in `step`: its own bet is off, nothing else changes."""
        self._bets.append(bet)
        self._bets.popleft()

    def _decide(self, mass: float, demands: Demands, *, heard: bool, beat: bool) -> None:
        keep = DEAF.keep if self._vouched else demands.keep
        steady = self._steady_hops >= demands.steady_s * FRAME_RATE_HZ
        if self._quiet_hops > DEAD_S * FRAME_RATE_HZ or self.support < DROP_AT:
            self._close()
        elif heard and self.support >= (demands.steady if steady else demands.at_once) and mass >= demands.sure:
            self.state = LockState.LOCKED
        elif self.state is LockState.LOCKED:
            if not heard or self.support < keep or mass < DOUBT_AT:
                self.state, self._held_beats = LockState.HOLDING, 0
        elif self.state is LockState.HOLDING:
            self._held_beats += beat
            if self._held_beats > (demands.hold_beats if heard and not self._vouched else HOLD_BEATS):
                self._close()
            elif heard and self.support >= keep and mass >= demands.sure:
                self.state = LockState.LOCKED
        else:
            least = STRANGER if self.state is LockState.UNLOCKED else 0.0
            hopeful = heard and mass >= demands.sure and self.support >= least
            self.state = LockState.LOCKING if hopeful else LockState.UNLOCKED

    def _close(self) -> None:
        """Go dark, yet keep the tempo: music that returns on the beat is met with light at its second, for in silence nothing is read that could speak against it."""
        self.state = LockState.UNLOCKED
        self.support = min(self.support, 0.0 if self._known else STRANGER)
        self._vouched = False
