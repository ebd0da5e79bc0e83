import json
from pathlib import Path

import pytest

from k1edge.config import sample_toml
from tests.cli.call import call


def test_show_names_values_and_where_they_come_from(
    capsys: pytest.CaptureFixture[str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home / "k.toml"
    path.write_text("[audio]\nchannels = 1\n")
    monkeypatch.setenv("K1EDGE_LOG__LEVEL", "debug")
    code, out, _ = call(capsys, "config", "show", "--config", str(path))
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert ["audio.channels", "=", "1", "#", f"{path}:2"] in lines
    assert ["log.level", "=", '"debug"', "#", "K1EDGE_LOG__LEVEL"] in lines
    assert ["node.port", "=", '"auto"', "#", "default"] in lines
    shown = json.loads(call(capsys, "config", "show", "--json", "--config", str(path))[1])
    assert shown["audio.channels"] == {"value": 1, "from": f"{path}:2"}


def test_fault_45_check_names_file_line_and_key(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    path = home / "k.toml"
    path.write_text("[node]\noffset_ms = 501\n")
    code, out, err = call(capsys, "config", "check", "--config", str(path))
    assert (code, out) == (78, "")
    assert err == f"k1edge: {path}:2: node.offset_ms = 501: must be a number from -500 to 500\n"
    code, out, err = call(capsys, "config", "check", "--json", "--config", str(path))
    assert (code, err) == (78, "")
    assert json.loads(out)["problems"][0].startswith(f"{path}:2: node.offset_ms")


def test_init_writes_the_sample_once_and_check_likes_it(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    mine = home / ".config/k1edge/k1edge.toml"
    assert call(capsys, "config", "init") == (0, f"{mine}\n", "")
    assert mine.read_text(encoding="utf-8") == sample_toml()
    assert call(capsys, "config", "init")[0] == 1
    assert "--force" in call(capsys, "config", "init")[2]
    assert call(capsys, "config", "init", "--force")[0] == 0
    code, out, _ = call(capsys, "config", "check")
    assert code == 0
    assert str(mine) in out
    assert json.loads(call(capsys, "config", "check", "--json")[1]) == {"ok": True, "files": [str(mine)], "problems": []}


def test_init_into_nowhere_is_named(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    (home / "file").write_text("")
    code, _, err = call(capsys, "config", "init", str(home / "file" / "k.toml"))
    assert code == 1
    assert "can't be written" in err


def test_path_tells_what_is_looked_at(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    out = call(capsys, "config", "path")[1].splitlines()
    assert out[0].startswith("/etc/k1edge/k1edge.toml")
    assert out[1] == f"{home}/.config/k1edge/k1edge.toml  (not there)"
    one = json.loads(call(capsys, "config", "path", "--json", "--config", str(home))[1])
    assert one == [{"path": str(home), "exists": True}]
