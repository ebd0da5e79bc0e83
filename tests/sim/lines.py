"""Wires as they are: a node on USB and one on a UART, each as a pair of `Line`s. Made-up numbers, made of these facts:

*USB-CDC, full speed.* A frame is 1 ms +- 500 ppm by the host controller's own crystal (USB 2.0, 7.1.12), not by the host's clock, so its
phase drifts against CLOCK_MONOTONIC: 20 ppm here, one sweep in 50 s; 0 where one crystal drives both, as on many single boards. What the host writes goes out at once: 70 us for the system call, the
controller's doorbell, 50 us of wire for 40 bytes and the node's interrupt, and an exponential 50 us on top. What the node writes waits for a
frame: controllers of the UHCI kind ask a NAKing bulk endpoint once a frame, and CDC stacks arm it in their start-of-frame interrupt. Then come
the wire, the moderated interrupt (xHCI: 40 us), the tty's work queue and the reader's waking: 110 us and an exponential 50 us.
So the floors of both ways differ by 40 us, and half of it, 20 us, is an error that no estimator can see.

*UART, 921600 baud, 8N1.* 10.85 us a byte. The node's 1 ms loop looks into its FIFO, so what it reads waits up to 1 ms; the loop runs by
the node's clock. The host's UART interrupts 32 bit times (35 us) after the last byte, as a PL011 does, and wakes the reader after 30 us and
an exponential 30 us. Again 20 to 25 us are out of sight.

Both lose 1 % of the frames in each direction and hold up 2 % for 5 ms (a busy hub, a preempted thread).
"""

import random
from collections.abc import Callable
from math import cos, pi

from tests.sim.conftest import MS, Delay, Line, losing

US = 1_000
LOSS = 0.01
STALLS = 0.02
STALL_NS = 5 * MS
BUS_PPM = 20.0
BAUD = 921_600


def above(floor_us: float, mean_us: float) -> Delay:
    """A floor, and an exponential above it."""
    return lambda rng, _now: (floor_us + rng.expovariate(1 / mean_us)) * US


def waiting(before: Delay, period_ns: float, after: Delay, phase_ns: float = 0.0) -> Delay:
    """`before`, then until the next tick of something periodic, then `after`."""

    def delay(rng: random.Random, now: float) -> float:
        ready = now + before(rng, now)
        tick = -(-(ready - phase_ns) // period_ns) * period_ns + phase_ns
        return tick - now + after(rng, tick)

    return delay


def stalling(delay: Delay) -> Delay:
    """STALLS of what is sent is held up first."""

    def stalled(rng: random.Random, now: float) -> float:
        held = STALL_NS if rng.random() < STALLS else 0
        return held + delay(rng, now + held)

    return stalled


def usb_cdc(seed: int = 0, bus_ppm: float = BUS_PPM) -> tuple[Line, Line]:
    """Host to node and node to host; `seed` sets the phase of the frames, `bus_ppm` their rate against the host's clock."""
    phase_ns = random.Random(seed).uniform(0, MS)
    into = waiting(above(0, 5), MS * (1 + bus_ppm * 1e-6), above(110, 50), phase_ns)
    return Line(stalling(above(70, 50)), losing(LOSS)), Line(stalling(into), losing(LOSS))


def uart(seed: int = 0, node_ppm: float = 12.0) -> tuple[Line, Line]:
    """The same for a UART; `node_ppm` is the rate of the node's loop."""
    phase_ns = random.Random(seed).uniform(0, MS)
    out = waiting(above(10, 20), MS / (1 + node_ppm * 1e-6), above(10, 5), phase_ns)
    byte_ns = 10e9 / BAUD
    return Line(stalling(out), losing(LOSS), byte_ns=byte_ns), Line(stalling(above(65, 30)), losing(LOSS), byte_ns=byte_ns)


def warming(seed: int = 0) -> Callable[[float], float]:
    """Bend of a crystal of 12 ppm in a warming case, us over s: +- 2 ppm over 10 minutes at any phase, and 0.2 ppm a minute on top."""
    phase = random.Random(seed).uniform(0, 2 * pi)
    turn = 2 * pi / 600
    return lambda s: 2.0 / turn * (cos(phase) - cos(turn * s + phase)) + 0.2 / 60 / 2 * s * s
