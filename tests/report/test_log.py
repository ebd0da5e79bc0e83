import fcntl
import json
import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from k1edge.report.log import Sink, set_up


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield reader, writer
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()
    os.close(reader)
    os.close(writer)


def heard(reader: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in os.read(reader, 1 << 20).splitlines()]


def test_json_lines_with_level_time_and_values(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    log = structlog.get_logger("made before")
    with os.fdopen(os.dup(writer), "w") as stream:
        set_up("info", "auto", stream)
    with os.fdopen(os.dup(writer), "w") as stream:
        set_up("info", "auto", stream)
        log.info("listening", device="k1mon", odd=object)
        log.debug("too fine")
        logging.getLogger("some.library").warning("%d frames lost", 3)
        logging.getLogger("uvicorn.error").warning("a client's nonsense")
        first, second = heard(reader)
    assert first["event"] == "listening"
    assert (first["level"], first["device"]) == ("info", "k1mon")
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["logger"], second["level"]) == ("3 frames lost", "some.library", "warning")


def test_an_exception_is_one_line(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    with os.fdopen(os.dup(writer), "w") as stream:
        set_up("error", "json", stream)
        try:
            1 / 0  # noqa: B018 - it is the exception that matters
        except ZeroDivisionError:
            structlog.get_logger().exception("failed")
        (line,) = heard(reader)
    assert "ZeroDivisionError" in line["exception"]


def test_text_for_people(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    with os.fdopen(os.dup(writer), "w") as stream:
        set_up("info", "text", stream)
        structlog.get_logger().warning("no sound", device="k1mon")
        text = os.read(reader, 10_000).decode()
    assert "no sound" in text
    assert "device=k1mon" in text
    assert "\x1b" not in text


def test_fault_50_full_pipe_drops_counts_and_tells(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 8192)
    sink = Sink(writer)
    writing = threading.Thread(target=lambda: [sink.write(f'{{"line": {n}, "x": "{"y" * 500}"}}') for n in range(100)], daemon=True)
    writing.start()
    writing.join(10)
    assert not writing.is_alive()
    assert sink.dropped > 50
    got = heard(reader)
    assert [line["line"] for line in got] == list(range(100 - sink.dropped))
    sink.write('{"line": 100}')
    told, last = heard(reader)
    assert (told["lines"], last["line"]) == (sink.dropped, 100)


def test_fault_50_a_line_torn_by_a_full_pipe_does_not_spoil_the_next(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 8192)
    sink = Sink(writer)
    sink.write('{"long": "' + "x" * 60_000 + '"}')
    assert sink.dropped == 1
    assert b"\n" not in os.read(reader, 1 << 20)
    sink.write('{"line": 1}')
    torn, told, last = os.read(reader, 1 << 20).split(b"\n")[:3]
    assert torn == b""
    assert json.loads(told)["lines"] == 1
    assert json.loads(last) == {"line": 1}


def test_fault_50_reader_gone() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    sink = Sink(writer)
    sink.write("nobody hears this")
    assert sink.dropped == 1
    os.close(writer)


def test_lines_of_many_threads_do_not_mix(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 1 << 20)
    sink = Sink(writer)
    threads = [
        threading.Thread(target=lambda n=n: [sink.write(json.dumps({"n": n, "x": "y" * 100})) for _ in range(200)]) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = heard(reader)
    assert sink.dropped == 0
    assert sorted(line["n"] for line in lines) == sorted(list(range(4)) * 200)
