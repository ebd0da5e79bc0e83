import json
import sys
import time
from pathlib import Path

import pytest

from tests.cli.call import call
from tests.report.test_session import file_of, session_of_a_minute

MINUTE = file_of(session_of_a_minute(), compressed=True)


@pytest.fixture
def session(home: Path) -> Path:
    path = home / "a.jsonl.gz"
    path.write_bytes(MINUTE)
    return path


def test_figures_as_text_need_no_matplotlib(
    capsys: pytest.CaptureFixture[str], home: Path, session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, text, _ = call(capsys, "plot", str(session))
    assert code == 0
    assert "59.9 s from 1970-01-01 " in text
    assert "  beats       120, at 120.0 bpm, locked for 49.9 s" in text
    assert "  drift       median +5.0 ms, p95 5.0 ms, worst +5.0 ms; 119 flashes" in text
    assert "  alert       RED from 19.0 s to 30.0 s: the light is late" in text
    code, _, err = call(capsys, "plot", str(session), "-o", str(home / "a.png"))
    assert code == 1
    assert 'pip install "k1edge[plot]"' in err
    assert not (home / "a.png").exists()


def test_picture(capsys: pytest.CaptureFixture[str], home: Path, session: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra [plot] is not installed")
    code, out, err = call(capsys, "plot", str(session), "-o", str(home / "a.svg"), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["devices"]["stage"]["beats"] == 120
    picture = (home / "a.svg").read_text()
    for words in ("drift, ms", "(+ = the light is late)", "fire error, µs", "tempo, bpm", "ppm", "amber", "local time", "holding", "stage"):
        assert words in picture


def test_picture_of_little_and_of_strange_names(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra [plot] is not installed")
    (entry, *_) = session_of_a_minute()
    path = home / "a.jsonl"
    path.write_bytes(file_of([(entry[0], name, entry[2]) for name in ("$\\frac{", "_hidden", "", "x" * 60)]))
    assert call(capsys, "plot", str(path), "-o", str(home / "a.png"))[0] == 0
    assert (home / "a.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_use_and_wrong_files(capsys: pytest.CaptureFixture[str], home: Path, session: Path) -> None:
    assert call(capsys, "plot", str(session), "-o", "a.gif")[0] == 2
    assert call(capsys, "plot")[0] == 2
    code, _, err = call(capsys, "plot", str(home / "none"))
    assert (code, "No such file" in err) == (1, True)
    (home / "b.txt").write_text("song\n")
    code, _, err = call(capsys, "plot", str(home / "b.txt"))
    assert (code, "b.txt: it is no record" in err) == (1, True)
    code, _, err = call(capsys, "plot", str(session), "--from", "100")
    assert (code, "nothing was recorded in that time" in err) == (1, True)


def test_a_record_cut_off_is_told_as_far_as_it_goes(capsys: pytest.CaptureFixture[str], session: Path) -> None:
    data = session.read_bytes()
    session.write_bytes(data[: len(data) // 2] + b"\xff" * 300)
    code, out, _ = call(capsys, "plot", str(session))
    assert code == 0
    assert "not all could be read" in out


def test_an_hour_of_time_zone_is_honoured(capsys: pytest.CaptureFixture[str], session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Etc/GMT-3")
    time.tzset()
    try:
        assert "1970-01-01 03:00:01 +0300" in call(capsys, "plot", str(session))[1]
    finally:
        monkeypatch.undo()
        time.tzset()
