"""`k1edge tempo`: what people know better than the tracker. The daemon follows; this only carries words and taps to it."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ValidationError

from k1edge.cli.client import fetch
from k1edge.cli.options import ConfigOption, JsonOption, settings_from
from k1edge.cli.tempo_keys import keys, process_began_ns
from k1edge.errors import PeerError
from k1edge.held import TempoStatus
from k1edge.report.places import socket_candidates

SocketOption = Annotated[
    str | None, typer.Option("--socket", metavar="PATH", help="Where the daemon listens; otherwise as configured.", show_default=False)
]

LEAST_TAPS = 4
"""So many make a tempo; the daemon's rule, told here while there are fewer."""

tempo = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="A word on the tempo holds until the next, or auto: through breaks, other songs and a changed configuration, not over a restart of the daemon.",
)


@tempo.command()
def half(*, as_json: JsonOption = False, socket: SocketOption = None, config: ConfigOption = None) -> None:
    """Flash half as often; every other beat stays.

    Those of the downbeat where it is known, after double those of before it, else the one nearest to now.
    """
    _say("half", {}, as_json=as_json, socket=socket, config=config)


@tempo.command()
def double(*, as_json: JsonOption = False, socket: SocketOption = None, config: ConfigOption = None) -> None:
    """Flash twice as often; one comes between two."""
    _say("double", {}, as_json=as_json, socket=socket, config=config)


@tempo.command("set")
def set_to(
    bpm: Annotated[float, typer.Argument(min=30, max=300, metavar="BPM", help="Beats per minute.")],
    *,
    as_json: JsonOption = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """Follow this tempo, within 8 %.

    The beat goes on from where it is, then follows the music.
    """
    _say("set", {"bpm": bpm}, as_json=as_json, socket=socket, config=config)


@tempo.command()
def tap(
    *,
    once: Annotated[bool, typer.Option("--once", help="Tap once, also on a terminal.")] = False,
    as_json: JsonOption = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """Tap the beat, four times or more.

    The tempo is that of the taps, within 8 %, and the beat is where they fall.

    On a terminal each press of space or enter is a tap, and q ends. Elsewhere, and with --once, the command itself is one tap, at the
    moment it was started: bind it to a key, and press that four times.
    """
    ask = _asking("tap", socket, config)
    if once or not sys.stdin.isatty():
        _print("tap", ask({"at_ns": process_began_ns()}), as_json=as_json)
        return
    if not as_json:
        print("space or enter on each beat, q to end", file=sys.stderr)
    for at_ns in keys():
        _print("tap", ask({"at_ns": at_ns}), as_json=as_json)


@tempo.command(context_settings={"ignore_unknown_options": True})  # -20 is a figure here
def nudge(
    ms: Annotated[float, typer.Argument(min=-500, max=500, metavar="MS", help="So much later, - = earlier.")],
    *,
    as_json: JsonOption = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """Flash later or earlier than now, in ms.

    Nudges add up, until auto or a tap takes them back. Whatever is always late or early by the same belongs into node.offset_ms.
    """
    _say("nudge", {"ms": ms}, as_json=as_json, socket=socket, config=config)


@tempo.command()
def downbeat(*, as_json: JsonOption = False, socket: SocketOption = None, config: ConfigOption = None) -> None:
    """The beat nearest to now is a bar's first."""
    _say("downbeat", {}, as_json=as_json, socket=socket, config=config)


@tempo.command()
def lock(*, as_json: JsonOption = False, socket: SocketOption = None, config: ConfigOption = None) -> None:
    """Keep tempo and place of the beat as they are.

    The tempo within 4 %; the beat drifts with the music, but moves to no other place in it.
    """
    _say("lock", {}, as_json=as_json, socket=socket, config=config)


@tempo.command()
def auto(*, as_json: JsonOption = False, socket: SocketOption = None, config: ConfigOption = None) -> None:
    """Leave everything to the tracker again."""
    _say("auto", {}, as_json=as_json, socket=socket, config=config)


class Answer(BaseModel):
    """What the daemon says to a word; see `report.tempo_routes`."""

    bpm: float | None
    tempo: TempoStatus


Ask = Callable[[dict[str, object]], Answer]


def _say(word: str, order: dict[str, object], *, as_json: bool, socket: str | None, config: Path | None) -> None:
    _print(word, _asking(word, socket, config)(order), as_json=as_json)


def _asking(word: str, socket: str | None, config: Path | None) -> Ask:
    """The way to the daemon, for one word."""
    path = str(Path(socket).absolute()) if socket else None
    paths = socket_candidates(settings_from(config, {"status.socket": path}), os.environ)

    def ask(order: dict[str, object]) -> Answer:
        try:
            return Answer.model_validate_json(fetch(paths, f"/tempo/{word}", order))
        except ValidationError as error:
            msg = "the daemon followed, and answers as another version does; restart it"
            raise PeerError(msg) from error

    return ask


def _print(word: str, answer: Answer, *, as_json: bool) -> None:
    print(json.dumps({"word": word} | answer.model_dump()) if as_json else _words(word, answer), flush=True)


def _words(word: str, answer: Answer) -> str:
    held = answer.tempo
    if word == "tap" and answer.bpm is None:
        missing = LEAST_TAPS - held.taps
        return f"tap {held.taps}: {f'{missing} more make a tempo' if missing > 0 else 'no tempo yet'}"
    parts = [] if answer.bpm is None else [f"{answer.bpm:.1f} bpm"]
    parts.append(f"{held.bpm_min:.0f} to {held.bpm_max:.0f} bpm are followed")
    parts += [f"nudged {held.nudge_ms:+g} ms"] if held.nudge_ms else []
    return f"{word}{f' {held.taps}' if word == 'tap' else ''}: {', '.join(parts)}"
