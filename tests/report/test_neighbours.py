"""What the page is told of peers, who are strangers: bounded in time and size, and believed only as far as it makes sense."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from k1edge.report.page import neighbours
from k1edge.report.page.neighbours import MOST_BYTES, Neighbours, page_of
from k1edge.report.peer_table import static_peer
from tests.report.lan_scene import SESAME, Lan, run
from tests.report.scene import SNAPSHOT

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
TOLD = {"state": "running", "beat": {"lock": "locked", "bpm": 128.04}, "drift": {"severity": "ok", "drift_ms": -4.5}}


def test_a_daemon_tells_its_drift() -> None:
    async def scenario(lan: Lan) -> None:
        (row,) = await Neighbours().rows([static_peer(f"127.0.0.1:{lan.port}")])
        assert row == {"name": f"127.0.0.1:{lan.port}", "page": f"http://127.0.0.1:{lan.port}/", "told": TOLD, "why": None}

    run(scenario)


def test_one_with_a_token_is_not_shown_any() -> None:
    async def scenario(lan: Lan) -> None:
        (row,) = await Neighbours().rows([static_peer(f"127.0.0.1:{lan.port}")])
        assert (row["told"], row["why"]) == (None, "wants a token; its own page asks for it")

    run(scenario, token=SESAME)


def answered_by(talk: Talk, *, times: int = 1) -> tuple[list[dict[str, Any]], int]:
    """Rows of `times` looks at one peer that talks like this, and how often it was asked."""
    asked = 0

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def scene() -> list[dict[str, Any]]:
        server = await asyncio.start_server(counted, "127.0.0.1", 0)
        async with server, asyncio.timeout(3.0):
            here, found = Neighbours(), []
            for _ in range(times):
                found = await here.rows([static_peer(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")])
        return found

    return asyncio.run(scene()), asked


def saying(body: bytes, head: bytes = b"HTTP/1.0 200 OK\r\n\r\n") -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + body)
        await writer.drain()

    return talk


def with_drift(**fields: object) -> bytes:
    return json.dumps({**TOLD, "drift": {**TOLD["drift"], **fields}}).encode()  # type: ignore[dict-item] # it is a dict


def test_many_pages_ask_a_peer_once() -> None:
    rows, asked = answered_by(saying(SNAPSHOT.model_dump_json().encode()), times=3)
    assert (rows[0]["told"], asked) == (TOLD, 1)


@pytest.mark.parametrize(
    "talk",
    [
        saying(b"<html>a printer</html>"),
        saying(b"\xff\xfe[[["),
        saying(with_drift(drift_ms=float("nan"))),
        saying(with_drift(drift_ms=1e300)),
        saying(with_drift(severity="<img src=x onerror=alert(1)>")),
        saying(json.dumps(TOLD).encode(), head=b"SSH-2.0-OpenSSH\r\n\r\n"),
        saying(b"", head=b"HTTP/1.1 twohundred OK\r\n\r\n"),
        saying(json.dumps(TOLD).encode() + b" " * MOST_BYTES),
        saying(b"", head=b""),
    ],
    ids=["html", "bytes", "nan", "huge", "markup", "no http", "no number", "too long", "nothing"],
)
def test_what_makes_no_sense_is_not_shown(talk: Talk) -> None:
    (row,), _ = answered_by(talk)
    assert (row["told"], row["why"]) == (None, "does not answer as a k1edge does")


def test_a_peer_that_says_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "ANSWER_S", 0.05)

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG001 - as the server calls it
        await reader.read()

    (row,), _ = answered_by(mute)
    assert row["why"] == "does not answer as a k1edge does"


def test_where_its_own_page_is() -> None:
    peer = static_peer("[fe80::1%eth0]:19249")
    assert page_of(peer) == "http://[fe80::1]:19249/"
    assert page_of(peer.model_copy(update={"tls": True, "addresses": ("10.0.0.7",)})) == "https://10.0.0.7:19249/"


def test_tls_is_for_its_own_page() -> None:
    (row,) = asyncio.run(Neighbours().rows([static_peer("127.0.0.1:1").model_copy(update={"tls": True})]))
    assert row["why"] == "speaks TLS; its own page tells"
