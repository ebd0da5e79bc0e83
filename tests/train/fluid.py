"""FluidSynth's library through ctypes: sound fonts stay loaded between items, and time is ours to step."""

import ctypes
import ctypes.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from k1edge.timebase import SAMPLE_RATE_HZ
from tests.train.notes import Note, Pulse

Samples = NDArray[np.float32]

FONTS = {
    "fluid": Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    "musescore": Path("/usr/share/sounds/sf3/MuseScore_General_Full.sf3"),
    "timgm": Path("/usr/share/sounds/sf2/TimGM6mb.sf2"),
    "opl3": Path("/usr/share/sounds/sf2/OPL-3_FM_128M.sf2"),
}
"""Where Debian's fluid-soundfont-gm, musescore-general-soundfont, timgm6mb-soundfont and opl3-soundfont put them."""

BLOCK = 64
"""FluidSynth begins a note at the next of its own blocks: 1.5 ms."""

DRUMS = 9
"""The channel on which General MIDI has its drums."""

TAIL_S = 0.5


@cache
def library() -> Any:
    """The library, its functions' types told.

    Raises:
        RuntimeError: it is not installed (Debian: libfluidsynth3).
    """
    name = ctypes.util.find_library("fluidsynth")
    if name is None:
        msg = "libfluidsynth is not installed (Debian: libfluidsynth3)"
        raise RuntimeError(msg)
    fluid = ctypes.CDLL(name)
    pointer = ctypes.c_void_p
    fluid.new_fluid_settings.restype = fluid.new_fluid_synth.restype = pointer
    fluid.fluid_settings_setnum.argtypes = [pointer, ctypes.c_char_p, ctypes.c_double]
    fluid.fluid_settings_setint.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int]
    fluid.new_fluid_synth.argtypes = [pointer]
    fluid.fluid_synth_sfload.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int]
    fluid.fluid_synth_system_reset.argtypes = [pointer]
    fluid.fluid_synth_noteon.argtypes = [pointer, *[ctypes.c_int] * 3]
    fluid.fluid_synth_noteoff.argtypes = [pointer, *[ctypes.c_int] * 2]
    fluid.fluid_synth_bank_select.argtypes = [pointer, *[ctypes.c_int] * 2]
    fluid.fluid_synth_program_change.argtypes = [pointer, *[ctypes.c_int] * 2]
    fluid.fluid_synth_write_float.argtypes = [pointer, ctypes.c_int, *[pointer, ctypes.c_int, ctypes.c_int] * 2]
    return fluid


@cache
def synth(font: str) -> Any:
    """A synthesiser with one font, kept; its own reverb and chorus off.

    Raises:
        FileNotFoundError: the font is not installed.
    """
    if not FONTS[font].exists():
        raise FileNotFoundError(FONTS[font])
    fluid = library()
    settings = fluid.new_fluid_settings()
    fluid.fluid_settings_setnum(settings, b"synth.sample-rate", float(SAMPLE_RATE_HZ))
    fluid.fluid_settings_setnum(settings, b"synth.gain", 0.5)
    for name in (b"synth.reverb.active", b"synth.chorus.active"):
        fluid.fluid_settings_setint(settings, name, 0)
    made = fluid.new_fluid_synth(settings)
    fluid.fluid_synth_sfload(made, str(FONTS[font]).encode(), 1)
    return made


def render(notes: list[Note], pulse: Pulse, seconds: float, *, font: str, program: int, drums: bool = False) -> Samples:
    """One part as mono sound from beat 0 on."""
    fluid, player = library(), synth(font)
    fluid.fluid_synth_system_reset(player)
    channel = DRUMS if drums else 0
    fluid.fluid_synth_program_change(player, channel, program)
    blocks = int((seconds + TAIL_S) * SAMPLE_RATE_HZ / BLOCK)
    left, right = np.zeros(blocks * BLOCK, dtype=np.float32), np.zeros(blocks * BLOCK, dtype=np.float32)
    done = 0
    for block, on, pitch, velocity in events(notes, pulse):
        if block >= blocks:
            break
        if block > done:
            write(fluid, player, left, right, done, block)
            done = block
        if on:
            fluid.fluid_synth_noteon(player, channel, pitch, velocity)
        else:
            fluid.fluid_synth_noteoff(player, channel, pitch)
    write(fluid, player, left, right, done, blocks)
    return np.asarray((left + right) * 0.5, dtype=np.float32)


def events(notes: list[Note], pulse: Pulse) -> list[tuple[int, int, int, int]]:
    """(block, on, pitch, velocity), notes' ends before beginnings."""
    per_s = SAMPLE_RATE_HZ / BLOCK
    found = []
    for note in notes:
        start = max(round(pulse.at(note.beat) * per_s), 0)
        end = max(round(pulse.at(note.beat + note.beats) * per_s), start + 8)
        pitch = min(max(note.pitch, 0), 127)
        found += [(start, 1, pitch, min(max(note.velocity, 1), 127)), (end, 0, pitch, 0)]
    return sorted(found)


def write(fluid: Any, player: Any, left: Samples, right: Samples, first: int, last: int) -> None:
    """Let the synthesiser write blocks `first` to `last`."""
    start, count = first * BLOCK, (last - first) * BLOCK
    fluid.fluid_synth_write_float(player, count, left.ctypes.data, start, 1, right.ctypes.data, start, 1)
