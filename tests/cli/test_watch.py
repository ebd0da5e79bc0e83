import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgpack
import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from k1edge.cli import audience
from k1edge.cli.audience import Audience, Wanted
from k1edge.cli.watch_table import line, notes
from k1edge.report import browse
from k1edge.report.peer_table import MOST_PEERS, static_peer
from k1edge.report.telemetry import HostSigns, telemetry_of
from k1edge.report.watched import Watched
from k1edge.snapshot import PeerStatus
from k1edge.timebase import HostTime
from tests.cli.call import call
from tests.cli.lan_bench import lan, stranger
from tests.cli.test_peers_command import NETWORK
from tests.report.lan_scene import SESAME, Lan
from tests.report.scene import ALERT, SNAPSHOT, serving

MESSAGE = telemetry_of(SNAPSHOT, 7, 1_800_000_000_000_000_000, HostSigns()).model_dump(mode="json")
NOW = HostTime(1_000_000_000)


@pytest.fixture(autouse=True)
def _alone(home: Path) -> None:
    """Nothing of the real environment."""


def test_json_is_every_message_with_its_peer(capsys: pytest.CaptureFixture[str]) -> None:
    with lan() as one:
        where = f"127.0.0.1:{one.port}"
        code, out, err = call(capsys, "watch", where, "--json", "--seconds", "0.4")
    lines = [json.loads(text) for text in out.splitlines()]
    assert code == 0
    assert [each["type"] for each in lines[:2]] == ["hello", "telemetry"]
    assert {each["peer"] for each in lines} == {where}
    assert [each["seq"] for each in lines[1:]] == list(range(lines[1]["seq"], lines[1]["seq"] + len(lines) - 1))
    assert lines[1]["drift"] == json.loads(SNAPSHOT.drift.model_dump_json())
    assert err == f"{where}: connected\n"


def test_without_a_terminal_a_line_per_device(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("k1edge.cli.watch.LINE_S", 0.1)
    sent = iter([ALERT.model_copy(update={"end_ns": None, "reason": "so \x1b[2Jlate"})])

    def publish(one: Lan) -> None:
        one.publish()
        for alert in sent if one.feed.wanted else ():
            one.feed.alert(alert, HostTime(SNAPSHOT.monotonic_ns), 0)

    with lan(publish) as one, lan() as other:
        here, there = f"127.0.0.1:{one.port}", f"http://127.0.0.1:{other.port}"
        code, out, _ = call(capsys, "watch", here, there, "127.0.0.1:1", "--seconds", "0.6")
    assert code == 0
    assert f"{here}, running, locked, 128.0 bpm, confidence 0.93, drift -4.5 ms, p95 11.0 ms, ok, node ready" in out
    assert f"{there}, running" in out
    assert f"{here}, alert begin: AMBER so [2Jlate, by the tracker, worst +32 ms, for 60 s" in out
    assert "127.0.0.1:1, Connection refused" in out
    assert "\x1b" not in out


def test_nothing_heard_is_a_failure_that_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "watch", "127.0.0.1:1", "--json", "--seconds", "0.2")
    assert (code, out) == (1, "")
    assert "no telemetry was heard; 127.0.0.1:1: Connection refused" in err


@pytest.mark.parametrize("arguments", [("--all", "k1.local"), ("a b.c",), ("k1.local", "--token", "a b"), ("--seconds", "0")])
def test_wrong_use(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    assert call(capsys, "watch", *arguments)[0] == 2


def test_a_token_is_shown_and_its_lack_named(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    (home / "token").write_text(SESAME + "\n")
    with lan(token=SESAME) as one:
        where = f"127.0.0.1:{one.port}"
        assert "it wants a token: give --token" in call(capsys, "watch", where, "--json", "--seconds", "0.1")[2]
        assert call(capsys, "watch", where, "--json", "--seconds", "0.2", "--token", SESAME)[0] == 0
        assert call(capsys, "watch", where, "--json", "--seconds", "0.2", "--token", str(home / "token"))[0] == 0
    assert call(capsys, "watch", "k1.local", "--token", "/nowhere")[0] == 78
    assert call(capsys, "watch", "k1.local", "--ca", str(home / "token"))[0] == 78


def test_without_an_argument_this_hosts_own_daemon(capsys: pytest.CaptureFixture[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K1EDGE_NETWORK__TOKEN", SESAME)
    with lan(token=SESAME) as one:
        network = NETWORK.model_copy(update={"port": one.port, "token": True, "bind": "127.0.0.1"})
        monkeypatch.setenv("K1EDGE_STATUS__SOCKET", str(home / "k.sock"))
        with serving(home / "k.sock", lambda: SNAPSHOT.model_copy(update={"network": network})):
            code, out, _ = call(capsys, "watch", "--json", "--seconds", "0.2")
    assert code == 0
    assert json.loads(out.splitlines()[0])["peer"] == "this host"


def test_discovered_peers_come_and_go(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with lan() as one, lan() as other:
        stage, wall = (
            static_peer(f"127.0.0.1:{each.port}").model_copy(update={"name": name}) for each, name in ((one, "Stage"), (other, "Wall"))
        )

        async def browsing(_: object) -> AsyncIterator[tuple[PeerStatus, ...]]:
            yield ()
            yield (stage,)
            await asyncio.sleep(0.3)
            yield (wall,)  # the stage's goodbye: what it still says is heard
            await asyncio.sleep(60)

        monkeypatch.setattr(browse, "browse", browsing)
        everybody = call(capsys, "watch", "--all", "--json", "--seconds", "0.6")
        word = call(capsys, "watch", "wall", "--json", "--seconds", "0.4")
    assert everybody[0] == word[0] == 0
    assert {json.loads(text)["peer"] for text in everybody[1].splitlines()} == {"Stage", "Wall"}
    assert {json.loads(text)["peer"] for text in word[1].splitlines()} == {"Wall"}


def test_a_host_that_cant_look_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def deaf(_: object) -> AsyncIterator[tuple[PeerStatus, ...]]:
        raise OSError(19, "No such device")
        yield ()

    monkeypatch.setattr(browse, "browse", deaf)
    code, _, err = call(capsys, "watch", "--all")
    assert code == 1
    assert "can't look for peers by multicast DNS (No such device)" in err


def test_fault_43_one_that_left_for_good_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "FIRST_PAUSE_NS", 10_000_000)
    gone = static_peer("127.0.0.1:1")

    async def scenario() -> None:
        one = Audience(Wanted(everybody=True), lambda *_: None)
        one._follow([gone])
        assert [member.name for member in one.sorted()] == ["127.0.0.1:1"]
        one._follow([])
        async with asyncio.timeout(10):
            await asyncio.gather(*one._tasks.values())
        assert one.members == one._tasks == one._targets == {}

    asyncio.run(scenario())


def test_fault_39_of_a_flood_of_names_a_bounded_number_is_followed() -> None:
    async def scenario() -> None:
        one = Audience(Wanted(everybody=True), lambda *_: None)
        one._follow([static_peer(f"127.0.0.1:{port}") for port in range(1, 200)])
        assert len(one.members) == MOST_PEERS
        for task in one._tasks.values():
            task.cancel()
        await asyncio.gather(*one._tasks.values(), return_exceptions=True)

    asyncio.run(scenario())


def test_comes_back_after_the_daemon_did(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "FIRST_PAUSE_NS", 10_000_000)
    served = 0

    async def hang_up(connection: ServerConnection) -> None:
        nonlocal served
        served += 1
        await connection.send(msgpack.packb({**MESSAGE, "seq": served}))
        await connection.close(1001, "so\x1b long")

    with stranger(hang_up) as port:
        code, out, err = call(capsys, "watch", f"127.0.0.1:{port}", "--json", "--seconds", "0.3")
    assert code == 0
    assert len(out.splitlines()) > 2
    assert "it closed the connection: so long" in err


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"x" * 70_000, "it sent a frame of more than 65536 bytes"),
        (b"\x91" * 60_000, "no MessagePack"),
        ("\x1b]0;mine\x07", "no MessagePack"),
        (msgpack.packb({**MESSAGE, "lock": "\x1b[31mred"}), "no message of version 1"),
    ],
)
def test_fault_39_a_hostile_peer_is_named_and_steers_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data: bytes | str, words: str
) -> None:
    monkeypatch.setattr("k1edge.cli.watch.LINE_S", 0.1)

    async def talk(connection: ServerConnection) -> None:
        await connection.send(msgpack.packb({**MESSAGE, "reasons": ["\x9b2J\x1b[2J\u202eolleh"], "id": "\x07"}))
        await connection.send(data)
        await connection.wait_closed()

    with stranger(talk) as port:
        one = Watched("x")
        _, out, err = call(capsys, "watch", f"127.0.0.1:{port}", "--seconds", "0.2")
        _, as_json, told = call(capsys, "watch", f"127.0.0.1:{port}", "--seconds", "0.2", "--json")
    one.take(data if isinstance(data, bytes) else data.encode(), NOW)
    assert words in out + told + "".join(text for text, _ in notes(one, NOW))
    for text in (out + err + as_json + told).splitlines():
        assert text.isprintable()


def test_fault_37_a_flood_is_read_at_our_pace(capsys: pytest.CaptureFixture[str]) -> None:
    frame = msgpack.packb(MESSAGE)

    async def pour(connection: ServerConnection) -> None:
        while True:
            await connection.send(frame)

    with stranger(pour) as port:
        before = time.thread_time()
        code, out, _ = call(capsys, "watch", f"127.0.0.1:{port}", "--json", "--seconds", "0.6")
    assert code == 0
    assert 300 < len(out.splitlines()) < 600  # 2 MiB at once, then 1 MiB/s; unbounded it is thousands
    assert time.thread_time() - before < 0.9


def test_a_redirect_leads_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    async def never(connection: ServerConnection) -> None:
        asked.append(connection)

    with stranger(never) as elsewhere:

        def away(connection: ServerConnection, _: Request) -> Response:
            response = connection.respond(302, "")
            response.headers["Location"] = f"ws://127.0.0.1:{elsewhere}/telemetry"
            return response

        with stranger(never, process_request=away) as port:
            _, _, err = call(capsys, "watch", f"127.0.0.1:{port}", "--json", "--seconds", "0.3", "--token", SESAME)
    assert "it speaks no telemetry (ValueError)" in err
    assert not asked


def test_fault_43_a_silent_peer_is_shown_so() -> None:
    member = Watched("stage")
    member.connect(NOW)
    member.take(msgpack.packb(MESSAGE), NOW)
    later = HostTime(NOW + 5_000_000_000)
    assert "stage, SILENT" in line(member, later)
    assert notes(member, later)[0][0] == "nothing heard for 5.0s: crashed, frozen, or cut off"
    member.disconnect("no answer")
    assert "stage, LOST" in line(member, later)
