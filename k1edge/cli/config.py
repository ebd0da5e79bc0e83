"""`k1edge config`: what is in force and where each value comes from, whether a file is right, and a file to start from."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from k1edge.cli.options import ConfigOption, JsonOption
from k1edge.config import SECRETS, Resolved, files_for, resolve, sample_toml, user_file
from k1edge.errors import ConfigError, DeviceError

config = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@config.command()
def show(*, as_json: JsonOption = False, config_file: ConfigOption = None) -> None:
    """Show every value in force and where it comes from."""
    found = resolve(config_file, os.environ, {})
    values = _flat(found)
    if as_json:
        print(json.dumps({name: {"value": value, "from": str(found.origins[name])} for name, value in values.items()}))
        return
    width = max(len(f"{name} = {json.dumps(value)}") for name, value in values.items())
    for name, value in values.items():
        print(f"{f'{name} = {json.dumps(value)}':<{width}}  # {found.origins[name]}")


@config.command()
def check(*, as_json: JsonOption = False, config_file: ConfigOption = None) -> None:
    """Check files and environment.

    Exit 78 when something is wrong, and each fault with its file, line and key, or its variable.
    """
    try:
        found = resolve(config_file, os.environ, {})
    except ConfigError as error:
        if not as_json:
            raise
        print(json.dumps({"ok": False, "problems": str(error).splitlines()}))
        raise typer.Exit(ConfigError.exit_code) from error
    if as_json:
        print(json.dumps({"ok": True, "files": [str(path) for path in found.files], "problems": []}))
    else:
        changed = sum(origin.kind != "default" for origin in found.origins.values())
        print(f"right: {', '.join(map(str, found.files)) or 'no file'}; {changed} of {len(found.origins)} values are not the default")


@config.command()
def path(*, as_json: JsonOption = False, config_file: ConfigOption = None) -> None:
    """Tell which files are looked at, weakest first."""
    files = files_for(config_file, os.environ)
    if as_json:
        print(json.dumps([{"path": str(each), "exists": each.exists()} for each in files]))
        return
    for each in files:
        print(f"{each}{'' if each.exists() else '  (not there)'}")


@config.command()
def init(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Where to; otherwise your own file.", show_default=False)] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Write over what is there.")] = False,
) -> None:
    """Write a sample file.

    Every key is in it, commented at its default.
    """
    target = file or user_file(os.environ)
    if target is None:
        msg = "there is no home directory to write to; name a FILE"
        raise ConfigError(msg)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("w" if force else "x", encoding="utf-8") as out:
            out.write(sample_toml())
    except OSError as error:
        known = isinstance(error, FileExistsError) and target.exists()
        msg = f"{target} is there already; --force writes over it" if known else f"{target} can't be written: {error.strerror}"
        raise DeviceError(msg) from error
    print(target)


def _flat(found: Resolved) -> dict[str, object]:
    tables = found.settings.model_dump()
    flat = {f"{section}.{key}": value for section, table in tables.items() for key, value in table.items()}
    return {name: "(not shown)" if name in SECRETS and value else value for name, value in flat.items()}
