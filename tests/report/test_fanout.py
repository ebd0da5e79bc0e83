import asyncio
import json

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from k1edge.events import Beat
from k1edge.report import fanout
from k1edge.report.fanout import FanoutLimits
from k1edge.report.telemetry import MESSAGES, TelemetryMessage
from k1edge.timebase import HostTime, SampleIndex
from tests.report.lan_scene import SESAME, WALL_NS, Lan, read, run
from tests.report.scene import until

BEAT = Beat(index=7, sample=SampleIndex(1), heard=SampleIndex(0), bpm=120.0, confidence=0.9, strength=0.5, beat_in_bar=None)


def test_everybody_gets_every_message_in_order_after_a_hello() -> None:
    async def scenario(lan: Lan) -> None:
        async with lan.subscribe() as one, lan.subscribe() as two:
            assert (await read(one))["type"] == (await read(two))["type"] == "hello"
            for _ in range(20):
                lan.publish()
            lan.feed.beat(BEAT, HostTime(2_000_000_000), 0.0, HostTime(1_900_000_000), WALL_NS)
            for each in (one, two):
                got = [await read(each) for _ in range(21)]
                assert [message["seq"] for message in got] == list(range(1, 22))
                assert [message["type"] for message in got] == ["telemetry"] * 20 + ["beat"]
                assert got[-1]["due_wall_ms"] - got[-1]["wall_ms"] == 100.0
        await until(lambda: not lan.fanout.members)
        assert not lan.feed.wanted
        assert (lan.fanout.counts.lost, lan.fanout.counts.cut_off) == (0, 0)

    run(scenario)


def test_a_late_subscriber_is_told_where_the_numbers_are() -> None:
    async def scenario(lan: Lan) -> None:
        async with lan.subscribe() as first:
            await read(first)
            lan.publish()
            await read(first)
            async with lan.subscribe() as second:
                assert (await read(second))["seq"] == 1
                lan.publish()
                assert (await read(second))["seq"] == 2

    run(scenario)


@pytest.mark.parametrize(("query", "subprotocols"), [("?format=json", []), ("", ["other", "k1edge.v1.json"])])
def test_json_on_request(query: str, subprotocols: list[str]) -> None:
    async def scenario(lan: Lan) -> None:
        async with lan.subscribe(query, subprotocols=subprotocols or None) as one, lan.subscribe() as two:
            await until(lambda: len(lan.fanout.members) == 2)
            lan.publish()
            texts, packed = [await one.recv() for _ in range(2)], [await two.recv() for _ in range(2)]
            assert all(isinstance(text, str) for text in texts)
            assert all(isinstance(pack, bytes) for pack in packed)
            assert json.loads(texts[1]) == msgpack.unpackb(packed[1])
            assert isinstance(MESSAGES.validate_json(texts[1]), TelemetryMessage)

    run(scenario)


def test_each_format_is_encoded_once_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[str] = []
    framed = fanout.framed
    monkeypatch.setattr(fanout, "framed", lambda message, form: encoded.append(f"{message.type} {form}") or framed(message, form))  # type: ignore[func-returns-value] # None or it

    async def scenario(lan: Lan) -> None:
        subscribers = [await lan.subscribe(query) for query in ("", "", "", "?format=json", "?format=json")]
        await until(lambda: len(lan.fanout.members) == 5)
        lan.publish()
        for each in subscribers:
            await each.recv()
            await each.recv()
            await each.close()
        assert sorted(what for what in encoded if "telemetry" in what) == ["telemetry json", "telemetry msgpack"]

    run(scenario)


@pytest.mark.parametrize(
    ("path", "code"), [("/telemetry?format=xml", 400), ("/telemetri", 404), ("/status", 404), ("/telemetry/", 404), ("/", 404)]
)
def test_what_is_not_there_is_refused(path: str, code: int) -> None:
    async def scenario(lan: Lan) -> None:
        from websockets.asyncio.client import connect

        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws://127.0.0.1:{lan.port}{path}", proxy=None)
        assert caught.value.response.status_code == code
        assert "date" not in caught.value.response.headers
        assert "server" not in caught.value.response.headers
        assert lan.fanout.counts.refused == 1

    run(scenario)


def test_fault_39_a_wrong_origin_gets_no_websocket() -> None:
    async def scenario(lan: Lan) -> None:
        with pytest.raises(InvalidStatus) as caught:
            await lan.subscribe(origin="http://evil.example.com")
        assert caught.value.response.status_code == 403
        async with lan.subscribe(origin=f"http://127.0.0.1:{lan.port}") as own:
            await read(own)
        async with lan.subscribe(origin="http://wall.local") as listed:
            await read(listed)

    run(scenario, origins=("http://wall.local",))


def test_fault_39_a_wrong_token_gets_no_websocket() -> None:
    async def scenario(lan: Lan) -> None:
        for query, headers in (("", {}), ("?token=x", {}), ("", {"Authorization": "Bearer x"})):
            with pytest.raises(InvalidStatus) as caught:
                await lan.subscribe(query, additional_headers=headers)
            assert caught.value.response.status_code == 401
        async with lan.subscribe(f"?token={SESAME}") as by_address:
            await read(by_address)
        async with lan.subscribe(additional_headers={"Authorization": f"Bearer {SESAME}"}) as by_header:
            await read(by_header)

    run(scenario, token=SESAME)


def test_subscribers_are_limited_in_all_and_per_address() -> None:
    async def scenario(lan: Lan) -> None:
        async with lan.subscribe() as first, lan.subscribe() as second:
            with pytest.raises(InvalidStatus) as caught:
                await lan.subscribe()
            assert caught.value.response.status_code == 503
            async with lan.subscribe(local_addr=("127.0.0.2", 0)) as other:
                with pytest.raises(InvalidStatus):
                    await lan.subscribe(local_addr=("127.0.0.3", 0))
                lan.publish()
                for each in (first, second, other):
                    await read(each)
                    assert (await read(each))["type"] == "telemetry"

    run(scenario, fanout_limits=FanoutLimits(most=3, most_per_address=2))


def test_a_stop_says_goodbye() -> None:
    async def scenario(lan: Lan) -> None:
        one = await lan.subscribe()
        await read(one)
        await lan.server._hang_up()
        with pytest.raises(ConnectionClosed) as caught:
            await one.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001

    run(scenario)


def test_a_subscriber_that_answers_pings_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "SWEEP_S", 0.02)
    monkeypatch.setattr(fanout, "PINGS_S", 2)

    async def scenario(lan: Lan) -> None:
        async with lan.subscribe() as one:
            await read(one)
            reading = asyncio.create_task(one.recv())
            await until(lambda: lan.fanout._sweeps >= 20)
            assert len(lan.fanout.members) == 1
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    run(scenario)
