import gzip
import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from k1edge.report.record import Lines, read_entry, read_header
from tests.cli.call import call
from tests.cli.lan_bench import lan


@pytest.fixture(autouse=True)
def _alone(home: Path) -> None:
    """Nothing of the real environment."""


def recorded(path: Path) -> list[bytes]:
    return list(Lines().feed(path.read_bytes()))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_every_message_is_in_the_file(capsys: pytest.CaptureFixture[str], home: Path, name: str) -> None:
    with lan() as one, lan() as other:
        peers = (f"127.0.0.1:{one.port}", f"localhost:{other.port}")
        code, out, _ = call(capsys, "record", str(home / name), *peers, "--seconds", "0.3", "--json")
    summary = json.loads(out)
    first, *lines = recorded(home / name)
    entries = [read_entry(line) for line in lines]
    assert code == 0
    assert read_header(first).part == 1
    assert {entry.peer for entry in entries} == set(peers) == set(summary["devices"])
    assert len(entries) == summary["messages"] == sum(each["messages"] for each in summary["devices"].values())
    assert summary["bytes"] == (home / name).stat().st_size
    assert 0 <= entries[0].at_s <= entries[-1].at_s < 1
    if name.endswith("gz"):
        gzip.decompress((home / name).read_bytes())  # whole, with its checksum


def test_nothing_is_overwritten_unless_told(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    (home / "a.jsonl").write_text("dear")
    with lan() as one:
        where = f"127.0.0.1:{one.port}"
        code, _, err = call(capsys, "record", str(home / "a.jsonl"), where, "--seconds", "0.2")
        assert (code, (home / "a.jsonl").read_text()) == (1, "dear")
        assert "is there already; name another file, or overwrite it by --force" in err
        assert call(capsys, "record", str(home / "a.jsonl"), where, "--seconds", "0.3", "--force")[0] == 0
    assert read_header(recorded(home / "a.jsonl")[0])


def test_parts_and_the_end_by_size(capsys: pytest.CaptureFixture[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("k1edge.cli.record.FLUSH_S", 0.05)
    with lan() as one:
        code, out, _ = call(capsys, "record", str(home / "a.jsonl"), f"127.0.0.1:{one.port}", "--rotate-mb", "0.01", "--most-mb", "0.04")
    assert code == 0
    assert "it is full (--most-mb)" in out
    headers = [read_header(recorded(home / name)[0]) for name in ("a.jsonl", "a-2.jsonl", "a-3.jsonl")]
    assert [header.part for header in headers] == [1, 2, 3]
    assert len({header.started_wall_ms for header in headers}) == 1
    seqs = [read_entry(line).message.seq for name in ("a.jsonl", "a-2.jsonl") for line in recorded(home / name)[1:]]
    assert seqs == list(range(seqs[0], seqs[0] + 1)) + list(range(seqs[1], seqs[1] + len(seqs) - 1))  # the hello, then none missing


def test_nobody_there_is_a_failure(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    code, _, err = call(capsys, "record", str(home / "a.jsonl"), "127.0.0.1:1", "--seconds", "0.2")
    assert code == 1
    assert "no telemetry was heard; 127.0.0.1:1: Connection refused" in err
    assert call(capsys, "record", "/nowhere/a.jsonl", "127.0.0.1:1")[0] == 1


def test_fault_44_a_full_disk_ends_it_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with lan() as one:
        code, _, err = call(capsys, "record", "/dev/full", f"127.0.0.1:{one.port}", "--force")
    assert code == 1
    assert "/dev/full: No space left on device; what was written before is kept" in err
    assert "Traceback" not in err


def test_fault_47_killed_or_interrupted_the_record_is_read(home: Path) -> None:
    with lan() as one, ExitStack() as both:
        where = f"127.0.0.1:{one.port}"
        begun = {}
        for number in (signal.SIGINT, signal.SIGKILL):
            command = [sys.executable, "-m", "k1edge", "record", str(home / f"{number.name}.gz"), where]
            begun[number] = both.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        for number, recording in begun.items():
            path = home / f"{number.name}.gz"
            while not path.exists() or path.stat().st_size < 1_500:
                assert recording.poll() is None
                time.sleep(0.02)
            recording.send_signal(number)
            out, err = recording.communicate(timeout=10)
            assert len(recorded(path)) > 3
            if number is signal.SIGINT:
                assert (recording.returncode, err) == (0, f"{where}: connected\n")
                assert f"{path}: " in out
