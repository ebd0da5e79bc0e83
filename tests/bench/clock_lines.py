"""The part of `make bench-clock` that runs in fake time on the wires of `tests/sim/lines`: a node of 12 ppm in a warming case.

The link is simulated once; every estimator then sees the very exchanges that the link made.
"""

import contextlib
import io
from collections.abc import Callable
from typing import Self
from unittest.mock import patch

import numpy as np

from k1edge.link.k1link import delivery
from k1edge.link.k1link.clocksync import ClockSync
from k1edge.timebase import NS_PER_S, HostTime
from tests.bench.clock_peers import ESTIMATORS, Exchange, Ours, errors_us
from tests.bench.figures import Figures
from tests.sim.conftest import T0, Line, NodeClock, World
from tests.sim.lines import uart, usb_cdc, warming

PPM = 12.0
SEEDS = range(10)
LONG_S = 150.0
SETTLED_NS = T0 + 20 * NS_PER_S
AHEAD_S = 0.2
BURSTS = range(400)
BURST_S = 1.2
HOLDOVER_S = 60.0
BAD_CRYSTAL_PPM = 80.0
LEAD_S = 1.0  # how far ahead a beat is sent

Pair = Callable[[int], tuple[Line, Line]]
Recording = tuple[list[Exchange], NodeClock]


class Eavesdropper:
    """Notes every exchange of pings while it lasts."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self._take = ClockSync.add

    def __enter__(self) -> Self:
        take, exchanges = self._take, self.exchanges

        def add(sync: ClockSync, t1: HostTime, t2: int, t3: int, t4: HostTime) -> bool:
            exchanges.append((t1, t2, t3, t4))
            return take(sync, t1, t2, t3, t4)  # type: ignore[arg-type] # NodeTime, an int

        self._patch = patch.object(ClockSync, "add", add)
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()


def record(pair: Pair, seed: int, seconds: float, ppm: float = PPM) -> tuple[list[Exchange], NodeClock, World]:
    """The exchanges of a simulated link, the clock behind them, and the link."""
    clock = NodeClock(ppm=ppm, bend=warming(seed))
    with Eavesdropper() as ear, contextlib.redirect_stdout(io.StringIO()):  # a simulation prints its seed; stdout is for figures
        up, down = pair(seed)
        world = World(seed, clock=clock, up=up, down=down)
        try:
            world.run(seconds)
        except AssertionError:  # the bound did not cover the truth at some event, say: counted, not fatal here
            world.broken = True
    return ear.exchanges, clock, world


def percentile(errors: list[float], percent: float) -> float:
    """Of the absolute values."""
    return float(np.percentile(np.abs(errors), percent))


def beside(runs: list[Recording], ahead_s: float, settled_ns: int, every: int = 1, only: str = "") -> dict[str, list[float]]:
    """Errors of every estimator over all recordings, or of one."""
    return {
        name: [
            error
            for exchanges, clock in runs
            for error in errors_us(make(), exchanges, clock.at, ahead_s, settled_ns=settled_ns, every=every)
        ]
        for name, make in ESTIMATORS.items()
        if name == (only or name)
    }


def add_p99(figures: Figures, name: str, errors: dict[str, list[float]], at_most: float, note: str) -> None:
    """The 99th percentile of ours, with the others beside it."""
    peer = {other: percentile(values, 99) for other, values in errors.items() if other != "ours"}
    figures.add(name, percentile(errors["ours"], 99), at_most=at_most, peer=peer, note=note)


def covered(figures: Figures, name: str, runs: list[Recording]) -> None:
    """How often bound and likely error cover what is true, at each exchange and AHEAD_S later."""
    within, likely, bounds = [], [], []
    for exchanges, clock in runs:
        ours = Ours()
        for exchange in exchanges:
            ours.add(exchange)
            for h in (exchange[3], exchange[3] + AHEAD_S * NS_PER_S):
                error = abs(ours.at(h) - clock.at(h))
                within.append(error <= ours.map.bound_us)
                likely.append(error <= ours.map.sync_error_us)
            bounds.append(ours.map.bound_us)
    figures.add(f"{name}_bound_coverage", float(np.mean(within)), at_least=1.0, note=f"{len(within)} moments")
    figures.add(f"{name}_bound_median_us", float(np.median(bounds)))
    figures.add(f"{name}_sync_error_coverage", float(np.mean(likely)), at_least=0.95)


def holdover(runs: list[Recording]) -> list[bool]:
    """Whether the bound covers the truth HOLDOVER_S after the last answer."""
    inside = []
    for exchanges, clock in runs:
        ours = Ours()
        for exchange in exchanges:
            ours.add(exchange)
        h = exchanges[-1][3] + round(HOLDOVER_S * NS_PER_S)
        error = ours.at(h) - clock.at(h)
        inside.append(abs(error) <= ours.sync.fit(HostTime(h)).bound_us)  # type: ignore[union-attr] # there were answers
    return inside


def on(figures: Figures, name: str, pair: Pair) -> None:
    """All figures of one wire."""
    recorded = [record(pair, seed, LONG_S) for seed in SEEDS]
    runs = [(exchanges, clock) for exchanges, clock, _ in recorded]
    worlds = [world for _, _, world in recorded]
    note = f"{AHEAD_S:g} s ahead of the newest answer, seeds {SEEDS.start}-{SEEDS.stop - 1}, {LONG_S:g} s each"
    add_p99(figures, f"{name}_clock_p99_us", beside(runs, AHEAD_S, SETTLED_NS), 60.0, note)
    covered(figures, name, runs)
    whole, steps = float(np.mean([not world.broken for world in worlds])), sum(world.steps for world in worlds)
    figures.add(f"{name}_runs_covered", whole, at_least=1.0, note=f"in each of {steps} events of the simulated links")
    minute = beside(runs, HOLDOVER_S, T0 + 60 * NS_PER_S, every=10)
    add_p99(figures, f"{name}_holdover_p99_us", minute, 150.0, f"{HOLDOVER_S:g} s without answers, {len(minute['ours'])} times")
    figures.add(f"{name}_holdover_bound_coverage", float(np.mean(holdover(runs))), at_least=1.0)
    bursts = [(exchanges[:32], clock) for exchanges, clock, _ in (record(pair, seed, BURST_S) for seed in BURSTS)]
    first: dict[str, list[float]] = {other: [] for other in ESTIMATORS if other != "klipper_style_4_hz"}  # a burst gives it no rate
    for exchanges, clock in bursts:
        for other, errors in first.items():
            errors.extend(errors_us(ESTIMATORS[other](), exchanges, clock.at, AHEAD_S, settled_ns=exchanges[-1][3]))
    add_p99(figures, f"{name}_after_32_pings_p99_us", first, 100.0, f"{AHEAD_S:g} s ahead, {len(bursts)} bursts")


def locked(figures: Figures) -> None:
    """A USB controller that runs by the host's own crystal, as on many single boards: without dither a ping then meets one phase for ever."""

    def pair(seed: int) -> tuple[Line, Line]:
        return usb_cdc(seed, bus_ppm=0.0)

    def p99() -> float:
        runs = [record(pair, seed, LONG_S)[:2] for seed in SEEDS]
        return percentile(beside(runs, AHEAD_S, SETTLED_NS, only="ours")["ours"], 99)

    with patch.object(delivery, "GOLDEN", 0.0):
        even = p99()
    figures.add("usb_locked_clock_p99_us", p99(), at_most=60.0, peer={"undithered": even}, note="frames in step with the host's clock")


def remembered(figures: Figures) -> None:
    """What a rate known from before the restart is worth, on a bad crystal."""
    errors: dict[float | None, list[float]] = {None: [], BAD_CRYSTAL_PPM + 3: []}
    for seed in BURSTS:
        exchanges, clock, _ = record(usb_cdc, seed, BURST_S, BAD_CRYSTAL_PPM)
        for hint, values in errors.items():
            values.extend(errors_us(Ours(hint), exchanges[:32], clock.at, LEAD_S, settled_ns=exchanges[31][3]))
    without, known = (percentile(values, 99) for values in errors.values())
    note = f"rate remembered to 3 ppm, node {BAD_CRYSTAL_PPM:g} ppm fast, {LEAD_S:g} s ahead, after 32 pings"
    figures.add("usb_remembered_rate_p99_us", known, at_most=without, peer={"unknown_rate": without}, note=note)


def on_simulated_lines(figures: Figures) -> None:
    """Every figure of this file."""
    on(figures, "usb", usb_cdc)
    on(figures, "uart", uart)
    locked(figures)
    remembered(figures)
