"""`k1edge record`: a session's telemetry to a file."""

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from k1edge.cli.audience import Audience
from k1edge.cli.lan_way import AllOption, AuthorityOption, InsecureOption, PeersArgument, SecondsOption, TokenOption, listen, wanted
from k1edge.cli.options import ConfigOption, JsonOption
from k1edge.cli.recorder import Recorder
from k1edge.errors import PeerError
from k1edge.report.peer_table import plain
from k1edge.report.watched import Watched

if TYPE_CHECKING:
    from rich.progress import Progress

FLUSH_S = 0.5

_MB = 1_000_000


def record(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines; compressed if it ends in .gz.", show_default=False)],
    peers: PeersArgument = None,
    *,
    everybody: AllOption = False,
    seconds: SecondsOption = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    rotate_mb: Annotated[
        float | None,
        typer.Option("--rotate-mb", min=0.01, metavar="MB", help="Begin another file (FILE-2 ...) every so many MB.", show_default=False),
    ] = None,
    most_mb: Annotated[float, typer.Option("--most-mb", min=0.01, metavar="MB", help="End at this size, all files together.")] = 1_000.0,
    as_json: JsonOption = False,
    token: TokenOption = None,
    insecure: InsecureOption = False,
    ca: AuthorityOption = None,
    config: ConfigOption = None,
) -> None:
    """Record every message of every PEER (as in "k1edge watch") to FILE, until Ctrl-C; "k1edge plot FILE" shows it.

    A line is in the file within half a second; after a power cut all but the last are readable. A minute of one device takes some 1.5 MB,
    compressed a tenth of that.

    Examples: "k1edge record tonight.jsonl.gz --all", "k1edge record a.jsonl stage.local --seconds 600".
    """
    whom = wanted(config, peers or [], token, ca, everybody=everybody, insecure=insecure)
    part_bytes = None if rotate_mb is None else round(rotate_mb * _MB)
    recorder = Recorder(file, part_bytes, round(most_mb * _MB), force=force)
    recorder.audience = Audience(whom, recorder.take, _to_stderr)
    try:
        with _progress() as progress:
            listen(recorder.audience.run(), _keep(recorder, progress, seconds), seconds=seconds)
    finally:
        recorder.end()
    summary = _summary(recorder)
    print(json.dumps(summary) if as_json else _words(summary))
    if not recorder.lines:
        reasons = "; ".join(f"{member.name}: {member.reason or 'nothing came'}" for member in recorder.audience.sorted())
        msg = f"no telemetry was heard; {reasons or 'nobody was found: name a PEER, or see that multicast reaches this host'}"
        raise PeerError(msg)


async def _keep(recorder: Recorder, progress: "Progress", seconds: float | None) -> None:
    """Flush, and show how it goes, until it is full."""
    task = progress.add_task("", total=seconds)
    while not recorder.full.is_set():
        await asyncio.sleep(FLUSH_S)
        recorder.flush()
        found = _summary(recorder)
        lost = f", {found['lost']} lost" if found["lost"] else ""
        words = f"{len(found['devices'])} devices, {found['messages']} messages{lost}, {found['bytes'] / _MB:.2f} MB"
        progress.update(task, description=words, completed=recorder.seconds)


def _progress() -> "Progress":
    from rich.console import Console  # noqa: PLC0415 - only who records pays for it
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - as above

    console = Console(stderr=True)
    return Progress(TextColumn("recording"), BarColumn(20), TextColumn("{task.description}"), TimeElapsedColumn(), console=console,
                    disable=not console.is_terminal, transient=True, redirect_stdout=False, redirect_stderr=True)  # fmt: skip


def _to_stderr(member: Watched) -> None:
    if member.reason is None or member.messages or not sys.stderr.isatty():
        print(f"{plain(member.name)}: {member.reason or 'connected'}", file=sys.stderr)


def _summary(recorder: Recorder) -> dict[str, Any]:
    members = [] if recorder.audience is None else recorder.audience.sorted()
    return {
        "files": [str(path) for path in recorder.paths],
        "seconds": round(recorder.seconds, 1),
        "messages": recorder.lines,
        "bytes": recorder.made_bytes,
        "lost": sum(member.lost for member in members),
        "full": recorder.full.is_set(),
        "devices": {
            plain(member.name): {
                "messages": member.messages, "beats": member.beats, "lost": member.lost, "strange": member.strange,
                "connections": member.connections, "reason": member.reason,
            }
            for member in members
        },
    }  # fmt: skip


def _words(found: dict[str, Any]) -> str:
    size = f"{found['messages']} messages in {found['seconds']:.0f} s, {found['bytes'] / _MB:.2f} MB, {found['lost']} lost"
    end = "; it is full (--most-mb)" if found["full"] else ""
    lines = [f"{', '.join(found['files'])}: {size}{end}"]
    for name, one in found["devices"].items():
        lines.append(
            f"  {name}: {one['messages']} messages, {one['beats']} beats, {one['lost']} lost, connected {one['connections']} times"
        )
    return "\n".join(lines)
