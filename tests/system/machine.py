"""A throw-away machine: an overlay of this one, booted by a real systemd in a container. Nothing in it outlives the test.

Owned by the test's thread.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

BOOT_S = 30.0


class CannotBootError(Exception):
    """This machine (a container without privileges, a kernel without overlays) runs no systemd of ours."""


def missing_parts() -> str | None:
    """Say what is needed for it and lacking, or None."""
    if os.geteuid() != 0:
        return "booting a systemd needs root"
    lacking = [program for program in ("systemd-nspawn", "nsenter", "mount") if shutil.which(program) is None]
    return f"{', '.join(lacking)} missing; `make system-test` installs systemd-container" if lacking else None


class Machine:
    """Write into `root` before `boot`, then `run` commands inside."""

    def __init__(self) -> None:
        self._top = Path(tempfile.mkdtemp(prefix="k1boot-"))
        self.root = self._top / "root"
        self._log = self._top / "boot.log"
        self._container: subprocess.Popen[bytes] | None = None
        self._leader = ""
        self._mount("-t", "tmpfs", "tmpfs", str(self._top))
        for name in ("upper", "work", "root"):
            (self._top / name).mkdir()
        options = f"lowerdir=/,upperdir={self._top / 'upper'},workdir={self._top / 'work'}"
        try:
            self._mount("-t", "overlay", "overlay", "-o", options, str(self.root))
        except CannotBootError:
            self._unmount(self._top)
            raise

    def boot(self, *visible: Path) -> None:
        """Start it and wait until its systemd is up. `visible` folders of this machine are there too, read-only, at the same place."""
        command = ["systemd-nspawn", "--quiet", "--private-network", "--register=no", "--keep-unit", "--console=pipe", "-D", str(self.root)]
        command += [f"--bind-ro={folder}" for folder in visible]
        with self._log.open("wb") as log:
            self._container = subprocess.Popen(
                [*command, "-b", "systemd.unit=multi-user.target"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                start_new_session=True,
            )
        deadline = time.monotonic() + BOOT_S
        while time.monotonic() < deadline and self._container.poll() is None:
            self._leader = self._leader or self._find_leader(self._container.pid)
            if self._leader and self.run("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}:
                return
            time.sleep(0.2)
        msg = "systemd does not come up in a container here: " + self._log.read_text(errors="replace")[-500:]
        raise CannotBootError(msg)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside; its result whatever it is."""
        enter = ["nsenter", "-t", self._leader, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--"]
        return subprocess.run([*enter, *command], capture_output=True, text=True, timeout=60.0, check=False)

    def close(self) -> None:
        """Switch it off and leave nothing."""
        if self._container is not None:
            if self._leader:
                self.run("systemctl", "poweroff")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._container.wait(10.0)
            if self._container.poll() is None:
                self._container.kill()
                self._container.wait(10.0)
        self._unmount(self.root)
        self._unmount(self._top)

    @staticmethod
    def _find_leader(pid: int) -> str:
        """The container's first process: a child of any thread of systemd-nspawn."""
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                children = (task / "children").read_text().split()
                if children:
                    return children[0]
        return ""

    @staticmethod
    def _mount(*arguments: str) -> None:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            msg = f"no mount {arguments[1]} here: {done.stderr.strip()}"
            raise CannotBootError(msg)

    @staticmethod
    def _unmount(place: Path) -> None:
        subprocess.run(["umount", "--lazy", str(place)], capture_output=True, check=False)
        with contextlib.suppress(OSError):
            place.rmdir()
