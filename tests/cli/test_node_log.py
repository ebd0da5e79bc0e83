import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from k1edge.link.dialect import LinkState
from k1edge.link.virtual_node import VirtualNode
from tests.cli.call import call
from tests.cli.daemon_bench import daemon_on
from tests.link.serial_bench import PATIENCE_S, eventually


@pytest.fixture(autouse=True)
def _quick(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("K1EDGE_STATUS__SOCKET", str(home / "k1.sock"))
    return iter(())


def test_fault_04_a_panic_and_the_reset_after_it_are_told_by_the_daemon(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualNode("k1link") as virtual, daemon_on(virtual.path, home) as daemon:
        eventually(lambda: daemon._desk is not None and daemon._desk.node.status().state is LinkState.READY)
        virtual.say(b"Guru Meditation Error: Core 0 panic'ed\r\n")
        virtual.reset()
        eventually(lambda: daemon.snapshot().node.resets == 1)  # type: ignore[union-attr]  # there is one
        code, out, _ = call(capsys, "node", "log", "--json")
        entries = [json.loads(line) for line in out.splitlines()]
        assert code == 0
        assert [entry["number"] for entry in entries] == list(range(1, len(entries) + 1))
        assert any(entry["kind"] == "text" and "Guru Meditation" in entry["text"] for entry in entries)
        assert [entry["text"] for entry in entries if entry["kind"] == "reset"] == ["the node announced a new start"]
        code, out, _ = call(capsys, "node", "log", virtual.path)
        assert "reset   the node announced a new start" in out


def test_following_goes_on_until_ctrl_c(home: Path) -> None:
    with VirtualNode("trinity") as virtual, daemon_on(virtual.path, home):
        command = [sys.executable, "-m", "k1edge", "node", "log", "--follow", "--socket", str(home / "k1.sock")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert "identifying" in process.stdout.readline()
            virtual.say(b"hello people\n")
            while "hello people" not in process.stdout.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0


def test_on_a_port_it_listens_and_says_nothing() -> None:
    with VirtualNode("trinity") as virtual:
        command = [sys.executable, "-m", "k1edge", "node", "log", virtual.path, "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            heard: list[str] = []

            def hear() -> bool:
                virtual.say(b"E (12) led: short circuit\r\n")
                return process.poll() is not None or bool(heard)

            reader = threading.Thread(target=lambda: heard.append(process.stdout.readline()))  # type: ignore[union-attr]  # a pipe, as asked for
            reader.start()
            eventually(hear)
            reader.join()
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0
        entry = json.loads(heard[0])
        assert (entry["kind"], entry["text"], entry["level"]) == ("text", "E (12) led: short circuit", None)
        assert list(virtual.brain.console.lines) == []


def test_a_port_that_cannot_be_opened_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "node", "log", "/dev/no-such-k1")
    assert code == 1
    assert "no such device: plug the node in" in err
