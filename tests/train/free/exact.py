"""Sound whose beats are written down: tracker modules (their rows) and Frets on Fire songs (their tempo maps)."""

import ctypes
import ctypes.util
import struct
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE = 44100
CHUNK = 64
"""Samples between two looks at the row: 1.5 ms."""


def rendered(path: Path, limit_s: float) -> tuple[np.ndarray, list[tuple[float, int, int, int]]]:
    """A module's sound (mono, 44.1 kHz) and its rows: time (s), order, pattern, row."""
    lib = ctypes.CDLL(ctypes.util.find_library("openmpt") or "libopenmpt.so.0")
    lib.openmpt_module_create_from_memory2.restype = ctypes.c_void_p
    lib.openmpt_module_read_mono.restype = ctypes.c_size_t
    lib.openmpt_module_read_mono.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_size_t, ctypes.c_void_p]
    data = path.read_bytes()
    module = lib.openmpt_module_create_from_memory2(data, ctypes.c_size_t(len(data)), *[None] * 7)
    if not module:
        return np.zeros(0, np.float32), []
    handle = ctypes.c_void_p(module)
    block = np.zeros(CHUNK, dtype=np.int16)
    sound, rows, before = [], [], None
    at = 0
    while at < limit_s * RATE:
        got = lib.openmpt_module_read_mono(handle, RATE, CHUNK, block.ctypes.data)
        if not got:
            break
        now = (
            lib.openmpt_module_get_current_order(handle),
            lib.openmpt_module_get_current_pattern(handle),
            lib.openmpt_module_get_current_row(handle),
        )
        if now != before:
            rows.append((at / RATE, *now))
            before = now
        sound.append(block[:got].copy())
        at += got
    lib.openmpt_module_destroy(handle)
    return np.concatenate(sound).astype(np.float32) / 32768.0 if sound else np.zeros(0, np.float32), rows


def number(data: bytes, at: int) -> tuple[int, int]:
    """A MIDI variable-length number and where it ends."""
    value = 0
    while True:
        value = value << 7 | data[at] & 0x7F
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


def tempo_map(path: Path) -> list[tuple[float, int]]:
    """Quarter notes of a MIDI file up to its last event: time (s), place in the bar from 1."""
    data = path.read_bytes()
    division = struct.unpack(">H", data[12:14])[0]
    tempi, bars, last = {}, {0: 4}, 0
    at = 14
    while at + 8 <= len(data):
        size = struct.unpack(">I", data[at + 4 : at + 8])[0]
        last = max(last, track_events(data[at + 8 : at + 8 + size], tempi, bars))
        at += 8 + size
    beats, seconds, tempo, place, bar = [], 0.0, 500000, 1, 4
    changes = sorted(tempi)
    before = 0
    for tick in range(0, last + 1, division):
        for change in [c for c in changes if before <= c < tick or c == tick == 0]:
            seconds += (change - before) * tempo / division / 1e6
            before, tempo = change, tempi[change]
        seconds += (tick - before) * tempo / division / 1e6
        before = tick
        bar = next((bars[c] for c in sorted(bars, reverse=True) if c <= tick), bar)
        if tick in bars:
            place = 1
        beats.append((seconds, place))
        place = place % bar + 1
    return beats


def track_events(data: bytes, tempi: dict[int, int], bars: dict[int, int]) -> int:
    """Collect a track's tempi (us a quarter) and bars (quarters); return its last tick."""
    at = tick = status = 0
    while at < len(data):
        delta, at = number(data, at)
        tick += delta
        if data[at] & 0x80:
            status = data[at]
            at += 1
        if status == 0xFF:
            kind = data[at]
            size, at = number(data, at + 1)
            if kind == 0x51:
                tempi[tick] = int.from_bytes(data[at : at + 3], "big")
            elif kind == 0x58 and data[at + 1] == 2:
                bars[tick] = data[at]
            at += size
        elif status in (0xF0, 0xF7):
            size, at = number(data, at)
            at += size
        else:
            at += 1 if status & 0xF0 in (0xC0, 0xD0) else 2
    return tick


def mixed(paths: list[Path]) -> np.ndarray:
    """Several files played at once, mono at 44.1 kHz."""
    parts = []
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        parts.append(soxr.resample(samples.mean(axis=1), rate, RATE))
    total = np.zeros(max(map(len, parts)), np.float32)
    for part in parts:
        total[: len(part)] += part
    return total / max(1.0, float(np.abs(total).max()))
