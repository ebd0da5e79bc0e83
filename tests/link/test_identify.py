import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.link.identify import ASK_STATUS, DRAIN_NS, START_BINARY, Identifier, Verdict
from k1edge.link.lines import KEPT_BYTES, MAX_LINE_BYTES
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

LIGHTWAVE = b'{"type":"device.getStatus","success":true,"data":{"effectCount":101,"version":"3.1"}}\n'
K1LINK = b'{"type":"device.getStatus","success":true,"data":{"k1link":1}}\n'
STARTED = b'{"type":"k1link.start","success":true}\n'
BOOT = b"ESP-ROM:esp32s3-20210327\r\nrst:0x1 (POWERON)\r\nheap ok\r\n"


def at(ms: float) -> HostTime:
    return HostTime(7 * NS_PER_S + round(ms * NS_PER_MS))


def asked(**kwargs: int) -> Identifier:
    """An identifier that has just asked, 2000 ms after the opening."""
    asker = Identifier(at(0), major=1, **kwargs)
    assert asker.data_to_send(at(2000)) == [ASK_STATUS]
    return asker


def test_nothing_is_written_while_boot_text_may_come() -> None:
    asker = Identifier(at(0), major=1)
    assert asker.next_deadline() == at(0) + DRAIN_NS
    for ms in range(0, 2000, 50):
        asker.receive_data(BOOT, at(ms))
        assert asker.data_to_send(at(ms)) == []
    assert asker.data_to_send(at(2000)) == [ASK_STATUS]
    assert asker.data_to_send(at(2001)) == []
    assert "rst:0x1" in asker.kept.text()


def test_lines_fit_one_usb_packet() -> None:
    for line in (ASK_STATUS, START_BINARY):
        assert len(line) <= 64
        assert line.count(b"\n") == 1


def test_lightwave_is_known_by_its_answer() -> None:
    asker = asked()
    asker.receive_data(LIGHTWAVE + b"more", at(2100))
    assert asker.outcome is not None
    assert asker.outcome.verdict is Verdict.TRINITY
    assert asker.outcome.reason is None
    assert asker.outcome.data["version"] == "3.1"
    assert asker.outcome.rest == b"more"
    assert asker.data_to_send(at(2101)) == []
    assert asker.next_deadline() is None


def test_k1link_is_switched_to_binary_only_after_its_reply() -> None:
    asker = asked()
    asker.receive_data(K1LINK, at(2100))
    assert asker.outcome is None
    assert asker.next_deadline() == at(2100)
    assert asker.data_to_send(at(2100)) == [START_BINARY]
    asker.receive_data(STARTED[:10], at(2150))
    assert asker.outcome is None
    asker.receive_data(STARTED[10:] + b"\x00\x05frame", at(2160))
    assert asker.outcome is not None
    assert asker.outcome.verdict is Verdict.K1LINK
    assert asker.outcome.rest == b"\x00\x05frame"


def test_k1link_that_does_not_switch_is_left_alone() -> None:
    asker = asked()
    asker.receive_data(K1LINK, at(2100))
    asker.data_to_send(at(2100))
    asker.receive_data(b'{"type":"error","success":false}\n', at(2200))
    assert asker.data_to_send(at(3700)) == []
    assert asker.outcome is not None
    assert asker.outcome.verdict is Verdict.UNRECOGNISED
    assert "k1link.start" in str(asker.outcome.reason)


@pytest.mark.parametrize(("major", "side"), [(0, "too old"), (2, "too new"), (10**30, "too new")])
def test_fault_19_another_major_is_incompatible_and_not_switched(major: int, side: str) -> None:
    asker = asked()
    asker.receive_data(K1LINK.replace(b":1}", b":%d}" % major), at(2100))
    assert asker.outcome is not None
    assert asker.outcome.verdict is Verdict.INCOMPATIBLE
    assert side in str(asker.outcome.reason)
    assert asker.data_to_send(at(2200)) == []


NO_PROOF = {
    "silence": b"",
    "error": b'{"type":"device.getStatus","success":false,"error":"busy"}\n',
    "success as text": b'{"type":"device.getStatus","success":"true","data":{"effectCount":1}}\n',
    "success as number": b'{"type":"device.getStatus","success":1,"data":{"effectCount":1}}\n',
    "no data": b'{"type":"device.getStatus","success":true}\n',
    "data is a list": b'{"type":"device.getStatus","success":true,"data":["effectCount"]}\n',
    "no effects": b'{"type":"device.getStatus","success":true,"data":{"uptime":1}}\n',
    "effects as flag": b'{"type":"device.getStatus","success":true,"data":{"effectCount":true}}\n',
    "k1link as text": b'{"type":"device.getStatus","success":true,"data":{"k1link":"1","effectCount":1}}\n',
    "k1link negative": b'{"type":"device.getStatus","success":true,"data":{"k1link":-1}}\n',
    "other type": b'{"type":"effects.list","success":true,"data":{"effectCount":101}}\n',
    "echo": ASK_STATUS,
    "started out of turn": STARTED,
    "a shell": b"sh: 1: {type:device.getStatus}: not found\n$ ",
    "bad utf-8": LIGHTWAVE.replace(b"3.1", b"\xff\xfe"),
    "cut short": LIGHTWAVE[:-1],
    "trailing text": LIGHTWAVE[:-1] + b"x\n",
    "a megabyte without a newline": b"{" * 1_000_000,
    "deep nest": b'{"type":' + b"[" * 3_000 + b"\n",
    "huge number": b'{"type":' + b"9" * 4_000 + b"}\n",
    "modem": b"\r\nERROR\r\n",
}


@pytest.mark.parametrize("name", NO_PROOF)
def test_whatever_else_answers_is_unrecognised_and_hears_no_more(name: str) -> None:
    asker = asked()
    answer = NO_PROOF[name]
    for start in range(0, len(answer), 50_000):
        asker.receive_data(answer[start : start + 50_000], at(2100))
    assert asker.data_to_send(at(3499)) == []
    assert asker.outcome is None
    assert asker.data_to_send(at(3500)) == []
    assert asker.outcome is not None
    assert asker.outcome.verdict is Verdict.UNRECOGNISED
    assert asker.outcome.reason
    assert asker.outcome.reason.isprintable()
    assert asker.next_deadline() is None
    asker.receive_data(LIGHTWAVE, at(3600))  # too late
    assert asker.outcome.verdict is Verdict.UNRECOGNISED
    assert asker.data_to_send(at(10_000)) == []


def test_fault_17_a_mute_node_is_told_to_be_power_cycled() -> None:
    asker = asked()
    asker.data_to_send(at(3500))
    assert asker.outcome is not None
    assert "power-cycle the node" in str(asker.outcome.reason)


def test_an_answer_during_the_drain_is_not_believed() -> None:
    asker = Identifier(at(0), major=1)
    asker.receive_data(LIGHTWAVE, at(500))
    assert asker.outcome is None


def test_fault_04_what_is_kept_is_what_was_no_message() -> None:
    asker = asked()
    asker.receive_data(BOOT + LIGHTWAVE, at(2100))
    assert asker.outcome is not None
    assert "rst:0x1" in asker.kept.text()
    assert "device.getStatus" not in asker.kept.text()


def test_memory_is_bounded_whatever_comes() -> None:
    asker = asked()
    for _ in range(200):
        asker.receive_data(b"x" * 5_000, at(2100))
    assert len(asker._lines._partial) <= MAX_LINE_BYTES
    assert len(asker.kept.text()) == KEPT_BYTES
    asker.receive_data(b"\n" + LIGHTWAVE, at(2200))
    assert asker.outcome is not None
    assert asker.outcome.verdict is Verdict.TRINITY


@pytest.mark.parametrize("stray", range(256))
def test_any_stray_byte_around_the_answer_never_makes_it_write_more(stray: int) -> None:
    byte = bytes([stray])
    for answer in (byte + LIGHTWAVE, byte + b"\n" + LIGHTWAVE, LIGHTWAVE[:-1] + byte + b"\n", LIGHTWAVE[:20] + byte + LIGHTWAVE[20:]):
        asker = asked()
        asker.receive_data(answer, at(2100))
        written = asker.data_to_send(at(2101)) + asker.data_to_send(at(4000)) + asker.data_to_send(at(9000))
        assert written == []
        assert asker.outcome is not None
        assert asker.outcome.verdict in {Verdict.TRINITY, Verdict.UNRECOGNISED}
        if answer.startswith(byte + b"\n"):
            assert asker.outcome.verdict is Verdict.TRINITY


@given(st.lists(st.integers(0, 60), max_size=8), st.sampled_from([LIGHTWAVE, K1LINK, *list(NO_PROOF.values())[1:16]]))
def test_any_chunking_gives_the_same_outcome(cuts: list[int], answer: bytes) -> None:
    whole, parts = asked(), asked()
    whole.receive_data(BOOT + answer, at(2100))
    edges = sorted({0, *cuts, len(BOOT + answer)})
    for start, end in itertools.pairwise(edges):
        parts.receive_data((BOOT + answer)[start:end], at(2100))
    assert whole.data_to_send(at(2200)) == parts.data_to_send(at(2200))
    for asker in (whole, parts):
        asker.data_to_send(at(9000))
    assert whole.outcome == parts.outcome
    assert whole.kept.text() == parts.kept.text()


@given(st.binary(max_size=300))
def test_nothing_that_arrives_raises(data: bytes) -> None:
    for wrapped in (
        data,
        json.dumps({"type": "device.getStatus", "success": True, "data": {"effectCount": data.hex()}}).encode() + data + b"\n",
    ):
        asker = asked()
        asker.receive_data(wrapped, at(2100))
        asker.data_to_send(at(9000))
        assert asker.outcome is not None
