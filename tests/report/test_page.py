"""The live page as files: what is served how, and that nothing in it leads elsewhere. What it does is shown in a browser, in tests/system."""

import asyncio
import base64
import json
import re

import httpx
import pytest
from starlette.routing import Route

from k1edge.config import Settings
from k1edge.drift.meter import Reading
from k1edge.report import page
from k1edge.report.app import build_app
from k1edge.report.feed import Feed
from k1edge.report.guard import Guard, GuardedApp
from k1edge.report.page import FOLDER, KEPT, TYPES, Page
from k1edge.report.part import Surroundings
from k1edge.timebase import HostTime
from tests.report.lan_scene import SESAME
from tests.report.scene import SNAPSHOT

FILES = sorted(path for path in FOLDER.iterdir() if path.suffix in TYPES)


def made() -> Page:
    return Page(Surroundings(Settings(), "k1e-test", lambda: SNAPSHOT, Feed("k1e-test"), lambda: None))


def ask(
    path: str, *, method: str = "GET", part: Page | None = None, token: str = "", headers: dict[str, str] | None = None
) -> httpx.Response:
    """One request through the guard and the routes."""
    app = GuardedApp(build_app(lambda: SNAPSHOT, (part or made()).routes()), Guard(token))

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://k1.local") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asked())


def test_the_page_and_each_of_its_files_by_type() -> None:
    got = ask("/")
    assert got.status_code == 200
    assert got.headers["content-type"] == "text/html; charset=utf-8"
    assert got.content == (FOLDER / "index.html").read_bytes()
    for file in FILES:
        got = ask(f"/page/{file.name}")
        assert (got.status_code, got.headers["content-type"], got.content) == (200, TYPES[file.suffix], file.read_bytes())


def test_head_is_get_without_its_body() -> None:
    got, head = ask("/"), ask("/", method="HEAD")
    assert (head.status_code, head.headers) == (200, got.headers)  # uvicorn leaves the body out


def test_a_browser_keeps_a_file_and_asks_whether_it_is_still_right() -> None:
    got = ask("/page/main.js")
    assert got.headers["cache-control"] == "no-cache"
    for tag in (got.headers["etag"], f'"other", W/{got.headers["etag"]}', "*"):
        again = ask("/page/main.js", headers={"if-none-match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", got.headers["etag"])
    assert ask("/page/main.js", headers={"if-none-match": '"other"'}).status_code == 200
    tags = [ask(f"/page/{file.name}").headers["etag"] for file in FILES]
    assert len(set(tags)) == len(FILES)


@pytest.mark.parametrize("name", ["nothing.js", "__init__.py", "..%2f__init__.py", "..%2fapp.py", ""])
def test_there_is_nothing_else(name: str) -> None:
    assert ask(f"/page/{name}").status_code == 404


def test_the_page_may_load_and_ask_nothing_elsewhere() -> None:
    policy = dict(rule.strip().partition(" ")[::2] for rule in ask("/").headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[kind] for kind in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert {policy[kind] for kind in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert "unsafe" not in page.POLICY
    for file in FILES:
        text = file.read_text()
        elsewhere = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text)) - {"http://www.w3.org"}  # the name of SVG, which nobody loads
        assert not elsewhere, file.name
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\son\w+=\"|<style|style=\"", text
        ), file.name


def test_every_file_that_is_named_is_there_and_the_other_way_round() -> None:
    text = "\n".join(file.read_text() for file in FILES)
    named = set(re.findall(r'/page/([\w.]+)"', text)) | set(re.findall(r'from "\./([\w.]+)"', text))
    assert named - {"drift.json", "peers.json"} == {file.name for file in FILES} - {"index.html"}
    html = (FOLDER / "index.html").read_text()
    ids = re.findall(r'\bid="([\w-]+)"', html)
    assert len(ids) == len(set(ids))
    asked = set(re.findall(r'(?:\$|say|list|table)\("([\w-]+)"', text)) | set(re.findall(r'(?:aria-labelledby|href)="#?([\w-]+)"', html))
    assert asked <= set(ids)


def test_it_is_small_and_each_file_fits_the_house() -> None:
    assert sum(len(file.read_bytes()) for file in FILES) < 64 * 1024
    assert all(len(file.read_text().splitlines()) <= 300 for file in FILES)


def test_the_last_minutes_are_there_for_a_page_just_opened() -> None:
    part = made()
    for beat in range(KEPT + 10):
        part.settled(Reading(beat, HostTime(beat * 500_000_000), None if beat % 2 else -4.5, None, None, None))
    got = ask("/page/drift.json", part=part)
    assert got.headers["cache-control"] == "no-store"
    rows = json.loads(got.content)
    assert len(rows) == KEPT
    assert rows[:2] == [[5_000.0, -4.5], [5_500.0, None]]


def test_a_token_is_asked_for_as_a_browser_understands_it() -> None:
    got = ask("/", token=SESAME)
    assert got.status_code == 401
    basic = base64.b64encode(f"anybody:{SESAME}".encode()).decode()
    assert got.headers["www-authenticate"].startswith('Basic realm="k1edge"')  # Chromium looks no further
    assert ask("/", token=SESAME, headers={"authorization": f"Basic {basic}"}).status_code == 200
    assert ask("/page/main.js", token=SESAME).status_code == 401


def test_the_routes_are_the_page_and_what_is_under_it() -> None:
    paths = [route.path for route in made().routes() if isinstance(route, Route)]
    assert paths == ["/", "/page/drift.json", "/page/peers.json", "/page/{name}"]
