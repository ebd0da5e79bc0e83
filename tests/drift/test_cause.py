import pytest

from k1edge.drift.cause import culprit
from k1edge.drift.meter import Reading
from k1edge.events import Culprit
from k1edge.timebase import HostTime


def readings(*, fire_us: float = 0.0, aim_ms: float = 0.0, residual_ms: float = 0.0, count: int = 5) -> list[Reading]:
    drift_ms = fire_us / 1e3 + aim_ms + residual_ms
    return [Reading(index, HostTime(index), drift_ms, residual_ms, aim_ms, fire_us) for index in range(count)]


LATE_NODE = readings(fire_us=35_000.0, residual_ms=2.0)
LATE_BEATS = readings(fire_us=-300.0, residual_ms=35.0)


@pytest.mark.parametrize(
    ("of", "bound_us", "moved", "expected"),
    [
        (LATE_NODE, 300.0, (), Culprit.NODE),
        (readings(fire_us=-35_000.0), 300.0, (), Culprit.NODE),
        (LATE_NODE, 40_000.0, (), Culprit.NODE_CLOCK),
        (LATE_NODE, 300.0, (Culprit.NODE_CLOCK,), Culprit.NODE_CLOCK),
        (LATE_NODE, 300.0, (Culprit.AUDIO_CLOCK,), Culprit.NODE),
        (LATE_NODE, 300.0, (Culprit.NODE_CLOCK, Culprit.AUDIO_CLOCK, Culprit.HOST_CLOCK), Culprit.HOST_CLOCK),
        (LATE_BEATS, 40_000.0, (), Culprit.TRACKER),
        (LATE_BEATS, 300.0, (Culprit.AUDIO_CLOCK,), Culprit.AUDIO_CLOCK),
        (LATE_BEATS, 300.0, (Culprit.NODE_CLOCK,), Culprit.TRACKER),
        (LATE_BEATS, None, (Culprit.HOST_CLOCK,), Culprit.HOST_CLOCK),
        (readings(aim_ms=35.0, residual_ms=-4.0), 300.0, (Culprit.HOST_CLOCK,), Culprit.OFFSET),
        (readings(fire_us=12_000.0, aim_ms=12_000.0 / 1e3, residual_ms=12.0), 300.0, (), None),
        (readings(), 300.0, (), None),
        ([], 300.0, (), None),
    ],
)
def test_the_largest_part_is_to_blame_and_its_clock_if_that_moved(
    of: list[Reading], bound_us: float | None, moved: tuple[Culprit, ...], expected: Culprit | None
) -> None:
    assert culprit(of, bound_us, moved) is expected


def test_a_part_that_pulls_the_other_way_is_not_to_blame() -> None:
    assert culprit(readings(aim_ms=-60.0, residual_ms=100.0), None, ()) is Culprit.TRACKER
