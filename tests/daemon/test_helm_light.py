"""What the node flashes while people steer: song, pipeline, helm, conductor and scheduler, and a node that plays its newest plan. Simulated time."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from k1edge.audio import synth
from k1edge.audio.source import AudioBlock
from k1edge.beat.pipeline import Pipeline
from k1edge.beat.scheduler import REFRACTORY_NS, Keep, Scheduler
from k1edge.config import Settings
from k1edge.daemon.conductor import Conductor
from k1edge.daemon.hearing import Heard
from k1edge.daemon.helm import Helm
from k1edge.drift.meter import DriftMeter
from k1edge.events import BeatPlan
from k1edge.held import Word
from k1edge.timebase import NS_PER_MS, NS_PER_S, SAMPLE_RATE_HZ, AffineMap, HostTime, SampleIndex

BLOCK = 441
LATENCY_NS = 30 * NS_PER_MS
FREEZE_NS = 30 * NS_PER_MS
"""So long before its time a node takes no other word on a beat."""

TO_HOST = AffineMap(0, 50 * NS_PER_S, NS_PER_S / SAMPLE_RATE_HZ)

Said = Callable[[Helm, HostTime], object]


@cache
def house() -> synth.Song:
    return synth.song("house", seconds=30.0)


def flashed(song: synth.Song, said: dict[float, Said]) -> NDArray[np.float64]:
    """When the node flashed, s of the song; `said` by when."""
    conductor = Conductor(Scheduler(), DriftMeter())
    waiting = dict(sorted(said.items()))
    pipeline = Pipeline()
    helm = Helm(Settings(), conductor, pipeline.steer)
    plan: BeatPlan | None = None
    flashes: dict[int, int] = {}
    for start in range(0, len(song.samples) - BLOCK, BLOCK):
        block = AudioBlock(song.samples[start : start + BLOCK].copy(), SampleIndex(start), 0, TO_HOST)
        now = HostTime(TO_HOST.forward(start + BLOCK) + LATENCY_NS)
        due = next(iter(waiting), None)
        if due is not None and start >= due * SAMPLE_RATE_HZ:
            waiting.pop(due)(helm, now)
        newer = conductor.hear(Heard(tuple(pipeline.push(block)), TO_HOST, 0), now)
        plan = plan if isinstance(newer, Keep) else newer
        for beat in plan.beats if plan is not None else ():
            if beat.due_ns <= now + FREEZE_NS:
                flashes.setdefault(beat.beat_id, beat.due_ns)
    return np.array(sorted(TO_HOST.inverse(at) for at in flashes.values())) / SAMPLE_RATE_HZ


def off(flashes: NDArray[np.float64], factor: float = 1.0) -> NDArray[np.float64]:
    """Distance of each to the nearest beat of the song, or of a grid `factor` times as dense, s."""
    beats = house().beats_s
    step = float(np.median(np.diff(beats))) / factor
    place = (flashes - beats[0]) / step
    return np.asarray((place - np.round(place)) * step)


def word(said: Word) -> Said:
    return lambda helm, now: helm.say(said, now)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.2, 0.3, 0.4])
@pytest.mark.parametrize(("first", "factor"), [(Word.HALF, 0.5), (Word.DOUBLE, 2.0)])
def test_fault_54_half_and_double_at_any_moment_of_the_beat_give_no_double_flash(first: Word, factor: float, shift: float) -> None:
    back = Word.DOUBLE if first is Word.HALF else Word.HALF
    flashes = flashed(house(), {10.0 + shift: word(first), 18.0 + shift: word(back), 24.0: word(Word.AUTO)})
    beat_s = float(np.median(np.diff(house().beats_s)))
    assert np.diff(flashes).min() >= REFRACTORY_NS / NS_PER_S
    assert np.diff(flashes[flashes > 8.0]).max() < max(1.0, 1.0 / factor) * beat_s + 0.12  # nor a beat that is left out
    steered = flashes[(flashes > 11.5) & (flashes < 18.0)]
    assert np.median(np.diff(steered)) == pytest.approx(beat_s / factor, rel=0.03)
    assert np.quantile(np.abs(off(steered, max(1.0, factor))), 0.9) < 0.04
    again = flashes[(flashes > 20.0) & (flashes < 24.0)]
    assert np.median(np.diff(again)) == pytest.approx(beat_s, rel=0.03)
    assert np.abs(off(again)).max() < 0.06


def test_half_after_a_downbeat_keeps_its_side_of_the_bar_however_long_after() -> None:
    beats = house().beats_s
    beat_s = float(np.median(np.diff(beats)))
    bar = [float(at) for at in beats[beats > 9.0]][:2]
    for first, late in ((bar[0], 0.0), (bar[1], 0.0), (bar[0], beat_s), (bar[1], beat_s)):
        # said 30 ms after the beat, and `half` 6 s later, nearer to a beat of the one side or of the other
        flashes = flashed(house(), {first + 0.03: word(Word.DOWNBEAT), first + 12.0 * beat_s + late: word(Word.HALF)})
        after = flashes[flashes > first + 14.0 * beat_s]
        place = (after - first) / (2.0 * beat_s)
        assert len(after) >= 6
        assert np.abs(place - np.round(place)).max() < 0.06


def test_a_nudge_moves_the_light_and_not_what_is_followed() -> None:
    flashes = flashed(house(), {10.0: lambda helm, _: helm.nudge(60.0), 15.0: lambda helm, _: helm.nudge(-120.0), 20.0: word(Word.AUTO)})
    assert np.diff(flashes).min() >= REFRACTORY_NS / NS_PER_S
    for begin, end, ms in ((6.0, 10.0, 0.0), (11.0, 15.0, 60.0), (16.0, 20.0, -60.0), (21.0, 29.0, 0.0)):
        between = flashes[(flashes > begin) & (flashes < end)]
        assert len(between) >= 6
        assert 1e3 * np.median(off(between)) == pytest.approx(ms, abs=8.0)


def test_taps_on_every_other_beat_halve_the_light_onto_them() -> None:
    beats = house().beats_s
    tapped = [float(at) for at in beats[beats > 10.0][1:10:2]]
    taps: dict[float, Said] = {}
    for at_s in tapped:
        at = HostTime(TO_HOST.forward(at_s * SAMPLE_RATE_HZ))
        taps[at_s + 0.1] = lambda helm, now, at=at: helm.tap(at, now)  # type: ignore[misc]  # bound at once
    flashes = flashed(house(), taps)
    after = flashes[flashes > tapped[-1] + 1.0]
    place = (after - tapped[0]) / (2.0 * float(np.median(np.diff(beats))))
    assert np.abs(place - np.round(place)).max() < 0.06
    assert len(after) >= 6
    assert np.diff(flashes).min() >= REFRACTORY_NS / NS_PER_S
