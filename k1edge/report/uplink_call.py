"""One connection to the hub: a WebSocket client without tasks or queues of its own. All state here is owned by the event loop.

The library parses and frames (`ClientProtocol`, without I/O); this class writes what the kernel takes at once and leaves the rest in the
buffer, where newer telemetry replaces older. What a hub sends costs a bounded number of frames a second, whatever it is; more waits unread.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import WebSocketURI

from k1edge.report.peer_table import plain
from k1edge.report.uplink_messages import MOST_HUB_BYTES, UplinkHello, pack
from k1edge.report.uplink_session import Fault, UplinkSession
from k1edge.timebase import HostTime

_SLICE_BYTES = 1024
"""What is parsed before the frames are counted again."""

_MOST_FRAMES = 400
"""Of the hub in one second: many times what it has to say. The rest is left unread, so that TCP holds it back."""

_MOST_ANSWER_BYTES = 16 * 1024
"""Of the HTTP answer."""

_SEND_BUFFER_BYTES = 32 * 1024
"""The kernel's own queue: some 15 messages. Without a limit a slow hub is sent minutes of stale samples first."""

_BURST = 16
_BURST_PAUSE_S = 0.005
"""After an outage alerts go in bursts of so many, so that thousands of them do not hold up the event loop."""

_CURES = {
    HTTPStatus.UNAUTHORIZED: "it refuses our token; set telemetry.uplink_token to the one it expects",
    HTTPStatus.FORBIDDEN: "it refuses this daemon or its token; set telemetry.uplink_token, and look into the hub's log",
    HTTPStatus.NOT_FOUND: "there is no uplink at this address; set telemetry.uplink to the address of the hub itself",
}


class HubCall(asyncio.Protocol):
    """From the request on. `pulse` wants to be called once a second.

    Args:
        uri: where; its host goes into the request.
        headers: of the request, besides those of the handshake.
        session: hears what comes, gives what to send.
        hello: makes the first message.

    Attributes:
        decided: set when the hub has accepted, or when it is over.
        ended: done with the reason when it is over.
    """

    def __init__(self, uri: WebSocketURI, headers: Mapping[str, str], session: UplinkSession, hello: Callable[[], UplinkHello]) -> None:
        self.decided = asyncio.Event()
        self.ended: asyncio.Future[Fault] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport = None  # type: ignore[assignment] # until connection_made
        self._protocol = ClientProtocol(uri, max_size=MOST_HUB_BYTES, logger=_MUTE)
        self._headers = headers
        self._session = session
        self._hello = hello
        self._unread = b""  # what came beyond the measure of this second
        self._frames = 0  # in this second
        self._answer_bytes = 0
        self._paused = False  # the kernel takes nothing
        self._pumping: asyncio.TimerHandle | None = None  # the next burst

    # --- asyncio ---------------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to be let in."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport
        transport.set_write_buffer_limits(high=1, low=0)  # as in the fan-out: what is not taken at once is a sign
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        request = self._protocol.connect()
        request.headers.update(self._headers)
        self._protocol.send_request(request)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take that it is over, if that is news."""
        self.end(Fault(f"the connection broke ({exc}); look whether the hub runs" if exc else "the hub hung up; look into its log"))

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._unread += data
        self._read()

    def pause_writing(self) -> None:
        """Leave the rest in the buffer."""
        self._paused = True
        self._session.stall(_now())

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        self._session.resume()
        self.pump()

    # --- for the uplink --------------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Send what waits, as far as the kernel takes it."""
        if self._pumping is not None or self._protocol.state is not State.OPEN or self.ended.done():
            return
        for _ in range(_BURST):
            message = None if self._paused else self._session.buffer.take(_now())
            if message is None:
                return
            self._protocol.send_binary(pack(message))
            self._flush()
        self._pumping = asyncio.get_running_loop().call_later(_BURST_PAUSE_S, self._pump_on)

    def pulse(self, *, ping: bool) -> None:
        """Once a second: read on, ask whether the hub lives, give up one that does not."""
        self._frames = 0
        self._read()
        fault = self._session.fault(_now())
        if fault is not None:
            self.end(fault)
        elif ping and self._protocol.state is State.OPEN and not self.ended.done():
            self._protocol.send_ping(b"")
            self._flush()

    def leave(self) -> None:
        """Say goodbye; the daemon stops."""
        if self._protocol.state is State.OPEN and not self._paused and not self.ended.done():
            self._protocol.send_close(CloseCode.GOING_AWAY)
            self._flush()
            self._transport.close()
        self.end(Fault("stopped"))

    def end(self, fault: Fault) -> None:
        """Be done with it; the first reason counts."""
        if self._pumping is not None:
            self._pumping.cancel()
        if not self.ended.done():
            self.ended.set_result(fault)
        self.decided.set()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()

    # --- inside ----------------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Parse what has come, within the measure of this second."""
        while self._unread and self._frames < _MOST_FRAMES and not self.ended.done():
            part, self._unread = self._unread[:_SLICE_BYTES], self._unread[_SLICE_BYTES:]
            self._session.sign(_now())
            if not self.decided.is_set():
                self._answer_bytes += len(part)
                if self._answer_bytes > _MOST_ANSWER_BYTES:
                    self.end(Fault("what answers there is no hub; set telemetry.uplink to its address", slow=True))
                    return
            self._protocol.receive_data(part)
            for event in self._protocol.events_received():
                if isinstance(event, Frame):
                    self._frames += 1
                    self._hear(event)
                elif self._protocol.handshake_exc is None:
                    self._accepted()
            if self._protocol.handshake_exc is not None:
                self.end(refusal(self._protocol.handshake_exc))
            elif self._protocol.parser_exc is not None:
                self.end(Fault(f"the hub breaks the protocol ({self._protocol.parser_exc}); look whether it is one", slow=True))
        if not self.ended.done():
            (self._transport.pause_reading if self._unread else self._transport.resume_reading)()
            self._flush()

    def _accepted(self) -> None:
        self._session.open(_now())
        self.decided.set()
        if self._protocol.state is State.OPEN:  # what came with the answer may have ended it
            self._protocol.send_binary(pack(self._hello()))
            self._flush()
            self.pump()

    def _hear(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY and frame.fin:
            self._session.hear(bytes(frame.data), _now())
        elif frame.opcode is Opcode.CLOSE:
            said = self._protocol.close_rcvd
            words = "" if said is None else f" ({said.code}) {plain(said.reason)}".rstrip()
            slow = said is not None and said.code == CloseCode.POLICY_VIOLATION
            self.end(Fault(f"the hub closed the connection{words}; look into its log", slow=slow))
        elif frame.opcode not in {Opcode.PING, Opcode.PONG}:
            self._session.ignore()

    def _pump_on(self) -> None:
        self._pumping = None
        self.pump()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data and not self._transport.is_closing():
                self._transport.write(data)


def refusal(error: Exception) -> Fault:
    """What a failed handshake means, with the cure. Redirects are not followed: the token is for the hub that was named."""
    if not isinstance(error, InvalidStatus):
        what = str(error) if isinstance(error, InvalidHandshake) else type(error).__name__
        return Fault(f"what answers there is no hub ({what}); set telemetry.uplink to its address", slow=True)
    status = error.response.status_code
    if 300 <= status < 400:
        return Fault(f"HTTP {status}: it points elsewhere, which is not followed; set telemetry.uplink to where the hub is", slow=True)
    cure = _CURES.get(HTTPStatus(status)) if status in set(HTTPStatus) else None
    return Fault(f"HTTP {status}: {cure or 'the hub can serve nobody now; look into its log'}", slow=status < 500)


def _now() -> HostTime:
    return HostTime(time.monotonic_ns())


_MUTE = logging.getLogger("k1edge.uplink.websocket")
_MUTE.disabled = True  # a hub's nonsense is no line in our log
