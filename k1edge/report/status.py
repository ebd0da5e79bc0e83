"""HTTP on the Unix socket, inside the daemon's loop. All state here is owned by the event loop."""

import asyncio
import os
import socket
import stat
from pathlib import Path

import structlog
from starlette.types import ASGIApp

from k1edge.errors import K1EdgeError
from k1edge.report.instance import InstanceLock
from k1edge.report.server import LimitedServer, Limits

log = structlog.get_logger(__name__)

WATCH_S = 1.0
"""How often it is checked that the socket is still where clients look for it."""


class StatusServer:
    """Serves an application on a Unix socket, 0660, in a directory that only its group may enter.

    Args:
        app: what answers.
        path: the socket.
        limits: what clients may take.
    """

    def __init__(self, app: ASGIApp, path: Path, limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
        self.path = path
        self._app = app
        self._limits = limits
        self._lock = InstanceLock(lock_path(path))
        self._server: LimitedServer | None = None
        self._watching: asyncio.Task[None] | None = None
        self._inode: tuple[int, int] | None = None

    async def start(self) -> None:
        """Listen; returns once connections are accepted.

        Raises:
            AlreadyRunningError: another daemon listens here.
            K1EdgeError: the path can't be used; the message says why and what to do.
        """
        self._listen()
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

    def _listen(self) -> None:
        self._lock.acquire()
        sock = _bind(self.path)
        self._inode = _inode(self.path)
        self._server = LimitedServer(self._app, self._limits)
        self._server.start([sock])

    async def _hang_up(self) -> None:
        if self._server is None:
            return
        if self._inode is not None and _inode(self.path) == self._inode:
            self.path.unlink(missing_ok=True)
        await self._server.stop()
        self._server = self._inode = None

    async def _watch(self) -> None:
        """Bind again when somebody wiped the directory; named once, tried for ever."""
        complained = False
        while True:
            await asyncio.sleep(WATCH_S)
            if self._server is not None and self._inode is not None and _inode(self.path) == self._inode:
                continue
            await self._hang_up()
            try:
                self._listen()
            except (K1EdgeError, OSError) as error:
                if not complained:
                    log.warning("status socket lost", path=str(self.path), why=str(error))
                complained = True
            else:
                log.warning("status socket was gone; bound again", path=str(self.path))
                complained = False


_BACKLOG = 64


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
        sock.listen(_BACKLOG)
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
