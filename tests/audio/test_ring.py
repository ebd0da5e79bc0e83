"""The ring against the naive model: a list of everything that was ever written."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1edge.audio.ring import FrameRing

ACTIONS = st.lists(st.tuples(st.sampled_from(["write", "read"]), st.integers(0, 60), st.integers(0, 60)), max_size=60)


@settings(max_examples=200, deadline=None)
@given(capacity=st.integers(1, 40), channels=st.integers(1, 2), actions=ACTIONS)
def test_behaves_as_the_last_frames_of_everything_written(capacity: int, channels: int, actions: list[tuple[str, int, int]]) -> None:
    ring = FrameRing(capacity, channels)
    everything: list[float] = []
    lost = 0
    for action, amount, back in actions:
        if action == "write":
            values = [float(len(everything) + step) for step in range(amount)]
            assert ring.write(np.repeat(np.array(values, np.float32)[:, np.newaxis], channels, axis=1)) == len(everything)
            everything += values
            continue
        start = max(0, len(everything) - back)
        count = min(amount, len(everything) - start)
        kept_from = max(0, len(everything) - capacity)
        got = ring.read(start, count)
        if start < kept_from and count:
            lost += min(count, kept_from - start)
            assert got is None
        else:
            assert got is not None
            assert got.shape == (count, channels)
            assert (got == np.array(everything[start : start + count], np.float32)[:, np.newaxis]).all()
        assert ring.overruns == lost
        assert ring.oldest == kept_from
        assert ring.head == len(everything)


def test_read_gives_copies() -> None:
    ring = FrameRing(8, 1)
    ring.write(np.ones((8, 1), np.float32))
    got = ring.read(0, 8)
    ring.write(np.zeros((8, 1), np.float32))
    assert got is not None
    assert (got == 1.0).all()


def test_write_copies_what_portaudio_will_reuse() -> None:
    ring = FrameRing(8, 1)
    buffer = np.ones((4, 1), np.float32)
    ring.write(buffer)
    buffer[:] = 7.0
    got = ring.read(0, 4)
    assert got is not None
    assert (got == 1.0).all()


def test_what_was_not_written_yet_is_an_error_of_ours() -> None:
    ring = FrameRing(8, 1)
    for start, count in ((0, 1), (-1, 1), (0, -1)):
        with pytest.raises(ValueError, match="ring"):
            ring.read(start, count)
    with pytest.raises(ValueError, match="ring"):
        FrameRing(0, 1)


def test_a_racing_writer_never_gives_torn_frames() -> None:
    ring = FrameRing(512, 2)
    over = threading.Event()

    def write() -> None:
        at = 0
        while not over.is_set():
            ring.write(np.repeat(np.arange(at, at + 64, dtype=np.float32)[:, np.newaxis], 2, axis=1))
            at = (at + 64) % (1 << 22)  # stays exact in float32

    writer = threading.Thread(target=write)
    writer.start()
    try:
        read = torn = 0
        while read < 2_000:
            start = ring.oldest
            got = ring.read(start, min(300, ring.head - start))
            if got is not None and len(got):
                read += 1
                torn += not (np.diff(got[:, 0]) % (1 << 22) == 1.0).all()
    finally:
        over.set()
        writer.join()
    assert torn == 0
