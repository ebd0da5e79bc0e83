"""The node's two ASCII lines, in any chunking, and where frames begin."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.link.identify import ASK_STATUS, START_BINARY
from k1edge.link.node.console import NodeConsole
from k1edge.link.node.reports import NodeIdentity

FIRMWARE = 'k1 "3.2"\\ äöüäöüäöü'


def console(firmware: str = "k1 3.2") -> NodeConsole:
    return NodeConsole(NodeIdentity(b"K1-00042", 1, firmware=firmware))


@given(st.lists(st.sampled_from([ASK_STATUS, START_BINARY, b"rst:0x1\r\n", b"{", b" ", b"\n", b"\0", b"\x02\x81"])), st.integers(1, 40))
def test_fault_02_any_chunking_says_the_same(pieces: list[bytes], step: int) -> None:
    data = b"".join(pieces)
    whole, parts = console(), console()
    rest = whole.receive(data)
    found = None
    for at in range(0, len(data), step):
        found = parts.receive(data[at : at + step])
        if found is not None:
            found += data[at + step :]
            break
    assert found == rest
    assert parts.data_to_send() == whole.data_to_send()
    assert parts.strays == whole.strays


@pytest.mark.parametrize(
    "said", [b'I (312) boot{"type":', b"{" * 5_000 + b"\n", b'{"type":"nonsense"}\n', b'{"type":"device.getStatus"} x\n']
)
def test_other_lines_get_no_answer_and_do_not_hide_the_next(said: bytes) -> None:
    node = console()
    assert node.receive(said) is None
    assert not node.has_answers()
    node.receive(b"\n" + ASK_STATUS)
    assert len(node.data_to_send()) == 1
    assert node.strays


def test_text_before_a_line_and_white_space_in_it_do_not_matter() -> None:
    node = console()
    assert node.receive(b'boot: { "type" :\t"k1link.start" }\r\nframes') == b"frames"
    assert [json.loads(line) for line in node.data_to_send()] == [{"type": "k1link.start", "success": True}]


def test_the_answer_stays_one_line_of_json_whatever_the_firmware_is_called() -> None:
    node = console(FIRMWARE)
    node.receive(ASK_STATUS + ASK_STATUS)
    (line,) = node.data_to_send()
    assert line.isascii()
    assert len(line) <= 123
    assert json.loads(line)["data"] == {"k1link": 1, "version": "k1 ?3.2?? " + "?" * 14}
