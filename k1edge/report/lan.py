"""HTTP on the LAN: one port, reading only. Listens where `network.bind` says and keeps trying; never a reason for the daemon to end.

All state here is owned by the event loop.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import structlog
from starlette.types import ASGIApp

from k1edge.config import NetworkSettings
from k1edge.errors import ConfigError, K1EdgeError
from k1edge.report.server import LimitedServer, Limits, Upgrade
from k1edge.report.tls import expiry, load_tls

log = structlog.get_logger(__name__)

RETRY_S = 2.0
"""Between two looks at the port, the interface and the certificate."""

LAN_LIMITS = Limits(most_clients=64, most_per_address=16)

_BACKLOG = 64


class LanServer:
    """The server and its socket.

    Args:
        settings: `[network]`; `bind` is not "off".
        app: what answers, guarded already.
        upgrade: takes over who asks for a WebSocket.
        shed: gives descriptors or memory back when they run out.
        limits: what clients may take.

    Attributes:
        port: the one listened on; None while there is none.
        reason: why it does not listen, with the cure; None while it does.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        app: ASGIApp,
        upgrade: Upgrade | None = None,
        shed: Callable[[], None] = lambda: None,
        limits: Limits = LAN_LIMITS,
    ) -> None:
        self.settings = settings
        self.port: int | None = None
        self.reason: str | None = None
        self._app = app
        self._upgrade = upgrade
        self._shed = shed
        self._limits = limits
        self._server: LimitedServer | None = None
        self._device: tuple[str, int] | None = None  # the interface bound to, with its number then
        self._tls_files: tuple[float, ...] = ()  # when they changed last

    @property
    def clients(self) -> int:
        """Connections now, subscribers not among them."""
        return 0 if self._server is None else len(self._server.clients.by_age)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What people have to know: why it does not listen, or that its certificate has ended."""
        if self.reason is not None:
            return (self.reason,)
        ends = expiry(Path(self.settings.tls_cert)) if self.settings.tls_cert else None
        if ends is not None and ends <= datetime.now(UTC):
            return (f"network.tls_cert: {self.settings.tls_cert} ended on {ends:%Y-%m-%d}; clients will refuse it: put a new one there",)
        return ()

    async def run(self) -> None:
        """Listen until cancelled; what is not there yet is waited for, and taken up again after it went away."""
        try:
            while True:
                if self._server is None or self._moved():
                    await self._hang_up()
                    self._try()
                await asyncio.sleep(RETRY_S)
        finally:
            await self._hang_up()

    def _try(self) -> None:
        was = self.reason
        try:
            self._listen()
            self.reason = None
            log.info("the LAN is served", bind=self.settings.bind, port=self.port, tls=bool(self.settings.tls_cert))
        except (K1EdgeError, OSError) as error:
            self.reason = str(error)
            if self.reason != was:
                log.warning("the LAN is not served", why=self.reason)

    def _listen(self) -> None:
        tls = self._load_tls()
        sock = listening_socket(self.settings.bind, self.settings.port)
        self._device = _device(self.settings.bind)
        self.port = sock.getsockname()[1]
        self._server = LimitedServer(self._app, self._limits, tls=tls, upgrade=self._upgrade, shed=self._shed)
        self._server.start([sock])

    def _load_tls(self) -> ssl.SSLContext | None:
        """Never plain text where TLS was asked for: without its files nothing is served."""
        if not self.settings.tls_cert:
            return None
        self._tls_files = self._changed_at()
        return load_tls(Path(self.settings.tls_cert), Path(self.settings.tls_key))

    def _changed_at(self) -> tuple[float, ...]:
        files = [Path(name) for name in (self.settings.tls_cert, self.settings.tls_key) if name]
        return tuple(path.stat().st_mtime for path in files if path.exists())

    def _moved(self) -> bool:
        """Whether the socket is bound to an interface that was taken away, or speaks with a certificate that has been renewed."""
        gone = self._device is not None and _device(self.settings.bind) != self._device
        return gone or (bool(self.settings.tls_cert) and self._changed_at() != self._tls_files)

    async def _hang_up(self) -> None:
        server, self._server, self.port = self._server, None, None
        if server is not None:
            await server.stop()


def listening_socket(bind: str, port: int) -> socket.socket:
    """Bind and listen: "all", an address, or an interface (both IP versions wherever that is possible).

    Raises:
        ConfigError: not now; the message says why and what to do. It may be right a moment later.
    """
    address = _address(bind)
    version = address.version if address is not None else 6 if _has_ipv6() else 4
    sock = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address is None and bind != "all":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bind.encode())  # whatever addresses it has, now or later
        host, _, zone = bind.partition("%") if address is not None else ("", "", "")
        if version == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address is not None))
            sock.bind((host or "::", port, 0, socket.if_nametoindex(zone) if zone else 0))
        else:
            sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise ConfigError(_cure(error, bind, port)) from error
    return sock


def _cure(error: OSError, bind: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"network: port {port} is taken by another program; stop that one, or set network.port"
    if error.errno == errno.EACCES:
        return f"network: port {port} is not ours to take; set network.port to 1024 or above"
    if error.errno in {errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENXIO, None}:  # an unknown name has no number before Python 3.13
        return f"network: {bind} is not there; waiting for it (network.bind names an address or an interface of this host)"
    if error.errno == errno.EPERM:
        return f"network: this kernel does not let us listen on an interface by name ({bind}); set network.bind to its address"
    return f"network: can't listen on {bind} port {port}: {error.strerror or error}"


def _device(bind: str) -> tuple[str, int] | None:
    """The interface that `bind` names, with its number (0: not there); None where it names none."""
    if bind == "all" or _address(bind) is not None:
        return None
    try:
        return bind, socket.if_nametoindex(bind)
    except OSError:
        return bind, 0


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _has_ipv6() -> bool:
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True
