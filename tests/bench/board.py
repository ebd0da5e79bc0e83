"""`make bench-board`: ten minutes of music on a real sound server, the daemon, and the emulated board as its node.

The board (a Cortex-M3 under qemu) is killed, frozen and restarted meanwhile. Its flashes are judged twice: by its own fire reports, mapped back to
the host, and by when the emulator saw the LED go on. `make bench-board ARGS=60` plays for 60 s only.
"""

import sys

import numpy as np

from tests.bench.figures import Figures
from tests.system import board_run

SECONDS = 600.0
FAULTS = {0.15: ("freeze", 1.0), 0.3: ("restart", 0.0), 0.45: ("kill", 3.0), 0.6: ("freeze", 8.0), 0.75: ("kill", 15.0)}
"""By the share of the run that has passed: what, and for how many seconds."""


def measure(figures: Figures, seconds: float) -> None:
    """Play, and compare."""
    faults = {share * seconds: fault for share, fault in FAULTS.items()}
    seen = board_run.run(seconds, faults, lambda line: sys.stderr.write(line + "\n"))
    told_us, lit_us = np.abs(seen.fire_errors_us()), np.abs(seen.lit_errors_us())
    fates, counted = seen.fates(), seen.counters
    ends = sum(counted[fate] for fate in ("fired", "late", "missed", "cancelled"))
    note = f"{told_us.size} flashes, {seconds:g} s, 120 bpm"
    figures.add("fire_error_p50_us", float(np.median(told_us)), note=f"|fired - due| by the board's own report; {note}")
    figures.add("fire_error_p95_us", float(np.percentile(told_us, 95)), at_most=1_000.0, note=note)
    figures.add("fire_error_p99_us", float(np.percentile(told_us, 99)), note=note)
    figures.add("led_error_p50_us", float(np.median(lit_us)), note="|LED on - due| by the emulator: with the error of the clock map")
    figures.add("led_error_p95_us", float(np.percentile(lit_us, 95)), at_most=1_000.0, note="the same")
    figures.add("led_error_p99_us", float(np.percentile(lit_us, 99)), note="the same")
    for fate in ("fired", "late", "missed", "cancelled"):
        figures.add(f"beats_{fate}", fates.get(fate, 0), note=f"of {counted['sent']} sent; the music had {seen.clicks} beats")
    uncounted = abs(counted["sent"] - ends - counted["pending"]) + abs(ends - sum(fates.values()))
    figures.add("beats_lost_uncounted", uncounted, at_most=0.0, note="sent, and neither ended in one way nor pending")
    figures.add("flashes_untold", len(seen.untold()), at_most=0.0, note="the LED went on, no report of it came, and no fault was near")
    for number, fault in enumerate(seen.faults, 1):
        figures.add(f"back_{number}_s", fault.back_s, note=f"{fault.kind}, away {fault.for_s:g} s: from its return to the next flash")


def main() -> None:
    """Measure and print."""
    figures = Figures("board")
    lacking = board_run.missing_parts()
    if lacking is None:
        measure(figures, float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
    else:
        figures.add("fire_error_p95_us", None, note=f"skipped: {lacking}")
    figures.table()


if __name__ == "__main__":
    main()
