"""Pushes telemetry to a hub, and alerts so that none is lost: calls it, keeps it, calls again. All state here is owned by the event loop.

The wire is docs/telemetry.md, section Uplink. While no hub is connected only alerts are listened to, so nothing is made for nobody. No proxy
is used, whatever the environment says.
"""

import asyncio
import itertools
import random
import secrets
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

import structlog
from websockets.uri import parse_uri

from k1edge import __version__
from k1edge.errors import ConfigError
from k1edge.report.part import LanPart, Surroundings
from k1edge.report.telemetry import AlertMessage, Message
from k1edge.report.uplink_buffer import UplinkBuffer
from k1edge.report.uplink_call import HubCall
from k1edge.report.uplink_hub import addresses, explained, headers, nobody, trust
from k1edge.report.uplink_messages import UplinkHello
from k1edge.report.uplink_session import Fault, UplinkSession
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

log = structlog.get_logger(__name__)

OPEN_S = 10.0
"""From the first packet to the hub's yes."""

PULSE_S = 1.0
PINGS = 10
"""A ping every so many pulses."""

LOOK_S = 1.0
"""Between two looks whether discovery has found a hub."""

KEEP_S = 30.0
"""Between two looks whether alerts wait that a restart must not lose. A card wears with every write."""


class AlertStore(Protocol):
    """Where alerts that wait outlive the daemon. Both may block, neither raises."""

    def load(self) -> list[AlertMessage]:
        """Those that waited when the daemon ended, oldest first."""

    def save(self, alerts: Iterable[AlertMessage]) -> None:
        """Remember these instead."""


class Uplink(LanPart):
    """The part of the LAN that speaks by itself.

    Args:
        surroundings: what it may use.
        store: keeps alerts over a restart; None = they are kept in memory alone.
    """

    name = "uplink"

    def __init__(self, surroundings: Surroundings, store: AlertStore | None = None) -> None:
        super().__init__(surroundings)
        self._store = store
        self._buffer = UplinkBuffer(() if store is None else store.load())
        self._stored = self._span()  # of the alerts that the store holds
        self._session = UplinkSession(self._buffer, random.Random())  # noqa: S311 - jitter
        self._stream = secrets.token_hex(8)
        self._call: HubCall | None = None  # while it is open
        self._told: str | None = None  # the newest reason that was logged
        surroundings.feed.listen(self._take, alerts_only=True)

    def shown(self) -> Mapping[str, object]:
        """How it goes."""
        return {"uplink": self._session.status(_now())}

    async def run(self) -> None:
        """Call for ever."""
        keeping = asyncio.create_task(self._keep(), name="uplink alerts")
        try:
            for tries in itertools.count():
                await asyncio.sleep(await self._once(tries))
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await self._save()

    async def _once(self, tries: int) -> float:
        """One call from beginning to end, if there is somebody to call; returns the pause after it in seconds."""
        settings = self.surroundings.settings
        network = self.surroundings.snapshot().network if settings.telemetry.uplink == "mdns" else None
        hubs = () if network is None else network.hubs
        places = addresses(settings, hubs, self.surroundings.identity)
        if not places:
            self._session.search(nobody(settings, hubs))
            return LOOK_S
        url = places[tries % len(places)]
        self._session.call(url)
        fault = await self._talk(url)
        if fault.reason != self._told:
            self._told = fault.reason
            log.warning("no uplink", url=url, why=fault.reason)
        return self._session.close(fault, _now()) / NS_PER_S

    async def _talk(self, url: str) -> Fault:
        """Connect, and stay until it ends."""
        loop, settings, uri = asyncio.get_running_loop(), self.surroundings.settings, parse_uri(url)
        try:
            context = await asyncio.to_thread(trust, settings) if uri.secure else None
            bare = replace(uri, host=uri.host.partition("%")[0])  # the zone of an address means nothing to the other side
            call = HubCall(bare, headers(settings), self._session, self._hello)
        except ConfigError as error:
            return Fault(str(error), slow=True)
        try:
            async with asyncio.timeout(OPEN_S):
                await loop.create_connection(
                    lambda: call,
                    uri.host,
                    uri.port,
                    ssl=context,
                    server_hostname=bare.host if context is not None else None,
                    happy_eyeballs_delay=0.25,
                )
                await call.decided.wait()
            if not call.ended.done():
                log.info("uplink", url=url)
                self._told = None
                await self._stay(call)
        except (OSError, ssl.SSLError, UnicodeError) as error:  # TimeoutError is an OSError
            call.end(Fault(*explained(url, error)))
        finally:
            call.leave()  # nothing, where it is over
        return call.ended.result()

    async def _stay(self, call: HubCall) -> None:
        self._call = call
        silence = self.surroundings.feed.listen(self._take)
        try:
            for pulses in itertools.count(1):
                await asyncio.wait({call.ended}, timeout=PULSE_S)
                if call.ended.done():
                    return
                call.pulse(ping=pulses % PINGS == 0)
        finally:
            self._call = None
            silence()
            self.surroundings.feed.listen(self._take, alerts_only=True)

    def _take(self, message: Message) -> None:
        """Keep what was published, and send what can be sent; a fault here costs the connection, and no alert."""
        self._buffer.put(message, _now())
        if self._call is not None:
            try:
                self._call.pump()
            except Exception as error:
                log.exception("the uplink failed; calling anew")
                self._call.end(Fault(f"{type(error).__name__}: {error}"))

    def _hello(self) -> UplinkHello:
        feed, settings = self.surroundings.feed, self.surroundings.settings
        return UplinkHello(
            id=feed.identity,
            seq=feed.seq,
            wall_ms=time.time_ns() / NS_PER_MS,
            monotonic_ns=_now(),
            version=__version__,
            rate_hz=settings.network.rate_hz,
            stream=self._stream,
            alert_seq=self._buffer.oldest,
            waiting=self._buffer.waiting,
            dropped=self._buffer.counts.dropped,
        )

    # --- over a restart --------------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(KEEP_S)
            await self._save()

    async def _save(self) -> None:
        """Store what waits, if that is not what is stored."""
        span = self._span()
        if self._store is None or span == self._stored:
            return
        self._stored = span
        await asyncio.to_thread(self._store.save, tuple(self._buffer))

    def _span(self) -> tuple[int, int]:
        """Which alerts wait; the same for "none", whatever came before."""
        waiting = self._buffer.waiting
        return (self._buffer.oldest, waiting) if waiting else (0, 0)


def _now() -> HostTime:
    return HostTime(time.monotonic_ns())
