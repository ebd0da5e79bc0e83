"""Looks for other daemons from a command, without one of our own."""

import asyncio
import time
from collections.abc import AsyncGenerator

from k1edge.config import NetworkSettings
from k1edge.report.interfaces import places
from k1edge.report.mdns import Radio, news
from k1edge.report.peer_table import SERVICE, PeerTable
from k1edge.snapshot import PeerStatus
from k1edge.timebase import HostTime

LOOK_S = 1.0
"""Between two looks at the interfaces, when there is no news."""


async def browse(settings: NetworkSettings, service: str = SERVICE) -> AsyncGenerator[tuple[PeerStatus, ...]]:
    """Yield everybody who is there: at once, with the static ones, and again whenever that has changed; a mere change of age is none.

    Goes on until the iterator is closed (`contextlib.aclosing`), also without a network and while interfaces come and go. Looks where
    `network.bind` says; everywhere when that is "off" or this host alone, for then it speaks of a daemon and not of the command.

    Raises:
        OSError: multicast DNS can't be had here.
    """
    changed = asyncio.Event()
    table = PeerTable(settings.peers)
    bind = "all" if settings.is_local else settings.bind
    radio = Radio((), (service,), changed.set)
    told: tuple[PeerStatus, ...] | None = None
    try:
        while True:
            where = places(bind)
            if where != radio.places:
                await radio.close(goodbye=False)
                radio = Radio(where, (service,), changed.set, alone=bind != "all")
                await radio.open()
            now = HostTime(time.monotonic_ns())
            radio.listen({service: table}, now)
            peers = table.listed(now)
            ageless = tuple(peer.model_copy(update={"age_s": None}) for peer in peers)
            if ageless != told:
                told = ageless
                yield peers
            await news(changed, LOOK_S)
    finally:
        await radio.close(goodbye=False)
