"""`k1edge watch` on a real terminal, and interrupted there."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from concurrent.futures import ThreadPoolExecutor

from k1edge.events import Severity
from k1edge.snapshot import AlertsStatus
from tests.cli.lan_bench import lan
from tests.report.lan_scene import Lan
from tests.report.scene import ALERT, SNAPSHOT


def on_terminal(*arguments: str, seconds: str, columns: int = 80, **environment: str) -> str:
    """What a terminal of `columns` is sent."""
    outer, inner = pty.openpty()
    termios.tcsetwinsize(inner, (40, columns))
    names = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "COLUMNS", "FORCE_COLOR"}}
    command = [sys.executable, "-m", "k1edge", "watch", *arguments, "--seconds", seconds]
    seen = b""
    with subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env={**names, "TERM": "xterm", **environment}) as watching:
        os.close(inner)
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while data := os.read(outer, 65536):
                seen += data
        assert watching.wait(10) == 0
    os.close(outer)
    return seen.decode()


def test_table_on_a_real_terminal_fits_80_columns_and_honours_no_color() -> None:
    def publish(one: Lan) -> None:
        drift = SNAPSHOT.drift.model_copy(update={"severity": Severity.AMBER})
        open_ = ALERT.model_copy(update={"end_ns": None})
        snapshot = SNAPSHOT.model_copy(
            update={
                "drift": drift,
                "alerts": AlertsStatus(open=(open_,), closed=(), total=1),
                "reasons": ("evil \x1b]0;title\x07" + "x" * 300,),
            }
        )
        one.feed.telemetry(lambda: snapshot, 0)

    with lan(publish) as one, lan() as other:
        peers = (f"127.0.0.1:{one.port}", f"localhost:{other.port}", "127.0.0.1:1")
        with ThreadPoolExecutor() as both:
            first = both.submit(on_terminal, *peers, seconds="0.7")
            plain = on_terminal(*peers, seconds="0.7", NO_COLOR="1")
            coloured = first.result(20)
    assert "\x1b[33m AMBER" in coloured or "\x1b[33mAMBER" in coloured
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", plain)
    assert "\x1b]" not in coloured + plain
    bare = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", plain).replace("\r", "\n")
    assert max(map(len, bare.splitlines())) <= 80
    rows = bare[bare.rindex("device  ") :]
    assert re.search(r"127…:\d{5} *running *LOCKED *128.0 0.93 *-4.5 *11.0 AMBER ready *-18 \d\.\ds *0", rows)
    assert "AMBER the light is late, by the tracker, worst +32 ms, for 60 s" in rows
    assert "127.0.0.1:1: Connection refused" in rows
    assert "3 devices; Ctrl-C ends" in rows


def test_fault_46_interrupt_ends_it_cleanly() -> None:
    with lan() as one:
        command = [sys.executable, "-m", "k1edge", "watch", "--json", f"127.0.0.1:{one.port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
            assert watching.stdout is not None
            assert json.loads(watching.stdout.readline())["type"] == "hello"
            watching.send_signal(signal.SIGINT)
            _, err = watching.communicate(timeout=10)
    assert watching.returncode == 0
    assert "Traceback" not in err
