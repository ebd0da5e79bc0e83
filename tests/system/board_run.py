"""From the sound in the room to the LED of the emulated board, with the board killed, frozen and restarted meanwhile; and what came of each beat.

What it returns is judged by `test_board` (about a minute) and by `make bench-board` (ten).
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from k1edge.audio.synth import click_and_drums
from tests.system import board, sound_server
from tests.system.board import Board
from tests.system.edge import LOCK_S, START_S, Edge, Status, is_listening, is_locked
from tests.system.player import Player
from tests.system.sound_server import SoundServer

BPM = 120.0
LOOP_S = 60.0  # a whole number of bars: the loop has no seam
SAME_FLASH_NS = 20e6
TELL_S = 1.5  # the ledger's patience with a report, and some
UNSETTLED_S = 1.0  # around a fault: flashes of this long are told to nobody, or told late


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind` is "kill", "freeze" or "restart"; `for_s` is how long the board is away; `back_s` from its return to its next flash."""

    kind: str
    at_ns: int
    for_s: float
    back_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run was like.

    Attributes:
        reports: each "flash" line of the daemon's log, in order.
        lit_ns: when the board's LED went on, by the emulator.
        counters: of the last /status: sent, fired, late, missed, cancelled, pending.
        faults: what was staged.
        seconds: from the lock to the end of the music.
        clicks: beats of the music in that time.
    """

    reports: list[dict[str, float]]
    lit_ns: list[int]
    counters: dict[str, int]
    faults: list[Fault]
    seconds: float
    clicks: int

    def fates(self) -> dict[str, int]:
        """How many beats ended in which way, by the reports."""
        return dict(Counter(str(report["fate"]) for report in self.reports))

    def fire_errors_us(self) -> NDArray[np.float64]:
        """Of every beat that made light: the board's fire report, mapped to the host, minus the due time, us, + = late."""
        return np.array([(report["fired_ns"] - report["due_ns"]) / 1e3 for report in self.reports if report["fired_ns"] is not None])

    def lit_errors_us(self) -> NDArray[np.float64]:
        """The same by the emulator's word instead of the board's: with the error of the clock map, and how late the emulator was."""
        due_ns = np.array([report["due_ns"] for report in self.reports if report["fired_ns"] is not None])
        distance = np.array(self.lit_ns)[None, :] - due_ns[:, None]
        return np.asarray(distance[np.arange(due_ns.size), np.argmin(np.abs(distance), axis=1)] / 1e3)

    def untold(self) -> list[str]:
        """Lights that the board made and of which no report tells, each report telling of one; away from the faults, where none can get through."""
        told_ns = np.array([report["fired_ns"] for report in self.reports if report["fired_ns"] is not None], dtype=np.float64)
        free = np.ones(told_ns.size, dtype=np.bool_)
        words = []
        for lit in self.lit_ns:
            distance_ns = np.where(free, np.abs(told_ns - lit), np.inf)
            if np.min(distance_ns, initial=np.inf) <= SAME_FLASH_NS:
                free[np.argmin(distance_ns)] = False
            elif not any(_near(lit, fault) for fault in self.faults):
                after = [f"{(lit - fault.at_ns) / 1e9:+.2f} s from {fault.kind}" for fault in self.faults]
                near = [
                    (report["fate"], f"{(report['due_ns'] - lit) / 1e6:+.1f} ms")
                    for report in self.reports
                    if abs(report["due_ns"] - lit) < 1e9
                ]
                words.append(f"a light {', '.join(after)}; reports near it: {near}")
        return words


def missing_parts() -> str | None:
    """Say what this machine lacks, or None."""
    return board.missing_parts() or sound_server.missing_parts()


def run(seconds: float, faults: Mapping[float, tuple[str, float]], say: Callable[[str], object] = lambda _: None) -> Outcome:
    """Play a click track with drums for `seconds` after the lock.

    Args:
        seconds: how long.
        faults: by seconds after the lock: what, and for how long.
        say: told what happens, for people.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="k1board-")))
        sound = SoundServer()
        stack.callback(sound.close)
        sound.start()
        node = Board(folder)
        stack.callback(node.close)
        node.start()
        settings = {"audio": {"device": sound_server.DEVICE}, "node": {"port": node.path}, "log": {"level": "debug", "format": "json"}}
        edge = Edge(folder, sound.environment, settings)
        stack.callback(edge.close)
        edge.start()
        edge.wait_for("sound and board", is_listening, START_S)
        loop = click_and_drums(BPM, LOOP_S, lead_in_s=0.0).samples
        player = stack.enter_context(Player(sound, np.tile(loop, round((seconds + LOCK_S) / LOOP_S + 1.0))))
        edge.wait_for("a lock", is_locked, LOCK_S)
        begin_s = time.monotonic()
        staged = [_stage(edge, node, begin_s + at_s, kind, for_s, say) for at_s, (kind, for_s) in sorted(faults.items())]
        time.sleep(max(0.0, begin_s + seconds - time.monotonic()))
        player.close()
        edge.wait_for("the light to end with the music", lambda now: now["beat"]["lock"] == "unlocked", 10.0)
        time.sleep(TELL_S)
        last = edge.wait_for("the last status", _is_settled, 5.0)
        assert edge.stop() == 0
        counters = {name: last["node"][name] for name in ("sent", "fired", "late", "missed", "cancelled", "pending")}
        return Outcome(_reports(edge), node.flashes_ns(), counters, staged, seconds, round(seconds * BPM / 60.0))


def _stage(edge: Edge, node: Board, at_s: float, kind: str, for_s: float, say: Callable[[str], object]) -> Fault:
    """Bring one fault about, end it, and wait until the node is followed again."""
    time.sleep(max(0.0, at_s - time.monotonic()))
    at_ns = time.monotonic_ns()
    before = _node(edge)
    if kind == "freeze":
        node.freeze()
        time.sleep(for_s)
        node.thaw()
    else:
        node.kill()
        time.sleep(for_s)
        node.start()
    back_ns = time.monotonic_ns()

    def flashes_again(now: Status) -> bool:
        met = kind == "freeze" or any(now["node"][count] > before[count] for count in ("resets", "reopened"))
        return met and any(report["fired_ns"] is not None and report["fired_ns"] > back_ns for report in _reports(edge)[-8:])

    edge.wait_for(f"a flash after {kind} for {for_s} s", flashes_again, 30.0)
    first_ns = min(report["fired_ns"] for report in _reports(edge) if report["fired_ns"] is not None and report["fired_ns"] > back_ns)
    fault = Fault(kind, at_ns, for_s, (first_ns - back_ns) / 1e9)
    say(f"{kind} for {for_s:g} s: flashes again {fault.back_s:.1f} s after its return")
    return fault


def _node(edge: Edge) -> Status:
    node: Status = edge.wait_for("a status", bool, 5.0)["node"]
    return node


def _is_settled(status: Status) -> bool:
    return bool(status["node"]["pending"] == 0)


def _near(lit_ns: int, fault: Fault) -> bool:
    return -UNSETTLED_S <= (lit_ns - fault.at_ns) / 1e9 <= fault.for_s + fault.back_s + UNSETTLED_S


def _reports(edge: Edge) -> list[dict[str, float]]:
    lines = (json.loads(line) for line in edge.log().splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == "flash"]
