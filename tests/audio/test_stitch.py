"""The stitcher against a random driver: whatever it is told, the stream keeps its promises."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from k1edge.audio.source import AudioBlock
from k1edge.audio.stitch import STALE_NS, Stitcher
from k1edge.timebase import NS_PER_MS, NS_PER_S, SAMPLE_RATE_HZ

START_NS = 500 * NS_PER_S
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["flow", "flow", "flow", "xrun", "lost", "lapped", "late_reader", "burst", "bad_adc", "reopen"]),
        st.integers(1, 60),
        st.sampled_from([22_050, 44_100, 48_000]),
    ),
    min_size=1,
    max_size=12,
)


class Driver:
    """Tells a stitcher of callbacks; `now_ns` is when the newest frame was captured."""

    def __init__(self, rate_hz: int = 48_000) -> None:
        self.stitcher = Stitcher()
        self.now_ns = START_NS
        self.blocks: list[AudioBlock] = []
        self.arrivals_ns: list[int] = []
        self.open(rate_hz)

    def open(self, rate_hz: int) -> None:
        self.rate_hz, self.frame = rate_hz, 0
        self.now_ns += 300 * NS_PER_MS
        self.stitcher.begin_stream(rate_hz, 1)

    def callback(
        self, *, overflow: bool = False, lapped: bool = False, read_late_ns: int = 0, held_ns: int = 0, adc_ns: int | None = None
    ) -> None:
        count = self.rate_hz // 100
        captured_ns = self.now_ns
        self.now_ns += count * NS_PER_S // self.rate_hz
        arrival_ns = self.now_ns + 5 * NS_PER_MS + held_ns
        block = self.stitcher.push(
            self.frame,
            None if lapped else np.full((count, 1), 0.5, np.float32),
            count=count,
            adc_ns=captured_ns if adc_ns is None else adc_ns,
            arrival_ns=arrival_ns,
            overflow=overflow,
            now_ns=arrival_ns + read_late_ns,
        )
        self.frame += count
        if block is not None:
            self.blocks.append(block)
            self.arrivals_ns.append(arrival_ns)

    def play(self, event: str, amount: int, rate_hz: int) -> None:
        if event == "reopen":
            self.open(rate_hz)
        elif event in {"xrun", "lost"}:
            self.now_ns += amount * 30 * NS_PER_MS
            self.callback(overflow=event == "xrun")
        elif event == "burst":
            for left in range(amount * 5, 0, -1):
                self.callback(held_ns=left * 10 * NS_PER_MS)
        for _ in range(amount):
            self.callback(
                lapped=event == "lapped",
                read_late_ns=STALE_NS + NS_PER_S if event == "late_reader" else 0,
                adc_ns=7 if event == "bad_adc" else None,
            )


@settings(max_examples=30, deadline=None)
@given(events=EVENTS)
@example(events=[("flow", 1, 22_050), ("lost", 17, 22_050), ("burst", 58, 22_050)])  # a young clock that slid back too slowly
def test_whatever_the_driver_does_the_stream_keeps_its_promises(events: list[tuple[str, int, int]]) -> None:
    driver = Driver()
    for event in events:
        driver.play(*event)
    for before, after in itertools.pairwise(driver.blocks):
        end = before.start + len(before.samples)
        assert after.epoch - before.epoch in {0, 1}
        assert after.start == end if after.epoch == before.epoch else after.start >= end
    for block, arrival_ns in zip(driver.blocks, driver.arrivals_ns, strict=True):
        assert len(block.samples) > 0
        assert np.isfinite(block.samples).all()
        assert block.to_host is not None
        # Never from before the start, never from after it was delivered (but for what a slope not yet known can do).
        assert block.to_host.forward(block.start) >= START_NS
        assert block.to_host.forward(block.start + len(block.samples)) <= arrival_ns + 20 * NS_PER_MS


@pytest.mark.parametrize("event", ["xrun", "lapped", "late_reader", "burst", "reopen"])
def test_fault_27_each_kind_of_gap_begins_exactly_one_epoch(event: str) -> None:
    driver = Driver()
    driver.play("flow", 300, 48_000)
    assert {block.epoch for block in driver.blocks} == {0}
    driver.play(event, 20, 48_000)
    driver.play("flow", 300, 48_000)
    assert driver.blocks[-1].epoch == 1
    last = driver.blocks[-1]
    assert last.to_host is not None
    first = driver.blocks[0]
    assert first.to_host is not None
    elapsed_ns = last.to_host.forward(last.start) - first.to_host.forward(first.start)
    assert (last.start - first.start) / SAMPLE_RATE_HZ == pytest.approx(elapsed_ns / NS_PER_S, abs=0.02)


def test_lost_frames_that_look_stale_are_not_dropped_for_ever() -> None:
    driver = Driver()
    driver.play("flow", 500, 48_000)
    driver.now_ns += 3 * NS_PER_S  # three seconds of frames vanish, and nothing tells
    driver.play("flow", 100, 48_000)
    late = driver.blocks[-1]
    assert late.epoch == 1
    assert late.to_host is not None
    assert late.to_host.forward(late.start + len(late.samples)) == pytest.approx(driver.now_ns, abs=15 * NS_PER_MS)
    assert driver.stitcher.dropped_frames / 48_000 == pytest.approx(0.2, abs=0.02)


def test_latency_is_measured() -> None:
    driver = Driver()
    driver.play("flow", 500, 44_100)
    driver.open(44_100)
    driver.play("flow", 500, 44_100)
    assert driver.stitcher.latency_ns == pytest.approx(5 * NS_PER_MS, abs=0.2 * NS_PER_MS)
