"""From what a hop sounds like to what it says about the beat. Two ways behind one interface; `listener` makes the one that is asked for.

Owned by the thread that pushes the pipeline.
"""

from collections import deque
from dataclasses import dataclass
from typing import Literal, Protocol

from k1edge.beat.activation import Inputs, Network
from k1edge.beat.reading import CENTRE, UNREAD, Reader, Verdict
from k1edge.beat.search import Search
from k1edge.beat.spectrum import FRAME_RATE_HZ, HOP, Floats, Novelty
from k1edge.beat.tempo import TempoModel
from k1edge.beat.timeline import DELAY_SAMPLES
from k1edge.beat.tracker import Estimate

Way = Literal["network", "flux"]

STIR = 0.15
"""A rise of this share of the running largest is evidence, be it for or against."""

SHARPNESS = 3.0
"""Log-likelihood that the largest rise adds to the hypotheses whose beat it is."""

OFF_BEAT_SHARPNESS = 0.5
"""The same for a rise of what is played off the beat, in hypotheses whose half beat it is: a hint only, for an off-beat may stay empty.

It also keeps a slow tempo alive whose eighths sound, and so the double tempo down (F@0 on 136 songs 0.874; 0.860 without, 0.869 at 0.8).
"""

FLUX_SHARE = 0.5
"""Beside the network the rises count half: where both agree, the evidence is as sharp as one alone was."""

NETWORK_SHARPNESS = 1.5
NETWORK_OFF_BEAT_SHARPNESS = 1.0
"""Log-likelihood of a beat, and of the middle between two, that the network is certain of."""

BET_FLUX = 0.5
BET_NETWORK = 0.7
"""What the gate judges forecasts by: both again, so that neither what the network knows nor what it has never heard decides alone."""

FLUX_LATER = 3
"""Hops that the rises wait for the network's word on the same moment."""

MEAN_S = 3.0
"""About a bar and a half: what is usual now speaks neither for nor against."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one hop says.

    Attributes:
        on_beat: log-likelihood that it adds to hypotheses whose beat it is; silence there takes away.
        off_beat: the same for hypotheses whose half beat it is.
        bet: what the gate judges a forecast by, zero-mean, -1 to 1.
        stirs: whether anything was played at all.
    """

    on_beat: float
    off_beat: float
    bet: float
    stirs: bool


class Listener(Protocol):
    """A way to hear.

    Attributes:
        delay_samples: from an attack to where its evidence begins.
        verdict: what was read last; None where nobody can read.
    """

    delay_samples: float
    verdict: Verdict | None

    def weigh(self, novelty: Novelty, bands: Floats) -> Evidence:
        """Take the next hop: its novelty, and its bands, shape (71,)."""
        ...

    def resume(self, bands: Floats) -> None:
        """Take the bands of a hop that must not be compared with those before."""
        ...

    def miss(self, hops: int) -> None:
        """So many hops are lost."""
        ...

    def read(self, estimate: Estimate, tempi: TempoModel) -> Verdict | None:
        """Once a beat, judge the estimate."""
        ...


def listener(way: Way, bands: int) -> Listener:
    """A fresh listener for spectra of so many bands."""
    return Learned(bands) if way == "network" else Flux()


class Flux:
    """Rises in groups of bands, by signal processing alone."""

    delay_samples = DELAY_SAMPLES
    verdict: Verdict | None = None

    def weigh(self, novelty: Novelty, bands: Floats) -> Evidence:
        """Each hop by itself."""
        del bands
        return Evidence(SHARPNESS * novelty.evidence, OFF_BEAT_SHARPNESS * novelty.off_beat, novelty.evidence, novelty.flux >= STIR)

    def resume(self, bands: Floats) -> None:
        """Nothing is kept from hop to hop."""

    def miss(self, hops: int) -> None:
        """Nor across a gap."""

    def read(self, estimate: Estimate, tempi: TempoModel) -> Verdict | None:
        """No pattern is known."""
        del estimate, tempi
        return None


class Learned:
    """The same rises, and beside them what a network makes of the last second: both on the time of the slower."""

    delay_samples = DELAY_SAMPLES + FLUX_LATER * HOP

    def __init__(self, bands: int) -> None:
        self._inputs = Inputs(bands)
        self._network = Network()
        self._reader = Reader()
        self._search = Search(self._reader)
        self._bands = bands
        self._waiting = deque([Novelty(0.0, 0.0, 0.0, 0.0)] * FLUX_LATER)
        self._usual_beat = self._usual_off_beat = 0.0  # mean chance of late
        self._hops = 0
        self.verdict: Verdict | None = UNREAD

    def weigh(self, novelty: Novelty, bands: Floats) -> Evidence:
        """Each hop with the second before it."""
        inputs = self._inputs.process(bands)
        chances = self._network.process(inputs)
        self._reader.hear(inputs[-self._bands :], chances)
        self._hops += 1
        step = max(1.0 / (MEAN_S * FRAME_RATE_HZ), 1.0 / self._hops)
        self._usual_beat += (chances.beat - self._usual_beat) * step
        self._usual_off_beat += (chances.off_beat - self._usual_off_beat) * step
        self._waiting.append(novelty)
        rise = self._waiting.popleft()
        beat = chances.beat - self._usual_beat
        return Evidence(
            FLUX_SHARE * SHARPNESS * rise.evidence + NETWORK_SHARPNESS * beat,
            FLUX_SHARE * OFF_BEAT_SHARPNESS * rise.off_beat + NETWORK_OFF_BEAT_SHARPNESS * (chances.off_beat - self._usual_off_beat),
            BET_FLUX * rise.evidence + BET_NETWORK * beat,
            rise.flux >= STIR,
        )

    def resume(self, bands: Floats) -> None:
        """The network hears that nothing rose; rises of before the gap are not waited for."""
        inputs = self._inputs.resume(bands)
        self._reader.hear(inputs[-self._bands :], self._network.process(inputs))
        self._waiting = deque([Novelty(0.0, 0.0, 0.0, 0.0)] * FLUX_LATER)

    def miss(self, hops: int) -> None:
        """The network goes on as if nothing had been lost; patterns keep their time."""
        self._reader.miss(hops)

    def read(self, estimate: Estimate, tempi: TempoModel) -> Verdict | None:
        """What the last bars look like, laid out in this tempo and in others; where in none of them, whether there is a better one."""
        fastest, slowest = float(tempi.periods[0]), float(tempi.periods[-1])
        verdict = self._reader.read(estimate.period_frames, estimate.phase, fastest, slowest)
        if verdict is None:
            return None
        beat = self._reader.hops - estimate.phase * estimate.period_frames + CENTRE
        found = self._search.look((estimate.period_frames, beat), verdict.right, fastest, slowest)
        self.verdict = verdict._replace(found=found)
        return self.verdict
