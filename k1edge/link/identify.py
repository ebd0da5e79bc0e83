"""Who is on the port? Asked in ASCII with one line, and believed only by its answer.

A K1 console acts on single stray characters, and the port may not be a K1 at all; so nothing but one harmless line of at most 64 bytes is
ever written to a device that has not said what it is, and after a wrong answer or none, nothing. Trying again is the port's business.

Pure; owned by the thread that owns the conversation.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from k1edge.link.lines import KeptText, LineBuffer, json_object, readable, spoken
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

ASK_STATUS = b'{"type":"device.getStatus"}\n'
START_BINARY = b'{"type":"k1link.start"}\n'

DRAIN_NS = 2 * NS_PER_S
"""How long boot text is let pass. An ESP32-S3 prints for 1 to 2 s after a reset, and a question asked meanwhile is lost or torn."""

ANSWER_NS = 1_500 * NS_PER_MS
"""How long an answer may take. LightwaveOS answers from its main loop, at worst one frame and one flash write (some 100 ms) later."""

SAID_KEPT = 64
"""Lines of boot text told at most until somebody takes them."""

QUOTE_CHARS = 80
"""How much of a strange answer goes into the reason."""


class Verdict(Enum):
    """How an identification ended."""

    TRINITY = auto()  # LightwaveOS: JSON lines
    K1LINK = auto()  # answered k1link.start: every further byte is binary
    INCOMPATIBLE = auto()  # k1link of another major version; it was not switched to binary
    UNRECOGNISED = auto()


@dataclass(frozen=True, slots=True)
class Identity:
    """The outcome.

    Attributes:
        verdict: who it is.
        reason: what happened and the cure; None where the node was recognised.
        data: the `data` of its answer, {} without one.
        rest: bytes that came after the last line of ASCII; they belong to whatever follows.
    """

    verdict: Verdict
    reason: str | None
    data: dict[str, Any]
    rest: bytes


class _Step(Enum):
    DRAIN = auto()  # boot text passes by
    ASK = auto()  # the question is to be sent
    ANSWER = auto()
    START = auto()  # k1link.start is to be sent
    STARTED = auto()  # its reply is awaited
    DONE = auto()


class Identifier:
    """One identification, from the opened port to a verdict.

    Args:
        now: when the port was opened.
        major: the k1link major version we speak.
        drain_ns: how long to listen before asking; not to be shortened for a quiet line, which may be a node still in its bootloader.
        answer_ns: how long each answer may take.
    """

    def __init__(self, now: HostTime, *, major: int, drain_ns: int = DRAIN_NS, answer_ns: int = ANSWER_NS) -> None:
        self.outcome: Identity | None = None
        self.kept = KeptText()
        self.garbage_bytes = 0
        self.said: deque[str] = deque(maxlen=SAID_KEPT)  # lines that were no answer, for the owner to take
        self.round_trip_ns: int | None = None  # from the question to the answer that counted
        self.lines_in = 0  # answers that were understood
        self.lines_out = 0
        self._major = major
        self._answer_ns = answer_ns
        self._lines = LineBuffer()
        self._step = _Step.DRAIN
        self._deadline = HostTime(now + drain_ns)
        self._asked_ns = now
        self._data: dict[str, Any] = {}
        self._heard: bytes | None = None  # the most telling wrong answer

    def receive_data(self, data: bytes, now: HostTime) -> None:
        """Take bytes that had arrived at `now`; never raises for what they contain."""
        self._time_out(now)
        rest = data
        while rest and self.outcome is None:
            before = rest
            line, rest = self._lines.take(rest)
            self.kept.add(before[: len(before) - len(rest)])
            if line:
                self._judge(line, rest, now)

    def data_to_send(self, now: HostTime) -> list[bytes]:
        """Return the one line that is due, if any, to be written in one write."""
        self._time_out(now)
        line = {_Step.ASK: ASK_STATUS, _Step.START: START_BINARY}.get(self._step)
        if line is None:
            return []
        self._step = _Step.ANSWER if line is ASK_STATUS else _Step.STARTED
        if line is ASK_STATUS:
            self._asked_ns = now
            self._lines.clear()  # a torn line of boot text must not swallow the answer
        self._deadline = HostTime(now + self._answer_ns)
        self.lines_out += 1
        return [line]

    def next_deadline(self) -> HostTime | None:
        """When to call `data_to_send` again; None once there is an outcome."""
        return None if self._step is _Step.DONE else self._deadline

    def _time_out(self, now: HostTime) -> None:
        if self._step is _Step.DONE or now < self._deadline:
            return
        if self._step is _Step.DRAIN:
            self._step = _Step.ASK
        elif self._step in {_Step.ANSWER, _Step.STARTED}:
            self._end(Verdict.UNRECOGNISED, self._why_not(), b"")

    def _judge(self, line: bytes, rest: bytes, now: HostTime) -> None:
        answer = json_object(line)
        proof = answer is not None and answer.get("success") is True
        kind = answer.get("type") if answer is not None and proof else None
        if self._step is _Step.ANSWER and answer is not None and kind == "device.getStatus":
            self._judge_status(answer, line, rest, now)
        elif self._step is _Step.STARTED and kind == "k1link.start":
            self._understood()
            self._end(Verdict.K1LINK, None, rest)
        else:
            self._strange(line)

    def _judge_status(self, answer: dict[str, Any], line: bytes, rest: bytes, now: HostTime) -> None:
        data = answer.get("data")
        major = data.get("k1link") if isinstance(data, dict) else None
        effects = data.get("effectCount") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not (_is_count(major) or (major is None and _is_count(effects))):
            self._strange(line)
            return
        self._understood()
        self._data, self.round_trip_ns = data, now - self._asked_ns
        if major is None:
            self._end(Verdict.TRINITY, None, rest)
        elif major == self._major:
            self._step, self._deadline = _Step.START, now
        else:
            older = "its firmware is too old; update the node" if major < self._major else "its firmware is too new; update k1edge"
            reason = f"the node speaks k1link {major}, this host {self._major}: {older}"
            self._end(Verdict.INCOMPATIBLE, reason, rest)

    def _understood(self) -> None:
        self.lines_in += 1
        self.kept.take_back_line()

    def _strange(self, line: bytes) -> None:
        self.garbage_bytes += len(line)
        if words := spoken(line):
            self.said.append(words)
        if self._step is not _Step.DRAIN and (self._heard is None or line.lstrip().startswith(b"{")):
            self._heard = line[:512]

    def _why_not(self) -> str:
        if self._step is _Step.STARTED:
            return "the node offered k1link but did not answer k1link.start; if this repeats, power-cycle the node"
        if self._heard is not None:
            said = readable(self._heard)[:QUOTE_CHARS]
            return f"not a K1 node: it answered {said!r}; set node.port to the K1, or update the firmware if this is one"
        if self._lines.overlong:
            return "not a K1 node: it sends without end and without a newline; set node.port to the K1"
        return "no answer: the node is mute or in download mode; power-cycle the node, or set node.port if this port is not a K1"

    def _end(self, verdict: Verdict, reason: str | None, rest: bytes) -> None:
        self._step = _Step.DONE
        self.outcome = Identity(verdict, reason, self._data, rest)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
