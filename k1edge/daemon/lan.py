"""The LAN as the daemon sees it: started after the sound, told what happens, stopped; whatever goes wrong there is a reason in status.

What it is made of (`station`) is loaded on a thread while the daemon already listens. Owned by the event loop.
"""

import asyncio
import contextlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from k1edge.config import Settings
from k1edge.daemon.conductor import Conductor
from k1edge.daemon.hearing import Heard
from k1edge.drift.watch import News
from k1edge.events import FlashReport
from k1edge.snapshot import NetworkStatus, Snapshot

if TYPE_CHECKING:
    from k1edge.daemon.station import Station

log = structlog.get_logger(__name__)

SOUND_FIRST_S = 2.0
"""How long sound is waited for: loading all this while a sound card is being opened would make both later."""

AGAIN_S = 5.0
"""Pause before the whole is built anew after a failure."""

STOP_S = 1.5
"""How long a stop waits for goodbyes."""


class Lan:
    """Everything on the LAN; `network.bind = "off"` without a hub to call makes it nothing.

    Args:
        settings: in force at the start.
        identity: id of this daemon.
        snapshot: the picture now.
        conductor: knows the committed beats.
        state: folder of what is remembered; None = nothing beyond this run.

    Attributes:
        settings: those in force.
    """

    def __init__(
        self, settings: Settings, identity: str, snapshot: Callable[[], Snapshot], conductor: Conductor, state: Path | None
    ) -> None:
        self.settings = settings
        self._state = state
        self._identity = identity
        self._snapshot = snapshot
        self._conductor = conductor
        self._station: Station | None = None
        self._running: asyncio.Task[None] | None = None
        self._reason: str | None = None  # why there is no station
        self._sounds = asyncio.Event()  # sound has come in

    def start(self) -> None:
        """Begin; returns at once."""
        if self.wanted:
            self._running = asyncio.create_task(self._run(), name="lan")

    @property
    def wanted(self) -> bool:
        """Whether anything is to be had from here: the LAN comes in, or we call a hub."""
        return self.settings.network.bind != "off" or self.settings.telemetry.uplink != "off"

    async def stop(self) -> None:
        """Say goodbye and end, in `STOP_S` at most."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running}, timeout=STOP_S)

    def status(self) -> NetworkStatus | None:
        """For the snapshot; None when all of it is off."""
        network = self.settings.network
        if not self.wanted:
            return None
        if self._station is not None:
            return self._station.status()
        return NetworkStatus(
            bind=network.bind,
            port=None,
            tls=bool(network.tls_cert),
            token=bool(network.token),
            rate_hz=network.rate_hz,
            reasons=() if self._reason is None else (self._reason,),
            clients=0,
            subscribers=0,
            sent=0,
            lost=0,
            cut_off=0,
            refused=0,
        )

    def reload(self, settings: Settings) -> None:
        """Take over what can change while running: token, origins, rate, static peers. `settings` then shows what is in force."""
        fresh = {name: getattr(settings.network, name) for name in ("token", "origins", "rate_hz", "peers")}
        self.settings = self.settings.model_copy(update={"network": self.settings.network.model_copy(update=fresh)})
        self._tell(lambda station: station.reload(self.settings))

    # --- told by the daemon; a fault in here must not cost a beat -----------------------------------------------------------------

    def heard(self, heard: Heard) -> None:
        """Take one turn of the DSP thread, after the conductor took it."""
        if heard.to_host is not None and not self._sounds.is_set():
            self._sounds.set()
        if self._station is not None:
            self._tell(lambda station: station.heard(heard.dsp_ns if heard.to_host is not None else None))

    def flashed(self, report: FlashReport) -> None:
        """Take what became of a beat."""
        self._tell(lambda station: station.each(lambda part: part.flashed(report)))

    def judged(self, news: News) -> None:
        """Take what a look at the drift has brought."""
        self._tell(lambda station: station.judged(news))

    def lagged(self, lag_ns: int) -> None:
        """Take how late the event loop ran its last tick."""
        self._tell(lambda station: station.each(lambda part: part.lagged(lag_ns)))

    def _tell(self, tell: "Callable[[Station], None]") -> None:
        if self._station is None:
            return
        try:
            tell(self._station)
        except Exception as error:
            log.exception("the LAN failed; building it anew")
            self._reason = f"network: {type(error).__name__}: {error}"
            self._station.failed.set()
            self._station = None

    async def _run(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._sounds.wait(), SOUND_FIRST_S)
        while True:
            try:
                module = await asyncio.to_thread(importlib.import_module, "k1edge.daemon.station")
                self._station = module.Station(self.settings, self._identity, self._snapshot, self._conductor, self._state)
                await self._station.run()
            except ImportError as error:
                self._reason = f"network: {error.name} can't be loaded; install k1edge anew, or set network.bind = off ({error})"
                log.warning("the LAN is off", why=self._reason)
                return
            except Exception as error:
                log.exception("the LAN failed; building it anew")
                self._reason = f"network: {type(error).__name__}: {error}"
            finally:
                self._station = None
            await asyncio.sleep(AGAIN_S)
