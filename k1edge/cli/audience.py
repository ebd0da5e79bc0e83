"""Listens to the telemetry of peers until it is cancelled: connects, reads, connects again. All state here is owned by the event loop.

A peer is trusted with nothing: frames are bounded, nothing is decompressed, redirects to elsewhere are refused, and one that floods is read
at `_RATE` and no faster, so that its own buffers fill and not ours.
"""

import asyncio
import contextlib
import logging
import os
import random
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from k1edge.config import NetworkSettings
from k1edge.errors import DeviceError
from k1edge.link.backoff import Backoff
from k1edge.report.intake import MOST_FRAME_BYTES, Received
from k1edge.report.peer_table import MOST_PEERS, plain
from k1edge.report.sieve import Bucket
from k1edge.report.target import Target, discovered, named
from k1edge.report.watched import Watched
from k1edge.snapshot import PeerStatus
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

OPEN_S = 5.0
"""How long a connection may take."""

DEAD_S = 15.0
"""A peer that has said nothing for this long is connected to anew: a host that was switched off closes nothing."""

FIRST_PAUSE_NS, LONGEST_PAUSE_NS = 500 * NS_PER_MS, 10 * NS_PER_S

KEPT_S = 30.0
"""How long a peer that is gone stays in the table."""

_RATE, _BURST, _FRAME_COST = 1 << 20, 2 << 20, 4096
"""Bytes a second that are read of a peer, at once, and what a frame costs however small: 250 frames a second; 50 is what a daemon may send."""

Heard = Callable[[Watched, Received, HostTime], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is listened to.

    Attributes:
        targets: by address.
        words: by what they call themselves; looked for by multicast DNS.
        everybody: who can be found.
        token: shown to each of them; empty = none.
        tls: for wss://.
        network: where discovery looks.
    """

    targets: Sequence[Target] = ()
    words: Sequence[str] = ()
    everybody: bool = False
    token: str = ""
    tls: ssl.SSLContext | None = None
    network: NetworkSettings = field(default_factory=NetworkSettings)


class Audience:
    """All peers that are listened to.

    Args:
        wanted: who.
        heard: called with every message that is understood.
        told: called when a connection was made or lost.

    Attributes:
        members: by a key of their own; at most `MOST_PEERS` discovered ones beside those named.
    """

    def __init__(self, wanted: Wanted, heard: Heard, told: Callable[[Watched], None] = lambda _: None) -> None:
        self.members: dict[str, Watched] = {}
        self._wanted = wanted
        self._heard = heard
        self._told = told
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._targets: dict[str, Target] = {}

    async def run(self) -> None:
        """Listen until cancelled.

        Raises:
            DeviceError: peers are to be found, and this host can't look.
        """
        try:
            for target in self._wanted.targets:
                self._join(target.urls[0], target)
            if self._wanted.everybody or self._wanted.words:
                await self._discover()
            await asyncio.Event().wait()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def sorted(self) -> list[Watched]:
        """By name; the same order at every look."""
        return [member for _, member in sorted(self.members.items(), key=lambda item: (item[1].name.lower(), item[0]))]

    async def _discover(self) -> None:
        from k1edge.report.browse import browse  # noqa: PLC0415 - who names addresses does not pay for zeroconf

        try:
            async with contextlib.aclosing(browse(self._wanted.network)) as listings:
                async for peers in listings:
                    self._follow(peers)
        except OSError as error:
            msg = f"can't look for peers by multicast DNS ({error.strerror or error}); name them by address"
            raise DeviceError(msg) from error

    def _follow(self, peers: Sequence[PeerStatus]) -> None:
        """Bring the members up to date with who is there."""
        found = peers if self._wanted.everybody else [peer for word in self._wanted.words for peer in named(word, peers)]
        there = {f"found {peer.instance.lower()}": discovered(peer) for peer in found}
        for key, member in self.members.items():
            member.listed = key in there or not key.startswith("found ")
        for key, target in there.items():
            if key in self.members or sum(each.startswith("found ") for each in self.members) < MOST_PEERS:
                self._join(key, target)

    def _join(self, key: str, target: Target) -> None:
        self._targets[key] = target  # an address may have changed: taken up at the next try
        if key not in self.members:
            member = self.members[key] = Watched(target.name)
            self._tasks[key] = asyncio.create_task(self._listen(key, member))

    async def _listen(self, key: str, member: Watched) -> None:
        backoff = Backoff(random.Random(), FIRST_PAUSE_NS, LONGEST_PAUSE_NS)  # noqa: S311 - spreads tries, hides nothing
        while True:
            before = member.messages
            for url in self._targets[key].urls:
                await self._try(url, member)
                if member.messages > before:
                    backoff.reset()
                    break
            if not member.listed and (member.age_s(_now()) or KEPT_S) >= KEPT_S:
                del self.members[key], self._targets[key], self._tasks[key]
                return
            await asyncio.sleep(backoff.next_ns() / NS_PER_S)

    async def _try(self, url: str, member: Watched) -> None:
        """Read from one place until that ends."""
        try:
            async with _connection(url, self._wanted) as connection:
                member.connect(_now())
                self._told(member)
                await self._read(connection, member)
        except (OSError, WebSocketException, EOFError, ValueError) as error:
            member.disconnect(_why(error))
            self._told(member)

    async def _read(self, connection: ClientConnection, member: Watched) -> None:
        bucket = Bucket(_RATE, _BURST)
        while True:
            async with asyncio.timeout(DEAD_S):
                frame = await connection.recv(decode=False)
            now = _now()
            bucket.fill(now)
            bucket.level -= len(frame) + _FRAME_COST
            received = member.take(frame, now)
            if received is not None:
                self._heard(member, received, now)
            if bucket.level < 0:
                await asyncio.sleep(-bucket.level / _RATE)


def _now() -> HostTime:
    return HostTime(time.monotonic_ns())


def _connection(url: str, wanted: Wanted) -> connect:
    parts = urlsplit(url)
    headers: Mapping[str, str] = {"Authorization": f"Bearer {wanted.token}"} if wanted.token else {}
    options: dict[str, Any] = {
        "host": parts.hostname,  # said again, it keeps a redirect from leading elsewhere
        "port": parts.port,
        "additional_headers": headers,
        "user_agent_header": None,
        "compression": None,
        "proxy": None,
        "open_timeout": OPEN_S,
        "ping_interval": None,  # it pings us
        "close_timeout": 0.5,
        "max_size": MOST_FRAME_BYTES,
        "logger": _MUTE,
    }
    if parts.scheme == "wss":
        options["ssl"] = wanted.tls or ssl.create_default_context()
    return connect(url, **options)


_MUTE = logging.getLogger("k1edge.audience")
_MUTE.disabled = True  # a peer's nonsense is no line between ours

_REFUSALS = {
    401: "it wants a token: give --token",
    403: "it does not let us read",
    404: "no telemetry there; is it a k1edge?",
    421: "it does not know that name: use its address, or a .local name",
    503: "it has too many subscribers",
}


def _why(error: Exception) -> str:
    """In words, with the cure, fit for a terminal."""
    match error:
        case InvalidStatus():
            code = error.response.status_code
            words = _REFUSALS.get(code, f"it answered {code}; is it a k1edge?")
        case ConnectionClosed() if error.rcvd is not None:
            words = f"it closed the connection: {plain(error.rcvd.reason) or error.rcvd.code}"
        case ConnectionClosed():
            words = "the connection broke off" if error.sent is None else _OURS.get(error.sent.code, "it broke the WebSocket protocol")
        case ssl.SSLCertVerificationError():
            words = f"its certificate can't be trusted ({plain(error.verify_message)}): give --ca FILE, or --insecure"
        case ssl.SSLError():
            words = "no TLS there: give its address as http://"
        case TimeoutError():
            words = "no answer"
        case OSError(errno=int() as number) if number > 0:  # others are of the resolver
            words = os.strerror(number)
        case OSError():
            words = plain(error.strerror or str(error)) or type(error).__name__
        case _:
            words = f"it speaks no telemetry ({type(error).__name__}); is it a k1edge?"
    return words


_OURS = {1009: f"it sent a frame of more than {MOST_FRAME_BYTES} bytes", 1000: "the connection broke off"}
