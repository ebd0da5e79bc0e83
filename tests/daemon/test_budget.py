from k1edge.daemon.budget import BACK_OFF_FIRST_NS, BACK_OFF_LAST_NS, WINDOW_NS, RestartBudget
from k1edge.timebase import HostTime


def test_fault_31_restarts_are_bounded_and_spaced() -> None:
    budget = RestartBudget(limit=7)
    pauses = [budget.spend(HostTime(i)) for i in range(8)]
    assert pauses[0] == BACK_OFF_FIRST_NS
    assert pauses[1] == 2 * BACK_OFF_FIRST_NS
    assert pauses[6] == BACK_OFF_LAST_NS
    assert pauses[7] is None
    assert budget.total == 7


def test_old_failures_are_forgiven() -> None:
    budget = RestartBudget(limit=1)
    assert budget.spend(HostTime(0)) is not None
    assert budget.spend(HostTime(WINDOW_NS)) is None
    assert budget.spend(HostTime(WINDOW_NS + 1)) == BACK_OFF_FIRST_NS


def test_no_budget_refuses_at_once() -> None:
    assert RestartBudget(limit=0).spend(HostTime(5)) is None
