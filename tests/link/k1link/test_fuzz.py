"""A short run of the fuzzer; `make fuzz` has the long one."""

import pytest

from tests.link.k1link.fuzz import run


def test_fault_06_nothing_wild_is_accepted_wrongly() -> None:
    totals = run(20_000)
    assert totals.inputs == 20_000
    assert min(totals.messages, totals.refused, totals.bad_frames) > 5_000


@pytest.mark.parametrize(
    ("bound", "value"), [("framing.MAX_STUFFED", 122), ("messages_flow.MIN_PERIOD_US", 199_999), ("messages_flow.MAX_BEAT_IN_BAR", 17)]
)
def test_a_bound_that_is_wrong_is_found_out(monkeypatch: pytest.MonkeyPatch, bound: str, value: int) -> None:
    monkeypatch.setattr(f"k1edge.link.k1link.{bound}", value)
    with pytest.raises(AssertionError):
        run(5_000)
