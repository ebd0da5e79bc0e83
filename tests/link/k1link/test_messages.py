"""Messages: every layout to the byte, appended fields pass, short ones and hostile values do not."""

import struct
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.link.k1link.framing import MAX_PAYLOAD, Frame
from k1edge.link.k1link.messages import (
    MESSAGES,
    TIME_LIMIT,
    Ack,
    Beats,
    Blackout,
    Config,
    Fate,
    Fired,
    GetStats,
    Hello,
    HelloAck,
    Log,
    Message,
    OtherMajor,
    Ping,
    Pong,
    Refusal,
    Stats,
    WireBeat,
    WireReport,
    parse,
)

U64 = (1 << 64) - 1
HELLO_ACK = HelloAck(0xA1B2C3D4, 0x01020304, 0x1122334455667788, b"K1-00042", 9600, 4, 8, 120, 320, 1, "lightwave-k1 3.2.1")
EXAMPLES: list[tuple[Message, str]] = [
    (Hello(0xDEADBEEF, "pi-lounge"), "01 00 efbeadde 70692d6c6f756e676500000000000000"),
    (
        HELLO_ACK,
        (
            "01 00 d4c3b2a1 04030201 8877665544332211 4b312d3030303432 04 08 78 4001 80250000 01000000"
            " 6c69676874776176652d6b3120332e322e31000000000000"
        ),
    ),
    (Config(200, 100, 400), "c8 6400 9001"),
    (Blackout(7), "07000000"),
    (GetStats(), ""),
    (Ack(3, 9, 2), "03 09 02"),
    (
        Beats(5, 500_000, 9_000_000, (WireBeat(1, 1_000_000, 255, 1), WireBeat(2, 1_500_000, 128, 0))),
        "05000000 20a10700 4054890000000000 02 01000000 40420f0000000000 ff 01 02000000 60e3160000000000 80 00 " + "00" * 14,
    ),
    (Ping(3, 0x0102030405060708), "03000000 0807060504030201"),
    (Pong(3, 1, 2, 0x100), "03000000 0100000000000000 0200000000000000 0001000000000000"),
    (
        Fired((WireReport(1, 1000, 1001, Fate.FIRED), WireReport(0xFFFFFFFF, 5, 0, Fate.MISSED))),
        "02 01000000 e803000000000000 e903000000000000 00 ffffffff 0500000000000000 0000000000000000 02 " + "00" * 21,
    ),
    (
        Stats(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
        "0100000000000000 02000000 03000000 04000000 05000000 06000000 07000000 08000000 09000000 0a 0b",
    ),
    (Log(4, "brown-out"), "04 62726f776e2d6f7574"),
]


def received(message_type: int, payload: bytes) -> object:
    return parse(Frame(message_type, 1, 0, payload))


@pytest.mark.parametrize(("message", "golden"), EXAMPLES, ids=lambda value: type(value).__name__ if not isinstance(value, str) else "")
def test_golden_layout(message: Message, golden: str) -> None:
    payload = bytes.fromhex(golden.replace(" ", ""))
    assert message.encode() == payload
    assert received(message.TYPE, payload) == message
    assert len(payload) <= MAX_PAYLOAD


def test_every_message_has_an_example_and_its_own_type() -> None:
    assert {type(message) for message, _ in EXAMPLES} == set(MESSAGES.values()) == set(get_args(Message))
    assert len(MESSAGES) == len(EXAMPLES)


@pytest.mark.parametrize("message", [message for message, _ in EXAMPLES if not isinstance(message, Log)], ids=lambda m: type(m).__name__)
def test_appended_fields_pass_and_missing_ones_do_not(message: Message) -> None:
    payload = message.encode()
    assert len(payload) == message.LAYOUT.size
    assert received(message.TYPE, payload + b"new field") == message
    if payload:
        assert received(message.TYPE, payload[:-1]) is Refusal.TOO_SHORT


def test_unknown_types_are_named_as_such() -> None:
    assert {received(kind, bytes(100)) for kind in range(256) if kind not in MESSAGES} == {Refusal.UNKNOWN_TYPE}


@given(kind=st.sampled_from(sorted(MESSAGES)), payload=st.binary(max_size=MAX_PAYLOAD))
def test_fault_06_no_payload_raises(kind: int, payload: bytes) -> None:
    message = received(kind, payload)
    if not isinstance(message, Refusal | OtherMajor | Log):
        assert isinstance(message, MESSAGES[kind])


@pytest.mark.parametrize("cls", [Hello, HelloAck])
def test_fault_19_another_major_is_read_by_its_first_six_bytes(cls: type[Hello | HelloAck]) -> None:
    assert received(cls.TYPE, struct.pack("<BBI", 2, 7, 99)) == OtherMajor(2, 7, 99)
    assert received(cls.TYPE, struct.pack("<BBI", 1, 7, 99)) is Refusal.TOO_SHORT


def test_a_newer_minor_is_taken() -> None:
    payload = Hello(1, minor=9).encode() + b"whatever 1.9 added"
    assert received(Hello.TYPE, payload) == Hello(1, minor=9)


HOSTILE = [
    Hello(0),
    HelloAck(1, 1, U64, b"", 0),
    HelloAck(1, 1, 0, b"", 1_000_000),
    HelloAck(1, 1, 0, b"", 0, queue_depth=2),
    HelloAck(1, 1, 0, b"", 0, max_frame=10),
    Config(refractory_ms=1001),
    Beats(1, 500_000, U64, ()),
    Beats(1, 199_999, 0, ()),
    Beats(1, 0xFFFFFFFF, 0, ()),
    Beats(1, 0, 0, (WireBeat(1, U64, 0, 0),)),
    Beats(1, 0, 0, (WireBeat(1, TIME_LIMIT, 0, 0),)),
    Beats(1, 0, 0, (WireBeat(1, 0, 0, 17),)),
    Beats(1, 0, 0, (WireBeat(1, 0, 0, 0), WireBeat(1, 5, 0, 0))),
    Pong(0, 0, U64, 0),
    Pong(0, 0, 0, U64),
    Fired((WireReport(1, U64, 0, 0),)),
    Fired((WireReport(1, 0, U64, 0),)),
    Fired((WireReport(1, 0, 0, Fate.LATE | Fate.MISSED),)),
    Fired((WireReport(1, 0, 0, Fate.REFRACTORY),)),
    Fired(()),
]


@pytest.mark.parametrize("message", HOSTILE, ids=repr)
def test_fault_06_hostile_values_are_refused(message: Message) -> None:
    assert received(message.TYPE, message.encode()) is Refusal.OUT_OF_RANGE


def test_fault_06_slot_counts_beyond_the_table() -> None:
    beats = bytearray(Beats(1, 0, 0, ()).encode())
    beats[16] = 4
    fired = bytearray(Fired((WireReport(1, 0, 0, 0),)).encode())
    fired[0] = 255
    assert received(Beats.TYPE, bytes(beats)) is Refusal.OUT_OF_RANGE
    assert received(Fired.TYPE, bytes(fired)) is Refusal.OUT_OF_RANGE


def test_text_is_cut_at_a_character_and_bad_utf8_is_shown() -> None:
    assert len(Hello(1, "é" * 20).encode()) == Hello.LAYOUT.size
    assert received(Hello.TYPE, Hello(1, "a" + "é" * 20).encode()) == Hello(1, "a" + "é" * 7)
    assert len(Log(6, "x" * 500).encode()) == MAX_PAYLOAD
    assert received(Log.TYPE, b"\x06\xff\xfe") == Log(6, "��")


def test_unknown_fate_bits_are_dropped() -> None:
    message = received(Fired.TYPE, Fired((WireReport(1, 0, 0, 0x10 | Fate.LATE),)).encode())
    assert isinstance(message, Fired)
    assert message.reports[0].fate is Fate.LATE
