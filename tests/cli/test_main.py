import importlib.util
import subprocess
import sys

import pytest

from k1edge import __version__
from k1edge.cli import VERBS
from tests.cli.call import call


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "--version") == (0, f"k1edge {__version__}\n", "")


def test_help_lists_every_verb_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--help")
    assert code == 0
    for verb, line in VERBS.items():
        assert any(shown.split() == [verb, *line.split()] for shown in out.splitlines()), verb
    assert "78" in out


@pytest.mark.parametrize("arguments", [("bogus",), ("status", "--bogus"), ("config", "bogus"), ("status", "--interval", "soon"), ()])
def test_wrong_usage_is_exit_2(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert "Usage: k1edge" in err or not arguments


def test_a_slip_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean 'status'?" in call(capsys, "statsu")[2]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_there_and_helps(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    assert importlib.util.find_spec(f"k1edge.cli.{verb}") is not None
    code, out, _ = call(capsys, verb, "--help")
    assert code == 0
    assert f"Usage: k1edge {verb}" in out
    assert len(out.splitlines()) > 5


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["config", "path"]])
def test_what_needs_little_imports_little(arguments: list[str]) -> None:
    program = f"""
import sys
from k1edge.cli import main
try:
    main({arguments!r})
except SystemExit:
    pass
heavy = {{"numpy", "rich", "uvicorn", "starlette", "serial", "sounddevice", "soxr", "structlog"}} & set(sys.modules)
sys.exit(f"imported {{heavy}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_module_runs_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "k1edge", "--version"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, f"k1edge {__version__}\n")
