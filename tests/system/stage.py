"""Where the flashes and the sound meet: both on the host's clock, judged as the field judges beats."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from k1edge.audio.synth import Song
from k1edge.link.virtual_node import VirtualNode
from k1edge.timebase import SAMPLE_RATE_HZ
from tests.system.ear import Recording
from tests.system.player import Player

Floats = NDArray[np.float64]

_SNIPPET_FRAMES = 8_192  # of music: long enough to be like itself only


@dataclass(frozen=True, slots=True)
class Air:
    """Seconds of the song -> host ns in the air: the pace of the writer and the line that the second listener found.

    The line has a slope because a null sink runs some 130 ppm off the host's clock, as a sound card may. Its value at the first anchor is
    the one-time offset of the sound server.
    """

    player: Player
    offset_ns: float
    slope_ns_per_s: float
    spread_ms: float

    def ns(self, song_s: float) -> float:
        """When that moment of the song was in the air."""
        return self.player.written_ns(song_s * SAMPLE_RATE_HZ) + self.offset_ns + self.slope_ns_per_s * song_s

    def song_s(self, host_ns: NDArray[np.int64] | list[int]) -> Floats:
        """The moment of the song that was in the air at each of `host_ns`."""
        since_ns = np.asarray(host_ns, dtype=np.float64) - self.player.written_ns(0) - self.offset_ns
        return np.asarray(since_ns / (1e9 + self.slope_ns_per_s))


def hear_out(song: Song, player: Player, recording: Recording, *, until_s: float | None = None) -> Air:
    """Find moments of `song` in what the second listener recorded, and lay the line through them."""
    end_s = until_s or song.seconds
    moments = song.beats_s[(song.beats_s > 1.0) & (song.beats_s < end_s - 1.0)][::4]
    found = []
    for at_s in moments.tolist():
        frame = round(at_s * SAMPLE_RATE_HZ)
        air_ns = recording.find(song.samples[frame : frame + _SNIPPET_FRAMES], player.written_ns(frame) + 60e6)
        if air_ns is not None:
            found.append((at_s, air_ns - player.written_ns(frame)))
    if len(found) < max(3, len(moments) // 2):
        msg = f"the second listener recognised {len(found)} of {len(moments)} moments: the sound server plays badly on this machine"
        raise AssertionError(msg)
    at_s, delay_ns = np.array(found).T
    slope, offset = np.polyfit(at_s, delay_ns, 1)
    spread_ms = float(np.percentile(np.abs(delay_ns - offset - slope * at_s), 90)) / 1e6
    return Air(player, float(offset), float(slope), spread_ms)


def flashes_s(node: VirtualNode, air: Air) -> Floats:
    """When the node really flashed, in seconds of the song."""
    return air.song_s([flash.fired_ns for flash in node.flashes()])


def nearest_errors_ms(times_s: Floats, truth_s: Floats) -> Floats:
    """For each of `times_s`, its distance to the nearest of `truth_s` in ms, + = late."""
    distance = times_s[:, None] - truth_s[None, :]
    nearest = np.argmin(np.abs(distance), axis=1)
    return np.asarray(distance[np.arange(times_s.size), nearest] * 1e3)
