"""Options that several commands share, and how they become settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from k1edge.config import Settings, load

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Read this file instead of the system's and your own.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


def settings_from(config: Path | None, flags: Mapping[str, object]) -> Settings:
    """Return the settings in force for this process; flags by `section.key`, None = not given."""
    return load(config, os.environ, flags)


def delay_range(text: str) -> tuple[float, float]:
    """Read "1-3" or "2", in ms: shortest and longest.

    Raises:
        typer.BadParameter: it is no delay, or one over 1 s.
    """
    low, _, high = text.partition("-")
    try:
        found = float(low), float(high or low)
    except ValueError:
        found = (-1.0, -1.0)
    if not 0.0 <= found[0] <= found[1] <= 1_000.0:
        msg = f"{text!r} is no delay; give two numbers of ms such as 1-3, at most 1000"
        raise typer.BadParameter(msg, param_hint="--delay")
    return found
