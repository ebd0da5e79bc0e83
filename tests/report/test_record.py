import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.errors import PeerError
from k1edge.report.record import MOST_LINE_BYTES, Header, Lines, Writer, part_name, read_entry, read_header
from k1edge.report.telemetry import HostSigns, telemetry_of
from tests.report.scene import SNAPSHOT

HEADER = Header("0.1.0", 1_800_000_000_000.0, 1, ("stage", "wall"))


def message(seq: int) -> dict[str, Any]:
    return telemetry_of(SNAPSHOT, seq, 0, HostSigns()).model_dump(mode="json")


def written(count: int, *, compressed: bool) -> bytes:
    writer = Writer(compressed=compressed)
    data = writer.header(HEADER)
    for n in range(count):
        data += writer.entry(n / 10, "stage", message(n)) + writer.flush()
    data += writer.end()
    assert writer.made_bytes == len(data)
    return data


FILES = {compressed: written(6, compressed=compressed) for compressed in (False, True)}


def lines_of(data: bytes, cuts: list[int] | None = None) -> list[bytes]:
    lines, found, at = Lines(), [], 0
    for cut in [*sorted(cuts or []), len(data)]:
        found += list(lines.feed(data[at:cut]))
        at = cut
    return found


@pytest.mark.parametrize("compressed", [False, True])
@given(cuts=st.lists(st.integers(0, 3_000), max_size=12))
def test_what_was_written_is_read_however_it_is_cut(compressed: bool, cuts: list[int]) -> None:
    first, *others = lines_of(FILES[compressed], cuts)
    assert read_header(first) == HEADER
    entries = [read_entry(line) for line in others]
    assert [(entry.at_s, entry.peer, entry.message.seq) for entry in entries] == [(n / 10, "stage", n) for n in range(6)]


@pytest.mark.parametrize("compressed", [False, True])
@given(st.data())
def test_fault_47_a_file_that_breaks_off_anywhere_is_read_up_to_there(compressed: bool, data: st.DataObject) -> None:
    whole = FILES[compressed]
    end = data.draw(st.integers(0, len(whole)))
    found = lines_of(whole[:end])
    assert found == lines_of(whole)[: len(found)]
    if not compressed:
        assert len(found) == whole[:end].count(b"\n")


def test_each_flush_makes_everything_before_it_readable() -> None:
    writer = Writer(compressed=True)
    data = writer.header(HEADER)
    for n in range(5):
        data += writer.entry(n / 10, "stage", message(n)) + writer.flush()
        assert len(lines_of(data)) == n + 2


def test_it_is_what_gzip_reads_and_what_gzip_joins() -> None:
    assert gzip.decompress(FILES[True]) == FILES[False]
    assert len(lines_of(FILES[True] * 3, [100, 5_000])) == 21


@given(st.binary(max_size=300))
def test_fault_39_any_bytes_are_lines_or_damage(data: bytes) -> None:
    for begin in (b"", b"\x1f\x8b\x08"):
        for line in lines_of(begin + data):
            for reader in (read_header, read_entry):
                with pytest.raises(PeerError):
                    reader(line)


def test_fault_39_an_endless_line_and_a_bomb_cost_no_memory() -> None:
    lines = Lines()
    bomb = gzip.compress(bytes(50_000_000))
    assert list(lines.feed(bomb)) == []
    assert len(lines._open) <= MOST_LINE_BYTES + (1 << 16)
    assert [*lines.feed(gzip.compress(b"\nnext\n"))] == [b"next"]
    assert lines.overlong == 1


@pytest.mark.parametrize(
    "line",
    [
        b"", b"[]", b"{}", b"not JSON", b"[" * 100_000, b'{"at_s":1,"peer":"x","message":{}}', b'{"at_s":-1,"peer":"x"}', b'{"at_s":NaN,"peer":"x"}',
        b'{"at_s":1,"peer":5}',
    ],
)  # fmt: skip
def test_fault_39_lines_that_are_none_are_refused(line: bytes) -> None:
    for reader in (read_header, read_entry):
        with pytest.raises(PeerError):
            reader(line)


def test_a_later_form_is_named() -> None:
    line = json.dumps({"k1edge_record": 2, "started_wall_ms": 0, "part": 1, "peers": []}).encode()
    with pytest.raises(PeerError, match="of form 2"):
        read_header(line)


def test_names_of_parts() -> None:
    assert [part_name("a.jsonl.gz", part) for part in (1, 2, 3)] == ["a.jsonl.gz", "a-2.jsonl.gz", "a-3.jsonl.gz"]
    assert part_name("a", 2) == "a-2"
