import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.report.guard import Guard, joined

SESAME = "0123456789abcdef"
HOST = {"host": "192.168.1.5:19249"}


def code(guard: Guard, headers: dict[str, str], scheme: str = "http", query: str = "") -> int:
    refusal = guard.judge(headers, scheme, query)
    return 200 if refusal is None else int(refusal.status)


@pytest.mark.parametrize(
    "host",
    ["192.168.1.5", "192.168.1.5:19249", "[fe80::1]:19249", "[fe80::1%25eth0]", "k1", "k1:80", "k1.local", "k1.lan:19249", "localhost"],
)
def test_addresses_and_names_of_a_lan_are_ours(host: str) -> None:
    assert code(Guard(), {"host": host}) == 200


@pytest.mark.parametrize(
    "host", ["", "evil.example.com", "k1.evil.com:19249", "evil.com.", "[", "[::1", "local.evil.com", "a,b", "1.2.3.4.evil.com"]
)
def test_a_name_that_a_stranger_can_own_is_not(host: str) -> None:
    """DNS rebinding: a page of evil.com that resolves to us."""
    assert code(Guard(), {"host": host}) == 421
    assert code(Guard(), {"host": host, "origin": f"http://{host}"}) == 421


def test_a_public_name_is_ours_once_it_is_listed() -> None:
    guard = Guard(origins=("https://k1.example.com",))
    assert code(guard, {"host": "k1.example.com", "origin": "https://k1.example.com"}) == 200


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_our_own_page_may_read(scheme: str) -> None:
    assert code(Guard(), {**HOST, "origin": "http://192.168.1.5:19249"}, scheme) == 200
    assert code(Guard(), {**HOST, "origin": "https://192.168.1.5:19249"}, "wss") == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.com",
        "https://192.168.1.5:19249",
        "http://192.168.1.5",
        "http://192.168.1.5:19249.evil.com",
        "null",
        "",
        "http://192.168.1.5:19249/x",
    ],
)
def test_other_pages_may_not(origin: str) -> None:
    assert code(Guard(), {**HOST, "origin": origin}) == 403
    assert code(Guard(origins=("http://wall.local",)), {**HOST, "origin": origin}) == 403


def test_listed_pages_may() -> None:
    guard = Guard(origins=("http://wall.local:8080",))
    headers = {**HOST, "origin": "http://wall.local:8080"}
    assert code(guard, headers) == 200
    assert guard.allowed_origin(headers) == "http://wall.local:8080"
    assert guard.allowed_origin({**HOST, "origin": "http://192.168.1.5:19249"}) is None
    assert code(Guard(origins=("*",)), {**HOST, "origin": "http://any.thing"}) == 200


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


@pytest.mark.parametrize("shown", [f"Bearer {SESAME}", f"bearer {SESAME}", f"Bearer  {SESAME}", basic(SESAME)])
def test_the_token_opens(shown: str) -> None:
    assert code(Guard(SESAME), {**HOST, "authorization": shown}) == 200


@pytest.mark.parametrize(
    "shown",
    ["", "Bearer", "Bearer ", f"Bearer {SESAME}x", f"Bearer {SESAME[:-1]}", f"Token {SESAME}", SESAME, basic(SESAME[:-1]), "Basic !", "Basic /w==",
     f"Bearer {SESAME},Bearer x", "Bearer \xff\ud800"],
)  # fmt: skip
def test_nothing_else_does(shown: str) -> None:
    refusal = Guard(SESAME).judge({**HOST, "authorization": shown}, "http")
    assert refusal is not None
    assert refusal.status == 401
    assert "Bearer" in refusal.headers["www-authenticate"]
    assert SESAME not in refusal.detail


def test_a_token_in_the_address_counts_for_a_websocket_alone() -> None:
    guard = Guard(SESAME)
    assert code(guard, HOST, "ws", f"format=json&token={SESAME}") == 200
    assert code(guard, HOST, "ws", f"token={SESAME}x") == 401
    assert code(guard, HOST, "ws", "token=" + "x" * 100_000) == 401
    assert code(guard, {**HOST, "authorization": "Bearer no"}, "ws", f"token={SESAME}") == 401


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_fault_39_whatever_comes_is_judged(host: str, origin: str, shown: str) -> None:
    assert code(Guard(SESAME), {"host": host, "origin": origin, "authorization": shown}) in {401, 403, 421}


def test_headers_that_come_twice_fit_nothing() -> None:
    assert joined([("Host", "k1"), ("HOST", "k2"), ("x", "1")]) == {"host": "k1,k2", "x": "1"}
