"""The one limited HTTP server: the status socket and the LAN both stand on it. All state here is owned by the event loop.

uvicorn speaks HTTP and limits the size of a request; it has no limit for how long a client may take, how many may hang on, or how many may
stand in a TLS handshake. Those are here, so that a client that sends half a request, never reads or comes 500 times costs itself its
connection and nobody else anything. uvicorn's own accept loop and signal handlers are not used.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from k1edge.report.peer import may_control

log = structlog.get_logger(__name__)

FAREWELL_S = 1.0
"""How long a stop waits for answers that are under way."""

SHED_S = 1.0
"""How long nobody is let in after the descriptors or the memory ran out."""

_MOST_HEAD_BYTES = 16 * 1024
_MOST_ANSWERS_UNREAD_BYTES = 64 * 1024
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

Upgrade = Callable[..., asyncio.Protocol]
"""Makes the protocol of a WebSocket connection of uvicorn's `config`, `server_state` and `app_state`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take.

    Attributes:
        most_clients: connections at a time; one more closes the oldest.
        most_per_address: of those from one address; one more closes its oldest. None where clients have no address.
        request_s: from the connection, or the answer before, until the whole answer has been handed to the kernel; also for a TLS handshake.
    """

    most_clients: int = 64
    most_per_address: int | None = None
    request_s: float = 5.0


class Clients(ServerState):
    """The connections that ask, oldest first (uvicorn's own set has no order). Those that became WebSockets are no longer among them."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        self.by_age: dict[_Connection, None] = {}

    def admit(self, newcomer: "_Connection") -> None:
        """Make room for one more, at the cost of its own address first."""
        most = self.limits.most_per_address
        same = [] if most is None else [each for each in self.by_age if each.address == newcomer.address]
        if most is not None and len(same) >= most:
            self._push_out(same[0])
        elif len(self.by_age) >= self.limits.most_clients:
            self._push_out(next(iter(self.by_age)))
        self.by_age[newcomer] = None

    def _push_out(self, oldest: "_Connection") -> None:
        del self.by_age[oldest]  # at once: it is lost only in the loop's next turn, and a crowd comes in one
        oldest.transport.abort()


class _Connection(H11Protocol):
    """One client, with a time limit for each request."""

    _timer: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        """Where it comes from; empty on a Unix socket."""
        return plain_address(self.client)

    @property
    def clients(self) -> Clients:
        """Those beside it."""
        state = self.server_state
        if not isinstance(state, Clients):
            msg = "this protocol needs the state that counts by age"
            raise TypeError(msg)
        return state

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self.app_state = {"may_control": may_control(transport.get_extra_info("socket"))}
        transport.set_write_buffer_limits(_MOST_ANSWERS_UNREAD_BYTES)
        self.clients.admit(self)
        self._restart_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._leave()  # its new protocol has its own limits
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._restart_timer()

    def _leave(self) -> None:
        self.clients.by_age.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        closing = self.transport.is_closing()
        self._timer = None if closing else self.loop.call_later(self.clients.limits.request_s, self.transport.abort)


class LimitedServer:
    """Serves an application on listening sockets.

    Args:
        app: what answers.
        limits: what clients may take.
        tls: speak TLS with this.
        upgrade: takes over who asks for a WebSocket; None = nobody may.
        shed: called when descriptors or memory run out, to give some back.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        *,
        tls: ssl.SSLContext | None = None,
        upgrade: Upgrade | None = None,
        shed: Callable[[], None] = lambda: None,
    ) -> None:
        self.clients = Clients(limits)
        self._config = uvicorn.Config(app, **_UVICORN, ws=upgrade or "none")  # type: ignore[arg-type] # any maker of a protocol does
        self._config.load()
        self._tls = tls
        self._shed = shed
        self._listeners: list[socket.socket] = []
        self._entering: dict[asyncio.Task[None], socket.socket] = {}  # oldest first; in the TLS handshake where there is one
        self._resuming: asyncio.TimerHandle | None = None

    def start(self, listeners: list[socket.socket]) -> None:
        """Accept on `listeners`, which are bound, listening and non-blocking; they are ours from now on."""
        self._listeners = listeners
        self._resume()

    async def stop(self) -> None:
        """Take nobody in any more, finish answers under way (`FAREWELL_S` at most), close everything; may be called twice."""
        self._pause()
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        for task in self._entering:
            task.cancel()
        for connection in list(self.clients.connections):
            if isinstance(connection, _Connection) and (connection.cycle is None or connection.cycle.response_complete):
                connection.transport.abort()  # nothing is owed to it
            else:
                connection.shutdown()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._until_empty(), FAREWELL_S)
        for connection in list(self.clients.connections):
            connection.transport.abort()
        for task in list(self.clients.tasks):
            task.cancel()
        await asyncio.gather(*self._entering, *self.clients.tasks, return_exceptions=True)

    async def _until_empty(self) -> None:
        while self.clients.connections or self.clients.tasks:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.01)

    def _resume(self) -> None:
        for listener in self._listeners:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _pause(self) -> None:
        if self._resuming is not None:
            self._resuming.cancel()
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener)

    def _accept(self, listener: socket.socket) -> None:
        """Take in who waits, not more than the limit in one turn of the loop."""
        for _ in range(self.clients.limits.most_clients):
            try:
                sock, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                log.warning("no more clients for now", why=error.strerror)
                self._pause()
                self._shed()
                self._resuming = asyncio.get_running_loop().call_later(SHED_S, self._resume)
                return
            sock.setblocking(False)
            if len(self._entering) >= self.clients.limits.most_clients:
                next(iter(self._entering)).cancel()
            task = asyncio.create_task(self._let_in(sock))
            self._entering[task] = sock
            task.add_done_callback(self._entered)

    async def _let_in(self, sock: socket.socket) -> None:
        patience = {} if self._tls is None else {"ssl_handshake_timeout": self.clients.limits.request_s, "ssl_shutdown_timeout": FAREWELL_S}
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, sock, ssl=self._tls, **patience)
        except (OSError, TimeoutError):  # of the handshake, or gone already
            sock.close()

    def _entered(self, task: asyncio.Task[None]) -> None:
        sock = self._entering.pop(task)
        if task.cancelled():
            sock.close()  # a task that never began can't do it itself

    def _protocol(self) -> asyncio.Protocol:
        return _Connection(self._config, self.clients, {})


_UVICORN: dict[str, Any] = {
    "loop": "asyncio",
    "http": _Connection,
    "lifespan": "off",
    "interface": "asgi3",
    "log_config": None,
    "access_log": False,
    "proxy_headers": False,
    "server_header": False,
    "date_header": False,
    "timeout_keep_alive": 5,
    "h11_max_incomplete_event_size": _MOST_HEAD_BYTES,
}


def plain_address(peer: tuple[str, int] | None) -> str:
    """Address of a client, an IPv4 one as itself and not wrapped in IPv6; empty where there is none."""
    return "" if peer is None else peer[0].removeprefix("::ffff:")
