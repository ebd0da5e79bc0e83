"""The real port on a real pty with a LightwaveOS that stalls, tears its replies and refuses now and then."""

import itertools
import time

import pytest

from k1edge.events import BeatPlan, Timeline
from k1edge.link.virtual.brain import LightwaveBrain
from k1edge.link.virtual.lightwave_console import LightwaveConsole
from k1edge.link.virtual.lightwave_loop import Hazards
from k1edge.link.virtual_node import VirtualNode
from k1edge.timebase import NS_PER_S, HostTime
from tests.link.serial_bench import eventually, external, ready, serial_node


@pytest.mark.parametrize("seed", [1, 2])
def test_a_rough_node_on_a_pty_never_gets_a_stray_byte_flashes_once_a_beat_and_is_stopped(seed: int) -> None:
    virtual = VirtualNode("trinity", delay_ms=(0.0, 10.0), seed=seed)
    virtual.brain = LightwaveBrain(Hazards(stall=0.05, stall_us=50_000, noise=0.05, busy=0.02), seed)
    origin_ns = time.monotonic_ns()
    with virtual:
        with serial_node(virtual.path) as node:
            eventually(ready(node))
            for bpm in (290.0, 150.0, 300.0):
                line = Timeline(60e9 / bpm, 0.0, float(origin_ns))
                node.follow(BeatPlan(line, (), HostTime(time.monotonic_ns() + 60 * NS_PER_S)))
                eventually(lambda: external(virtual))
                flashed = len(virtual.flashes())
                eventually(lambda flashed=flashed: len(virtual.flashes()) >= flashed + 2)  # type: ignore[misc]  # a lambda with a default
            node.follow(None)
            eventually(lambda: not external(virtual))
        console = virtual.brain.console
        assert isinstance(console, LightwaveConsole)
        assert not console.strays
        assert console.settings_changed == 0
        assert virtual.brain.loop.lost_bytes == 0
        wraps_us = [flash.scheduled_us for flash in virtual.flashes()]  # by its own clock: when its thread woke up is not the host's doing
        assert min(b - a for a, b in itertools.pairwise(wraps_us)) >= 100_000  # half a beat at 300 bpm
