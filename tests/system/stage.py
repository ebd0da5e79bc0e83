"""Where the flashes and the sound meet: both on the host's clock, judged as the field judges beats."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from k1edge.audio.synth import Song
from k1edge.cli.demo_node import DemoNode
from k1edge.link.virtual_node import VirtualNode
from k1edge.timebase import SAMPLE_RATE_HZ
from tests.system.ear import Recording
from tests.system.player import AHEAD_FRAMES, Player

Floats = NDArray[np.float64]

_LIKELY_DELAY_NS = AHEAD_FRAMES * 1e9 / SAMPLE_RATE_HZ + 45e6
_LEAP_NS = 3e6
_RECOVERY_S = 5.0  # ten beats at 120 bpm to follow a beat that has moved
_SNIPPET_FRAMES = 8_192  # of music: long enough to be like itself only


@dataclass(frozen=True, slots=True)
class Air:
    """Seconds of the song <-> host ns in the air, by the moments that the second listener found, straight lines between them.

    The first moment's delay is the one-time offset of the sound server. It does not stay: a null sink runs some 150 ppm off the host's
    clock, as a sound card may, and on a busy machine the server may run dry and slip.

    Attributes:
        player: who wrote the song, and when.
        found_s: the moments, in seconds of the song.
        delay_ns: of each, from writing to air.
    """

    player: Player
    found_s: Floats
    delay_ns: Floats

    def song_s(self, host_ns: NDArray[np.int64] | list[int]) -> Floats:
        """The moment of the song that was in the air at each of `host_ns`."""
        since_ns = np.asarray(host_ns, dtype=np.float64) - self.player.written_ns(0)
        return np.asarray((since_ns - np.interp(since_ns, self.found_s * 1e9 + self.delay_ns, self.delay_ns)) / 1e9)

    @property
    def slipped_ms(self) -> float:
        """The largest leap of the delay between neighbouring moments: above a millisecond the server ran dry."""
        return float(np.max(np.abs(np.diff(self.delay_ns)))) / 1e6

    def is_steady(self, times_s: Floats) -> NDArray[np.bool_]:
        """For each moment of the song, whether the server had not run dry shortly before it: then the beat itself has moved."""
        leaps = np.flatnonzero(np.abs(np.diff(self.delay_ns)) > _LEAP_NS)
        since_s = times_s[:, None] - self.found_s[leaps][None, :]
        return ~np.any((since_s >= 0.0) & (since_s < _RECOVERY_S), axis=1)

    def __str__(self) -> str:
        """What the sound server added, for people."""
        ppm = np.polyfit(self.found_s, self.delay_ns, 1)[0] / 1e3
        return f"server {self.delay_ns[0] / 1e6:.1f} ms {ppm:+.0f} ppm (slips {self.slipped_ms:.1f} ms, writes {self.player.lateness_ms():.1f} ms late)"


def hear_out(song: Song, player: Player, recording: Recording) -> Air:
    """Find the beats of `song` in what the second listener recorded."""
    moments = song.beats_s[(song.beats_s > 0.4) & (song.beats_s < song.seconds - 1.0)]
    found = []
    delay_ns = _LIKELY_DELAY_NS
    for at_s in moments.tolist():
        frame = round(at_s * SAMPLE_RATE_HZ)
        air_ns = recording.find(song.samples[frame : frame + _SNIPPET_FRAMES], player.written_ns(frame) + delay_ns)
        if air_ns is not None:
            delay_ns = air_ns - player.written_ns(frame)
            found.append((at_s, delay_ns))
    if len(found) < 0.8 * len(moments):
        msg = f"the second listener recognised {len(found)} of {len(moments)} beats: the sound server plays badly on this machine"
        raise AssertionError(msg)
    found_s, delays_ns = np.array(found).T
    return Air(player, found_s, delays_ns)


def flashes_s(node: VirtualNode | DemoNode, air: Air) -> Floats:
    """When the node really flashed, in seconds of the song."""
    return air.song_s([flash.fired_ns for flash in node.flashes()])


def nearest_errors_ms(times_s: Floats, truth_s: Floats) -> Floats:
    """For each of `times_s`, its distance to the nearest of `truth_s` in ms, + = late."""
    distance = times_s[:, None] - truth_s[None, :]
    nearest = np.argmin(np.abs(distance), axis=1)
    return np.asarray(distance[np.arange(times_s.size), nearest] * 1e3)
