"""Asks the daemon over its Unix socket; every way in which that can fail has its own words and its own cure."""

import http.client
import json
import socket
from collections.abc import Sequence
from pathlib import Path

from k1edge.errors import DeviceError, PeerError

TIMEOUT_S = 3.0
"""A daemon answers within milliseconds; this one is stuck."""

_MOST_BYTES = 1 << 20


class _UnixConnection(http.client.HTTPConnection):
    """HTTP to a path instead of a host."""

    def __init__(self, path: Path) -> None:
        super().__init__("k1", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(str(self._path))


def fetch(paths: Sequence[Path], route: str, order: dict[str, object] | None = None) -> bytes:
    """GET `route` from the first of `paths` that is there; with an `order`, POST that as JSON.

    Raises:
        DeviceError: nobody listens there, or we may not ask.
        PeerError: something answers, and not as the daemon does.
    """
    refused: OSError | None = None
    for path in paths:
        try:
            return _ask(path, route, order)
        except FileNotFoundError:
            continue
        except (PermissionError, ConnectionError) as error:
            refused = refused or error
            refused_path = path
        except TimeoutError as error:
            msg = f"the daemon at {path} does not answer within {TIMEOUT_S:g} s; look at its log, or restart it"
            raise PeerError(msg) from error
        except OSError as error:
            msg = f"{path}: {error.strerror or error}"
            raise DeviceError(msg) from error
    if isinstance(refused, PermissionError):
        msg = f'you may not ask the daemon at {refused_path}; use sudo, or join its group: "sudo adduser $USER k1edge" and log in anew'
    elif refused is not None:
        msg = f"nobody listens at {refused_path} any more: the daemon died ({refused.strerror}). {_CURE}"
    else:
        msg = f"no daemon is running: there is no {' and no '.join(map(str, paths))}. {_CURE}"
    raise DeviceError(msg) from refused


_CURE = 'Start it by "systemctl start k1edge" or "k1edge run", or name its socket by --socket'


def _ask(path: Path, route: str, order: dict[str, object] | None) -> bytes:
    connection = _UnixConnection(path)
    try:
        connection.request("GET" if order is None else "POST", route, None if order is None else json.dumps(order))
        answer = connection.getresponse()
        body = answer.read(_MOST_BYTES)
    except http.client.HTTPException as error:
        msg = f"what listens at {path} does not speak HTTP ({type(error).__name__}); is it a k1edge?"
        raise PeerError(msg) from error
    finally:
        connection.close()
    if answer.status not in {http.HTTPStatus.OK, http.HTTPStatus.ACCEPTED}:
        msg = f"the daemon at {path} answered {answer.status}: {_detail(body)}"
        raise PeerError(msg)
    return body


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])[:200]
    except (ValueError, KeyError, TypeError):
        return "no reason given"
