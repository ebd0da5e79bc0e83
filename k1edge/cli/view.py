"""The live picture in the terminal: what is heard, what is held to be the beat, what the node does. Pure drawing, no clock, no state."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from k1edge.events import Severity
from k1edge.snapshot import AudioStatus, BeatStatus, DriftStatus, NodeStatus, Snapshot
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

WIDTH = 48
"""Cells of a bar: the whole picture fits a terminal of 80 columns."""

FLOOR_DBFS = -60.0
"""Left end of the level meter."""

FADE_NS = 180 * NS_PER_MS
"""How long the strip glows after a flash; a drawing at 15 Hz must not miss one."""

PAST_NS = 4 * NS_PER_S
"""What the two rows of ticks show."""

LOCK_STYLES = {"unlocked": "red", "locking": "yellow", "locked": "bold green", "holding": "cyan"}
SEVERITY_STYLES = {None: "default", Severity.OK: "green", Severity.AMBER: "yellow", Severity.ALERT: "red", Severity.RED: "bold red"}
NODE_STYLES = {"ready": "green", "degraded": "red", "incompatible": "red", "unrecognised": "red"}


@dataclass(frozen=True, slots=True)
class Moment:
    """What the picture shows beside the snapshot.

    Attributes:
        now: the host time of the picture.
        flashes_ns: when the node really flashed, oldest first; the last few seconds are enough.
        truth_ns: true beats, oldest first; empty where nobody knows them.
        done: share of the song played, 0 to 1; None without an end.
        title: what is running.
    """

    now: HostTime
    flashes_ns: Sequence[int]
    truth_ns: Sequence[int]
    done: float | None
    title: str


def picture(snapshot: Snapshot, moment: Moment) -> Panel:
    """Draw one frame."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="dim", justify="right", width=8)
    grid.add_column(no_wrap=True)
    grid.add_row("level", level_meter(snapshot.audio))
    grid.add_row("beat", _beat_line(snapshot.beat))
    grid.add_row("phase", phase_bar(snapshot.beat.beat_phase))
    grid.add_row("LEDs", led_strip(moment))
    if moment.truth_ns:
        grid.add_row("true", _ticks(moment.truth_ns, moment.now, "white"))
    grid.add_row("flashed", _ticks(moment.flashes_ns, moment.now, "bright_magenta"))
    grid.add_row("drift", _drift_line(snapshot.drift))
    grid.add_row("node", _node_line(snapshot.node))
    grid.add_row("clock", _clock_line(snapshot.node))
    if moment.done is not None:
        grid.add_row("song", _bar(moment.done, "blue"))
    reasons = Text("; ".join(snapshot.reasons), style="yellow") if snapshot.reasons else Text("")
    return Panel(Group(grid, reasons), title=moment.title, subtitle=snapshot.state, width=WIDTH + 32)


def level_meter(audio: AudioStatus) -> Text:
    """RMS level from `FLOOR_DBFS` to full scale."""
    if audio.level_dbfs is None and audio.state == "live":
        return Text("digital silence", style="yellow")
    if audio.level_dbfs is None:
        return Text(f"no sound ({audio.state}): {audio.reason or 'waiting'}", style="yellow")
    share = min(1.0, max(0.0, 1.0 - audio.level_dbfs / FLOOR_DBFS))
    style = "red" if audio.level_dbfs > -3 else "green"
    return _bar(share, style).append(f"  {audio.level_dbfs:6.1f} dBFS")


def phase_bar(phase: float | None) -> Text:
    """A mark that runs once through the bar per beat; bright on the beat."""
    if phase is None:
        return Text("·" * WIDTH, style="dim")
    at = min(WIDTH - 1, int(phase * WIDTH))
    near = phase < 0.08 or phase > 0.95
    bar = Text("·" * at, style="dim")
    bar.append("█", style="bold bright_yellow" if near else "cyan")
    return bar.append("·" * (WIDTH - 1 - at), style="dim")


def led_strip(moment: Moment) -> Text:
    """The node's strip: lit by flashes that really happened, fading."""
    past = [flash for flash in moment.flashes_ns if flash <= moment.now]
    glow = max(0.0, 1.0 - (moment.now - past[-1]) / FADE_NS) if past else 0.0
    red, green, blue = (round(low + (high - low) * glow) for low, high in ((24, 255), (20, 60), (32, 200)))
    return Text("●" * WIDTH, style=f"rgb({red},{green},{blue})")


def _beat_line(beat: BeatStatus) -> Text:
    line = Text(f"{beat.lock.upper():<9}", style=LOCK_STYLES[beat.lock])
    line.append("bpm     - " if beat.bpm is None else f"bpm {beat.bpm:6.1f}", style="bold")
    line.append(f"  confidence {beat.confidence:4.2f}  in bar {beat.beat_in_bar or '-'}", style="default")
    return line.append(f"  committed {beat.committed}", style="default")


def _drift_line(drift: DriftStatus) -> Text:
    if drift.drift_ms is None:
        return Text(f"none: {drift.reason}", style="dim")
    line = Text(f"{drift.drift_ms:+6.1f} ms {severity_words(drift)}", style=SEVERITY_STYLES[drift.severity])
    line.append(f"  p95 {_number(drift.figures.drift_ms.last_10s.p95, '.1f')} ms", style="default")
    fired = drift.figures.fire_error_us.last_10s
    return line.append(f"  fired {_number(fired.median, '+.0f')} us off, p95 {_number(fired.p95, '.0f')}", style="default")


def severity_words(drift: DriftStatus) -> str:
    """How bad it is and why, for those who see no colours: "AMBER (tracker)"; empty where there is nothing to judge."""
    words = "" if drift.severity is None else drift.severity.upper()
    return words if drift.attribution is None else f"{words} ({drift.attribution.replace('_', ' ')})"


def _node_line(node: NodeStatus | None) -> Text:
    if node is None:
        return Text("none configured", style="dim")
    line = Text(f"{node.state.upper():<9}", style=NODE_STYLES.get(node.state, "yellow"))
    line.append(f"{node.dialect or '-'} {node.timing or ''}  sent {node.sent} fired {node.fired}", style="default")
    return line.append(f"  late {node.late} missed {node.missed}", style="red" if node.late + node.missed else "default")


def _clock_line(node: NodeStatus | None) -> Text:
    if node is None or node.offset_bound_us is None:
        return Text("not known yet", style="dim")
    drift = _number(node.node_drift_ppm, "+.1f")
    return Text(f"within ±{node.offset_bound_us:.0f} us   likely {_number(node.sync_error_us, '.0f')} us   node {drift} ppm")


def _ticks(times_ns: Sequence[int], now: HostTime, style: str) -> Text:
    """The last `PAST_NS` as a row of cells, newest at the right."""
    cells = ["·"] * WIDTH
    for time_ns in times_ns:
        age_ns = now - time_ns
        if 0 <= age_ns < PAST_NS:
            cells[WIDTH - 1 - age_ns * WIDTH // PAST_NS] = "┃"
    return Text("".join(cells), style=style)


def _bar(share: float, style: str) -> Text:
    full = round(min(1.0, max(0.0, share)) * WIDTH)
    return Text("█" * full, style=style).append("░" * (WIDTH - full), style="dim")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
