"""What `k1edge demo` ends with: the flashes that really happened, against the beats of the song and against what was commanded. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from k1edge.drift.score import SKIP_S, WINDOW_S, f_measure, lock_in, nearest_errors
from k1edge.drift.spread import median, percentile_abs
from k1edge.snapshot import Snapshot
from k1edge.timebase import NS_PER_S, NS_PER_US, HostTime

Figure = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known when the demo ends; times on the host clock.

    Attributes:
        song: name of the song.
        seed: of the song and of the node's delays.
        start_ns: when sample 0 of the song was in the air; None if it never was.
        played_s: how much of the song was played.
        truth_s: beats of the whole song, from its first sample, in s.
        flashes_ns: when the node really flashed, whatever it reported; ascending.
        fire_errors_ns: for each beat that was fired by command, the true flash minus the commanded time; empty for an untimed dialect.
        told_errors_ns: for the same beats, the moment the node was told to flash at, truly, minus the commanded time: the clock's share.
        bounds_ns: for each clock map the node's time was told with, (true clock error, published bound).
        snapshot: the daemon's last picture while it was running; None if it never ran.
    """

    song: str
    seed: int
    start_ns: HostTime | None
    played_s: float
    truth_s: Sequence[float]
    flashes_ns: Sequence[int]
    fire_errors_ns: Sequence[int]
    told_errors_ns: Sequence[int]
    bounds_ns: Sequence[tuple[float, float]]
    snapshot: Snapshot | None


def figures(evidence: Evidence) -> dict[str, Figure]:
    """All figures of the summary by name, None where there is nothing to say; units in the names, + = the light is late.

    The first `SKIP_S` are left out of F and of the flash error, as MIREX does, and so is what comes after the last known beat;
    `beats_flashed` leaves out nothing and `f_measure_whole` only the latter.
    """
    truth = [beat for beat in evidence.truth_s if beat <= evidence.played_s]
    start_ns = evidence.start_ns
    flashes = [] if start_ns is None else [(flash - start_ns) / NS_PER_S for flash in evidence.flashes_ns]
    late_truth = [beat for beat in truth if beat >= SKIP_S]
    end_s = truth[-1] + WINDOW_S if truth else 0.0  # the song is cut there, the grid goes on: nobody knows whether that is right
    late_flashes = [flash for flash in flashes if SKIP_S <= flash <= end_s]
    errors_ms = [1e3 * error for error in nearest_errors(truth, late_flashes)]
    fire_us = [error / NS_PER_US for error in evidence.fire_errors_ns]
    snapshot, node = evidence.snapshot, None if evidence.snapshot is None else evidence.snapshot.node
    reason = _why_failed(evidence)
    return {
        "ok": reason is None,
        "reason": reason,
        "song": evidence.song,
        "seed": evidence.seed,
        "played_s": round(evidence.played_s, 3),
        "dialect": None if node is None else node.dialect,
        "timing": None if node is None else node.timing,
        "beats_played": len(truth),
        "beats_committed": 0 if snapshot is None else snapshot.beat.committed,
        "beats_flashed": len(flashes),
        "missed": 0 if node is None else node.missed,
        "late": 0 if node is None else node.late,
        "scored_from_s": SKIP_S,
        "beats_played_scored": len(late_truth),
        "beats_flashed_scored": len(late_flashes),
        "f_measure": _rounded(f_measure(late_truth, late_flashes), 4),
        "f_measure_whole": _rounded(f_measure(truth, [flash for flash in flashes if flash <= end_s]), 4),
        "flash_error_median_ms": _rounded(median(errors_ms), 2),
        "flash_error_p95_ms": _rounded(percentile_abs(errors_ms, 95), 2),
        "fire_error_median_us": _rounded(median(fire_us), 1),
        "fire_error_p99_us": _rounded(percentile_abs(fire_us, 99), 1),
        "told_error_p99_us": _rounded(percentile_abs([error / NS_PER_US for error in evidence.told_errors_ns], 99), 1),
        "clock_bound_us": _rounded(None if node is None else node.offset_bound_us, 1),
        "clock_error_us": _rounded(percentile_abs([error / NS_PER_US for error, _ in evidence.bounds_ns], 100), 1),
        "bound_held": all(abs(error) <= bound for error, bound in evidence.bounds_ns) if evidence.bounds_ns else None,
        "node_drift_ppm": _rounded(None if node is None else node.node_drift_ppm, 2),
        "lock_in_s": _rounded(lock_in(truth, flashes), 2),
    }


def summary_table(found: dict[str, Figure]) -> Table:
    """The same for people."""
    table = Table(title=f"{found['song']}: {found['played_s']} s", title_justify="left", show_header=False, box=None)
    table.add_column(style="dim")
    table.add_column(justify="right", style="bold")
    table.add_column()
    table.add_column()
    window = f"±{WINDOW_S * 1e3:.0f} ms"
    scored = f"{found['beats_flashed_scored']} flashes, {found['beats_played_scored']} beats from {_shown(found['scored_from_s'])} s on"
    rows: list[tuple[str, Figure, str, str]] = [
        ("beats played", found["beats_played"], "", "in the song"),
        ("beats committed", found["beats_committed"], "", f"in step from {_shown(found['lock_in_s'])} s on"),
        ("beats flashed", found["beats_flashed"], "", f"really, by the node; {found['late']} late, {found['missed']} missed"),
        ("F-measure", found["f_measure"], "", f"{window}; {scored}"),
        ("", found["f_measure_whole"], "", "the same from the very beginning"),
        ("flash error", found["flash_error_median_ms"], "ms", "from the true beat, median, + = late"),
        ("", found["flash_error_p95_ms"], "ms", "p95 of its size"),
        ("fire error", found["fire_error_median_us"], "us", "from the commanded time, median, + = late"),
        ("", found["fire_error_p99_us"], "us", "p99 of its size"),
        ("", found["told_error_p99_us"], "us", "p99 of the clock's share; the rest is this host waking the node late"),
        ("clock bound", found["clock_bound_us"], "us", f"published; the true error was {_shown(found['clock_error_us'])} us at most"),
        ("node clock", found["node_drift_ppm"], "ppm", f"fast; {found['dialect']}, {found['timing']}"),
    ]
    for name, value, unit, note in rows:
        if value is not None or name == "F-measure":
            table.add_row(name, _shown(value), unit, note)
    return table


def _why_failed(evidence: Evidence) -> str | None:
    """Why the demo did not work, in words; None if it did."""
    if evidence.flashes_ns:
        return None
    if evidence.snapshot is None or evidence.start_ns is None:
        return "the song never began to play"
    node = evidence.snapshot.node
    if node is None or node.state != "ready":
        return f"the node never got ready: {'none' if node is None else node.reason or node.state}"
    if not evidence.snapshot.beat.committed:
        return f"no beat was committed in {evidence.played_s:.1f} s of sound; the tracker needs about 4 s to lock"
    return "beats were committed and sent, but the node never flashed"


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _shown(value: Figure) -> str:
    return "-" if value is None else str(value)
