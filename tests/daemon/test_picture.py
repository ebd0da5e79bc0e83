import numpy as np

from k1edge.audio.replay import ArraySource
from k1edge.beat.scheduler import Scheduler
from k1edge.daemon.conductor import Conductor
from k1edge.daemon.picture import _audio, _node
from k1edge.drift.meter import DriftMeter
from k1edge.link.port_status import PortStatus


def test_fault_04_17_18_what_a_node_said_and_did_not_take_is_in_the_snapshot() -> None:
    status = PortStatus("auto", kept_text="Guru Meditation", unknown_replies=(("text", 3), ("kind", 1)), dropped=5)
    node = _node(status)
    assert (node.kept_text, node.unknown_replies, node.dropped) == ("Guru Meditation", {"text": 3, "kind": 1}, 5)


def test_a_node_that_said_nothing_has_null_for_it() -> None:
    node = _node(PortStatus("auto"))
    assert (node.kept_text, node.unknown_replies, node.dropped) == (None, {}, 0)


def test_fault_29_bad_samples_are_in_the_snapshot() -> None:
    source = ArraySource(np.full(441, np.nan, np.float32))
    source.read(0.0)
    assert _audio(source.health(), Conductor(Scheduler(), DriftMeter())).bad_samples == 441
