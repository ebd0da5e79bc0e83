import contextlib
import json
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.errors import PeerError
from k1edge.report.intake import MOST_DEPTH, MOST_ITEMS, MOST_TEXT, harmless, understand, unpack
from k1edge.report.telemetry import HostSigns, TelemetryMessage, telemetry_of
from tests.report.scene import SNAPSHOT

MESSAGE = telemetry_of(SNAPSHOT, 7, 1_800_000_000_000_000_000, HostSigns()).model_dump(mode="json")

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.binary(max_size=4), inner, max_size=4),
    max_leaves=30,
)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


def test_a_message_comes_through_whole_with_what_a_newer_daemon_added() -> None:
    received = unpack(msgpack.packb({**MESSAGE, "humidity": 0.4}))
    assert isinstance(received.message, TelemetryMessage)
    assert received.message.drift == SNAPSHOT.drift
    assert received.content["humidity"] == 0.4
    assert harmless(MESSAGE) == MESSAGE


@given(st.binary(max_size=200))
def test_fault_39_any_bytes_are_a_message_or_a_peer_error(frame: bytes) -> None:
    with pytest.raises(PeerError) as refused:
        unpack(frame)
    assert str(refused.value).isprintable()


@given(st.sampled_from(sorted(MESSAGE)), ANYTHING)
def test_fault_39_any_value_in_a_field_is_taken_or_refused(field: str, value: Any) -> None:
    with contextlib.suppress(PeerError):
        received = unpack(msgpack.packb({**MESSAGE, field: value}))
        json.dumps(harmless(received.content), allow_nan=False)


@pytest.mark.parametrize(
    "frame",
    [
        b"\x91" * 60_000 + b"\xc0",  # 60,000 arrays in each other
        b"\xc7\xff\x05aaaa",  # an extension that breaks off
        msgpack.packb(msgpack.ExtType(5, b"x" * 100)),
        msgpack.packb({**MESSAGE, "bpm": msgpack.ExtType(5, b"x")}),
        b"\xdd\xff\xff\xff\xff",  # an array of four thousand million
        msgpack.packb({**MESSAGE, "bpm": float("nan")}),
        msgpack.packb({**MESSAGE, "schema_version": 2}),
        msgpack.packb({**MESSAGE, "type": "\x1b[2J"}),
        b"\x81\x91\x00\x00",  # a list as a key
    ],
)
def test_fault_39_what_is_no_message_is_named(frame: bytes) -> None:
    with pytest.raises(PeerError) as refused:
        unpack(frame)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 250


def test_fault_39_a_list_is_no_message() -> None:
    with pytest.raises(PeerError, match="a list"):
        understand([])


@given(ANYTHING)
def test_fault_39_harmless_is_json_within_bounds(value: Any) -> None:
    found = harmless(value)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert depth_of(found) <= MOST_DEPTH
    assert harmless(found) == found


def test_fault_39_too_deep_too_much_and_too_long_is_cut() -> None:
    assert depth_of(harmless(nested(500))) <= MOST_DEPTH
    assert len(harmless(list(range(1_000)))) == MOST_ITEMS
    assert len(harmless({str(n): n for n in range(1_000)})) == MOST_ITEMS
    assert len(harmless("x" * 10_000)) == MOST_TEXT
    assert harmless([1 << 70, b"raw", float("inf"), {1: 2}]) == [None, None, None, {}]
