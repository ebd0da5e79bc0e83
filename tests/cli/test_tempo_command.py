"""`k1edge tempo` against a helm that only notes what it is told."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from k1edge.errors import PeerError
from k1edge.held import TempoStatus, Word
from k1edge.report.app import build_app
from k1edge.report.status import StatusServer
from k1edge.report.tempo_routes import tempo_routes
from k1edge.timebase import NS_PER_S, HostTime
from tests.cli.call import call
from tests.report.scene import SNAPSHOT

PATIENCE_S = 20.0


class Noted:
    """A helm; four taps are 120 bpm."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.taps: list[HostTime] = []
        self.nudged = 0.0
        self.refusal = ""

    def say(self, word: Word, now: HostTime) -> float | None:
        assert now > 0
        return self.note(word.value, 60.0)

    def set_to(self, bpm: float, now: HostTime) -> float | None:
        assert now > 0
        return self.note(f"set {bpm:g}", bpm)

    def tap(self, at: HostTime, now: HostTime) -> float | None:
        assert at <= now
        self.taps.append(at)
        return self.note("tap", 120.0 if len(self.taps) == 4 else None)

    def nudge(self, ms: float) -> float | None:
        self.nudged += ms
        return self.note(f"nudge {ms:g}", None)

    def note(self, word: str, bpm: float | None) -> float | None:
        if self.refusal:
            raise PeerError(self.refusal)
        self.words.append(word)
        return bpm

    def status(self) -> TempoStatus:
        return TempoStatus(held_by=None, bpm_min=55.0, bpm_max=215.0, nudge_ms=self.nudged, taps=len(self.taps))


@contextmanager
def listening(socket: Path) -> Iterator[Noted]:
    """Serve a helm at `socket` until the end of the block."""
    helm = Noted()
    server = StatusServer(build_app(lambda: SNAPSHOT, tempo_routes(helm)), socket)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(PATIENCE_S)
        yield helm
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


@pytest.fixture
def helm(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Noted]:
    monkeypatch.setenv("K1EDGE_STATUS__SOCKET", str(home / "k1.sock"))
    with listening(home / "k1.sock") as noted:
        yield noted


@pytest.mark.parametrize("word", list(Word))
def test_words_arrive_and_what_holds_is_printed(word: Word, helm: Noted, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "tempo", word.value) == (0, f"{word}: 60.0 bpm, 55 to 215 bpm are followed\n", "")
    assert helm.words == [word.value]


def test_figures_arrive_also_below_zero(helm: Noted, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "tempo", "set", "127.5")[0] == 0
    assert call(capsys, "tempo", "nudge", "-20")[1] == "nudge: 55 to 215 bpm are followed, nudged -20 ms\n"
    assert call(capsys, "tempo", "nudge", "5.5", "--json")[0] == 0
    assert helm.words == ["set 127.5", "nudge -20", "nudge 5.5"]


def test_json_is_one_object(helm: Noted, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "tempo", "half", "--json")
    assert code == 0
    assert json.loads(out) == {"word": "half", "bpm": 60.0, "tempo": helm.status().model_dump()}


def test_a_tap_by_a_key_binding_is_one_tap_at_the_start_of_the_process(helm: Noted, home: Path) -> None:
    outs = []
    for _ in range(4):
        before = time.monotonic_ns()
        command = [sys.executable, "-m", "k1edge", "tempo", "tap", "--socket", str(home / "k1.sock")]
        outs.append(subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, text=True).stdout)
        after = time.monotonic_ns()
        assert before - NS_PER_S // 50 <= helm.taps[-1] <= after
    assert outs == ["tap 1: 3 more make a tempo\n", "tap 2: 2 more make a tempo\n", "tap 3: 1 more make a tempo\n",
                    "tap 4: 120.0 bpm, 55 to 215 bpm are followed\n"]  # fmt: skip


@pytest.mark.parametrize("end", [b"q", b"\x04", b""], ids=["q", "Ctrl-D", "Ctrl-C"])
def test_on_a_terminal_keys_are_taps_until_q_and_the_terminal_is_given_back(end: bytes, helm: Noted, home: Path) -> None:
    outer, inner = pty.openpty()
    before = termios.tcgetattr(inner)
    command = [sys.executable, "-m", "k1edge", "tempo", "tap", "--json", "--socket", str(home / "k1.sock")]
    with subprocess.Popen(command, stdin=inner, stdout=subprocess.PIPE) as tapping:
        deadline = time.monotonic() + PATIENCE_S
        while termios.tcgetattr(inner)[3] & termios.ICANON:
            assert time.monotonic() < deadline, "it never listened to single keys"
            time.sleep(0.01)
        assert tapping.stdout is not None
        told = []
        for key in (b" ", b"x\n", b"\r"):
            os.write(outer, key)
            told.append(json.loads(tapping.stdout.readline()))
        if end:
            os.write(outer, end)
        else:
            tapping.send_signal(signal.SIGINT)
        assert tapping.wait(PATIENCE_S) == 0
    assert [answer["tempo"]["taps"] for answer in told] == [1, 2, 3]
    assert helm.taps == sorted(helm.taps)
    assert termios.tcgetattr(inner) == before
    os.close(outer)
    os.close(inner)


def test_a_word_that_cannot_be_followed_is_told_with_its_cure(helm: Noted, capsys: pytest.CaptureFixture[str]) -> None:
    helm.refusal = "no beat is followed now; tap it"
    code, out, err = call(capsys, "tempo", "half")
    assert (code, out) == (1, "")
    assert err.endswith("answered 409: no beat is followed now; tap it\n")


def test_without_a_daemon_the_cure_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "tempo", "tap", "--once", "--socket", str(home / "none.sock"))
    assert code == 1
    assert "no daemon is running" in err


@pytest.mark.parametrize(
    "wrong", [("set",), ("set", "500"), ("set", "fast"), ("nudge", "-501"), ("nudge", "--bogus"), ("faster",), ("half", "2")]
)
def test_wrong_usage_is_told(wrong: tuple[str, ...], helm: Noted, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "tempo", *wrong)[0] == 2
    assert helm.words == []


def test_a_wrong_configuration_is_told_as_such(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "k1.toml").write_text("[beat]\nprior_bpm = 5\n")
    code, _, err = call(capsys, "tempo", "half", "--config", str(home / "k1.toml"))
    assert code == 78
    assert "beat.prior_bpm" in err
