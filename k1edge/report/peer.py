"""Who is at the other end of a Unix socket, and whether that one may control the daemon: the mode of its directory is only the first gate."""

import os
import socket
import struct
from pathlib import Path
from typing import Any

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_SO_PEERGROUPS = 59
"""Linux since 4.13; Python has no name for it."""

_MOST_GROUPS = 1_024


def may_control(connection: Any) -> bool:
    """Root, our own user and members of the socket's group may; anybody else, the network, and whoever can't be made out, may not.

    Args:
        connection: a socket, or what asyncio shows of one.
    """
    if connection.family != socket.AF_UNIX:
        return False
    try:
        _, uid, gid = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if uid in {0, os.getuid()}:
            return True
        group = Path(connection.getsockname()).stat().st_gid
        listed = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 4 * _MOST_GROUPS)
    except OSError:
        return False
    return group in {gid, *struct.unpack(f"{len(listed) // 4}I", listed)}
