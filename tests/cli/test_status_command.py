import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from k1edge.cli import client
from k1edge.events import Culprit, Severity
from k1edge.held import TempoStatus
from k1edge.snapshot import SNAPSHOT_VERSION, AlertsStatus, ClocksStatus, Snapshot
from tests.cli.call import call
from tests.report.scene import ALERT, NETWORK, NODE, SNAPSHOT, serving

TAPPED = TempoStatus(held_by="tap", bpm_min=92.4, bpm_max=107.7, nudge_ms=-20.0, taps=5)
OPEN = ALERT.model_copy(update={"end_ns": None})
CLOCKS = ClocksStatus(
    attribution=Culprit.HOST_CLOCK,
    event="the host slept for 60.0 s",
    event_ns=SNAPSHOT.monotonic_ns - 10_000_000_000,
    host_slew_ppm=3.14,
    rates_known=2,
)


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """Something listens at `path` that is no k1edge; an empty answer = it never says anything."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(4)

        def serve() -> None:
            asker, _ = listener.accept()
            with asker:
                asker.recv(1000)
                asker.sendall(answer)
                if not answer:
                    asker.recv(1)  # until the client gives up

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(10)


def test_json_is_the_snapshot_on_one_line(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    with serving(home / "k.sock"):
        code, out, err = call(capsys, "status", "--json", "--socket", str(home / "k.sock"))
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    assert Snapshot.model_validate_json(out) == SNAPSHOT


def test_table_tells_everything_that_matters(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    with serving(home / "k.sock"):
        code, out, _ = call(capsys, "status", "--socket", str(home / "k.sock"))
    assert code == 0
    for words in (
        "RUNNING",
        "k1mon, 48000 Hz, 2 channels",
        "LOCKED  128.0 bpm",
        "AUTO  55 to 215 bpm",
        "sent 10 = fired 7 + late 1 + missed 1 + cancelled 0 + pending 1",
        "±210 us",
        "-4.5 ms OK",
        "17 of 19 flashes",
        "over: the light is late, by the tracker, worst +32 ms; began 1 min 0 s ago, lasted 0 min 10 s",
        "against onset",
        "= 47.7 ms",
        "1 d 2 h",
    ):
        assert words in out


def test_table_tells_how_the_uplink_is(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert NETWORK.uplink is not None
    gone = NETWORK.uplink.model_copy(
        update={"state": "waiting", "connected_s": None, "reason": "nothing listens at hub.local; start the hub"}
    )
    for uplink, words in (
        (NETWORK.uplink, ("CONNECTED", "for 1 min 1 s", "1 waiting, 4 acknowledged")),
        (gone, ("WAITING", "start the hub")),
    ):
        snapshot = SNAPSHOT.model_copy(update={"network": NETWORK.model_copy(update={"uplink": uplink})})
        with serving(home / "k1edge.sock", lambda snapshot=snapshot: snapshot):  # type: ignore[misc] # bound at once
            code, said, _ = call(capsys, "status", "--socket", str(home / "k1edge.sock"))
        assert code == 0
        assert "wss://hub.local" in said
        for word in words:
            assert word in said


def test_what_a_ready_node_said_long_ago_is_not_shown(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    node = NODE.model_copy(update={"kept_text": "rst:0x1 (POWERON)"})
    with serving(home / "k.sock", lambda: SNAPSHOT.model_copy(update={"node": node})):
        assert "POWERON" not in call(capsys, "status", "--socket", str(home / "k.sock"))[1]


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        (SNAPSHOT.model_copy(update={"node": None}), 'node.port is "off"'),
        (SNAPSHOT.model_copy(update={"state": "degraded", "reasons": ("no sound: card removed",)}), "no sound: card removed"),
        (SNAPSHOT.model_copy(update={"node": NODE.model_copy(update={"timing": "untimed", "dialect": "trinity"})}), "sent 10 lines"),
        (
            SNAPSHOT.model_copy(
                update={"node": NODE.model_copy(update={"state": "unrecognised", "kept_text": "rst:0x15\nwaiting for download\n"})}
            ),
            "it said: waiting for download",
        ),
        (SNAPSHOT.model_copy(update={"node": NODE.model_copy(update={"unknown_replies": {"text": 2, "a": 1}})}), "3 unknown"),
        (SNAPSHOT.model_copy(update={"node": NODE.model_copy(update={"dropped": 7})}), "7 writes dropped"),
        (SNAPSHOT.model_copy(update={"drift": SNAPSHOT.drift.model_copy(update={"drift_ms": None, "reason": "why"})}), "none: why"),
        (SNAPSHOT.model_copy(update={"drift": SNAPSHOT.drift.model_copy(update={"severity": Severity.RED})}), "-4.5 ms RED"),
        (
            SNAPSHOT.model_copy(update={"alerts": AlertsStatus(open=(OPEN,), closed=(), total=1)}),
            "AMBER: the light is late, by the tracker",
        ),
        (SNAPSHOT.model_copy(update={"clocks": CLOCKS}), "the host slept for 60.0 s, 0 min 10 s ago"),
        (
            SNAPSHOT.model_copy(update={"clocks": CLOCKS.model_copy(update={"event": None})}),
            "STEADY  host slewed by +3.1 ppm, rates of 2 nodes",
        ),
        (SNAPSHOT.model_copy(update={"audio": SNAPSHOT.audio.model_copy(update={"bad_samples": 9})}), "9 bad samples"),
        (SNAPSHOT.model_copy(update={"tempo": TAPPED}), "TAP  92 to 108 bpm, nudged -20 ms, 5 taps"),
        (SNAPSHOT.model_copy(update={"audio": SNAPSHOT.audio.model_copy(update={"state": "lost", "reason": "busy [hw]"})}), "busy [hw]"),
    ],
)
def test_table_of_a_daemon_that_lacks_something(capsys: pytest.CaptureFixture[str], home: Path, snapshot: Snapshot, words: str) -> None:
    with serving(home / "k.sock", lambda: snapshot):
        assert words in call(capsys, "status", "--socket", str(home / "k.sock"))[1]


def test_socket_is_found_as_configured(capsys: pytest.CaptureFixture[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K1EDGE_STATUS__SOCKET", str(home / "k.sock"))
    with serving(home / "k.sock"):
        assert call(capsys, "status", "--json")[0] == 0
    monkeypatch.delenv("K1EDGE_STATUS__SOCKET")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(home))
    with serving(home / "k1edge.sock"):
        assert call(capsys, "status", "--json")[0] == 0


def test_no_daemon_names_the_socket_and_the_cure(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    code, out, err = call(capsys, "status", "--json", "--socket", str(home / "k.sock"))
    assert (code, out) == (1, "")
    assert f"there is no {home}/k.sock" in err
    assert "k1edge run" in err


def test_a_dead_daemons_socket_is_told_apart(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(home / "k.sock"))
    code, _, err = call(capsys, "status", "--socket", str(home / "k.sock"))
    assert code == 1
    assert "the daemon died" in err


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"220 mail.example ESMTP\r\n", "does not speak HTTP"),
        (b'HTTP/1.1 500 Oops\r\ncontent-length: 18\r\n\r\n{"detail": "tired"}', "answered 500"),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n[]", "no reason given"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", f"not of version {SNAPSHOT_VERSION}"),
        (b"", "does not answer within"),
    ],
)
def test_strange_answers_are_named(
    capsys: pytest.CaptureFixture[str], home: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, words: str
) -> None:
    monkeypatch.setattr(client, "TIMEOUT_S", 0.2 if not answer else 5.0)
    with answering(home / "k.sock", answer):
        code, _, err = call(capsys, "status", "--socket", str(home / "k.sock"))
    assert code == 1
    assert words in err


def test_fault_38_who_may_not_ask_is_told_so(home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    home.chmod(0o755)
    with serving(home / "run" / "k.sock"):
        program = f"""
import os, sys
import k1edge.cli.status
from k1edge.cli import main
os.setgroups([]); os.setgid(65534); os.setuid(65534)
main(["status", "--json", "--socket", {str(home / "run" / "k.sock")!r}])
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "you may not ask the daemon" in done.stderr


def test_watch_goes_on_until_interrupted(home: Path) -> None:
    with serving(home / "k.sock"):
        command = [sys.executable, "-m", "k1edge", "status", "--json", "--watch", "--interval", "0.05", "--socket", str(home / "k.sock")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
            assert watching.stdout is not None
            lines = [watching.stdout.readline() for _ in range(3)]
            watching.send_signal(signal.SIGINT)
            assert watching.wait(10) == 0
    assert [json.loads(line)["id"] for line in lines] == [SNAPSHOT.id] * 3
