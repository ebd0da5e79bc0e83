"""python-zeroconf used as its manual says, by a program that knows nothing of ours. `browse 4|6 SERVICE` prints a line of JSON for each
change; `announce NAME PORT TTL ADDRESS` stays until it is killed; `poison ADDRESS` and `flood SECONDS ADDRESS` send hostile packets.
"""

import json
import random
import socket
import struct
import sys
import time

from zeroconf import IPVersion, ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf

SERVICE = "_k1edge._tcp.local."


def say(what: object) -> None:
    """One line."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Teller(ServiceListener):
    """Prints."""

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self._tell("+", zc, type_, name)

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self._tell("=", zc, type_, name)

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:  # noqa: ARG002 - as it is called
        say({"sign": "-", "name": name})

    def _tell(self, sign: str, zc: Zeroconf, type_: str, name: str) -> None:
        info = zc.get_service_info(type_, name, timeout=2_000)
        if info is not None:
            words = {key.decode(): (value or b"").decode() for key, value in info.properties.items()}
            told = {"sign": sign, "name": name, "port": info.port, "addresses": info.parsed_addresses(), "words": words}
            say(told)


def browse(version: str) -> None:
    """Until killed."""
    with Zeroconf(ip_version=IPVersion.V4Only if version == "4" else IPVersion.V6Only) as zeroconf:
        ServiceBrowser(zeroconf, SERVICE, Teller())
        time.sleep(600.0)


def announce(name: str, port: str, ttl_s: str, address: str) -> None:
    """Until killed, without a goodbye."""
    info = ServiceInfo(
        SERVICE, f"{name}.{SERVICE}", int(port), properties={"name": name}, server="stranger.local.", parsed_addresses=[address]
    )
    info.host_ttl = info.other_ttl = int(ttl_s)
    zeroconf = Zeroconf(ip_version=IPVersion.V4Only)
    zeroconf.register_service(info)
    say("announced")
    time.sleep(600.0)


def poison(address: str) -> None:
    """One service whose name grows when it is read, as its bytes are no UTF-8."""
    with _multicast(address) as sock:
        sock.sendto(_service(b"\xff" * 63, b"\x00"), ("224.0.0.251", 5353))


def flood(seconds: str, address: str) -> None:
    """Fake services, huge TXT records, and noise."""
    rng = random.Random(39)
    with _multicast(address) as sock:
        end, sent = time.monotonic() + float(seconds), 0
        while time.monotonic() < end:
            packet = rng.randbytes(rng.randrange(600)) if sent % 2 else _fake(rng, sent)
            sock.sendto(packet, ("224.0.0.251", 5353))
            sent += 1
    say(sent)


def _multicast(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    return sock


def _fake(rng: random.Random, number: int) -> bytes:
    return _service(b"fake %06d" % number, b"".join(bytes([200]) + rng.randbytes(200) for _ in range(6)))


def _service(name: bytes, text: bytes) -> bytes:
    """PTR, SRV, TXT and A of a service that is not there (RFC 1035)."""
    service, host = b"\x07_k1edge\x04_tcp\x05local\x00", b"\x04fake\x05local\x00"
    instance = bytes([len(name)]) + name + service
    srv = struct.pack("!HHH", 0, 0, 80) + host
    records = ((service, 12, instance), (instance, 33, srv), (instance, 16, text), (host, 1, bytes([10, 77, 0, 99])))
    body = b"".join(owner + struct.pack("!HHIH", kind, 1, 2**31 - 1, len(data)) + data for owner, kind, data in records)
    return struct.pack("!6H", 0, 0x8400, 0, len(records), 0, 0) + body


if __name__ == "__main__":
    {"browse": browse, "announce": announce, "poison": poison, "flood": flood}[sys.argv[1]](*sys.argv[2:])
