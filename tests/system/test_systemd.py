"""The unit under a real systemd: ready, status, restarts, watchdog, sandbox. It runs without sound card and node, and knows it."""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.machine import CannotBootError, Machine, missing_parts

pytestmark = pytest.mark.system

REPOSITORY = Path(__file__).resolve().parents[2]
SOCKET = "/run/k1edge/k1edge.sock"

# Shorter pauses than the unit's 20 s and 5 s, for the test's sake.
HASTE = "[Service]\nWatchdogSec=4\nRestartSec=1\n"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A booted machine with k1edge installed as the README says, but for the place of its virtual environment."""
    lacking = missing_parts()
    if lacking is not None:
        pytest.skip(lacking)
    try:
        made = Machine()
    except CannotBootError as why:
        pytest.skip(str(why))
    try:
        install(made.root)
        made.boot(REPOSITORY, Path(sys.base_prefix))
        yield made
    except CannotBootError as why:
        pytest.skip(str(why))
    finally:
        made.close()


def install(root: Path) -> None:
    """Put unit, drop-in, configuration and a link to this virtual environment into the machine's tree."""
    units = root / "etc/systemd/system"
    shutil.copy(REPOSITORY / "systemd/k1edge.service", units)
    (units / "k1edge.service.d").mkdir()
    # A developer's Python or checkout may lie in a home or under /tmp, which the unit rightly does not see: those folders alone are shown.
    hidden = {
        str(path) for path in (REPOSITORY, Path(sys.base_prefix), Path(sys.prefix)) if path.parts[1] in {"home", "root", "tmp", "var"}
    }
    drop_in = HASTE + ("ProtectHome=tmpfs\n" if hidden else "") + "".join(f"BindReadOnlyPaths={path}\n" for path in sorted(hidden))
    (units / "k1edge.service.d/test.conf").write_text(drop_in)
    (root / "opt").mkdir(exist_ok=True)
    (root / "opt/k1edge").symlink_to(sys.prefix)
    (root / "etc/k1edge").mkdir(exist_ok=True)
    (root / "etc/k1edge/k1edge.toml").write_text('[audio]\ndevice = "no-such-card"\n[node]\nport = "/dev/ttyACM9"\n')


def shown(machine: Machine, key: str) -> str:
    """A property of the unit."""
    return machine.run("systemctl", "show", "--value", "--property", key, "k1edge").stdout.strip()


def wait_for(what: str, condition: Callable[[], object], machine: Machine, timeout_s: float = 20.0) -> None:
    """Poll; on failure show the journal."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            journal = machine.run("journalctl", "--unit", "k1edge", "--no-pager", "--lines", "30").stdout
            pytest.fail(f"waited {timeout_s} s in vain for: {what}\n{journal}")
        time.sleep(0.2)


def is_active(machine: Machine) -> bool:
    """Whether READY=1 has come."""
    return shown(machine, "ActiveState") == "active"


def test_start_is_ready_with_a_status_line_and_a_socket(machine: Machine) -> None:
    started = machine.run("systemctl", "start", "k1edge")
    assert started.returncode == 0, machine.run("journalctl", "--unit", "k1edge", "--no-pager").stdout
    assert is_active(machine)
    wait_for("a status line that names what is missing", lambda: "no-such-card" in shown(machine, "StatusText"), machine)
    assert "degraded" in shown(machine, "StatusText")
    modes = machine.run("stat", "--dereference", "--format", "%a", SOCKET, "/run/k1edge").stdout.split()
    assert modes == ["660", "750"]
    told = machine.run("/opt/k1edge/bin/k1edge", "status", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["state"] == "degraded"


def test_it_runs_as_nobody_in_particular(machine: Machine) -> None:
    pid = shown(machine, "MainPID")
    status = machine.run("cat", f"/proc/{pid}/status").stdout
    uid = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1]
    assert int(uid) >= 61184, "not a dynamic user"  # systemd's range of them begins there
    assert "NoNewPrivs:\t1" in status
    assert "CapEff:\t0000000000000000" in status


def test_fault_52_the_sandbox_lets_it_be_found_on_the_lan(machine: Machine) -> None:
    if machine.run("ip", "link", "add", "lan", "type", "veth", "peer", "name", "far").returncode:
        pytest.skip("no iproute2, or no veth interfaces in this kernel")
    machine.run("ip", "link", "set", "far", "up")
    machine.run("ip", "address", "add", "10.78.0.1/24", "dev", "lan")
    machine.run("ip", "link", "set", "lan", "up")

    def network() -> dict[str, object]:
        return dict(json.loads(machine.run("/opt/k1edge/bin/k1edge", "status", "--json").stdout)["network"])

    wait_for("its announcement on a network that came later", lambda: network()["announced"], machine)
    heard = machine.run("/opt/k1edge/bin/k1edge", "peers", "--json", "--seconds", "4", "--socket", "/nowhere")
    assert [peer["addresses"][0] for peer in json.loads(heard.stdout)["peers"]] == ["10.78.0.1"], heard.stderr


def test_fault_47_killed_it_is_back(machine: Machine) -> None:
    before, restarts = shown(machine, "MainPID"), int(shown(machine, "NRestarts"))
    machine.run("systemctl", "kill", "--signal", "KILL", "k1edge")
    wait_for("a restart", lambda: int(shown(machine, "NRestarts")) == restarts + 1 and is_active(machine), machine)
    assert shown(machine, "MainPID") not in {before, "0"}


def test_fault_32_hung_it_is_killed_by_the_watchdog_and_back(machine: Machine) -> None:
    restarts = int(shown(machine, "NRestarts"))
    machine.run("systemctl", "kill", "--signal", "STOP", "k1edge")
    wait_for("the watchdog", lambda: int(shown(machine, "NRestarts")) == restarts + 1 and is_active(machine), machine, 30.0)
    journal = machine.run("journalctl", "--unit", "k1edge", "--no-pager").stdout
    assert "Watchdog timeout" in journal


def test_the_watchdog_is_fed_while_the_sound_is_known_to_be_missing(machine: Machine) -> None:
    pid = shown(machine, "MainPID")
    time.sleep(6.0)
    assert shown(machine, "MainPID") == pid


def test_fault_46_systemctl_stop_is_quick_and_clean(machine: Machine) -> None:
    begin = time.monotonic()
    machine.run("systemctl", "stop", "k1edge")
    assert time.monotonic() - begin < 3.0
    assert shown(machine, "Result") == "success"
    assert machine.run("test", "-e", SOCKET).returncode != 0


def test_fault_45_a_bad_configuration_is_not_tried_again(machine: Machine) -> None:
    machine.run("sh", "-c", "echo 'nonsense = 1' >>/etc/k1edge/k1edge.toml")
    assert machine.run("systemctl", "start", "k1edge").returncode != 0
    time.sleep(2.0)
    assert shown(machine, "ActiveState") == "failed"
    assert shown(machine, "ExecMainStatus") == "78"
    assert "/etc/k1edge/k1edge.toml:" in machine.run("journalctl", "--unit", "k1edge", "--no-pager").stdout
