"""Random talks with two nodes at once, the C library and its twin in Python: whatever a host says and whenever, both must do the same.

An exchange is a burst of a host and what becomes of it. `make agreement` has 100,000 of them here, and as many over a pty (`pty_talk`).
"""

import random
import tempfile
import time
from ctypes import CDLL
from pathlib import Path

from k1edge.link.k1link.framing import Frame, encode
from k1edge.link.k1link.messages import Beats, Blackout, Config, GetStats, Hello, Message, Ping, WireBeat
from k1edge.link.node.reports import NodeIdentity
from k1edge.link.virtual.brain import K1LinkBrain
from k1edge.timebase import NodeTime
from tests.bench.figures import Figures
from tests.firmware_bridge.c_node import CNode, build
from tests.firmware_bridge.pty_talk import PtyTalk, build_host_node, host_node

TALK = 60
"""Bursts in a talk; then the nodes start anew."""

U32, U64 = (1 << 32) - 1, (1 << 64) - 1
STARTS_US = (0, 1_000, U32 - 2_000_000, 1 << 40, (1 << 62) + 12_345)
LINES = (b'{"type":"device.getStatus"}\n', b'{"type":"k1link.start"}\n', b"boot text\r\n", b'{"type":"trinity.sync"}\n', b"half a li")
PAUSES_US = ((0, 0), (1, 3_000), (3_000, 60_000), (60_000, 400_000), (400_000, 2_500_000))


class DisagreementError(AssertionError):
    """What differed, and after which talk."""


class Twins:
    """Two nodes that start alike; each call goes to both."""

    def __init__(self, library: CDLL, who: NodeIdentity, started_us: int, *, announce: bool) -> None:
        self.python = K1LinkBrain(who, NodeTime(started_us), announce=announce)
        self.c = CNode(library, who, started_us, announce=announce)
        self.frames_sent: list[bytes] = []

    def live(self, now_us: int, data: bytes, log: str | None = None) -> None:
        """Take `data`, say `log`, fire, send; compare all that can be seen."""
        now = NodeTime(now_us)
        self.python.receive(data, now)
        self.c.receive(data, now_us)
        if log is not None:
            self.python.core.log(4, log)
            self.c.log(4, log)
        flashes = [(one.id, one.t_sched_us, one.t_latch_us, one.strength, one.beat_in_bar) for one in self.python.core.fire(now)]
        self._same("flashes", flashes, self.c.fire(now_us))
        self._same("next due", self._python_due(now_us), self.c.next_due(now_us))
        self.frames_sent = self.python.data_to_send(now)
        self._same("sent", self.frames_sent, self.c.send(now_us))
        self._same("next due after sending", self._python_due(now_us), self.c.next_due(now_us))
        self._same("binary", self.python.binary, self.c.is_binary())
        self._same("idle", self.python.core.is_idle(now), self.c.is_idle(now_us))
        config = self.python.core.config
        self._same("style", (config.brightness, config.fade_ms, self.python.core.period_us), self.c.style())
        self._same("totals", self._python_totals(), tuple(getattr(self.c.stats(), name) for name, *_ in self.c.stats()._fields_))

    def _python_due(self, now_us: int) -> int | None:
        due = self.python.next_due()
        return None if due is None else max(due, now_us)

    def _python_totals(self) -> tuple[int, ...]:
        core = self.python.core
        seen, ends = core.decoder.counters, core.queue.totals
        heard = (seen.frames, seen.bad_frames, seen.garbage_bytes, core.refused)
        return (*heard, ends.fired, ends.late, ends.missed, ends.cancelled, len(core.queue), core.queue.peak)

    @staticmethod
    def _same(what: str, python: object, c: object) -> None:
        if python != c:
            msg = f"{what}: Python {python}, C {c}"
            raise DisagreementError(msg)


class RandomHost:
    """What a host may say, mostly in its right mind."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.session, self.nonce, self.revision, self.seq, self.next_id = (
            rng.randint(1, 65535),
            rng.randint(1, U32),
            0,
            0,
            rng.choice((1, U32 - 2)),
        )
        self._told: list[int] = []  # ids

    def burst(self, now_us: int, bits: int) -> bytes:
        """Some bytes for one write, damaged now and then."""
        rng = self._rng
        data = b"".join(self._frame(now_us, bits) for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 10))))
        if rng.random() < 0.1 and data:
            damaged = bytearray(data)
            for _ in range(rng.randint(1, 3)):
                at = rng.randrange(len(damaged))
                damaged[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
                damaged = damaged or bytearray(b"\0")
            data = bytes(damaged)
        if rng.random() < 0.05:
            data += rng.choice((rng.randbytes(rng.randint(1, 300)), b"\0" * rng.randint(1, 4), rng.choice(LINES)))
        return data

    def _frame(self, now_us: int, bits: int) -> bytes:
        rng = self._rng
        self.seq = (self.seq + 1) & 0xFF
        session = self.session if rng.random() < 0.98 else rng.randint(0, 65535)
        if rng.random() < 0.03:  # a good frame of anything
            kind = rng.choice((1, 2, 3, 4, 0x10, 0x20, 0x81, 0x82, 0x84, 0xA0, 0xB0, 0xB1, rng.randrange(256)))
            return encode(
                Frame(
                    kind, session, self.seq, rng.randbytes(rng.choice((0, 4, 5, 12, 22, 59, 63, rng.randint(0, 111)))), rng.randrange(256)
                )
            )
        message = self._message(now_us, bits)
        return encode(Frame(message.TYPE, self.session if isinstance(message, Hello) else session, self.seq, message.encode()))

    def _message(self, now_us: int, bits: int) -> Message:
        rng = self._rng
        kind = rng.choices(("ping", "beats", "blackout", "config", "stats", "hello"), (30, 40, 4, 5, 8, 5))[0]
        if kind == "ping":
            return Ping(rng.randint(0, U32), rng.randint(0, U64))
        if kind == "beats":
            return self._beats(now_us, bits)
        if kind == "blackout":
            return Blackout((self.revision + rng.choice((0, 0, 0, -1, 1, 1 << 31))) & U32)
        if kind == "config":
            return Config(rng.randrange(256), rng.choice((0, 50, 100, 1000, 1001, 65535)), rng.randrange(65536))
        return GetStats() if kind == "stats" else self._hello()

    def _hello(self) -> Hello:
        rng = self._rng
        if rng.random() < 0.5:
            self.session, self.nonce, self.revision = rng.randint(1, 6), rng.randint(1, 2), 0
            self._told.clear()
        return Hello(self.nonce if rng.random() < 0.98 else 0, "pi", major=1 if rng.random() < 0.9 else rng.randrange(256))

    def _beats(self, now_us: int, bits: int) -> Beats:
        rng = self._rng
        self.revision = (self.revision + rng.choice((1, 1, 1, 1, 1, 1, 0, -1, 5, (1 << 31) - 1, 1 << 31))) & U32
        beats = tuple(WireBeat(number, self._time(now_us, bits), rng.randrange(256), rng.randint(0, 16)) for number in self._ids())
        period_us = rng.choice((0, 200_000, 500_000, 2_000_000, rng.randint(0, U32)) if rng.random() < 0.05 else (0, 500_000))
        valid_until = self._cut(now_us + rng.choice((0, 1_000_000, 10_000_000)), bits) if rng.random() < 0.95 else rng.randint(0, U64)
        return Beats(self.revision, period_us, valid_until, beats)

    def _ids(self) -> list[int]:
        """New ones and ones told before."""
        count = self._rng.randint(0, 3)
        ids = self._rng.sample(self._told, min(count, len(self._told))) if self._rng.random() < 0.5 else []
        while len(ids) < count:
            ids.append(self.next_id)
            self._told = [*self._told[-11:], self.next_id]
            self.next_id = (self.next_id + 1) & U32
        return ids if self._rng.random() < 0.99 else ids[:1] * count

    def _time(self, now_us: int, bits: int) -> int:
        rng = self._rng
        ahead = rng.choice((rng.randint(-20_000, 45_000), rng.randint(0, 2_000_000), rng.choice((29_999, 30_000, 5_000, 0))))
        if rng.random() < 0.01:
            ahead = rng.choice((-10_000_001, -10_000_000, 10_000_000, 10_000_001))
        return (
            self._cut(max(0, now_us + ahead), bits)
            if rng.random() < 0.995
            else rng.choice((U64, 1 << 63, (1 << 63) - 1, rng.randint(0, U64)))
        )

    @staticmethod
    def _cut(time_us: int, bits: int) -> int:
        return time_us & ((1 << bits) - 1)


def talk(library: CDLL, seed: int) -> int:
    """One talk from the nodes' start; the frames that they sent. Raises DisagreementError with the seed."""
    rng = random.Random(seed)
    bits = rng.choice((64, 64, 32))
    who = NodeIdentity(
        rng.randbytes(8),
        rng.randint(0, U32),
        rng.randrange(65536),
        rng.choice((0, 5_100, 999_999)) if rng.random() < 0.2 else 5_100,
        rng.choice(("k1 3.2", "", "k1 é and a name that is too long", "twenty-three bytes, andé", 'quote " and \\')),
        rng.randrange(7),
        clock_bits=bits,
    )
    now_us = rng.choice(STARTS_US)
    twins, host, sent = Twins(library, who, now_us, announce=rng.random() < 0.3), RandomHost(rng), 0
    try:
        twins.live(
            now_us, encode(Frame(Hello.TYPE, host.session, 0, Hello(host.nonce).encode())) if rng.random() < 0.8 else rng.choice(LINES)
        )
        for _ in range(TALK - 1):
            low, high = rng.choices(PAUSES_US, (20, 30, 40, 25, 3))[0]
            due_us = twins.c.next_due(now_us)
            if due_us is not None and rng.random() < 0.5 and due_us < now_us + 5_000_000:  # to the microsecond, or as late as a loop may be
                now_us = due_us + rng.choice((0, 0, 1, 2_000, 2_001, 10_000, 10_001))
            else:
                now_us += rng.randint(low, high)
            twins.live(now_us, host.burst(now_us, bits), "warm: 61 C" if rng.random() < 0.02 else None)
            sent += len(twins.frames_sent)
    except DisagreementError as difference:
        msg = f"seed {seed}, {now_us} us: {difference}"
        raise DisagreementError(msg) from None
    return sent


def main() -> None:
    """Print the figures of 100,000 exchanges side by side, and of 100,000 over a pty."""
    figures = Figures("agreement")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        library, begun = build(folder), time.process_time()
        talks = -(-100_000 // TALK)
        frames = sum(talk(library, seed) for seed in range(talks))
        figures.add("exchanges_alike_in_c_and_python", talks * TALK, at_least=100_000, note=f"{frames} frames of the nodes compared")
        figures.add("side_by_side_cpu_s", time.process_time() - begun)
        begun = time.process_time()
        with host_node(build_host_node(folder), folder) as (port, flashes):
            over_pty = PtyTalk(port, seed=1)
            over_pty.run(100_000)
            stats = over_pty.finish(flashes)
        note = (
            f"{stats.frames_in} frames to the node, {stats.bad_frames} damaged, {stats.refused} refused, {stats.fired + stats.late} flashes"
        )
        figures.add("exchanges_right_over_a_pty", over_pty.exchanges, at_least=100_000, note=note)
        figures.add("over_a_pty_cpu_s", time.process_time() - begun)
    figures.table()


if __name__ == "__main__":
    main()
