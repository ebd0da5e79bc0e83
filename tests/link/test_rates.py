"""What is remembered of clocks: bounded, sane, and of use to a node met again."""

from typing import Any

import pytest

from k1edge.link.dialect import LinkState
from k1edge.link.k1link.session import K1LinkSession
from k1edge.link.rates import MOST_NODES, RateMemory
from k1edge.timebase import HostTime
from tests.sim.conftest import S, World
from tests.sim.lines import usb_cdc


@pytest.mark.parametrize(("unique_id", "ppm"), [("a", float("nan")), ("a", 700.0), ("a", -1e300), ("", 3.0), ("x" * 65, 3.0)])
def test_fault_44_what_is_not_sane_is_not_remembered(unique_id: str, ppm: float) -> None:
    memory = RateMemory({unique_id: ppm, "good": 12.5})
    memory.learn(unique_id, ppm)
    assert dict(memory.known()) == {"good": 12.5}


def test_the_node_met_longest_ago_is_forgotten_first() -> None:
    memory = RateMemory({f"node{n}": float(n) for n in range(MOST_NODES)})
    memory.learn("node0", 0.5)
    memory.learn("new", 7.0)
    assert len(memory.known()) == MOST_NODES
    assert memory.recall("node1") is None
    assert memory.recall("node0") == 0.5


def test_a_node_met_again_after_a_restart_is_known_from_its_first_answers_on() -> None:
    """The rate is learnt in one conversation and used in the next one's burst."""
    memory = RateMemory()

    def meet(rates: RateMemory, seconds: float, seed: int) -> Any:
        up, down = usb_cdc(seed)
        world = World(seed, up=up, down=down)
        world.clock.ppm = 80.0
        world.session = K1LinkSession(HostTime(world.now), nonce=seed + 1, rates=rates)
        world.run(seconds)
        return world

    def error_us(rates: RateMemory, seed: int) -> float:
        world = meet(rates, 0.42, seed)
        assert 8 <= world.session.clock().pings <= 48
        ahead = world.now + S
        return abs(world.session.clock().to_node.forward(ahead) - world.clock.at(ahead))

    assert meet(memory, 60, seed=1).states()[-1] is LinkState.READY
    (learnt,) = memory.known().values()
    assert learnt == pytest.approx(80, abs=3)
    known, strange = (sum(error_us(rates(), seed) for seed in range(10)) for rates in (lambda: memory, RateMemory))
    assert known < 0.7 * strange
