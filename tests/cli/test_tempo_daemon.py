"""`k1edge tempo` against the whole daemon, which hears a song several times as fast as life. Judged in samples: a busy host changes nothing."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from k1edge.audio import synth
from k1edge.audio.source import AudioBlock, AudioHealth, AudioState, EndOfStreamError
from k1edge.config import Settings, load
from k1edge.daemon import Daemon, Heard
from k1edge.events import Beat
from k1edge.link.dialect import LinkEvent
from k1edge.timebase import NS_PER_MS, NS_PER_S, SAMPLE_RATE_HZ, AffineMap, SampleIndex
from tests.cli.call import call

SPEED = 4
BLOCK = 441
PATIENCE_S = 60.0


class Fast:
    """A song whose time runs `SPEED` times as fast as the host's; `trouble` is raised once by the next read."""

    def __init__(self, samples: NDArray[np.float32]) -> None:
        self.samples = samples
        self.next = 0
        self.trouble: Exception | None = None
        self.to_host = AffineMap(0, time.monotonic_ns(), NS_PER_S / SAMPLE_RATE_HZ / SPEED)

    def read(self, timeout_s: float) -> AudioBlock | None:
        trouble, self.trouble = self.trouble, None
        if trouble is not None:
            raise trouble
        if self.next + BLOCK > len(self.samples):
            raise EndOfStreamError("over")
        wait_s = (self.to_host.forward(self.next + BLOCK) - time.monotonic_ns()) / NS_PER_S
        time.sleep(max(0.0, min(wait_s, timeout_s)))
        if wait_s > timeout_s:
            return None
        start, self.next = self.next, self.next + BLOCK
        return AudioBlock(self.samples[start : self.next].copy(), SampleIndex(start), 0, self.to_host)

    def health(self) -> AudioHealth:
        return AudioHealth(AudioState.LIVE, None, "song", SAMPLE_RATE_HZ, 1, 0, 0, 0.0, False, 0, 0, 0, 0, 0)

    def renew(self) -> None:
        raise AssertionError

    def close(self) -> None:
        return


def configured(**beat: float) -> Settings:
    flags = {"node.port": "off", "network.bind": "off"} | {f"beat.{key}": value for key, value in beat.items()}
    return load(Path("/dev/null"), {}, flags)


class Room:
    """The daemon in its thread, the song, and somebody with the command line."""

    def __init__(self, song: synth.Song, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.song = song
        self.source = Fast(song.samples)
        self.socket = folder / "k1.sock"
        self.beats: list[Beat] = []
        self.daemon = Daemon(configured(), self.source, identity="k1e-test", socket=self.socket, env={}, watch=self._watch)
        self.capsys = capsys
        self.beat_s = float(np.median(np.diff(song.beats_s)))

    def _watch(self, event: Heard | LinkEvent) -> None:
        if isinstance(event, Heard):
            self.beats.extend(each for each in event.events if isinstance(each, Beat))

    def heard_s(self) -> float:
        return self.source.next / SAMPLE_RATE_HZ

    def play(self, seconds: float) -> tuple[float, float]:
        """Let the song go on; from where to where, s."""
        begin = self.heard_s()
        self.until(lambda: self.heard_s() >= begin + seconds)
        return begin, self.heard_s()

    def until(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not what():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.005)

    def say(self, *words: str) -> dict[str, object]:
        code, out, err = call(self.capsys, "tempo", *words, "--json", "--socket", str(self.socket))
        assert code == 0, err
        return dict(json.loads(out))

    def told(self, begin_s: float, end_s: float) -> NDArray[np.float64]:
        return np.array([b.sample / SAMPLE_RATE_HZ for b in self.beats if begin_s <= b.sample / SAMPLE_RATE_HZ <= end_s])

    def assert_beats(self, factor: float, seconds: float = 6.0) -> NDArray[np.float64]:
        """From now on beats come `factor` times as often as the song's, on its beats, or halfway between where there are more."""
        begin, end = self.play(seconds)
        told = self.told(begin + 1.5, end)
        assert np.median(np.diff(told)) == pytest.approx(self.beat_s / factor, rel=0.03)
        step = self.beat_s / max(1.0, factor)
        true = self.song.beats_s[0] + step * np.arange(int(self.song.seconds / step))
        assert np.quantile(np.abs(told[:, None] - true).min(axis=1), 0.9) < 0.045
        return told

    def tap(self, *times_s: float) -> None:
        """Tap at these moments of the song, told a little later, as a busy host would."""
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket))) as client:
            for at_s in times_s:
                self.play(max(0.0, at_s + 0.1 - self.heard_s()))
                at_ns = self.source.to_host.forward(at_s * SAMPLE_RATE_HZ)
                answer = client.post("http://k1/tempo/tap", json={"at_ns": at_ns})
                assert answer.status_code == 202, answer.text


@contextmanager
def room(folder: Path, capsys: pytest.CaptureFixture[str], seconds: float) -> Iterator[Room]:
    made = Room(synth.song("house", seconds=seconds, seed=3), folder, capsys)
    thread = threading.Thread(target=lambda: asyncio.run(made.daemon.run()))
    with capture_logs():
        thread.start()
        try:
            made.until(lambda: len(made.beats) >= 6)
            yield made
        finally:
            if made.daemon._loop is not None and not made.daemon._loop.is_closed():
                made.daemon._loop.call_soon_threadsafe(made.daemon.stop)
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def test_half_double_lock_and_auto_keep_the_beat_on_the_music(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with room(home, capsys, 90.0) as ours:
        assert ours.say("half")["bpm"] == pytest.approx(30.0 / ours.beat_s, rel=0.03)
        ours.assert_beats(0.5, 8.0)
        assert ours.daemon.snapshot().tempo == ours.daemon.helm.status()
        assert ours.daemon.helm.status().held_by == "half"
        ours.say("double")
        ours.assert_beats(1.0)
        assert ours.say("lock")["bpm"] is None
        ours.assert_beats(1.0)
        ours.say("half")
        ours.say("auto")
        ours.play(4.0)  # a tempo that was left is found again by the music
        ours.assert_beats(1.0)
        assert ours.daemon.helm.status().held_by is None


def test_set_tap_and_nudge(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with room(home, capsys, 90.0) as ours:
        ours.say("set", f"{30.0 / ours.beat_s:.1f}")
        before = ours.assert_beats(0.5, 8.0)
        kept = round((before[-1] - ours.song.beats_s[0]) / ours.beat_s) % 2
        first = np.ceil((ours.heard_s() + 0.5 - ours.song.beats_s[0]) / ours.beat_s)
        first += (first + 1 - kept) % 2  # the beats that were left out until now
        ours.tap(*(float(ours.song.beats_s[0] + ours.beat_s * (first + 2 * k)) for k in range(5)))
        after = ours.assert_beats(0.5, 8.0)
        places = np.round((after - ours.song.beats_s[0]) / ours.beat_s) % 2
        assert set(places) == {1.0 - kept}
        ours.say("nudge", "-25")
        status = ours.say("nudge", "5")["tempo"]
        assert isinstance(status, dict)
        assert status["nudge_ms"] == -20.0
        assert ours.daemon.conductor.scheduler.offset_ns == -20 * NS_PER_MS
        ours.assert_beats(0.5, 8.0)  # what was heard stays where it was heard
        ours.say("auto")
        assert ours.daemon.conductor.scheduler.offset_ns == 0


def test_what_was_said_outlives_a_reload_and_a_tracker_started_anew(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with room(home, capsys, 60.0) as ours:
        ours.say("half")
        ours.say("downbeat")
        held = ours.daemon.helm.status()
        assert ours.daemon._loop is not None
        ours.daemon._loop.call_soon_threadsafe(ours.daemon.reload, configured(bpm_min=70.0))
        ours.until(lambda: ours.daemon.settings.beat.bpm_min == 70.0)
        ours.source.trouble = ValueError("a bug")
        ours.until(lambda: ours.daemon.snapshot().process.restarts == 1)
        count = len(ours.beats)
        ours.until(lambda: len(ours.beats) > count + 2)
        ours.assert_beats(0.5, 8.0)
        assert ours.daemon.helm.status() == held
