"""One daemon per socket: a lock that the kernel lets go by itself when we die."""

import contextlib
import fcntl
import os
from pathlib import Path

from k1edge.errors import K1EdgeError


class AlreadyRunningError(K1EdgeError):
    """Another daemon holds the lock."""


class InstanceLock:
    """An flock on a file beside the socket. Owned by the event loop.

    The file stays when the lock is given back: removing it would let two others lock two different files.

    Args:
        path: the lock file; its directory is made, mode 0750, when it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock, or make sure that the one held still counts: a wiped directory takes the file with it.

        Raises:
            AlreadyRunningError: another daemon has it; the message names its pid.
            K1EdgeError: the place can't be written.
        """
        if self._fd is not None and _same_file(self._fd, self.path):
            return
        self.release()
        fd = self._open()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            other = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            msg = f"k1edge runs already (pid {other}); it holds {self.path}. Stop it, or give this one another status.socket"
            raise AlreadyRunningError(msg) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Give the lock back; may be called twice."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int:
        folder = self.path.parent
        try:
            if not folder.is_dir():
                folder.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    folder.mkdir(mode=0o750)
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        except OSError as error:
            msg = f"{self.path} can't be made: {error.strerror}. Give a status.socket in a directory that you may write"
            raise K1EdgeError(msg) from error


def _same_file(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.lstat())
    except OSError:
        return False
