"""The DSP thread: sound in, events out. It alone touches the source's `read`/`close` and the pipeline.

What people say of the tempo comes in as frozen `Steering`s, by a queue that any thread may fill and this one empties. What it hands over is a frozen `Heard`; `deliver` is called on this thread and has to pass it on (the daemon posts it to its loop).
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from k1edge.audio.source import AudioBlock, AudioSource, EndOfStreamError
from k1edge.beat.pipeline import Pipeline
from k1edge.beat.steering import Steering
from k1edge.beat.tempo import Tempi
from k1edge.events import Beat, BeatGrid, Onset
from k1edge.timebase import AffineMap, HostTime

READ_TIMEOUT_S = 0.25
"""How long one read waits: the beat of this thread's pulse while no sound comes, and so what a stop has to wait for."""


MOST_SAID = 16
"""Steerings that wait for sound; of more the newest count."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one turn of the DSP thread brought.

    Attributes:
        events: in the order in which they were found; empty when no sound came.
        to_host: sample index -> host ns at that time; None when no sound came.
        dsp_ns: what the pipeline took for it.
        life: of the hearing, see `Hearing.renew`.
    """

    events: tuple[Onset | Beat | BeatGrid, ...]
    to_host: AffineMap | None
    dsp_ns: int
    life: int = 0


class Hearing:
    """Runs a source through a pipeline on a thread of its own.

    Args:
        source: where the sound comes from.
        new_pipeline: makes a fresh pipeline; called again when a failed thread is started anew.
        deliver: takes every `Heard`, on the DSP thread.
        ended: called once on the DSP thread when it leaves: None = end of stream or `stop`, otherwise the exception.
    """

    def __init__(
        self,
        source: AudioSource,
        new_pipeline: Callable[[], Pipeline],
        deliver: Callable[[Heard], None],
        ended: Callable[[Exception | None], None],
    ) -> None:
        self.source = source
        self._new_pipeline = new_pipeline
        self._deliver = deliver
        self._ended = ended
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._said: deque[Steering] = deque(maxlen=MOST_SAID)  # handed over by other threads, in order
        self._tempi: Tempi | None = None  # what was said of them last; the DSP thread's
        self.turn_ns = HostTime(time.monotonic_ns())
        """When the thread last came round; read by the watchdog."""
        self.life = 0
        """How often everything was begun anew; what an older life heard is not to be used."""

    def start(self) -> None:
        """Start the thread, or start it anew after it has ended."""
        self._stopping.clear()
        self.turn_ns = HostTime(time.monotonic_ns())
        self._thread = threading.Thread(target=self._run, name="k1-dsp", daemon=True)
        self._thread.start()

    def renew(self) -> None:
        """Forget what was heard and open the device again: time has passed that no clock of ours has seen. Another thread's call."""
        self.life += 1

    def steer(self, steering: Steering) -> None:
        """Have the pipeline hold to it, before the next block; its tempi hold for every later pipeline too. Another thread's call."""
        self._said.append(steering)

    def stop(self, timeout_s: float) -> bool:
        """Ask the thread to end and wait; False if it did not within `timeout_s` (a driver that hangs)."""
        self._stopping.set()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failure: Exception | None = None
        try:
            self._listen(self._begin())
        except EndOfStreamError:
            pass
        except Exception as error:  # noqa: BLE001 - handed to the supervisor, which decides
            failure = error
        if failure is None or self._stopping.is_set():
            self.source.close()
        self._ended(failure)

    def _listen(self, pipeline: Pipeline) -> None:
        life = self.life
        while not self._stopping.is_set():
            if life != self.life:
                life = self.life
                self.source.renew()
                pipeline = self._begin()
            block = self.source.read(READ_TIMEOUT_S)
            self.turn_ns = HostTime(time.monotonic_ns())
            if block is not None:
                self._take_said(pipeline)
            self._deliver(Heard((), None, 0, life) if block is None else _digest(pipeline, block, life))

    def _begin(self) -> Pipeline:
        """A pipeline that knows what was said of the tempi, though no beat of an older one."""
        pipeline = self._new_pipeline()
        if self._tempi is not None:
            pipeline.steer(Steering(self._tempi))
        return pipeline

    def _take_said(self, pipeline: Pipeline) -> None:
        while self._said:
            steering = self._said.popleft()
            pipeline.steer(steering)
            self._tempi = steering.tempi


def _digest(pipeline: Pipeline, block: AudioBlock, life: int) -> Heard:
    begin_ns = time.perf_counter_ns()
    events = tuple(pipeline.push(block))
    return Heard(events, block.to_host, time.perf_counter_ns() - begin_ns, life)
