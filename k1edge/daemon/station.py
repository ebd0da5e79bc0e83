"""The LAN put together: feed, fan-out, server, and the parts beside them; with `network.bind = "off"` the uplink alone.

Loaded lazily by `daemon.lan`; owned by the event loop.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from k1edge import __version__
from k1edge.config import NetworkSettings, Settings
from k1edge.daemon.conductor import Conductor
from k1edge.daemon.host_signs import HostSampler
from k1edge.drift.watch import News
from k1edge.errors import ConfigError
from k1edge.report.app import STRANGERS_HIDDEN, Hidden, build_app
from k1edge.report.fanout import Fanout
from k1edge.report.feed import Feed
from k1edge.report.guard import Guard, GuardedApp
from k1edge.report.lan import LanServer
from k1edge.report.part import LanPart, Surroundings
from k1edge.report.telemetry import HelloMessage
from k1edge.report.token_file import read_token
from k1edge.snapshot import NetworkStatus, Snapshot
from k1edge.timebase import NS_PER_MS, HostTime

log = structlog.get_logger(__name__)


def _metrics(surroundings: Surroundings) -> LanPart:
    from k1edge.report.metrics import Metrics  # noqa: PLC0415 - as PARTS says

    return Metrics(surroundings)


def _page(surroundings: Surroundings) -> LanPart:
    from k1edge.report.page import Page  # noqa: PLC0415 - as above

    return Page(surroundings)


def _discovery(surroundings: Surroundings) -> LanPart:
    from k1edge.report.discovery import Discovery  # noqa: PLC0415 - as above

    return Discovery(surroundings)


PARTS: tuple[Callable[[Surroundings], LanPart], ...] = (_metrics, _page, _discovery)
"""What stands beside the server. Each maker imports its part itself, so that one whose library is missing is off alone."""


def _uplink(surroundings: Surroundings) -> LanPart:
    from k1edge.daemon.alert_file import AlertFile  # noqa: PLC0415 - as above
    from k1edge.report.uplink import Uplink  # noqa: PLC0415 - as above

    return Uplink(surroundings, AlertFile(surroundings.state))


AGAIN_S = 5.0
"""Pause before a failed part is run again."""

SIGNS_S = 1.0


class Station:
    """See `daemon.lan.Lan`, which hands everything through.

    Attributes:
        failed: set = end, because somebody outside saw a fault.
    """

    def __init__(
        self, settings: Settings, identity: str, snapshot: Callable[[], Snapshot], conductor: Conductor, state: Path | None = None
    ) -> None:
        self.feed = Feed(identity)
        self.failed = asyncio.Event()
        self._settings = settings
        self._snapshot = snapshot
        self._conductor = conductor
        self._told = -1  # the newest beat that was published
        self._faults: dict[str, str] = {}  # by part: why it is not there
        surroundings = Surroundings(settings, identity, snapshot, self.feed, lambda: self.server.port, state)
        makers = PARTS if settings.network.bind != "off" else ()
        makers += () if settings.telemetry.uplink == "off" else (_uplink,)
        self.parts = [part for make in makers if (part := self._made(make, surroundings)) is not None]
        guard = self._guard(settings.network)
        self.fanout = Fanout(self.feed, guard, self._hello)
        routes = [route for part in self.parts for route in part.routes()]
        self.app = GuardedApp(build_app(snapshot, routes, self._hidden), guard)
        self.server = LanServer(settings.network, self.app, self.fanout.upgrade, self.fanout.shed)
        for alert in snapshot().alerts.open:  # those that began before anybody could listen
            self.feed.alert(alert, HostTime(time.monotonic_ns()), time.time_ns())

    async def run(self) -> None:
        """Serve until cancelled or failed."""
        running = [self._kept("telemetry", self._tick), self._kept("host signs", self._sample)]
        running += [self._kept("server", self.server.run)] if self._settings.network.bind != "off" else []
        running += [self._kept(part.name, part.run) for part in self.parts]
        tasks = [asyncio.ensure_future(each) for each in (*running, self.failed.wait())]
        try:
            await tasks[-1]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def status(self) -> NetworkStatus:
        """What the LAN gets."""
        network, count = self._settings.network, self.fanout.counts
        parts = tuple(reason for part in self.parts for reason in part.reasons())
        return NetworkStatus(
            bind=network.bind,
            port=self.server.port,
            tls=bool(network.tls_cert),
            token=bool(network.token),
            rate_hz=network.rate_hz,
            reasons=(*self.server.reasons, *self._faults.values(), *self.feed.failures.values(), *parts),
            clients=self.server.clients,
            subscribers=len(self.fanout.members),
            sent=count.sent,
            lost=count.lost,
            cut_off=count.cut_off,
            refused=count.refused,
            **{field: value for part in self.parts for field, value in part.shown().items()},
        )

    def reload(self, settings: Settings) -> None:
        """Take over token, origins, rate, and what the parts can take."""
        self._settings = settings
        guard = self._guard(settings.network)
        if guard != self.app.guard:
            self.app.guard = self.fanout.guard = guard
            self.fanout.dismiss()  # let them come again under the new rules
        self.each(lambda part: part.reload(settings))

    def heard(self, dsp_ns: int | None) -> None:
        """Publish beats that were committed since the last call."""
        if dsp_ns is None:
            return
        fresh = [each for each in self._conductor.committed[-8:] if each.beat.index > self._told]
        if fresh:
            self._told = fresh[-1].beat.index
            offset_ns, now, wall_ns = self._conductor.scheduler.offset_ns, HostTime(time.monotonic_ns()), time.time_ns()
            for each in fresh:
                self.feed.beat(each.beat, HostTime(each.at_ns + offset_ns), offset_ns / NS_PER_MS, now, wall_ns)
        self.each(lambda part: part.hopped(dsp_ns))

    def judged(self, news: News) -> None:
        """Publish alerts that began, grew or ended, and hand each beat's reading to the parts."""
        for alert in news.alerts:
            self.feed.alert(alert, HostTime(time.monotonic_ns()), time.time_ns())
        for reading in news.readings:
            for part in self.parts:
                part.settled(reading)

    def each(self, tell: Callable[[LanPart], None]) -> None:
        """Tell every part something."""
        for part in self.parts:
            tell(part)

    # --- inside ----------------------------------------------------------------------------------------------------------------

    def _hello(self) -> HelloMessage:
        return HelloMessage(
            id=self.feed.identity,
            seq=self.feed.seq,
            wall_ms=time.time_ns() / NS_PER_MS,
            monotonic_ns=time.monotonic_ns(),
            version=__version__,
            rate_hz=self._settings.network.rate_hz,
        )

    def _hidden(self) -> Hidden | None:
        return None if self.app.guard.token else STRANGERS_HIDDEN

    def _guard(self, network: NetworkSettings) -> Guard:
        """Rules of the settings. A token whose file can't be read lets nobody in rather than everybody."""
        token = network.token
        self._faults.pop("token", None)
        if token.startswith("/"):
            try:
                token = read_token(Path(token), "network.token", "nobody is let in until it does")
            except ConfigError as error:
                self._faults["token"] = str(error)
                token = secrets.token_hex()  # nobody knows it
        return Guard(token, network.origins)

    def _made(self, make: Callable[[Surroundings], LanPart], surroundings: Surroundings) -> LanPart | None:
        try:
            return make(surroundings)
        except Exception as error:
            name = make.__name__.strip("_")
            log.exception("a part of the LAN can't be had", part=name)
            missing = isinstance(error, ImportError)
            self._faults[name] = f"{name}: {error.name} is missing; install k1edge anew" if missing else f"{name}: {error}"  # type: ignore[attr-defined]
            return None

    async def _kept(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a part, and again after a pause when it fails."""
        while True:
            try:
                await run()
            except Exception as error:
                log.exception("a part of the LAN failed; starting it anew", part=name)
                self._faults[name] = f"{name}: {type(error).__name__}: {error}"
            else:
                return
            await asyncio.sleep(AGAIN_S)
            self._faults.pop(name, None)

    async def _tick(self) -> None:
        """Telemetry at its rate; a turn that comes late does not make the next ones hurry."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + 1.0 / self._settings.network.rate_hz, loop.time())
            await asyncio.sleep(due - loop.time())
            self.feed.telemetry(self._snapshot, time.time_ns())

    async def _sample(self) -> None:
        sampler = HostSampler()
        while True:
            self.feed.signs = sampler.sample()
            await asyncio.sleep(SIGNS_S)
