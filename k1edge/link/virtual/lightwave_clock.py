"""The beat clock of a little LightwaveOS in external mode. Pure; owned by the thread that owns the node.

What a host has to live with, as the public firmware has it: the clock free-runs for ever on the last tempo and believes its source
wholly; it is looked at once a frame and flashes where the phase has wrapped since, so a wrap that a new phase overtakes makes no light, and
many wraps in a stall make one; a `tick` flashes whatever the phase was, so that a late one flashes twice; start sets the phase to 0 without
a flash; phases are cut to 1/255 and tempi to 1/100.
"""

import math

FRAME_US = 8_333
"""120 frames a second, as its source aims at."""

LED_TX_US = 5_100
"""160 LEDs at 30 us and their latch; two strips are sent at once."""

STEPS = 255
"""Phases that it knows."""


class LightwaveClock:
    """Node us in, flashes out."""

    def __init__(self) -> None:
        self.external = False
        self.bpm = 120.0
        self._phase = 0.0  # at _at_us
        self._at_us = 0.0
        self._ticked = False  # a tick waits for its frame

    @property
    def confidence(self) -> float:
        """Pinned to 1 while somebody else leads."""
        return 1.0 if self.external else 0.0

    def start(self, bpm: float, now_us: float) -> None:
        """Follow from now on, from phase 0."""
        self.external = True
        self._set(bpm, 0.0, now_us)

    def stop(self) -> None:
        """Follow no longer."""
        self.external = self._ticked = False

    def beat(self, bpm: float, phase: float, now_us: float, *, tick: bool) -> None:
        """Go on from here; what had wrapped since the last frame is forgotten."""
        if self.external:
            self._set(bpm, 0.0 if tick else math.floor(phase * STEPS) / STEPS, now_us)
            self._ticked = tick

    def phase_at(self, now_us: float) -> float:
        """Phase in [0, 1) at `now_us`."""
        return (self._phase + (now_us - self._at_us) / self._period_us) % 1.0

    def next_flash_us(self) -> int | None:
        """The frame that makes the next flash; None outside external mode."""
        return math.ceil(self._due_us / FRAME_US) * FRAME_US if self.external else None

    def flash(self, now_us: float) -> int | None:
        """Draw a frame: the moment for which it flashes, None where it does not."""
        due_us = self._due_us
        if not self.external or now_us < due_us:
            return None
        if self._ticked:
            self._ticked = False
        else:
            wraps = math.floor(self._phase + (now_us - self._at_us) / self._period_us)
            self._at_us, self._phase = due_us + max(0, wraps - 1) * self._period_us, 0.0
        return math.ceil(due_us)

    @property
    def _period_us(self) -> float:
        return 60e6 / self.bpm

    @property
    def _due_us(self) -> float:
        return self._at_us + (0.0 if self._ticked else (1.0 - self._phase) * self._period_us)

    def _set(self, bpm: float, phase: float, now_us: float) -> None:
        self.bpm = math.floor(bpm * 100 + 1e-6) / 100
        self._phase, self._at_us, self._ticked = phase, float(now_us), False
