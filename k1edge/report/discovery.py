"""Being found on the LAN, and finding others there: multicast DNS beside the server. Owned by the event loop.

Nothing waits for it: its library is loaded on a thread when everything else runs, and whatever goes wrong is a reason in status.
"""

import asyncio
import importlib
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from k1edge.config import Settings
from k1edge.report.announcement import words
from k1edge.report.part import LanPart, Surroundings
from k1edge.report.peer_table import HUB_SERVICE, MOST_PEERS, SERVICE, PeerTable
from k1edge.timebase import HostTime

if TYPE_CHECKING:
    from k1edge.report.air import Air

log = structlog.get_logger(__name__)

MOST_HUBS = 8


class Discovery(LanPart):
    """Announces this daemon where `network.bind` lets others in, and keeps the table of peers."""

    name = "discovery"

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._tables = {SERVICE: PeerTable(surroundings.settings.network.peers), HUB_SERVICE: PeerTable(most=MOST_HUBS)}
        self._air: Air | None = None  # None = its library is not there, or not wanted
        self._missing: str | None = None

    def shown(self) -> Mapping[str, object]:
        """What was found, and as whom others find us."""
        now = HostTime(time.monotonic_ns())
        return {
            "announced": None if self._air is None else self._air.announced,
            "peers": self._tables[SERVICE].listed(now),
            "hubs": self._tables[HUB_SERVICE].listed(now),
        }

    def reasons(self) -> tuple[str, ...]:
        """Why nobody finds us, who has our id, and who is not shown."""
        found = [self._missing if self._air is None else self._air.reason, self._twin()]
        crowd = self._tables[SERVICE].crowded_out
        if crowd:
            found.append(f"{crowd} more peers than the {MOST_PEERS} that are listed; name those you need in network.peers")
        return tuple(f"discovery: {reason}" for reason in found if reason is not None)

    def reload(self, settings: Settings) -> None:
        """Take over the static peers."""
        self._tables[SERVICE].static = settings.network.peers

    async def run(self) -> None:
        """Be on the air until cancelled; then say goodbye."""
        network, surroundings = self.surroundings.settings.network, self.surroundings
        if network.is_local:
            return
        try:
            module = await asyncio.to_thread(importlib.import_module, "k1edge.report.air")
        except ImportError as error:
            self._missing = f"{error.name} can't be loaded; install k1edge anew. Until then nobody on the LAN finds this daemon by itself"
            log.warning("discovery is off", why=self._missing)
            return
        name = network.name or socket.gethostname().partition(".")[0] or surroundings.identity
        said = words(surroundings.identity, name, tls=bool(network.tls_cert))
        self._air = module.Air(network.bind, name, said, surroundings.port, self._tables)
        await self._air.run()

    def _twin(self) -> str | None:
        identity = self.surroundings.identity
        for peer in self._tables[SERVICE].listed(HostTime(time.monotonic_ns())):
            if peer.id == identity:
                return (
                    f'"{peer.instance}" at {peer.addresses[0]} has our id {identity}: one of us is a copy of the other; on the copy '
                    "delete state.json from its state directory, or set daemon.id, and restart it"
                )
        return None
