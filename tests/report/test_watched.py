import msgpack
from hypothesis import given
from hypothesis import strategies as st

from k1edge.report.telemetry import HelloMessage, HostSigns, telemetry_of
from k1edge.report.watched import SILENT_S, Presence, Watched
from k1edge.timebase import NS_PER_S, HostTime
from tests.report.scene import SNAPSHOT

NOW = HostTime(5 * NS_PER_S)


def telemetry(seq: int) -> bytes:
    packed: bytes = msgpack.packb(telemetry_of(SNAPSHOT, seq, 0, HostSigns()).model_dump())
    return packed


def greeting(seq: int) -> bytes:
    packed: bytes = msgpack.packb(HelloMessage(id="k", seq=seq, wall_ms=0, monotonic_ns=0, version="0", rate_hz=10).model_dump())
    return packed


def later(seconds: float) -> HostTime:
    return HostTime(NOW + round(seconds * NS_PER_S))


@given(st.sets(st.integers(1, 300), min_size=1), st.integers(0, 400))
def test_what_is_missing_is_counted_and_nothing_else(heard: set[int], away: int) -> None:
    member = Watched("stage")
    numbers = sorted(heard)
    member.connect(NOW)
    member.take(greeting(numbers[0] - 1), NOW)
    for seq in numbers:
        member.take(telemetry(seq), NOW)
    member.disconnect("gone")
    member.connect(NOW)
    member.take(greeting(numbers[-1] + away), NOW)  # others were told more in the meantime
    member.take(telemetry(numbers[-1] + away + 1), NOW)
    assert member.lost == numbers[-1] - numbers[0] + 1 - len(numbers)
    assert (member.restarts, member.messages, member.connections) == (0, len(numbers) + 3, 2)


def test_a_restarted_daemon_counts_from_the_beginning() -> None:
    member = Watched("stage")
    for seq in (100, 101):
        member.take(telemetry(seq), NOW)
    member.take(greeting(0), NOW)
    member.take(telemetry(1), NOW)
    assert (member.lost, member.restarts) == (0, 1)


def test_fault_43_a_peer_that_crashed_is_silent_then_lost_then_gone() -> None:
    member = Watched("stage")
    assert member.presence(NOW) is Presence.CONNECTING
    member.connect(NOW)
    assert member.presence(later(SILENT_S + 0.1)) is Presence.SILENT  # connected, and never a word
    member.take(telemetry(1), NOW)
    assert member.presence(later(SILENT_S)) is Presence.LIVE
    assert member.presence(later(SILENT_S + 0.1)) is Presence.SILENT
    assert member.age_s(later(4.5)) == 4.5
    member.disconnect("no answer")
    assert member.presence(later(5)) is Presence.LOST
    member.listed = False
    assert member.presence(later(5)) is Presence.GONE
    member.connect(later(6))
    assert member.presence(later(6)) is Presence.LIVE


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_fault_39_nonsense_is_counted_and_changes_nothing(frames: list[bytes]) -> None:
    member = Watched("stage")
    member.connect(NOW)
    member.take(telemetry(1), NOW)
    for frame in frames:
        assert member.take(frame, later(1)) is None
    assert (member.strange, member.messages, member.lost, member.newest_ns) == (len(frames), 1, 0, NOW)
    assert member.received_bytes == len(telemetry(1)) + sum(map(len, frames))
