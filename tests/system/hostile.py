"""Everything that a hostile or broken peer may do to the LAN port at once, from a process of its own: `python -m tests.system.hostile PORT SECONDS`.

It tells how often it did each, as one JSON object. It yields to others: on a LAN it would not share our processor.
"""

import contextlib
import json
import os
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable

WAVE_S = 0.05
MDNS = ("224.0.0.251", 5353)
HANDSHAKE = (
    b"GET /telemetry HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
FRAMES = (
    b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff",  # a frame of 2^63 bytes
    b"\x81\x84\0\0\0\0\xff\xfe\xfd\xfc",  # text that is no UTF-8
    b"\xf2\x80\0\0\0\0",  # reserved bits
    b"\x89\x80\0\0\0\0" * 2_000,  # pings without end
    b"\x82\xfe\x04\x00\0\0\0\0" + b"\xd4" * 1_024,  # MessagePack ext types, nested
)


def attack(port: int, seconds: float) -> Counter[str]:
    """Do it all, in waves, until the time is over."""
    rng = random.Random(1)
    done: Counter[str] = Counter()
    held: list[socket.socket] = []
    deeds: dict[str, Callable[[socket.socket], object]] = {
        "half a request": lambda sock: sock.sendall(b"GET /status HT"),
        "a huge header": lambda sock: sock.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * 1_000_000),
        "nonsense": lambda sock: sock.sendall(rng.randbytes(2_000)),
        "a body": lambda sock: sock.sendall(b"POST /status HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 100_000),
        "a subscriber that never reads": lambda sock: sock.sendall(HANDSHAKE),
        "hostile frames": lambda sock: sock.sendall(HANDSHAKE + rng.choice(FRAMES)),
        "metrics and gone": lambda sock: sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
    }
    until_s = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as air:
        while time.monotonic() < until_s:
            for name, deed in deeds.items():
                sock = socket.socket()
                sock.settimeout(0.2)
                with contextlib.suppress(OSError):
                    sock.connect(("127.0.0.1", port))
                    deed(sock)
                done[name] += 1
                held.append(sock)
                while len(held) > 500:
                    held.pop(0).close()
            with contextlib.suppress(OSError):
                air.sendto(rng.randbytes(rng.randrange(12, 1_400)), MDNS)
            time.sleep(WAVE_S)
    return done


if __name__ == "__main__":
    os.nice(10)
    sys.stdout.write(json.dumps(attack(int(sys.argv[1]), float(sys.argv[2]))))
