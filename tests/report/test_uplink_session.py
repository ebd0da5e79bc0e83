"""A hub that comes and goes, in fake time."""

import json
import random
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.config import Settings, TelemetrySettings
from k1edge.report.peer_table import PeerTable
from k1edge.report.uplink_buffer import MOST_ALERTS, UplinkBuffer
from k1edge.report.uplink_hub import addresses, nobody
from k1edge.report.uplink_messages import Ack, UplinkAlert, Want, read_hub, uplink_schema
from k1edge.report.uplink_session import SILENT_NS, UNANSWERED_NS, Fault, UplinkSession
from k1edge.snapshot import PeerStatus
from k1edge.timebase import NS_PER_S, HostTime
from tests.report.test_uplink_buffer import ALERTS, TELEMETRY

GONE = Fault("gone")
SESAME = "open-sesame-0123456789"


def fresh() -> UplinkSession:
    return UplinkSession(UplinkBuffer(), random.Random(7))


def ack(number: int) -> bytes:
    packed: bytes = msgpack.packb({"type": "ack", "alert_seq": number})
    return packed


def test_fault_56_hub_gone_for_an_hour_loses_no_alert() -> None:
    session, tries = fresh(), 0
    session.call("ws://hub")
    session.open(HostTime(0))
    now, end = HostTime(NS_PER_S), HostTime(3_600 * NS_PER_S)
    due, second = now + session.close(GONE, now), 0
    while now < end:
        now = HostTime(now + NS_PER_S // 10)
        session.buffer.put(TELEMETRY, now)
        if now // (3 * NS_PER_S) > second:  # an alert every 3 s: 1,200 of them
            second += 1
            session.buffer.put(ALERTS[second % len(ALERTS)], now)
        if now >= due:
            tries += 1
            session.call("ws://hub")
            pause = session.close(GONE, now)
            assert NS_PER_S <= pause <= 30 * NS_PER_S
            due = now + pause
    assert 120 <= tries <= 170  # every 22 to 30 s in the end
    assert session.status(now).waiting == second > 1_100
    session.call("ws://hub")
    session.open(now)
    got = []
    while isinstance(message := session.buffer.take(now), UplinkAlert):
        got.append(message.alert_seq)
    assert got == list(range(1, second + 1))
    session.hear(ack(second), now)
    status = session.status(now)
    assert (status.state, status.waiting, status.acknowledged, status.dropped) == ("connected", 0, second, 0)
    assert status.reconnects == 1


def test_fault_56_beyond_a_large_number_the_oldest_is_given_up_and_counted() -> None:
    session = fresh()
    for number in range(MOST_ALERTS + 7):
        session.buffer.put(ALERTS[number % len(ALERTS)], HostTime(0))
    assert session.status(HostTime(0)).waiting == MOST_ALERTS
    assert session.status(HostTime(0)).dropped == 7
    session.open(HostTime(0))
    first = session.buffer.take(HostTime(0))
    assert isinstance(first, UplinkAlert)
    assert first.alert_seq == 8


def test_pauses_grow_and_differ_and_are_short_again_when_all_was_well() -> None:
    session, now = fresh(), HostTime(0)
    pauses = [session.close(GONE, now) / NS_PER_S for _ in range(10)]
    assert 1 <= pauses[0] < 2 < pauses[2] < pauses[4] < 30
    assert all(22 <= pause <= 30 for pause in pauses[6:])
    assert len(set(pauses)) >= 9
    assert session.close(Fault("wrong token", slow=True), now) > 22 * NS_PER_S
    session.open(now)
    assert session.close(GONE, HostTime(now + 5 * NS_PER_S)) > 22 * NS_PER_S  # a hub that lets in and throws out
    session.open(now)
    assert session.close(GONE, HostTime(now + 31 * NS_PER_S)) < 2 * NS_PER_S
    session.close(GONE, now)
    session.open(now)
    session.buffer.put(ALERTS[0], now)
    session.buffer.take(now)
    session.hear(ack(1), now)
    assert session.close(GONE, now) < 2 * NS_PER_S  # it did its work
    first = {UplinkSession(UplinkBuffer(), random.Random(seed)).close(GONE, now) for seed in range(100)}
    assert max(first) - min(first) > NS_PER_S // 2  # a hundred daemons do not come at once


def test_a_silent_a_deaf_and_a_forgetful_hub_are_given_up() -> None:
    session = fresh()
    session.open(HostTime(0))
    assert session.fault(HostTime(SILENT_NS)) is None
    silent = session.fault(HostTime(SILENT_NS + 1))
    assert silent is not None
    assert "silent" in silent.reason
    session.sign(HostTime(SILENT_NS))
    assert session.fault(HostTime(SILENT_NS + 1)) is None

    session.stall(HostTime(0))
    session.sign(HostTime(SILENT_NS + 1))  # it talks on, but reads nothing
    deaf = session.fault(HostTime(SILENT_NS + 1))
    assert deaf is not None
    assert "does not read" in deaf.reason
    session.resume()
    assert session.fault(HostTime(SILENT_NS + 1)) is None

    session.buffer.put(ALERTS[0], HostTime(0))
    session.buffer.take(HostTime(0))
    session.sign(HostTime(UNANSWERED_NS + 1))
    assert session.fault(HostTime(UNANSWERED_NS)) is None
    forgetful = session.fault(HostTime(UNANSWERED_NS + 1))
    assert forgetful is not None
    assert "acknowledges" in forgetful.reason
    assert forgetful.slow


def test_what_the_hub_says_is_taken_or_counted() -> None:
    session = fresh()
    session.open(HostTime(0))
    session.buffer.put(ALERTS[0], HostTime(0))
    session.buffer.take(HostTime(0))
    for nonsense in (
        ack(2),
        ack(0),
        ack(-1),
        b"",
        b"\xc1",
        b"\x91" * 1000,
        b"\x81\xa0" * 500,
        msgpack.packb(1),
        msgpack.packb({"type": "dance"}),
    ):
        session.hear(nonsense, HostTime(0))
    assert session.status(HostTime(0)).ignored == 9
    assert session.status(HostTime(0)).waiting == 1
    session.hear(ack(1), HostTime(0))
    session.hear(ack(1), HostTime(0))  # twice is no fault
    assert (session.status(HostTime(0)).ignored, session.status(HostTime(0)).waiting) == (9, 0)


@pytest.mark.parametrize("rate", [0, -1, 0.09, 51, float("nan"), float("inf"), "10", None, True])
def test_no_impossible_rates(rate: object) -> None:
    assert read_hub(msgpack.packb({"type": "want", "rate_hz": rate})) is None
    assert read_hub(msgpack.packb({"type": "want", "rate_hz": 2, "later": [1]})) is None  # lists are for nobody
    assert read_hub(msgpack.packb({"type": "want", "rate_hz": 2, "later": 1})) == Want(rate_hz=2.0)


def test_the_published_schema_is_the_models() -> None:
    file = Path(__file__).parents[2] / "docs" / "uplink.schema.json"
    assert json.loads(file.read_text(encoding="utf-8")) == uplink_schema(), "stale: make telemetry-schema"


@given(st.binary(max_size=64))
def test_any_bytes_are_a_message_or_nothing(data: bytes) -> None:
    assert isinstance(read_hub(data), Ack | Want | None)


def hub(*, tls: bool = False, path: str = "/telemetry") -> PeerStatus:
    return PeerStatus(
        instance="fleet", name="fleet", id=None, addresses=("192.168.1.9", "fd00::9"), port=8080, path=path, tls=tls, proto="1", version=None,
        source="mdns", age_s=1.0,
    )  # fmt: skip


def configured(uplink: str, shown: str = "", **network: str) -> Settings:
    settings = Settings(telemetry=TelemetrySettings(uplink=uplink, uplink_token=shown))
    return settings.model_copy(update={"network": settings.network.model_copy(update=network)})


def test_where_the_hub_is() -> None:
    assert addresses(configured("wss://hub.local/fleet/"), (), "k1 e/1") == ["wss://hub.local/fleet/ws/telemetry/k1%20e%2F1"]
    ours = configured("mdns")
    assert addresses(ours, (hub(),), "k1e-1") == [
        "ws://192.168.1.9:8080/ws/telemetry/k1e-1",
        "ws://[fd00::9]:8080/ws/telemetry/k1e-1",
    ]
    assert addresses(ours, (hub(tls=True, path="/fleet/in"),), "k1e-1")[0] == "wss://192.168.1.9:8080/fleet/in/k1e-1"
    assert addresses(ours, (), "k1e-1") == []
    assert "no hub is announced" in nobody(ours, PeerTable().listed(HostTime(0)))
    assert "network.bind" in nobody(configured("mdns", bind="127.0.0.1"), ())


@pytest.mark.parametrize("ours", [configured("mdns", SESAME), configured("mdns", token=SESAME)])
def test_a_hub_that_nobody_vouches_for_gets_nothing_where_there_is_a_token(ours: Settings) -> None:
    assert addresses(ours, (hub(),), "k1e-1") == []
    assert "TLS" in nobody(ours, (hub(),))
    assert len(addresses(ours, (hub(), hub(tls=True)), "k1e-1")) == 2
