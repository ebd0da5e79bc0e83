"""The lines of LightwaveOS v3, as its public firmware takes them. Pure functions and facts.

- A line is executed when the node's receive buffer runs dry, half of it included: each line is one write of at most `MAX_LINE` bytes.
- A tempo outside 30 to 300 and a phase of 1.000 are dropped in silence, so none is ever built.
- Beats do nothing until `trinity.sync` start; its reply says in `dispatched` whether it took. A beat has no reply.
- Start sets the node's phase to 0 at the moment it is executed, without a flash.
- The node cuts a phase down to 1/255: what is sent lies in the middle of the step that is meant.
"""

import math

STOP = b'{"type":"trinity.sync","action":"stop"}\n'

MAX_LINE = 64
"""Bytes of a line with its newline: one USB packet, which the node reads whole."""

MIN_BPM, MAX_BPM = 30.0, 300.0

BOOT_MARKS = (b"ESP-ROM:", b"rst:0x")
"""First words of an ESP32-S3 after any reset."""


PHASE_STEPS = 255
"""Phases that the node tells apart."""


def start_line(bpm: float) -> bytes:
    """Build `trinity.sync` start; `bpm` must be `playable_bpm`."""
    return b'{"type":"trinity.sync","action":"start","bpm":%.2f}\n' % bpm


def phase_line(bpm: float, phase: float) -> bytes:
    """Build `trinity.beat` without a tick; any finite phase, rounded to the node's steps and wrapped after that. `bpm` must be `playable_bpm`."""
    step = round(phase % 1.0 * PHASE_STEPS) % PHASE_STEPS
    return b'{"type":"trinity.beat","bpm":%.2f,"beat_phase":%.3f}\n' % (bpm, (step + 0.5) / PHASE_STEPS)


def playable_bpm(bpm: float) -> bool:
    """Whether the node takes this tempo, as it would be written."""
    return math.isfinite(bpm) and MIN_BPM <= round(bpm, 2) <= MAX_BPM
