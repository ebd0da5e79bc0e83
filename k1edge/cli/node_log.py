"""`k1edge node log`: what the node said, logged and refused, and why it started anew."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from k1edge.cli.client import fetch
from k1edge.cli.node_way import PortArgument, SocketOption, Ways, ways
from k1edge.cli.options import ConfigOption, JsonOption
from k1edge.errors import DeviceError, K1EdgeError
from k1edge.link.device import GONE, Wire, cure
from k1edge.link.eavesdrop import Eavesdropper

POLL_S = 0.3
LOOK_S = 0.05

_LEVELS = {3: "error", 4: "warning", 5: "notice", 6: "info", 7: "debug"}


def log(
    port: PortArgument = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on, until Ctrl-C.")] = False,
    as_json: JsonOption = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """Tell what the node said.

    Text and panics, its LOG messages, replies not understood, resets with their cause, states of the link.

    From the running daemon where that has the node; else it listens at the port until Ctrl-C and sends not a byte. With --json, one
    object per line.

    Examples: "k1edge node log", "k1edge node log --follow", "k1edge node log /dev/ttyACM0".
    """
    known = ways(config, socket)
    held = known.through_daemon(port)
    entries = _overhear(known.node_port(port).port, known.node.baud) if held is None else _from_daemon(known, follow=follow)
    try:
        for entry in entries:
            print(json.dumps(entry) if as_json else _words(entry), flush=True)
    except KeyboardInterrupt:  # how it is meant to end
        raise typer.Exit(0) from None


def _from_daemon(known: Ways, *, follow: bool) -> Iterator[dict[str, Any]]:
    after = 0
    while True:
        try:
            entries = json.loads(fetch(known.sockets, f"/node/log?after={after}"))["entries"]
        except K1EdgeError:
            if not follow or after == 0:
                raise
            entries, after = [], 0  # it may come back, and counts from 1 again
        for entry in entries:
            after = entry["number"]
            yield entry
        if not follow:
            return
        time.sleep(POLL_S)


def _overhear(path: str, baud: int) -> Iterator[dict[str, Any]]:
    ear = Eavesdropper()
    try:
        with closing(Wire(path, baud)) as wire:
            while True:
                for said in ear.receive(wire.read()):
                    kind = "text" if said.level is None else "log"
                    wall = datetime.now(UTC).isoformat(timespec="milliseconds")
                    yield {"number": None, "wall_time": wall, "kind": kind, "level": said.level, "text": said.text}
                time.sleep(LOOK_S)
    except GONE as error:
        raise DeviceError(cure(error, path)) from error


def _words(entry: dict[str, Any]) -> str:
    when = datetime.fromisoformat(entry["wall_time"]).astimezone()
    level = entry["level"]
    what = entry["kind"] if level is None else _LEVELS.get(level, f"log {level}")
    return f"{when:%H:%M:%S}.{when.microsecond // 1_000:03d}  {what:<8}{entry['text']}"
