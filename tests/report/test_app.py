import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from k1edge.report.app import build_app
from k1edge.snapshot import Snapshot
from tests.report.scene import SNAPSHOT


def ask(path: str, snapshot: Callable[[], Snapshot] = lambda: SNAPSHOT, method: str = "GET") -> httpx.Response:
    async def asking() -> httpx.Response:
        transport = httpx.ASGITransport(build_app(snapshot), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://k1") as client:
            return await client.request(method, path)

    return asyncio.run(asking())


def test_status_is_the_snapshot() -> None:
    answer = ask("/status")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert Snapshot.model_validate_json(answer.content) == SNAPSHOT


def test_no_data_is_null() -> None:
    beat = SNAPSHOT.beat.model_copy(update={"bpm": None})
    quiet = SNAPSHOT.model_copy(update={"beat": beat, "node": None})
    answer = ask("/status", lambda: quiet).json()
    assert (answer["beat"]["bpm"], answer["node"]) == (None, None)


@pytest.mark.parametrize(("state", "code"), [("running", 200), ("starting", 503), ("degraded", 503), ("stopping", 503)])
def test_health_is_the_state_with_its_reasons(state: str, code: int) -> None:
    snapshot = SNAPSHOT.model_copy(update={"state": state, "reasons": ("no sound",) if code == 503 else ()})
    answer = ask("/healthz", lambda: snapshot)
    assert answer.status_code == code
    assert answer.json() == {"ok": code == 200, "state": state, "reasons": list(snapshot.reasons)}


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/", 404),
        ("GET", "/status/", 404),
        ("GET", "/%ff%00", 404),
        ("POST", "/status", 405),
        ("DELETE", "/healthz", 405),
        ("BREW", "/status", 405),
    ],
)
def test_everything_else_is_a_problem(method: str, path: str, code: int) -> None:
    answer = ask(path, method=method)
    assert answer.status_code == code
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == code
    assert problem["title"]
    assert "/status" in problem["detail"] or method in problem["detail"]
    if code == 405:
        assert "GET" in answer.headers["allow"]


def test_a_failing_snapshot_is_a_problem_too() -> None:
    def broken() -> Snapshot:
        msg = "secret"
        raise RuntimeError(msg)

    answer = ask("/status", broken)
    assert answer.status_code == 500
    assert answer.json()["detail"] == "RuntimeError; the log tells more"
