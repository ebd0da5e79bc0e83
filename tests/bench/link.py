"""`make bench-link`: what a bad line costs, how near an untimed node comes to the beat, and how early beats are named. All in fake time.

Simulation throughout: the K1's firmware is a model made from its public sources, and the lines are models too (`tests/sim`).
"""

import contextlib
import io
import statistics
from collections.abc import Callable

import numpy as np

from k1edge.link.virtual.lightwave_loop import Hazards
from tests.bench.figures import Figures
from tests.bench.link_lead import HeardWorld, fired
from tests.sim.conftest import T0, Line, NodeClock, S
from tests.sim.damage import Damage, bursts, packets, single_bytes
from tests.sim.port_world import PortWorld
from tests.sim.trinity_world import TrinityWorld

SEEDS = range(5)
BPM = 120.0
LOSS_S = 40.0
PATIENCE_S = 300.0
BARRED = {"20%_bursts_64", "20%_packets"}
USB_MS = (0.1, 2.0)
SONGS = ("house", "rock", "swing")

LOSSES: dict[str, Callable[[], Damage]] = {
    "20%_packets": lambda: packets(0.2),
    **{f"20%_bursts_{size}": lambda size=size: bursts(0.2, size) for size in (256, 64, 32, 16, 8, 4)},  # type: ignore[misc]  # a default
    **{f"{share:g}%_single": lambda share=share: single_bytes(share / 100) for share in (0.5, 1, 2, 3, 4, 5, 20)},  # type: ignore[misc]
}


def silent() -> contextlib.AbstractContextManager[object]:
    """A simulation prints its seed; stdout is for figures."""
    return contextlib.redirect_stdout(io.StringIO())


def lossy(figures: Figures, name: str, damage: Callable[[], Damage]) -> None:
    """One kind of loss, the same both ways: the beats that fire on a link that was up, and how long one takes to come up."""
    flashed = told = opened = 0
    ready_s = []
    for seed in SEEDS:
        with silent():
            rough = PortWorld(seed, up=Line(damage=damage()), down=Line(damage=damage()), clock=NodeClock(ppm=30.0))
            link = PortWorld(seed + 100, clock=NodeClock(ppm=30.0))
        ready_s.append(rough.run_until_ready(PATIENCE_S))
        link.run_until_ready(10.0)
        link.tempo_bpm = BPM
        link.run(2)
        before = link.counters()
        link.flashes.clear()
        link.up.damage, link.down.damage = damage(), damage()
        link.run(LOSS_S)
        after = link.counters()
        flashed += len(link.flashes)
        told += after.fired + after.late - before.fired - before.late
        opened += link.opened - 1
    beats = len(SEEDS) * LOSS_S * BPM / 60.0
    bar = 0.95 if name in BARRED else None
    figures.add(f"fired_{name}", flashed / beats, at_least=bar, note=f"share of {beats:g} beats; reopened {opened} times")
    figures.add(f"reported_{name}", told / beats, note="share that the host heard to have fired; the others it counts as missed")
    never = sum(time_s >= PATIENCE_S for time_s in ready_s)
    figures.add(
        f"ready_s_{name}",
        statistics.median(ready_s),
        note=f"median, from the opening; longest {max(ready_s):.1f}; not within {PATIENCE_S:g} s: {never}",
    )


def untimed(figures: Figures) -> None:
    """A LightwaveOS: the light against the beat, at 60 to 200 bpm."""
    for name, hazards, delay_ms in (
        ("usb", Hazards(), USB_MS),
        ("usb_stalls", Hazards(stall=0.02), USB_MS),
        ("0_30ms", Hazards(), (0.0, 30.0)),
    ):
        errors_ms: list[float] = []
        for seed in range(20):
            with silent():
                world = TrinityWorld(seed, hazards, delay_ms)
            world.play(60.0 + 7.0 * seed)
            world.run(40)
            errors_ms += world.phase_errors_ms(T0 + 10 * S)
        note = f"{len(errors_ms)} flashes, median {np.median(errors_ms):+.1f} ms, worst {np.max(np.abs(errors_ms)):.1f} ms; delay {delay_ms[0]:g}-{delay_ms[1]:g} ms"
        figures.add(f"trinity_light_p95_ms_{name}", float(np.percentile(np.abs(errors_ms), 95)), note=note)


def leads(figures: Figures) -> None:
    """How early the daemon's beats are named: PROTOCOL.md asks for 150 ms."""
    named: list[float] = []
    settled: list[float] = []
    flashes = 0
    for seed, name in enumerate(SONGS):
        with silent():
            world = HeardWorld(seed + 1, name, 60.0)
        world.run(60.0)
        first, last = world.leads_ms()
        named += first
        settled += last
        flashes += fired(world.reports)
    note = f"{len(named)} beats of {len(SONGS)} songs, {flashes} fired; median {np.median(named):.0f} ms, least {min(named):.0f} ms"
    figures.add("named_ahead_p1_ms", float(np.percentile(named, 1)), at_least=150.0, note=note)
    late = f"told a time more than 1 ms off the one before; median {np.median(settled):.0f} ms, least {min(settled):.0f} ms"
    figures.add("last_moved_ahead_p1_ms", float(np.percentile(settled, 1)), note=late)


def main() -> None:
    """Measure and print."""
    figures = Figures("link")
    leads(figures)
    untimed(figures)
    for name, damage in LOSSES.items():
        lossy(figures, name, damage)
    figures.table()


if __name__ == "__main__":
    main()
