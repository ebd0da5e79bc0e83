"""The commands, one file per verb family. Only the verb that was asked for is imported: `k1edge --help` costs no NumPy."""

import importlib
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from k1edge import __version__
from k1edge.errors import K1EdgeError

VERBS = {
    "run": "Run the daemon: listen to the room and flash the node.",
    "demo": "The whole daemon on a synthesised song; needs no hardware.",
    "replay": "Find the beats of a sound file.",
    "status": "Show how the running daemon is.",
    "tempo": "Tell the tracker what you hear: half, double, tap, set, nudge.",
    "peers": "Show the other k1edge daemons on the LAN.",
    "watch": "Watch the drift of every device on the LAN, live.",
    "record": "Record what devices tell to a file.",
    "plot": "Drift and beats of a record, as a picture and in figures.",
    "node": "The LED node by hand: probe, flash, log, simulate.",
    "devices": "List sound cards and serial ports.",
    "config": "Show, check and make the configuration.",
}
"""Verb -> its line of help. The verb `x` lives in `k1edge.cli.x` as `x`: a function, or a Typer application with verbs of its own."""

EPILOGUE = "Exit codes: 0 ok, 1 failed, 2 wrong usage, 78 wrong configuration."


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `k1edge`.

    Args:
        argv: what follows the program's name; None = as called.

    Raises:
        SystemExit: always, with the exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        application(arguments)(args=arguments, prog_name="k1edge")
    except K1EdgeError as error:
        print(f"k1edge: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    sys.exit(0)


def application(arguments: Sequence[str]) -> typer.Typer:
    """Build the command line, with nothing but a line of help for the verbs that `arguments` does not call."""
    app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback(help="The beat companion of a K1 LED node: hears the room, predicts the beat, tells it when to flash.", epilog=EPILOGUE)(
        _general
    )
    called = next((word for word in arguments if not word.startswith("-")), None)
    for verb, line in VERBS.items():
        found = getattr(importlib.import_module(f"k1edge.cli.{verb}"), verb) if verb == called else _elsewhere
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=verb, help=line)
        else:
            app.command(verb, help=line if found is _elsewhere else None)(found)
    return app


def _elsewhere() -> None:
    """Stand in for a verb that was not called; it is listed, and never runs."""


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"k1edge {__version__}")
        raise typer.Exit


def _general(
    *,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")] = False,
) -> None:
    """Take the options that belong to no verb."""
