"""The whole room on seeded facts: what is shown when a node is late, a clock is fast, or there is nothing to compare with."""

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1edge.drift.meter import DriftMeter
from k1edge.drift.watch import AFTER_NS, DriftWatch, Facts, News
from k1edge.events import ClockMap, Culprit, Severity
from k1edge.snapshot import Alert, DriftStatus
from k1edge.timebase import NS_PER_MS, NS_PER_S, AffineMap, HostTime
from tests.drift.facts import START_NS, beat, flash, host


def clock(ppm: float, at_ns: HostTime, bound_us: float = 200.0) -> ClockMap:
    return ClockMap(AffineMap(0, 0, 1e-3), bound_us, 20.0, ppm, at_ns, 100)


READY = Facts(locked=True, audio_live=True, node_ready=True, timed=True)


@dataclass
class Room:
    """Music at `bpm` with a node that follows it, in fake time; 0 s is the first beat. Jitter as real songs have: sd 6 ms."""

    bpm: float = 120.0
    late_ms: float = 0.0
    onsets: bool = True
    facts: Facts = READY
    seed: int = 1
    watch: DriftWatch = field(init=False)
    news: list[News] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.meter = DriftMeter()
        self.watch = DriftWatch(self.meter)
        self._rng = random.Random(self.seed)
        self._tick = 0
        self._next = 0

    @property
    def now(self) -> HostTime:
        return HostTime(START_NS + self._tick * 100 * NS_PER_MS)

    def play(self, seconds: float) -> DriftStatus:
        for _ in range(round(seconds * 10)):
            while host(self._next, 60.0, self.bpm) <= self.now:
                self._beat(self._next)
                self._next += 1
            self.news.append(self.watch.look(self.facts, self.now))
            self._tick += 1
        return self.watch.status(self.now)

    def _beat(self, index: int) -> None:
        self.meter.add_beat(beat(index, self.bpm), host(index, 0.0, self.bpm))
        if self.onsets and index % 4 != 3:
            self.meter.add_onset(host(index, self._rng.gauss(0.0, 6.0), self.bpm), 0.5 + 0.5 * self._rng.random())
        if self.facts.node_ready and self.facts.timed:
            self.meter.add_flash(flash(index, self.late_ms + self._rng.gauss(0.0, 0.2), 0.0, self.bpm))

    def alerts(self) -> list[Alert]:
        return [alert for news in self.news for alert in news.alerts]


@pytest.mark.parametrize("bpm", [60.0, 124.0, 180.0, 215.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_node_shifted_by_35_ms_shows_it_within_10_s_and_is_amber(bpm: float, sign: int) -> None:
    room = Room(bpm)
    assert room.play(15.0).severity is Severity.OK
    room.late_ms = sign * 35.0
    status = room.play(10.0)
    assert status.drift_ms == pytest.approx(sign * 35.0, abs=3.0)
    assert (status.severity, status.attribution, status.reason) == (Severity.AMBER, Culprit.NODE, None)
    assert status.figures.fire_error_us.newest == pytest.approx(sign * 35_000.0, abs=1_000.0)
    (alert,) = room.watch.alerts().open
    assert (alert.kind, alert.severity, alert.attribution) == ("drift", Severity.AMBER, Culprit.NODE)
    assert alert.begin_ns == pytest.approx(START_NS + 15 * NS_PER_S, abs=2.5 * 60 / bpm * NS_PER_S)


@pytest.mark.parametrize("bpm", [60.0, 124.0, 180.0, 215.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_node_shifted_by_120_ms_is_red_after_5_s(bpm: float, sign: int) -> None:
    room = Room(bpm)
    room.play(15.0)
    room.late_ms = sign * 120.0
    assert room.play(4.5).severity is not Severity.RED
    status = room.play(3.5 + 120.0 / bpm)
    assert (status.severity, status.attribution) == (Severity.RED, Culprit.NODE)
    assert room.play(5.0).drift_ms == pytest.approx(sign * 120.0, abs=3.0)


def test_the_alert_ends_when_the_node_is_right_again() -> None:
    room = Room(late_ms=120.0)
    room.play(15.0)
    room.late_ms = 0.0
    assert room.play(10.0).severity is Severity.OK
    assert [(a.id, a.severity, a.end_ns is None) for a in room.alerts()] == [
        (1, Severity.ALERT, True),
        (1, Severity.RED, True),
        (1, Severity.RED, False),
    ]
    (alert,) = room.watch.alerts().closed
    assert alert.worst_ms == pytest.approx(120.0, abs=8.0)
    assert alert.end_ns == pytest.approx(START_NS + 15 * NS_PER_S, abs=NS_PER_S)
    assert room.watch.status(room.now).attribution is None


def test_a_node_clock_80_ppm_fast_shows_it() -> None:
    room = Room()
    rng = random.Random(7)
    for _ in range(40):
        room.facts = replace(READY, clock=clock(80.0 + rng.gauss(0.0, 2.0), room.now), audio_drift_ppm=-12.0)
        status = room.play(0.5)
    assert status.node_drift_ppm == pytest.approx(80.0, abs=5.0)
    assert status.audio_drift_ppm == pytest.approx(-12.0)
    assert (status.sync_error_us, status.offset_bound_us) == (20.0, 200.0)
    assert status.figures.node_drift_ppm.since_start.median == pytest.approx(80.0, abs=5.0)
    assert status.figures.node_drift_ppm.last_10s.count == pytest.approx(34, abs=2)  # every third of ten looks a second


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (replace(READY, node_ready=None, timed=None), "no node"),
        (replace(READY, timed=False), "untimed: this dialect does not tell when the node flashed"),
        (replace(READY, node_ready=False), "the node is not ready"),
        (replace(READY, node_ready=False, timed=False), "untimed: this dialect does not tell when the node flashed"),
    ],
)
def test_without_a_flash_that_is_timed_drift_is_null_with_the_reason(facts: Facts, reason: str) -> None:
    status = Room(facts=facts).play(15.0)
    assert (status.drift_ms, status.drift_ref, status.severity, status.reason) == (None, None, None, reason)
    assert (status.fire_error_us, status.figures.fire_error_us.since_start.count) == (None, 0)
    assert status.beat_residual_ms == pytest.approx(0.0, abs=4.0)


def test_no_reference_is_null_and_an_alert_after_half_a_minute() -> None:
    room = Room(onsets=False)
    status = room.play(30.0)
    assert (status.drift_ms, status.drift_ref, status.severity) == (None, None, None)
    assert status.reason == "no onset was heard near a beat that flashed"
    assert status.fire_error_us == pytest.approx(0.0, abs=200.0)
    assert room.watch.alerts().open == ()
    room.play(4.0)
    assert [(a.kind, a.severity, a.worst_ms) for a in room.watch.alerts().open] == [("no_reference", Severity.AMBER, None)]
    room.onsets = True
    assert room.play(5.0).drift_ref == "onset"
    assert room.watch.alerts().open == ()
    assert [a.kind for a in room.watch.alerts().closed] == ["no_reference"]


def test_nothing_at_all_is_null_not_zero() -> None:
    status = DriftWatch(DriftMeter()).status(HostTime(START_NS))
    assert set(status.model_dump(exclude={"figures", "reason"}).values()) == {None}
    assert all(figure["newest"] is None for figure in status.figures.model_dump().values())


@pytest.mark.parametrize(("kind", "gone"), [("node_lost", {"node_ready": False}), ("audio_lost", {"audio_live": False})])
def test_fault_13_24_what_was_there_and_is_gone_is_an_alert_until_it_is_back(kind: str, gone: dict[str, bool]) -> None:
    room = Room(facts=replace(READY, **gone))
    room.play(20.0)
    assert room.alerts() == []  # never there, never lost: the state says so already
    room.facts = READY
    room.play(2.0)
    room.facts = replace(READY, **gone)
    room.play(AFTER_NS[kind] / NS_PER_S - 0.1)
    room.facts = READY
    room.play(1.0)
    assert room.alerts() == []  # back in time
    room.facts = replace(READY, **gone)
    lost_ns = room.now
    room.play(20.0)
    room.facts = READY
    room.play(1.0)
    began, ended = room.alerts()
    assert (began.kind, began.begin_ns, began.end_ns) == (kind, lost_ns, None)
    assert ended.end_ns == pytest.approx(lost_ns + 20 * NS_PER_S, abs=NS_PER_S // 5)


def test_the_newest_beat_and_since_the_start_are_told_beside_the_10_s() -> None:
    room = Room(late_ms=30.0)
    room.play(20.0)
    room.late_ms = -5.0
    figure = room.play(20.0).figures.drift_ms
    assert figure.newest == pytest.approx(-5.0, abs=25.0)
    assert figure.last_10s.median == pytest.approx(-5.0, abs=3.0)
    assert figure.since_start.p95 == pytest.approx(38.0, abs=6.0)
    assert figure.since_start.count == pytest.approx(60, abs=4)  # three of four beats have an onset


def test_each_beat_is_news_once_and_in_order() -> None:
    room = Room()
    room.play(30.0)
    told = [reading.index for news in room.news for reading in news.readings]
    assert told == list(range(len(told)))
    assert len(told) >= 56


@given(late_ms=st.floats(-160, 160), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_what_is_told_of_a_steady_node_is_how_late_it_is(late_ms: float, seed: int) -> None:
    room = Room(late_ms=late_ms, seed=seed)
    status = room.play(13.0)
    assert status.drift_ms == pytest.approx(late_ms, abs=6.0)
    assert len(room.watch.alerts().open) == (status.severity is not Severity.OK)
