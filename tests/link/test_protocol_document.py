"""`firmware_bridge/PROTOCOL.md` says what the code does: its tables, its numbers and its worked frames, byte for byte."""

import importlib.util
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from k1edge.link.k1link.framing import OVERHEAD, Frame, FrameDecoder, encode, unstuff
from k1edge.link.k1link.messages import MESSAGES, SLOTS, Message, Refusal, parse

DOCUMENT = (Path(__file__).parents[2] / "firmware_bridge" / "PROTOCOL.md").read_text(encoding="utf-8")
ROOMS = ("k1edge.link.k1link", "k1edge.link.node", "k1edge.link")
"""Where `module.NAME` is looked up, first match."""

BOOT_TEXT = b"ESP-ROM:esp32s3-20210327\r\nGuru Meditation Error: Core 0 panic'ed\r\n"
SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "u8[8]": 8, "char[16]": 16, "char[24]": 24}


@dataclass(frozen=True)
class Row:
    """One field of a message; `slot` = bytes from one slot to the next, 0 outside of slots."""

    offset: int
    slot: int
    type: str
    name: str


@dataclass(frozen=True)
class Section:
    """One message as the document has it."""

    number: int
    name: str
    sender: str
    size: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Worked:
    """One worked frame."""

    name: str
    session: int
    seq: int
    fields: dict[str, Any]
    wire: bytes


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def read_sections() -> list[Section]:
    found = []
    for part in re.split(r"^### ", DOCUMENT, flags=re.MULTILINE)[1:]:
        head = re.match(r"0x(\w\w) ([A-Z_]+): (host|node), (?:config|beats|clock|reports), (\d+) bytes?", part)
        assert head is not None, part.splitlines()[0]
        rows = []
        for line in re.findall(r"^\| \d.*$", re.split(r"^## ", part, flags=re.MULTILINE)[0], flags=re.MULTILINE):
            offset, kind, name = cells(line)[:3]
            start, _, slot = offset.partition(" + ")
            rows.append(Row(int(start), int(slot.removesuffix(" i") or 0), kind, name))
        found.append(Section(int(head[1], 16), head[2], head[3], int(head[4]), tuple(rows)))
    return found


def read_frames() -> list[Worked]:
    found = []
    for fence in re.findall(r"^```frames\n(.*?)^```", DOCUMENT, flags=re.MULTILINE | re.DOTALL):
        lines = fence.splitlines()
        for said, wire in zip(lines[::2], lines[1::2], strict=True):
            name, session, seq, fields = said.split(" ", 3)
            found.append(Worked(name, int(session), int(seq), json.loads(fields), bytes.fromhex(wire)))
    return found


def read_numbers() -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in map(cells, re.findall(r"^\| \w+\.[A-Z0-9_]+ .*$", DOCUMENT, flags=re.MULTILINE))]


SECTIONS = read_sections()
FRAMES = read_frames()
NUMBERS = read_numbers()


def name_of(kind: int) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", MESSAGES[kind].__name__).upper()


def message_of(wire: bytes) -> tuple[Frame, Message]:
    (frame,) = FrameDecoder().receive(wire)
    message = parse(frame)
    assert isinstance(message, MESSAGES[frame.type])
    return frame, message


def plain(value: object) -> object:
    """A field as JSON has it."""
    if isinstance(value, bytes):
        return value.hex()
    return [list(slot) for slot in value] if isinstance(value, tuple) else value


def value_at(payload: bytes, offset: int, kind: str) -> object:
    if kind == "char[]":
        return payload[offset:].decode()
    raw = payload[offset : offset + SIZES[kind]]
    assert len(raw) == SIZES[kind]
    if kind == "u8[8]":
        return raw
    return raw.rstrip(b"\0").decode() if kind.startswith("char") else int.from_bytes(raw, "little")


def test_nothing_was_overlooked() -> None:
    assert {section.number: section.name for section in SECTIONS} == {kind: name_of(kind) for kind in MESSAGES}
    assert {frame.name for frame in FRAMES} == {section.name for section in SECTIONS}
    assert len(NUMBERS) > 50
    assert len(dict(NUMBERS)) == len(NUMBERS)


@pytest.mark.parametrize("worked", FRAMES, ids=lambda worked: worked.name)
def test_worked_frames_decode_to_what_is_said_of_them_and_back(worked: Worked) -> None:
    frame, message = message_of(worked.wire)
    assert (name_of(frame.type), frame.session, frame.seq, frame.flags) == (worked.name, worked.session, worked.seq, 0)
    assert {name: plain(getattr(message, name)) for name in asdict(message)} == worked.fields
    assert encode(Frame(message.TYPE, worked.session, worked.seq, message.encode())) == worked.wire


@pytest.mark.parametrize("worked", FRAMES, ids=lambda worked: worked.name)
def test_worked_frames_survive_their_surroundings(worked: Worked) -> None:
    (alone,) = FrameDecoder().receive(worked.wire)
    for before, after in ((b"", b""), (BOOT_TEXT, b""), (b"", BOOT_TEXT), (BOOT_TEXT, worked.wire[:7])):
        stream = before + worked.wire + after
        for step in (1, len(stream)):
            decoder = FrameDecoder()
            got = [frame for at in range(0, len(stream), step) for frame in decoder.receive(stream[at : at + step])]
            assert got == [alone]
            assert decoder.counters.bad_frames == bool(before)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_tables_have_the_sizes_and_no_gaps(section: Section) -> None:
    message = MESSAGES[section.number]
    assert (section.sender == "node") == bool(section.number & 0x80)
    assert section.size == message.LAYOUT.size
    spans = [
        (row.offset + i * row.slot, SIZES[row.type]) for row in section.rows if row.type in SIZES for i in range(SLOTS if row.slot else 1)
    ]
    end = 0
    for offset, size in sorted(spans):
        assert offset == end
        end = offset + size
    assert end == section.size
    for worked in (frame for frame in FRAMES if frame.name == section.name and section.size > 0):
        payload = message_of(worked.wire)[0].payload[: section.size - 1]
        assert parse(Frame(section.number, 1, 0, payload)) is Refusal.TOO_SHORT


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_tables_place_each_field_where_the_code_reads_it(section: Section) -> None:
    for worked in FRAMES:
        if worked.name != section.name:
            continue
        frame, message = message_of(worked.wire)
        for row in section.rows:
            group, _, name = row.name.partition("[i].")
            if row.name == "count":
                slots = next(value for value in worked.fields.values() if isinstance(value, list))
                assert value_at(frame.payload, row.offset, row.type) == len(slots)
            elif name:
                read = [value_at(frame.payload, row.offset + i * row.slot, row.type) for i in range(len(getattr(message, group)))]
                assert read == [getattr(slot, name) for slot in getattr(message, group)]
            else:
                assert value_at(frame.payload, row.offset, row.type) == getattr(message, row.name)
        covered = {row.name.partition("[")[0] for row in section.rows} - {"count"}
        assert covered == set(asdict(message))


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_worked_frames_can_tell_one_field_from_another(section: Section) -> None:
    payloads = [message_of(worked.wire)[0].payload for worked in FRAMES if worked.name == section.name]
    seen = [[(row.type, value_at(payload, row.offset, row.type)) for row in section.rows] for payload in payloads]
    assert any(len(set(values)) == len(values) for values in seen)


def test_the_frame_that_is_shown_without_cobs() -> None:
    shown = re.search(r"the PING is `([0-9a-f ]+)`", DOCUMENT)
    ping = next(frame for frame in FRAMES if frame.name == "PING")
    decoded = unstuff(ping.wire[1:-1])
    assert shown is not None
    assert decoded is not None
    assert bytes.fromhex(shown[1]) == decoded[:-4]
    assert len(decoded) == OVERHEAD + 12


def in_unit_of(symbol: str, text: str) -> float:
    number, _, unit = text.partition(" ")
    if not unit:
        return float(number)
    unit_ns = {"us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}[unit]
    return float(number) * unit_ns / {"NS": 1, "US": 1_000}[symbol.rsplit("_", 1)[1]]


def module_of(name: str) -> ModuleType:
    for room in ROOMS:
        if importlib.util.find_spec(f"{room}.{name}") is not None:
            return importlib.import_module(f"{room}.{name}")
    raise LookupError(name)


@pytest.mark.parametrize(("symbol", "said"), NUMBERS, ids=[symbol for symbol, _ in NUMBERS])
def test_numbers_are_those_of_the_code(symbol: str, said: str) -> None:
    module, name = symbol.split(".")
    assert in_unit_of(name, said) == pytest.approx(getattr(module_of(module), name), rel=1e-12)
