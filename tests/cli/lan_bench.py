"""Daemons' LAN ports on loopback in threads of this process, for commands that block; and peers that are none."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from structlog.testing import capture_logs
from websockets.asyncio.server import ServerConnection, serve

from tests.report.lan_scene import Lan, run

PUBLISH_S = 0.02


@contextmanager
def lan(publish: Callable[[Lan], None] = Lan.publish, **options: Any) -> Iterator[Lan]:
    """Serve until the end of the block; `publish` is called 50 times a second."""
    served: list[Lan] = []
    ready, stop = threading.Event(), threading.Event()

    async def scenario(one: Lan) -> None:
        served.append(one)
        ready.set()
        while not stop.is_set():
            publish(one)
            await asyncio.sleep(PUBLISH_S)

    thread = threading.Thread(target=lambda: run(scenario, **options))
    with capture_logs():  # they would stand between what a command prints
        thread.start()
        try:
            assert ready.wait(10)
            yield served[0]
        finally:
            stop.set()
            thread.join(10)
            assert not thread.is_alive()


@contextmanager
def stranger(talk: Callable[[ServerConnection], Awaitable[None]], **options: Any) -> Iterator[int]:
    """Something else that speaks WebSocket; yields its port."""
    ports: list[int] = []
    ready, stop = threading.Event(), threading.Event()

    async def served() -> None:
        async with serve(talk, "127.0.0.1", 0, **options) as server:
            ports.append(next(iter(server.sockets)).getsockname()[1])
            ready.set()
            while not stop.is_set():  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(served()))
    thread.start()
    try:
        assert ready.wait(10)
        yield ports[0]
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()
