"""What the host shows of itself: CPU of this process and the temperature, read from /proc and /sys. Owned by the event loop."""

import time
from pathlib import Path

from k1edge.report.telemetry import HostSigns

ZONES = Path("/sys/class/thermal")


class HostSampler:
    """Sampled every second or so; each sample's CPU share covers the time since the one before.

    Args:
        zones: stands in for the kernel's thermal zones in tests.
    """

    def __init__(self, zones: Path = ZONES) -> None:
        self._files = sorted(zones.glob("thermal_zone*/temp"))
        self._cpu_s = time.process_time()
        self._at_s = time.monotonic()

    def sample(self) -> HostSigns:
        """Read once."""
        cpu_s, at_s = time.process_time(), time.monotonic()
        passed_s = at_s - self._at_s
        share = (cpu_s - self._cpu_s) / passed_s if passed_s >= 0.1 else None
        self._cpu_s, self._at_s = cpu_s, at_s
        return HostSigns(cpu_share=share, temperature_c=max((c for path in self._files if (c := _celsius(path)) is not None), default=None))


def _celsius(path: Path) -> float | None:
    """A zone in thousandths of a degree; None for one that is off or tells nonsense."""
    try:
        degrees = int(path.read_text("ascii")) / 1000.0
    except (OSError, ValueError):
        return None
    return degrees if -50.0 < degrees < 200.0 else None
