"""The rates on disk: atomic, bounded, seldom, and never a reason not to start."""

import asyncio
import json
from pathlib import Path

import pytest

from k1edge.config import load
from k1edge.daemon import Daemon, rate_file
from k1edge.daemon.rate_file import EVERY_NS, FILE_NAME, RateFile
from k1edge.timebase import HostTime
from tests.daemon.test_daemon import Sound, running

START = HostTime(1_000)


def kept(folder: Path) -> RateFile:
    return RateFile(folder, START)


def test_what_was_learnt_is_there_after_a_restart(tmp_path: Path) -> None:
    first = kept(tmp_path / "new")
    first.memory.learn("aa55", 12.345)
    asyncio.run(first.close())
    assert kept(tmp_path / "new").memory.recall("aa55") == 12.35


def test_writes_are_minutes_apart_and_only_where_something_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(rate_file, "write_atomic", lambda _path, text: written.append(text))

    async def live() -> None:
        rates = kept(tmp_path)
        for minute in range(60):
            rates.memory.learn("aa55", 12.0 + (minute >= 30) + 0.2 * (minute % 2))
            rates.tick(HostTime(START + minute * 60_000_000_000))
            await asyncio.sleep(0)
        await rates.close()

    asyncio.run(live())
    assert [json.loads(text)["node_ppm"]["aa55"] for text in written] == [12.2, 13.0]


def test_nothing_is_written_without_a_folder_or_anything_to_say(tmp_path: Path) -> None:
    nowhere = RateFile(None, START)
    nowhere.memory.learn("aa55", 1.0)
    asyncio.run(nowhere.close())
    asyncio.run(kept(tmp_path).close())
    assert list(tmp_path.iterdir()) == []


def test_fault_44_rates_cut_at_every_byte(tmp_path: Path) -> None:
    first = kept(tmp_path)
    first.memory.learn("aa55", 12.25)
    asyncio.run(first.close())
    path = tmp_path / FILE_NAME
    whole = path.read_bytes()
    for cut in range(len(whole) - 2):
        path.write_bytes(whole[:cut])
        assert dict(kept(tmp_path).memory.known()) == {}
        assert path.with_suffix(".json.bad").read_bytes() == whole[:cut]
        assert not path.exists()


@pytest.mark.parametrize("text", ['{"node_ppm": 5}', '{"node_ppm": {"a": "x"}}', "[]", "{}", "\xff", "[" * 100_000])
def test_fault_44_hostile_rates_are_set_aside(tmp_path: Path, text: str) -> None:
    path = tmp_path / FILE_NAME
    path.write_text(text, encoding="latin-1")
    assert dict(kept(tmp_path).memory.known()) == {}
    assert path.with_suffix(".json.bad").exists()


def test_fault_44_a_disk_that_takes_nothing_is_tried_again_in_minutes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    async def live() -> None:
        rates = kept(tmp_path / "file")
        rates.memory.learn("aa55", 12.0)
        rates.tick(HostTime(START + EVERY_NS))
        await rates.close()
        assert rates.memory.recall("aa55") == 12.0

    asyncio.run(live())


def test_the_daemon_hands_its_memory_to_the_node_and_keeps_it_at_the_end(tmp_path: Path) -> None:
    async def live() -> None:
        settings = load(Path("/dev/null"), {}, {"node.port": str(tmp_path / "nothing"), "network.bind": "off"})
        sound = Sound()
        daemon = Daemon(settings, sound, identity="k1e-test", socket=tmp_path / "k1.sock", env={}, state=tmp_path)
        task = await running(daemon, sound)
        assert daemon._desk is not None
        rates = daemon._desk.node._where.tuning.rates
        assert rates is not None
        rates.learn("aa55", 12.5)
        daemon.stop()
        await task

    asyncio.run(live())
    assert kept(tmp_path).memory.recall("aa55") == 12.5
