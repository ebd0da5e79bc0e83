"""`k1edge node probe`: who is on a port, safely; and where nobody is, why not."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import typer

from k1edge.cli.node_way import PortArgument, SocketOption, Ways, ways
from k1edge.cli.options import ConfigOption, JsonOption
from k1edge.link.device import list_ports
from k1edge.link.dialect import LinkState
from k1edge.link.probe import Probed
from k1edge.link.probe import probe as ask
from k1edge.snapshot import NodeStatus
from k1edge.timebase import NS_PER_MS

AT_ONCE = 8
"""Ports asked side by side: each is some seconds of waiting."""


def probe(
    port: PortArgument = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Ask every serial port of this host.")] = False,
    as_json: JsonOption = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """Find out who is on a port, safely.

    No reset, one line of ASCII, and the node is left as it was; some 4 s, most of it waiting for boot text to pass.

    A port that the running daemon holds is not fought for: what the daemon knows is shown. Exit code 0 where a K1 answered, else 1.

    Examples: "k1edge node probe", "k1edge node probe /dev/ttyACM0 --json", "k1edge node probe --all".
    """
    if every and port is not None:
        msg = "give either a PORT or --all"
        raise typer.BadParameter(msg, param_hint="--all")
    known = ways(config, socket)
    targets = [device.path for device in list_ports()] if every else [port]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        findings = list(pool.map(lambda target: _find(known, target), targets))
    for finding in findings:
        print(json.dumps(finding) if as_json else _words(finding), flush=True)
    if not findings:
        print("no serial port; plug the node in" if not as_json else "", end="" if as_json else "\n")
    if not any(finding["recognised"] for finding in findings):
        raise typer.Exit(1)


def _find(known: Ways, port: str | None) -> dict[str, Any]:
    held = known.through_daemon(port)
    if held is not None:
        return _from_daemon(held)
    where = known.node_port(port)
    return _from_port(ask(where.port, baud=where.baud, tuning=where.tuning, host_name=where.host_name))


def _from_port(found: Probed) -> dict[str, Any]:
    info, clock = found.info, found.clock
    return {
        "port": found.port,
        "asked": "port",
        "recognised": found.state is LinkState.READY,
        "state": found.state.value,
        "reason": found.reason,
        "dialect": info and info.dialect,
        "timing": None if found.timed is None else "timed" if found.timed else "untimed",
        "firmware": info and info.firmware,
        "unique_id": info and info.unique_id,
        "led_count": info and info.led_count,
        "boot_reason": info and info.reset_reason,
        "round_trip_ms": None if found.round_trip_ns is None else found.round_trip_ns / NS_PER_MS,
        "offset_bound_us": clock and clock.bound_us,
        "sync_error_us": clock and clock.sync_error_us,
        "node_drift_ppm": clock and clock.drift_ppm,
        "pings": clock and clock.pings,
        "kept_text": found.kept_text or None,
    }


def _from_daemon(node: NodeStatus) -> dict[str, Any]:
    same = ("port", "state", "reason", "dialect", "timing", "firmware", "unique_id", "led_count", "boot_reason")
    clock = ("offset_bound_us", "sync_error_us", "node_drift_ppm", "pings", "kept_text")
    told = node.model_dump()
    recognised = node.dialect is not None and node.state in {"syncing", "ready", "degraded"}
    return (
        {key: told[key] for key in same}
        | {"asked": "daemon", "recognised": recognised, "round_trip_ms": None}
        | {key: told[key] for key in clock}
    )


def _words(found: dict[str, Any]) -> str:
    """The finding for people."""
    by = " (the running daemon holds it and says)" if found["asked"] == "daemon" else ""
    what = f"a K1 node, {found['dialect']} ({found['timing']})" if found["recognised"] else "no K1 node"
    lines = [f"{found['port']}{by}: {what}"]
    rows = [
        ("state", found["state"] if found["asked"] == "daemon" else None, ""),
        ("why", found["reason"], ""),
        ("firmware", found["firmware"], ""),
        ("unique id", found["unique_id"], ""),
        ("LEDs", found["led_count"], ""),
        ("started by", found["boot_reason"], ""),
        ("round trip", _round(found["round_trip_ms"], 1), " ms, question to answer"),
        ("clock", _clock(found), ""),
        ("it said", _last_line(found["kept_text"]), ""),
    ]
    return "\n".join(lines + [f"  {name:<12}{value}{unit}" for name, value, unit in rows if value is not None])


def _clock(found: dict[str, Any]) -> str | None:
    if found["offset_bound_us"] is None:
        return None
    bound, likely, ppm = found["offset_bound_us"], found["sync_error_us"], found["node_drift_ppm"]
    return f"within ±{bound:.0f} us, likely {likely:.0f} us, {ppm:+.1f} ppm, {found['pings']} pings"


def _last_line(text: str | None) -> str | None:
    lines = [line for line in (text or "").split("\n") if line.strip()]
    return lines[-1] if lines else None


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
