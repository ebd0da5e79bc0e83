"""`k1edge peers`: who else is on the LAN, as the daemon of this host knows it, or as this command hears it itself."""

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from k1edge.cli.options import ConfigOption, JsonOption, settings_from
from k1edge.cli.status import read
from k1edge.config import NetworkSettings
from k1edge.errors import DeviceError, K1EdgeError
from k1edge.report.places import socket_candidates
from k1edge.snapshot import PeerStatus

NOBODY = """\
No other k1edge was found. Is one running there, and its network.bind not "off"? Is it in this network? A router does not pass multicast on,
and many a Wi-Fi keeps it back: name such a peer in network.peers, as host:port."""


def peers(
    *,
    as_json: JsonOption = False,
    seconds: Annotated[float, typer.Option(min=0.5, max=3600, metavar="S", help="How long to listen where no daemon is running.")] = 4.0,
    socket: Annotated[
        str | None, typer.Option("--socket", metavar="PATH", help="Where the daemon listens; otherwise as configured.", show_default=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Show the other k1edge daemons on the LAN, and those named in network.peers.

    Asks the daemon of this host; without one it listens itself, for a while. With --json, one object.
    """
    path = str(Path(socket).absolute()) if socket else None
    settings = settings_from(config, {"status.socket": path})
    try:
        network = read(socket_candidates(settings, os.environ)).network
    except K1EdgeError:
        network = None
    found = _listen(settings.network, seconds, quiet=as_json) if network is None else network.peers
    if as_json:
        told = {
            "source": "lan" if network is None else "daemon",
            "announced": None if network is None else network.announced,
            "peers": [peer.model_dump(mode="json") for peer in found],
        }
        print(json.dumps(told))
        return
    _draw(found, None if network is None else network.announced)


def _listen(settings: NetworkSettings, seconds: float, *, quiet: bool) -> tuple[PeerStatus, ...]:
    try:
        from k1edge.report.browse import browse  # noqa: PLC0415 - only where no daemon has it
    except ImportError as error:
        msg = f"{error.name} can't be loaded; install k1edge anew"
        raise DeviceError(msg) from error

    async def gather() -> tuple[PeerStatus, ...]:
        found: tuple[PeerStatus, ...] = ()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), contextlib.aclosing(browse(settings)) as changes:
                async for everybody in changes:
                    found = everybody
        return found

    from rich.console import Console  # noqa: PLC0415 - scripts that ask the daemon do not pay for it

    try:
        with Console(stderr=True, quiet=quiet).status(f"no daemon to ask; listening for {seconds:g} s"):
            return asyncio.run(gather())
    except OSError as error:
        msg = f"multicast DNS can't be had here: {error.strerror or error}"
        raise DeviceError(msg) from error


def _draw(found: tuple[PeerStatus, ...], announced: str | None) -> None:
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    console = Console()
    if announced is not None:
        console.print(Text(f'This one is seen as "{announced}".', style="dim"))
    if not found:
        console.print(Text(NOBODY))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "address", "port", "version", "id", "heard"):
        table.add_column(column, justify="right" if column == "port" else "left", overflow="fold")
    for peer in found:
        heard = "static" if peer.age_s is None else f"{peer.age_s:.0f} s ago"
        cells = (peer.name, "\n".join(peer.addresses), str(peer.port), peer.version or "-", peer.id or "-", heard)
        table.add_row(*map(Text, cells))
    console.print(table)
