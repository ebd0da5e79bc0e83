"""The uplink inside the daemon: with the LAN off it is all there is; what waits for the hub is kept in a file."""

import asyncio
import os
from pathlib import Path

import pytest

from k1edge.config import load
from k1edge.daemon import Daemon
from k1edge.daemon.alert_file import FILE_NAME, AlertFile
from tests.daemon.test_daemon import Sound, until
from tests.report.hub_scene import Hub
from tests.report.test_uplink_buffer import ALERTS


@pytest.mark.parametrize("bind", ["off", "127.0.0.1"])
def test_a_hub_is_told_also_where_the_lan_is_off(tmp_path: Path, bind: str) -> None:
    async def whole() -> None:
        hub, sound = Hub(), Sound()
        await hub.start()
        flags = {"node.port": "off", "network.port": 0, "network.bind": bind, "telemetry.uplink": f"ws://127.0.0.1:{hub.port}"}
        settings = load(Path("/dev/null"), {}, flags)
        daemon = Daemon(settings, sound, identity="k1e-test", socket=tmp_path / "k1.sock", env={}, state=tmp_path)
        running = asyncio.create_task(daemon.run())
        await until(lambda: hub.kinds().count("telemetry") >= 3)
        network = daemon.snapshot().network
        assert network is not None
        assert network.uplink is not None
        assert (network.uplink.state, network.uplink.reason) == ("connected", None)
        if bind == "off":
            assert (network.port, network.announced, network.peers) == (None, None, ())
        daemon.stop()
        await running
        assert hub.kinds()[0] == "hello"
        assert hub.heard[0][1]["id"] == "k1e-test"
        await hub.die()

    asyncio.run(whole())


def test_alerts_are_kept_as_they_are_and_gone_when_they_are_taken(tmp_path: Path) -> None:
    file = AlertFile(tmp_path / "state")
    assert file.load() == []
    file.save(ALERTS[:5])
    assert file.load() == ALERTS[:5]
    file.save(())
    assert file.load() == []
    AlertFile(None).save(ALERTS[:5])
    assert AlertFile(None).load() == []


def test_fault_44_a_file_of_alerts_cut_anywhere_costs_the_alerts_alone(tmp_path: Path) -> None:
    file, path = AlertFile(tmp_path), tmp_path / FILE_NAME
    file.save(ALERTS[:2])
    whole = path.read_bytes()
    for at in range(0, len(whole) - 2, 7):
        path.write_bytes(whole[:at])
        assert file.load() == []
        assert not path.exists()
    for wrong in (b"[]", b'{"version": 1}', b'{"alerts": [{"type": "alert"}]}', b'{"alerts": 5}'):
        path.write_bytes(wrong)
        assert file.load() == []


def test_fault_44_a_folder_that_can_not_be_written_costs_the_memory_alone(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    AlertFile(tmp_path / "state").save(ALERTS[:1])
    assert os.listdir(tmp_path) == ["state"]  # noqa: PTH208 - names are what counts
