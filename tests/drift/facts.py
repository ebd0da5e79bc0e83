"""Beats at a steady tempo and the flashes that belong to them, as facts to feed."""

from k1edge.events import Beat, BeatFate, FlashReport
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime, NodeTime, SampleIndex

START_NS = 1_000 * NS_PER_S


def beat(index: int, bpm: float = 120.0) -> Beat:
    return Beat(index=index, sample=SampleIndex(0), heard=SampleIndex(0), bpm=bpm, confidence=1.0, strength=1.0, beat_in_bar=None)


def host(beat_number: float, ms: float = 0.0, bpm: float = 120.0) -> HostTime:
    """Beat `beat_number`, `ms` later."""
    return HostTime(START_NS + round(beat_number * 60 * NS_PER_S / bpm + ms * NS_PER_MS))


def flash(index: int, fired_ms: float, due_ms: float = 0.0, bpm: float = 120.0) -> FlashReport:
    """`fired_ms` and `due_ms` after the beat."""
    return FlashReport(
        beat_id=index,
        fate=BeatFate.FIRED,
        due_ns=host(index, due_ms, bpm),
        scheduled_us=NodeTime(1),
        fired_us=NodeTime(2),
        fired_ns=host(index, fired_ms, bpm),
        bound_us=50.0,
    )
