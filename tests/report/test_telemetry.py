import json
from pathlib import Path
from typing import Any

import jsonschema
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from k1edge.events import Beat, Severity
from k1edge.report.feed import Feed
from k1edge.report.formats import framed
from k1edge.report.telemetry import (
    MESSAGES,
    AlertMessage,
    BeatMessage,
    HostSigns,
    Message,
    TelemetryMessage,
    telemetry_of,
    telemetry_schema,
    wall_ms_at,
)
from k1edge.snapshot import AlertsStatus
from k1edge.timebase import HostTime, SampleIndex
from tests.report.lan_scene import WALL_NS, hello
from tests.report.scene import ALERT, SNAPSHOT

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "telemetry.schema.json"

BEAT = Beat(
    index=7, sample=SampleIndex(1), heard=SampleIndex(0), bpm=120.0, confidence=0.9, strength=0.5, beat_in_bar=1, bar_confidence=0.8
)


def every_kind() -> list[Message]:
    """One of each, and telemetry with and without data."""
    feed = Feed("k1e-1")
    got: list[Message] = [hello(feed)]
    feed.listen(got.append)
    quiet = SNAPSHOT.model_copy(update={"node": None, "beat": SNAPSHOT.beat.model_copy(update={"bpm": None, "beat_phase": None})})
    wrong = SNAPSHOT.model_copy(update={"alerts": AlertsStatus(open=(ALERT.model_copy(update={"end_ns": None}),), closed=(), total=1)})
    for snapshot in (SNAPSHOT, quiet, wrong):
        feed.telemetry(lambda snapshot=snapshot: snapshot, WALL_NS)  # type: ignore[misc] # bound at once
    feed.beat(BEAT, HostTime(2_000_000_000), -5.0, HostTime(1_900_000_000), WALL_NS)
    feed.alert(ALERT.model_copy(update={"end_ns": None}), HostTime(1), WALL_NS)
    return got


def test_the_published_schema_is_the_models() -> None:
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == telemetry_schema(), "stale: make telemetry-schema"


def test_every_message_obeys_the_published_schema() -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    kinds = set()
    for message in every_kind():
        text = message.model_dump_json()
        validator.validate(json.loads(text))
        kinds.add(message.type)
    assert kinds == {"hello", "telemetry", "beat", "alert"}
    broken = json.loads(text) | {"seq": -1}
    assert not validator.is_valid(broken)


def test_both_formats_say_the_same() -> None:
    for message in every_kind():
        packed, text = framed(message, "msgpack"), framed(message, "json")
        from_packed, from_text = msgpack.unpackb(content(packed)), json.loads(content(text))
        assert from_packed == from_text
        assert MESSAGES.validate_json(content(text)) == message


def content(frame: bytes) -> bytes:
    assert frame[0] in {0x81, 0x82}
    return frame[2:] if frame[1] < 126 else frame[4:]


def test_no_data_is_null_and_nothing_is_left_out() -> None:
    quiet = SNAPSHOT.model_copy(update={"node": None, "beat": SNAPSHOT.beat.model_copy(update={"bpm": None})})
    message = json.loads(telemetry_of(quiet, 1, WALL_NS, HostSigns()).model_dump_json())
    for name in ("bpm", "link", "cpu_share", "temperature_c"):
        assert message[name] is None
    assert set(message) == set(TelemetryMessage.model_fields)


def test_telemetry_tells_what_the_snapshot_tells() -> None:
    message = telemetry_of(SNAPSHOT, 3, WALL_NS, HostSigns(cpu_share=0.04, temperature_c=51.5))
    assert (message.id, message.seq, message.monotonic_ns, message.wall_ms) == (SNAPSHOT.id, 3, SNAPSHOT.monotonic_ns, WALL_NS / 1e6)
    assert (message.bpm, message.beat_phase, message.beat_index, message.beat_in_bar, message.lock) == (128.04, 0.25, 99, 3, "locked")
    assert message.drift == SNAPSHOT.drift
    assert message.link is not None
    assert (message.link.offset_bound_us, message.link.fired, message.audio.level_dbfs, message.audio.audio_drift_ppm) == (
        210.5,
        7,
        -18.25,
        3.0,
    )
    assert (message.cpu_share, message.temperature_c, message.rss_mb, message.latency_ms) == (0.04, 51.5, 64.0, 47.7)


def test_nothing_of_the_host_is_told_to_strangers() -> None:
    text = telemetry_of(SNAPSHOT, 1, WALL_NS, HostSigns()).model_dump_json()
    for hidden in ("/dev/ttyACM0", "1.2.0", "4242", "k1mon"):
        assert hidden not in text


@given(st.integers(0, 2**62), st.integers(-(10**9), 10**9))
def test_due_times_map_to_the_wall_clock(monotonic_ns: int, ahead_ns: int) -> None:
    wall_ms = wall_ms_at(HostTime(monotonic_ns + ahead_ns), monotonic_ns, WALL_NS / 1e6)
    assert wall_ms - WALL_NS / 1e6 == pytest.approx(ahead_ns / 1e6, abs=0.001)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda inner: st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=8
    )
)
def test_fault_39_whatever_is_parsed_is_a_message_or_an_error(found: Any) -> None:
    with pytest.raises(ValidationError):
        MESSAGES.validate_python(found)


# --- the feed ------------------------------------------------------------------------------------------------------------------


def test_nothing_is_made_while_nobody_listens() -> None:
    feed = Feed("k1e-1")
    feed.telemetry(lambda: pytest.fail("drawn for nobody"), WALL_NS)
    feed.beat(BEAT, HostTime(0), 0.0, HostTime(0), WALL_NS)
    assert feed.seq == 0
    got: list[Message] = []
    end = feed.listen(got.append)
    feed.beat(BEAT, HostTime(0), 0.0, HostTime(0), WALL_NS)
    end()
    end()
    feed.beat(BEAT, HostTime(0), 0.0, HostTime(0), WALL_NS)
    assert [message.seq for message in got] == [1]
    assert not feed.wanted


def test_a_listener_that_fails_is_named_and_costs_nobody_else_anything() -> None:
    feed = Feed("k1e-1")
    got: list[Message] = []

    def broken(_: Message) -> None:
        raise ValueError("a bug")

    feed.listen(broken)
    feed.listen(got.append)
    for _ in range(3):
        feed.telemetry(lambda: SNAPSHOT, WALL_NS)
    assert [message.seq for message in got] == [1, 2, 3]
    assert [reason for name, reason in feed.failures.items() if "broken" in name] == ["ValueError: a bug"]


def test_an_alert_begins_grows_and_ends() -> None:
    feed = Feed("k1e-1")
    got: list[Message] = []
    feed.listen(got.append)
    opened = ALERT.model_copy(update={"end_ns": None})
    for alert in (opened, opened.model_copy(update={"severity": Severity.RED}), ALERT, opened):
        feed.alert(alert, HostTime(5), WALL_NS)
    assert [message.event for message in got if isinstance(message, AlertMessage)] == ["begin", "grow", "end", "begin"]


def test_a_beat_is_told_ahead_of_its_time() -> None:
    beat = next(message for message in every_kind() if isinstance(message, BeatMessage))
    assert beat.due_monotonic_ns - beat.monotonic_ns == 100_000_000
    assert beat.due_wall_ms - beat.wall_ms == pytest.approx(100.0)
    assert (beat.beat_index, beat.beat_in_bar, beat.bar_confidence, beat.offset_ms) == (7, 1, 0.8, -5.0)
