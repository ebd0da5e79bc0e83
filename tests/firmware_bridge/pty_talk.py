"""Python's side of the wire and the C library with a pty between them: the host node on its own clock, every answer checked.

Requests go out in bursts of at most eight, the answers that a node keeps, with damage and refused frames between them.
"""

import json
import os
import random
import select
import subprocess
import time
import tty
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from k1edge.link.identify import ASK_STATUS, START_BINARY
from k1edge.link.k1link.framing import Frame, FrameDecoder, encode
from k1edge.link.k1link.messages import (
    MESSAGES,
    Ack,
    AckResult,
    Beats,
    Blackout,
    Config,
    Fate,
    Fired,
    GetStats,
    Hello,
    HelloAck,
    Message,
    Ping,
    Pong,
    Stats,
    WireBeat,
    parse,
)
from tests.firmware_bridge.c_node import BRIDGE

NODE_US = 1_000_000_000
"""The node's counter at its start."""

PATIENCE_S = 10.0
LED_TX_US = 5_100
UNIQUE_ID = b"pty-talk"
KEPT_ANSWERS = 8


def build_host_node(folder: Path) -> Path:
    """Make the host node into `folder`."""
    subprocess.run(["make", "--silent", "-C", BRIDGE, f"BUILD={folder}", "host"], check=True)
    return folder / "host" / "k1link-node"


@contextmanager
def host_node(program: Path, folder: Path, *options: str) -> Iterator[tuple[int, Path]]:
    """Run it: the open pty and the file with its flashes."""
    told = folder / "flashes"
    with told.open("w") as out:
        command = [program, "--offset-us", str(NODE_US), "--led-tx-us", str(LED_TX_US), "--unique-id", UNIQUE_ID.decode(), *options]
        process = subprocess.Popen(command, stdout=out)
    try:
        give_up = time.monotonic() + PATIENCE_S
        while not told.read_text().endswith("\n"):
            assert process.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.005)
        port = os.open(told.read_text().strip(), os.O_RDWR | os.O_NOCTTY)
        tty.setraw(port)
        try:
            yield port, told
        finally:
            os.close(port)
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


class PtyTalk:
    """One talk; the checks are asserts."""

    def __init__(self, port: int, seed: int) -> None:
        self.exchanges = 0
        self.fates: dict[tuple[int, int], Fate] = {}  # by session and id
        self.told: Counter[tuple[int, int]] = Counter()
        self._port = port
        self._rng = random.Random(seed)
        self._decoder = FrameDecoder()
        self._session, self._nonce, self._revision, self._seq, self._id = 0, 0, 0, 0, 0
        self._good, self._refused, self._bad, self._garbage = 0, 0, 0, 0  # as the node is to count
        self._node_seq = 0
        self._ahead_us = (-(1 << 62), 1 << 62)  # node counter - host clock lies between
        self._stamps_us = 0, 0  # newest of the node
        self._beats: set[tuple[int, int]] = set()
        self._line(ASK_STATUS, {"type": "device.getStatus", "success": True, "data": {"k1link": 1, "version": "k1link host node"}})
        self._line(START_BINARY, {"type": "k1link.start", "success": True})
        self._burst([self._new_session()])

    def run(self, exchanges: int) -> None:
        """Talk until so many requests have had their answers."""
        while self.exchanges < exchanges:
            self._burst([self._request() for _ in range(self._rng.randint(1, KEPT_ANSWERS))])

    def finish(self, flashes: Path) -> Stats:
        """Let it play what is queued; its totals, flashes and reports must then agree."""
        give_up = time.monotonic() + PATIENCE_S
        stats = None
        while stats is None or stats.queued > 0:
            assert time.monotonic() < give_up
            self._hear(time.monotonic() + 0.05)
            (stats,) = self._burst([GetStats()])
            assert isinstance(stats, Stats)
        seen = (stats.frames_in, stats.refused, stats.bad_frames, stats.garbage_bytes)
        assert seen == (self._good, self._refused, self._bad, self._garbage)
        lit = [json.loads(line)["wire_id"] for line in flashes.read_text().splitlines()[1:]]
        assert stats.fired + stats.late == len(lit)
        assert len(set(lit)) == len(lit)
        assert stats.fired + stats.late + stats.missed + stats.cancelled == len(self._beats)
        assert {number for (_, number), fate in self.fates.items() if fate in {Fate.FIRED, Fate.LATE}} <= set(lit)
        return stats

    def _line(self, line: bytes, answer: dict[str, object]) -> None:
        os.write(self._port, line)
        got = b""
        while not got.endswith(b"\n"):
            got += self._read(time.monotonic() + PATIENCE_S)
        assert json.loads(got) == answer

    def _read(self, until: float) -> bytes:
        ready, _, _ = select.select([self._port], [], [], max(0.0, until - time.monotonic()))
        return os.read(self._port, 65_536) if ready else b""

    def _new_session(self) -> Hello:
        self._session = self._session % 65_535 + 1
        self._nonce, self._revision = self._rng.randint(1, 0xFFFFFFFF), 0
        return Hello(self._nonce, "new")

    def _request(self) -> Message:
        rng = self._rng
        kind = rng.choices((Ping, Config, Blackout, GetStats, Hello), (60, 8, 10, 15, 5))[0]
        if kind is Ping:
            return Ping(rng.randint(0, 0xFFFFFFFF), rng.randint(0, (1 << 64) - 1))
        if kind is Config:
            return Config(rng.randrange(256), rng.choice((0, 100, 65_535)), rng.randrange(65_536))
        if kind is Blackout:
            return Blackout(self._revision - rng.randint(0, self._revision > 0))
        return GetStats() if kind is GetStats else Hello(self._nonce, "again")

    def _burst(self, requests: list[Message]) -> list[Message]:
        """Write the requests with unanswered things between them; wait for the answers and check them."""
        if self._rng.random() < 0.02 and not isinstance(requests[0], Hello):
            requests = [self._new_session()]
        data, expected = b"", []
        for request in requests:
            new = isinstance(request, Hello) and request.host_name == "new"
            data += (b"" if new else self._aside()) + self._good_frame(request)
            expected.append((request, self._seq, (self._good, self._refused, self._bad, self._garbage), self._revision))
        before_us = time.monotonic_ns() // 1_000
        assert os.write(self._port, data) == len(data)
        answers: list[tuple[Message, int]] = []
        give_up = time.monotonic() + PATIENCE_S
        while len(answers) < len(requests):
            assert time.monotonic() < give_up, f"{len(answers)} answers to {requests}"
            answers += self._hear(give_up)
        assert len(answers) == len(requests)
        for (request, seq, counts, revision), (answer, after_us) in zip(expected, answers, strict=True):
            self._check(request, seq, revision, answer)
            if isinstance(answer, Pong):
                self._check_stamps(answer, before_us, after_us)
            if isinstance(answer, Stats):  # as of the moment it left
                now = (self._good, self._refused, self._bad, self._garbage)
                seen = (answer.frames_in, answer.refused, answer.bad_frames, answer.garbage_bytes)
                assert all(low <= count <= high for low, count, high in zip(counts, seen, now, strict=True))
        self.exchanges += len(requests)
        return [answer for answer, _ in answers]

    def _good_frame(self, message: Message) -> bytes:
        self._good += 1
        self._seq = (self._seq + 1) & 0xFF
        return encode(Frame(message.TYPE, self._session, self._seq, message.encode()))

    def _aside(self) -> bytes:
        """Something that gets no answer."""
        rng, chance = self._rng, self._rng.random()
        if chance < 0.15:
            return self._good_frame(self._next_beats())
        if chance < 0.20:  # refused: unknown, short, of another session, an echo
            self._refused += 1
            self._good += 1
            kind, session = rng.choice(((0x7E, self._session), (Config.TYPE, self._session), (Ping.TYPE, 0), (Pong.TYPE, self._session)))
            return encode(Frame(kind, session, 0, bytes(4 if kind == Config.TYPE else 40)))
        if chance < 0.30:  # a block that is none
            block = bytes(rng.randrange(1, 256) for _ in range(rng.randint(1, 120)))
            self._bad += 1
            self._garbage += len(block)
            return b"\0" + block + b"\0"
        return b"\0" * (chance > 0.95)

    def _next_beats(self) -> Beats:
        """A beat soon, at times one to withdraw again."""
        self._revision += 1
        beats = []
        now_us = max(self._stamps_us[1], NODE_US)
        for _ in range(self._rng.randint(0, 2)):
            self._id += 1
            beats.append(WireBeat(self._id, now_us + self._rng.randint(5_000, 60_000), 200, 1))
            self._beats.add((self._session, self._id))
        return Beats(self._revision, 500_000, now_us, tuple(beats))

    def _hear(self, until: float) -> list[tuple[Message, int]]:
        """Answers that come now, each with the host's us of its reading; FIRED frames are taken note of."""
        answers: list[tuple[Message, int]] = []
        data = self._read(until)
        read_us = time.monotonic_ns() // 1_000
        for frame in self._decoder.receive(data):
            message = parse(frame)
            assert isinstance(message, MESSAGES[frame.type]), message
            late = isinstance(message, Fired)  # they may have been on their way when a new session was asked for
            assert frame.seq == self._node_seq
            assert frame.session == self._session or (late and frame.session == self._session - 1)
            self._node_seq = (self._node_seq + 1) & 0xFF
            if isinstance(message, Fired):
                self._note(frame.session, message)
            else:
                answers.append((message, read_us))
        assert self._decoder.counters.bad_frames == 0
        return answers

    def _note(self, session: int, fired: Fired) -> None:
        for report in fired.reports:
            key = (session, report.id)
            assert key in self._beats
            assert self.fates.setdefault(key, report.fate) == report.fate
            assert (report.t_fired == 0) == (report.fate not in {Fate.FIRED, Fate.LATE})
            self.told[key] += 1
            assert self.told[key] <= 3

    def _check(self, request: Message, seq: int, revision: int, answer: Message) -> None:
        match request:
            case Ping():
                assert isinstance(answer, Pong)
                assert (answer.n, answer.t1) == (request.n, request.t1)
            case Config():
                assert answer == Ack(Config.TYPE, seq, AckResult.OK)
            case Blackout():
                stale = AckResult.STALE if request.revision < revision else AckResult.OK
                assert answer == Ack(Blackout.TYPE, seq, stale)
            case GetStats():
                assert isinstance(answer, Stats)
            case _:
                assert isinstance(request, Hello)
                assert isinstance(answer, HelloAck)
                assert (answer.nonce, answer.unique_id, answer.led_tx_us) == (request.nonce, UNIQUE_ID, LED_TX_US)

    def _check_stamps(self, pong: Pong, before_us: int, after_us: int) -> None:
        """Times only grow, and no answer leaves before its question came: node counter minus host clock is one number."""
        assert self._stamps_us[0] <= pong.t2 <= pong.t3 >= self._stamps_us[1]
        self._stamps_us = pong.t2, pong.t3
        low, high = self._ahead_us
        self._ahead_us = max(low, pong.t3 - after_us - 1), min(high, pong.t2 - before_us + 1)
        assert self._ahead_us[0] <= self._ahead_us[1]
