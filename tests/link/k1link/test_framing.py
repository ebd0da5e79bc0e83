"""Frames: every damage costs at most one good frame, every chunking decodes the same, no input raises or grows memory."""

import random
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1edge.link.k1link import framing
from k1edge.link.k1link.framing import GARBAGE_KEPT, MAX_PAYLOAD, MAX_STUFFED, Frame, FrameDecoder, encode, stuff, unstuff

frames_st = st.builds(
    Frame,
    type=st.integers(0, 255),
    session=st.integers(0, 0xFFFF),
    seq=st.integers(0, 255),
    payload=st.binary(max_size=MAX_PAYLOAD),
    flags=st.integers(0, 255),
)
PANIC = b"Guru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled.\r\nPC : 0x4200a0b4  PS : 0x00060c30\r\n"


def some_frames(count: int, seed: int = 1) -> list[Frame]:
    rng = random.Random(seed)
    return [Frame(rng.randrange(256), rng.randrange(65536), n % 256, rng.randbytes(rng.randrange(MAX_PAYLOAD + 1))) for n in range(count)]


def wire(frames: list[Frame]) -> bytes:
    return b"".join(encode(frame) for frame in frames)


def test_golden_frame() -> None:
    """PING 1 of session 0x1234: written out by hand from the table, so that the layout cannot move unnoticed."""
    payload = bytes.fromhex("01000000 8877665544332211".replace(" ", ""))
    crc = zlib.crc32(bytes.fromhex("20 00 3412 07".replace(" ", "")) + payload).to_bytes(4, "little")
    expected = "00 02 20 05 34 12 07 01 01 01 0d 88 77 66 55 44 33 22 11" + crc.hex() + "00"
    assert encode(Frame(0x20, 0x1234, 7, payload)) == bytes.fromhex(expected.replace(" ", ""))


@pytest.mark.parametrize(
    ("data", "stuffed"),
    [
        (b"", b"\x01"),
        (b"\0", b"\x01\x01"),
        (b"\0\0", b"\x01\x01\x01"),
        (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33"),
        (b"\x11\0\0\0", b"\x02\x11\x01\x01\x01"),
    ],
)
def test_cobs_as_published(data: bytes, stuffed: bytes) -> None:
    assert stuff(data) == stuffed
    assert unstuff(stuffed) == data


@given(st.binary(max_size=253))
def test_cobs_inverts(data: bytes) -> None:
    assert b"\0" not in stuff(data)
    assert len(stuff(data)) == len(data) + 1
    assert unstuff(stuff(data)) == data


@given(st.lists(frames_st, max_size=12))
def test_what_is_sent_is_received(frames: list[Frame]) -> None:
    decoder = FrameDecoder()
    assert decoder.receive(wire(frames)) == frames
    assert decoder.counters.garbage_bytes == decoder.counters.bad_frames == 0
    assert all(len(encode(frame)) == len(frame.payload) + 12 for frame in frames)


def test_an_oversize_payload_is_our_own_bug() -> None:
    with pytest.raises(ValueError, match="112 bytes"):
        encode(Frame(1, 1, 1, bytes(112)))


@given(st.data())
@settings(max_examples=200)
def test_fault_02_any_chunking_decodes_the_same(data: st.DataObject) -> None:
    pieces = data.draw(st.lists(st.one_of(frames_st.map(encode), st.binary(max_size=300)), max_size=10))
    stream = b"".join(pieces)
    whole = FrameDecoder()
    expected = whole.receive(stream)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    for bounds in (cuts, list(range(len(stream)))):  # at random, and byte by byte
        decoder = FrameDecoder()
        got = [f for a, b in zip([0, *bounds], [*bounds, len(stream)], strict=True) for f in decoder.receive(stream[a:b])]
        assert got == expected
        assert decoder.counters == whole.counters
        assert decoder.garbage == whole.garbage


@given(seed=st.integers(0, 10_000), flips=st.integers(1, 4))
@settings(max_examples=150)
def test_fault_01_bit_flips_and_losses_cost_one_good_frame_at_most(seed: int, flips: int) -> None:
    rng = random.Random(seed)
    frames = some_frames(8, seed)
    hit = rng.randrange(2, 6)
    damaged = bytearray(encode(frames[hit]))
    for _ in range(flips):
        at = rng.randrange(len(damaged))
        if rng.random() < 0.5 and len(damaged) > 1:
            del damaged[at]
        else:
            damaged[at] ^= 1 << rng.randrange(8)
    got = FrameDecoder().receive(wire(frames[:hit]) + bytes(damaged) + wire(frames[hit + 1 :]))
    good = frames[:hit] + frames[hit + 1 :]
    assert [frame for frame in got if frame not in frames] == []  # nothing invented
    assert len([frame for frame in good if frame not in got]) <= 1


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.2])
def test_fault_01_byte_loss_invents_nothing(loss: float) -> None:
    rng = random.Random(7)
    frames = some_frames(2000)
    decoder = FrameDecoder()
    got = decoder.receive(bytes(b for b in wire(frames) if rng.random() >= loss / 10))
    sent = set(frames)
    assert all(frame in sent for frame in got)
    assert len(got) + decoder.counters.bad_frames >= 0.9 * len(frames)


def test_fault_03_garbage_flood_without_a_delimiter_is_bounded() -> None:
    decoder = FrameDecoder()
    chunk = bytes(range(1, 256)) * 257  # 64 KiB
    tracemalloc.start()
    begun = time.process_time()
    for _ in range(160):  # 10 MB
        assert decoder.receive(chunk) == []
        assert len(decoder._block) <= MAX_STUFFED
    cpu_s = time.process_time() - begun
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert cpu_s < 2.0  # a hundred times what it takes
    assert decoder.counters.garbage_bytes == 160 * len(chunk)
    assert len(decoder.garbage) == GARBAGE_KEPT
    good = some_frames(2)
    assert decoder.receive(wire(good)) == good  # both: each frame brings its own first delimiter


@pytest.mark.parametrize("flood", [bytes(100_000), b"\0\x01" * 50_000, b"\0" + b"\xff" * 120])
def test_fault_03_delimiters_in_the_flood(flood: bytes) -> None:
    decoder = FrameDecoder()
    assert decoder.receive(flood) == []
    assert decoder.receive(wire(some_frames(1))) == some_frames(1)


def test_fault_04_panic_in_the_middle_of_a_frame() -> None:
    frames = some_frames(4)
    cut = encode(frames[1])[:20]
    decoder = FrameDecoder()
    got = decoder.receive(encode(frames[0]) + cut + PANIC * 3 + wire(frames[2:]))
    assert got == [frames[0], *frames[2:]]
    assert PANIC in decoder.garbage
    assert decoder.counters.bad_frames == 1


def test_garbage_keeps_the_newest() -> None:
    decoder = FrameDecoder()
    decoder.receive(b"".join(b"line %d\0" % n for n in range(1000)))
    assert len(decoder.garbage) == GARBAGE_KEPT
    assert decoder.garbage.endswith(b"line 998line 999")


def test_every_single_bit_flip_is_caught() -> None:
    block = encode(Frame(0x20, 1, 2, bytes(range(1, 30))))[1:-1]
    for bit in range(len(block) * 8):
        damaged = bytearray(block)
        damaged[bit // 8] ^= 1 << (bit % 8)
        assert framing.decode_block(bytes(damaged)) is None
