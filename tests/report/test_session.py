from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1edge.errors import PeerError
from k1edge.events import Severity
from k1edge.report.record import Header, Writer
from k1edge.report.session import Session, figures, read_session
from k1edge.report.telemetry import BeatMessage, HostSigns, Message, telemetry_of
from k1edge.snapshot import AlertsStatus, Figure, Spread
from k1edge.timebase import NS_PER_S
from tests.report.scene import ALERT, SNAPSHOT

BPM = 120.0


def telemetry(seq: int, at_s: float, drifts: list[float], lock: str = "locked", *, alert: bool = False) -> Message:
    """As a daemon tells it after the beats whose drifts are given."""
    spread = Spread(median=None, p95=None, worst=None, count=len(drifts))
    figure = Figure(newest=drifts[-1] if drifts else None, last_10s=spread, since_start=spread)
    drift = SNAPSHOT.drift.model_copy(update={"figures": SNAPSHOT.drift.figures.model_copy(update={"drift_ms": figure})})
    now_ns = round(at_s * NS_PER_S)
    open_ = (ALERT.model_copy(update={"begin_ns": 19 * NS_PER_S, "end_ns": None, "severity": Severity.RED}),) if alert else ()
    beat = SNAPSHOT.beat.model_copy(update={"lock": lock, "bpm": BPM})
    snapshot = SNAPSHOT.model_copy(
        update={"monotonic_ns": now_ns, "drift": drift, "beat": beat, "alerts": AlertsStatus(open=open_, closed=(), total=0)}
    )
    return telemetry_of(snapshot, seq, 0, HostSigns())


def beat(seq: int, at_s: float) -> Message:
    now_ns = round(at_s * NS_PER_S)
    return BeatMessage(
        id="k", seq=seq, wall_ms=0, monotonic_ns=now_ns, due_wall_ms=0, due_monotonic_ns=now_ns + NS_PER_S // 10, beat_index=seq, beat_in_bar=None,
        bpm=BPM, confidence=1, strength=1, offset_ms=0,
    )  # fmt: skip


def file_of(entries: list[tuple[float, str, Message]], *, part: int = 1, compressed: bool = False) -> bytes:
    writer = Writer(compressed=compressed)
    data = writer.header(Header("0", 1_000.0, part, ()))
    for at_s, peer, message in entries:
        data += writer.entry(at_s, peer, message.model_dump(mode="json"))
    return data + writer.end()


def told(session: Session, name: str = "stage") -> dict[str, Any]:
    found: dict[str, Any] = figures(session)["devices"][name]
    return found


@settings(max_examples=40)
@given(st.lists(st.floats(-200, 200), min_size=1, max_size=20), st.integers(1, 4))
def test_each_beats_drift_counts_once_however_often_it_was_told(drifts: list[float], often: int) -> None:
    entries, seq = [], 0
    for n in range(len(drifts)):
        for again in range(often):
            at_s = n * 0.5 + again * 0.08
            entries.append((at_s, "stage", telemetry(seq := seq + 1, at_s, drifts[: n + 1])))
    found = told(read_session([[file_of(entries)]]))
    by_size = sorted(map(abs, drifts))
    assert found["drift_ms"]["count"] == len(drifts)
    assert abs(found["drift_ms"]["worst"]) == round(by_size[-1], 3)
    assert found["drift_ms"]["p95"] in {round(size, 3) for size in by_size}
    assert sum(size <= found["drift_ms"]["p95"] + 1e-3 for size in by_size) >= 0.95 * len(by_size)
    assert (found["lost"], found["messages"]) == (0, len(entries))


def session_of_a_minute() -> list[tuple[float, str, Message]]:
    entries: list[tuple[float, str, Message]] = []
    for n in range(600):
        at_s = n / 10
        lock = "unlocked" if at_s < 10 else "holding" if 40 <= at_s < 50 else "locked"
        entries.append((at_s, "stage", telemetry(len(entries), at_s, [5.0] * (n // 5), lock, alert=20 <= at_s < 30)))
        if n % 5 == 0:
            entries.append((at_s, "stage", beat(len(entries), at_s)))
    return entries


def test_figures_of_a_minute() -> None:
    found = told(read_session([[file_of(session_of_a_minute())]]))
    assert (found["beats"], found["bpm_median"], found["restarts"]) == (120, BPM, 0)
    assert found["locked_s"] == pytest.approx(50, abs=0.2)
    assert [alert["severity"] for alert in found["alerts"]] == ["red"]
    assert found["alerts"][0]["begin_s"] == pytest.approx(19.0)
    assert found["alerts"][0]["end_s"] == pytest.approx(30.0)  # by its absence: the message of its end was lost
    assert (found["messages"], found["lost"]) == (720, 0)


def test_beats_lie_where_they_were_due_and_spans_where_the_lock_was() -> None:
    device = read_session([[file_of(session_of_a_minute())]]).devices["stage"]
    assert list(device.beats_s[:2]) == pytest.approx([0.1, 0.6])
    assert [(span.lock, round(span.begin_s), round(span.end_s)) for span in device.locks] == [
        ("locked", 10, 40),
        ("holding", 40, 50),
        ("locked", 50, 60),
    ]


@pytest.mark.parametrize("compressed", [False, True])
@settings(max_examples=30)
@given(st.lists(st.integers(0, 100_000), max_size=8))
def test_however_it_is_read_the_figures_are_the_same(compressed: bool, cuts: list[int]) -> None:
    data = MINUTE[compressed]
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    chunks = [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    assert figures(read_session([chunks])) == FIGURES


MINUTE = {compressed: file_of(session_of_a_minute()[:40], compressed=compressed) for compressed in (False, True)}
FIGURES = figures(read_session([[MINUTE[False]]]))


def test_a_part_of_it_and_several_parts() -> None:
    entries = session_of_a_minute()
    half = len(entries) // 2
    whole = figures(read_session([[file_of(entries)]]))
    assert figures(read_session([[file_of(entries[:half])], [file_of(entries[half:], part=2)]])) == whole
    some = figures(read_session([[file_of(entries)]], 10.0, 20.0))
    assert some["duration_s"] == 10.0
    assert some["started_wall_ms"] == 11_000.0
    assert some["devices"]["stage"]["beats"] == 21
    assert some["devices"]["stage"]["alerts"][0]["end_s"] is None


def test_fault_43_silence_breaks_the_lines_and_the_lock() -> None:
    entries = [(at_s, "stage", telemetry(n, at_s, [1.0])) for n, at_s in enumerate([0, 1, 2, 60, 61, 62])]
    device = read_session([[file_of(entries)]]).devices["stage"]
    assert sum(value != value for value in device.sampled["bpm"].value) == 1  # noqa: PLR0124 - NaN
    assert [(span.begin_s, span.end_s) for span in device.locks] == [(0, 2), (60, 62)]


def test_losses_and_restarts() -> None:
    seqs = [1, 2, 5, 6, 1, 2]
    found = told(read_session([[file_of([(n / 10, "stage", telemetry(seq, n / 10, [])) for n, seq in enumerate(seqs)])]]))
    assert (found["lost"], found["restarts"], found["drift_ms"]["median"]) == (2, 1, None)


@given(st.binary(max_size=500))
def test_fault_39_any_file_is_a_session_or_refused(data: bytes) -> None:
    with pytest.raises(PeerError):
        read_session([[data]])
    begun = file_of([])
    assert read_session([[begun, data, b"\n"]]).devices == {}


def test_fault_39_a_hostile_record_is_bounded() -> None:
    entries = [(0.0, f"peer {n}\x1b[2J", telemetry(n, 0, [])) for n in range(200)]
    session = read_session([[file_of(entries)]])
    assert len(session.devices) == 64
    assert all(name.isprintable() for name in session.devices)
