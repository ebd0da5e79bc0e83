"""Python and the golden vectors: every frame whole, byte by byte, after noise and before other bytes; every exchange answered to the byte."""

import itertools
from collections.abc import Iterator

import pytest

from k1edge.link.k1link.framing import Frame, FrameDecoder, encode
from k1edge.link.k1link.messages import MESSAGES, Hello, OtherMajor, Refusal, parse
from k1edge.link.node.core import NodeCore
from k1edge.link.node.reports import NodeIdentity
from k1edge.link.virtual.brain import K1LinkBrain
from k1edge.timebase import NodeTime
from tests.firmware_bridge.make_c_vectors import TESTS, tables
from tests.firmware_bridge.vectors import TYPES, Exchange, FrameVector, fields_of, load_exchanges, load_frames
from tests.link.test_protocol_document import FRAMES as WORKED

FRAMES = load_frames()
EXCHANGES = load_exchanges()
NOISE = b"ESP-ROM:esp32s3-20210327\r\nGuru Meditation Error: Core 0 panic'ed\r\n"
PING = encode(Frame(0x20, 0x1234, 9, bytes(12)))
NAMES = {kind: name for name, kind in TYPES.items()}


def pieces(data: bytes, step: int) -> Iterator[bytes]:
    return (data[at : at + step] for at in range(0, len(data), step))


def surroundings(wire: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Noise before, the wire, bytes after; the last is the beginning of a frame or a whole one."""
    yield from itertools.product((b"", NOISE), (wire,), (b"", NOISE, PING[:9], PING))


def test_the_worked_frames_of_the_document_are_in_the_table() -> None:
    table = {
        vector.wire: (NAMES[type(vector.message)], vector.session, vector.seq, fields_of(vector.message))
        for vector in FRAMES
        if vector.message
    }
    for worked in WORKED:
        assert table[worked.wire] == (worked.name, worked.session, worked.seq, worked.fields)


def test_the_table_has_all_there_is() -> None:
    assert {type(vector.message) for vector in FRAMES if vector.message} == set(MESSAGES.values())
    assert {vector.refused for vector in FRAMES} == {None, "other_major", *Refusal}
    sent = [MESSAGES[FrameDecoder().receive(wire)[0].type] for exchange in EXCHANGES for step in exchange.steps for wire in step.sent]
    assert set(sent) == {message for kind, message in MESSAGES.items() if kind >= 0x80}
    assert len({vector.name for vector in FRAMES}) == len(FRAMES)
    assert len({exchange.name for exchange in EXCHANGES}) == len(EXCHANGES)


@pytest.mark.parametrize("vector", FRAMES, ids=lambda vector: vector.name)
def test_frames_are_what_the_table_says(vector: FrameVector) -> None:
    frames = FrameDecoder().receive(vector.wire)
    assert len(frames) == vector.frames
    for frame in frames:
        read = parse(frame)
        assert (frame.session, frame.seq) == (vector.session, vector.seq)
        if isinstance(read, OtherMajor):
            assert vector.refused == "other_major"
        elif isinstance(read, Refusal):
            assert vector.refused == read
        else:
            assert vector.refused is None
            assert read == vector.message or fields_of(read) == fields_of(vector.message)
            assert (encode(Frame(read.TYPE, vector.session, vector.seq, read.encode())) == vector.wire) == vector.canonical


@pytest.mark.parametrize("vector", FRAMES, ids=lambda vector: vector.name)
def test_frames_in_any_surroundings_and_chunking(vector: FrameVector) -> None:
    alone = FrameDecoder().receive(vector.wire)
    for before, wire, after in surroundings(vector.wire):
        stream = before + wire + after
        for step in (1, 7, len(stream)):
            decoder = FrameDecoder()
            got = [frame for piece in pieces(stream, step) for frame in decoder.receive(piece)]
            assert got[: len(alone)] == alone
            assert len(got) == len(alone) + (after == PING)
            assert decoder.counters.bad_frames == vector.bad_frames + bool(before)
            assert decoder.counters.garbage_bytes == vector.garbage_bytes + len(before)


@pytest.mark.parametrize("vector", FRAMES, ids=lambda vector: vector.name)
def test_a_node_takes_what_the_table_says_and_nothing_else(vector: FrameVector) -> None:
    now = NodeTime(vector.node_us)
    node = NodeCore(NodeIdentity(b"K1-00042", 1, led_tx_us=5000), now, announce=False)
    if not isinstance(vector.message, Hello):
        node.receive(encode(Frame(Hello.TYPE, vector.session, 0, Hello(99).encode())), now)
        node.data_to_send(now)
    refused = node.refused
    node.receive(vector.wire, now)
    assert node.refused - refused == vector.frames - vector.taken
    assert bool(node.data_to_send(now)) == vector.answered


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_exchanges(exchange: Exchange, size: int) -> None:
    node = K1LinkBrain(exchange.identity, NodeTime(exchange.started_us), announce=exchange.announce)
    for step in exchange.steps:
        now = NodeTime(step.at_us)
        for piece in pieces(step.received, size):
            node.receive(piece, now)
        if step.log is not None:
            node.core.log(*step.log)
        flashes = [(flash.id, flash.t_sched_us, flash.t_latch_us, flash.strength, flash.beat_in_bar) for flash in node.core.fire(now)]
        assert tuple(flashes) == step.flashes
        sent: list[bytes] = []
        while writes := node.data_to_send(now):
            sent += writes
        assert tuple(sent) == step.sent


def test_the_tables_of_the_c_tests_are_made_from_these() -> None:
    for name, text in tables().items():
        assert (TESTS / name).read_text(encoding="utf-8") == text, f"{name} is stale: python -m tests.firmware_bridge.make_c_vectors"
