"""Reads one TOML file and remembers on which line each key stands, which tomllib does not tell."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k1edge.errors import ConfigError

_MOST_BYTES = 1_000_000
"""No configuration of ours is near this; a wrong path to a song or a device is."""

_HEADER = re.compile(r"^\s*\[+\s*(?P<name>[^\[\]#]+?)\s*\]+")
_KEY = re.compile(r"""^\s*(?P<name>(?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_INLINE = re.compile(r"""[{,]\s*(?P<name>[\w-]+|"[^"]*"|'[^']*')\s*=""")
_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A parsed file.

    Attributes:
        values: as tomllib gives them.
        lines: line of each `section.key` and section, from 1.
    """

    values: dict[str, Any]
    lines: dict[str, int]

    def line_of(self, name: str) -> int:
        """Line of a key; of its section where the key itself was not seen."""
        return self.lines.get(name) or self.lines.get(name.partition(".")[0], 1)


def read_toml(path: Path, *, must_exist: bool) -> TomlFile | None:
    """Read `path`; None when it is not there and need not be.

    Raises:
        ConfigError: unreadable, not UTF-8, or no TOML; names the file and, where there is one, the line.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if not must_exist:
            return None
        raise ConfigError(f'{path}: no such file; "k1edge config init" writes one') from error  # noqa: EM102, TRY003 - said once
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error  # noqa: EM102, TRY003 - said once
    if len(raw) > _MOST_BYTES:
        raise ConfigError(f"{path}: over {_MOST_BYTES} bytes, so no configuration of k1edge")  # noqa: EM102, TRY003 - said once
    return _parse(path, raw)


def _parse(path: Path, raw: bytes) -> TomlFile:
    try:
        text = raw.decode("utf-8")
        return TomlFile(tomllib.loads(text), _key_lines(text))
    except UnicodeDecodeError as error:
        line, words = raw.count(b"\n", 0, error.start) + 1, "not UTF-8"
    except tomllib.TOMLDecodeError as error:
        words = str(error)
        seen = _AT_LINE.search(words)
        line = int(seen[1]) if seen else raw.count(b"\n") + 1
        words = "not TOML: " + _AT_LINE.sub("", words)
    except RecursionError:
        line, words = 1, "nested too deeply"
    raise ConfigError(f"{path}:{line}: {words}")  # noqa: EM102, TRY003 - said once


def _key_lines(text: str) -> dict[str, int]:
    """Find the line of each key; first mention wins. Good to one level of tables, which is all we have."""
    found: dict[str, int] = {}
    section, quote = "", ""
    for number, line in enumerate(text.splitlines(), start=1):
        if quote:  # inside a text of several lines nothing is a key
            quote = "" if quote in line else quote
            continue
        header, key = _HEADER.match(line), _KEY.match(line)
        if header:
            section = _joined(header["name"])
            found.setdefault(section, number)
        elif key:
            name = _joined(f"{section}.{key['name']}" if section else key["name"])
            found.setdefault(name.partition(".")[0], number)
            found.setdefault(name, number)
            for inner in _INLINE.finditer(line, key.end()):
                found.setdefault(_joined(f"{name}.{inner['name']}"), number)
            quote = next((mark for mark in ('"""', "'''") if line.count(mark) % 2), "")
    return found


def _joined(dotted: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in dotted.split("."))
