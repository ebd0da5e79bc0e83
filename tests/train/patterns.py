"""Drum patterns, one bar each: X loud, x as usual, o soft. The length of a line says the grid: 16 = sixteenths, 12 = triplets, of four beats."""

import numpy as np

from tests.train.notes import Note

KEYS = {
    "K": 36,
    "S": 38,
    "R": 37,
    "C": 39,
    "H": 42,
    "P": 44,
    "O": 46,
    "D": 51,
    "B": 53,
    "A": 49,
    "L": 45,
    "M": 47,
    "T": 43,
    "W": 56,
    "J": 54,
    "G": 70,
}
LOUDNESS = {"X": 118, "x": 92, "o": 48}

PATTERNS: dict[str, list[str]] = {
    "rock": ["K X.......X.X..... S ....X.......X... H X.x.X.x.X.x.X.x.", "K X.....X.X....... S ....X.......X... D X.x.X.x.X.x.X.x.",
             "K X.X.....X.X..... S ....X.......X... H X.X.X.X.X.X.X.X.", "K X.......X.....X. S ....X..o....X... O X...X...X...X...",
             "K X..X..X.X..X.... S ....X.......X... H X...X...X...X..."],
    "pop": ["K X.......X....... S ....X.......X... H x.x.x.x.x.x.x.x.", "K X......xX....... C ....X.......X... H x.x.x.x.x.x.xxx.",
            "K X.....x...X..... S ....X.......X... H xoxoxoxoxoxoxoxo", "K X.......X.x..... R ....X.......X... G x.x.x.x.x.x.x.x."],
    "four": ["K X...X...X...X... C ....X.......X... O ..X...X...X...X.", "K X...X...X...X... H x.x.x.x.x.x.x.x. C ....X.......X...",
             "K X...X...X...X... O ..X...X...X...X. H xoxoxoxoxoxoxoxo", "K X...X...X...X.x. S ....X.......X..o O ..x...x...x...x. W ...x..x....x..x."],
    "techno": ["K X...X...X...X... O ..X...X...X...X.", "K X...X...X...X... H xxxxxxxxxxxxxxxx", "K X...X...X...X... H ..x...x...x...x. W x..x..x.x..x..x."],
    "disco": ["K X...X...X...X... S ....X.......X... O ..X...X...X...X. H x...x...x...x...", "K X...X...X...X... S ....X.......X... O ..X...X...X...X. H xox.xox.xox.xox."],
    "boombap": ["K X.x....x..X..... S ....X.......X... H x.x.x.x.x.x.x.x.", "K X......X..X....o S ....X..o.o..X... H x.x.x.x.x.x.x.x.",
                "K X..X......X..... S ....X.......X..o H x.xxx.x.x.x.x.xx", "K X.....X..x...... C ....X.......X... H x.x.xxx.x.x.x.x."],
    "trap": ["K X.....x...X..x.. C ....X.......X... H xxxxxxxxxxxxxxxx", "K X......x..X..... C ....X.......X... H x.xxxxx.xxx.xxxx", "K X..x......X..... S ....X.......X... H x.x.x.xxx.x.xoxo"],
    "shuffle": ["K X.....X..... S ...X.....X.. H x.xx.xx.xx.x", "K X....xX..... S ...X.....X.. D x.xx.xx.xx.x", "K X..X..X..X.. S ...X.....X.. H x.xx.xx.xx.x"],
    "twelve": ["K X.....X.x... S ...X.....X.. H xxxxxxxxxxxx", "K X....xX..... S ...X.....X.. D xxxxxxxxxxxx"],
    "onedrop": ["K ........X....... R ........X....... H x.x.x.x.x.x.x.x.", "K ........X....... S ........X....... H x.xox.x.x.xox.xo", "K X.......X....... R ....X.......X... H x.x.x.x.x.x.x.x."],
    "steppers": ["K X...X...X...X... R ........X..o.... H x.xox.xox.xox.xo"],
    "ska": ["K X...X...X...X... S ....X.......X... H ..X...X...X...X.", "K X.......X....... S ....X.......X... O ..X...X...X...X."],
    "metal": ["K X.x.x.x.x.x.x.x. S ....X.......X... A X...X...X...X...", "K XxxxXxxxXxxxXxxx S ....X.......X... D X...X...X...X...", "K X.xxX.xxX.xxX.xx S ....X.......X... A X.......X.......",
              "K XxXxXxXxXxXxXxXx S ........X....... A X...X...X...X..."],
    "blast": ["K X.X.X.X.X.X.X.X. S .X.X.X.X.X.X.X.X D X.X.X.X.X.X.X.X.", "K X...X...X...X... S ..X...X...X...X. D X.X.X.X.X.X.X.X."],
    "punk": ["K X.....X.X....... S ....X.......X... H X.X.X.X.X.X.X.X.", "K X..X......X..... S ....X.......X... O X...X...X...X...", "K X..XX.X.X..XX.X. S ....X.......X... A X...X...X...X...",
             "K X...X...X...X... S ..X...X...X...X. H X.X.X.X.X.X.X.X."],
    "funk": ["K X.X.......X..x.. S ....X..o.o..X..o H xoxoxoxoxoxoxoxo", "K X..x..X...x..X.. S ....X..o.o.oX... H x.x.x.xxx.x.x.x.", "K X.x..xX..x...... S ....X..oo...X.o. O ......x.......x. H x.x.x...x.x.x..."],
    "train": ["K X...X...X...X... S ooXoooXoooXoooXo", "K X...X...X...X... S oxXoxoXooxXoooXx H ..x...x...x...x.", "K X.......X....... S ....X.......X... H x.x.x.x.x.x.x.x."],
    "country": ["K X.......X....... R ....X.......X... H x.x.x.x.x.x.x.x.", "K X.......X....... S ....x.......x... G xoxoxoxoxoxoxoxo"],
    "ride": ["D X..X.xX..X.x P ...X.....X.. K o.....o.....", "D X..X.xX..X.x P ...X.....X.. S .....o..o... K x..o..x..o..", "D X..X..X..X.x P ...X.....X.. K .....x......"],
    "bossa": ["K X..xX..xX..xX..x R X..X..X...X..X.. H xxxxxxxxxxxxxxxx", "K X..xX..xX..xX..x R ..X..X.X..X..X.. H x.x.x.x.x.x.x.x."],
    "samba": ["K x..Xx..Xx..Xx..X R X.X..X.X.X.X..X. G XooxXooxXooxXoox"],
    "latin": ["K X..x..X.X..x..X. W X.x.x.xxx.x.x.x. R ..X...X...X...X.", "K X..X..X.X..X..X. S ...X..X....X..X. H x.x.x.x.x.x.x.x.", "K ..X...X...X...X. W X..X..X...X.X... G xxxxxxxxxxxxxxxx"],
    "reggaeton": ["K X...X...X...X... S ...X..X....X..X. H x.x.x.x.x.x.x.x."],
    "dnb": ["K X.........X..... S ....X.......X... H x.x.x.x.x.x.x.x.", "K X.X.......X..... S ....X..o.o..X..o D x.x.x.x.x.x.x.x.", "K X.X.......XX.... S ....X..x.x..X... H xoxoxoxoxoxoxoxo"],
    "breaks": ["K X.X.......XX.... S ....X..o.o..X..o H x.x.x.x.x.x.x.x.", "K X.......X.X..... S ....X..X....X... H x.x.x.x.x.x.x.x."],
    "march": ["S X.xxX.xxX.xxXXxx K X...X...X...X...", "K X.......X....... S ....X.......X.xx A X..............."],
    "tambourine": ["J x.x.x.x.x.x.x.x.", "J ....X.......X... K X.......X.......", "C ....X.......X... K X.......X.......", "G xoxoxoxoxoxoxoxo K X.......X......."],
    "waltz": ["K X........... S ....x...x... H x...x...x...", "K X........... R ....x...x... H x.x.x.x.x.x.", "K X.....x..... S ........X... D X...x...x...", "K X........... P ....X...X... D X...X..xX..."],
}  # fmt: skip


def bar(line: str, metre: int, swing: float) -> list[tuple[float, int, int]]:
    """(beat within the bar, key, loudness) of each stroke; swing 0 to 1 delays every second sixteenth by up to a third of it."""
    words = line.split()
    strokes = []
    for key, row in zip(words[::2], words[1::2], strict=True):
        per_beat = len(row) // metre
        for step, mark in enumerate(row):
            if mark in LOUDNESS:
                late = swing / 12.0 if per_beat == 4 and step % 2 else 0.0
                strokes.append((step / per_beat + late, KEYS[key], LOUDNESS[mark]))
    return strokes


def fill(rng: np.random.Generator, beats: int) -> list[tuple[float, int, int]]:
    """Strokes on snare and toms over the last `beats` beats of a bar, counted from their first."""
    density = float(rng.choice([0.5, 0.8, 1.0]))
    keys = [38, 48, 47, 45, 43]
    strokes = []
    for step in range(4 * beats):
        if rng.random() < density:
            key = keys[min(int(5 * step / (4 * beats)), 4)] if rng.random() < 0.7 else 38
            strokes.append((step / 4.0, key, int(rng.integers(70, 125))))
        if step % 4 == 0 and rng.random() < 0.6:
            strokes.append((step / 4.0, 36, 105))
    return strokes


def drums(names: list[str], bars: int, metre: int, rng: np.random.Generator, *, bpm: float, swing: float = 0.0) -> list[Note]:
    """A drummer who keeps to one or two patterns, strikes a crash now and then, fills, and is a few milliseconds off."""
    chosen = [PATTERNS[name][int(rng.integers(len(PATTERNS[name])))] for name in rng.choice(names, 2)]
    every = int(rng.choice([4, 4, 8, 8, 16]))
    fills, crashes = rng.random() < 0.7, rng.random() < 0.6
    jitter_s, uneven = float(rng.choice([0.0, 0.004, 0.008, 0.012])), float(rng.choice([0.03, 0.08, 0.15]))
    lag = {key: float(rng.normal(0.0, jitter_s)) for key in set(KEYS.values())}
    notes = []
    for number in range(bars):
        strokes = bar(chosen[(number // every) % 2 if every < 16 else 0], metre, swing)
        if crashes and number % every == 0:
            strokes.append((0.0, 49, 112))
        if fills and number % every == every - 1:
            last = int(rng.integers(1, metre))
            strokes = [s for s in strokes if s[0] < metre - last - 0.01]
            strokes += [(beat + metre - last, key, loud) for beat, key, loud in fill(rng, last)]
        for beat, key, loud in strokes:
            late_s = lag.get(key, 0.0) / 2 + float(rng.normal(0.0, jitter_s))
            velocity = int(np.clip(loud * rng.normal(1.0, uneven), 12, 127))
            notes.append(Note(number * metre + beat + late_s * bpm / 60.0, 0.25, key, velocity))
    return notes
