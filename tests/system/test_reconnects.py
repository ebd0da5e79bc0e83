"""A thousand unpluggings; the two hundred of `make test` are in tests/link."""

from pathlib import Path

import pytest

from tests.link.reconnects import hasten, reconnect
from tests.link.test_reconnect import MOST_GROWTH_BYTES
from tests.system.conftest import Say

pytestmark = pytest.mark.system


def test_fault_34_a_thousand_reconnects_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, say: Say) -> None:
    hasten(monkeypatch)
    left = reconnect(1_000, seed=1_000, folder=tmp_path)
    say(str(left))
    assert left.descriptors[0] == left.descriptors[1]
    assert left.threads[0] == left.threads[1]
    assert left.memory_bytes[1] - left.memory_bytes[0] < MOST_GROWTH_BYTES
