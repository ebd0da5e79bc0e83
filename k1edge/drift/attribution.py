"""Which clock moved: the node's, the sound card's, or the host's own. Pure; state is owned by the daemon's event loop.

Each rate is known against the host's clock only, so what the host does shows in both: node and audio then move together. That the host's
clock is slewed (NTP) shows besides in CLOCK_MONOTONIC against CLOCK_MONOTONIC_RAW, at once and without sound; that its crystal warms does not.
The node's rate is known within seconds, the audio clock's follows over 40 s: a verdict that needs both waits for the slower one.

| sign                                                          | put down to                  |
|---------------------------------------------------------------|------------------------------|
| the host was suspended                                        | host, and no jump to the node |
| the slew changed by as much as a rate did, the other way round | host, at once                |
| both rates moved alike                                        | host, after 45 s             |
| one rate moved, or both but differently                       | the one that moved most      |
| the node's counter jumped by more than 5 ms                   | node                         |
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from k1edge.drift.spread import median
from k1edge.events import Culprit
from k1edge.timebase import NS_PER_S, HostTime

US_PER_MS: Final = 1_000
SAMPLE_NS: Final = NS_PER_S
KEPT = 90
"""Samples of a rate."""

NEWEST = 5
"""Samples that make the present rate."""

BEFORE_NS: Final = 20 * NS_PER_S
"""Samples older than this make the rate before: a change shows for as long."""

MOVED_PPM: Final = {Culprit.NODE_CLOCK: 10.0, Culprit.AUDIO_CLOCK: 20.0}
"""What a rate has to change by: above what their fits wander by (1 and 4 ppm), and what a warming room does in 20 s."""

ALIKE = 0.4
"""Two changes that differ by less than this share of the larger are one."""

SLEW_WAIT_NS: Final = 15 * NS_PER_S
"""The slew is measured over 10 s."""

AUDIO_WAIT_NS: Final = 45 * NS_PER_S
"""The audio clock is fitted over 40 s."""

JUMP_US = 5_000
"""Less can be what a changed rate has come to until it was noticed."""

JUMP_WAIT_NS: Final = NS_PER_S
"""Whether the host slept may be known after its pings were answered."""

AWAKE_NS: Final = 10 * NS_PER_S
"""So long after the host woke its jumps are still being noticed."""

LATELY_NS: Final = 60 * NS_PER_S
SHOWN_NS: Final = 600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class ClockSigns:
    """What is known at a look; None = not known well.

    Attributes:
        node_ppm: the node's clock against the host's, + = fast.
        audio_ppm: the audio clock, likewise.
        slew_ppm: CLOCK_MONOTONIC against CLOCK_MONOTONIC_RAW, likewise.
        slept_ns: how long the host was suspended since the look before.
        jump_us: how far the node's clock was from where it was expected when it contradicted itself since the look before.
    """

    node_ppm: float | None = None
    audio_ppm: float | None = None
    slew_ppm: float | None = None
    slept_ns: int = 0
    jump_us: float | None = None


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A change of a clock, and whose it was."""

    culprit: Culprit
    text: str
    at_ns: HostTime


@dataclass(slots=True)
class _Rate:
    """The newest samples of one rate; gaps do no harm."""

    samples: deque[tuple[HostTime, float]] = field(default_factory=lambda: deque(maxlen=KEPT))

    def newest(self, since_ns: int) -> float | None:
        return median([ppm for at_ns, ppm in list(self.samples)[-NEWEST:] if at_ns >= since_ns])

    def before(self, now: HostTime) -> float | None:
        old = [ppm for at_ns, ppm in self.samples if at_ns < now - BEFORE_NS]
        return median(old) if len(old) >= 2 * NEWEST else None


@dataclass(frozen=True, slots=True)
class _Suspicion:
    """Something moved; the rates before."""

    since_ns: HostTime
    before: dict[str, float | None]
    jump_us: float | None


class ClockAttribution:
    """Ask `look` a few times a second."""

    def __init__(self) -> None:
        self.last: ClockChange | None = None  # the newest change
        self._rates = {name: _Rate() for name in ("node", "audio", "slew")}
        self._sampled_ns = -SAMPLE_NS  # newest sample, or later: none before
        self._suspicion: _Suspicion | None = None
        self._slept_ns: HostTime | None = None  # when the host woke last
        self._recent: dict[Culprit, HostTime] = {}  # newest change of each

    def look(self, signs: ClockSigns, now: HostTime) -> ClockChange | None:
        """Take what is known now; return a change once it is clear whose it is."""
        if signs.slept_ns:
            self._slept_ns = now
            return self._blame(Culprit.HOST_CLOCK, f"the host slept for {signs.slept_ns / NS_PER_S:.1f} s", now)
        if signs.jump_us is not None:
            self._suspicion = _Suspicion(now, self._before(now), signs.jump_us)
        if now - self._sampled_ns >= SAMPLE_NS:
            self._sampled_ns = now
            for rate, ppm in zip(self._rates.values(), (signs.node_ppm, signs.audio_ppm, signs.slew_ppm), strict=True):
                if ppm is not None:
                    rate.samples.append((now, ppm))
        if self._suspicion is None:
            before = self._before(now)
            node, audio = (self._moved(name, before, now - NEWEST * SAMPLE_NS) for name in ("node", "audio"))
            if abs(node or 0.0) >= MOVED_PPM[Culprit.NODE_CLOCK] or abs(audio or 0.0) >= MOVED_PPM[Culprit.AUDIO_CLOCK]:
                self._suspicion = _Suspicion(now, before, None)
        return None if self._suspicion is None else self._judge(self._suspicion, now)

    def moved_lately(self, now: HostTime) -> frozenset[Culprit]:
        """Clocks that moved within the last minute."""
        return frozenset(culprit for culprit, at_ns in self._recent.items() if now - at_ns < LATELY_NS)

    def shown(self, now: HostTime) -> Culprit | None:
        """Whose the newest change was, for 10 minutes."""
        return self.last.culprit if self.last is not None and now - self.last.at_ns < SHOWN_NS else None

    def _before(self, now: HostTime) -> dict[str, float | None]:
        return {name: rate.before(now) for name, rate in self._rates.items()}

    def _moved(self, name: str, before: dict[str, float | None], since_ns: int) -> float | None:
        was, newest = before[name], self._rates[name].newest(since_ns)
        return None if was is None or newest is None else newest - was

    def _judge(self, suspicion: _Suspicion, now: HostTime) -> ClockChange | None:
        waited_ns, jump_us = now - suspicion.since_ns, suspicion.jump_us
        if jump_us is not None and abs(jump_us) >= JUMP_US:
            if self._slept_ns is not None and now - self._slept_ns < AWAKE_NS:
                self._suspicion = None  # that is known already
            return self._blame(*_jumped(jump_us), now) if self._suspicion is not None and waited_ns >= JUMP_WAIT_NS else None
        node, audio, slew = (self._moved(name, suspicion.before, suspicion.since_ns) for name in self._rates)
        moved = max(node or 0.0, audio or 0.0, key=abs)
        if slew is not None and abs(slew) >= MOVED_PPM[Culprit.NODE_CLOCK] / 2 and abs(moved + slew) <= ALIKE * abs(slew):
            return self._blame(Culprit.HOST_CLOCK, f"the host's clock is slewed by another {slew:+.1f} ppm", now)
        alone = suspicion.before["audio"] is None or suspicion.before["node"] is None
        if waited_ns < (SLEW_WAIT_NS if alone else AUDIO_WAIT_NS):
            return None
        if node is not None and audio is not None and abs(node - audio) <= ALIKE * abs(moved):
            return self._blame(Culprit.HOST_CLOCK, f"the host's clock changed its rate by {-(node + audio) / 2:+.1f} ppm", now)
        culprit, name = (Culprit.NODE_CLOCK, "node") if moved == node else (Culprit.AUDIO_CLOCK, "audio")
        if abs(moved) >= MOVED_PPM[culprit] / 2:
            return self._blame(culprit, f"the {name} clock changed its rate by {moved:+.1f} ppm", now)
        self._suspicion = None  # it went back to where it was
        return None if jump_us is None else self._blame(*_jumped(jump_us), now)

    def _blame(self, culprit: Culprit, text: str, now: HostTime) -> ClockChange:
        self._suspicion = None
        for rate in self._rates.values():  # what comes is compared with what is now
            rate.samples.clear()
        if culprit is Culprit.HOST_CLOCK:
            self._sampled_ns = now + AUDIO_WAIT_NS  # until the audio clock is fitted to the new rate, it would seem to move alone
        self._recent[culprit] = now
        self.last = ClockChange(culprit, text, now)
        return self.last


def _jumped(jump_us: float) -> tuple[Culprit, str]:
    return Culprit.NODE_CLOCK, f"the node's clock jumped by {jump_us / US_PER_MS:+.1f} ms"
