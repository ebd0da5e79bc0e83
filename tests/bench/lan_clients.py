"""Subscribers for `make bench-lan`, many in one process and as cheap as can be: what they cost is taken from the daemon's own machine.

`python -m tests.bench.lan_clients PORT COUNT FIRST`: COUNT subscribers from 127.0.1.FIRST on, ten from each address. Prints a line of JSON
for each line on stdin: the ages in ms at which messages came since the last, and how many were missing by their numbers.
"""

import base64
import json
import os
import selectors
import socket
import sys
import time
from dataclasses import dataclass

import msgpack

PER_ADDRESS = 10


@dataclass(slots=True)
class Subscriber:
    """One connection; `seq` is the newest number seen."""

    sock: socket.socket
    received: bytes
    seq: int | None = None


def subscribe(port: int, address: str) -> Subscriber:
    """Connect and shake hands."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=10.0, source_address=(address, 0))
    key = base64.b64encode(os.urandom(16)).decode()
    asked = f"GET /telemetry HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    sock.sendall(f"{asked}sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(4096)
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b" 101 " in head, head
    sock.setblocking(False)
    return Subscriber(sock, rest)


def frames(one: Subscriber) -> list[tuple[int, bytes]]:
    """Take whole frames out of what came: (opcode, content)."""
    found, data = [], one.received
    while len(data) >= 2:
        size, head = data[1] & 0x7F, 2
        if size == 126:
            size, head = int.from_bytes(data[2:4]), 4
        if len(data) < head + size:
            break
        found.append((data[0] & 0x0F, data[head : head + size]))
        data = data[head + size :]
    one.received = data
    return found


def main() -> None:
    """Subscribe, listen, answer."""
    port, count, first = (int(text) for text in sys.argv[1:4])
    everybody = [subscribe(port, f"127.0.1.{first + n // PER_ADDRESS}") for n in range(count)]
    watch = selectors.DefaultSelector()
    for one in everybody:
        watch.register(one.sock, selectors.EVENT_READ, one)
    watch.register(sys.stdin, selectors.EVENT_READ)
    ages_ms: list[float] = []
    missing = 0
    while True:
        for key, _ in watch.select():
            if key.data is None:
                if not sys.stdin.readline():
                    return
                sys.stdout.write(json.dumps({"ages_ms": ages_ms, "missing": missing}) + "\n")
                sys.stdout.flush()
                ages_ms, missing = [], 0
                continue
            one: Subscriber = key.data
            one.received += one.sock.recv(65536)
            now_ns = time.monotonic_ns()
            for opcode, content in frames(one):
                if opcode == 9:
                    one.sock.sendall(b"\x8a\x80\0\0\0\0")
                    continue
                message = msgpack.unpackb(content)
                missing += 0 if one.seq is None else message["seq"] - one.seq - 1
                one.seq = message["seq"]
                if message["type"] != "hello":
                    ages_ms.append((now_ns - message["monotonic_ns"]) / 1e6)


if __name__ == "__main__":
    main()
