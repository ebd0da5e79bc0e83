import pytest

from k1edge.report.sieve import MOST_PACKET_BYTES, MOST_SENDERS, PACKET_COST_BYTES, Sieve
from k1edge.timebase import NS_PER_S, HostTime


def admitted(sieve: Sieve, sender: str, size: int, packets: int, seconds: float, start_s: float = 0.0) -> int:
    times = (start_s + seconds * number / packets for number in range(packets))
    return sum(sieve.admits(sender, size, HostTime(round(at * NS_PER_S))) for at in times)


@pytest.mark.parametrize("size", [0, 100, 1_400])
def test_fault_39_one_that_floods_gets_its_share_and_the_others_theirs(size: int) -> None:
    sieve = Sieve(rate=96_000.0, burst_s=2.0)
    cost = size + PACKET_COST_BYTES
    flood = admitted(sieve, "10.0.0.66", size, 100_000, 10.0)
    assert flood == pytest.approx(12.0 * 24_000 / cost, rel=0.05)
    assert admitted(sieve, "10.0.0.7", 300, 20, 1.0, start_s=10.0) == 20
    assert sieve.dropped == 100_000 - flood


def test_fault_39_a_flood_of_many_senders_is_bounded_in_sum() -> None:
    sieve = Sieve(rate=96_000.0, burst_s=2.0)
    let_in = sum(sieve.admits(f"10.0.{n // 250}.{n % 250}", 100, HostTime(n * NS_PER_S // 5_000)) for n in range(50_000))
    assert let_in * (100 + PACKET_COST_BYTES) <= 12.0 * 96_000
    assert len(sieve._senders) <= MOST_SENDERS


def test_an_ordinary_lan_is_heard_in_full() -> None:
    sieve = Sieve()
    assert admitted(sieve, "10.0.0.1", 400, 300, 10.0) == 300
    assert not sieve.admits("10.0.0.2", MOST_PACKET_BYTES + 1, HostTime(0))
