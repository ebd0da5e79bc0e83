"""HTTP on the Unix socket, inside the daemon's loop. All state here is owned by the event loop.

uvicorn limits the size of a request; it has no limit for how long a client may take or how many may hang on. Those are here, so that
a client that sends half a request, never reads or comes 500 times costs itself its connection and nobody else anything.
"""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from k1edge.errors import K1EdgeError
from k1edge.report.instance import InstanceLock

log = structlog.get_logger(__name__)

MOST_CLIENTS = 64
"""Connections at a time; one more closes the oldest."""

REQUEST_S = 5.0
"""From the connection, or the answer before, until the whole answer has been handed to the kernel."""

_MOST_HEAD_BYTES = 16 * 1024
_MOST_ANSWERS_UNREAD_BYTES = 64 * 1024

WATCH_S = 1.0
"""How often it is checked that the socket is still where clients look for it."""


class _Clients(ServerState):
    """The connections, oldest first (uvicorn's own set has no order)."""

    def __init__(self) -> None:
        super().__init__()
        self.by_age: dict[_Connection, None] = {}


class _Connection(H11Protocol):
    """One client, with a time limit for each request."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        transport.set_write_buffer_limits(_MOST_ANSWERS_UNREAD_BYTES)
        by_age = self._by_age()
        if len(by_age) >= MOST_CLIENTS:
            oldest = next(iter(by_age))
            del by_age[oldest]  # at once: it is lost only in the loop's next turn, and a crowd comes in one
            oldest.transport.abort()
        by_age[self] = None
        self._restart_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._by_age().pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._restart_timer()

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if self.transport.is_closing() else self.loop.call_later(REQUEST_S, self.transport.abort)

    def _by_age(self) -> dict["_Connection", None]:
        state = self.server_state
        if not isinstance(state, _Clients):
            msg = "this protocol needs the state that counts by age"
            raise TypeError(msg)
        return state.by_age


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: those are the daemon's. `listening` is set once it accepts."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.clients = _Clients()
        self.server_state = self.clients
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.clients.by_age):
            if connection.cycle is None or connection.cycle.response_complete:
                connection.transport.abort()  # nothing is owed to it
        await super().shutdown(sockets)


class StatusServer:
    """Serves an application on a Unix socket, 0660, in a directory that only its group may enter.

    Args:
        app: what answers.
        path: the socket.
        lock: held already by whoever decides about single instances; None = one beside the socket.
    """

    def __init__(self, app: ASGIApp, path: Path, lock: InstanceLock | None = None) -> None:
        self.path = path
        self._app = app
        self._lock = lock or InstanceLock(lock_path(path))
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._inode: tuple[int, int] | None = None

    async def start(self) -> None:
        """Listen; returns once connections are accepted.

        Raises:
            AlreadyRunningError: another daemon listens here.
            K1EdgeError: the path can't be used; the message says why and what to do.
        """
        await self._listen()
        self._watching = asyncio.create_task(self._watch(), name="status socket watch")

    async def stop(self) -> None:
        """Finish answers under way (1 s at most), remove the socket, give the lock back; may be called twice."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self._watching = None
        await self._hang_up()
        self._lock.release()

    @property
    def clients(self) -> int:
        """Connections now."""
        return len(self._server.clients.by_age) if self._server is not None else 0

    async def _listen(self) -> None:
        self._lock.acquire()
        sock = _bind(self.path)
        self._inode = _inode(self.path)
        config = uvicorn.Config(self._app, **_UVICORN)
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[sock]), name="status server")
        listening = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait({self._serving, listening}, return_when=asyncio.FIRST_COMPLETED)
        if not listening.done():
            listening.cancel()
            await self._serving  # raises what went wrong

    async def _hang_up(self) -> None:
        if self._server is None or self._serving is None:
            return
        if self._inode is not None and _inode(self.path) == self._inode:
            self.path.unlink(missing_ok=True)
        self._server.should_exit = True
        await asyncio.gather(self._serving, return_exceptions=True)
        self._server = self._serving = self._inode = None

    async def _watch(self) -> None:
        """Bind again when somebody wiped the directory; named once, tried for ever."""
        complained = False
        while True:
            await asyncio.sleep(WATCH_S)
            serving = self._serving is not None and not self._serving.done()
            if serving and self._inode is not None and _inode(self.path) == self._inode:
                continue
            await self._hang_up()
            try:
                await self._listen()
            except (K1EdgeError, OSError) as error:
                if not complained:
                    log.warning("status socket lost", path=str(self.path), why=str(error))
                complained = True
            else:
                log.warning("status socket was gone; bound again", path=str(self.path))
                complained = False


_UVICORN: dict[str, Any] = {
    "loop": "asyncio",
    "http": _Connection,
    "ws": "none",
    "lifespan": "off",
    "interface": "asgi3",
    "log_config": None,
    "access_log": False,
    "proxy_headers": False,
    "server_header": False,
    "date_header": False,
    "backlog": MOST_CLIENTS,
    "timeout_keep_alive": 5,
    "timeout_graceful_shutdown": 1,
    "h11_max_incomplete_event_size": _MOST_HEAD_BYTES,
}


def lock_path(socket_path: Path) -> Path:
    """The lock file that belongs to a socket."""
    return socket_path.with_name(socket_path.name + ".lock")


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _bind(path: Path) -> socket.socket:
    """Bind and listen on `path`, mode 0660 from the first moment on; what a dead daemon left there is removed."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        _clear(path)
        os.fchmod(sock.fileno(), 0o660)  # bind(2) makes the file with this mode, less the umask
        sock.bind(str(path))
        path.chmod(0o660)
        sock.listen(MOST_CLIENTS)
    except OSError as error:
        sock.close()
        msg = f"{path} can't be listened on: {error.strerror or error}. Give another status.socket"
        raise K1EdgeError(msg) from error
    except BaseException:
        sock.close()
        raise
    return sock


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        msg = f"{path} is there and is no socket; move it away, or give another status.socket"
        raise K1EdgeError(msg)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
    msg = f"another program listens on {path}; stop it, or give another status.socket"
    raise K1EdgeError(msg)
