"""Two hosts and a cable between them, on one machine: network namespaces and a veth pair. Owned by the test's thread.

What runs on a host is a process of this machine, so its files and Unix sockets are seen from everywhere.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

DEBIAN_PACKAGES = ("iproute2", "nftables", "avahi-daemon", "avahi-utils", "dbus")
DEVICE = "lan"


class NoLanError(Exception):
    """This machine (a container without privileges) lets nobody make networks."""


def missing_parts() -> str | None:
    """Say what is needed for it and lacking, or None."""
    if os.geteuid() != 0:
        return "making networks needs root"
    lacking = [
        program for program in ("ip", "nft", "avahi-daemon", "avahi-browse", "dbus-daemon", "nsenter") if shutil.which(program) is None
    ]
    return f"{', '.join(lacking)} missing; `make system-test` installs {' '.join(DEBIAN_PACKAGES)}" if lacking else None


class Host:
    """One of the two.

    Attributes:
        name: of its network namespace.
        v4: its address, as the cable is made.
        v6: the same.
        within: what to put before a command so that it runs there.
    """

    def __init__(self, number: int) -> None:
        self.name = f"k1t{os.getpid()}-{number}"
        self.v4 = f"10.77.0.{number}"
        self.v6 = f"fd77::{number}"
        self.within = ("ip", "netns", "exec", self.name)

    def ip(self, *arguments: str) -> None:
        """Run `ip` for this host.

        Raises:
            NoLanError: it may not.
        """
        _run("ip", "-n", self.name, *arguments)

    def address(self) -> None:
        """Give it both addresses."""
        self.ip("address", "replace", f"{self.v4}/24", "dev", DEVICE)
        self.ip("address", "replace", f"{self.v6}/64", "dev", DEVICE, "nodad")

    def lose(self, percent: int) -> None:
        """Of what comes in, lose this much at random."""
        _run(*self.within, "nft", "flush", "ruleset")
        if percent:
            share = "" if percent == 100 else f"numgen random mod 100 < {percent}"
            _run(*self.within, "nft", f"{_CHAIN} iif {DEVICE} {share} drop")


_CHAIN = "add table inet loss; add chain inet loss in { type filter hook input priority 0; }; add rule inet loss in"


class Cable:
    """Two hosts that see each other and nobody else."""

    def __init__(self) -> None:
        self.hosts = (Host(1), Host(2))
        try:
            for host in self.hosts:
                _run("ip", "netns", "add", host.name)
            one, two = self.hosts
            _run("ip", "link", "add", DEVICE, "netns", one.name, "type", "veth", "peer", "name", DEVICE, "netns", two.name)
            for host in self.hosts:
                host.ip("link", "set", "lo", "up")
                host.ip("link", "set", DEVICE, "up")
                host.address()
                host.lose(1)  # a kernel that can't should say so now
                host.lose(0)
        except NoLanError:
            self.close()
            raise

    def close(self) -> None:
        """Leave nothing; what still runs there goes on without a network."""
        for host in self.hosts:
            subprocess.run(["ip", "netns", "delete", host.name], capture_output=True, check=False)


class Avahi:
    """A stock avahi-daemon on a host, and an avahi-browse that prints what comes and goes. With a /run and a D-Bus of its own."""

    def __init__(self, host: Host, service: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="k1avahi-"))
        self._out = self._folder / "out"
        configuration = self._folder / "avahi.conf"
        configuration.write_text("[server]\nuse-ipv4=yes\nuse-ipv6=yes\n[publish]\ndisable-publishing=yes\n")
        script = (
            "mount -t tmpfs tmpfs /run && mkdir -p /run/dbus && dbus-daemon --system --fork && "
            f"(avahi-daemon --no-drop-root --no-rlimits --no-chroot -f {configuration} & ) && "
            f"until avahi-browse --terminate {service} >&2; do sleep 0.1; done; "
            f"exec stdbuf -oL avahi-browse --parsable --resolve --no-db-lookup {service}"
        )
        with self._out.open("wb") as out, (self._folder / "err").open("wb") as err:
            self._process = subprocess.Popen(
                [*host.within, "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def lines(self) -> list[list[str]]:
        """What it has printed: sign, interface, protocol, name, and with "=" what the name leads to."""
        return [line.split(";") for line in self._out.read_text(errors="replace").splitlines()]

    def complaints(self) -> str:
        """What it says beside that."""
        return (self._folder / "err").read_text(errors="replace")

    def close(self) -> None:
        """End it and everything that it started."""
        self._process.kill()
        self._process.wait(10.0)
        shutil.rmtree(self._folder, ignore_errors=True)


def wait_until(condition: Callable[[], object], timeout_s: float) -> bool:
    """Poll; whether it came true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        msg = f"no network can be made here: {' '.join(command[:6])}: {done.stderr.strip()}"
        raise NoLanError(msg)
