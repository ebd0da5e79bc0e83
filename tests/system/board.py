"""The emulated board: the C library as a Cortex-M3 image under qemu, its UART a pty, its LEDs watched from outside.

| what a test does | what the daemon meets                                                      |
|------------------|----------------------------------------------------------------------------|
| `kill`           | a line that falls silent: the pty stays, as a USB bridge stays beside a dead chip |
| `freeze`, `thaw` | a node that hangs; its clock runs on                                       |
| `start` again    | a node that has just started: boot text, another boot id, its clock near 0 |

Owned by the test's thread.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
import tty
from pathlib import Path

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware_bridge"
IMAGE = FIRMWARE / "build" / "board" / "k1board.elf"

_LED = re.compile(r"@(\d+)\.(\d{6}):led_set_intensity LED desc:'USERLED0' .* intensity: (\d+)%")


def missing_parts() -> str | None:
    """Say what this machine lacks for the board, or None."""
    needed = {"qemu-system-arm": "qemu-system-arm", "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi", "make": "make"}
    lacking = [program for program in needed if shutil.which(program) is None]
    return f"{', '.join(lacking)} missing; Debian: {' '.join(needed[program] for program in lacking)}" if lacking else None


def build(target: str) -> None:
    """Make a target of firmware_bridge; fails with the compiler's words."""
    made = subprocess.run(["make", "--silent", "-C", FIRMWARE, target], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


class Board:
    """One board. `path` is where the host opens it, and stays the same whatever happens to the board."""

    def __init__(self, folder: Path) -> None:
        build("board")
        self._folder = folder
        self._master, self._slave = os.openpty()  # the host's end is held open too, so that a host may come and go
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        link = folder / "board"
        link.symlink_to(os.ttyname(self._slave))
        self.path = str(link)
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Switch it on; what was sent to it while it was off is gone."""
        self.kill()
        with contextlib.suppress(BlockingIOError):
            while os.read(self._master, 4096):
                pass
        self.starts += 1
        command = ["qemu-system-arm", "-M", "mps2-an385", "-nodefaults", "-nographic", "-kernel", str(IMAGE)]
        command += ["-add-fd", f"fd={self._master},set=1", "-chardev", "serial,id=uart,path=/dev/fdset/1", "-serial", "chardev:uart"]
        command += ["-semihosting-config", "enable=on,target=native"]  # its source of chance
        command += ["-msg", "timestamp=on", "-trace", "led_set_intensity", "-D", str(self._trace(self.starts))]
        command = [*hurry(), *command]
        self._process = subprocess.Popen(
            command, pass_fds=[self._master], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    @property
    def pid(self) -> int:
        """The emulator's process id, 0 while it is off."""
        return 0 if self._process is None else self._process.pid

    def kill(self) -> None:
        """Cut its power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10.0)
            self._process = None

    def freeze(self) -> None:
        """Hang."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it."""
        self.kill()
        os.close(self._master)
        os.close(self._slave)

    def flashes_ns(self) -> list[int]:
        """When LED 0 went on, by the emulator's own word, on the host's clock: no report of a node can prove that."""
        ahead_ns = time.time_ns() - time.monotonic_ns()
        seen: list[int] = []
        for start in range(1, self.starts + 1):
            lit = True  # as qemu's LEDs are before the board has darkened them
            for match in _LED.finditer(self._trace(start).read_text()):
                was, lit = lit, match[3] != "0"
                if lit and not was:
                    seen.append(int(match[1] + match[2]) * 1_000 - ahead_ns)
        return seen

    def _trace(self, start: int) -> Path:
        return self._folder / f"board-{start}.trace"

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)


def hurry() -> list[str]:
    """Before the emulator's command: a microcontroller has no other programs to run, so neither shall these wait for its processor.

    On one processor, for the emulator's two threads wake each other for every byte, and waking another processor takes longer. Empty where
    it is not allowed: then the board flashes as late as a busy machine wakes it.
    """
    hurry = ["chrt", "--fifo", "1", "taskset", "--cpu-list", str(max(os.sched_getaffinity(0)))]
    return hurry if subprocess.run([*hurry, "true"], capture_output=True, check=False).returncode == 0 else []
