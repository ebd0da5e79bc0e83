"""Which board is taken, and what stands in the way of opening it."""

import threading

from k1edge.link.device import Wire
from k1edge.link.dialect import LinkState, NodeIdentified
from k1edge.link.node.reports import NodeIdentity
from k1edge.link.virtual_node import VirtualNode
from tests.link.serial_bench import Told, device, eventually, ready, serial_node


def board(name: bytes) -> VirtualNode:
    return VirtualNode(identity=NodeIdentity(unique_id=name, boot_id=1))


def test_fault_13_a_missing_port_is_not_tried_in_a_busy_loop() -> None:
    tries: list[str] = []

    def absent(path: str, _baud: int) -> Wire:
        tries.append(path)
        raise FileNotFoundError(2, "No such file or directory")

    with serial_node("/dev/serial/by-id/k1", open_wire=absent, pauses_ms=(50, 100)) as node:
        eventually(lambda: len(tries) >= 5)
        for _ in range(200):
            node.follow(None)  # a wake-up is no reason to try again
        assert len(tries) <= 10
        assert "plug the node in" in str(node.status().reason)


def test_fault_14_found_again_by_identity_on_another_path_and_the_wrong_board_refused() -> None:
    with VirtualNode("trinity") as right, VirtualNode("trinity") as wrong:
        plugged = [device(right.path, "24:58:7C:00:00:01")]
        told = Told()
        with serial_node("auto", scan=lambda: list(plugged), told=told) as node:
            eventually(ready(node))
            plugged[:] = [device(wrong.path, "24:58:7C:00:00:02")]
            right.unplug()
            eventually(lambda: "another board" in str(node.status().reason))
            assert not wrong.brain.console.lines, "something was said to it"
            right.replug()
            plugged.append(device(right.path, "24587C000001"))
            eventually(ready(node))
            assert node.status().path == right.path


def test_fault_14_of_two_boards_the_pinned_one_is_taken_whichever_comes_first() -> None:
    told = Told()
    with board(b"AAAAAAA1") as other, board(b"BBBBBBB2") as wanted:
        plugged = [device(other.path, None), device(wanted.path, None)]
        with serial_node("303A:1001", unique_id=b"BBBBBBB2".hex(), scan=lambda: plugged, told=told) as node:
            eventually(ready(node))
            assert node.status().path == wanted.path
            assert node.status().info is not None
            assert node.status().info.unique_id == b"BBBBBBB2".hex()
        assert other.flashes() == ()
    identified = [event for event in told.events if isinstance(event, NodeIdentified)]
    assert {event.info.unique_id for event in identified} == {b"BBBBBBB2".hex()}


def test_fault_14_two_boards_and_no_word_which_is_no_reason_to_guess() -> None:
    with board(b"AAAAAAA1") as one, board(b"BBBBBBB2") as two:
        plugged = [device(one.path, "1"), device(two.path, "2")]
        with serial_node("auto", scan=lambda: plugged) as node:
            eventually(lambda: "2 boards match auto" in str(node.status().reason))
        assert not one.brain.console.lines
        assert not two.brain.console.lines


def test_a_pinned_id_that_the_node_does_not_tell_is_no_match() -> None:
    with VirtualNode("trinity") as virtual, serial_node(virtual.path, unique_id="24587C000001") as node:
        eventually(lambda: "does not tell its unique id" in str(node.status().reason))
        assert node.status().state is LinkState.UNRECOGNISED


def test_fault_15_permission_denied_is_retried_with_the_cure_in_status() -> None:
    allowed = threading.Event()

    def guarded(path: str, baud: int) -> Wire:
        if not allowed.is_set():
            raise PermissionError(13, "could not open port")
        return Wire(path, baud)

    with VirtualNode() as virtual, serial_node(virtual.path, open_wire=guarded) as node:
        eventually(lambda: "dialout" in str(node.status().reason))
        assert node.status().state is LinkState.CLOSED
        allowed.set()
        eventually(ready(node))


def test_fault_16_a_port_held_by_another_program_is_waited_for() -> None:
    with VirtualNode() as virtual:
        other = Wire(virtual.path)
        with serial_node(virtual.path) as node:
            eventually(lambda: "held by another program" in str(node.status().reason))
            assert "ModemManager" in str(node.status().reason)
            other.close()
            eventually(ready(node))
