"""The contract of `k1edge replay`: what it prints, byte for byte, and how it ends."""

import contextlib
import io
import itertools
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from k1edge.audio import synth
from k1edge.cli import main
from k1edge.timebase import SAMPLE_RATE_HZ

COMMAND = [sys.executable, "-m", "k1edge", "replay"]
BEAT_KEYS = ["event", "time", "announced", "bpm", "confidence", "beat_in_bar", "index"]
ONSET_KEYS = ["event", "time", "announced", "strength"]
SUMMARY_KEYS = ["event", "audio_s", "wall_s", "cpu_s", "beats"]


@pytest.fixture(scope="module")
def song() -> synth.Song:
    return synth.song("house", seed=3, seconds=15.0)


@pytest.fixture(scope="module")
def wav(song: synth.Song, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replay") / "house.wav"
    soundfile.write(path, song.samples, SAMPLE_RATE_HZ, subtype="FLOAT")
    return path


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object) -> Done:
    """The command as it is called, short of the process of its own."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
        main(["replay", *map(str, arguments)])
    assert isinstance(left.value.code, int)
    return Done(left.value.code, out.getvalue(), err.getvalue())


def streamed(file: Path, *arguments: object) -> list[str]:
    """The lines before the summary; those are the ones that must not depend on the machine."""
    done = run(file, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert json.loads(last)["event"] == "summary"
    return lines


def beats_of(lines: list[str]) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, lines) if line["event"] == "beat"]


@pytest.fixture(scope="module")
def lines(wav: Path) -> list[str]:
    return streamed(wav)


def test_each_line_has_its_fields_in_their_order(wav: Path) -> None:
    out = run(wav, "--json").stdout.splitlines()
    assert out[0].startswith('{"event":"')
    assert ": " not in out[0]
    found = [json.loads(line) for line in out]
    keys = {"beat": BEAT_KEYS, "onset": ONSET_KEYS, "summary": SUMMARY_KEYS}
    assert all(list(line) == keys[line["event"]] for line in found)
    assert {line["event"] for line in found} == set(keys)
    summary = found[-1]
    assert summary["audio_s"] == 15.0
    assert summary["beats"] == sum(line["event"] == "beat" for line in found)
    assert summary["cpu_s"] > 0.0


def test_it_hears_the_song(song: synth.Song, lines: list[str]) -> None:
    times = np.array([beat["time"] for beat in beats_of(lines)])
    truth = song.beats_s[(song.beats_s > 7.0) & (song.beats_s < 14.5)]
    assert all(np.min(np.abs(times - beat)) <= 0.07 for beat in truth)
    assert [beat["index"] for beat in beats_of(lines)] == list(range(len(times)))


def test_no_beat_is_announced_after_its_time_and_all_come_in_order(lines: list[str]) -> None:
    found = [json.loads(line) for line in lines]
    beats = beats_of(lines)
    assert all(beat["announced"] <= beat["time"] <= beat["announced"] + 0.1 for beat in beats)
    assert all(first["announced"] <= then["announced"] for first, then in itertools.pairwise(found))
    assert all(first["time"] < then["time"] for first, then in itertools.pairwise(beats))
    onsets = [line for line in found if line["event"] == "onset"]
    assert onsets
    assert all(onset["time"] <= onset["announced"] for onset in onsets)


def test_another_process_gives_the_same_lines(wav: Path, lines: list[str]) -> None:
    done = subprocess.run([*COMMAND, wav, "--json"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[:-1] == lines
    assert done.stderr == ""


@pytest.mark.parametrize("block", [64, 441, 512, 1024, 4096])
def test_any_block_gives_the_same_lines(wav: Path, lines: list[str], block: int) -> None:
    assert streamed(wav, "--block", block) == lines


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(block=1_000_000)
@given(block=st.integers(20, 100_000))
def test_any_block_at_all_gives_the_same_lines(wav: Path, lines: list[str], block: int) -> None:
    assert streamed(wav, "--block", block) == lines


@pytest.mark.parametrize("rate_hz", [48_000, 22_050])
def test_another_sample_rate_moves_no_beat_by_more_than_15_ms(song: synth.Song, lines: list[str], tmp_path: Path, rate_hz: int) -> None:
    path = tmp_path / "other.wav"
    soundfile.write(path, soxr.resample(song.samples, SAMPLE_RATE_HZ, rate_hz, "VHQ"), rate_hz, subtype="FLOAT")
    times = np.array([beat["time"] for beat in beats_of(lines)])
    others = np.array([beat["time"] for beat in beats_of(streamed(path))])
    assert abs(len(others) - len(times)) <= 1
    settled = others[others > 7.0]
    assert len(settled) > 10
    assert max(np.min(np.abs(times - other)) for other in settled) <= 0.015


def test_people_get_a_table(wav: Path) -> None:
    done = run(wav)
    assert done.returncode == 0
    assert "bpm" in done.stdout
    assert "s of sound" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("block", [0, -1, 1_000_001, "x"])
def test_a_block_out_of_range_is_a_usage_error(wav: Path, block: object) -> None:
    done = run(wav, "--json", "--block", block)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "--block" in done.stderr


def test_no_file_at_all_is_a_usage_error() -> None:
    assert run("--json").returncode == 2


@pytest.mark.parametrize("content", [None, b"", b"this is no sound" * 100])
def test_a_bad_file_ends_with_1_and_its_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    done = run(path, "--json")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "bad.wav" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_is_no_reason_for_noise(wav: Path) -> None:
    with subprocess.Popen([*COMMAND, wav, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"event":')
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait(20)


def test_ctrl_c_ends_with_130(wav: Path) -> None:
    command = [*COMMAND, wav, "--json", "--realtime"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"TERM": "dumb"}) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()  # it streams: the first onset comes long before the end
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait(20) == 130
