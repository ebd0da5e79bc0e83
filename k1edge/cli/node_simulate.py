"""`k1edge node simulate`: a node without hardware behind a pty, with the faults of a clock and a cable, until Ctrl-C."""

import contextlib
import json
import os
import signal
import sys
import threading
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from k1edge.cli.options import JsonOption, delay_range
from k1edge.errors import DeviceError
from k1edge.link.virtual_node import FlashLog, VirtualNode
from k1edge.timebase import NS_PER_S

LOOK_S = 0.5
"""How often it is looked whether the node still lives."""


class DialectName(StrEnum):
    """What the node speaks."""

    K1LINK = "k1link"
    TRINITY = "trinity"


def simulate(
    *,
    dialect: Annotated[
        DialectName, typer.Option("--dialect", help="What it speaks: timed, or untimed as LightwaveOS.")
    ] = DialectName.K1LINK,
    ppm: Annotated[float, typer.Option("--ppm", min=-1000, max=1000, help="Rate error of its clock, + = fast.")] = 0.0,
    offset_us: Annotated[int, typer.Option("--offset-us", min=0, help="Its counter at the start.")] = 5_000_000,
    delay: Annotated[str, typer.Option("--delay", metavar="LO-HI", help="Random delay of bytes on the wire, each way, ms.")] = "0",
    loss: Annotated[float, typer.Option("--loss", min=0, max=1, help="Share of the frames that vanish, each way.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of delays and losses.")] = 1,
    link: Annotated[Path | None, typer.Option("--link", metavar="PATH", help="Keep a symlink on its port.", show_default=False)] = None,
    as_json: JsonOption = False,
    until_eof: Annotated[bool, typer.Option("--until-eof", hidden=True, help="End with stdin: no parent, no node.")] = False,
) -> None:
    """Be a node without hardware.

    Prints the port to connect to, then a line for each flash, until Ctrl-C.

    Examples: "k1edge node simulate --ppm 100 --delay 1-3 --loss 0.01", then in another shell "k1edge node probe PORT" or
    "k1edge run --port PORT". With --json the first line tells its true clock too (host ns to node us), and each flash both times.
    """
    if link is not None and link.exists() and not link.is_symlink():
        msg = f"{link} is there already and is no symlink; name another --link"
        raise DeviceError(msg)
    with contextlib.suppress(OSError):  # root only; others see what a busy host makes of it
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # a microcontroller has no other programs to run
    stop = threading.Event()
    for number in () if until_eof else (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    node = VirtualNode(
        dialect.value,
        ppm=ppm,
        offset_us=offset_us,
        delay_ms=delay_range(delay),
        loss=loss,
        seed=seed,
        link=link,
        on_flash=_tell_json if as_json else _tell,
    )
    try:
        node.start()
    except OSError as error:
        msg = f"no pseudo-terminal to be had: {error.strerror}; does this system allow /dev/ptmx, and a symlink there?"
        raise DeviceError(msg) from error
    _introduce(node, dialect, as_json=as_json)
    _wait_for_the_end(node, None if until_eof else stop)
    if node.failure is not None and not isinstance(node.failure, BrokenPipeError):  # whoever read us has gone: no fault
        raise node.failure


def _wait_for_the_end(node: VirtualNode, stop: threading.Event | None) -> None:
    """Until `stop`, or without one until stdin ends; then the node is unplugged."""
    with contextlib.ExitStack() as stack:
        stack.callback(node.stop)
        if stop is None:
            sys.stdin.read()
            return
        while not stop.wait(LOOK_S) and node.failure is None:
            pass


def _introduce(node: VirtualNode, dialect: DialectName, *, as_json: bool) -> None:
    clock = node.clock
    if as_json:
        told = {"event": "node", "port": node.path, "dialect": dialect.value, "clock": [clock.x0, clock.y0, clock.rate]}
        print(json.dumps(told), flush=True)
        return
    print(node.path, flush=True)
    print(f"a {dialect} node; try: k1edge node probe {node.path}; Ctrl-C ends it", file=sys.stderr, flush=True)


def _tell_json(flash: FlashLog) -> None:
    print(json.dumps({"event": "flash"} | asdict(flash)), flush=True)


def _tell(flash: FlashLog) -> None:
    late_us = flash.fired_us - flash.scheduled_us
    name = "" if flash.wire_id is None else f" {flash.wire_id}"
    print(f"flash{name} at {flash.fired_ns / NS_PER_S:.6f} s (host), {late_us:+d} us off its time", flush=True)
