"""Lays the layers over each other and says whose fault it is: a wrong value names file and line, variable or flag, and what is allowed.

Reads the files it is given and nothing else; the environment is an argument.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from k1edge.config.sample import rule
from k1edge.config.settings import SECRETS, SECTIONS, Settings, keys
from k1edge.config.toml_file import read_toml
from k1edge.errors import ConfigError

SYSTEM_FILE = Path("/etc/k1edge/k1edge.toml")

ENV_PREFIX = "K1EDGE_"

FLAGS = {
    "audio.device": "--device",
    "node.port": "--port",
    "node.offset_ms": "--offset-ms",
    "status.socket": "--socket",
    "daemon.state_dir": "--state-dir",
    "log.level": "--log-level",
    "log.format": "--log-format",
}
"""Keys that a command has a flag for."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from.

    Attributes:
        kind: which layer.
        name: the file, variable or flag; empty for a default.
        line: the line of the file, from 1; None elsewhere.
    """

    kind: Literal["default", "file", "environment", "flag"]
    name: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """As people read it: `/etc/k1edge/k1edge.toml:12`."""
        return f"{self.name}:{self.line}" if self.line is not None else self.name or self.kind


@dataclass(frozen=True, slots=True)
class Resolved:
    """Settings and where each came from.

    Attributes:
        settings: checked.
        origins: by `section.key`, every key.
        files: those that were read, in order; later ones win.
    """

    settings: Settings
    origins: Mapping[str, Origin]
    files: tuple[Path, ...]


@dataclass(slots=True)
class _Layers:
    """What has been laid down so far; complaints are collected so that one run names them all."""

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=lambda: {key: Origin("default") for key in keys()})
    complaints: list[str] = field(default_factory=list)

    def put(self, name: str, value: object, origin: Origin) -> None:
        """Lay `section.key` down, over whatever was there."""
        if name not in self.origins:
            self.complaints.append(f"{origin}: {_unknown(name)}")
            return
        section, _, key = name.partition(".")
        self.values.setdefault(section, {})[key] = value
        self.origins[name] = origin


def user_file(env: Mapping[str, str]) -> Path | None:
    """Return the user's own file, which need not exist; None where there is no home."""
    if env.get("XDG_CONFIG_HOME", "").startswith("/"):
        return Path(env["XDG_CONFIG_HOME"]) / "k1edge" / "k1edge.toml"
    return Path(env["HOME"]) / ".config" / "k1edge" / "k1edge.toml" if env.get("HOME") else None


def files_for(config_path: Path | None, env: Mapping[str, str], system_file: Path = SYSTEM_FILE) -> list[Path]:
    """List the files that count, weakest first; they need not exist unless `config_path` names one."""
    if config_path is not None:
        return [config_path]
    return [path for path in (system_file, user_file(env)) if path is not None]


def load(config_path: Path | None, env: Mapping[str, str], flags: Mapping[str, object], system_file: Path = SYSTEM_FILE) -> Settings:
    """Return the settings in force; see `resolve`."""
    return resolve(config_path, env, flags, system_file).settings


def resolve(config_path: Path | None, env: Mapping[str, str], flags: Mapping[str, object], system_file: Path = SYSTEM_FILE) -> Resolved:
    """Lay defaults, files, environment and flags over each other.

    Args:
        config_path: replaces the system's and the user's file, and must exist; None = those two, each if it is there.
        env: the environment; only K1EDGE_*, HOME and XDG_CONFIG_HOME are looked at.
        flags: values by `section.key`; None = flag not given.
        system_file: stands in for `SYSTEM_FILE` in tests.

    Raises:
        ConfigError: something is unknown, out of range or unreadable; one line for each, with its place and the cure.
    """
    layers = _Layers()
    files = []
    for path in files_for(config_path, env, system_file):
        table = read_toml(path, must_exist=config_path is not None)
        if table is not None:
            files.append(path)
            for name, value in _flat(table.values):
                layers.put(name, value, Origin("file", str(path), table.line_of(name)))
    for variable in sorted(name for name in env if name.startswith(ENV_PREFIX)):
        name = variable.removeprefix(ENV_PREFIX).lower().replace("__", ".", 1)
        layers.put(name, _typed(name, env[variable]), Origin("environment", variable))
    for name, value in flags.items():
        if value is not None:
            typed = _typed(name, str(value)) if isinstance(value, str | Path) else value
            layers.put(name, typed, Origin("flag", FLAGS.get(name, "--" + name.replace(".", "-").replace("_", "-"))))
    return Resolved(_checked(layers), layers.origins, tuple(files))


def _flat(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for section, content in table.items():
        if section in SECTIONS and isinstance(content, dict):
            for key, value in content.items():
                yield f"{section}.{key}", value
        else:
            yield section, content


def _typed(name: str, text: str) -> object:
    """Read a number where the key wants one, a list where it wants one; leave the text when it is none, for the check to refuse."""
    section, _, key = name.partition(".")
    wanted = SECTIONS[section].model_fields[key].annotation if name in keys() else str
    if get_origin(wanted) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        return wanted(text) if wanted in {int, float} else text
    except ValueError:
        return text


def _checked(layers: _Layers) -> Settings:
    try:
        settings = Settings.model_validate(layers.values)
    except ValidationError as error:
        layers.complaints += [_complaint(fault, layers) for fault in error.errors(include_url=False)]
    else:
        if not layers.complaints:
            return settings
    raise ConfigError("\n".join(layers.complaints))


def _complaint(fault: ErrorDetails, layers: _Layers) -> str:
    section, *rest = [str(step) for step in fault["loc"]]
    words = fault["msg"].removeprefix("Value error, ")
    if not rest:  # two keys contradict each other: blame the one laid down last
        named = [key for key in layers.values.get(section, {}) if key in words]
        return f"{layers.origins[f'{section}.{named[-1]}']}: [{section}] {words}"
    name = f"{section}.{rest[0]}"
    cure = words if fault["type"] == "value_error" else f"must be {rule(SECTIONS[section].model_fields[rest[0]])}"
    given = "(not shown)" if name in SECRETS else _shortened(fault["input"])
    return f"{layers.origins[name]}: {name} = {given}: {cure}"


def _shortened(value: object, most: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= most else text[: most - 3] + "..."


def _unknown(name: str) -> str:
    section, _, key = name.partition(".")
    if section not in SECTIONS:
        near = difflib.get_close_matches(section, list(SECTIONS), 1, 0.5)
        exact = [known for known in keys() if known.partition(".")[2] == section]
        hint = f"; did you mean {exact[0]}?" if exact else f"; did you mean [{near[0]}]?" if near else ""
        return f"unknown section or key {_plain(name)}{hint} (sections: {', '.join(SECTIONS)})"
    if not key:
        return f"{section} is a section: write [{section}] and its keys below"
    known = list(SECTIONS[section].model_fields)
    near = difflib.get_close_matches(key, known, 1, 0.5)
    hint = f"; did you mean {section}.{near[0]}?" if near else ""
    return f"unknown key {_plain(name)}{hint} (keys of [{section}]: {', '.join(known)})"


def _plain(name: str) -> str:
    return name if name.isprintable() and len(name) <= 80 else _shortened(name)
