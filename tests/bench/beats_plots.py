"""The pictures of `make bench-beats --plots DIR`: reliability, lead, recovery. By matplotlib of the extra [plot], as SVG."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.beats_changes import Story
from tests.bench.beats_measures import Bin

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8C6D00", "#56B4E9")
MARKERS = "osD^vP"
LONGEST_S = 12.0


@dataclass(slots=True)
class Pictures:
    """What there is to draw, by name of the material."""

    reliability: dict[str, list[Bin]] = field(default_factory=dict)
    leads: dict[str, dict[float, float]] = field(default_factory=dict)
    stories: dict[str, Story] = field(default_factory=dict)


def draw(pictures: Pictures, out: Path) -> None:
    """Write reliability.svg, lead.svg and changes.svg into `out`."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    out.mkdir(parents=True, exist_ok=True)
    style = {
        "font.size": 10,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "axes.axisbelow": True,
        "svg.fonttype": "none",
        "svg.hashsalt": "k1edge",
    }
    with mpl.rc_context(style):
        for name, size, panel in (
            ("reliability", (6.0, 5.5), _reliability),
            ("lead", (6.5, 4.2), _leads),
        ):
            figure = Figure(figsize=size, layout="constrained")
            panel(figure.subplots(), pictures)
            figure.savefig(out / f"{name}.svg", metadata={"Date": None})
        figure = Figure(figsize=(11.0, 5.0), layout="constrained")
        left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1.7, 1.0]})
        _recovery(left, pictures)
        _returns(right, pictures)
        figure.savefig(out / "changes.svg", metadata={"Date": None})


def _reliability(axes: "Axes", pictures: Pictures) -> None:
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--", label="as announced")
    for number, (name, bins) in enumerate(pictures.reliability.items()):
        total = sum(each.count for each in bins) or 1
        kept = [each for each in bins if each.count >= 10]
        x, y = [each.announced for each in kept], [each.right for each in kept]
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        axes.plot(x, y, color=colour, linewidth=1.4, label=f"{name} ({total} beats)")
        axes.scatter(x, y, s=[12 + 220 * each.count / total for each in kept], color=colour, marker=marker, alpha=0.8)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("announced confidence")
    axes.set_ylabel("share of beats that were right (±70 ms)")
    axes.set_title("Confidence against what came true (size: share of beats)", loc="left", fontsize="medium")
    axes.legend(loc="upper left", fontsize="small")


def _leads(axes: "Axes", pictures: Pictures) -> None:
    for number, (name, by_lead) in enumerate(pictures.leads.items()):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        axes.plot(list(by_lead), list(by_lead.values()), color=colour, marker=marker, linewidth=1.4, label=name)
    axes.set_ylim(0.5, 1.01)
    axes.set_xlabel("committed ahead of the beat, ms (500: forecast of the published grid)")
    axes.set_ylabel("F-measure (±70 ms)")
    axes.set_title("What it costs to know the beat early", loc="left", fontsize="medium")
    axes.legend(loc="lower left", fontsize="small")


def _recovery(axes: "Axes", pictures: Pictures) -> None:
    """A row an event, each case a dot; the median a bar."""
    rows: dict[str, dict[str, list[float]]] = {}
    for name, story in pictures.stories.items():
        for event, took in story.recovery_s.items():
            rows.setdefault(event.replace("_", " "), {})[name] = took
    for row, cases in enumerate(rows.values()):
        for number, name in enumerate(pictures.stories):
            took = sorted(min(each, LONGEST_S) for each in cases.get(name, []))
            if not took:
                continue
            y = row + (number - (len(pictures.stories) - 1) / 2) * 0.25
            colour = COLOURS[number % len(COLOURS)]
            axes.scatter(took, [y] * len(took), s=14, color=colour, alpha=0.55, linewidths=0, label=name if row == 0 else None)
            axes.plot([took[len(took) // 2]] * 2, [y - 0.11, y + 0.11], color=colour, linewidth=3)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xlim(-0.2, LONGEST_S + 0.3)
    axes.set_xlabel(f"s until four beats in a row are right (bar: median; {LONGEST_S:g} = later or never)")
    axes.set_title("Re-lock", loc="left", fontsize="medium")
    axes.legend(loc="lower right", fontsize="small")


def _returns(axes: "Axes", pictures: Pictures) -> None:
    lines: Mapping[str, dict[int, float]] = {
        name.replace("_", " "): shares for story in pictures.stories.values() for name, shares in story.returns.items()
    }
    for number, (name, shares) in enumerate(lines.items()):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        axes.plot([str(bars) for bars in shares], [100 * share for share in shares.values()], color=colour, marker=marker, label=name)
    axes.set_ylim(-3, 103)
    axes.set_xlabel("bars without music")
    axes.set_ylabel("returns whose first beat was expected (±40 ms), %")
    axes.set_title("After a break", loc="left", fontsize="medium")
    axes.legend(loc="best", fontsize="small")
