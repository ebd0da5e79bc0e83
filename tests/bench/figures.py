"""How every benchmark speaks: one JSON line per figure on stdout for programs, a table on stderr for people."""

import json
import sys
from dataclasses import dataclass, field


@dataclass(slots=True)
class Figures:
    """The figures of one benchmark. A figure whose bar is missed says so; it never fails a build."""

    bench: str
    _rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)

    def add(
        self,
        figure: str,
        value: float | None,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        peer: dict[str, float] | None = None,
        note: str | None = None,
    ) -> None:
        """Print one figure; None = could not be measured, `note` says why."""
        bar, ok = None, None
        if at_most is not None:
            bar, ok = f"<= {at_most:g}", value is not None and value <= at_most
        elif at_least is not None:
            bar, ok = f">= {at_least:g}", value is not None and value >= at_least
        line: dict[str, object] = {"bench": self.bench, "figure": figure, "value": _short(value), "bar": bar, "ok": ok}
        if peer:
            line["peer"] = {name: _short(other) for name, other in peer.items()}
        if note:
            line["note"] = note
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        beside = ", ".join(f"{name} {_short(other)}" for name, other in (peer or {}).items())
        verdict = "" if ok is None else "ok" if ok else "MISSED"
        self._rows.append((figure, str(_short(value)), bar or "", verdict, "; ".join(part for part in (beside, note) if part)))

    def table(self) -> None:
        """Print what was added for people."""
        head = ("figure", "value", "bar", "", "beside")
        widths = [max(len(row[column]) for row in (head, *self._rows)) for column in range(4)]
        sys.stderr.write(f"\n{self.bench}\n")
        for row in (head, *self._rows):
            cells = [cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)]
            sys.stderr.write("  " + "  ".join([*cells, row[4]]).rstrip() + "\n")


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
