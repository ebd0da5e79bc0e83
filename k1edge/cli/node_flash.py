"""`k1edge node flash`: a test flash at a chosen time, and when the node says it came."""

import json
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from k1edge.cli.client import fetch
from k1edge.cli.node_way import PortArgument, SocketOption, Ways, ways
from k1edge.cli.options import ConfigOption, JsonOption
from k1edge.errors import DeviceError
from k1edge.events import FlashReport
from k1edge.link.dialect import LinkEvent, LinkState
from k1edge.link.port import SerialNode
from k1edge.link.trial import FARTHEST_NS, MOST, SOONEST_NS, Trial, told
from k1edge.report.log import set_up
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

POLL_S = 0.02
READY_S = 15.0
"""Until a node is ready: boot text, two answers, HELLO and a burst of pings, and another try."""

OPEN_S = 1.5
"""Until a port is open that can be opened."""

NOT_READY = {LinkState.INCOMPATIBLE, LinkState.UNRECOGNISED}

SOON_MS = SOONEST_NS / NS_PER_MS
FAR_MS = FARTHEST_NS / NS_PER_MS


def flash(
    port: PortArgument = None,
    *,
    ahead: Annotated[
        float, typer.Option("--in", min=SOON_MS, max=FAR_MS, metavar="MS", help="So long from when the node is ready.")
    ] = 1_000.0,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="At this time instead, ISO 8601; local without an offset.", show_default=False),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=MOST, help="So many.")] = 1,
    bpm: Annotated[float, typer.Option("--bpm", min=30, max=300, help="So fast.")] = 120.0,
    as_json: JsonOption = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """Make the node flash at a chosen time.

    Tells when the node says it did: the error signed, + = late, within the bound of its clock.

    Goes through the running daemon where that has the node (the music waits meanwhile), else to the port itself. An untimed node
    tells nothing of its flashes, and may flash more often than asked. Exit code 1 where a flash of a timed node did not come.

    Examples: "k1edge node flash", "k1edge node flash --at 20:15:00", "k1edge node flash PORT --count 8 --bpm 128 --json".
    """
    set_up("error")
    known = ways(config, socket)
    period_ns = round(60 * NS_PER_S / bpm)
    due = _due(ahead, at)
    held = known.through_daemon(port)
    with _ordered(known, port, daemon=held is not None) as order:
        flashes = order(due(), count, period_ns)
    shown = [_with_wall(each) for each in flashes]
    for number, each in enumerate(shown, 1):
        print(json.dumps({"event": "flash", "number": number} | each) if as_json else _words(number, each))
    if any(each["timing"] == "timed" and each["fate"] not in {"fired", "late"} for each in shown):
        raise typer.Exit(1)


def _due(ahead_ms: float, at: str | None) -> Callable[[], HostTime]:
    """When the first flash is due, on the host clock, asked for once the node is ready."""
    if at is None:
        return lambda: HostTime(time.monotonic_ns() + round(ahead_ms * NS_PER_MS))
    try:
        wall = datetime.fromisoformat(at if "-" in at[1:] or "T" in at else f"{datetime.now().astimezone().date().isoformat()}T{at}")
    except ValueError as error:
        msg = f"{at!r} is no time; give one such as 20:15:00 or 2026-01-31T20:15:00+01:00"
        raise typer.BadParameter(msg, param_hint="--at") from error
    due_ns = time.monotonic_ns() + round((wall.astimezone(UTC) - datetime.now(UTC)) / timedelta(microseconds=1)) * 1_000

    def due() -> HostTime:
        if not SOONEST_NS <= due_ns - time.monotonic_ns() <= FARTHEST_NS:
            msg = f"{at} must be {SOON_MS / 1e3:g} s to 10 minutes ahead once the node is ready"
            raise DeviceError(msg)
        return HostTime(due_ns)

    return due


Order = Callable[[HostTime, int, int], list[dict[str, Any]]]


@contextmanager
def _ordered(known: Ways, port: str | None, *, daemon: bool) -> Iterator[Order]:
    if daemon:
        yield lambda *order: _by_daemon(known, *order)
        return
    where = known.node_port(port)
    events: queue.SimpleQueue[LinkEvent] = queue.SimpleQueue()
    with closing(SerialNode(where, events.put)) as node:
        node.start()
        _await_ready(node)
        yield lambda *order: _by_port(node, events, *order)


def _by_daemon(known: Ways, first_ns: HostTime, count: int, period_ns: int) -> list[dict[str, Any]]:
    fetch(known.sockets, "/node/flash", {"first_ns": first_ns, "count": count, "period_ns": period_ns})
    while True:
        time.sleep(POLL_S)
        answer = json.loads(fetch(known.sockets, "/node/flash"))
        if answer["over"]:
            return list(answer["flashes"])


def _await_ready(node: SerialNode) -> None:
    start_s = time.monotonic()
    while (status := node.status()).state is not LinkState.READY:
        waited_s = time.monotonic() - start_s
        if status.state in NOT_READY or waited_s > READY_S or (status.state is LinkState.CLOSED and waited_s > OPEN_S):
            raise DeviceError(status.reason or f"the node is {status.state} and not ready; look at it with k1edge node probe")
        time.sleep(POLL_S)


def _by_port(
    node: SerialNode, events: "queue.SimpleQueue[LinkEvent]", first_ns: HostTime, count: int, period_ns: int
) -> list[dict[str, Any]]:
    trial, plan = Trial(first_ns, count, period_ns), None
    timed = node.status().timed is not False
    while not trial.is_over(now := HostTime(time.monotonic_ns()), timed=timed):
        newest = trial.plan(now, timed=timed)
        if newest != plan:
            plan = newest
            node.follow(plan)
        time.sleep(POLL_S)
        while not events.empty():
            if isinstance(event := events.get(), FlashReport):
                trial.take(event)
    return told(trial.flashes, timed=timed)


def _with_wall(flash: dict[str, Any]) -> dict[str, Any]:
    wall = datetime.now().astimezone() - timedelta(microseconds=(time.monotonic_ns() - flash["due_ns"]) / 1e3 - 500)
    return {"due": wall.isoformat(timespec="milliseconds")} | flash


def _words(number: int, flash: dict[str, Any]) -> str:
    due = f"flash {number} due {flash['due'][11:23]}: "
    if flash["timing"] == "untimed":
        return due + "told; the node is untimed and does not say when it flashed"
    if flash["error_us"] is None:
        return due + (flash["fate"] or "no word of it")
    return due + f"{flash['fate']}, {flash['error_us'] / 1e3:+.3f} ms (clock within ±{flash['bound_us'] / 1e3:.3f} ms)"
