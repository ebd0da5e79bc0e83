"""Where telemetry may be had: how people name a peer, and how discovery does. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from k1edge.config import NetworkSettings
from k1edge.report.peer_table import DEFAULT_PATH, plain, urls
from k1edge.snapshot import PeerStatus

DEFAULT_PORT: int = NetworkSettings().port

FORMS = '"stage.local", "192.168.1.6:19249", "[fd00::6]:19249", "https://stage.local:19249", or a name or id that "k1edge peers" shows'

_SCHEMES = {"http": "ws", "ws": "ws", "https": "wss", "wss": "wss"}
_HOST = re.compile(r"[A-Za-z0-9_.:%-]{1,255}")


@dataclass(frozen=True, slots=True)
class Target:
    """One peer to listen to.

    Attributes:
        name: for people, printable.
        urls: ws:// or wss://, with host and port, in the order to try.
    """

    name: str
    urls: tuple[str, ...]


def target(text: str) -> Target:
    """A peer by its address.

    Raises:
        ValueError: it is none; the message tells the forms.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "ws", f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
    try:
        parts = urlsplit(f"//{rest}")
        host, port, path = parts.hostname or "", parts.port or DEFAULT_PORT, parts.path.rstrip("/") or DEFAULT_PATH
    except ValueError:
        host, port, path = "", 0, ""
    extra = not text.isprintable() or parts.username is not None or parts.query or parts.fragment if host else False
    if scheme not in _SCHEMES or not _HOST.fullmatch(host) or extra or not path.isascii() or " " in path:
        msg = f"{plain(text)!r} is no peer; give {FORMS}"
        raise ValueError(msg)
    shown = f"[{host}]" if ":" in host else host
    return Target(plain(text), (f"{_SCHEMES[scheme]}://{shown}:{port}{path}",))


def is_word(text: str) -> bool:
    """Whether `text` is rather what a peer calls itself than an address."""
    return bool(text) and not set(text) & set(".:/[]") and text != "localhost"


def discovered(peer: PeerStatus) -> Target:
    """A peer as discovery lists it."""
    return Target(peer.name, tuple(urls(peer)))


def named(word: str, peers: Iterable[PeerStatus]) -> list[PeerStatus]:
    """Those that call themselves so, or have that id; in whatever case."""
    wanted = word.lower()
    return [peer for peer in peers if wanted in {peer.name.lower(), peer.instance.lower(), (peer.id or "").lower()}]
