"""When a finger came down: keys of a terminal, and the start of this process where the desktop starts one for each press of a key."""

import os
import sys
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

TAPS = frozenset(b" \r\n")
ENDS = frozenset(b"qQ\x03\x04\x1b")
"""q; Ctrl-C, Ctrl-D and Escape where they come as bytes."""

TRIES = 5
TOGETHER_NS = NS_PER_MS
"""Two clocks read within this were read at one moment; on a busy host much may lie between them."""

LONGEST_START_NS = 2 * NS_PER_S
"""A process that claims to have needed longer to come here was not started by a key just now."""


def keys() -> Iterator[HostTime]:
    """The host time of each tap on the terminal at stdin, until a key that ends it, its end, or Ctrl-C."""
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        while True:
            pressed = os.read(fd, 1)
            at = HostTime(time.monotonic_ns())
            if not pressed or pressed[0] in ENDS:
                return
            if pressed[0] in TAPS:
                yield at
    except KeyboardInterrupt:  # as good an end as q
        return
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def process_began_ns() -> HostTime:
    """When this process was started, within 10 ms; now, where the system does not tell.

    Python needs some 0.2 s until it comes here, and not always the same: a tempo tapped by the end of that would be none.
    """
    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        began_ns = int(fields[19]) * NS_PER_S // os.sysconf("SC_CLK_TCK")  # since the host started, suspensions included
    except (OSError, ValueError, IndexError):
        return HostTime(time.monotonic_ns())
    for _ in range(TRIES):
        now = HostTime(time.monotonic_ns())
        age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - began_ns
        if time.monotonic_ns() - now < TOGETHER_NS:
            break
    return HostTime(now - age_ns) if 0 <= age_ns <= LONGEST_START_NS else now
