"""Whose clock it was: small scenes of three clocks, each a change in seconds of the host's time."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from k1edge.drift.attribution import AUDIO_WAIT_NS, LATELY_NS, SHOWN_NS, ClockAttribution, ClockChange, ClockSigns
from k1edge.events import Culprit
from k1edge.timebase import NS_PER_S, HostTime

NODE, AUDIO, HOST = Culprit.NODE_CLOCK, Culprit.AUDIO_CLOCK, Culprit.HOST_CLOCK
Rate = Callable[[float], float | None]


def step(ppm: float, by: float, at_s: float, lag_s: float = 0.0) -> Rate:
    """A rate that changes, as a fit over `lag_s` sees it."""
    return lambda s: ppm + by * min(1.0, max(0.0, (s - at_s) / lag_s if lag_s else float(s >= at_s)))


def ramp(ppm: float, ppm_s: float, at_s: float, for_s: float) -> Rate:
    return lambda s: ppm + ppm_s * min(max(0.0, s - at_s), for_s)


def unknown(_s: float) -> None:
    return None


@dataclass(frozen=True)
class Scene:
    node: Rate = lambda _s: 12.0
    audio: Rate = lambda _s: -30.0
    slew: Rate = lambda _s: 3.0
    slept: tuple[float, float] | None = None  # at s, for s
    jump: tuple[float, float] | None = None  # at s, by us
    blamed: Culprit | None = None
    text: str = ""
    within_s: float = 60.0


NODE_WARMS = ramp(12, 1.0, 100, 30)
SCENES = {
    "nothing": Scene(),
    "a warming room": Scene(node=ramp(12, 0.02, 100, 200)),
    "the node is heated": Scene(node=NODE_WARMS, blamed=NODE, text="node clock changed its rate by +"),
    "the node is heated, no sound": Scene(node=NODE_WARMS, audio=unknown, blamed=NODE, within_s=40),
    "another sound card": Scene(audio=step(-30, 60, 100, 40), blamed=AUDIO, text="audio clock changed its rate by +", within_s=100),
    "no node, another sound card": Scene(node=unknown, audio=step(-30, 60, 100, 40), blamed=AUDIO, within_s=60),
    "NTP slews the host": Scene(
        node=step(12, -80, 100, 5),
        audio=step(-30, -80, 100, 40),
        slew=step(3, 80, 100, 10),
        blamed=HOST,
        text="slewed by another +",
        within_s=15,
    ),
    "NTP slews the host, no sound": Scene(node=step(12, 25, 100, 5), audio=unknown, slew=step(3, -25, 100, 10), blamed=HOST, within_s=20),
    "the host's crystal": Scene(
        node=step(12, -40, 100, 5), audio=step(-30, -40, 100, 40), blamed=HOST, text="host's clock changed its rate by +"
    ),
    "the host's crystal, slew unreadable": Scene(node=step(12, 40, 100, 5), audio=step(-30, 40, 100, 40), slew=unknown, blamed=HOST),
    "both, differently": Scene(node=step(12, 90, 100, 5), audio=step(-30, -40, 100, 40), blamed=NODE),
    "a jump": Scene(jump=(100, 50_000), blamed=NODE, text="jumped by +50.0 ms", within_s=3),
    "a small jump, no rate moved": Scene(jump=(100, 900), blamed=NODE, text="jumped by +0.9 ms"),
    "a small jump of a slewed host": Scene(
        node=lambda s: None if 100 <= s < 125 else 12.0 - 400 * (s >= 100), slew=step(3, 400, 100, 10), jump=(101, -700), blamed=HOST
    ),
    "suspend": Scene(slept=(100, 3600), jump=(100.2, 3.6e9), blamed=HOST, text="slept for 3600.0 s", within_s=1),
    "suspend, first seen as a jump": Scene(slept=(100.5, 60), jump=(100.2, 6e7), blamed=HOST, within_s=1),
}


def play(scene: Scene, seconds: float = 260.0) -> tuple[list[ClockChange], ClockAttribution]:
    rng = random.Random(7)
    attribution, changes = ClockAttribution(), []

    def noisy(rate: Rate, s: float, sigma: float) -> float | None:
        ppm = rate(s)
        return None if ppm is None else ppm + rng.gauss(0, sigma)

    for tick in range(round(seconds * 10)):
        s = tick / 10
        slept_ns = round(scene.slept[1] * NS_PER_S) if scene.slept and abs(s - scene.slept[0]) < 0.01 else 0
        jump_us = scene.jump[1] if scene.jump and abs(s - scene.jump[0]) < 0.01 else None
        signs = ClockSigns(noisy(scene.node, s, 0.7), noisy(scene.audio, s, 3.0), noisy(scene.slew, s, 0.2), slept_ns, jump_us)
        change = attribution.look(signs, HostTime(round(s * NS_PER_S)))
        if change is not None:
            changes.append(change)
    return changes, attribution


@pytest.mark.parametrize("name", SCENES)
def test_fault_09_10_21_23_a_change_is_put_down_to_the_clock_that_moved(name: str) -> None:
    scene = SCENES[name]
    changes, _ = play(scene)
    assert [change.culprit for change in changes[:1]] == ([scene.blamed] if scene.blamed else [])
    if scene.blamed is not None:
        assert len(changes) == 1, changes  # told once
        assert scene.text in changes[0].text
        assert 100 <= changes[0].at_ns / NS_PER_S <= 100 + scene.within_s


def test_what_moved_is_known_for_a_minute_and_shown_for_ten() -> None:
    changes, attribution = play(SCENES["a jump"], seconds=110)
    at_ns = changes[0].at_ns
    assert attribution.moved_lately(HostTime(at_ns + LATELY_NS - 1)) == {NODE}
    assert attribution.moved_lately(HostTime(at_ns + LATELY_NS)) == frozenset()
    assert attribution.shown(HostTime(at_ns + SHOWN_NS - 1)) is NODE
    assert attribution.shown(HostTime(at_ns + SHOWN_NS)) is None
    assert attribution.last == changes[0]


def test_fault_23_a_slow_audio_fit_is_waited_for() -> None:
    """Half way through, the node alone has moved; blaming it then would be wrong."""
    changes, _ = play(SCENES["the host's crystal"])
    assert changes[0].at_ns >= 100 * NS_PER_S + AUDIO_WAIT_NS
