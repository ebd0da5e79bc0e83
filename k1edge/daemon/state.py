"""What survives a restart: the identity of this daemon. Small, atomic, and never a reason not to start."""

import json
import os
import uuid
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger(__name__)

FILE_NAME = "state.json"
_MOST_BYTES = 64 * 1024
"""More than this is not ours."""


def load_identity(state_dir: Path, configured_id: str = "") -> str:
    """Return this daemon's id: the configured one, the stored one, or a new one that is stored.

    A damaged file is set aside as `state.json.bad`; a directory that can't be written costs the memory, not the start.
    """
    if configured_id:
        return configured_id
    path = state_dir / FILE_NAME
    stored = _read(path)
    if stored is not None:
        return stored
    identity = f"k1e-{uuid.uuid4().hex[:12]}"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps({"version": 1, "id": identity}) + "\n")
    except OSError as error:
        log.warning("state is not kept", path=str(path), why=str(error), cure="make the directory writable, or set daemon.state_dir")
    return identity


def _read(path: Path) -> str | None:
    stored = read_json(path)
    if stored is None:
        return None
    identity = stored.get("id")
    if isinstance(identity, str) and 1 <= len(identity) <= 64 and identity.isprintable():
        return identity
    set_aside(path)
    return None


def read_json(path: Path, most_bytes: int = _MOST_BYTES) -> dict[str, Any] | None:
    """Return the object in a file of ours; None where there is none, or none that can be read. A damaged file is set aside."""
    try:
        with path.open("rb") as file:
            text = file.read(most_bytes)
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("state can't be read", path=str(path), why=str(error))
        return None
    try:
        stored = json.loads(text)
    except (ValueError, RecursionError):
        stored = None
    if isinstance(stored, dict):
        return stored
    set_aside(path)
    return None


def set_aside(path: Path) -> None:
    """Rename a damaged file, for whoever wants to know why."""
    aside = path.with_suffix(".json.bad")
    log.warning("state was damaged; starting without it", path=str(path), kept_as=str(aside))
    try:
        path.replace(aside)
    except OSError as error:
        log.warning("the damaged state can't be set aside", path=str(path), why=str(error))


def write_atomic(path: Path, text: str) -> None:
    """Write `text` so that a power cut leaves either the old file or the new one, whole."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
