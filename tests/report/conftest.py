import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A private folder with a short name: a Unix socket's path must fit 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="k1-") as name:
        yield Path(name)
