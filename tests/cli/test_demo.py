"""The demo as a user starts it: a process of its own. No figure here is tighter than a beat's window: the machine may be busy."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from k1edge.cli import main

COMMAND = [sys.executable, "-m", "k1edge", "demo"]


def start(tmp_path: Path, *arguments: object, **streams: Any) -> subprocess.Popen[bytes]:
    """Start it where its temporary files can be counted."""
    environment = os.environ | {"TMPDIR": str(tmp_path), "COLUMNS": "80"}
    return subprocess.Popen([*COMMAND, *map(str, arguments)], env=environment, **streams)


def test_the_whole_way_from_a_song_to_the_flash_in_both_dialects(tmp_path: Path) -> None:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    demos = {name: start(tmp_path, "--seconds", 12, "--json", "--dialect", name, **streams) for name in ("k1link", "trinity")}
    for dialect, process in demos.items():  # side by side: the song takes its time
        with process:
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert len(out.splitlines()) == 1
        check(json.loads(out), dialect)
        assert b"error" not in err
        assert b"flashed" in err
    assert list(tmp_path.iterdir()) == []  # the sockets and their directories are gone


def check(found: dict[str, Any], dialect: str) -> None:
    timed = dialect == "k1link"
    assert (found["ok"], found["reason"], found["dialect"]) == (True, None, dialect)
    assert (found["played_s"], found["beats_played"]) == (12.0, 24)
    assert 0 < found["beats_flashed"] <= 24
    assert found["f_measure"] > 0.7
    assert abs(found["flash_error_median_ms"]) <= 70
    assert found["timing"] == ("timed" if timed else "untimed")
    assert (found["clock_bound_us"] is not None) is timed
    assert found["bound_held"] is (True if timed else None)


def test_ctrl_c_ends_it_early_with_the_summary_so_far(tmp_path: Path) -> None:
    with start(tmp_path, "--seconds", 60, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        assert b"unlocked" in first
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    found = json.loads(out)
    assert found["played_s"] < 30
    assert process.returncode == (0 if found["beats_flashed"] else 1)
    assert b"Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_it_draws_and_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    with start(tmp_path, "--seconds", 1, "--json", stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        drawn = b""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                drawn += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
        out, _ = process.communicate(timeout=20)
    os.close(ours)
    assert b"phase" in drawn
    assert b"dBFS" in drawn
    assert drawn.count(b"\x1b[?25l") == drawn.count(b"\x1b[?25h") == 1  # cursor hidden, and shown again
    assert json.loads(out)["played_s"] == 1.0  # too short to lock: says so, and how much it played
    assert process.returncode == 1


@pytest.mark.parametrize("wrong", [("--delay", "fast"), ("--delay", "3-1"), ("--song", "nosuch"), ("--dialect", "morse"), ("--seconds", 0)])
def test_wrong_options_are_usage_errors(capsys: pytest.CaptureFixture[str], wrong: tuple[object, ...]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["demo", *map(str, wrong)])
    assert left.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert str(wrong[0]) in err
