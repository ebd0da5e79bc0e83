"""`make bench-lan`: what telemetry costs the daemon and how old it is when it arrives; 100 subscribers at 10 Hz, then 10 of them frozen.

The daemon plays a song to a virtual node meanwhile, so that the flashes tell whether the LAN costs a beat anything. Subscribers run in
processes of their own, on the same machine.
"""

import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any, Self

import numpy as np

from tests.bench.figures import Figures
from tests.bench.running import cpu_s, rss_mb

SUBSCRIBERS = 100
FROZEN = 10
SETTLE_S = 5.0
QUIET_S = 40.0
MESSAGES = 100_000


class Process:
    """One that answers each line with a line of JSON."""

    def __init__(self, module: str, *arguments: object) -> None:
        command = [sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGCONT)
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def read(self) -> dict[str, Any]:
        """Wait for the next line."""
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def ask(self) -> dict[str, Any]:
        """Ask for a line."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.read()

    def send(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)


def over(daemon: Process, listeners: list[Process], seconds: float) -> dict[str, Any]:
    """Measure for a while: the daemon's CPU, ages, losses, flash errors."""
    daemon.ask()
    for each in listeners:
        each.ask()
    cpu, begin = cpu_s(daemon.pid), time.monotonic()
    time.sleep(seconds)
    share = (cpu_s(daemon.pid) - cpu) / (time.monotonic() - begin)
    told = [each.ask() for each in listeners]
    ages = [age for each in told for age in each["ages_ms"]]
    return {"cpu": share, "ages_ms": ages, "missing": sum(each["missing"] for each in told), **daemon.ask()}


def p99(values: list[float]) -> float:
    """Of the values; not a number where there are none."""
    return float(np.percentile(values, 99)) if values else float("nan")


def main() -> None:
    """Measure and print."""
    figures = Figures("lan")
    with ExitStack() as stack:
        daemon = stack.enter_context(Process("lan_daemon"))
        port = daemon.read()["port"]
        time.sleep(SETTLE_S)
        alone = over(daemon, [], QUIET_S)
        healthy = SUBSCRIBERS - FROZEN
        listeners = [stack.enter_context(Process("lan_clients", port, healthy // 2, first)) for first in (1, 100)]
        frozen = stack.enter_context(Process("lan_clients", port, FROZEN, 200))
        stranger = stack.enter_context(Process("lan_schema", port))
        time.sleep(SETTLE_S)
        before_mb = rss_mb(daemon.pid)
        sent = daemon.ask()["network"]["sent"]
        busy = over(daemon, [*listeners, frozen], QUIET_S)
        frozen.send(signal.SIGSTOP)
        stuck = over(daemon, listeners, QUIET_S)
        while (count := daemon.ask()["network"]["sent"] - sent) < MESSAGES:
            time.sleep(1.0)
        grown_mb = rss_mb(daemon.pid) - before_mb
        network = daemon.ask()["network"]
        judged = stranger.ask()
    note = f"{SUBSCRIBERS} subscribers, {len(busy['ages_ms'])} messages in {QUIET_S:g} s"
    figures.add("missing", busy["missing"] + stuck["missing"], at_most=0, note=f"{note}; by their numbers, healthy subscribers only")
    figures.add("age_p99_ms", p99(busy["ages_ms"]), at_most=50.0, note="from sample to receipt")
    figures.add("age_p99_frozen_ms", p99(stuck["ages_ms"]), at_most=50.0, note=f"the others, while {FROZEN} are stopped")
    share = busy["cpu"] - alone["cpu"]
    figures.add(
        "fanout_cpu_share", share, at_most=0.05, note=f"of one core: {busy['cpu']:.3f} with, {alone['cpu']:.3f} without subscribers"
    )
    figures.add(
        "grown_mb", grown_mb, at_most=2.0, note=f"over {count} messages; lost to the frozen {network['lost']}, cut off {network['cut_off']}"
    )
    figures.add(
        "schema_invalid", judged["invalid"], at_most=0, note=f"of {judged['messages']} messages in JSON; {judged['first'] or 'all obey it'}"
    )
    flash = {"alone": p99(alone["errors_us"]), "with_frozen": p99(stuck["errors_us"])}
    flashes = len(busy["errors_us"])
    figures.add("flash_p99_us", p99(busy["errors_us"]), peer=flash, note=f"{flashes} flashes; with this host waking the virtual node late")
    figures.table()


if __name__ == "__main__":
    main()
