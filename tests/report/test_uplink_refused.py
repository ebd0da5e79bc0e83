"""Hubs that do not let us in, are not there, or cannot prove who they are."""

import ssl
from http import HTTPStatus
from pathlib import Path

import pytest
import trustme
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from tests.report.hub_scene import SESAME, Hub, Line, free_port, meeting, run
from tests.report.hub_scene import hurried as hurried  # noqa: PLC0414 - a fixture
from tests.report.scene import until

pytestmark = pytest.mark.usefixtures("hurried")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (HTTPStatus.UNAUTHORIZED, "telemetry.uplink_token"),
        (HTTPStatus.FORBIDDEN, "telemetry.uplink_token"),
        (HTTPStatus.NOT_FOUND, "telemetry.uplink to the address"),
        (HTTPStatus.FOUND, "points elsewhere"),
        (HTTPStatus.SERVICE_UNAVAILABLE, "log"),
        (HTTPStatus.OK, "HTTP 200"),
    ],
)
def test_a_refusal_is_named_with_its_cure(status: HTTPStatus, words: str) -> None:
    hub, asked = Hub(port=free_port()), list[Request]()

    def refuse(connection: ServerConnection, request: Request) -> Response:
        asked.append(request)
        answer = connection.respond(status, "no\n")
        answer.headers["Location"] = f"ws://127.0.0.1:{hub.port}/elsewhere"
        return answer

    async def scenario(line: Line) -> None:
        await hub.start(refuse)
        line.alert()
        reason = await line.failed(words)
        assert f"HTTP {status.value}" in reason
        await until(lambda: len(asked) >= 2)  # tried again, slowly; see the session's own tests
        assert line.status.waiting == 1
        await hub.die()

    run(scenario, f"ws://127.0.0.1:{hub.port}", token=SESAME)
    assert {request.path for request in asked} == {"/ws/telemetry/k1e-1"}  # nowhere else


def test_a_token_out_of_a_file_and_one_that_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "hub.token"

    async def scenario(line: Line, hub: Hub) -> None:
        reason = await line.failed()
        assert str(file) in reason
        assert "telemetry.uplink_token" in reason
        assert not hub.asked
        file.write_text(f"{SESAME}\n")
        await line.connected()
        await until(lambda: bool(hub.asked))
        assert hub.asked[0].headers["Authorization"] == f"Bearer {SESAME}"

    meeting(scenario, token=str(file))


def test_nobody_there_and_no_such_name() -> None:
    async def alone(line: Line) -> None:
        await line.failed("nothing listens at 127.0.0.1")

    async def nameless(line: Line) -> None:
        await line.failed("hub.invalid")

    run(alone, f"ws://127.0.0.1:{free_port()}")
    run(nameless, "ws://hub.invalid")


@pytest.mark.parametrize("case", ["right", "stranger", "other name", "missing", "no TLS"])
def test_tls_is_verified(case: str, tmp_path: Path) -> None:
    authority, hub = trustme.CA(), Hub(port=free_port())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example" if case == "other name" else "127.0.0.1").configure_cert(context)
    ca = tmp_path / "ca.pem"
    (trustme.CA() if case == "stranger" else authority).cert_pem.write_to_path(str(ca))

    async def scenario(line: Line) -> None:
        await hub.start(tls=None if case == "no TLS" else context)
        line.alert()
        if case == "right":
            await until(lambda: line.status.acknowledged == 1)
        else:
            words = {"no TLS": "ws://", "missing": "none.pem"}.get(case, "telemetry.uplink_ca")
            await line.failed(words)
            assert hub.heard == []
        await hub.die()

    run(scenario, f"wss://127.0.0.1:{hub.port}", ca=str(tmp_path / "none.pem" if case == "missing" else ca), token=SESAME)
