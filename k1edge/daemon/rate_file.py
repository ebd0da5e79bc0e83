"""The rates of the nodes' clocks on disk, so that a node met again after a restart is known from its first answers on.

Owned by the event loop; the writing itself happens on a thread, for a card may take its time.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import structlog

from k1edge.daemon.state import read_json, set_aside, write_atomic
from k1edge.link.rates import RateMemory
from k1edge.timebase import NS_PER_S, HostTime

log = structlog.get_logger(__name__)

FILE_NAME = "clock_rates.json"
EVERY_NS = 300 * NS_PER_S
"""A card wears with every write."""

WORTH_PPM = 0.5
"""A change below this helps nobody."""


class RateFile:
    """Reads the memory at the start, writes it now and then and at the end.

    Args:
        folder: of the state; None = remember nothing beyond this run.
        now: the first writing is EVERY_NS later.
    """

    def __init__(self, folder: Path | None, now: HostTime) -> None:
        self._path = None if folder is None else folder / FILE_NAME
        self._written: Mapping[str, float] = {} if self._path is None else _read(self._path)
        self.memory = RateMemory(self._written)
        self._tried_ns = now
        self._writing: asyncio.Task[None] | None = None

    def tick(self, now: HostTime) -> None:
        """Write if it is time and worth it; returns at once."""
        if now - self._tried_ns >= EVERY_NS and self._worth_writing():
            self._tried_ns = now
            self._start_writing()

    async def close(self) -> None:
        """Write what is new."""
        if self._worth_writing():
            self._start_writing()
        if self._writing is not None:
            await self._writing

    def _start_writing(self) -> None:
        self._written = self.memory.known()  # also where it fails: once in EVERY_NS is often enough
        self._writing = asyncio.create_task(self._write_after(self._writing, self._written))

    async def _write_after(self, before: asyncio.Task[None] | None, known: Mapping[str, float]) -> None:
        """One after the other: on a thread of its own an older state could overtake a newer one."""
        if before is not None:
            await before
        await asyncio.to_thread(_write, self._path, known)

    def _worth_writing(self) -> bool:
        known = self.memory.known()
        return self._path is not None and any(
            unique_id not in self._written or abs(ppm - self._written[unique_id]) >= WORTH_PPM for unique_id, ppm in known.items()
        )


def _write(path: Path | None, known: Mapping[str, float]) -> None:
    if path is None:
        return
    text = json.dumps({"version": 1, "node_ppm": {unique_id: round(ppm, 2) for unique_id, ppm in known.items()}})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text + "\n")
    except OSError as error:
        log.warning("clock rates are not kept", path=str(path), why=str(error))


def _read(path: Path) -> Mapping[str, float]:
    stored = read_json(path)
    if stored is None:
        return {}
    rates = stored.get("node_ppm")
    if isinstance(rates, dict) and all(isinstance(ppm, int | float) for ppm in rates.values()):
        return {str(unique_id): float(ppm) for unique_id, ppm in rates.items()}
    set_aside(path)
    return {}
