import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.cli.call import call
from tests.link.serial_bench import PATIENCE_S, plan, serial_node


@contextmanager
def simulated(*options: str) -> Iterator[tuple["subprocess.Popen[str]", IO[str]]]:
    command = [sys.executable, "-m", "k1edge", "node", "simulate", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


def test_it_prints_its_port_then_its_flashes_until_ctrl_c(tmp_path: Path) -> None:
    link = tmp_path / "k1"
    with simulated("--dialect", "trinity", "--delay", "0-1", "--link", str(link)) as (process, out):
        assert out.readline() == f"{link}\n"
        with serial_node(str(link)) as node:
            node.follow(plan(period_ms=200))
            words = out.readline().split()
        assert words[:2] == ["flash", "at"]
        assert words[-4] == "us"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    assert not link.is_symlink()


def test_for_programs_it_tells_its_true_clock_and_both_times_of_each_flash() -> None:
    with simulated("--json", "--ppm", "100") as (process, out):
        told = json.loads(out.readline())
        assert (told["event"], told["dialect"], told["clock"][2]) == ("node", "k1link", 1.0001e-3)
        with serial_node(told["port"]) as node:
            node.follow(plan(period_ms=200, ahead_ms=1_000))
            flash = json.loads(out.readline())
        assert set(flash) == {"event", "wire_id", "scheduled_us", "fired_us", "fired_ns"}
        assert flash["fired_us"] >= flash["scheduled_us"] - 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


def test_it_ends_in_peace_when_nobody_reads_it() -> None:
    with simulated("--dialect", "trinity") as (process, out):
        path = out.readline().strip()
        with serial_node(path) as node:
            out.close()
            node.follow(plan(period_ms=200))
            assert process.wait(PATIENCE_S) == 0


def test_a_link_replaces_nothing_but_a_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    precious = tmp_path / "precious"
    precious.write_text("data")
    code, _, err = call(capsys, "node", "simulate", "--link", str(precious))
    assert code == 1
    assert "no symlink; name another --link" in err
    assert precious.read_text() == "data"


@pytest.mark.parametrize("wrong", [("--delay", "3-1"), ("--delay", "x"), ("--loss", "2"), ("--dialect", "telnet"), ("--ppm", "9999")])
def test_wrong_usage_is_told(wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "node", "simulate", *wrong)
    assert code == 2
    assert wrong[0] in err
