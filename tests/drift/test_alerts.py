from k1edge.drift.alerts import KEPT, AlertBook, Trouble
from k1edge.events import Culprit, Severity
from k1edge.timebase import HostTime


def trouble(severity: Severity, since: int, drift_ms: float, culprit: Culprit | None = None) -> Trouble:
    return Trouble(severity, HostTime(since), "the light is late", drift_ms, culprit)


def test_an_alert_is_told_when_it_begins_grows_and_ends() -> None:
    book = AlertBook()
    assert book.note("drift", None, HostTime(1)) is None
    began = book.note("drift", trouble(Severity.AMBER, 5, 35.0), HostTime(9))
    assert began is not None
    assert (began.id, began.severity, began.begin_ns, began.end_ns, began.worst_ms) == (1, Severity.AMBER, 5, None, 35.0)
    assert book.note("drift", trouble(Severity.AMBER, 5, 36.0), HostTime(10)) is None
    grown = book.note("drift", trouble(Severity.RED, 5, -130.0, Culprit.NODE), HostTime(11))
    assert grown is not None
    assert (grown.id, grown.severity, grown.worst_ms, grown.attribution) == (1, Severity.RED, -130.0, Culprit.NODE)
    assert book.note("drift", trouble(Severity.AMBER, 5, 30.0), HostTime(12)) is None
    assert book.status().open == (grown,)
    ended = book.note("drift", None, HostTime(20))
    assert ended is not None
    assert ended == grown.model_copy(update={"end_ns": 20})  # the highest severity and the worst value stay
    status = book.status()
    assert (status.open, status.closed, status.total) == ((), (ended,), 1)


def test_kinds_are_told_apart_and_numbered_together() -> None:
    book = AlertBook()
    book.note("node_lost", trouble(Severity.ALERT, 1, 0.0), HostTime(1))
    book.note("drift", trouble(Severity.AMBER, 2, 30.0), HostTime(2))
    book.note("node_lost", None, HostTime(3))
    status = book.status()
    assert [(alert.id, alert.kind) for alert in (*status.open, *status.closed)] == [(2, "drift"), (1, "node_lost")]


def test_an_alert_never_ends_before_it_began() -> None:
    book = AlertBook()
    book.note("drift", trouble(Severity.AMBER, 50, 30.0), HostTime(50))
    ended = book.note("drift", None, HostTime(40))
    assert ended is not None
    assert ended.end_ns == 50


def test_fault_33_only_the_newest_ended_alerts_are_kept() -> None:
    book = AlertBook()
    for number in range(1_000):
        book.note("drift", trouble(Severity.AMBER, number, 30.0), HostTime(number))
        book.note("drift", None, HostTime(number))
    status = book.status()
    assert [alert.id for alert in status.closed] == list(range(1_001 - KEPT, 1_001))
    assert status.total == 1_000
