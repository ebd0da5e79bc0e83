"""Where the socket and the state lie when the configuration does not say."""

import os
from collections.abc import Mapping
from pathlib import Path

from k1edge.config import Settings

SOCKET_NAME = "k1edge.sock"

SYSTEM_RUN = Path("/run/k1edge")
SYSTEM_STATE = Path("/var/lib/k1edge")


def socket_path(settings: Settings, env: Mapping[str, str], system_run: Path = SYSTEM_RUN) -> Path:
    """Where the daemon listens: as configured, else under systemd's runtime directory, /run/k1edge where we may, or the user's own."""
    if settings.status.socket:
        return Path(settings.status.socket)
    given = _first(env.get("RUNTIME_DIRECTORY"))
    if given:
        return given / SOCKET_NAME
    user = _user_run(env)
    return (system_run if user is None or _writable(system_run) else user) / SOCKET_NAME


def socket_candidates(settings: Settings, env: Mapping[str, str], system_run: Path = SYSTEM_RUN) -> list[Path]:
    """Where a running daemon may listen, likeliest first: what `k1edge status` looks at."""
    if settings.status.socket:
        return [Path(settings.status.socket)]
    user = _user_run(env)
    return [folder / SOCKET_NAME for folder in (_first(env.get("RUNTIME_DIRECTORY")), system_run, user) if folder]


def state_dir(settings: Settings, env: Mapping[str, str], system_state: Path = SYSTEM_STATE) -> Path:
    """Where the daemon keeps what it learns; need not exist."""
    if settings.daemon.state_dir:
        return Path(settings.daemon.state_dir)
    given = _first(env.get("STATE_DIRECTORY"))
    if given:
        return given
    home = env.get("XDG_STATE_HOME") or (f"{env['HOME']}/.local/state" if env.get("HOME") else "")
    return system_state if not home or _writable(system_state) else Path(home) / "k1edge"


def _first(listed: str | None) -> Path | None:
    """First of the colon-separated directories that systemd hands over."""
    return Path(listed.partition(":")[0]) if listed else None


def _user_run(env: Mapping[str, str]) -> Path | None:
    return Path(env["XDG_RUNTIME_DIR"]) / "k1edge" if env.get("XDG_RUNTIME_DIR") else None


def _writable(folder: Path) -> bool:
    """Whether we may put a file in `folder`, or make it."""
    return os.access(folder if folder.exists() else folder.parent, os.W_OK | os.X_OK)
