"""Everything the daemon does about clocks besides using them: the host's own, whose it was that moved, the rates to remember.

Owned by the event loop.
"""

from collections.abc import Callable
from pathlib import Path

import structlog

from k1edge.audio.source import AudioHealth, AudioState
from k1edge.daemon.host_clocks import HostClocks, Reading, read_clocks
from k1edge.daemon.rate_file import RateFile
from k1edge.drift.attribution import ClockAttribution, ClockSigns
from k1edge.events import Culprit
from k1edge.link.dialect import ClockStepped, LinkEvent, LinkState
from k1edge.link.k1link.clocksync import TRUSTED_PINGS
from k1edge.link.port_status import PortStatus
from k1edge.snapshot import ClocksStatus
from k1edge.timebase import NS_PER_S, HostTime

log = structlog.get_logger(__name__)

AUDIO_KNOWN_NS = 40 * NS_PER_S
"""The audio clock is fitted over so long; before, its rate still settles."""


class Clocks:
    """Call `tick` a few times a second and `take` with every event of the link.

    Args:
        folder: of the state; None = remember no rates beyond this run.
        now: the start.
        read: reads the host's clocks.
    """

    def __init__(self, folder: Path | None, now: HostTime, read: Callable[[], Reading | None] = read_clocks) -> None:
        self.rates = RateFile(folder, now)
        self._host = HostClocks(read)
        self._attribution = ClockAttribution()
        self._jump_us: float | None = None  # told by the link since the last tick
        self._audio: tuple[int, HostTime] | None = None  # (times the device was opened again, since when its rate is known)

    def take(self, event: LinkEvent) -> None:
        """Note what the link says of the node's clock."""
        if isinstance(event, ClockStepped):
            self._jump_us = event.jump_us

    def tick(self, audio: AudioHealth, node: PortStatus | None, now: HostTime) -> int:
        """Look at all clocks; return how long the host slept since the last tick, ns, 0 = not."""
        slept_ns = self._host.look()
        jump_us, self._jump_us = self._jump_us, None
        signs = ClockSigns(_node_ppm(node), self._audio_ppm(audio, now), self._host.slew_ppm, slept_ns, jump_us)
        change = self._attribution.look(signs, now)
        if change is not None:
            log.warning("clock moved", attribution=change.culprit.value, what=change.text)
        self.rates.tick(now)
        return slept_ns

    def moved_lately(self, now: HostTime) -> frozenset[Culprit]:
        """Clocks that jumped or changed their rate within the last minute."""
        return self._attribution.moved_lately(now)

    def status(self, now: HostTime) -> ClocksStatus:
        """The clocks as people see them."""
        last = self._attribution.last
        return ClocksStatus(
            attribution=self._attribution.shown(now),
            event=None if last is None else last.text,
            event_ns=None if last is None else last.at_ns,
            host_slew_ppm=self._host.slew_ppm,
            rates_known=len(self.rates.memory.known()),
        )

    def _audio_ppm(self, audio: AudioHealth, now: HostTime) -> float | None:
        if audio.state is not AudioState.LIVE or audio.drift_ppm is None or audio.clock_estimated:
            self._audio = None
            return None
        if self._audio is None or self._audio[0] != audio.reopened:
            self._audio = (audio.reopened, now)
        return audio.drift_ppm if now - self._audio[1] >= AUDIO_KNOWN_NS else None


def _node_ppm(node: PortStatus | None) -> float | None:
    if node is None or node.clock is None or node.state is not LinkState.READY or node.clock.pings < TRUSTED_PINGS:
        return None
    return node.clock.drift_ppm
