"""Who else is on the LAN: what was heard of each, for as long as it may be believed. Pure: the times are arguments.

Everything in here was said by strangers: its number, its sizes and its characters are bounded, and none of it is proven.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import islice

from k1edge.snapshot import PeerStatus
from k1edge.timebase import NS_PER_S, HostTime

SERVICE = "_k1edge._tcp.local."
HUB_SERVICE = "_k1hub._tcp.local."

MOST_PEERS = 64
MOST_ADDRESSES = 8
MOST_TXT_BYTES = 1_300
"""RFC 6763, section 6.2: more than this does not fit one packet; ours is near 120."""

MOST_WORD = 64
"""Characters of a name or a word in TXT that are kept."""

LONGEST_TTL_S = 150
"""A peer that was not heard for longer is not believed to be there, whatever it claimed: 120 s is what RFC 6762 has for hosts."""

DEFAULT_PATH = "/telemetry"


@dataclass(frozen=True, slots=True)
class Heard:
    """One service as multicast DNS tells it.

    Attributes:
        instance: its name, unique among services of its kind.
        host: name of its host.
        port: 1 to 65535.
        txt: the TXT record as it came.
        addresses: of the host; a link-local one with its zone.
        at_ns: when it was heard last.
        ttl_s: how long that may be believed.
    """

    instance: str
    host: str
    port: int
    txt: bytes
    addresses: tuple[str, ...]
    at_ns: HostTime
    ttl_s: float


@dataclass(frozen=True, slots=True)
class _Entry:
    peer: PeerStatus
    at_ns: HostTime
    until_ns: HostTime


class PeerTable:
    """What was heard, and what is configured.

    Args:
        static: "host:port" of peers that multicast does not reach; an IPv6 address in brackets.
        most: peers that are heard at most. Those that are in stay in; newcomers wait.

    Attributes:
        static: may be changed.
        crowded_out: peers that were there at the last look and had no room.
    """

    def __init__(self, static: Sequence[str] = (), most: int = MOST_PEERS) -> None:
        self.static = static
        self.crowded_out = 0
        self._most = most
        self._heard: dict[str, _Entry] = {}  # by instance

    def hear(self, heard: Iterable[Heard], now: HostTime) -> None:
        """Take everything that is known at `now`; what is older than its time is let go first."""
        self.expire(now)
        self.crowded_out = 0
        for each in heard:
            key = each.instance.lower()
            until = HostTime(each.at_ns + round(min(max(each.ttl_s, 0.0), LONGEST_TTL_S) * NS_PER_S))
            peer = peer_of(each)
            if peer is None or until <= now:
                continue
            if key not in self._heard and len(self._heard) >= self._most:
                self.crowded_out += 1
                continue
            self._heard[key] = _Entry(peer, each.at_ns, until)

    def lose(self, instance: str) -> None:
        """Take that it said goodbye."""
        self._heard.pop(instance.lower(), None)

    def expire(self, now: HostTime) -> None:
        """Let go who was not heard for too long: crashed, unplugged, or its goodbye was lost."""
        for key in [key for key, entry in self._heard.items() if entry.until_ns <= now]:
            self.lose(key)

    def listed(self, now: HostTime) -> tuple[PeerStatus, ...]:
        """Everybody at `now`, by name; a static peer that was also heard is listed once, as heard."""
        heard = [
            entry.peer.model_copy(update={"age_s": max(0.0, (now - entry.at_ns) / NS_PER_S)})
            for entry in self._heard.values()
            if entry.until_ns > now
        ]
        known = {(address, peer.port) for peer in heard for address in peer.addresses}
        static = [peer for peer in map(static_peer, dict.fromkeys(self.static)) if (peer.addresses[0], peer.port) not in known]
        return tuple(sorted(heard + static, key=lambda peer: (peer.name.lower(), peer.instance)))


def peer_of(heard: Heard) -> PeerStatus | None:
    """What can be believed of it; None where it is nothing that can be reached."""
    words = read_txt(heard.txt)
    addresses = reachable(heard.addresses)
    if not 1 <= heard.port <= 65_535 or not addresses:
        return None
    instance = plain(heard.instance)
    return PeerStatus(
        instance=instance,
        name=words.get("name") or instance,
        id=words.get("id"),
        addresses=addresses,
        port=heard.port,
        path=_path(words),
        tls=words.get("tls") == "1",
        proto=words.get("proto"),
        version=words.get("version"),
        source="mdns",
        age_s=0.0,
    )


def static_peer(place: str) -> PeerStatus:
    """An entry of `network.peers`, which the settings have checked."""
    host, _, port = place.rpartition(":")
    return PeerStatus(
        instance=place, name=place, id=None, addresses=(host.strip("[]"),), port=int(port), path=DEFAULT_PATH, tls=False, proto=None,
        version=None, source="static", age_s=None,
    )  # fmt: skip


def urls(peer: PeerStatus) -> list[str]:
    """Where its telemetry may be had, in the order to try."""
    scheme = "wss" if peer.tls else "ws"
    hosts = [f"[{address}]" if ":" in address else address for address in peer.addresses]
    return [f"{scheme}://{host}:{peer.port}{peer.path}" for host in hosts]


def read_txt(txt: bytes) -> dict[str, str]:
    """Words of a TXT record (RFC 6763, section 6): keys in lower case, the first of a kind counts, values made plain."""
    words: dict[str, str] = {}
    at = 0
    while at < min(len(txt), MOST_TXT_BYTES):
        entry = txt[at + 1 : at + 1 + txt[at]]
        at += 1 + txt[at]
        key, equals, value = entry.partition(b"=")
        if key and equals:
            words.setdefault(key.decode("ascii", "replace").lower()[:MOST_WORD], plain(value.decode("utf-8", "replace")))
    return {key: value for key, value in words.items() if value}


def plain(text: str, most: int = MOST_WORD) -> str:
    """What may stand on a terminal or a page: no control, no change of direction, not too long."""
    return "".join(letter for letter in text[: 4 * most] if letter.isprintable())[:most].strip()


def sayable(name: str) -> bool:
    """Whether a name fits into a question (RFC 1035, section 2.3.4). One that came with bytes that are no UTF-8 has grown on the way in."""
    labels = [label.encode("utf-8", "replace") for label in name.split(".")]
    return max(map(len, labels)) <= 63 and sum(map(len, labels)) + len(labels) <= 255


def reachable(addresses: Iterable[str]) -> tuple[str, ...]:
    """Those that can be another host's, best first: IPv4, then IPv6 that is routed, then link-local."""
    found: dict[IPv4Address | IPv6Address, str] = {}
    for text in addresses:
        try:
            address = ip_address(text)
        except ValueError:
            continue
        if not (address.is_loopback or address.is_multicast or address.is_unspecified):
            found[address] = text
    order = sorted(found, key=lambda address: (address.is_link_local, address.version, address.packed))
    return tuple(found[address] for address in order[:MOST_ADDRESSES])


def _path(words: Mapping[str, str]) -> str:
    path = words.get("path", "")
    return path if path.startswith("/") and path.isascii() and not set(path) & set(" ?#\\") else DEFAULT_PATH


_FIRST_PAUSE_NS = NS_PER_S
_LONGEST_PAUSE_NS = 60 * NS_PER_S


@dataclass(frozen=True, slots=True)
class _Ask:
    due_ns: HostTime
    pause_ns: int = _FIRST_PAUSE_NS


@dataclass(slots=True)
class Questions:
    """When to ask again for what is missing or grows old: at once, after 1 s, then at doubling intervals (RFC 6762, section 5.2)."""

    _asks: dict[str, _Ask] = field(default_factory=dict)

    def due(self, wanted: Iterable[str], now: HostTime) -> list[str]:
        """Which of `wanted`, at most `MOST_PEERS`, to ask for at `now`. What is not wanted any more is forgotten."""
        before, self._asks, asked = self._asks, {}, []
        for name in islice(dict.fromkeys(wanted), MOST_PEERS):
            ask = before.get(name, _Ask(now))
            if ask.due_ns <= now:
                asked.append(name)
                ask = _Ask(HostTime(now + ask.pause_ns), min(2 * ask.pause_ns, _LONGEST_PAUSE_NS))
            self._asks[name] = ask
        return asked
