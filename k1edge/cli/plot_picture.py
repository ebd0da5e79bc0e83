"""A recorded session as a picture, by matplotlib of the extra [plot]. Its panels share one axis of local wall-clock time.

Colours are those of Okabe and Ito, which people with any colour vision tell apart; each device has a marker of its own as well.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from k1edge.drift.severity import RUNGS_MS
from k1edge.events import Severity
from k1edge.report.session import Device, Series, Session

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8C6D00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
BAND_COLOURS = {Severity.AMBER: "#FFE9A8", Severity.ALERT: "#FFC98F", Severity.RED: "#F5A3A0"}

MOST_DOTS = 5_000
"""Of a series: more do not show, and make an SVG that no browser opens."""

Stroke = Literal["-", "--"]

_DAY_S = 86_400.0
_WIDTH_IN, _HEIGHT_IN = 12.0, 10.0
_MOST_TICKS = 400
"""Beats of a device that can be told apart."""

_ABOVE: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "fontsize": "small", "frameon": False, "borderaxespad": 0.1}


def draw(session: Session, out: Path) -> None:
    """Draw to `out`, whose suffix says in which format.

    Raises:
        OSError: it can't be written.
    """
    with mpl.rc_context({"font.size": 10, "axes.grid": True, "grid.alpha": 0.3, "axes.axisbelow": True, "svg.fonttype": "none"}):
        figure = Figure(figsize=(_WIDTH_IN, _HEIGHT_IN), layout="constrained", dpi=110)
        panels = figure.subplots(5, 1, sharex=True, gridspec_kw={"height_ratios": [4, 2.2, 2, 0.6 + 0.35 * len(session.devices), 2]})
        drift, fired, tempo, locks, clocks = panels
        started_s = session.header.started_wall_ms / 1e3
        for number, (name, device) in enumerate(sorted(session.devices.items())):
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            _dots(drift, device.drift_ms, started_s, colour, marker)
            _line(drift, device.sampled["median_ms"], started_s, colour, _label(name))
            _dots(fired, device.fire_error_us, started_s, colour, marker)
            _line(tempo, device.sampled["bpm"], started_s, colour, None)
            _line(clocks, device.sampled["node_ppm"], started_s, colour, None)
            _line(clocks, device.sampled["audio_ppm"], started_s, colour, None, style="--")
            _states(locks, device, number, started_s, colour)
        _dress_drift(drift, session)
        fired.set_ylabel("fire error, µs\n(+ = late)")
        tempo.set_ylabel("tempo, bpm")
        tempo.margins(y=0.2)
        _dress_states(locks, session)
        clocks.set_ylabel("clock against\nhost, ppm")
        clocks.legend(handles=[_sample("-", "node"), _sample("--", "audio")], **_ABOVE, ncols=2)
        _dress_time(clocks, session, started_s)
        figure.align_ylabels(panels)
        figure.savefig(out, metadata={"Title": "k1edge session"})


def _dots(axes: Axes, series: Series, started_s: float, colour: str, marker: str) -> None:
    """One dot per beat; of very many, evenly chosen ones."""
    step = max(1, len(series.at_s) // MOST_DOTS)
    size = 9 if len(series.at_s) < 2_000 else 3
    axes.scatter(_days(series.at_s[::step], started_s), series.value[::step], s=size, c=colour, marker=marker, alpha=0.7, linewidths=0)


def _line(axes: Axes, series: Series, started_s: float, colour: str, label: str | None, style: Stroke = "-") -> None:
    step = max(1, len(series.at_s) // MOST_DOTS)
    axes.plot(_days(series.at_s[::step], started_s), series.value[::step], color=colour, linewidth=1.6, label=label, linestyle=style)


def _states(axes: Axes, device: Device, row: int, started_s: float, colour: str) -> None:
    """When it was locked (solid) or holding (hatched), its beats (white, where they can be told apart), and its alerts below."""
    for span in device.locks:
        hatch = "////" if span.lock == "holding" else None
        width = max(span.end_s - span.begin_s, 0.05) / _DAY_S
        axes.barh(
            row,
            width,
            left=_day(span.begin_s, started_s),
            height=0.5,
            color="white" if hatch else colour,
            edgecolor=colour,
            hatch=hatch,
            linewidth=0.5,
        )
    if len(device.beats_s) <= _MOST_TICKS:
        axes.vlines(_days(device.beats_s, started_s), row - 0.25, row + 0.25, color="white", linewidth=1.2)
    for alarm in device.alarms.values():
        end_s = device.last_s if alarm.end_s is None else alarm.end_s
        colour_of = {"amber": "#C99700", "alert": "#D55E00", "red": "#A00000"}.get(alarm.alert.severity, "black")
        axes.plot(
            [_day(alarm.begin_s, started_s), _day(end_s, started_s)], [row + 0.38] * 2, color=colour_of, linewidth=4, solid_capstyle="butt"
        )


def _dress_drift(axes: Axes, session: Session) -> None:
    sizes = sorted(abs(value) for device in session.devices.values() for value in device.drift_ms.known())
    reach = max(30.0, 1.2 * sizes[min(len(sizes) - 1, len(sizes) * 995 // 1000)] if sizes else 0.0)
    axes.set_ylim(-reach, reach)
    rungs = list(RUNGS_MS.items())
    for (severity, low), high in zip(rungs, [*(ms for _, ms in rungs[1:]), 1e6], strict=True):
        for sign in (-1, 1):
            axes.axhspan(sign * low, sign * high, color=BAND_COLOURS[severity], alpha=0.6, linewidth=0, zorder=0)
        if low < reach:
            axes.annotate(
                f" {severity}", (1.0, (low + min(high, reach)) / 2), xycoords=("axes fraction", "data"), va="center", annotation_clip=False
            )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel("drift, ms\n(+ = the light is late)")
    beyond = sum(size > reach for size in sizes)
    axes.set_title(f"Light against music: each flash, and the median of 10 s{f' ({beyond} beyond the axis)' if beyond else ''}", loc="left")
    if 0 < len(session.devices) <= len(COLOURS):
        axes.legend(loc="upper left", ncols=4, fontsize="small", framealpha=0.9)


def _dress_states(axes: Axes, session: Session) -> None:
    axes.set_yticks(range(len(session.devices)), [_label(name) for name in sorted(session.devices)], fontsize="small")
    axes.set_ylim(len(session.devices) - 0.3, -0.6)
    axes.grid(visible=False, axis="y")
    locked, holding = Patch(color="grey", label="locked"), Patch(facecolor="white", edgecolor="grey", hatch="////", label="holding")
    legend: list[Patch | mpl.lines.Line2D] = [locked, holding, _sample("-", "alert", "#D55E00", 4)]
    if any(len(device.beats_s) <= _MOST_TICKS for device in session.devices.values()):
        legend.insert(2, Patch(facecolor="white", edgecolor="grey", linewidth=0.5, label="beat (thin white line)"))
    axes.legend(handles=legend, **_ABOVE, ncols=4)


def _dress_time(axes: Axes, session: Session, started_s: float) -> None:
    zone = datetime.fromtimestamp(started_s).astimezone().tzinfo
    locator = AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call] # matplotlib's own gap
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))  # type: ignore[no-untyped-call] # as above
    axes.set_xlim(_day(session.begin_s or 0.0, started_s), _day(max(session.end_s, (session.begin_s or 0.0) + 1.0), started_s))
    axes.set_xlabel(f"local time ({datetime.fromtimestamp(started_s, zone):%Z})")
    axes.margins(y=0.2)


def _sample(style: Stroke, label: str, colour: str = "grey", width: float = 1.6) -> "mpl.lines.Line2D":
    return mpl.lines.Line2D([], [], color=colour, linestyle=style, linewidth=width, label=label)


def _label(name: str) -> str:
    """Mathematics and hidden labels are not for strangers to set."""
    return name.replace("$", r"\$").lstrip("_") or "device"


def _days(at_s: Sequence[float], started_s: float) -> list[float]:
    return [_day(each, started_s) for each in at_s]


def _day(at_s: float, started_s: float) -> float:
    """As matplotlib counts time: days of Unix time."""
    return (started_s + at_s) / _DAY_S
