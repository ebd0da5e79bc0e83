"""`k1edge watch`: how far the lights of every daemon are from the music, live."""

import asyncio
import json
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from k1edge.cli.audience import Audience, Wanted
from k1edge.cli.lan_way import AllOption, AuthorityOption, InsecureOption, PeersArgument, SecondsOption, TokenOption, listen, wanted
from k1edge.cli.options import ConfigOption, JsonOption
from k1edge.errors import PeerError
from k1edge.report.intake import Received, harmless
from k1edge.report.peer_table import plain
from k1edge.report.telemetry import AlertMessage
from k1edge.report.watched import Watched
from k1edge.timebase import HostTime

if TYPE_CHECKING:
    from rich.console import Console

DRAW_S = 0.5
LINE_S = 1.0


def watch(
    peers: PeersArgument = None,
    *,
    everybody: AllOption = False,
    as_json: JsonOption = False,
    token: TokenOption = None,
    seconds: SecondsOption = None,
    insecure: InsecureOption = False,
    ca: AuthorityOption = None,
    config: ConfigOption = None,
) -> None:
    """Watch every device: state, lock, tempo, confidence, drift in ms (+ = late), node, level, age of its newest word, messages lost.

    Without a PEER: this host's own daemon; where none runs, everybody that multicast DNS finds. On a terminal a table, else a line per
    device and second. With --json, each message on a line as it comes, with its peer.

    Examples: "k1edge watch", "k1edge watch stage.local 192.168.1.6:19249", "k1edge watch --all --json --seconds 60".
    """
    whom = wanted(config, peers or [], token, ca, everybody=everybody, insecure=insecure)
    audience = _as_json(whom, seconds) if as_json else _drawn(whom, seconds)
    if not any(member.messages for member in audience.members.values()):
        reasons = "; ".join(f"{member.name}: {member.reason or 'nothing came'}" for member in audience.sorted())
        msg = f"no telemetry was heard; {reasons or 'nobody was found: name a PEER, or see that multicast reaches this host'}"
        raise PeerError(msg)


def message_line(member: Watched, received: Received) -> str:
    """A message as JSON on one line, in ASCII: nothing in it can steer a terminal."""
    return json.dumps({**harmless(received.content), "peer": member.name}, separators=(",", ":"))


def _as_json(whom: Wanted, seconds: float | None) -> Audience:
    audience = Audience(whom, lambda member, received, _: print(message_line(member, received), flush=True), _to_stderr)
    listen(audience.run(), seconds=seconds)
    return audience


def _to_stderr(member: Watched) -> None:
    print(f"{plain(member.name)}: {member.reason or 'connected'}", file=sys.stderr)


def _drawn(whom: Wanted, seconds: float | None) -> Audience:
    from rich.console import Console  # noqa: PLC0415 - scripts that ask for JSON do not pay for it

    console = Console()
    if not console.is_terminal or console.is_dumb_terminal:
        audience = Audience(whom, _say_alert, _say_connection)
        listen(audience.run(), _lines(audience), seconds=seconds)
        return audience
    audience = Audience(whom, lambda *_: None)
    listen(audience.run(), _table(audience, console), seconds=seconds)
    return audience


async def _table(audience: Audience, console: "Console") -> None:
    from rich.live import Live  # noqa: PLC0415 - as above

    from k1edge.cli.watch_table import table  # noqa: PLC0415 - as above

    def picture() -> object:
        members = audience.sorted()
        hint = f"{len(members)} devices; Ctrl-C ends" if members else "looking for devices ...; Ctrl-C ends"
        return table(members, HostTime(time.monotonic_ns()), hint, console.width)

    with Live(console=console, auto_refresh=False, transient=False, redirect_stdout=False, redirect_stderr=False) as live:
        while True:
            live.update(picture(), refresh=True)  # type: ignore[arg-type] # a renderable; its module loads late
            await asyncio.sleep(DRAW_S)


async def _lines(audience: Audience) -> None:
    from k1edge.cli.watch_table import line  # noqa: PLC0415 - as above

    while True:
        await asyncio.sleep(LINE_S)
        for member in audience.sorted():
            _say(line(member, HostTime(time.monotonic_ns())))


def _say_alert(member: Watched, received: Received, _: HostTime) -> None:
    from k1edge.cli.watch_table import alert_line  # noqa: PLC0415 - as above

    if isinstance(received.message, AlertMessage):
        _say(f"{plain(member.name)}, {alert_line(received.message)}")


def _say_connection(member: Watched) -> None:
    _say(f"{plain(member.name)}, {member.reason or 'connected'}")


_say = partial(print, flush=True)
