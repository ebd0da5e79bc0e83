"""The interfaces and addresses of this host that `network.bind` lets others use. Keeps no state; may be called on any thread."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import ifaddr

MOST_INTERFACES = 16
"""Linux lets a socket join 20 multicast groups."""

_MOST_ADDRESSES = 4
"""Of a kind, of one interface: a host with privacy addresses has many, and all go into each packet."""


@dataclass(frozen=True, slots=True)
class Place:
    """One interface.

    Attributes:
        name: as the kernel has it.
        index: as the kernel has it.
        v4: addresses that can be used now.
        v6: the same, without zone.
    """

    name: str
    index: int
    v4: tuple[str, ...]
    v6: tuple[str, ...]


def places(bind: str) -> tuple[Place, ...]:
    """Where to be seen: "all", an address, or an interface; nothing for loopback, and for what is not there now."""
    found = (place for adapter in ifaddr.get_adapters() if (place := _place(adapter, bind)) is not None)
    return tuple(sorted(found, key=lambda place: place.index))[:MOST_INTERFACES]


def _place(adapter: ifaddr.Adapter, bind: str) -> Place | None:
    wanted = bind.partition("%")[0]
    by_name = bind in {"all", adapter.name}
    v4: list[str] = []
    v6: list[str] = []
    for text, zone in _usable(adapter):
        if by_name or ip_address(text) == _address(wanted):
            (v4 if zone is None else v6).append(text)
    if not (v4 or v6) or adapter.index is None:
        return None
    return Place(adapter.name, adapter.index, tuple(sorted(v4))[:_MOST_ADDRESSES], tuple(sorted(v6))[:_MOST_ADDRESSES])


def _usable(adapter: ifaddr.Adapter) -> Iterator[tuple[str, int | None]]:
    """Addresses that can be bound to now (an IPv6 address is not until the kernel knows that nobody else has it), with zone for IPv6."""
    for each in adapter.ips:
        text, zone = (each.ip, None) if isinstance(each.ip, str) else (each.ip[0], each.ip[2])
        if ip_address(text).is_loopback:
            continue
        family, place = (socket.AF_INET, (text, 0)) if zone is None else (socket.AF_INET6, (text, 0, 0, zone))
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.bind(place)
        except OSError:
            continue
        yield text, zone


def _address(text: str) -> object:
    try:
        return ip_address(text)
    except ValueError:
        return None
