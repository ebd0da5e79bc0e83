"""A private, real PulseAudio: a sink without a sound card, whose monitor ALSA (and so PortAudio) sees as the device `k1mon`.

Everything lives in one private folder, so it neither needs nor disturbs a sound server of the machine. Owned by the test's thread.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

SINK = "k1"
DEVICE = "k1mon"
RATE_HZ = 44_100
DEBIAN_PACKAGES = ("libportaudio2", "pulseaudio", "pulseaudio-utils", "libasound2-plugins", "alsa-utils")

# `norewinds`: with rewinds the null sink renders two seconds ahead and the first capture callback is as late.
_MODULES = (
    "module-native-protocol-unix auth-anonymous=1 socket={socket}",
    f"module-null-sink sink_name={SINK} rate={RATE_HZ} channels=2 format=s16le norewinds=1",
)
_ASOUNDRC = f"""pcm.{DEVICE} {{
  type pulse
  device "{SINK}.monitor"
  hint.description "K1 monitor"
}}
"""


def missing_parts() -> str | None:
    """Say what this machine lacks for a sound server, or None."""
    lacking = [program for program in ("pulseaudio", "pacat", "pactl") if shutil.which(program) is None]
    return f"{', '.join(lacking)} missing; `make system-test` installs {' '.join(DEBIAN_PACKAGES)}" if lacking else None


class SoundServer:
    """The server's process and its private home."""

    def __init__(self) -> None:
        # Not pytest's tmp_path: a Unix socket's name must fit 108 bytes.
        self.home = Path(tempfile.mkdtemp(prefix="k1snd-"))
        self.socket = self.home / "pulse.sock"
        self._process: subprocess.Popen[bytes] | None = None
        (self.home / ".asoundrc").write_text(_ASOUNDRC)

    @property
    def environment(self) -> dict[str, str]:
        """What a client (the daemon included) needs in its environment to hear this server, and no other."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "XDG_", "DBUS_", "K1EDGE_"))}
        private = {"HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home), "PULSE_SERVER": f"unix:{self.socket}"}
        return inherited | private

    def start(self) -> None:
        """Start it and wait until it answers."""
        arguments = [
            "pulseaudio",
            "-n",
            "--daemonize=no",
            "--system=false",
            "--exit-idle-time=-1",
            "--use-pid-file=no",
            "--disable-shm=yes",
        ]
        for module in _MODULES:
            arguments += ["-L", module.format(socket=self.socket)]
        with (self.home / "pulseaudio.log").open("ab") as log:
            self._process = subprocess.Popen(arguments, env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 15.0
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                msg = "the sound server does not start:\n" + (self.home / "pulseaudio.log").read_text()
                raise RuntimeError(msg)
            time.sleep(0.05)

    def _answers(self) -> bool:
        # Bounded, for a stopped server accepts the connection and then says nothing.
        try:
            reply = subprocess.run(["pactl", "info"], env=self.environment, capture_output=True, timeout=2.0, check=False)
        except subprocess.TimeoutExpired:
            return False
        return reply.returncode == 0

    def kill(self) -> None:
        """End it as a crash would; clients see their connection drop."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(10.0)
            self._process = None
        self.socket.unlink(missing_ok=True)

    def freeze(self) -> None:
        """Stop it in its tracks: capture callbacks cease while PortAudio still calls the stream active."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on; the backlog comes in one burst."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its home."""
        self.thaw()
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
