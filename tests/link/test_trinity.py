import itertools
import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.events import BeatPlan, Timeline
from k1edge.link.dialect import Dialect, LinkState, NodeIdentified, NodeReset, StateChanged
from k1edge.link.identify import ASK_STATUS, DRAIN_NS
from k1edge.link.lightwave import STOP, playable_bpm, start_line
from k1edge.link.trinity import LIGHT_NS, TRANSPORT_NS, TrinitySession
from k1edge.link.trinity_health import Health
from k1edge.link.virtual.lightwave_clock import FRAME_US
from k1edge.link.virtual.lightwave_console import LightwaveConsole
from k1edge.timebase import NS_PER_MS, NS_PER_S
from tests.link.trinity_bench import OK_SYNC, T0, Bench, at, events, plan


def test_it_is_a_dialect_without_time() -> None:
    dialect: Dialect = TrinitySession(at(0))
    assert dialect.timed is False
    assert dialect.clock() is None


def test_fault_47_stop_is_the_first_thing_said_with_and_without_a_plan() -> None:
    for wanted in (None, plan(120)):
        bench = Bench()
        bench.console.clock.external = True  # a crash left it so
        bench.session.follow(wanted, at(0))
        bench.step()
        assert bench.sent[0][1] == STOP
        assert not bench.console.external


def test_beats_begin_when_start_was_taken() -> None:
    bench = Bench()
    bench.session.follow(plan(120), at(0))
    bench.run(at(2_000))
    kinds = [line for _, line in bench.sent[:3]]
    assert kinds[0] == STOP
    assert kinds[1] == start_line(120)
    assert b"trinity.beat" in kinds[2]
    assert bench.console.external
    assert StateChanged(LinkState.READY, None) in events(bench.session)


def test_a_start_that_was_not_dispatched_is_asked_again_and_no_beat_is_sent() -> None:
    session = TrinitySession(at(0))
    session.follow(plan(120), at(0))
    assert session.data_to_send(at(0)) == [STOP]
    session.receive_data(OK_SYNC, at(10))
    assert session.data_to_send(at(60)) == [start_line(120)]
    session.receive_data(OK_SYNC.replace(b"true}}", b"false}}"), at(70))
    told = [event for event in events(session) if isinstance(event, StateChanged)]
    assert told[-1].state is LinkState.DEGRADED
    assert "dispatched" in str(told[-1].reason)
    sent = [line for ms in range(80, 1_100, 5) for line in session.data_to_send(at(ms))]
    assert sent == [start_line(120)]
    session.receive_data(OK_SYNC, at(1_110))
    assert events(session) == [StateChanged(LinkState.READY, None)]
    assert any(b"trinity.beat" in line for ms in range(1_150, 2_000, 5) for line in session.data_to_send(at(ms)))


@pytest.mark.parametrize("bpm", [30.0, 59.99, 120.0, 174.5, 299.9])
def test_corrections_are_before_mid_beat_true_on_arrival_and_one_a_beat(bpm: float) -> None:
    bench = Bench()
    wanted = plan(bpm, beat_at_ms=123.4)
    bench.session.follow(wanted, at(0))
    bench.run(at(20_000))
    beats = bench.lines(b"trinity.beat")
    seen: list[float] = []
    for when, line in beats:
        told = json.loads(line)
        true = wanted.timeline.phase_at(when + TRANSPORT_NS + LIGHT_NS)
        kept = math.floor(told["beat_phase"] * 255) / 255
        assert abs(kept - true) <= (0.0001 if seen else 0.51 / 255)  # sent when the window opens, at a phase that the node knows
        seen.append(kept)
        assert 0.3 <= kept < 0.46
        assert "tick" not in told
    wished = (20_000 - 200) * bpm / 60_000
    assert wished - 4 <= len(beats) <= wished + 2
    assert bench.session.counters().sent == len(beats)


def test_never_more_than_twenty_lines_a_second_whatever_is_asked() -> None:
    rng = random.Random(5)
    bench = Bench()
    for ms in range(0, 10_000, 7):
        bench.now = at(ms)
        bench.session.follow(plan(rng.uniform(30, 300), beat_at_ms=rng.uniform(0, 500)) if rng.random() < 0.7 else None, at(ms))
        bench.step()
    times = [when for when, _ in bench.sent]
    assert len(times) > 20
    assert min(b - a for a, b in itertools.pairwise(times)) >= 50 * NS_PER_MS


def test_the_node_flashes_on_the_beat_and_once_a_beat_through_a_tempo_change() -> None:
    bench = Bench()
    first = plan(120, beat_at_ms=40)
    bench.session.follow(first, at(0))
    bench.run(at(10_000))
    second = BeatPlan(Timeline(60e9 / 126, 20.0, first.timeline.time_at(20.0)), (), at(60_000))  # beat 20 falls at 10,040 ms
    bench.session.follow(second, at(10_000))
    bench.run(at(20_000))
    late = [us * 1_000 for us in bench.flashes_us if us * 1_000 > at(12_000)]
    errors_ms = [((second.timeline.beat_at(when) + 0.5) % 1.0 - 0.5) * 476 for when in late]
    assert max(abs(error) for error in errors_ms) <= FRAME_US / 2_000 + 0.2  # it draws 120 frames a second
    gaps = [b - a for a, b in itertools.pairwise(late)]
    assert min(gaps) > 400 * NS_PER_MS
    assert len(late) in {16, 17}


@pytest.mark.parametrize("bpm", [29.9, 300.1, 0.5, 1e9])
def test_a_tempo_the_node_would_drop_is_never_sent(bpm: float) -> None:
    assert not playable_bpm(bpm)
    bench = Bench()
    bench.session.follow(plan(bpm), at(0))
    bench.run(at(5_000))
    assert {line for _, line in bench.sent} == {STOP, ASK_STATUS}


@pytest.mark.parametrize("how", ["none", "expired", "tempo"])
def test_fault_46_a_plan_that_ends_stops_the_node(how: str) -> None:
    bench = Bench()
    bench.session.follow(plan(120, valid_ms=3_000 if how == "expired" else 60_000), at(0))
    bench.run(at(2_500))
    assert bench.console.external
    if how != "expired":
        bench.session.follow(None if how == "none" else plan(20), at(2_500))
    bench.run(at(3_060))
    assert not bench.console.external
    assert bench.sent[-1][1] == STOP
    bench.session.follow(plan(100, beat_at_ms=3_000), at(3_100))
    bench.run(at(6_000))
    assert bench.console.external
    assert bench.console.clock.bpm == 100


def test_fault_46_close_sends_stop_at_once_and_then_nothing() -> None:
    bench = Bench()
    bench.session.follow(plan(120), at(0))
    bench.run(at(3_000))
    bench.session.data_to_send(at(3_001))
    bench.session.close(at(3_002))
    assert bench.session.next_deadline() == at(3_002)
    assert bench.session.data_to_send(at(3_002)) == [STOP]
    assert bench.session.data_to_send(at(3_003)) == []
    bench.session.follow(plan(120), at(3_004))
    assert bench.session.data_to_send(at(9_000)) == []
    assert bench.session.next_deadline() is None


def test_the_last_stop_is_repeated_until_it_is_answered() -> None:
    bench = Bench(mute=True)
    bench.run(at(3_500))
    stops = [when for when, line in bench.sent if line == STOP]
    assert [(when - T0) // NS_PER_S for when in stops] == [0, 1, 2, 3]


def test_health_goes_from_no_rx_to_healthy_stale_and_disconnected() -> None:
    bench = Bench()
    assert bench.session.health is Health.OPEN_NO_RX
    bench.run(at(1_000))
    assert bench.session.health is Health.RX_HEALTHY
    bench.mute = True
    bench.run(at(30_000))
    states = [(event.state, str(event.reason).split(":")[0]) for event in events(bench.session) if isinstance(event, StateChanged)]
    assert states == [
        (LinkState.HANDSHAKE, "OPEN_NO_RX"),
        (LinkState.READY, "None"),
        (LinkState.DEGRADED, "RX_STALE"),
        (LinkState.CLOSED, "DISCONNECTED"),
    ]


def test_malformed_replies_degrade_and_a_good_one_heals() -> None:
    session = TrinitySession(at(0))
    session.receive_data(OK_SYNC, at(1))
    session.receive_data(b'{"torn":\n{"torn":\n', at(2))
    assert session.health is Health.RX_HEALTHY
    session.receive_data(b"{\xff}\n", at(3))
    assert session.health is Health.RX_MALFORMED
    session.receive_data(OK_SYNC, at(4))
    assert session.health is Health.RX_HEALTHY
    states = [event.state for event in events(session) if isinstance(event, StateChanged)]
    assert states == [LinkState.HANDSHAKE, LinkState.READY, LinkState.DEGRADED, LinkState.READY]
    assert session.counters().bad_frames == 3
    assert session.counters().frames_in == 2


def test_unknown_replies_are_kept_by_kind_and_bounded() -> None:
    session = TrinitySession(at(0))
    for number in range(100):
        session.receive_data(b'{"type":"kind%d","success":true}\n' % number, at(number))
        session.receive_data(b"[I] frame %d\n" % number, at(number))
    session.receive_data(b'{"type":"\\ud800\\u001b"}\n{"a":1}\n', at(200))
    assert len(session.unknown_replies) <= 33
    assert session.unknown_replies["text"] == 100
    assert sum(session.unknown_replies.values()) == 202
    assert all(kind.isprintable() for kind in session.unknown_replies)


def test_a_node_that_boots_is_left_alone_then_stopped_and_started_again() -> None:
    bench = Bench()
    bench.session.follow(plan(120), at(0))
    bench.run(at(3_000))
    events(bench.session)
    bench.console = LightwaveConsole()
    bench.session.receive_data(b"ESP-ROM:esp32s3\r\nrst:0x3 (SW)\r\n", at(3_000))
    resets = [event for event in events(bench.session) if isinstance(event, NodeReset)]
    assert len(resets) == 1
    assert bench.session.counters().resets == 1
    before = len(bench.sent)
    bench.run(at(8_000))
    assert bench.sent[before][0] == at(3_000) + DRAIN_NS
    assert [line for _, line in bench.sent[before : before + 2]] == [STOP, start_line(120)]
    assert bench.console.external


def test_identified_is_the_first_event() -> None:
    first = events(TrinitySession(at(0), firmware="3.1"))[0]
    assert isinstance(first, NodeIdentified)
    assert (first.info.dialect, first.info.firmware, first.info.unique_id) == ("trinity", "3.1", None)


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([OK_SYNC, b"{\n", b"\n", b"rst:0x1\n"])), max_size=12), st.integers(1, 7))
def test_any_chunking_gives_the_same_lines_and_counts(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)
    whole, parts = TrinitySession(at(0)), TrinitySession(at(0))
    whole.receive_data(data, at(5))
    for start in range(0, len(data), size):
        parts.receive_data(data[start : start + size], at(5))
    assert whole.counters() == parts.counters()
    assert whole.unknown_replies == parts.unknown_replies
    assert whole.data_to_send(at(6)) == parts.data_to_send(at(6))
    assert whole.next_deadline() == parts.next_deadline()
