"""`k1edge node`: the LED node by hand. One file per verb; what several of them need is in `node_way`."""

import typer

from k1edge.cli.node_flash import flash
from k1edge.cli.node_log import log
from k1edge.cli.node_probe import probe
from k1edge.cli.node_simulate import simulate

node = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
for verb in (probe, flash, log, simulate):
    node.command()(verb)
