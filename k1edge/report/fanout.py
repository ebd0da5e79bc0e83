"""`/telemetry`: every message to every subscriber over WebSocket. All state here is owned by the event loop.

A message is encoded and framed once for each format in use, and those bytes are written to every transport: no task, no queue and no
wake-up per subscriber. One that does not read gets a slot: the newest telemetry waits there in place of the one before, beats and alerts
wait in a short queue. What it lost is counted; after `SLOW_S`, or without an answer to a ping, it is cut off. Clients have nothing to say:
data from them ends the connection.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from uvicorn.protocols.utils import get_remote_addr, is_ssl
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from k1edge.report.feed import Feed
from k1edge.report.formats import SUBPROTOCOLS, Format, choose, framed
from k1edge.report.guard import Guard, joined
from k1edge.report.server import plain_address
from k1edge.report.telemetry import HelloMessage, Message, TelemetryMessage

PATH = "/telemetry"

SWEEP_S = 1.0
PINGS_S = 10
"""A ping every so many sweeps; who has not answered by the next one is gone or frozen."""

_MOST_FRAME_BYTES = 1024
_MOST_HEARD_BYTES_PER_S = 4096
"""Pings, pongs and a close are all we have to hear."""

_SEND_BUFFER_BYTES = 32 * 1024
"""The kernel's own queue for one subscriber: some 30 messages. Without a limit a frozen one is sent minutes of stale samples first."""

_MOST_WAITING = 32

_SLOT = object()


@dataclass(frozen=True, slots=True)
class FanoutLimits:
    """What subscribers may take.

    Attributes:
        most: subscribers at a time; one more is refused with 503.
        most_per_address: of those from one address.
        slow_s: who has not taken what we sent for this long is cut off.
    """

    most: int = 128
    most_per_address: int = 16
    slow_s: float = 10.0


@dataclass(slots=True)
class FanoutCounts:
    """Since the start: messages handed to the kernel, messages that slow ones lost, subscribers cut off, and who was not let in."""

    sent: int = 0
    lost: int = 0
    cut_off: int = 0
    refused: int = 0


class Fanout:
    """The subscribers.

    Args:
        feed: what is sent; listened to only while there are subscribers.
        guard: who may subscribe; may be exchanged while running.
        hello: makes the first message.
        limits: what subscribers may take.
    """

    def __init__(self, feed: Feed, guard: Guard, hello: Callable[[], HelloMessage], limits: FanoutLimits = FanoutLimits()) -> None:
        self.guard = guard
        self.hello = hello
        self.limits = limits
        self.counts = FanoutCounts()
        self.members: dict[_Subscriber, None] = {}  # oldest first
        self._feed = feed
        self._silence: Callable[[], None] = lambda: None
        self._sweeping: asyncio.TimerHandle | None = None
        self._sweeps = 0

    def upgrade(self, config: uvicorn.Config, server_state: ServerState, app_state: dict[str, Any]) -> asyncio.Protocol:  # noqa: ARG002 - uvicorn hands them over by name
        """Make the protocol of one connection; see `server.Upgrade`."""
        return _Subscriber(self, server_state)

    def shed(self) -> None:
        """Let half of the subscribers go, the newest: the daemon runs out of descriptors or memory, and beats come first."""
        for member in list(self.members)[len(self.members) // 2 :]:
            member.cut_off()

    def dismiss(self) -> None:
        """Say goodbye to everybody; who may come back will."""
        for member in list(self.members):
            member.shutdown()

    def admit(self, newcomer: "_Subscriber") -> bool:
        """Take one in, if there is room."""
        same = sum(member.address == newcomer.address for member in self.members)
        if len(self.members) >= self.limits.most or same >= self.limits.most_per_address:
            return False
        if not self.members:
            self._silence = self._feed.listen(self._publish)
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)
        self.members[newcomer] = None
        return True

    def leave(self, member: "_Subscriber") -> None:
        """Forget one."""
        if self.members.pop(member, self) is None and not self.members:
            self._silence()
            if self._sweeping is not None:
                self._sweeping.cancel()

    def _publish(self, message: Message) -> None:
        frames: dict[Format, bytes] = {}
        replaces = isinstance(message, TelemetryMessage)
        for member in list(self.members):
            frame = frames.get(member.format)
            if frame is None:
                frame = frames[member.format] = framed(message, member.format)
            member.offer(frame, replaces=replaces)

    def _sweep(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)
        self._sweeps += 1
        for member in list(self.members):
            member.sweep(ping=self._sweeps % PINGS_S == 0)


class _Subscriber(asyncio.Protocol):
    """One connection, from its handshake on."""

    def __init__(self, fanout: Fanout, server_state: ServerState) -> None:
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # until connection_made
        self.address = ""
        self.format: Format = "msgpack"
        self._fanout = fanout
        self._connections: set[Any] = server_state.connections
        self._protocol = ServerProtocol(select_subprotocol=choose, max_size=_MOST_FRAME_BYTES, logger=_MUTE)
        self._member = False
        self._heard_bytes = 0  # since the last sweep
        self._answered = True  # the last ping
        self._paused_at: float | None = None  # loop time since when it takes nothing
        self._waiting: dict[object, bytes] = {}  # while it takes nothing, in order: beats and alerts, and under _SLOT the newest telemetry

    # --- asyncio ---------------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self.transport = transport
        self.address = plain_address(get_remote_addr(transport))
        self._connections.add(self)
        transport.set_write_buffer_limits(
            high=1, low=0
        )  # what the kernel does not take at once is a sign; TLS would take high=0 for "always"
        sock = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._connections.discard(self)
        self._fanout.leave(self)

    def data_received(self, data: bytes) -> None:
        self._heard_bytes += len(data)
        if self._member and self._heard_bytes > _MOST_HEARD_BYTES_PER_S:
            self.cut_off()
            return
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._shake_hands(event)
            elif isinstance(event, Frame) and event.opcode is Opcode.PONG:
                self._answered = True
            elif isinstance(event, Frame) and event.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
                self._protocol.fail(CloseCode.POLICY_VIOLATION, "reading only")
        if self._protocol.handshake_exc is not None and not self._member:
            self.transport.close()  # uvicorn let it pass, the stricter parser here did not
            return
        self._flush()

    def pause_writing(self) -> None:
        self._paused_at = asyncio.get_running_loop().time()

    def resume_writing(self) -> None:
        self._paused_at = None
        waiting, self._waiting = self._waiting, {}
        if waiting:
            self._fanout.counts.sent += len(waiting)
            self.transport.write(b"".join(waiting.values()))

    # --- the server and the fan-out --------------------------------------------------------------------------------------------

    def shutdown(self) -> None:
        """Say goodbye; the daemon stops."""
        if self._paused_at is not None:
            self.transport.abort()
            return
        if self._member:
            self._protocol.send_close(CloseCode.GOING_AWAY)
        self._flush()
        self.transport.close()

    def offer(self, frame: bytes, *, replaces: bool) -> None:
        """Send a frame, or keep it until this one reads again. `replaces`: it makes the one before it worthless."""
        counts = self._fanout.counts
        if self._paused_at is None:
            counts.sent += 1
            self.transport.write(frame)
            return
        if replaces:
            counts.lost += self._waiting.pop(_SLOT, None) is not None
        elif len(self._waiting) >= _MOST_WAITING:
            counts.lost += 1
            del self._waiting[next(iter(self._waiting))]
        self._waiting[_SLOT if replaces else object()] = frame

    def sweep(self, *, ping: bool) -> None:
        """Once a second: cut off who reads too slowly or is gone."""
        self._heard_bytes = 0
        slow = self._paused_at is not None and asyncio.get_running_loop().time() - self._paused_at > self._fanout.limits.slow_s
        if slow or (ping and not self._answered):
            self.cut_off()
        elif ping and self._paused_at is None:
            self._answered = False
            self._protocol.send_ping(b"")
            self._flush()

    def cut_off(self) -> None:
        """Close without a word: it would not be heard."""
        self._fanout.counts.cut_off += 1
        self._fanout.leave(self)
        self.transport.abort()

    # --- inside ----------------------------------------------------------------------------------------------------------------

    def _shake_hands(self, request: Request) -> None:
        response = self._refusal(request) or self._protocol.accept(request)
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            if self._protocol.subprotocol is not None:
                self.format = SUBPROTOCOLS[self._protocol.subprotocol]
            self._member = self._fanout.admit(self)
            if not self._member:
                response = self._protocol.reject(HTTPStatus.SERVICE_UNAVAILABLE, "too many subscribers\n")
        del response.headers["Date"]
        self._protocol.send_response(response)
        self._flush()
        if self._member:
            self.offer(framed(self._fanout.hello(), self.format), replaces=False)
        else:
            self._fanout.counts.refused += 1
            self.transport.close()

    def _refusal(self, request: Request) -> Response | None:
        path, _, query = request.path.partition("?")
        if path != PATH:
            return self._protocol.reject(HTTPStatus.NOT_FOUND, f"there is {PATH}\n")
        refusal = self._fanout.guard.judge(joined(request.headers.raw_items()), "wss" if is_ssl(self.transport) else "ws", query)
        if refusal is not None:
            response = self._protocol.reject(refusal.status, refusal.detail + "\n")
            response.headers.update(refusal.headers)
            return response
        wanted = parse_qs(query[:1024]).get("format", ["msgpack"])[-1]
        if wanted not in SUBPROTOCOLS.values():
            return self._protocol.reject(HTTPStatus.BAD_REQUEST, "format is msgpack or json\n")
        self.format = "json" if wanted == "json" else "msgpack"
        return None

    def _flush(self) -> None:
        """Hand over what the protocol has to say by itself; close when it is done."""
        for data in self._protocol.data_to_send():
            if data:
                self.transport.write(data)
            else:
                self.transport.close()
        if self._protocol.close_expected() and not self.transport.is_closing():
            self._fanout.leave(self)
            self.transport.close()


_MUTE = logging.getLogger("k1edge.websocket")
_MUTE.disabled = True  # a client's nonsense is no line in our log
