"""Stays on the air: a `Radio` for the interfaces as they are now, our name on it while the server listens, the tables up to date.

Owned by the event loop.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Mapping

import structlog
from zeroconf import ServiceInfo

from k1edge.report.announcement import label
from k1edge.report.interfaces import Place, places
from k1edge.report.mdns import Radio, news
from k1edge.report.peer_table import SERVICE, PeerTable
from k1edge.timebase import NS_PER_S, HostTime

log = structlog.get_logger(__name__)

LOOK_S = 1.0
"""Between two looks at the interfaces and the server's port, when there is no news; 0.3 ms each."""

FLOOD_PACKETS = 4_000
"""So many between two looks that the sieve let fall are an attack, or a loop of cables; each costs some 20 us even unread."""

FLOOD_PAUSE_S = 10.0

LONGEST_TRUCE_S = 60.0
"""Two that both want a name, and neither gives way, must not fill the LAN with it."""

_CROWD = 10
"""So many taken names in a row, and we try more slowly: RFC 6762, section 8.1."""

_CROWD_PAUSE_S = 5.0


class Air:
    """One daemon's presence.

    Args:
        bind: `network.bind`.
        name: what it is called; a number is added where others are called so too.
        words: of the TXT record.
        port: of the server now; None while it does not listen, and nothing is announced.
        tables: to be kept, by service.

    Attributes:
        reason: why it is not on the air, with the cure; None while it is.
    """

    def __init__(
        self, bind: str, name: str, words: Mapping[str, str], port: Callable[[], int | None], tables: Mapping[str, PeerTable]
    ) -> None:
        self.reason: str | None = None
        self._bind = bind
        self._name = name
        self._words = dict(words)
        self._port_now = port
        self._tables = tables
        self._host = f"k1edge-{secrets.token_hex(4)}.local."  # ours alone, also where a whole host was cloned
        self._number = 1  # as in "kitchen (2)"
        self._had: set[str] = set()  # addresses that others may still hold to be ours
        self._renamed = 0
        self._truce_ns = 0  # until when a rival is borne
        self._changed = asyncio.Event()
        self._radio = self._make(())
        self._port: int | None = None  # that is announced
        self._announcing: asyncio.Task[None] | None = None
        self._dropped = 0  # packets at the last look
        self._deaf_until_ns = 0

    @property
    def announced(self) -> str | None:
        """The name that others see; None while they see none."""
        return self._radio.announced

    async def run(self) -> None:
        """Live until cancelled; then say goodbye."""
        try:
            while True:
                await self._look(HostTime(time.monotonic_ns()))
                await news(self._changed, LOOK_S)
        finally:
            await self._hang_up(goodbye=True)

    # --- inside ----------------------------------------------------------------------------------------------------------------

    def _make(self, where: tuple[Place, ...]) -> Radio:
        return Radio(where, tuple(self._tables), self._changed.set, alone=self._bind != "all")

    async def _look(self, now: HostTime) -> None:
        if now < self._deaf_until_ns:
            return
        try:
            await self._tune(places(self._bind))
        except (OSError, RuntimeError) as error:  # RuntimeError: an interface went away between two looks at it
            self._say(f"multicast DNS can't be had ({error}); trying again. Nobody on the LAN finds this daemon by itself")
            await self._hang_up(goodbye=False)
        self._announce()
        self._radio.listen(self._tables, now)
        await self._settle(now)
        await self._defend(now)

    async def _tune(self, where: tuple[Place, ...]) -> None:
        """Have a radio for the interfaces as they are, and no port on it that is not ours any more."""
        moved, withdrawn = where != self._radio.places, self._port not in {None, self._port_now()}
        if moved or withdrawn:
            await self._hang_up(goodbye=withdrawn)
            self._radio = self._make(where)
            await self._radio.open()
            log.info("on the LAN", interfaces=[place.name for place in where])
        nowhere = not where and self._bind == "all"  # an interface that is missing is the server's reason already
        self._say("this host has no network; waiting for one" if nowhere else None)

    def _announce(self) -> None:
        """Begin to announce the port, once for each radio."""
        port = self._port_now()
        if self._announcing is not None and self._announcing.done():
            self._announcing.result()  # its fault is ours
        if self._announcing is None and port is not None and self._radio.places:
            self._port = port
            self._announcing = asyncio.create_task(self._take_name(self._radio, port), name="announcing")

    async def _take_name(self, radio: Radio, port: int) -> None:
        addresses = {address for place in radio.places for address in (*place.v4, *place.v6)}
        gone, self._had = self._had - addresses, self._had | addresses
        while not await radio.announce(self._info(port, addresses), self._info(port, gone)):
            self._number += 1
            await asyncio.sleep(_CROWD_PAUSE_S if self._number > _CROWD else 0.0)
        self._had = addresses  # it was said often enough

    def _info(self, port: int, addresses: Collection[str]) -> ServiceInfo:
        name = f"{label(self._name, self._number)}.{SERVICE}"
        return ServiceInfo(SERVICE, name, port, properties=self._words, server=self._host, parsed_addresses=sorted(addresses))

    async def _defend(self, now: HostTime) -> None:
        """Settle it with a host that speaks under our name: of the two, the one whose host comes first in the alphabet takes another name."""
        rival = self._radio.rival()
        if rival is None or now < self._truce_ns:
            return
        self._renamed += 1
        self._truce_ns = now + round(min(2.0**self._renamed, LONGEST_TRUCE_S) * NS_PER_S)
        if self._host > rival:
            self._radio.insist()
            return
        log.warning("another host has our name; taking the next", name=self.announced, rival=rival)
        self._number += 1
        await self._hang_up(goodbye=False)  # a goodbye would take the name from the other one

    async def _settle(self, now: HostTime) -> None:
        """Go deaf for a while under a flood: beats come first."""
        dropped, self._dropped = self._radio.sieve.dropped - self._dropped, self._radio.sieve.dropped
        if dropped < FLOOD_PACKETS and not self._radio.flooded:
            return
        self._say(f"the LAN is flooded with multicast DNS; not listening for {FLOOD_PAUSE_S:g} s")
        self._deaf_until_ns = now + round(FLOOD_PAUSE_S * NS_PER_S)
        await self._hang_up(goodbye=False)

    def _say(self, reason: str | None) -> None:
        if reason is not None and reason != self.reason:
            log.warning("discovery", why=reason)
        self.reason = reason

    async def _hang_up(self, *, goodbye: bool) -> None:
        """Leave the air; the next look tunes in anew."""
        announcing, self._announcing = self._announcing, None
        if announcing is not None:
            announcing.cancel()
            await asyncio.wait({announcing})
        radio, self._radio = self._radio, self._make(())
        self._port, self._dropped = None, 0
        await radio.close(goodbye=goodbye)
