"""The table of peers, as strangers fill it. Times are arguments; nothing is on any network."""

from ipaddress import ip_address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.report.peer_table import (
    LONGEST_TTL_S,
    MOST_ADDRESSES,
    MOST_PEERS,
    MOST_WORD,
    Heard,
    PeerTable,
    Questions,
    peer_of,
    plain,
    reachable,
    read_txt,
    sayable,
    static_peer,
    urls,
)
from k1edge.timebase import NS_PER_S, HostTime


def at(seconds: float) -> HostTime:
    return HostTime(round(seconds * NS_PER_S))


def txt(**words: str) -> bytes:
    entries = [f"{key}={value}".encode() for key, value in words.items()]
    return b"".join(bytes([len(entry)]) + entry for entry in entries)


def heard(instance: str = "k1edge kitchen", seen_s: float = 0.0, ttl_s: float = 120.0, **more: object) -> Heard:
    told = {"host": "h.local.", "port": 19_249, "txt": txt(name="kitchen", id="k1e-1"), "addresses": ("10.0.0.7",)} | more
    return Heard(instance=instance, at_ns=at(seen_s), ttl_s=ttl_s, **told)  # type: ignore[arg-type]


def names(table: PeerTable, seconds: float) -> list[str]:
    return [peer.instance for peer in table.listed(at(seconds))]


def test_what_was_heard_is_listed_with_its_age() -> None:
    table = PeerTable()
    words = txt(txtvers="1", id="k1e-1", version="0.1.0", proto="1", path="/t", name="kitchen", tls="1")
    table.hear([heard(txt=words, addresses=("fe80::1%eth0", "fd00::7", "10.0.0.7"), seen_s=3.0)], at(3.0))
    (peer,) = table.listed(at(10.0))
    assert (peer.instance, peer.name, peer.id, peer.version, peer.proto) == ("k1edge kitchen", "kitchen", "k1e-1", "0.1.0", "1")
    assert (peer.source, peer.age_s, peer.port) == ("mdns", 7.0, 19_249)
    assert urls(peer) == ["wss://10.0.0.7:19249/t", "wss://[fd00::7]:19249/t", "wss://[fe80::1%eth0]:19249/t"]


def test_fault_43_a_peer_that_crashed_is_gone_after_its_ttl_and_never_later_than_ours() -> None:
    table = PeerTable()
    table.hear([heard("short", ttl_s=5.0), heard("boasting", ttl_s=2.0**31)], at(0.0))
    assert names(table, 4.9) == ["boasting", "short"]
    assert names(table, 5.0) == ["boasting"]
    assert names(table, LONGEST_TTL_S) == []


def test_hearing_it_again_renews_it_and_a_goodbye_ends_it() -> None:
    table = PeerTable()
    table.hear([heard(ttl_s=5.0)], at(0.0))
    table.hear([heard(ttl_s=5.0, seen_s=4.0)], at(4.0))
    assert names(table, 8.9) == ["k1edge kitchen"]
    table.lose("K1Edge Kitchen")
    assert names(table, 5.0) == []


def test_what_a_new_radio_has_not_heard_yet_stays() -> None:
    table = PeerTable()
    table.hear([heard()], at(0.0))
    table.hear([], at(60.0))
    assert names(table, 60.0) == ["k1edge kitchen"]


def test_fault_39_names_that_would_break_our_own_questions_are_told_apart() -> None:
    assert sayable("k1edge kitchen._k1edge._tcp.local.")
    assert sayable("x" * 63 + "._k1edge._tcp.local.")
    assert not sayable("\N{REPLACEMENT CHARACTER}" * 63 + "._k1edge._tcp.local.")
    assert not sayable(".".join(["x" * 60] * 5))


def test_fault_39_a_crowd_is_kept_out_and_those_within_stay() -> None:
    table = PeerTable()
    table.hear([heard("first", seen_s=1.0)], at(1.0))
    crowd = [heard(f"fake {number}", seen_s=1.0) for number in range(10 * MOST_PEERS)]
    table.hear(crowd, at(1.0))
    assert len(names(table, 2.0)) == MOST_PEERS
    assert "first" in names(table, 2.0)
    assert table.crowded_out == 9 * MOST_PEERS + 1
    table.hear([heard("first", seen_s=60.0)], at(60.0))
    assert table.crowded_out == 0


@given(st.binary(max_size=2_000))
def test_fault_39_any_txt_gives_few_plain_words(raw: bytes) -> None:
    words = read_txt(raw)
    assert sum(len(value) for value in words.values()) <= len(raw)
    assert all(value.isprintable() and 0 < len(value) <= MOST_WORD for value in words.values())


@given(st.text(), st.text(), st.integers(-1, 70_000), st.lists(st.one_of(st.text(), st.ip_addresses().map(str)), max_size=20))
def test_fault_39_hostile_words_never_get_through(instance: str, name: str, port: int, addresses: list[str]) -> None:
    raw = name.encode("utf-8", "replace")[:200]
    peer = peer_of(heard(instance, port=port, addresses=tuple(addresses), txt=txt(path=raw.decode("utf-8", "ignore"))))
    if peer is None:
        return
    assert 1 <= peer.port <= 65_535
    assert 1 <= len(peer.addresses) <= MOST_ADDRESSES
    assert not any(ip_address(address).is_loopback or ip_address(address).is_multicast for address in peer.addresses)
    assert peer.path.startswith("/")
    assert all(each.isprintable() and len(each) <= MOST_WORD for each in (peer.instance, peer.name, peer.path))


def test_terminals_and_pages_are_not_written_on() -> None:
    assert plain("\x1b[31mred\u202eder\n\x00\u200b") == "[31mredder"
    assert plain("x" * 1_000) == "x" * MOST_WORD
    assert plain("Küche 🎶") == "Küche 🎶"


@pytest.mark.parametrize("path", ["", "telemetry", "/a b", "/?x=1", "/a#b", "/ü", "//evil\\x"])
def test_a_path_that_is_none_is_the_usual_one(path: str) -> None:
    peer = peer_of(heard(txt=txt(path=path)))
    assert peer is not None
    assert peer.path == "/telemetry"


def test_addresses_that_lead_to_ourselves_or_nowhere_are_not_addresses() -> None:
    assert reachable(["127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.251", "ff02::fb", "", "x", "10.0.0.1", "10.0.0.1"]) == ("10.0.0.1",)  # noqa: S104 - nothing is bound
    assert peer_of(heard(addresses=("127.0.0.1",))) is None
    assert peer_of(heard(port=0)) is None


def test_txt_first_of_a_kind_counts_and_half_an_entry_is_none() -> None:
    assert read_txt(txt(name="one") + txt(NAME="two", flag="") + b"\x04name" + b"\x03=xy") == {"name": "one"}
    assert read_txt(b"\xffname=cut") == {"name": "cut"}


def test_static_peers_stand_beside_those_heard() -> None:
    table = PeerTable(["10.0.0.7:19249", "[fd00::6]:1", "stage.local:2", "stage.local:2"])
    assert names(table, 0.0) == ["10.0.0.7:19249", "[fd00::6]:1", "stage.local:2"]
    table.hear([heard()], at(0.0))
    listed = table.listed(at(0.0))
    assert [(peer.instance, peer.source) for peer in listed] == [
        ("[fd00::6]:1", "static"), ("k1edge kitchen", "mdns"), ("stage.local:2", "static")
    ]  # fmt: skip
    assert urls(static_peer("[fd00::6]:1")) == ["ws://[fd00::6]:1/telemetry"]
    assert urls(static_peer("[fe80::6%eth0]:1")) == ["ws://[fe80::6%eth0]:1/telemetry"]


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=60))
def test_questions_are_asked_at_doubling_intervals_and_stop_when_answered(steps: list[tuple[int, bool]]) -> None:
    questions, now, asked = Questions(), 0, []
    for pause_s, wanted in steps:
        now += pause_s
        if questions.due(["x"] if wanted else [], at(now)):
            asked.append(now)
        if not wanted:
            asked.clear()
        gaps = [later - earlier for earlier, later in pairwise(asked)]
        assert all(gap >= min(2**number, 60) for number, gap in enumerate(gaps))


def test_questions_come_at_once_and_are_bounded() -> None:
    questions = Questions()
    assert len(questions.due((str(number) for number in range(1_000)), at(0.0))) == MOST_PEERS
    assert [second for second in range(200) if Questions.due(questions, ["new"], at(second))] == [0, 1, 3, 7, 15, 31, 63, 123, 183]
