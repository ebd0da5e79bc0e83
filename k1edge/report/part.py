"""What stands on the LAN beside the server: discovery, metrics, the page, the uplink. `daemon/lan.py` starts, watches and stops them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.routing import BaseRoute

from k1edge.config import Settings
from k1edge.drift.meter import Reading
from k1edge.events import FlashReport
from k1edge.report.feed import Feed
from k1edge.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a part is given.

    Attributes:
        settings: in force at the start.
        identity: id of this daemon.
        snapshot: the picture now; quick, on the event loop.
        feed: listen here for telemetry, beats and alerts.
        port: the port the LAN server listens on; None while it does not.
        state: folder of what is remembered; None = nothing beyond this run.
    """

    settings: Settings
    identity: str
    snapshot: Callable[[], Snapshot]
    feed: Feed
    port: Callable[[], int | None]
    state: Path | None = None


class LanPart:
    """Override what is needed; every default does nothing. All of it is called on the event loop.

    Args:
        surroundings: what it may use.

    Attributes:
        name: one word, for status and log.
    """

    name = "part"

    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings

    def routes(self) -> Sequence[BaseRoute]:
        """Further GET routes of the LAN server, asked for once before `run`; the guard stands before them."""
        return ()

    async def run(self) -> None:
        """Live until cancelled (then clean up within a second). An exception is a reason in status, and it is run again after a pause."""

    def reasons(self) -> tuple[str, ...]:
        """What people have to know, with the cure; shown in status."""
        return ()

    def shown(self) -> Mapping[str, object]:
        """Fields of `NetworkStatus` that it knows; must be quick."""
        return {}

    def reload(self, settings: Settings) -> None:
        """Take over what can change while running."""

    def flashed(self, report: FlashReport) -> None:
        """Take what became of a beat; must be quick."""

    def settled(self, reading: Reading) -> None:
        """Take what one beat came to: each once, about a second after its time; must be quick."""

    def hopped(self, dsp_ns: int) -> None:
        """Take what one turn of the DSP thread cost; must be quick, it comes a hundred times a second."""

    def lagged(self, lag_ns: int) -> None:
        """Take how late the event loop ran a tick; must be quick."""
