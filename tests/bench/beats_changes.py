"""What the tracker does when something happens in the music: figures over scenes, whether made by the project or cut from recordings."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

import numpy as np

from k1edge.audio import synth
from tests.bench import beats_scenes as scenes
from tests.bench.beats_hearing import flywheel_off_s, hear
from tests.bench.beats_measures import NARROW_S, matched, recovery_s
from tests.bench.figures import Figures

AFTER_MUSIC: dict[str, Callable[[], scenes.Samples]] = {
    "silence": lambda: synth.silence(14.0),
    "hiss_60_dbfs": lambda: synth.hiss(14.0, seed=3),
    "applause": lambda: synth.applause_like(14.0, seed=3),
    "speech": lambda: synth.speech_like(14.0, seed=3),
}
DARK_AT_MOST_BARS = 2.0


@dataclass(slots=True)
class Story:
    """Figures for the plots, by what happened: seconds to recover; share of returns that were expected to +-40 ms, by bars of the break."""

    recovery_s: dict[str, list[float]] = field(default_factory=dict)
    returns: dict[str, dict[int, float]] = field(default_factory=dict)


def relock(
    figures: Figures, name: str, event: str, made: Iterable[scenes.Scene | None], story: Story, *, at_most: float | None = None
) -> None:
    """Time from the event to the first of four true beats in a row that were hit."""
    took = [recovery_s(scene.truth_s, hear(scene.samples).times, scene.at_s) for scene in made if scene is not None]
    if not took:
        return
    story.recovery_s[event] = took
    middle = statistics.median(took)
    never = sum(each == inf for each in took)
    note = f"median of {len(took)}, p90 {np.percentile([min(t, 99.0) for t in took], 90):.1f} s, never within {scenes.AFTER_S:g} s: {never}"
    figures.add(f"{name}_relock_{event}_s", None if middle == inf else middle, at_most=at_most, note=note)


def after_break(
    figures: Figures, name: str, bars: int, made: Iterable[scenes.Scene | None], story: Story, *, at_least: float | None = None
) -> None:
    """Whether the beat on which the music returns is expected, and hit, within +-40 ms; and when light is back to stay."""
    on_beat: list[bool] = []
    expected: list[bool] = []
    early: list[float] = []
    back: list[float] = []
    for scene in made:
        if scene is None:
            continue
        heard = hear(scene.samples)
        expected.append(flywheel_off_s(scene.samples, scene.at_s) <= NARROW_S)
        on_beat.append(bool(matched([scene.at_s], heard.announced, NARROW_S, in_time=True)))
        shown = [beat for beat in heard.announced if scene.at_s - NARROW_S <= beat[0] <= scene.at_s + 6.0]
        early += [float(any(abs(time - true) <= NARROW_S for true in scene.truth_s)) for time, _ in shown[:2]]
        back.append(recovery_s(scene.truth_s, heard.times, scene.at_s, NARROW_S))
    if not on_beat:
        return
    share = statistics.mean(on_beat)
    story.returns.setdefault(name, {})[bars] = statistics.mean(expected)
    note = f"of {len(expected)} returns: where the tracker, lit or dark, expects it just before, +-40 ms"
    figures.add(f"{name}_{bars}_bars_flywheel", statistics.mean(expected), at_least=at_least, note=note)
    figures.add(
        f"{name}_{bars}_bars_on_the_beat", share, at_least=at_least, note=f"of {len(on_beat)} returns, the very first beat, +-40 ms"
    )
    note = "of the first two beats shown after the return, +-40 ms"
    figures.add(f"{name}_{bars}_bars_first_shown_right", statistics.mean(early) if early else None, note=note)
    middle = statistics.median(back)
    figures.add(
        f"{name}_{bars}_bars_back_s", None if middle == inf else middle, note="median, from the return to four right beats, +-40 ms"
    )


def endings(figures: Figures, name: str, tunes: Sequence[scenes.Tune]) -> None:
    """From the music's end to the last beat, in bars."""
    for what, make in AFTER_MUSIC.items():
        bars: list[float] = []
        for tune in tunes:
            scene = scenes.ending(tune, make(), what)
            if scene is not None:
                last_s = max([scene.at_s, *hear(scene.samples).times])
                bars.append((last_s - scene.at_s) / (scene.beat_s * tune.per_bar))
        if bars:
            note = f"median of {len(bars)}, worst {max(bars):.1f}"
            figures.add(f"{name}_end_to_last_beat_{what}_bars", statistics.median(bars), at_most=DARK_AT_MOST_BARS, note=note)


def ramps(figures: Figures, styles: Iterable[str]) -> None:
    """Share of true beats hit while the tempo changes by 1 % a second, up and down."""
    for way, per_s in (("up", scenes.RAMP_PER_S), ("down", -scenes.RAMP_PER_S)):
        shares, narrow = [], []
        for style in styles:
            scene = scenes.ramp(style, per_s)
            announced = hear(scene.samples).announced
            during = [t for t in scene.truth_s if scene.at_s <= t < scene.at_s + scenes.RAMP_S]
            shares.append(len(matched(during, announced, in_time=True)) / len(during))
            narrow.append(len(matched(during, announced, NARROW_S, in_time=True)) / len(during))
        note = f"of the true beats of {len(shares)} songs; within +-40 ms {statistics.mean(narrow):.3f}"
        figures.add(f"ramp_1_percent_per_s_{way}_hit", statistics.mean(shares), note=note)


def own(figures: Figures, tunes: Sequence[scenes.Tune], styles: Sequence[str]) -> Story:
    """All of it on synthesised songs."""
    story = Story()
    of_tunes(figures, "own", tunes, story)
    for bars in scenes.BREAK_BARS:
        after_break(figures, "own_drums_out", bars, (scenes.drums_out(style, bars) for style in styles), story)
    ramps(figures, styles)
    return story


def of_tunes(
    figures: Figures, name: str, tunes: Sequence[scenes.Tune], story: Story, stage: Callable[[str], None] = lambda _: None
) -> None:
    """What can be done with any music: steps, jumps, changes, breaks, ends."""
    stage(f"{name}: tempo steps")
    for what, ratio in scenes.STEPS.items():
        relock(figures, name, f"tempo_{what}", (scenes.steps(tune, ratio) for tune in tunes), story)
    stage(f"{name}: phase jumps, changes of song")
    for what, beats in scenes.JUMPS.items():
        relock(figures, name, f"jump_{what}_beat", (scenes.jump(tune, beats) for tune in tunes), story)
    pairs = [*pairwise([*tunes, *tunes[:1]]), *zip(tunes, [*tunes[3:], *tunes[:3]], strict=True)]
    pairs = [(one, other) for one, other in pairs if one is not other]
    relock(figures, name, "song_change", (scenes.change(one, other) for one, other in pairs), story, at_most=4.0)
    stage(f"{name}: breaks")
    for bars in scenes.BREAK_BARS:
        at_least = 0.9 if bars == 4 else None
        after_break(figures, f"{name}_break", bars, (scenes.pause(tune, bars) for tune in tunes), story, at_least=at_least)
    stage(f"{name}: ends")
    endings(figures, name, tunes)
