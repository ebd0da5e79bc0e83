"""What a running `k1edge run` costs: started as a process, with a virtual node, on a real sound server where this machine has one."""

import os
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from k1edge.audio.synth import song
from k1edge.link.virtual_node import VirtualNode
from tests.bench.figures import Figures
from tests.system.edge import Edge, get_status
from tests.system.player import Player
from tests.system.sound_server import DEVICE, SoundServer, missing_parts

STARTS = 5
SETTLE_S = 20.0
IDLE_S = 10.0


def measure_daemon(figures: Figures) -> None:
    """Start-up, memory, CPU in silence and in music."""
    lacking = missing_parts()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="k1bench-")))
        environment = dict(os.environ)
        sound = None
        if lacking is None:
            sound = SoundServer()
            stack.callback(sound.close)
            sound.start()
            environment |= sound.environment
        else:
            environment |= {"HOME": str(folder)}
        source = (
            f"PortAudio capture of a real sound server ({DEVICE})" if sound else f"no sound source ({lacking}): a device that is absent"
        )
        starts = sorted(started_s(folder, environment, live=sound is not None) for _ in range(STARTS))
        figures.add(
            "start_to_listening_s", starts[STARTS // 2], at_most=1.5, note=f"median of {STARTS}, slowest {starts[-1]:.2f}; {source}"
        )
        node = stack.enter_context(VirtualNode())
        edge = daemon(folder, environment, node.path)
        stack.callback(edge.close)
        edge.start()
        time.sleep(SETTLE_S)
        figures.add("rss_mb", rss_mb(edge.pid), at_most=120.0, note=f"{SETTLE_S:g} s after the start, in silence; {source}")
        figures.add("idle_cpu_s_per_s", cpu_over(edge.pid, IDLE_S), note=f"silence, node ready; {source}")
        if sound is not None:
            with Player(sound, song("house", seconds=SETTLE_S + IDLE_S + 5.0).samples):
                time.sleep(SETTLE_S)
                figures.add("live_cpu_s_per_s", cpu_over(edge.pid, IDLE_S), note="music, locked, node flashing; capture and link included")
            figures.add("rss_after_music_mb", rss_mb(edge.pid), at_most=120.0)
        edge.stop()


def daemon(folder: Path, environment: dict[str, str], port: str) -> Edge:
    """One that listens to the bench's sound server, the LAN served on any free port."""
    return Edge(
        folder, environment, {"audio": {"device": DEVICE}, "node": {"port": port, "identify_drain_ms": 200}, "network": {"port": 0}}
    )


def started_s(folder: Path, environment: dict[str, str], *, live: bool) -> float:
    """From exec to a status that answers and tells of live sound; where there is no sound, that it has been looked for."""
    edge = daemon(folder, environment, "off")
    begin = time.monotonic()
    edge.start()
    try:
        while time.monotonic() < begin + 20.0:
            status = get_status(edge.socket)
            if status is not None and status["audio"]["state"] in ({"live"} if live else {"lost", "stalled"}):
                return time.monotonic() - begin
            time.sleep(0.005)
        return float("inf")
    finally:
        edge.stop()


def rss_mb(pid: int) -> float:
    """Resident memory, as the kernel counts it."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024.0
    return float("nan")


def cpu_over(pid: int, seconds: float) -> float:
    """CPU seconds of all threads per second."""
    before, begin = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_s(pid) - before) / (time.monotonic() - begin)


def cpu_s(pid: int) -> float:
    """User and system time so far, to the nanosecond where the kernel keeps it."""
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
