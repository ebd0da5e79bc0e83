"""The live page of a daemon that runs, in a real browser: it flashes in time, plots, survives a restart, and can be used by anybody."""

import json
import re
import socket
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from k1edge.audio.synth import click_and_drums
from k1edge.cli.demo_node import DemoNode
from tests.system.browser import Browser, chromium
from tests.system.conftest import NewEdge, Say
from tests.system.edge import LOCK_S, START_S, Edge, is_listening, is_locked
from tests.system.player import Player
from tests.system.sound_server import SoundServer

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(chromium() is None, reason="no chromium; on Debian: apt install chromium"),
]

WATCH_FLASHES = """
  window.flashes = [];
  new PerformanceObserver((list) => flashes.push(...list.getEntriesByName("k1-flash").map((mark) => mark.detail))).observe({ type: "mark" });
"""
"""In the page before its own scripts: the marks that it leaves at each flash."""

CONTRASTS = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = luminance(getComputedStyle(document.documentElement).backgroundColor);
  const shown = [...document.querySelectorAll("body *")].filter((each) => each.checkVisibility() && [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return shown.map((each) => {
    const style = getComputedStyle(each);
    const ink = luminance(each instanceof SVGElement ? style.fill : style.color);
    return [(Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05), each.textContent.trim().slice(0, 40)];
  });
})()"""
"""WCAG 2 contrast of every visible text against the page, after WCAG's definition of relative luminance."""

SIZES = ((1440, 900), (390, 844))


def test_the_page_lives_with_the_daemon(sound: SoundServer, new_edge: NewEdge, folder: Path, say: Say) -> None:
    with DemoNode(dialect="k1link", ppm=80.0, delay_ms=(1.0, 3.0), seed=3) as node, Browser() as browser:
        port = free_port()
        edge = new_edge(node.path, node={"identify_drain_ms": 200}, network={"bind": "127.0.0.1", "port": port})
        edge.start()
        edge.wait_for("sound, node and the LAN", lambda status: is_listening(status) and status["network"]["port"] == port, START_S)
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH_FLASHES)
        browser.show(1440, 900, color_scheme="light")
        browser.call("Page.navigate", url=f"http://127.0.0.1:{port}/")
        browser.wait_for("a live page", "document.documentElement?.dataset.state === 'live'")
        with Player(sound, click_and_drums(125.0, 90.0).samples):
            edge.wait_for("a lock", is_locked, LOCK_S)
            browser.wait_for("flashes", "flashes.length", lambda count: count >= 30, 30.0)
            assert_flashes_in_time(browser, say)
            assert_plots_drift(browser)
            assert_anybody_can_use_it(browser)
            assert_motion_is_spared(browser)
            for width, height in SIZES:
                for scheme in ("light", "dark"):
                    assert_looks_right(browser, width, height, scheme, folder)
            assert_colours_can_be_chosen(browser)
            assert errors(browser) == []
            assert_survives_a_restart(browser, edge)
        assert [error for error in errors(browser) if "ERR_CONNECTION_REFUSED" not in error] == []
        assert {address(url) for url in asked(browser)} == {f"127.0.0.1:{port}"}


def test_a_token_is_asked_for_once(new_edge: NewEdge) -> None:
    port, token = free_port(), "open-sesame-0123456789"
    edge = new_edge("off", network={"bind": "127.0.0.1", "port": port, "token": token})
    edge.start()
    edge.wait_for("sound and the LAN", lambda status: status["audio"]["state"] == "live" and status["network"]["port"] == port, START_S)
    with Browser() as browser:
        browser.call("Page.navigate", url=f"http://anybody:{token}@127.0.0.1:{port}/")  # as the browser's own dialogue has it
        browser.wait_for("a live page", "document.documentElement?.dataset.state === 'live'")
        browser.wait_for("figures", "document.getElementById('link-state').textContent === 'No node'")
        assert errors(browser) == []


def assert_flashes_in_time(browser: Browser, say: Say) -> None:
    """Against the page's own idea of the daemon's clock, and against the wall clock, which page and daemon share here."""
    flashes = browser.evaluate("flashes")
    origin_ms = browser.evaluate("performance.timeOrigin")
    due_wall_ms = {beat["beat_index"]: beat["due_wall_ms"] for beat in messages(browser, "beat")}
    by_page = np.array([flash["seen_ms"] - flash["due_ms"] for flash in flashes])
    by_wall = np.array([origin_ms + flash["seen_ms"] - due_wall_ms[flash["beat_index"]] for flash in flashes])
    for what, errors_ms in (("the telemetry's clock", by_page), ("the wall clock", by_wall)):
        p50, p95, worst = np.percentile(np.abs(errors_ms), (50, 95, 100))
        say(f"{errors_ms.size} flashes against {what}: p50 {p50:.1f} ms, p95 {p95:.1f} ms, max {worst:.1f} ms")
        assert p50 <= 15.0
        assert np.mean(np.abs(errors_ms) <= 30.0) >= 0.9, "a busy machine may miss a frame now and then, not more"
    indices = [flash["beat_index"] for flash in flashes]
    assert len(set(indices)) == len(indices)
    assert len(indices) >= 0.75 * (indices[-1] - indices[0] + 1), "beats were left out"  # a busy machine's late ones are


def assert_plots_drift(browser: Browser) -> None:
    """A dot for each flash that was compared, a median, and a readout by keyboard alone."""
    count = "(document.querySelector('#plot .dots path')?.getAttribute('d') ?? '').split('M').length - 1"
    browser.wait_for("dots", count, lambda dots: dots >= 10)
    assert re.fullmatch(
        r"M[\d.]+ [\d.]+(L[\d.]+ [\d.]+)+", browser.evaluate("document.querySelector('#plot .median path').getAttribute('d')")
    )
    assert browser.evaluate("[...document.querySelectorAll('#plot .rungs text')].map((each) => each.textContent).includes('slightly off')")
    browser.evaluate("document.getElementById('cursor').focus()")
    browser.press("ArrowLeft")
    browser.press("ArrowLeft")
    spoken = browser.evaluate("document.getElementById('cursor').getAttribute('aria-valuetext')")
    assert re.fullmatch(r"\d\d:\d\d:\d\d: [\d.]+ ms( early| late)?, median [\d.]+ ms( early| late)?", spoken)
    assert browser.evaluate("document.getElementById('readout').textContent") == spoken
    browser.press("Home")
    assert browser.evaluate("document.getElementById('cursor').getAttribute('aria-valuetext')").endswith("no flash")
    browser.evaluate("document.querySelector('summary').click()")
    cells = "[...document.querySelectorAll('#table tr')].map((row) => [...row.children].map((cell) => cell.textContent))"
    rows = browser.wait_for("the table", cells)
    assert len(rows) == 5
    assert int(rows[0][1]) >= 10
    assert rows[-1][1:] == ["0", *3 * ["\N{EN DASH}"]]


def assert_anybody_can_use_it(browser: Browser) -> None:
    """Landmarks, headings, names on what can be worked, and a voice for what changes."""
    nodes = [node for node in browser.call("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
    named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]
    roles = {role for role, _ in named}
    assert {"main", "banner", "contentinfo", "heading", "status", "meter", "slider", "combobox", "image"} <= roles
    worked = {"button", "link", "slider", "combobox", "DisclosureTriangle", "meter", "image", "region"}
    assert [each for each in named if each[0] in worked and not each[1]] == []
    assert [name for role, name in named if role == "heading"][:3] == [
        browser.evaluate("document.querySelector('h1').textContent"),
        "Now",
        named_drift(named),
    ]
    assert browser.evaluate("document.getElementById('announce').textContent") == "Locked to the beat. In time."
    assert float(browser.evaluate("document.getElementById('bpm').textContent")) == pytest.approx(125.0, abs=2.0)


def named_drift(named: list[tuple[str, str]]) -> str:
    return next(name for role, name in named if role == "heading" and name.startswith("Drift"))


def assert_motion_is_spared(browser: Browser) -> None:
    """Who asks for less motion gets no flash; the beat steps from dot to dot."""
    browser.show(1440, 900, color_scheme="light", reduced_motion="reduce")
    since = browser.evaluate("document.getElementById('lamp').getAnimations().forEach((each) => each.cancel()), flashes.length")
    browser.wait_for("beats", f"flashes.length - {since}", lambda beats: beats >= 2)
    assert browser.evaluate("document.getElementById('lamp').getAnimations().length") == 0
    assert browser.evaluate("document.querySelectorAll('#dots .on').length") == 1


def assert_looks_right(browser: Browser, width: int, height: int, scheme: str, folder: Path) -> None:
    """Something is drawn, in the scheme asked for, not wider than the screen, and every text can be read (WCAG AA)."""
    browser.show(width, height, color_scheme=scheme)
    browser.wait_for("no scrolling sideways", "document.documentElement.scrollWidth <= innerWidth", timeout_s=3.0)
    faint = [(round(ratio, 2), text) for ratio, text in browser.evaluate(CONTRASTS) if ratio < 4.5]
    assert faint == []
    file = folder / f"page-{width}-{scheme}.png"
    browser.screenshot(file)
    lines, corner = read_png(file)
    assert len(set(lines)) > 200
    assert (corner > 200) == (scheme == "light")


def assert_colours_can_be_chosen(browser: Browser) -> None:
    """Whatever the system prefers, and for the next time as well."""
    browser.show(1440, 900, color_scheme="light")
    choose = "const theme = document.getElementById('theme'); theme.value = '%s'; theme.dispatchEvent(new Event('change'))"
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    light = browser.evaluate(paper)
    browser.evaluate(f"{{ {choose % 'dark'} }}")
    assert browser.evaluate(paper) != light
    assert browser.evaluate("localStorage.getItem('k1-theme')") == "dark"
    browser.evaluate(f"{{ {choose % ''} }}")
    assert browser.evaluate(paper) == light


def assert_survives_a_restart(browser: Browser, edge: Edge) -> None:
    """What is old is greyed and said to be old; the next daemon is found by itself."""
    ink = "getComputedStyle(document.getElementById('bpm')).color"
    fresh = browser.evaluate(ink)
    assert edge.stop() == 0
    browser.wait_for(
        "the loss to be said",
        "document.getElementById('connection').textContent",
        lambda said: said.startswith("No connection, figures are"),
    )
    assert browser.evaluate(ink) != fresh
    edge.start()
    browser.wait_for("a live page again", "document.documentElement?.dataset.state === 'live'", timeout_s=START_S)
    since = browser.evaluate("flashes.length")
    browser.wait_for("flashes again", f"flashes.length - {since}", lambda count: count >= 4, START_S + LOCK_S)
    assert browser.evaluate(ink) == fresh


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def messages(browser: Browser, kind: str) -> list[dict[str, Any]]:
    """What came over the WebSocket, as the browser saw it."""
    told = [
        json.loads(frame["response"]["payloadData"])
        for frame in browser.of("Network.webSocketFrameReceived")
        if frame["response"]["opcode"] == 1
    ]
    return [message for message in told if message["type"] == kind]


def errors(browser: Browser) -> list[str]:
    """What the console shows in red or yellow."""
    logged = [entry["entry"] for entry in browser.of("Log.entryAdded")]
    shown = [entry["text"] for entry in logged if entry["level"] in {"error", "warning"}]
    shown += [str(call["args"]) for call in browser.of("Runtime.consoleAPICalled") if call["type"] in {"error", "warning", "assert"}]
    return shown + [str(thrown["exceptionDetails"]) for thrown in browser.of("Runtime.exceptionThrown")]


def asked(browser: Browser) -> list[str]:
    """Every address that the page wanted something from."""
    return [request["request"]["url"] for request in browser.of("Network.requestWillBeSent")] + [
        made["url"] for made in browser.of("Network.webSocketCreated")
    ]


def address(url: str) -> str:
    return url.split("/")[2]


def read_png(file: Path) -> tuple[list[bytes], int]:
    """Its lines as they are packed (filtered), and how bright the first pixel is, 0 to 255."""
    data, at, packed = file.read_bytes(), 8, b""
    width, _, _, colour = struct.unpack(">IIBB", data[16:26])
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        packed += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    size = width * {2: 3, 6: 4}[colour] + 1
    flat = zlib.decompress(packed)
    return [flat[at : at + size] for at in range(0, len(flat), size)], max(flat[1:4])
