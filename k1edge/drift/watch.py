"""Watches the drift: facts and `now` in, the picture and the alerts out. Pure; state is owned by the daemon's event loop."""

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from k1edge.drift.alerts import AlertBook, Kind, Trouble
from k1edge.drift.cause import culprit
from k1edge.drift.meter import DriftMeter, Reading
from k1edge.drift.severity import SeverityLadder, Verdict
from k1edge.drift.spread import MAX_RECENT, WINDOW_NS, Running
from k1edge.events import ClockMap, Culprit, Severity
from k1edge.snapshot import Alert, AlertsStatus, DriftFigures, DriftStatus
from k1edge.timebase import NS_PER_S, HostTime

AFTER_NS: Final[dict[Kind, int]] = {"node_lost": 5 * NS_PER_S, "audio_lost": 5 * NS_PER_S, "no_reference": 30 * NS_PER_S}
"""How long each lasts before it is told: a cable put back and a device reopened are no news, and some breaks have no onsets."""

LATELY_NS = 5 * NS_PER_S
"""Flashes and comparisons of so long ago are lately: two bars at 100 bpm."""


CLOCKS_EVERY_NS = NS_PER_S // 4
"""Clocks are fitted so often."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What else is so at the moment.

    Attributes:
        locked: the tracker is LOCKED.
        audio_live: sound comes in; None where it has ended for good (a file).
        node_ready: the node is READY; None where there is none to be.
        timed: whether the node's dialect carries times; None before it is known.
        clock: the newest map of the node's clock.
        audio_drift_ppm: the audio clock against the host's.
        moved: clocks that have jumped or changed their rate of late.
    """

    locked: bool = False
    audio_live: bool | None = None
    node_ready: bool | None = None
    timed: bool | None = None
    clock: ClockMap | None = None
    audio_drift_ppm: float | None = None
    moved: Collection[Culprit] = ()


@dataclass(frozen=True, slots=True)
class News:
    """What one look has brought: beats that were settled, and alerts that began, grew more severe or ended."""

    readings: tuple[Reading, ...]
    alerts: tuple[Alert, ...]


class DriftWatch:
    """Ask `look` ten times a second, `status` whenever the picture is wanted.

    Args:
        meter: is fed beats, onsets and flashes by whoever has them.
    """

    def __init__(self, meter: DriftMeter) -> None:
        self._meter = meter
        self._running = {name: Running() for name in DriftFigures.model_fields}
        self._compared: deque[Reading] = deque(maxlen=MAX_RECENT)  # beats with a drift, in order of time
        self._flashed_ns: HostTime | None = None  # the newest flash
        self._clocks_ns = HostTime(0)  # when to take the clocks' figures next
        self._ladder = SeverityLadder()
        self._book = AlertBook()
        self._since_ns: dict[Kind, HostTime] = {}  # since when something is wrong that may become an alert
        self._was_there: set[Kind] = set()  # what was there before and can be lost
        self._facts = Facts()  # of the last look
        self._severity: Severity | None = None  # likewise
        self._culprit: Culprit | None = None  # likewise

    def look(self, facts: Facts, now: HostTime) -> News:
        """Settle what is over, judge it, and tell what is new."""
        self._facts = facts
        readings = self._meter.settle(now)
        for reading in readings:
            self._take(reading)
        self._take_clocks(facts, now)
        verdict = self._ladder.step(now)
        bad = verdict.severity not in {None, Severity.OK}
        self._severity = verdict.severity
        judged = [reading for reading in self._compared if bad and now - WINDOW_NS < reading.at_ns]
        self._culprit = culprit(judged, None if facts.clock is None else facts.clock.bound_us, facts.moved)
        alerts = [self._note_drift(verdict, now), *self._note_the_rest(facts, now)]
        return News(tuple(readings), tuple(alert for alert in alerts if alert is not None))

    def status(self, now: HostTime) -> DriftStatus:
        """Everything about drift, as of the last look; the 10 s end at `now`, of which the last second is not settled."""
        figures = {name: running.figure(now) for name, running in self._running.items()}
        medians = {name: figure.last_10s.median for name, figure in figures.items()}
        known = medians["drift_ms"] is not None
        return DriftStatus(
            severity=self._severity,
            attribution=self._culprit,
            reason=None if known else self._why_unknown(flashed=figures["fire_error_us"].last_10s.count > 0),
            drift_ref="onset" if known else None,
            figures=DriftFigures(**figures),
            **medians,
        )

    def alerts(self) -> AlertsStatus:
        """What is wrong, and what was."""
        return self._book.status()

    def _take(self, reading: Reading) -> None:
        for name in ("drift_ms", "beat_residual_ms", "fire_error_us"):
            self._running[name].add(reading.at_ns, getattr(reading, name))
        if reading.fire_error_us is not None:
            self._flashed_ns = reading.at_ns
        if reading.drift_ms is not None:
            self._compared.append(reading)
            self._ladder.add(reading.at_ns, reading.drift_ms)

    def _take_clocks(self, facts: Facts, now: HostTime) -> None:
        if now < self._clocks_ns:
            return
        self._clocks_ns = HostTime(now + CLOCKS_EVERY_NS)
        clock = facts.clock
        if clock is not None:
            self._running["sync_error_us"].add(now, clock.sync_error_us)
            self._running["offset_bound_us"].add(now, clock.bound_us)
            self._running["node_drift_ppm"].add(now, clock.drift_ppm)
        self._running["audio_drift_ppm"].add(now, facts.audio_drift_ppm)

    def _note_drift(self, verdict: Verdict, now: HostTime) -> Alert | None:
        since_ns = now if verdict.since_ns is None else verdict.since_ns
        trouble = None
        if verdict.severity is not None and verdict.severity is not Severity.OK:
            reason = "the light is early" if (verdict.drift_ms or 0.0) < 0 else "the light is late"
            trouble = Trouble(verdict.severity, since_ns, reason, verdict.drift_ms, self._culprit)
        return self._book.note("drift", trouble, since_ns)

    def _note_the_rest(self, facts: Facts, now: HostTime) -> Iterator[Alert | None]:
        yield self._note_lost("node_lost", facts.node_ready, "the node is gone", now)
        yield self._note_lost("audio_lost", facts.audio_live, "the sound is gone", now)
        flashed = self._flashed_ns is not None and self._flashed_ns > now - LATELY_NS
        compared = bool(self._compared) and self._compared[-1].at_ns > now - LATELY_NS
        unheard = facts.locked and flashed and not compared
        yield self._note_lasting("no_reference", Severity.AMBER, "flashes, but no onset is heard near their beats", now, wrong=unheard)

    def _note_lost(self, kind: Kind, here: bool | None, reason: str, now: HostTime) -> Alert | None:
        if here:
            self._was_there.add(kind)
        return self._note_lasting(kind, Severity.ALERT, reason, now, wrong=here is False and kind in self._was_there)

    def _note_lasting(self, kind: Kind, severity: Severity, reason: str, now: HostTime, *, wrong: bool) -> Alert | None:
        since_ns = self._since_ns.setdefault(kind, now)
        if not wrong:
            del self._since_ns[kind]
        lasting = wrong and now - since_ns >= AFTER_NS[kind]
        return self._book.note(kind, Trouble(severity, since_ns, reason) if lasting else None, now)

    def _why_unknown(self, *, flashed: bool) -> str:
        facts = self._facts
        if facts.node_ready is None:
            return "no node"
        if facts.timed is False:
            return "untimed: this dialect does not tell when the node flashed"
        if not facts.node_ready:
            return "the node is not ready"
        return "no onset was heard near a beat that flashed" if flashed else "no flash in the last 10 s"
