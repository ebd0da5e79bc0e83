"""Songs in fake time, through the real pipeline, conductor, scheduler and session to a simulated node."""

from itertools import count

import numpy as np

from k1edge.audio.source import AudioBlock
from k1edge.audio.synth import song
from k1edge.beat.pipeline import Pipeline
from k1edge.beat.scheduler import Keep, Scheduler
from k1edge.daemon.conductor import Conductor
from k1edge.daemon.hearing import Heard
from k1edge.drift.meter import DriftMeter
from k1edge.events import BeatFate, FlashReport
from k1edge.timebase import NS_PER_MS, SAMPLE_RATE_HZ, AffineMap, HostTime, SampleIndex
from tests.sim.conftest import T0, NodeClock, S, World

BLOCK = 441
CAPTURE_NS = 50 * NS_PER_MS
"""From the air to the pipeline; a sound server's usual latency."""


class HeardWorld(World):
    """`World` whose plans come from a song: a block each 10 ms, CAPTURE_NS after it was in the air."""

    def __init__(self, seed: int, name: str, seconds: float) -> None:
        super().__init__(seed, clock=NodeClock(ppm=30.0))
        self.samples = np.asarray(song(name, seed=seed, seconds=seconds).samples, dtype=np.float32)
        self.named_ns: dict[int, int] = {}  # by wire id: how far ahead the node was told of it first
        self.settled_ns: dict[int, int] = {}  # and how far ahead of the newest time that was more than 1 ms from the one before
        self._told: dict[int, int] = {}
        self._pipeline = Pipeline()
        self._conductor = Conductor(Scheduler(), DriftMeter())
        self._starts = count(0, BLOCK)
        self._to_host = AffineMap(0, T0, 1e9 / SAMPLE_RATE_HZ)
        self._first_ns = T0 + CAPTURE_NS

    def leads_ms(self) -> tuple[list[float], list[float]]:
        """For each beat that fired: how far ahead of its light it was told first, and how far ahead it last moved by more than 1 ms."""
        return [lead / NS_PER_MS for lead in self.named_ns.values()], [lead / NS_PER_MS for lead in self.settled_ns.values()]

    def _on_plan(self, _data: bytes) -> None:
        start = next(self._starts)
        if start + BLOCK <= len(self.samples):
            block = AudioBlock(self.samples[start : start + BLOCK], SampleIndex(start), 0, self._to_host)
            now = HostTime(self.now)
            plan = self._conductor.hear(Heard(tuple(self._pipeline.push(block)), self._to_host, 0), now)
            if not isinstance(plan, Keep):
                self.session.follow(plan, now)
            self._push(self.now + BLOCK * S // SAMPLE_RATE_HZ, "plan")
        self._on_host(b"")

    def _on_host(self, data: bytes) -> None:
        super()._on_host(data)
        for wire_id, beat in self.session.peer.ledger._pending.items():
            if beat.node_us is not None and beat.node_us != self._told.get(wire_id):
                due_ns, before = beat.planned.due_ns, self._told.get(wire_id)
                self.named_ns.setdefault(wire_id, due_ns - self.now)
                if before is None or abs(beat.node_us - before) > 1_000:
                    self.settled_ns[wire_id] = due_ns - self.now
                    self._told[wire_id] = beat.node_us


def fired(reports: list[FlashReport]) -> int:
    """How many of them are flashes."""
    return sum(report.fate in {BeatFate.FIRED, BeatFate.LATE} for report in reports)
