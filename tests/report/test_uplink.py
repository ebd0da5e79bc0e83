"""The uplink against a hub on real sockets that is well, or dies and comes back."""

import asyncio
import time
from collections.abc import Iterable

import jsonschema
import pytest

from k1edge.report import uplink_session
from k1edge.report.telemetry import AlertMessage
from k1edge.report.uplink_messages import uplink_schema
from k1edge.snapshot import NetworkStatus, PeerStatus
from k1edge.timebase import NS_PER_MS
from tests.report.hub_scene import SESAME, Hub, Line, free_port, meeting, run
from tests.report.hub_scene import hurried as hurried  # noqa: PLC0414 - a fixture
from tests.report.scene import NETWORK, until

pytestmark = pytest.mark.usefixtures("hurried")


def test_the_hub_is_told_who_it_is_then_what_is_and_acknowledges_alerts() -> None:
    async def scenario(line: Line, hub: Hub) -> None:
        assert not line.feed.wanted  # nothing is made for nobody
        line.alert()
        await line.connected()
        assert line.feed.wanted
        line.telemetry()
        line.alert(2)
        await until(lambda: line.status.acknowledged == 2 and "telemetry" in hub.kinds())
        status = line.status
        assert (status.waiting, status.sent, status.dropped, status.lost, status.reconnects, status.reason) == (0, 3, 0, 0, 0, None)
        assert status.url == f"ws://127.0.0.1:{hub.port}/fleet/ws/telemetry/k1e-1"

    hub = meeting(scenario, token=SESAME)
    (hello, first, *_), (request,) = hub.heard[0], hub.asked
    assert request.path == "/fleet/ws/telemetry/k1e-1"
    assert request.headers["Authorization"] == f"Bearer {SESAME}"
    assert (hello["type"], hello["id"], hello["schema_version"], hello["waiting"], hello["alert_seq"]) == ("hello", "k1e-1", 1, 1, 1)
    assert len(hello["stream"]) == 16
    assert (first["type"], first["alert_seq"], first["event"]) == ("alert", 1, "begin")
    validator = jsonschema.Draft202012Validator(uplink_schema())
    for message in hub.heard[0]:
        validator.validate(message)


def test_the_hub_has_what_it_wants() -> None:
    async def scenario(line: Line, hub: Hub) -> None:
        await line.connected()
        await until(lambda: len(hub.heard) == 1)
        await asyncio.sleep(0.05)  # its wish is on the way
        for _ in range(20):
            line.telemetry()
        line.alert()
        await until(lambda: line.status.acknowledged == 1)

    hub = meeting(scenario, Hub(wants={"rate_hz": 0.1}))
    assert hub.kinds() == ["hello", "telemetry", "alert"]


def test_fault_56_a_hub_that_dies_and_comes_back_has_every_alert() -> None:
    async def scenario(line: Line, hub: Hub) -> None:
        number = 0
        for _ in range(3):
            await line.connected()
            for _ in range(5):
                line.alert(number := number + 1)
            await until(lambda: line.status.acknowledged >= number - 3)
            await hub.die()
            for _ in range(5):
                line.alert(number := number + 1)
            await line.failed()
            assert not line.feed.wanted
            await hub.start()
        await until(lambda: line.status.waiting == 0)
        assert line.status.reconnects == 3
        assert line.status.reason is None
        numbers = [message["alert"]["id"] for messages in hub.heard for message in messages if message["type"] == "alert"]
        assert list(dict.fromkeys(numbers)) == list(range(1, 31))  # in order; what came twice counts once
        assert list(dict.fromkeys(hub.alerts())) == list(range(1, 31))

    meeting(scenario)


def test_what_a_hub_did_not_acknowledge_comes_again_under_the_same_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink_session, "UNANSWERED_NS", 100 * NS_PER_MS)

    async def scenario(line: Line, hub: Hub) -> None:
        await line.connected()
        line.alert(1)
        line.alert(2)
        await line.failed("acknowledges no alert")
        await until(lambda: len(hub.alerts()) >= 4)
        hub.acknowledges = True
        await until(lambda: line.status.acknowledged == 2)

    hub = meeting(scenario, Hub(acknowledges=False))
    assert hub.alerts()[:4] == [1, 2, 1, 2]
    assert len({messages[0]["stream"] for messages in hub.heard}) == 1


def test_thousands_of_alerts_do_not_hold_up_the_loop() -> None:
    async def scenario(line: Line, _: Hub) -> None:
        for number in range(2_000):
            line.alert(number)
        await line.connected()
        worst = 0.0
        while line.status.waiting:
            began = time.thread_time()
            await asyncio.sleep(0.001)
            worst = max(worst, time.thread_time() - began)
        assert worst < 0.2  # of CPU, the hub's included; in one go they would take more
        assert line.status.acknowledged == 2_000

    hub = meeting(scenario)
    assert hub.alerts() == list(range(1, 2_001))


def test_mdns_a_hub_that_is_found_is_called() -> None:
    hub, found = Hub(port=free_port()), list[PeerStatus]()

    def network() -> NetworkStatus:
        return NETWORK.model_copy(update={"hubs": tuple(found)})

    async def scenario(line: Line) -> None:
        await line.failed("no hub is announced")
        assert line.status.state == "searching"
        await hub.start()
        found.append(
            PeerStatus(
                instance="fleet",
                name="fleet",
                id=None,
                addresses=("127.0.0.1",),
                port=hub.port,
                path="/in",
                tls=False,
                proto="1",
                version=None,
                source="mdns",
                age_s=0.0,
            )
        )
        await line.connected()
        await until(lambda: bool(hub.asked))
        assert hub.asked[0].path == "/in/k1e-1"
        await hub.die()

    run(scenario, "mdns", network=network)


def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "ws_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def scenario(line: Line, _: Hub) -> None:
        await line.connected()

    meeting(scenario)


class Drawer:
    """Keeps alerts as a file would."""

    def __init__(self) -> None:
        self.kept: list[AlertMessage] = []
        self.saves = 0

    def load(self) -> list[AlertMessage]:
        return self.kept

    def save(self, alerts: Iterable[AlertMessage]) -> None:
        self.kept = list(alerts)
        self.saves += 1


def test_fault_56_alerts_that_wait_outlive_the_daemon() -> None:
    drawer, hub = Drawer(), Hub(port=free_port())
    address = f"ws://127.0.0.1:{hub.port}"

    async def nobody_there(line: Line) -> None:
        line.alert(1)
        line.alert(2)
        await line.failed()

    async def back(line: Line) -> None:
        await hub.start()
        line.alert(3)
        await until(lambda: line.status.acknowledged == 3)
        await hub.die()

    run(nobody_there, address, store=drawer)
    assert [each.alert.id for each in drawer.kept] == [1, 2]
    run(back, address, store=drawer)
    assert [message["alert"]["id"] for message in hub.heard[0] if message["type"] == "alert"] == [1, 2, 3]
    assert drawer.kept == []
    saves = drawer.saves
    run(nobody_there, address)  # without a store nothing is kept, and nothing fails
    assert drawer.saves == saves
