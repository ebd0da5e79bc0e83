"""The node's state machine: handshake, answers, reports, old sessions, and how it stops by itself."""

import pytest

from k1edge.link.k1link.messages import (
    Config,
    GetStats,
    Hello,
    HelloAck,
    Log,
    OtherMajor,
    Ping,
    Pong,
    Stats,
)
from k1edge.link.node.reports import NodeIdentity
from k1edge.timebase import NodeTime
from tests.link.node.node_host import TX, US, Host


@pytest.fixture
def host() -> Host:
    made = Host()
    made.hello()
    return made


def test_hello_is_answered_with_who_it_is() -> None:
    host = Host()
    host.now = 5000
    (ack,) = host.hello(nonce=77)
    assert isinstance(ack, HelloAck)
    assert (ack.nonce, ack.boot_id, ack.uptime_us, ack.unique_id, ack.led_tx_us, ack.queue_depth) == (77, 7, 4000, b"K1-00042", TX, 8)
    assert host.node.session == 5


def test_it_announces_itself_four_times_and_then_is_silent() -> None:
    host = Host(announce=True)
    told = []
    while (at := host.node.next_send()) is not None:
        host.now = at
        told += host.answers()
    assert [ack.nonce for ack in told] == [0, 0, 0, 0]
    assert host.now == 1000 + 1_500_000


def test_announcements_slept_through_are_not_made_up_for() -> None:
    host = Host(announce=True)
    host.now = 1000 + 1_100_000
    assert len(host.answers()) == 1
    assert host.node.next_send() == 1000 + 1_500_000


def test_nothing_is_taken_before_hello() -> None:
    host = Host()
    host.beats((1, 500_000))
    host.send(Ping(1, 1))
    assert host.answers() == []
    assert host.node.next_fire() is None
    assert host.node.refused == 2


def test_a_ping_is_stamped_on_arrival_and_on_leaving(host: Host) -> None:
    host.now = 2000
    host.send(Ping(3, 99))
    host.now = 2345
    assert host.answers() == [Pong(3, 99, 2000, 2345)]


def test_fault_08_a_new_session_drops_the_queue_and_a_repeated_hello_does_not(host: Host) -> None:
    host.beats((1, 500_000))
    assert len(host.hello(nonce=9)) == 1
    assert len(host.node.queue) == 1
    host.session = 6
    assert len(host.hello(nonce=10)) == 1
    assert len(host.node.queue) == 0
    host.session = 5
    host.beats((2, 600_000), revision=50)
    assert len(host.node.queue) == 0
    assert host.run_to(US) == {}


def test_it_finishes_what_is_queued_then_fades(host: Host) -> None:
    host.beats((1, 1_200_000), (2, 1_700_000))
    assert not host.node.is_idle(NodeTime(1_000 + 1_500_000))
    host.run_to(1_800_000)
    assert [flash.id for flash in host.flashes] == [1, 2]
    assert host.node.is_idle(NodeTime(1_800_000))
    host.send(Ping(1, 1))
    assert not host.node.is_idle(NodeTime(host.now))


@pytest.mark.parametrize("major", [0, 2])
def test_fault_19_a_hello_of_another_major_is_answered_but_starts_nothing(major: int) -> None:
    host = Host()
    host.send(Hello(3, major=major))
    (ack,) = host.answers()
    assert isinstance(ack, HelloAck)
    assert ack.nonce == 3
    assert host.node.session == 0


def test_an_old_node_names_its_own_major() -> None:
    host = Host(NodeIdentity(b"old", 1, major=0))
    (ack,) = host.hello(nonce=4)
    assert ack == OtherMajor(0, 0, 4)


def test_a_log_waits_for_a_session_and_the_newest_counts() -> None:
    host = Host()
    host.node.log(3, "panic")
    host.node.log(3, "Guru Meditation Error")
    assert host.answers() == []
    assert host.node.next_send() is None
    assert host.hello()[1:] == [Log(3, "Guru Meditation Error")]


def test_totals_and_uptime_are_those_of_the_moment_they_leave(host: Host) -> None:
    host.send(GetStats())
    host.send(Ping(1, 1))
    host.now = 5_000
    (stats, _) = host.answers()
    assert (stats.uptime_us, stats.frames_in) == (4_000, 3)


def test_config_leaves_what_it_does_not_name(host: Host) -> None:
    host.send(Config(brightness=200, refractory_ms=50))
    host.send(Config(fade_ms=400))
    assert host.node.config == Config(200, 50, 400)


def test_stats_and_log(host: Host) -> None:
    host.beats((1, 500_000))
    host.run_to(600_000)
    host.node.log(4, "warm")
    host.send(GetStats())
    answers = host.answers()
    assert Log(4, "warm") in answers
    (stats,) = (answer for answer in answers if isinstance(answer, Stats))
    assert (stats.fired, stats.missed, stats.queued, stats.queue_peak, stats.frames_in) == (1, 0, 0, 1, 3)
