from k1edge.beat.scheduler import Scheduler
from k1edge.config import Settings
from k1edge.daemon.conductor import Conductor
from k1edge.daemon.station import Station
from k1edge.drift.meter import DriftMeter, Reading
from k1edge.drift.watch import News
from k1edge.report.part import LanPart
from k1edge.report.telemetry import AlertMessage, Message
from k1edge.timebase import HostTime
from tests.report.scene import ALERT, SNAPSHOT


class Listener(LanPart):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []

    def settled(self, reading: Reading) -> None:
        self.readings.append(reading)


def test_alerts_go_to_the_feed_and_each_beats_reading_to_each_part() -> None:
    station = Station(Settings(), "k1e-test", lambda: SNAPSHOT, Conductor(Scheduler(), DriftMeter()))
    heard, parts = list[Message](), [Listener(), Listener()]
    station.feed.listen(heard.append)
    station.parts += parts
    readings = tuple(Reading(index, HostTime(index), 1.0, 0.0, 0.0, 0.0) for index in range(3))
    begun = ALERT.model_copy(update={"end_ns": None})
    station.judged(News(readings, (begun,)))
    station.judged(News((), (ALERT,)))
    told = [message for message in heard if isinstance(message, AlertMessage)]
    assert [(message.event, message.alert) for message in told] == [("begin", begun), ("end", ALERT)]
    assert [part.readings for part in parts] == [list(readings)] * 2
