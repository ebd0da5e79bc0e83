"""`k1edge run` with a real sound server and the emulated board, which is killed, frozen and restarted meanwhile."""

import numpy as np
import pytest

from tests.system import board_run
from tests.system.conftest import Say

pytestmark = pytest.mark.system

SECONDS = 50.0
FAULTS = {
    6.0: ("freeze", 2.0),
    16.0: ("restart", 0.0),
    28.0: ("kill", 7.0),
}  # the last is longer than the host's patience: the port is reopened


def test_the_board_flashes_on_time_and_no_beat_is_lost_uncounted_through_kill_freeze_and_restart(say: Say) -> None:
    lacking = board_run.missing_parts()
    if lacking is not None:
        pytest.skip(lacking)
    seen = board_run.run(SECONDS, FAULTS, say)
    errors_us, lit_us = np.abs(seen.fire_errors_us()), np.abs(seen.lit_errors_us())
    say(f"{seen.fates()} of {seen.clicks} beats, fire error p50 {np.median(errors_us):.0f} p95 {np.percentile(errors_us, 95):.0f} us")
    say(f"by the emulator's LED: p50 {np.median(lit_us):.0f} p95 {np.percentile(lit_us, 95):.0f} us")
    assert np.percentile(errors_us, 95) <= 1_000.0
    assert np.median(lit_us) <= 1_000.0, "the clock map is further off than that, or the LED late"
    assert errors_us.size >= 0.5 * seen.clicks
    counted = seen.counters
    ends = {fate: counted[fate] for fate in ("fired", "late", "missed", "cancelled") if counted[fate]}
    assert seen.fates() == ends, "each beat that was sent has one end in the log, and is counted"
    assert counted["sent"] == sum(ends.values()) + counted["pending"]
    assert seen.untold() == [], "the board flashed and nobody was told"
