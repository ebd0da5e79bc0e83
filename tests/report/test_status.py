import asyncio
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from k1edge.errors import K1EdgeError
from k1edge.report import status
from k1edge.report.app import build_app
from k1edge.report.instance import AlreadyRunningError, InstanceLock
from k1edge.report.status import StatusServer, lock_path
from tests.report.scene import GET, SNAPSHOT, ask, run, until


def test_serves_on_a_socket_that_only_its_group_may_use(folder: Path) -> None:
    path = folder / "run" / "k1edge.sock"

    async def scenario(server: StatusServer) -> None:
        code, body = await ask(path)
        assert code == 200
        assert json.loads(body)["id"] == SNAPSHOT.id
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750
        assert server.path == path

    run(path, scenario)


def test_many_requests_on_one_connection(folder: Path) -> None:
    path = folder / "k.sock"

    async def scenario(_: StatusServer) -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(GET * 20)
        got = b""
        while got.count(b"HTTP/1.1 200") < 20:
            got += await reader.read(65536)
        writer.close()

    run(path, scenario)


def test_signal_handlers_stay_the_daemons(folder: Path) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    async def scenario(_: StatusServer) -> None:
        assert (await ask(folder / "k.sock"))[0] == 200
        assert signal.getsignal(signal.SIGTERM) is before[signal.SIGTERM]

    run(folder / "k.sock", scenario)


def test_stop_closes_idle_clients_and_may_come_twice(folder: Path) -> None:
    path = folder / "k.sock"

    async def scenario(server: StatusServer) -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        await until(lambda: server.clients == 1)
        await server.stop()
        assert await reader.read() == b""
        await server.stop()
        writer.close()

    run(path, scenario)


def test_fault_35_second_instance_is_refused_and_the_first_unaffected(folder: Path) -> None:
    path = folder / "k.sock"

    async def scenario(_: StatusServer) -> None:
        inode = path.stat().st_ino
        second = StatusServer(build_app(lambda: SNAPSHOT), path)
        with pytest.raises(AlreadyRunningError, match=rf"pid {os.getpid()}\b"):
            await second.start()
        await second.stop()
        assert path.stat().st_ino == inode
        assert (await ask(path))[0] == 200

    run(path, scenario)


def test_fault_35_a_foreign_programs_socket_is_not_stolen(folder: Path) -> None:
    path = folder / "k.sock"
    with socket.socket(socket.AF_UNIX) as foreign:
        foreign.bind(str(path))
        foreign.listen(1)
        with pytest.raises(K1EdgeError, match="another program listens"):
            asyncio.run(StatusServer(build_app(lambda: SNAPSHOT), path).start())
        assert path.is_socket()


def test_a_file_in_the_way_is_left_alone(folder: Path) -> None:
    path = folder / "k.sock"
    path.write_text("precious")
    with pytest.raises(K1EdgeError, match="is no socket"):
        asyncio.run(StatusServer(build_app(lambda: SNAPSHOT), path).start())
    assert path.read_text() == "precious"


def test_a_place_that_can_not_be_used_is_named(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(K1EdgeError, match=r"can't be made.*status\.socket"):
        asyncio.run(StatusServer(build_app(lambda: SNAPSHOT), folder / "file" / "k.sock").start())


def test_fault_36_stale_socket_after_sigkill_is_rebound(folder: Path) -> None:
    path = folder / "k.sock"
    program = f"""
        import asyncio, sys
        from pathlib import Path
        from k1edge.report.status import StatusServer
        async def main():
            await StatusServer(None, Path({str(path)!r})).start()
            print("up", flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"up\n"
        first.kill()
    assert path.is_socket()

    async def scenario(_: StatusServer) -> None:
        assert (await ask(path))[0] == 200

    run(path, scenario)


def test_fault_36_wiped_directory_is_bound_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "WATCH_S", 0.02)
    path = folder / "run" / "k.sock"

    async def scenario(server: StatusServer) -> None:
        shutil.rmtree(path.parent)
        await until(path.exists)
        assert (await ask(path))[0] == 200
        with pytest.raises(AlreadyRunningError):  # the lock is on the new file
            InstanceLock(lock_path(path)).acquire()
        shutil.rmtree(path.parent)
        path.parent.write_text("in the way")
        await asyncio.sleep(0.1)  # some vain tries
        path.parent.unlink()
        await until(path.exists)
        assert (await ask(path))[0] == 200
        assert server.clients <= 1

    run(path, scenario)


def test_fault_36_when_another_took_over_it_keeps_the_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "WATCH_S", 0.02)
    path = folder / "run" / "k.sock"

    async def scenario(first: StatusServer) -> None:
        shutil.rmtree(path.parent)
        second = StatusServer(build_app(lambda: SNAPSHOT.model_copy(update={"id": "second"})), path)
        await second.start()
        await asyncio.sleep(0.1)
        assert json.loads((await ask(path))[1])["id"] == "second"
        await first.stop()
        assert json.loads((await ask(path))[1])["id"] == "second"
        await second.stop()

    run(path, scenario)


def test_fault_34_no_descriptor_is_left_behind(folder: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - iterdir would count itself in

    async def scenario(server: StatusServer) -> None:
        await ask(folder / "k.sock")
        await until(lambda: server.clients == 0)
        before = descriptors()
        for _ in range(200):
            await ask(folder / "k.sock")
        await until(lambda: server.clients == 0)
        assert descriptors() == before

    run(folder / "k.sock", scenario)


def test_the_lock_is_free_again_after_release(folder: Path) -> None:
    lock = InstanceLock(folder / "x.lock")
    lock.acquire()
    lock.acquire()
    with pytest.raises(AlreadyRunningError):
        InstanceLock(folder / "x.lock").acquire()
    lock.release()
    lock.release()
    InstanceLock(folder / "x.lock").acquire()
