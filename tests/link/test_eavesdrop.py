from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from k1edge.link.dialect import NodeSaid
from k1edge.link.eavesdrop import Eavesdropper
from k1edge.link.k1link.framing import Frame, encode
from k1edge.link.k1link.messages import Log, Pong

LOG = Log(4, "voltage\x1b low")
WIRE = (
    b"ESP-ROM:esp32s3\r\n\x1b[0;32mI (31) boot: ready\x1b[0m\r\n"
    + encode(Frame(Pong.TYPE, 1, 0, Pong(10, 2, 3, 4).encode()))
    + encode(Frame(Log.TYPE, 1, 1, LOG.encode()))
    + encode(Frame(Pong.TYPE, 1, 2, Pong(0x0A0A, 2, 3, 4).encode()))[:-9]  # cut off by the panic
    + b"Guru Meditation Error\r\n\r\nBacktrace: 0x42\n"
    + encode(Frame(Log.TYPE, 1, 3, Log(6, "up").encode()))
)
HEARD = ["ESP-ROM:esp32s3", "I (31) boot: ready", "voltage\\x1b low", "Guru Meditation Error", "Backtrace: 0x42", "up"]


def heard(chunks: list[bytes]) -> list[NodeSaid]:
    ear = Eavesdropper()
    return [said for chunk in chunks for said in ear.receive(chunk)]


@given(st.lists(st.integers(0, len(WIRE)), max_size=20))
def test_fault_02_any_chunking_gives_the_same_words(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(WIRE)]
    said = heard([WIRE[a:b] for a, b in pairwise(edges)])
    assert [each.text for each in said] == HEARD
    assert [each.level for each in said] == [None, None, 4, None, None, 6]


@given(st.binary(max_size=2_000))
def test_fault_03_no_bytes_raise_and_no_terminal_obeys_them(data: bytes) -> None:
    assert all(said.text.isprintable() for said in heard([data]))


def test_fault_03_a_line_without_an_end_is_bounded() -> None:
    ear = Eavesdropper()
    for filler in (b"x", b"\xff"):
        for _ in range(100):
            ear.receive(filler * 1_000)
            assert len(ear._held) <= 4_096
    assert [said.text for said in ear.receive(b"\nwell again\n")][-1] == "well again"
