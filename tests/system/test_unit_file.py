import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

UNIT = Path(__file__).parents[2] / "systemd" / "k1edge.service"


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.fail("systemd-analyze is missing: apt-get install systemd")
    return subprocess.run(["systemd-analyze", *arguments, str(UNIT)], capture_output=True, text=True, timeout=60, check=False)


def test_verify_has_nothing_to_say() -> None:
    done = analyze("verify")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_exposure_is_at_most_2() -> None:
    done = analyze("security", "--offline=true", "--threshold=20", "--no-pager")
    assert done.returncode == 0, done.stdout
    found = re.search(r"Overall exposure level for k1edge.service: ([0-9.]+)", done.stdout)
    assert found is not None
    assert float(found[1]) <= 2.0


def test_fault_52_the_sandbox_leaves_what_we_need() -> None:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    assert "RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6" in lines
    for device in ("alsa", "ttyACM", "ttyUSB"):
        assert f"DeviceAllow=char-{device} rw" in lines
    for breaker in ("MemoryDenyWriteExecute=yes", "PrivateDevices=yes", "ProcSubset=pid", "PrivateNetwork=yes"):
        assert breaker not in lines
