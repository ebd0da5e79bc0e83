import numpy as np
import pytest

from tests.train.arrange import BASSES, COMPS
from tests.train.notes import between
from tests.train.patterns import KEYS, LOUDNESS, PATTERNS, drums
from tests.train.styles import STYLES

LINES = [(name, line) for name, lines in PATTERNS.items() for line in lines]


@pytest.mark.parametrize(("name", "line"), LINES)
def test_every_voice_of_a_pattern_is_one_bar_on_a_known_grid(name: str, line: str) -> None:
    words = line.split()
    assert set(words[::2]) <= KEYS.keys()
    for row in words[1::2]:
        assert len(row) == 12 if name == "waltz" else len(row) in {12, 16}, row
        assert set(row) <= {*LOUDNESS, "."}


@pytest.mark.parametrize("style", STYLES)
def test_a_style_names_what_there_is(style: str) -> None:
    each = STYLES[style]
    assert set(each.drums) <= PATTERNS.keys()
    assert set(each.basses) <= BASSES.keys()
    assert {figure.partition("/")[0] for comp in each.comps for figure in comp.figures} <= COMPS.keys()


@pytest.mark.parametrize("style", [name for name, each in STYLES.items() if each.drums])
def test_a_drummer_stays_within_the_bars_and_plays_the_same_from_the_same_seed(style: str) -> None:
    names, metre = list(STYLES[style].drums), STYLES[style].metre
    one, other = (drums(names, 16, metre, np.random.default_rng(7), bpm=120.0, swing=0.5) for _ in range(2))
    assert one == other
    assert len(between(one, 0.0, 16 * metre)) == len(one)
    assert {note.pitch for note in one} <= {*KEYS.values(), 48}  # 48: the high tom of fills
