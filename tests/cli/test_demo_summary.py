from dataclasses import replace

import pytest
from rich.console import Console

from k1edge.cli.demo_summary import Evidence, figures, summary_table
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

START_NS = HostTime(77 * NS_PER_S)
TRUTH_S = [0.5 + 0.5 * n for n in range(60)]


def at(seconds: float) -> int:
    return START_NS + round(seconds * NS_PER_S)


PLAYED = Evidence(
    song="house",
    seed=1,
    start_ns=START_NS,
    played_s=20.0,
    truth_s=TRUTH_S,
    flashes_ns=[at(beat + 0.01) for beat in TRUTH_S if 4.0 <= beat <= 20.0],
    fire_errors_ns=[-NS_PER_MS // 10] * 98 + [NS_PER_MS // 2] * 2,
    told_errors_ns=[-40_000] * 99 + [900_000],
    bounds_ns=[(150_000.0, 800_000.0), (-300_000.0, 700_000.0)],
    snapshot=None,
)


def test_only_what_was_played_counts_and_the_first_seconds_are_left_out_of_f_alone() -> None:
    found = figures(PLAYED)
    assert found["ok"] is True
    assert found["beats_played"] == 40
    assert found["beats_flashed"] == 33
    assert found["beats_played_scored"] == found["beats_flashed_scored"] == 31
    assert found["f_measure"] == 1.0
    assert found["f_measure_whole"] == pytest.approx(2 * 33 / 73, abs=1e-4)
    assert found["lock_in_s"] == 4.0


def test_errors_keep_sign_in_the_median_and_lose_it_in_the_percentile() -> None:
    found = figures(PLAYED)
    assert found["flash_error_median_ms"] == 10.0
    assert found["flash_error_p95_ms"] == 10.0
    assert found["fire_error_median_us"] == -100.0
    assert found["fire_error_p99_us"] == 500.0
    assert found["told_error_p99_us"] == 40.0
    assert found["clock_error_us"] == 300.0
    assert found["bound_held"] is True


def test_a_flash_where_no_beat_is_costs_f_and_is_not_hidden_in_the_error() -> None:
    found = figures(replace(PLAYED, flashes_ns=sorted([*PLAYED.flashes_ns, *(at(10.25 + n) for n in range(3))])))
    assert found["f_measure"] == pytest.approx(2 * 31 / (31 + 34), abs=1e-4)
    assert found["flash_error_p95_ms"] == 250.0


def test_a_flash_after_the_last_known_beat_is_neither_right_nor_wrong() -> None:
    found = figures(replace(PLAYED, truth_s=TRUTH_S[:38], flashes_ns=[*PLAYED.flashes_ns, at(20.3)]))
    assert found["f_measure"] == 1.0
    assert found["beats_flashed"] == 34


def test_a_bound_that_does_not_cover_the_error_is_told() -> None:
    assert figures(replace(PLAYED, bounds_ns=[(2.0, 1.0)]))["bound_held"] is False
    assert figures(replace(PLAYED, bounds_ns=[]))["bound_held"] is None


def test_a_node_that_never_flashed_is_a_failure_with_its_reason_and_nothing_is_made_up() -> None:
    found = figures(replace(PLAYED, flashes_ns=[], fire_errors_ns=[], bounds_ns=[]))
    assert found["ok"] is False
    assert found["reason"]
    assert found["f_measure"] == 0.0
    for name in ("flash_error_median_ms", "fire_error_p99_us", "clock_bound_us", "clock_error_us", "lock_in_s"):
        assert found[name] is None


def test_the_table_shows_every_headline() -> None:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(summary_table(figures(PLAYED)))
    for word in ("beats played", "beats flashed", "F-measure", "flash error", "500.0 us", "p99"):
        assert word in " ".join(capture.get().split())
