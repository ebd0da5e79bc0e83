"""The DSP thread: what it takes from others, and what outlives a pipeline."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from k1edge.audio.source import AudioBlock, AudioHealth, AudioState, EndOfStreamError
from k1edge.beat.pipeline import Pipeline
from k1edge.beat.steering import Steering
from k1edge.beat.tempo import Tempi
from k1edge.daemon.hearing import MOST_SAID, Heard, Hearing
from k1edge.timebase import AffineMap, SampleIndex

PATIENCE_S = 20.0
SLOW, FAST = Tempi(60.0, 70.0), Tempi(150.0, 160.0)


class Steered(Pipeline):
    """Notes what it is told, and on which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[Steering, str]] = []

    def steer(self, steering: Steering) -> None:
        self.told.append((steering, threading.current_thread().name))
        super().steer(steering)


class Blocks:
    """One block for each `more`; raises in `read` where it is told to."""

    def __init__(self) -> None:
        self._more = threading.Semaphore(0)
        self._fail: Exception | None = None
        self.given = 0
        self.renewed = 0

    def more(self, fail: Exception | None = None) -> None:
        self._fail = fail
        self._more.release()

    def read(self, timeout_s: float) -> AudioBlock | None:
        if not self._more.acquire(timeout=min(timeout_s, 0.02)):
            return None
        if self._fail is not None:
            raise self._fail
        self.given += 1
        start = SampleIndex(441 * (self.given - 1))
        return AudioBlock(np.zeros(441, np.float32), start, 0, AffineMap(0, 0, 1e9 / 44_100))

    def health(self) -> AudioHealth:
        return AudioHealth(AudioState.LIVE, None, "test", 44_100, 1, 0, 0, 0.0, False, 0, 0, 0, 0, 0)

    def renew(self) -> None:
        self.renewed += 1

    def close(self) -> None:
        self._more.release()


class Scene:
    def __init__(self) -> None:
        self.blocks = Blocks()
        self.pipelines: list[Steered] = []
        self.heard = 0
        self.endings: list[Exception | None] = []
        self.hearing = Hearing(self.blocks, self._new, self._deliver, self.endings.append)

    def _new(self) -> Pipeline:
        self.pipelines.append(Steered())
        return self.pipelines[-1]

    def _deliver(self, heard: Heard) -> None:
        self.heard += heard.to_host is not None

    def one(self) -> None:
        """Another block, digested."""
        self.blocks.more()
        wanted = self.heard + 1
        self.until(lambda: self.heard >= wanted)

    def until(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not what():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.002)


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    made.hearing.start()
    yield made
    made.hearing.stop(PATIENCE_S)


def told(pipeline: Steered) -> list[Steering]:
    return [steering for steering, _ in pipeline.told]


def test_words_reach_the_pipeline_in_order_on_its_own_thread_before_the_next_block(scene: Scene) -> None:
    scene.one()
    first, second = Steering(SLOW, 65.0), Steering(SLOW, downbeat_at=5.0)
    scene.hearing.steer(first)
    scene.hearing.steer(second)
    scene.one()
    assert told(scene.pipelines[0]) == [first, second]
    assert {thread for _, thread in scene.pipelines[0].told} == {"k1-dsp"}


def test_of_a_flood_without_sound_the_newest_count(scene: Scene) -> None:
    said = [Steering(SLOW, 60.0 + 0.1 * k) for k in range(3 * MOST_SAID)]
    for steering in said:
        scene.hearing.steer(steering)
    scene.one()
    assert told(scene.pipelines[0]) == said[-MOST_SAID:]


def test_fault_31_a_tracker_started_anew_holds_to_the_tempi_and_to_no_old_beat(scene: Scene) -> None:
    scene.hearing.steer(Steering(FAST, 155.0, 100.0, keep=True))
    scene.one()
    scene.blocks.more(ValueError("a bug"))
    scene.until(lambda: scene.endings)
    scene.blocks._fail = None
    scene.hearing.start()
    scene.one()
    assert told(scene.pipelines[1]) == [Steering(FAST)]


def test_fault_21_so_does_one_after_the_host_slept(scene: Scene) -> None:
    scene.hearing.steer(Steering(FAST))
    scene.one()
    scene.hearing.renew()
    scene.until(lambda: len(scene.pipelines) == 2)
    scene.one()
    assert scene.blocks.renewed == 1
    assert told(scene.pipelines[1]) == [Steering(FAST)]


def test_what_was_said_before_the_end_of_the_stream_disturbs_nobody(scene: Scene) -> None:
    scene.hearing.steer(Steering(SLOW))
    scene.blocks.more(EndOfStreamError("over"))
    scene.until(lambda: scene.endings)
    assert scene.endings == [None]
