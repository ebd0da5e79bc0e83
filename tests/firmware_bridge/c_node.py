"""The C library in this process: a shared library built here and now, called through ctypes with the tests' own time."""

import ctypes
import shutil
import subprocess
from pathlib import Path

from k1edge.link.node.reports import NodeIdentity

BRIDGE = Path(__file__).parents[2] / "firmware_bridge"
SIZE_OF_A_CONTEXT = '#include "k1link.h"\nconst size_t k1link_size = sizeof(struct k1link);\n'
NEVER = (1 << 64) - 1
MAX_WIRE = 123

Flash = tuple[int, int, int, int, int]
"""id, t_sched_us, t_latch_us, strength, beat_in_bar"""


class _Identity(ctypes.Structure):
    _fields_ = (
        ("unique_id", ctypes.c_uint8 * 8),
        ("boot_id", ctypes.c_uint32),
        ("led_tx_us", ctypes.c_uint32),
        ("led_count", ctypes.c_uint16),
        ("reset_reason", ctypes.c_uint8),
        ("clock_bits", ctypes.c_uint8),
        ("firmware", ctypes.c_char_p),
    )


class _Flash(ctypes.Structure):
    _fields_ = (
        ("id", ctypes.c_uint32),
        ("t_sched_us", ctypes.c_uint64),
        ("t_latch_us", ctypes.c_uint64),
        ("strength", ctypes.c_uint8),
        ("beat_in_bar", ctypes.c_uint8),
    )


class Style(ctypes.Structure):
    """k1link_style"""

    _fields_ = (("brightness", ctypes.c_uint8), ("fade_ms", ctypes.c_uint16), ("period_us", ctypes.c_uint32))


class Stats(ctypes.Structure):
    """k1link_stats"""

    _fields_ = (
        *(
            (name, ctypes.c_uint32)
            for name in ("frames_in", "bad_frames", "garbage_bytes", "refused", "fired", "late", "missed", "cancelled")
        ),
        ("queued", ctypes.c_uint8),
        ("queue_peak", ctypes.c_uint8),
    )


def compiler() -> str | None:
    """A C compiler of this machine."""
    return next((found for name in ("gcc", "clang", "cc") if (found := shutil.which(name))), None)


def build(folder: Path) -> ctypes.CDLL:
    """Compile the library into `folder` and load it."""
    cc = compiler()
    assert cc is not None
    library = folder / "libk1link.so"
    sources = sorted(map(str, BRIDGE.glob("src/*.c")))
    command = [cc, "-std=c99", "-O1", "-shared", "-fPIC", f"-I{BRIDGE}/include", *sources, "-x", "c", "-", "-o", str(library)]
    subprocess.run(command, input=SIZE_OF_A_CONTEXT, text=True, check=True)
    loaded = ctypes.CDLL(str(library))
    u64, pointer = ctypes.c_uint64, ctypes.c_void_p
    for name, result, arguments in (
        ("init", ctypes.c_int, (pointer, pointer, u64, ctypes.c_bool)),
        ("receive", None, (pointer, ctypes.c_char_p, ctypes.c_size_t, u64)),
        ("fire", ctypes.c_bool, (pointer, u64, pointer)),
        ("send", ctypes.c_size_t, (pointer, pointer, ctypes.c_size_t, u64)),
        ("next_due", u64, (pointer, u64)),
        ("is_idle", ctypes.c_bool, (pointer, u64)),
        ("is_binary", ctypes.c_bool, (pointer,)),
        ("log", None, (pointer, ctypes.c_uint8, ctypes.c_char_p)),
        ("get_style", Style, (pointer,)),
        ("get_stats", Stats, (pointer,)),
    ):
        function = getattr(loaded, f"k1link_{name}")
        function.restype, function.argtypes = result, arguments
    return loaded


class CNode:
    """One k1link context."""

    def __init__(self, library: ctypes.CDLL, who: NodeIdentity, started_us: int, *, announce: bool) -> None:
        self._library = library
        self._context = ctypes.create_string_buffer(ctypes.c_size_t.in_dll(library, "k1link_size").value)
        self._out = ctypes.create_string_buffer(MAX_WIRE)
        self._flash = _Flash()
        unique_id = (ctypes.c_uint8 * 8)(*who.unique_id.ljust(8, b"\0"))
        self._who = _Identity(
            unique_id, who.boot_id, who.led_tx_us, who.led_count, who.reset_reason, who.clock_bits, who.firmware.encode()
        )  # kept: the context points at it
        assert library.k1link_init(self._context, ctypes.byref(self._who), started_us, announce) == 0

    def receive(self, data: bytes, now_us: int) -> None:
        """Take bytes."""
        self._library.k1link_receive(self._context, data, len(data), now_us)

    def fire(self, now_us: int) -> list[Flash]:
        """Every flash that is due."""
        flashes, flash = [], self._flash
        while self._library.k1link_fire(self._context, now_us, ctypes.byref(flash)):
            flashes.append((flash.id, flash.t_sched_us, flash.t_latch_us, flash.strength, flash.beat_in_bar))
        return flashes

    def send(self, now_us: int) -> list[bytes]:
        """All that it has to say."""
        sent = []
        while length := self._library.k1link_send(self._context, self._out, MAX_WIRE, now_us):
            sent.append(self._out.raw[:length])
        return sent

    def next_due(self, now_us: int) -> int | None:
        """When to look again; None = not before something happens."""
        due = self._library.k1link_next_due(self._context, now_us)
        return None if due == NEVER else max(due, now_us)

    def is_idle(self, now_us: int) -> bool:
        """No host to follow."""
        return self._library.k1link_is_idle(self._context, now_us)

    def is_binary(self) -> bool:
        """Bytes are frames."""
        return self._library.k1link_is_binary(self._context)

    def log(self, level: int, text: str) -> None:
        """Tell people."""
        self._library.k1link_log(self._context, level, text.encode())

    def style(self) -> tuple[int, int, int]:
        """brightness, fade_ms, period_us."""
        style = self._library.k1link_get_style(self._context)
        return style.brightness, style.fade_ms, style.period_us

    def stats(self) -> Stats:
        """Totals."""
        return self._library.k1link_get_stats(self._context)
