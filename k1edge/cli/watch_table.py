"""Peers and their drift as people read them: a table of 80 columns, or a line for each. Pure drawing.

What peers say of themselves is made plain before it gets here, by `plain`: no control character, no change of direction, bounded.
"""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from k1edge.cli.view import LOCK_STYLES, NODE_STYLES, SEVERITY_STYLES
from k1edge.report.peer_table import plain
from k1edge.report.telemetry import AlertMessage, TelemetryMessage
from k1edge.report.watched import Presence, Watched
from k1edge.snapshot import Alert
from k1edge.timebase import NS_PER_S, HostTime

MOST_NOTES = 4
"""Lines below a device."""

_PRESENCE_STYLES = {Presence.CONNECTING: "yellow", Presence.SILENT: "bold red", Presence.LOST: "bold red", Presence.GONE: "dim"}
_STATE_STYLES = {"running": "green", "stopping": "dim"}
_MOST_SHOWN = 99_999
_MOST_REASON = 160
_FIGURES_WIDTH = 70
"""All columns but the first, with their gaps."""


def table(members: Sequence[Watched], now: HostTime, hint: str, width: int = 80) -> RenderableType:
    """Draw everybody within `width` columns, 80 or more; `hint` stands below, or alone while there is nobody."""
    if not members:
        return Text(hint, style="dim")
    room = min(32, max(10, width - _FIGURES_WIDTH))
    grid = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    grid.add_column("device", no_wrap=True, width=room, style="bold")
    grid.add_column("state", no_wrap=True, width=8)
    grid.add_column("lock", no_wrap=True, width=8)
    for heading, cells in (("bpm", 5), ("conf", 4), ("drift", 6), ("p95", 5)):
        grid.add_column(heading, no_wrap=True, width=cells, justify="right")
    grid.add_column("", no_wrap=True, width=5)
    grid.add_column("node", no_wrap=True, width=5, overflow="ellipsis")
    for heading, cells in (("dBFS", 4), ("age", 4), ("lost", 4)):
        grid.add_column(heading, no_wrap=True, width=cells, justify="right", overflow="ellipsis")
    below: list[RenderableType] = []
    for member in members:
        grid.add_row(Text(_shortened(plain(member.name), room)), *_cells(member, now))
        below += _noted(member, now)
    return Group(grid, *below, Text(hint, style="dim"))


def line(member: Watched, now: HostTime) -> str:
    """One device on one line, for logs and for terminals that can't redraw."""
    presence, told = member.presence(now), member.newest
    parts = [plain(member.name), _state(presence, told)]
    if told is not None and presence is not Presence.GONE:
        parts += [
            told.lock, _of(told.bpm, ".1f", " bpm"), f"confidence {told.confidence:.2f}", f"drift {_of(told.drift.drift_ms, '+.1f', ' ms')}",
            f"p95 {_of(told.drift.figures.drift_ms.last_10s.p95, '.1f', ' ms')}", told.drift.severity or "unjudged",
            f"node {_node(told)}", f"level {_of(told.audio.level_dbfs, '.0f', ' dBFS')}",
        ]  # fmt: skip
    return ", ".join([*parts, f"age {_age(member, now)}", f"lost {_count(member.lost)}"])


def notes(member: Watched, now: HostTime) -> list[tuple[str, str]]:
    """What has to be said beside the figures, each with its style: why it is not there, alerts, why it is degraded."""
    presence, told = member.presence(now), member.newest
    found: list[tuple[str, str]] = []
    if member.reason is not None:
        found.append((member.reason, "red"))
    elif presence is Presence.SILENT:
        found.append((f"nothing heard for {_age(member, now)}: crashed, frozen, or cut off", "red"))
    if told is not None and presence is Presence.LIVE:
        found += [(_alert(alert, told.monotonic_ns), SEVERITY_STYLES[alert.severity]) for alert in told.alerts]
        found += [(plain(reason, _MOST_REASON), "yellow") for reason in told.reasons]
        if told.drift.drift_ms is None and told.drift.reason:
            found.append((f"no drift: {plain(told.drift.reason, _MOST_REASON)}", "dim"))
    if member.strange:
        found.append((f"{_count(member.strange)} frames not understood: {member.why_strange}", "yellow"))
    return found[:MOST_NOTES]


def alert_line(message: AlertMessage) -> str:
    """An alert as it begins, grows or ends."""
    return f"alert {message.event}: {_alert(message.alert, message.monotonic_ns)}"


def _cells(member: Watched, now: HostTime) -> Iterator[Text]:
    presence, told = member.presence(now), member.newest
    live = presence is Presence.LIVE
    style = "default" if live else "dim"
    yield Text(
        _state(presence, told), style=_PRESENCE_STYLES.get(presence) or _STATE_STYLES.get("" if told is None else told.state, "yellow")
    )
    if told is None:
        yield from (Text("-", style="dim") for _ in range(8))
    else:
        drift = told.drift
        severe = SEVERITY_STYLES[drift.severity] if live else "dim"
        yield Text(told.lock.upper(), style=LOCK_STYLES[told.lock] if live else "dim")
        yield Text(_of(told.bpm, ".1f"), style=style)
        yield Text(_of(told.confidence, ".2f"), style=style)
        yield Text(_of(drift.drift_ms, "+.1f"), style=severe)
        yield Text(_of(drift.figures.drift_ms.last_10s.p95, ".1f"), style=style)
        yield Text("" if drift.severity is None else drift.severity.upper(), style=severe)
        node = _node(told)
        yield Text(node, style=NODE_STYLES.get(node, "yellow") if live else "dim")
        yield Text(_of(told.audio.level_dbfs, ".0f"), style=style)
    yield Text(_age(member, now), style="default" if live else "red")
    yield Text(_count(member.lost), style="yellow" if member.lost else "dim")


def _shortened(name: str, most: int) -> str:
    """Beginning and end: names of one house differ at the end."""
    return name if len(name) <= most else f"{name[: most // 3]}…{name[-(most - 1 - most // 3) :]}"


def _noted(member: Watched, now: HostTime) -> Iterator[Text]:
    for words, style in notes(member, now):
        yield Text(f"{plain(member.name)}: {words}", style=style, no_wrap=True, overflow="ellipsis")


def _state(presence: Presence, told: TelemetryMessage | None) -> str:
    if presence is not Presence.LIVE:
        return presence.upper() if presence is not Presence.CONNECTING else "reaching"
    return "hello" if told is None else told.state


def _node(told: TelemetryMessage) -> str:
    return "none" if told.link is None else plain(told.link.state)


def _alert(alert: Alert, now_ns: int) -> str:
    worst = "" if alert.worst_ms is None else f", worst {_of(alert.worst_ms, '+.0f', ' ms')}"
    why = "" if alert.attribution is None else f", by the {alert.attribution.replace('_', ' ')}"
    ago = min(max(0.0, (now_ns - alert.begin_ns) / NS_PER_S), _MOST_SHOWN)
    return f"{alert.severity.upper()} {plain(alert.reason, _MOST_REASON)}{why}{worst}, for {ago:.0f} s"


def _age(member: Watched, now: HostTime) -> str:
    age_s = member.age_s(now)
    if age_s is None:
        return "-"
    return f"{age_s:.1f}s" if age_s < 10 else f"{age_s:.0f}s" if age_s < 1_000 else f"{min(age_s / 60, 999):.0f}m"


def _count(number: int) -> str:
    return str(number) if number < 10_000 else f"{min(number // 1_000, 999)}k"


def _of(value: float | None, form: str, unit: str = "") -> str:
    if value is None:
        return "-"
    return f"{min(max(value, -_MOST_SHOWN), _MOST_SHOWN):{form}}{unit}"
