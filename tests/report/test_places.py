from pathlib import Path

from k1edge.config import load
from k1edge.report.places import socket_candidates, socket_path, state_dir

NOWHERE = Path("/proc/nowhere/k1edge")
DEFAULTS = load(None, {}, {}, NOWHERE)


def test_configured_places_win(tmp_path: Path) -> None:
    settings = load(None, {}, {"status.socket": "/a/k.sock", "daemon.state_dir": "/b"}, NOWHERE)
    env = {"RUNTIME_DIRECTORY": "/run/x", "STATE_DIRECTORY": "/s"}
    assert socket_path(settings, env, tmp_path) == Path("/a/k.sock")
    assert socket_candidates(settings, env) == [Path("/a/k.sock")]
    assert state_dir(settings, env, tmp_path) == Path("/b")


def test_systemds_places_come_next(tmp_path: Path) -> None:
    env = {"RUNTIME_DIRECTORY": "/run/x:/run/y", "STATE_DIRECTORY": "/var/lib/x"}
    assert socket_path(DEFAULTS, env, tmp_path) == Path("/run/x/k1edge.sock")
    assert state_dir(DEFAULTS, env, tmp_path) == Path("/var/lib/x")


def test_the_systems_place_where_we_may_write(tmp_path: Path) -> None:
    env = {"XDG_RUNTIME_DIR": "/run/user/7", "HOME": "/home/me"}
    assert socket_path(DEFAULTS, env, tmp_path / "k1edge") == tmp_path / "k1edge" / "k1edge.sock"
    assert state_dir(DEFAULTS, env, tmp_path / "k1edge") == tmp_path / "k1edge"


def test_the_users_own_place_otherwise() -> None:
    env = {"XDG_RUNTIME_DIR": "/run/user/7", "HOME": "/home/me"}
    assert socket_path(DEFAULTS, env, NOWHERE) == Path("/run/user/7/k1edge/k1edge.sock")
    assert state_dir(DEFAULTS, env, NOWHERE) == Path("/home/me/.local/state/k1edge")
    assert state_dir(DEFAULTS, env | {"XDG_STATE_HOME": "/st"}, NOWHERE) == Path("/st/k1edge")
    assert socket_path(DEFAULTS, {}, NOWHERE) == NOWHERE / "k1edge.sock"
    assert socket_candidates(DEFAULTS, env, NOWHERE) == [NOWHERE / "k1edge.sock", Path("/run/user/7/k1edge/k1edge.sock")]
