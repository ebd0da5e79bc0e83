from typing import Any

import pytest
from rich.console import Console

from k1edge.cli.view import WIDTH, Moment, led_strip, level_meter, phase_bar, picture
from k1edge.events import Culprit, Severity
from k1edge.snapshot import (
    AlertsStatus,
    AudioStatus,
    BeatStatus,
    DriftStatus,
    LatencyStatus,
    NodeStatus,
    ProcessStatus,
    Snapshot,
)
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime
from tests.report.scene import SNAPSHOT

NOW = HostTime(100 * NS_PER_S)


def blank(model: type[Any], **known: object) -> Any:
    """A model with every field at its emptiest: None where that is allowed, else 0, "" or the first choice."""
    values: dict[str, object] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        choices = [c for c in getattr(kind, "__args__", ()) if isinstance(c, str)]
        numbers: dict[object, object] = {int: 0, float: 0.0, str: "", bool: False, dict[str, int]: {}}
        values[name] = numbers.get(kind, choices[0] if choices else None)
    return model(**(values | known))


def snapshot(**parts: object) -> Snapshot:
    rooms: dict[str, Any] = {
        "audio": blank(AudioStatus),
        "beat": blank(BeatStatus),
        "node": None,
        "drift": blank(DriftStatus, figures=SNAPSHOT.drift.figures, reason="no node"),
        "alerts": AlertsStatus(open=(), closed=(), total=0),
        "latency": blank(LatencyStatus),
        "process": blank(ProcessStatus),
    }
    return blank(Snapshot, reasons=(), **(rooms | parts))


def moment(**known: Any) -> Moment:
    return Moment(**({"now": NOW, "flashes_ns": (), "truth_ns": (), "done": None, "title": "demo"} | known))


def drawn(snapshot: Snapshot, moment: Moment) -> str:
    console = Console(width=80, file=None, record=True, quiet=False, force_terminal=False)
    with console.capture() as capture:
        console.print(picture(snapshot, moment))
    return capture.get()


def test_with_nothing_known_it_says_so_and_shows_no_zero_for_unknown() -> None:
    text = drawn(snapshot(), moment())
    assert "no sound (opening)" in text
    assert "none: no node" in text
    assert "none configured" in text
    assert "+0.0 ms" not in text


def test_with_everything_known_it_fits_80_columns() -> None:
    node = blank(
        NodeStatus, port="/dev/pts/7", state="ready", dialect="k1link", timing="timed", offset_bound_us=812.0, sync_error_us=90.0,
        node_drift_ppm=99.7, sent=61, fired=60, missed=1,
    )  # fmt: skip
    drift = SNAPSHOT.drift.model_copy(update={"drift_ms": -35.2, "severity": Severity.AMBER, "attribution": Culprit.NODE_CLOCK})
    beat = blank(BeatStatus, lock="locked", bpm=124.0, beat_phase=0.5, confidence=0.93, beat_in_bar=2, committed=61)
    text = drawn(
        snapshot(node=node, drift=drift, beat=beat, audio=blank(AudioStatus, state="live", level_dbfs=-14.2)),
        moment(flashes_ns=[NOW - NS_PER_S], truth_ns=[NOW - NS_PER_S - 1], done=0.5),
    )
    for wanted in ("-14.2 dBFS", "LOCKED", "124.0", "-35.2 ms AMBER (node clock)", "within ±812 us", "+99.7 ppm", "missed 1"):
        assert wanted in text
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("┃") == 2


def test_the_phase_mark_runs_through_the_bar() -> None:
    assert phase_bar(0.0).plain.index("█") == 0
    assert phase_bar(0.5).plain.index("█") == WIDTH // 2
    assert phase_bar(0.999999).plain.index("█") == WIDTH - 1
    assert "█" not in phase_bar(None).plain


def test_the_strip_is_lit_by_a_real_flash_only_and_fades() -> None:
    dark = str(led_strip(moment()).style)
    assert str(led_strip(moment(flashes_ns=[NOW + NS_PER_MS])).style) == dark
    assert str(led_strip(moment(flashes_ns=[NOW - NS_PER_S])).style) == dark
    assert str(led_strip(moment(flashes_ns=[NOW])).style) == "rgb(255,60,200)"


@pytest.mark.parametrize(("dbfs", "cells"), [(-90.0, 0), (-30.0, WIDTH // 2), (3.0, WIDTH)])
def test_the_meter_stays_within_its_scale(dbfs: float, cells: int) -> None:
    assert level_meter(blank(AudioStatus, state="live", level_dbfs=dbfs)).plain.count("█") == cells
