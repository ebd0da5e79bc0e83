r"""Sound in, events out: the one entrance of this room. Read it first.

    block -> hops of 441 -> spectrum -> novelty -> onset
                                 \-> evidence -> forward filter -> grid -> gate -> beats
                                         \-> reading -^ of the last bars, once a beat

Owned by the thread that pushes. Reads no clock: time is the index of the newest sample consumed, so that the same samples give the same
events in any block size.
"""

from collections import deque

import numpy as np

from k1edge.audio.source import AudioBlock
from k1edge.beat.bar import Bars
from k1edge.beat.confidence import confidence
from k1edge.beat.evidence import Evidence, Way, listener
from k1edge.beat.gate import BET_HOPS, Gate
from k1edge.beat.onset import OnsetDetector
from k1edge.beat.spectrum import HOP, WINDOW, Floats, Novelty, NoveltyDetector, Spectrum
from k1edge.beat.steering import Steering, steered
from k1edge.beat.tempo import Tempi, tempo_model
from k1edge.beat.timeline import Follow, Grid, Promise
from k1edge.beat.tracker import Estimate, ForwardFilter
from k1edge.events import Beat, BeatGrid, LockState, Onset, Timeline
from k1edge.timebase import SAMPLE_RATE_HZ, SampleIndex

DEFAULT_LEAD_MS = 100.0
"""Costs no accuracy (F 0.758 at the beat, 0.762 so far ahead) and pays for transport and a node's queue."""

GRID_EVERY_HOPS = 5
"""A grid at least every 50 ms: as often as a page redraws."""

LEVEL_HOPS = 10
"""0.1 s."""

NEAREST = int(0.16 * SAMPLE_RATE_HZ)
"""No two beats nearer than this, not even across a gap in the sound: 0.57 of a beat at the fastest tempo."""

BREAK_BEATS = 1.5
"""So many beats without any are a break."""

BRIDGED = SAMPLE_RATE_HZ // 2
"""Samples lost (0.5 s) that are bridged: about a beat; what comes after a longer gap may be another song."""

REFILL_HOPS = -(-WINDOW // HOP)
"""Hops after a gap until the spectrum's window holds none of the sound before it: a cut is no attack."""

Event = Onset | Beat | BeatGrid


class Pipeline:
    """The tracker as a whole.

    Args:
        lead_ms: how far ahead of the sound beats are committed, 0 to 250.
        tempi: those considered; music beyond them is tracked at a multiple or a half of its tempo.
        way: how beats are heard, `evidence` has both.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(self, lead_ms: float = DEFAULT_LEAD_MS, tempi: Tempi = Tempi(), way: Way = "network") -> None:  # noqa: B008 - frozen
        if not 0.0 <= lead_ms <= 250.0:
            msg = f"lead_ms must be within 0 to 250, got {lead_ms}"
            raise ValueError(msg)
        self.lead_ms = lead_ms
        self._way: Way = way
        self._index = 0
        self._last_beat = -NEAREST
        self._epoch: int | None = None
        self._tempi = tempi
        self._filter = ForwardFilter(tempo_model(tempi))
        self._hop = np.zeros(HOP, dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the music: the next block starts anew. Beat numbers go on."""
        self._filter.reset()
        self._kept = False  # a person has said where in the music the beat lies
        self._spectrum = Spectrum()
        self._novelty = NoveltyDetector(self._spectrum.bands)
        self._onsets = OnsetDetector()
        self._bars = Bars(self._spectrum.bands)
        self._listener = listener(self._way, self._spectrum.bands)
        self._grid = Grid(self.lead_ms * 1e-3 * SAMPLE_RATE_HZ, self._listener.delay_samples)
        self._gate = Gate()
        self._filled = 0
        self._skip = 0  # samples to drop, so that hops end where they would have without the gap
        self._lost_hops = 0  # to be bridged by the next hop
        self._refill = 0  # hops until the spectrum can be trusted
        self._end = 0  # of the last block
        self._hop_end = 0  # of the last whole hop
        self._hops = 0
        self._energies: deque[float] = deque(maxlen=LEVEL_HOPS)
        self._since_rise = 0
        self._period_hops = 50.0
        self._epoch = None

    def steer(self, steering: Steering) -> None:
        """Hold to what a person says, from the next hop on; its tempi stay through a `reset`. Beats that are committed stay where they are."""
        phase = None
        if steering.downbeat_at is not None:
            self._bars.tell(steering.downbeat_at)
        if steering.bpm is not None and steering.beat_at is not None:
            phase = self._grid.phase_of(steering.beat_at, self._hop_end, 60.0 * SAMPLE_RATE_HZ / steering.bpm)
            self._gate.vouch()
        if steering.bpm is not None:
            self._grid.free()
        if steering.bpm is not None or steering.tempi != self._tempi:
            self._filter = steered(self._filter, steering, phase)
            self._tempi, self._kept = steering.tempi, steering.keep

    def flywheel(self) -> Timeline:
        """Where the beat goes on after the newest hop, whether there is light or not; its next beat has number 0."""
        return self._grid.forecast(self._hop_end, self._filter.estimate(), follow=self._follow)

    def push(self, block: AudioBlock) -> list[Event]:
        """Consume a block; return what was found, in the order in which it was found.

        A new epoch whose first index lies 0 to 0.5 s after the last hop is bridged: tempo, phase and lock live on. A beat that fell into the
        gap uncommitted is never told, but its number is spent, for a plan may have carried it. Any other new epoch is a fresh start.
        """
        if block.epoch != self._epoch:
            self._begin_epoch(block)
        self._end = block.start + len(block.samples)
        events: list[Event] = []
        taken = min(self._skip, len(block.samples))
        self._skip -= taken
        while taken < len(block.samples):
            count = min(HOP - self._filled, len(block.samples) - taken)
            self._hop[self._filled : self._filled + count] = block.samples[taken : taken + count]
            self._filled += count
            taken += count
            if self._filled == HOP:
                self._filled = 0
                events += self._process(self._hop, block.start + taken)
                self._hop_end = block.start + taken
        return events

    def _begin_epoch(self, block: AudioBlock) -> None:
        lost = block.start - self._hop_end
        if self._epoch is None or block.start < self._end or lost > BRIDGED:
            self.reset()
            self._hop_end = block.start
        else:
            self._filled = 0
            self._skip = -lost % HOP
            self._lost_hops = (lost + self._skip) // HOP
            self._refill = REFILL_HOPS
        self._epoch = block.epoch

    def _process(self, hop: Floats, now: int) -> list[Event]:
        events: list[Event] = []
        self._hops += 1
        for behind in range(self._lost_hops, 0, -1):
            beat, _ = self._coast(now - behind * HOP, now)
            events += [beat] if beat is not None else []
        self._listener.miss(self._lost_hops)
        self._lost_hops = 0
        level_db = self._level(hop)
        novelty, evidence = self._hear(hop, now)
        transient = self._onsets.process(hop, novelty)
        if transient is not None:
            attack = max(now - transient.age_samples, 0)
            self._grid.confirm(attack, transient.strength)
            events.append(Onset(SampleIndex(attack), SampleIndex(now), transient.strength))
        before = self._gate.state
        beat, estimate = self._coast(now, now) if evidence is None else self._track(evidence, level_db, now)
        if beat is not None:
            events.append(beat)
        if beat is not None or before is not self._gate.state or self._hops % GRID_EVERY_HOPS == 0:
            events.append(self._publish(now, estimate, level_db))
        return events

    def _hear(self, hop: Floats, now: int) -> tuple[Novelty, Evidence | None]:
        """What is new in a hop, and what it says of the beat; nothing, and None, while the spectrum still holds a cut."""
        bands = self._spectrum.process(hop)
        if self._refill == 0:
            self._bars.hear(bands, now)
            novelty = self._novelty.process(bands)
            return novelty, self._listener.weigh(novelty, bands)
        self._refill -= 1
        self._novelty.resume(bands)
        self._listener.resume(bands)
        return Novelty(0.0, 0.0, 0.0, 0.0), None

    def _coast(self, at: int, now: int) -> tuple[Beat | None, Estimate]:
        """Let the hop ending at `at` pass unheard, be it that it was lost."""
        self._filter.step(None)
        estimate = self._estimate()
        promise = self._grid.step(at, estimate, follow=self._follow)
        self._gate.pass_over(self._filter.beat_chance(BET_HOPS))
        return self._take(promise, estimate, now), estimate

    def _track(self, evidence: Evidence, level_db: float, now: int) -> tuple[Beat | None, Estimate]:
        self._since_rise = 0 if evidence.stirs else self._since_rise + 1
        told = self._since_rise <= BREAK_BEATS * self._period_hops  # in a break "no onset" would walk the tempo away
        expected = self._grid.coasting_phase(now - HOP) if told else None
        if expected is not None:  # the break is over
            self._filter.place(expected)
        self._filter.step(evidence.on_beat if told else None, evidence.off_beat)
        estimate = self._estimate()
        verdict = self._listener.read(estimate, self._filter.model) if told else None
        if verdict is not None:
            self._filter.weigh(verdict.readings)
            if verdict.found is not None:
                self._filter.move(verdict.found.period_frames, verdict.found.phase)
            estimate = self._estimate()
        promise = self._grid.step(now, estimate, follow=self._follow if told else Follow.COASTING)
        self._gate.step(
            evidence.bet if told else None,
            self._filter.beat_chance(BET_HOPS),
            estimate,
            level_db,
            beat=promise is not None,
            music=None if self._listener.verdict is None else self._listener.verdict.music,
        )
        self._period_hops = estimate.period_frames
        return self._take(promise, estimate, now), estimate

    def _estimate(self) -> Estimate:
        """What the filter holds to be true; while there is light, the beat stays in the place that a person gave it."""
        estimate = self._filter.estimate()
        self._kept = self._kept and self._lit
        if self._kept:
            self._filter.keep_near(estimate.phase)
        return estimate

    @property
    def _lit(self) -> bool:
        return self._gate.state in {LockState.LOCKED, LockState.HOLDING}

    @property
    def _follow(self) -> Follow:
        if self._gate.state is LockState.LOCKED:
            return Follow.SMOOTHLY
        return Follow.STEADILY if self._gate.state is LockState.HOLDING else Follow.FREELY

    def _take(self, promise: Promise | None, estimate: Estimate, now: int) -> Beat | None:
        """Count a promised beat in its bar, and commit it where there is light."""
        if promise is None:
            return None
        self._bars.promise(promise.sample, promise.period, lit=self._lit)
        return self._commit(promise, estimate, now) if self._lit else None

    def _commit(self, promise: Promise, estimate: Estimate, now: int) -> Beat | None:
        sample = round(promise.sample)
        if sample < self._last_beat + NEAREST:
            return None
        if sample < now - HOP:  # it passed in the gap
            self._index += 1
            self._last_beat = sample
            return None
        sample = max(sample, now)
        place = self._bars.place()
        beat = Beat(
            index=self._index,
            sample=SampleIndex(sample),
            heard=SampleIndex(now),
            bpm=min(300.0, max(30.0, 60.0 * SAMPLE_RATE_HZ / promise.period)),
            confidence=self._confidence(estimate),
            strength=self._grid.strength,
            beat_in_bar=place.beat_in_bar,
            bar_confidence=place.confidence,
        )
        self._index += 1
        self._last_beat = sample
        return beat

    def _publish(self, now: int, estimate: Estimate, level_db: float) -> BeatGrid:
        timeline: Timeline | None = None
        if self._lit:
            ahead = self._grid.forecast(now, estimate, follow=self._follow)
            timeline = Timeline(ahead.period, float(self._index), ahead.time_origin)
        return BeatGrid(
            heard=SampleIndex(now),
            lock=self._gate.state,
            timeline=timeline,
            next_index=self._index,
            confidence=self._confidence(estimate),
            strength=self._grid.strength,
            level_dbfs=level_db if level_db > -200.0 else None,
            bar=self._bars.forecast(self._index) if self._lit else None,
        )

    def _confidence(self, estimate: Estimate) -> float:
        verdict = self._listener.verdict
        return confidence(estimate, self._gate.support, None if verdict is None else verdict.right)

    def _level(self, hop: Floats) -> float:
        self._energies.append(float(hop @ hop))
        power = sum(self._energies) / (len(self._energies) * HOP)
        return 10.0 * float(np.log10(power)) if power > 1e-20 else -200.0
