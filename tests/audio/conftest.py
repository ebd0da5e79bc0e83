"""A sound card made of paper, with a clock that only waiting moves; for the tests of live sound."""

import itertools
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from k1edge.audio.capture import InputStream, Stamp
from k1edge.audio.live import LiveSource
from k1edge.audio.source import AudioBlock
from k1edge.errors import DeviceError
from k1edge.timebase import NS_PER_MS, NS_PER_S, SAMPLE_RATE_HZ

START_NS = 1_000 * NS_PER_S
BLOCK_NS = 10 * NS_PER_MS
Spans = list[tuple[float, float]]


def at_ns(seconds: float) -> int:
    return START_NS + round(seconds * NS_PER_S)


def _within(now_ns: int, spans: Spans) -> float | None:
    """Return the end of the span that `now_ns` lies in, in s."""
    return next((end for begin, end in spans if at_ns(begin) <= now_ns < at_ns(end)), None)


@dataclass
class FakeCard:
    """A sound card, its server and the host clock. Times in s since the start.

    gone: it cannot be opened, and an open stream ends. hung: callbacks stop and all come in one burst afterwards, `active` stays True.
    mute: callbacks stop and never come again on that stream. overflow: the callback at that time tells of lost frames, and 100 ms are lost.
    """

    rate_hz: int = 48_000
    channels: int = 2
    first_callback_s: float = 0.03
    gone: Spans = field(default_factory=list)
    hung: Spans = field(default_factory=list)
    mute: Spans = field(default_factory=list)
    overflow: list[float] = field(default_factory=list)
    vanish: list[float] = field(default_factory=list)  # 100 ms are lost, and nothing tells
    nan: bool = False
    now_ns: int = START_NS
    opens: list[tuple[float, bool]] = field(default_factory=list)
    streams: list["FakeStream"] = field(default_factory=list)

    def open(self, wanted: str, *, rescan: bool) -> InputStream:
        self.opens.append(((self.now_ns - START_NS) / NS_PER_S, rescan))
        assert all(stream.closed for stream in self.streams), "opened again before it was closed"
        if _within(self.now_ns, self.gone) is not None:
            msg = f"sound input {wanted!r} is busy; stop the program that holds it"
            raise DeviceError(msg)
        self.streams.append(FakeStream(self, wanted))
        return self.streams[-1]

    def sleep(self, seconds: float) -> None:
        self.now_ns += max(1, round(seconds * NS_PER_S))

    def monotonic_ns(self) -> int:
        return self.now_ns


class FakeStream:
    def __init__(self, card: FakeCard, device: str) -> None:
        self.card = card
        self.device = device
        self.rate_hz = card.rate_hz
        self.channels = card.channels
        self.closed = False
        self.failure: BaseException | None = None
        self.number = 0
        self.lost_ns = 0
        self.began_ns = card.now_ns + round(card.first_callback_s * NS_PER_S) - BLOCK_NS
        self.lapped = False
        self.overflow = False

    @property
    def active(self) -> bool:
        return not self.closed and self.failure is None and _within(self.card.now_ns, self.card.gone) is None

    def next_stamp(self, timeout_s: float) -> Stamp | None:
        card = self.card
        give_up_ns = card.now_ns + round(timeout_s * NS_PER_S)
        if not self.active:
            return None
        captured_ns = self.began_ns + self.lost_ns + self.number * BLOCK_NS
        told = any(captured_ns <= at_ns(when) < captured_ns + BLOCK_NS for when in card.overflow)
        if told or any(captured_ns <= at_ns(when) < captured_ns + BLOCK_NS for when in card.vanish):
            self.overflow = told
            self.lost_ns += 100 * NS_PER_MS
            captured_ns += 100 * NS_PER_MS
        due_ns = captured_ns + BLOCK_NS
        released = _within(due_ns, card.hung)
        due_ns = due_ns if released is None else at_ns(released)
        if due_ns > give_up_ns or _within(due_ns, card.mute) is not None:
            card.now_ns = max(card.now_ns + 1, give_up_ns)
            return None
        card.now_ns = max(card.now_ns + 1_000, due_ns)
        frames = self.rate_hz // 100
        overflow, self.overflow = self.overflow, False
        self.number += 1
        return Stamp((self.number - 1) * frames, frames, captured_ns, due_ns, overflow)

    def read(self, stamp: Stamp) -> np.ndarray | None:
        if self.lapped:
            self.lapped = False
            return None
        sound = np.full((stamp.frames, self.channels), 0.25, np.float32)
        if self.card.nan:
            sound[::7] = np.nan
        return sound

    def close(self) -> None:
        self.closed = True


def listen(card: FakeCard, source: LiveSource, until_s: float) -> list[AudioBlock]:
    """Read as the DSP thread does, and hold what every source promises."""
    blocks: list[AudioBlock] = []
    while card.now_ns < at_ns(until_s):
        block = source.read(0.1)
        if block is None:
            continue
        assert block.samples.dtype == np.float32
        assert len(block.samples) > 0
        assert np.isfinite(block.samples).all()
        assert block.to_host is not None
        blocks.append(block)
    for before, after in itertools.pairwise(blocks):
        end = before.start + len(before.samples)
        if after.epoch == before.epoch:
            assert after.start == end
        else:
            assert after.epoch == before.epoch + 1
            assert after.start >= end
    return blocks


def live_source(card: FakeCard) -> LiveSource:
    return LiveSource("mic", open_stream=card.open, monotonic_ns=card.monotonic_ns, sleep=card.sleep)


def holds_time(blocks: list[AudioBlock]) -> None:
    """Index and host time stay one line over every gap."""
    first, last = blocks[0], blocks[-1]
    assert first.to_host is not None
    assert last.to_host is not None
    elapsed_s = (last.to_host.forward(last.start) - first.to_host.forward(first.start)) / NS_PER_S
    assert (last.start - first.start) / SAMPLE_RATE_HZ == pytest.approx(elapsed_s, abs=0.025)


@pytest.fixture
def stage() -> SimpleNamespace:
    """Return the paper card and what goes with it."""
    return SimpleNamespace(Card=FakeCard, listen=listen, source=live_source, holds_time=holds_time, at_ns=at_ns)
