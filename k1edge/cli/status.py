"""`k1edge status`: how the running daemon is, as a table, as JSON, once or again and again."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from k1edge.cli.client import fetch
from k1edge.cli.options import ConfigOption, JsonOption, settings_from
from k1edge.errors import K1EdgeError, PeerError
from k1edge.report.places import socket_candidates
from k1edge.snapshot import SNAPSHOT_VERSION, Snapshot


def status(
    *,
    as_json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", min=0.05, max=3600, metavar="S", help="Seconds between looks with --watch.")
    ] = 0.5,
    socket: Annotated[
        str | None, typer.Option("--socket", metavar="PATH", help="Where the daemon listens; otherwise as configured.", show_default=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Show how the running daemon is: sound, beat, node, drift, delays.

    Values are signed, + = late or fast; "-" means that there is no data. With --json --watch, one object per line.
    """
    path = str(Path(socket).absolute()) if socket else None
    paths = socket_candidates(settings_from(config, {"status.socket": path}), os.environ)
    show = _print_json if as_json else _draw
    try:
        show(paths, watch=watch, interval_s=interval)
    except KeyboardInterrupt:  # how --watch is meant to end
        raise typer.Exit(0 if watch else 1) from None


def _print_json(paths: Sequence[Path], *, watch: bool, interval_s: float) -> None:
    print(fetch(paths, "/status").decode(), flush=True)
    while watch:
        time.sleep(interval_s)
        print(fetch(paths, "/status").decode(), flush=True)


def _draw(paths: Sequence[Path], *, watch: bool, interval_s: float) -> None:
    from rich.console import Console  # noqa: PLC0415 - scripts that ask for JSON do not pay for it
    from rich.live import Live  # noqa: PLC0415 - as above

    from k1edge.cli.status_table import table, unreachable  # noqa: PLC0415 - as above

    console = Console()
    if not watch:
        console.print(table(read(paths)))
        return
    with Live(table(read(paths)), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(interval_s)
            try:
                live.update(table(read(paths)), refresh=True)
            except K1EdgeError as error:  # it may come back
                live.update(unreachable(str(error)), refresh=True)


def read(paths: Sequence[Path]) -> Snapshot:
    """Return the picture now.

    Raises:
        K1EdgeError: as `client.fetch`; also when the daemon is of another version.
    """
    body = fetch(paths, "/status")
    try:
        return Snapshot.model_validate_json(body)
    except ValidationError as error:
        msg = f"the daemon's status is not of version {SNAPSHOT_VERSION}, which this command reads; restart the daemon, or use --json"
        raise PeerError(msg) from error
