import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A private folder with a short name: a Unix socket's path must fit 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="k1-") as name:
        yield Path(name)


@pytest.fixture
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of our own, and nothing of the real environment."""
    for name in os.environ:
        if name.startswith(("K1EDGE_", "XDG_")) or name in {"RUNTIME_DIRECTORY", "STATE_DIRECTORY"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("COLUMNS", "200")
    return folder
