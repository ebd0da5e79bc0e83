"""`k1edge plot`: what a record tells, as a picture and in figures."""

import importlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from k1edge.cli.options import JsonOption
from k1edge.errors import DeviceError, PeerError
from k1edge.report.session import Session, figures, read_session

_CHUNK_BYTES = 1 << 18
_FORMATS = {".png", ".svg", ".pdf"}


def plot(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help='A record of "k1edge record"; of several parts, all.', show_default=False)
    ],
    *,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="PICTURE", help="Draw to this .png, .svg or .pdf.", show_default=False)
    ] = None,
    begin: Annotated[float, typer.Option("--from", metavar="S", min=0, help="Leave out what was before, seconds of the record.")] = 0.0,
    end: Annotated[float | None, typer.Option("--to", metavar="S", min=0, help="Leave out what was after.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell how far each device's light was from the music: drift (ms, + = late) of every beat, its median, p95 of its size, worst; alerts.

    With -o, a picture: drift with the limits of amber, alert and red, fire error, tempo, lock, alerts, clocks. It needs matplotlib:
    pip install "k1edge[plot]".

    Examples: "k1edge plot tonight.jsonl.gz -o tonight.png", "k1edge plot tonight.jsonl --from 60 --to 90 --json".
    """
    if out is not None and out.suffix.lower() not in _FORMATS:
        msg = f"{out}: the end of its name has to be one of {', '.join(sorted(_FORMATS))}"
        raise typer.BadParameter(msg, param_hint="-o")
    session = _read(files, begin, float("inf") if end is None else end)
    if out is not None:
        _draw(session, out)
    found = figures(session)
    print(json.dumps(found) if as_json else "\n".join(_words(found)))
    if not session.devices:
        msg = f"{files[0]}: nothing was recorded in that time"
        raise PeerError(msg)


def _read(files: list[Path], begin_s: float, end_s: float) -> Session:
    path = files[0]
    try:
        with ExitStack() as opened:
            parts: list[Iterator[bytes]] = []
            for path in files:
                file: BinaryIO = opened.enter_context(path.open("rb"))
                parts.append(iter(partial(file.read, _CHUNK_BYTES), b""))
            return read_session(parts, begin_s, end_s)
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise DeviceError(msg) from error
    except PeerError as error:
        msg = f"{', '.join(map(str, files))}: {error}"
        raise PeerError(msg) from error


def _draw(session: Session, out: Path) -> None:
    try:
        importlib.import_module("matplotlib")
    except ImportError as error:
        msg = 'a picture needs matplotlib, which is not installed: pip install "k1edge[plot]"; without -o the figures come as text'
        raise DeviceError(msg) from error
    from k1edge.cli.plot_picture import draw  # noqa: PLC0415 - who wants figures only needs no matplotlib

    try:
        draw(session, out)
    except OSError as error:
        msg = f"{out}: {error.strerror or error}"
        raise DeviceError(msg) from error


def _words(found: dict[str, Any]) -> Iterator[str]:
    began = datetime.fromtimestamp(found["started_wall_ms"] / 1e3).astimezone()
    yield f"{_span(found['duration_s'])} from {began:%Y-%m-%d %H:%M:%S %z}, {len(found['devices'])} devices"
    if found["damaged"] or found["strange_lines"]:
        yield f"not all could be read: {found['strange_lines']} lines not understood{', ' + found['damaged'] if found['damaged'] else ''}"
    for name, one in found["devices"].items():
        drift, fired = one["drift_ms"], one["fire_error_us"]
        yield f"\n{name}"
        yield f"  beats       {one['beats']}, at {_of(one['bpm_median'], '.1f')} bpm, locked for {_span(one['locked_s'] or 0.0)}"
        yield (
            f"  drift       median {_of(drift['median'], '+.1f')} ms, p95 {_of(drift['p95'], '.1f')} ms, "
            f"worst {_of(drift['worst'], '+.1f')} ms; {drift['count']} flashes"
        )
        yield (
            f"  fire error  median {_of(fired['median'], '+.0f')} us, p95 {_of(fired['p95'], '.0f')} us, "
            f"worst {_of(fired['worst'], '+.0f')} us; {fired['count']} flashes"
        )
        yield f"  messages    {one['messages']}, {one['lost']} lost; the daemon restarted {one['restarts']} times"
        for alert in one["alerts"]:
            lasted = "not over at the end" if alert["end_s"] is None else f"to {alert['end_s']:.1f} s"
            yield f"  alert       {alert['severity'].upper()} from {alert['begin_s']:.1f} s {lasted}: {alert['reason']}"


def _of(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours} h {m} min" if hours else f"{m} min {s} s"
