import sys
import threading
from pathlib import Path

import pytest

from k1edge.cli.demo_node import DemoNode
from k1edge.errors import DeviceError
from k1edge.timebase import NS_PER_S


def node() -> DemoNode:
    return DemoNode(dialect="trinity", ppm=100.0, delay_ms=(0.0, 0.0), seed=1)


def test_it_lives_as_long_as_its_context_and_tells_its_true_clock() -> None:
    threads = set(threading.enumerate())
    with node() as there:
        assert Path(there.path).is_char_device()
        assert there.clock is not None
        assert there.node_us(there.clock.x0 + 1_000 * NS_PER_S) - there.node_us(there.clock.x0) == 1_000_100_000
        assert there.flashes() == ()
        process = there._process
    assert process is not None
    assert process.returncode == 0  # the end of its stdin was enough: it dies with a demo that is killed, too
    assert set(threading.enumerate()) == threads


def test_a_node_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DeviceError, match="did not start"), node():
        pass
