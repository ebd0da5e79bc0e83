from k1edge.daemon.picture import _node
from k1edge.link.port_status import PortStatus


def test_fault_04_17_18_what_a_node_said_and_did_not_take_is_in_the_snapshot() -> None:
    status = PortStatus("auto", kept_text="Guru Meditation", unknown_replies=(("text", 3), ("kind", 1)), dropped=5)
    node = _node(status)
    assert (node.kept_text, node.unknown_replies, node.dropped) == ("Guru Meditation", {"text": 3, "kind": 1}, 5)


def test_a_node_that_said_nothing_has_null_for_it() -> None:
    node = _node(PortStatus("auto"))
    assert (node.kept_text, node.unknown_replies, node.dropped) == (None, {}, 0)
