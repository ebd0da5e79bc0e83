"""Where the hub is, and what it is shown: the addresses to try, the request's headers, the authority its certificate must come from."""

import ssl
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

from k1edge.config import Settings
from k1edge.errors import ConfigError
from k1edge.report.peer_table import DEFAULT_PATH, urls
from k1edge.report.token_file import read_token
from k1edge.snapshot import PeerStatus

HUB_PATH = "/ws/telemetry"


def addresses(settings: Settings, hubs: Sequence[PeerStatus], identity: str) -> list[str]:
    """Where to knock, in this order; with "mdns", `hubs` are those that were found.

    Anybody on the LAN can say that it is a hub. Where `network.token` or `uplink_token` is set, what we tell is not for anybody: then only
    those count that speak TLS, and the certificate has to prove the address.
    """
    setting, device = settings.telemetry.uplink, quote(identity, safe="")
    if setting != "mdns":
        return [f"{setting.rstrip('/')}{HUB_PATH}/{device}"]
    private = bool(settings.network.token or settings.telemetry.uplink_token)
    named = [hub if hub.path != DEFAULT_PATH else hub.model_copy(update={"path": HUB_PATH}) for hub in hubs]  # the default is a daemon's
    return [f"{url.rstrip('/')}/{device}" for hub in named if hub.tls or not private for url in urls(hub)]


def nobody(settings: Settings, hubs: Sequence[PeerStatus]) -> str:
    """Why `addresses` found none, with the cure."""
    if hubs:
        return f"{hubs[0].name} offers no TLS, and we have a token; let it serve wss with tls=1 in its TXT, or name it in telemetry.uplink"
    if settings.network.is_local:
        return "a hub is looked for on the LAN only, and network.bind keeps us off it; name the hub in telemetry.uplink"
    return "no hub is announced on the LAN (_k1hub._tcp); start one, or name it in telemetry.uplink"


def headers(settings: Settings) -> dict[str, str]:
    """What the request says besides the handshake.

    Raises:
        ConfigError: the token's file is not to be read.
    """
    token = settings.telemetry.uplink_token
    if token.startswith("/"):
        token = read_token(Path(token), "telemetry.uplink_token", "the hub is not called until it does")
    return {"Authorization": f"Bearer {token}"} if token else {}


def trust(settings: Settings) -> ssl.SSLContext:
    """Whose certificates are believed: those of `uplink_ca` alone, or of the system's authorities. Reads files: some 20 ms.

    Raises:
        ConfigError: `uplink_ca` is not to be read, or no certificate.
    """
    ca = settings.telemetry.uplink_ca
    try:
        context = ssl.create_default_context(cafile=ca or None)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        msg = f"telemetry.uplink_ca: {ca} can't be read, or holds no PEM certificate ({error}); name a file that the daemon's user may read"
        raise ConfigError(msg) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def explained(url: str, error: Exception) -> tuple[str, bool]:
    """A failed connection in words with the cure, and whether trying again soon is no use."""
    place = urlsplit(url).netloc
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {place} is not believed: {error.verify_message}; name its authority in telemetry.uplink_ca", True
    if isinstance(error, ssl.SSLError):
        return f"{place} speaks no TLS that we do ({error.reason}); a hub without TLS is ws://", True
    if isinstance(error, TimeoutError):
        return f"{place} does not answer; look whether the hub runs and can be reached", False
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {place}; start the hub, or correct telemetry.uplink", False
    if isinstance(error, ConnectionError):
        return f"{place} hangs up; look whether the hub is well, and whether it is for wss:// or ws://", False
    what = (error.strerror if isinstance(error, OSError) else None) or error
    return f"{place} can't be reached: {what}; look at the network, and at telemetry.uplink", False
