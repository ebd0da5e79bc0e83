import asyncio
import time
from typing import Any

import httpx
import pytest

from k1edge.errors import PeerError
from k1edge.held import TempoStatus, Word
from k1edge.report.app import build_app
from k1edge.report.tempo_routes import tempo_routes
from k1edge.timebase import NS_PER_S, HostTime
from tests.report.scene import SNAPSHOT

HELD = TempoStatus(held_by="half", bpm_min=42.5, bpm_max=85.0, nudge_ms=-20.0, taps=0)


class Helm:
    def __init__(self, refusal: str = "") -> None:
        self.said: list[tuple[object, ...]] = []
        self.refusal = refusal

    def take(self, *said: object) -> float | None:
        if self.refusal:
            raise PeerError(self.refusal)
        self.said.append(said)
        return 60.0

    def say(self, word: Word, now: HostTime) -> float | None:
        assert now > 0
        return self.take(word)

    def set_to(self, bpm: float, now: HostTime) -> float | None:
        assert now > 0
        return self.take("set", bpm)

    def tap(self, at: HostTime, now: HostTime) -> float | None:
        assert at <= now
        self.take("tap", at)
        return None

    def nudge(self, ms: float) -> float | None:
        return self.take("nudge", ms)

    def status(self) -> TempoStatus:
        return HELD


def ask(helm: Helm, method: str, path: str, *, trusted: bool = True, **body: Any) -> httpx.Response:
    """Ask as the socket's server does: the connection's state says who may control."""
    app = build_app(lambda: SNAPSHOT, tempo_routes(helm))

    async def served(scope: Any, receive: Any, send: Any) -> None:
        await app(scope | {"state": {"may_control": trusted}}, receive, send)

    async def asking() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://k1") as client:
            return await client.request(method, path, **body)

    return asyncio.run(asking())


@pytest.mark.parametrize("word", list(Word))
@pytest.mark.parametrize("body", [{}, {"json": {}}])
def test_a_word_is_said_and_what_holds_is_answered(word: Word, body: dict[str, Any]) -> None:
    helm = Helm()
    answer = ask(helm, "POST", f"/tempo/{word}", **body)
    assert (answer.status_code, answer.json()) == (202, {"bpm": 60.0, "tempo": HELD.model_dump()})
    assert answer.headers["cache-control"] == "no-store"
    assert helm.said == [(word,)]


def test_figures_arrive() -> None:
    helm = Helm()
    assert ask(helm, "POST", "/tempo/set", json={"bpm": 128}).status_code == 202
    assert ask(helm, "POST", "/tempo/nudge", json={"ms": -20.5}).status_code == 202
    assert helm.said == [("set", 128.0), ("nudge", -20.5)]


def test_a_tap_is_stamped_by_who_felt_it_or_on_arrival() -> None:
    helm = Helm()
    before = time.monotonic_ns()
    felt = before - NS_PER_S
    assert ask(helm, "POST", "/tempo/tap", json={"at_ns": felt}).json()["bpm"] is None
    assert ask(helm, "POST", "/tempo/tap").status_code == 202
    first, second = helm.said
    assert first == ("tap", felt)
    assert isinstance(second[1], int)
    assert before <= second[1] <= time.monotonic_ns()


def test_what_holds_is_there_to_read_for_everybody_on_the_socket() -> None:
    answer = ask(Helm(), "GET", "/tempo", trusted=False)
    assert (answer.status_code, answer.json()) == (200, HELD.model_dump())


@pytest.mark.parametrize("path", ["half", "set", "tap", "nudge", "auto"])
def test_fault_38_who_may_only_look_steers_nothing(path: str) -> None:
    helm = Helm()
    answer = ask(helm, "POST", f"/tempo/{path}", trusted=False, json={"bpm": 100})
    assert answer.status_code == 403
    assert "look, not control" in answer.json()["detail"]
    assert helm.said == []


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("set", {}, "bpm"),
        ("set", {"bpm": 29}, "bpm"),
        ("set", {"bpm": 301}, "bpm"),
        ("set", {"bpm": "120"}, "bpm"),
        ("set", {"bpm": True}, "bpm"),
        ("set", {"bpm": 120, "colour": "red"}, "colour"),
        ("nudge", {"ms": 501}, "ms"),
        ("nudge", {"ms": None}, "ms"),
        ("tap", {"at_ns": 5}, "at_ns"),
        ("tap", {"at_ns": 1 << 62}, "at_ns"),
        ("tap", {"at_ns": 1.5}, "at_ns"),
        ("half", {"bpm": 60}, "bpm"),
    ],
)
def test_a_bad_figure_is_refused_with_what_is_wrong(path: str, body: dict[str, object], named: str) -> None:
    helm = Helm()
    answer = ask(helm, "POST", f"/tempo/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(named)
    assert helm.said == []


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"{", 400), (b"\xff\xfe", 400), (b'{"bpm": NaN}', 400), (b'{"bpm": Infinity}', 400), (b"[" * 900, 400), (b" " * 2_000, 413)],
)
def test_fault_37_hostile_bodies_are_refused(content: bytes, code: int) -> None:
    assert ask(Helm(), "POST", "/tempo/set", content=content).status_code == code


def test_a_word_that_cannot_be_followed_says_why_and_one_that_is_none_says_what_there_is() -> None:
    answer = ask(Helm("no beat is followed now"), "POST", "/tempo/half")
    assert (answer.status_code, answer.json()["detail"]) == (409, "no beat is followed now")
    assert "/tempo/half" in ask(Helm(), "POST", "/tempo/faster").json()["detail"]
    assert ask(Helm(), "GET", "/tempo/half").status_code == 405
    assert ask(Helm(), "DELETE", "/tempo").status_code == 405
