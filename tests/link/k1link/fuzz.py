"""Wild bytes for Python's decoder and parser, and a second opinion on each: `python -m tests.link.k1link.fuzz [COUNT]` (1,000,000).

An input is a stream of a few blocks: golden frames damaged, text, noise, and good frames of hostile content. The second opinion shares nothing with
the code but zlib's checksum.
"""

import random
import sys
import time
import zlib
from dataclasses import dataclass

from k1edge.link.k1link.framing import GARBAGE_KEPT, MAX_STUFFED, FrameCounters, FrameDecoder
from k1edge.link.k1link.messages import OtherMajor, Refusal, parse
from tests.bench.figures import Figures
from tests.firmware_bridge.vectors import load_frames

COUNT = 1_000_000
LIMIT = 1 << 63
SIZES = {0x01: 22, 0x02: 5, 0x03: 4, 0x04: 0, 0x10: 59, 0x20: 12, 0x81: 63, 0x82: 3, 0x84: 42, 0xA0: 28, 0xB0: 64, 0xB1: 1}
HOSTILE = (b"\xff" * 8, b"\0" * 8, LIMIT.to_bytes(8, "little"), b"\0\0\0\0\0\0\xf8\x7f", b"\x04", b"\x11", b"\xe9\x03", b"\x3f\x0d\x03\0")


@dataclass(slots=True)
class Totals:
    """What was judged."""

    inputs: int = 0
    frames: int = 0
    messages: int = 0
    refused: int = 0
    bad_frames: int = 0


def read_block(block: bytes) -> bytes | None:
    """Header and payload of a block; None where it is no frame."""
    if not 10 <= len(block) <= 121:
        return None
    data, following = bytearray(block), 0
    while following < len(block):  # each code stands where a 00 was, and says where the next one is
        at, following = following, following + block[following]
        data[at] = 0
    if following != len(block):
        return None
    body, checksum = bytes(data[1:-4]), bytes(data[-4:])
    return body if zlib.crc32(body).to_bytes(4, "little") == checksum else None


def verdict(body: bytes) -> str:
    """What a receiver of 1.0 makes of it: `taken`, `other_major` or the reason of a refusal."""
    kind, payload = body[0], body[5:]
    if kind not in SIZES:
        return "unknown_type"
    if kind in {0x01, 0x81} and len(payload) >= 6 and payload[0] != 1:
        return "other_major"
    if len(payload) < SIZES[kind]:
        return "too_short"
    return "taken" if in_range(kind, payload) else "out_of_range"


def in_range(kind: int, payload: bytes) -> bool:
    """Whether every value is in its range, by the tables of PROTOCOL.md."""

    def at(offset: int, size: int) -> int:
        return int.from_bytes(payload[offset : offset + size], "little")

    good = True
    match kind:
        case 0x01:
            good = at(2, 4) != 0
        case 0x02:
            good = at(1, 2) <= 1000 or at(1, 2) == 65535
        case 0x10:
            slots = [17 + 14 * i for i in range(payload[16])]
            good = len(slots) <= 3 and (at(4, 4) == 0 or 200_000 <= at(4, 4) <= 2_000_000) and at(8, 8) < LIMIT
            good = good and len({at(slot, 4) for slot in slots}) == len(slots)
            good = good and all(at(slot + 4, 8) < LIMIT and payload[slot + 13] <= 16 for slot in slots)
        case 0x81:
            good = at(10, 8) < LIMIT and payload[27] >= 3 and 80 <= payload[28] <= 120 and at(31, 4) < 1_000_000
        case 0xA0:
            good = at(12, 8) < LIMIT and at(20, 8) < LIMIT
        case 0xB0:
            slots = [1 + 21 * i for i in range(payload[0])]
            good = 1 <= len(slots) <= 3 and all(at(slot + 4, 8) < LIMIT and at(slot + 12, 8) < LIMIT for slot in slots)
            good = good and all(payload[slot + 20] % 16 in {0, 1, 2, 4, 12} for slot in slots)
    return good


def stuffed(body: bytes) -> bytes:
    """A frame of these bytes, the right checksum added."""
    data = body + zlib.crc32(body).to_bytes(4, "little") + b"\0"
    out = bytearray(b"\0")
    while data:
        run, _, data = data.partition(b"\0")
        out += bytes((len(run) + 1,)) + run
    return bytes(out) + b"\0"


class Wild:
    """Streams, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._wires = [vector.wire for vector in load_frames()]
        self._bodies = [body for wire in self._wires if (body := read_block(wire[1:-1])) is not None]

    def stream(self) -> bytes:
        """A few blocks in a row."""
        return b"".join(self._piece() for _ in range(self._rng.choice((1, 1, 2, 4))))

    def _piece(self) -> bytes:
        rng, chance = self._rng, self._rng.random()
        if chance < 0.25:
            return rng.choice(self._wires)
        if chance < 0.50:
            return self._damaged(rng.choice(self._wires), rng.randint(1, 3))
        if chance < 0.85:
            return stuffed(self._hostile(rng.choice(self._bodies)))
        return rng.randbytes(rng.randint(0, 200)) if chance < 0.97 else rng.randbytes(rng.randint(1, 255)).replace(b"\0", b"\1") * 9

    def _damaged(self, data: bytes, times: int) -> bytes:
        rng, hit = self._rng, bytearray(data)
        for _ in range(times):
            at = rng.randrange(len(hit) + 1)
            hit[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
        return bytes(hit)

    def _hostile(self, body: bytes) -> bytes:
        """The same message with another value somewhere, or cut, or longer."""
        rng, hit = self._rng, bytearray(body)
        at, value = rng.randrange(len(hit)), rng.choice(HOSTILE)
        hit[at : at + len(value)] = value
        if rng.random() < 0.2:
            hit = hit[: rng.randint(5, len(hit))] if len(hit) > 5 and rng.random() < 0.5 else hit + rng.randbytes(20)
        return bytes(hit[:116]).ljust(5, b"\0")


def second_opinion(stream: bytes, totals: Totals) -> tuple[list[bytes], FrameCounters]:
    """The frames' bodies and the counts of a fresh decoder; what follows the last 00 is a block under way."""
    bodies, counters = [], FrameCounters()
    *blocks, open_block = stream.split(b"\0")
    for block in filter(None, blocks):
        body = read_block(block)
        if body is None:
            counters.bad_frames += 1
            counters.garbage_bytes += len(block)
        else:
            counters.frames += 1
            bodies.append(body)
    if len(open_block) > MAX_STUFFED:
        counters.bad_frames += 1
        counters.garbage_bytes += len(open_block)
    totals.frames += counters.frames
    totals.bad_frames += counters.bad_frames
    return bodies, counters


def judge(stream: bytes, totals: Totals, cut: int) -> None:
    """Decode and parse it in two pieces; whatever is not as it should be is an AssertionError with the stream in hex."""
    decoder = FrameDecoder()
    frames = decoder.receive(stream[:cut]) + decoder.receive(stream[cut:])
    bodies, counters = second_opinion(stream, totals)
    told = [
        bytes((frame.type, frame.flags)) + frame.session.to_bytes(2, "little") + bytes((frame.seq,)) + frame.payload for frame in frames
    ]
    assert told == bodies, stream.hex()
    assert decoder.counters == counters, stream.hex()
    assert len(decoder.garbage) == min(counters.garbage_bytes, GARBAGE_KEPT), stream.hex()
    for frame, body in zip(frames, bodies, strict=True):
        message = parse(frame)
        found = message.value if isinstance(message, Refusal) else "other_major" if isinstance(message, OtherMajor) else "taken"
        assert found == verdict(body), body.hex()
        totals.messages += found == "taken"
        totals.refused += found != "taken"


def run(count: int, seed: int = 1) -> Totals:
    """Judge so many streams."""
    wild, totals, rng = Wild(seed), Totals(), random.Random(seed)
    for _ in range(count):
        stream = wild.stream()
        judge(stream, totals, rng.randint(0, len(stream)))
        totals.inputs += 1
    return totals


def main(count: int) -> None:
    """Print the figures."""
    figures, begun = Figures("fuzz"), time.process_time()
    totals = run(count)
    told = f"{totals.frames} frames, {totals.messages} taken, {totals.refused} refused, {totals.bad_frames} bad frames"
    note = f"{told}; none wrongly, the first would have ended the run"
    figures.add("python_inputs", totals.inputs, at_least=COUNT, note=note)
    figures.add("python_cpu_s", time.process_time() - begun)
    figures.table()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
