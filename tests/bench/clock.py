"""`make bench-clock`: how well the node's clock is known, and how near a flash comes to its commanded time.

Twice: in fake time over the simulated link of `tests/sim`, where nothing but the line and the clocks errs, and through a real pty to a
virtual node in a process of its own, where the host's scheduling errs as well. The node is 100 ppm fast, the line delays 1 to 3 ms each way like USB.
`clock_lines` adds the wires that nodes really have, `clock_peers` what others make of the same exchanges.
"""

import contextlib
import io
import statistics
import time

import numpy as np

from k1edge.cli.demo_node import DemoNode
from k1edge.events import BeatPlan, FlashReport, PlannedBeat, Timeline
from k1edge.link.dialect import ClockUpdated, LinkEvent, LinkState
from k1edge.link.port import NodePort, SerialNode
from k1edge.link.session import SessionTuning
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime
from tests.bench.clock_lines import Eavesdropper, Recording, beside, on_simulated_lines, percentile
from tests.bench.figures import Figures
from tests.sim.conftest import T0, Line, NodeClock, World, uniform

PPM = 100.0
DELAY_MS = (1.0, 3.0)
SEEDS = range(5)
SIMULATED_S = 60.0
SETTLED_S = 10.0
REAL_S = 60.0
PERIOD_NS = 469 * NS_PER_MS  # 128 bpm


def simulate(figures: Figures) -> None:
    """The link in fake time."""
    flash_us: list[float] = []
    clock_us: list[float] = []
    bounds_us: list[float] = []
    covered: list[bool] = []
    runs: list[Recording] = []
    for seed in SEEDS:
        with Eavesdropper() as ear, contextlib.redirect_stdout(io.StringIO()):  # a simulation prints its seed; stdout is for figures
            line = uniform(*DELAY_MS)
            world = World(seed, clock=NodeClock(ppm=PPM), up=Line(line), down=Line(line))
            world.tempo_bpm = 60.0 * NS_PER_S / PERIOD_NS
            with contextlib.suppress(AssertionError):  # the bound's invariant: counted below, not fatal here
                world.run(SIMULATED_S)
        flash_us += world.flash_errors_us(after_s=SETTLED_S)
        settled = len(world.bounds_us) // 4
        clock_us += world.clock_errors_us[settled:]
        bounds_us += world.bounds_us[settled:]
        covered += [error <= bound for error, bound in zip(world.clock_errors_us, world.bounds_us, strict=True)]
        covered.append(world.worst_ratio <= 1.0)
        runs.append((ear.exchanges, world.clock))
    seeds = f"seeds {SEEDS.start}-{SEEDS.stop - 1}, {SIMULATED_S:g} s each"
    figures.add("sim_flash_p99_us", percentile(flash_us, 99), at_most=500.0, note=f"{len(flash_us)} flashes, {seeds}")
    peer = {name: percentile(errors, 99) for name, errors in beside(runs, 0.0, T0 + round(SETTLED_S * NS_PER_S)).items() if name != "ours"}
    figures.add("sim_clock_p99_us", percentile(clock_us, 99), peer=peer, note="the true error of the map")
    figures.add("sim_bound_coverage", statistics.mean(covered), at_least=1.0, note=f"{len(covered)} maps")
    figures.add("sim_bound_median_us", statistics.median(bounds_us))


def through_a_pty(figures: Figures) -> None:
    """The real port, a real pty, real time."""
    reports: list[FlashReport] = []
    maps: list[tuple[float, float]] = []
    with DemoNode(dialect="k1link", ppm=PPM, delay_ms=DELAY_MS, seed=1) as node:

        def hear(event: LinkEvent) -> None:
            if isinstance(event, FlashReport) and event.fired_ns is not None:
                reports.append(event)
            elif isinstance(event, ClockUpdated):
                clock = event.clock
                maps.append((abs(clock.to_node.forward(clock.at_ns) - node.node_us(clock.at_ns)), clock.bound_us))

        port = SerialNode(NodePort(node.path, tuning=SessionTuning(drain_ns=50 * NS_PER_MS)), hear)
        port.start()
        while port.status().state is not LinkState.READY:
            time.sleep(0.05)
        play(port)
        port.close()
        flashes = np.array([flash.fired_ns for flash in node.flashes()])
        told = np.array([node.host_ns(flash.scheduled_us) for flash in node.flashes()])
    due = np.array([report.due_ns for report in reports])
    flash_us = np.min(np.abs(flashes[None, :] - due[:, None]), axis=1) / 1e3
    told_us = np.min(np.abs(told[None, :] - due[:, None]), axis=1) / 1e3
    note = f"{len(due)} flashes, {REAL_S:g} s"
    figures.add("pty_flash_p99_us", percentile(flash_us, 99), at_most=500.0, note=f"{note}; with this host waking the virtual node late")
    figures.add("pty_told_p99_us", percentile(told_us, 99), at_most=500.0, note=f"{note}; the clock's share alone")
    figures.add("pty_bound_coverage", statistics.mean(error <= bound for error, bound in maps), at_least=1.0, note=f"{len(maps)} maps")
    figures.add("pty_bound_median_us", statistics.median(bound for _, bound in maps))


def play(port: SerialNode) -> None:
    """Follow a steady grid for `REAL_S`, a new plan ten times a beat as the daemon's loop gives them."""
    origin_ns = time.monotonic_ns() + NS_PER_S // 2
    end_ns = origin_ns + round(REAL_S * NS_PER_S)
    while (now := time.monotonic_ns()) < end_ns:
        first = max(0, (now - origin_ns) // PERIOD_NS + 1)
        beats = tuple(PlannedBeat(n, HostTime(origin_ns + n * PERIOD_NS), 1.0, None) for n in range(first, first + 3))
        port.follow(BeatPlan(Timeline(float(PERIOD_NS), 0.0, float(origin_ns)), beats, HostTime(now + 4 * NS_PER_S)))
        time.sleep(PERIOD_NS / NS_PER_S / 10)


def main() -> None:
    """Measure and print."""
    figures = Figures("clock")
    on_simulated_lines(figures)
    simulate(figures)
    through_a_pty(figures)
    figures.table()


if __name__ == "__main__":
    main()
