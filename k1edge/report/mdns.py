"""Multicast DNS on the wire, by python-zeroconf: what is heard of services, and one of our own announced. Owned by the event loop.

A `Radio` lives as long as the addresses stay as they are; after a change a new one is opened, which asks and announces anew.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, cast

from zeroconf import DNSAddress, DNSOutgoing, DNSQuestion, NonUniqueNameException, ServiceInfo, ServiceStateChange, current_time_millis  # type: ignore[attr-defined] # public, and left out of its __all__
from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

from k1edge.report.interfaces import Place
from k1edge.report.peer_table import Heard, PeerTable, Questions, sayable
from k1edge.report.sieve import Sieve
from k1edge.timebase import NS_PER_MS, HostTime

MOST_RECORDS = 2_000
"""A LAN with more than these is attacked, or broken: what was heard is thrown away."""

AGAIN_S = (1.0, 2.0, 4.0)
"""Further announcements after the first three, which come within half a second: RFC 6762, section 8.3, for a LAN that loses packets."""

_CLASS_IN, _A, _PTR, _TXT, _AAAA, _SRV = 1, 1, 12, 16, 28, 33  # RFC 1035, 3596, 2782

logging.getLogger("zeroconf").setLevel(logging.ERROR)  # a stranger's nonsense is no line in our log


class Radio:
    """Hears and announces on some interfaces.

    Args:
        places: where.
        services: kinds to hear of, such as "_k1edge._tcp.local.".
        changed: called when something came or went; may be called often.
        alone: nothing is heard or answered elsewhere; for one interface only.

    Attributes:
        places: as given.
        sieve: what strangers may send.
        announced: the instance name that is ours; None before and without one.
    """

    def __init__(self, places: Sequence[Place], services: Sequence[str], changed: Callable[[], None], *, alone: bool = False) -> None:
        self.places = tuple(places)
        self.sieve = Sieve()
        self.announced: str | None = None
        self._services = services
        self._changed = changed
        self._alone = alone
        self._questions = Questions()
        self._lost: list[tuple[str, str]] = []
        self._info: ServiceInfo | None = None
        self._gone: ServiceInfo | None = None
        self._open: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None

    async def open(self) -> None:
        """Join; with no places, do nothing.

        Raises:
            OSError: the port or a group can't be had.
        """
        if not self.places:
            return
        wanted: list[str | int] = [address for place in self.places for address in place.v4]
        wanted += [place.index for place in self.places if place.v6]
        self._open = AsyncZeroconf(interfaces=wanted)
        zeroconf = self._open.zeroconf
        await zeroconf.async_wait_for_start()
        for reader in zeroconf.engine.readers:
            self._confine(reader.sock)
            reader.transport.set_protocol(_Gate(cast("asyncio.DatagramProtocol", reader.transport.get_protocol()), self.sieve))
        self._browser = AsyncServiceBrowser(zeroconf, list(self._services), handlers=[self._on_change])

    async def close(self, *, goodbye: bool) -> None:
        """Leave; with a goodbye, others forget us at once."""
        if self._open is None:
            return
        opened, self._open = self._open, None
        if self._browser is not None:
            await self._browser.async_cancel()
        if self._info is not None and not goodbye:
            opened.zeroconf.registry.async_remove(self._info)
        try:
            await opened.async_unregister_all_services()  # a quarter of a second
        finally:
            await opened.async_close()

    # --- hearing ---------------------------------------------------------------------------------------------------------------

    def listen(self, tables: Mapping[str, PeerTable], now: HostTime) -> None:
        """Bring the table of each service up to date, and ask for what it lacks; call it with every `news`."""
        for service, instance in self._lost:
            tables[service].lose(instance)
        self._lost.clear()
        for service, table in tables.items():
            table.hear(self._heard(service), now)
        self._ask(now)

    def _heard(self, service: str) -> Iterator[Heard]:
        """Every service of a kind that is known in full, our own excepted."""
        for pointer in self._records(service, _PTR):
            at = self._server(pointer.alias)
            instance = pointer.alias[: -len(service) - 1]
            if at is None or instance.lower() == (self.announced or "").lower():
                continue
            texts = self._records(pointer.alias, _TXT)
            yield Heard(
                instance=instance,
                host=at.server,
                port=at.port,
                txt=texts[-1].text if texts else b"",
                addresses=tuple(self._text(address) for kind in (_A, _AAAA) for address in self._records(at.server, kind)),
                at_ns=HostTime(round(at.created * NS_PER_MS)),  # the same clock as ours, in ms
                ttl_s=at.ttl,
            )

    def _ask(self, now: HostTime) -> None:
        """Ask for what is missing or at half its time: whoever asks first spares the others their question."""
        if self._open is None:
            return
        names = [pointer.alias for service in self._services for pointer in self._records(service, _PTR)]
        due = self._questions.due((name for name in names if self._lacks(name)), now)
        for name in due:
            at = self._server(name)
            out = DNSOutgoing(0)  # a query
            for kind in (_SRV, _TXT):
                out.add_question(DNSQuestion(name, kind, _CLASS_IN))
            for kind in (_A, _AAAA) if at is not None and sayable(at.server) else ():
                out.add_question(DNSQuestion(at.server, kind, _CLASS_IN))
            self._open.zeroconf.async_send(out)

    @property
    def flooded(self) -> bool:
        """Whether more is remembered than any LAN has to tell."""
        return self._open is not None and sum(map(len, self._open.zeroconf.cache.cache.values())) > MOST_RECORDS

    # --- announcing ------------------------------------------------------------------------------------------------------------

    async def announce(self, info: ServiceInfo, gone: ServiceInfo | None = None) -> bool:
        """Make sure that nobody has its name, and announce it; False when somebody has. Takes some 2 s, and 7 more to say it again.

        The addresses in `gone` are said to be ours no more: others would go on trying them for two minutes.
        """
        if self._open is None:
            return False
        zeroconf = self._open.zeroconf
        try:
            announcing = await zeroconf.async_register_service(info, allow_name_change=False)
        except NonUniqueNameException:
            return False
        self._info, self._gone, self.announced = info, gone, info.name[: -len(info.type) - 1]
        await announcing
        for pause_s in AGAIN_S:
            await asyncio.sleep(pause_s)
            self.insist()
        return True

    def insist(self) -> None:
        """Announce once more."""
        if self._open is None or self._info is None:
            return
        out = self._open.zeroconf.generate_service_broadcast(self._info, None)
        for record in () if self._gone is None else self._gone.dns_addresses(override_ttl=0):
            out.add_answer_at_time(record, 0)
        self._open.zeroconf.async_send(out)

    def rival(self) -> str | None:
        """The host that speaks under our name although we do, which two that start at once, or two LANs that become one, bring about."""
        if self._info is None:
            return None
        others = {at.server for at in self._records(self._info.name, _SRV)} - {self._info.server}
        return min(others, default=None)

    # --- inside ----------------------------------------------------------------------------------------------------------------

    def _lacks(self, name: str) -> bool:
        at = self._server(name)
        if at is None or at.is_stale(current_time_millis()) or not self._records(name, _TXT):
            return True
        return not (self._records(at.server, _A) or self._records(at.server, _AAAA))

    def _server(self, name: str) -> Any:
        found = self._records(name, _SRV)
        return max(found, key=lambda record: record.created) if found else None

    def _records(self, name: str, kind: int) -> list[Any]:
        """Those that have not run out, in the order in which they came."""
        if self._open is None:
            return []
        now = current_time_millis()
        return [each for each in self._open.zeroconf.cache.get_all_by_details(name, kind, _CLASS_IN) if not each.is_expired(now)]

    def _text(self, address: DNSAddress) -> str:
        """With its zone where it needs one; empty where that is not known."""
        family = socket.AF_INET6 if len(address.address) == 16 else socket.AF_INET
        text = socket.inet_ntop(family, address.address)
        if family == socket.AF_INET or not ip_address(text).is_link_local:
            return text
        zones = [place.name for place in self.places if len(self.places) == 1 or place.index == address.scope_id]
        return f"{text}%{zones[0]}" if zones else ""

    def _on_change(self, service_type: str, name: str, state_change: ServiceStateChange, **_: object) -> None:
        if not sayable(name):  # zeroconf would put it into its next question and fail, for good
            self._forget(service_type, name)
            return
        if state_change is ServiceStateChange.Removed and len(self._lost) < MOST_RECORDS:
            self._lost.append((service_type, name[: -len(service_type) - 1]))
        self._changed()

    def _forget(self, service: str, name: str) -> None:
        if self._open is not None:
            pointers = [pointer for pointer in self._records(service, _PTR) if pointer.alias == name]
            self._open.zeroconf.cache.async_remove_records(pointers)

    def _confine(self, sock: socket.socket) -> None:
        """Hear only what comes where we joined: Linux gives a socket every group that any program of the host has joined."""
        sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
        if self._alone:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.places[0].name.encode())


_IP_MULTICAST_ALL, _IPV6_MULTICAST_ALL = 49, 29
"""Linux; Python has no names for them."""


async def news(changed: asyncio.Event, longest_s: float) -> None:
    """Wait until something has changed, and a moment more, for what comes together; at most `longest_s`."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(changed.wait(), longest_s)
    await asyncio.sleep(_TOGETHER_S)
    changed.clear()


_TOGETHER_S = 0.05


class _Gate(asyncio.DatagramProtocol):
    """Stands before zeroconf's own protocol and lets through what the sieve admits."""

    def __init__(self, inner: asyncio.DatagramProtocol, sieve: Sieve) -> None:
        self._inner = inner
        self._sieve = sieve

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if self._sieve.admits(addr[0], len(data), HostTime(time.monotonic_ns())):
            self._inner.datagram_received(data, addr)

    def error_received(self, exc: Exception) -> None:
        self._inner.error_received(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)
