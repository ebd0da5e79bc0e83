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
