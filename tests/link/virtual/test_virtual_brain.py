"""The timed virtual node between ASCII and frames."""

import pytest

from k1edge.link.identify import ASK_STATUS, START_BINARY
from k1edge.link.k1link.framing import Frame, FrameDecoder, encode
from k1edge.link.k1link.messages import Hello, HelloAck, parse
from k1edge.link.node.core import IDLE_AFTER_US
from k1edge.link.node.reports import NodeIdentity
from k1edge.link.virtual.brain import K1LinkBrain
from k1edge.timebase import NodeTime

HELLO = encode(Frame(Hello.TYPE, 5, 0, Hello(7).encode()))


def brain() -> K1LinkBrain:
    return K1LinkBrain(NodeIdentity(b"K1-00042", boot_id=1), NodeTime(0), announce=False)


def answers(node: K1LinkBrain, at_us: int) -> list[object]:
    return [parse(frame) for frame in FrameDecoder().receive(b"".join(node.data_to_send(NodeTime(at_us))))]


@pytest.mark.parametrize("step", [1, 10, len(HELLO)])
@pytest.mark.parametrize("asked", [True, False])
def test_fault_02_the_first_frame_may_come_in_pieces(step: int, asked: bool) -> None:
    node = brain()
    if asked:
        node.receive(START_BINARY, NodeTime(1_000))
        assert b"".join(node.data_to_send(NodeTime(1_000))).endswith(b"}\n")
    for at in range(0, len(HELLO), step):
        node.receive(HELLO[at : at + step], NodeTime(2_000 + 100 * at))
    assert [type(answer) for answer in answers(node, 9_000)] == [HelloAck]
    assert not node.console.strays


@pytest.mark.parametrize("begin", [START_BINARY, b"\0", HELLO])
def test_it_listens_for_ascii_again_when_no_valid_frame_came_for_long(begin: bytes) -> None:
    node = brain()
    node.receive(begin, NodeTime(1_000))
    node.data_to_send(NodeTime(1_000))
    node.receive(ASK_STATUS, NodeTime(1_000 + IDLE_AFTER_US - 1))
    assert not node.data_to_send(NodeTime(1_000 + IDLE_AFTER_US - 1))
    node.receive(ASK_STATUS, NodeTime(1_000 + IDLE_AFTER_US))
    assert b'"k1link":1' in b"".join(node.data_to_send(NodeTime(1_000 + IDLE_AFTER_US)))
    node.receive(HELLO, NodeTime(2_000 + IDLE_AFTER_US))
    assert [type(answer) for answer in answers(node, 2_000 + IDLE_AFTER_US)] == [HelloAck]
