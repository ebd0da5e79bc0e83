"""The styles of music as tables: grooves, bass lines, chords. Nothing here makes a sound, and nothing has state.

A pattern is a string, four steps to a beat, spaces for the eye. Drums: `X` accent, `x` stroke, `o` soft, `g` ghost (played now and
then), `.` rest. Bass: `r` root, `f` fifth, `t` third, `o` octave, `s` seventh. Chords: `x`. There `-` holds the note, `.` ends it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

Groove = Mapping[str, str]
"""Drum name -> pattern of one bar."""

STEPS_PER_BEAT = 4

STROKES: Mapping[str, float] = MappingProxyType({"X": 1.0, "x": 0.82, "o": 0.55, "g": 0.28})
"""Velocity of each drum stroke."""

MINOR, MAJOR, MINOR_7, MAJOR_7, DOMINANT = (0, 3, 7), (0, 4, 7), (0, 3, 7, 10), (0, 4, 7, 11), (0, 4, 7, 10)
Chord = tuple[int, tuple[int, ...]]
"""Root in semitones above the key, and the notes above the root."""

MINOR_PENTATONIC, MAJOR_PENTATONIC = (0, 3, 5, 7, 10), (0, 2, 4, 7, 9)


@dataclass(frozen=True, slots=True)
class Style:
    """How a kind of music is played.

    Attributes:
        bpm: its usual tempo.
        beats_per_bar: 4 or 3.
        kit: a name of `drums.KITS`.
        grooves: bars of drums that take turns, by random choice, the first one most of the time.
        bass: one-bar patterns of the bass, taking turns.
        chords: one-bar pattern of the chords.
        progression: one chord a bar.
        scale: what the lead chooses from, semitones above the key.
        bass_voice, chord_voice, lead_voice: names of `tones.VOICES`.
        swing: where the second of two steps falls, 0.5 straight, 0.667 triplets.
        swing_steps: which two swing: 2 = eighth notes, 1 = sixteenths.
        humanise_ms: standard deviation of each stroke around the grid.
        duck: how deep the kick pushes bass and chords down, 0 to 1.
    """

    bpm: float
    grooves: tuple[Groove, ...]
    bass: tuple[str, ...]
    chords: str
    progression: tuple[Chord, ...]
    scale: tuple[int, ...]
    kit: str = "acoustic"
    beats_per_bar: int = 4
    bass_voice: str = "bass"
    chord_voice: str = "keys"
    lead_voice: str = "lead"
    swing: float = 0.5
    swing_steps: int = 1
    humanise_ms: float = 3.0
    duck: float = 0.0


_ROCK_PROGRESSION: tuple[Chord, ...] = ((0, MAJOR), (7, MAJOR), (9, MINOR), (5, MAJOR))
_MINOR_PROGRESSION: tuple[Chord, ...] = ((0, MINOR), (8, MAJOR), (3, MAJOR), (10, MAJOR))

STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "rock": Style(
            bpm=118.0,
            grooves=(
                {"kick": "X... ..x. X... ....", "snare": ".... X..g .... X...", "hat": "x.o. x.o. x.o. x.o."},
                {
                    "kick": "X... ..x. X.x. ....",
                    "snare": ".... X... .g.. X..g",
                    "hat": "x.o. x.o. x.o. x...",
                    "open_hat": ".... .... .... ..x.",
                },
            ),
            bass=("r-r- r-r- r-r- r-r-", "r-r- r-r- r-r- f-f-"),
            chords="x--- --x- x--- --..",
            progression=_ROCK_PROGRESSION,
            scale=MAJOR_PENTATONIC,
            chord_voice="stab",
            humanise_ms=4.0,
        ),
        "house": Style(
            bpm=124.0,
            grooves=(
                {
                    "kick": "X... X... X... X...",
                    "clap": ".... x... .... x...",
                    "open_hat": "..x. ..x. ..x. ..x.",
                    "hat": "o..g o..g o..g o..g",
                },
                {
                    "kick": "X... X... X... X..o",
                    "clap": ".... x... .... x...",
                    "open_hat": "..x. ..x. ..x. ..x.",
                    "shaker": "oxox oxox oxox oxox",
                },
            ),
            bass=("..r- ..r- ..r- ..o-", "..r- .r-. ..r- .f-o"),
            chords="x-.. ..x- .... x-..",
            progression=_MINOR_PROGRESSION,
            scale=MINOR_PENTATONIC,
            kit="electronic",
            chord_voice="stab",
            lead_voice="pluck",
            humanise_ms=1.0,
            duck=0.65,
        ),
        "hiphop": Style(
            bpm=88.0,
            grooves=(
                {"kick": "X..x .... ..x. ....", "snare": ".... X... .... X..g", "hat": "x.x. x.xo x.x. x.x."},
                {"kick": "X... ..x. ..x. .x..", "snare": ".... X... .... X...", "hat": "x.x. x.x. x.xo x.xx"},
            ),
            bass=("r--- ...r --.. ....", "r--. ..r- --.f --.."),
            chords="x--- ---- ..x- --..",
            progression=((0, MINOR_7), (0, MINOR_7), (8, MAJOR_7), (7, MINOR_7)),
            scale=MINOR_PENTATONIC,
            kit="boomy",
            bass_voice="sub",
            swing=0.58,
            humanise_ms=5.0,
        ),
        "dnb": Style(
            bpm=172.0,
            grooves=(
                {"kick": "X... .... ..X. ....", "snare": ".... X... .... X...", "hat": "x.o. x.o. x.o. x.og"},
                {"kick": "X... .... ..X. ....", "snare": ".... X..g .g.. X..g", "hat": "x.o. x.o. x.o. x.o."},
            ),
            bass=("r--- --.. ..r- --..", "r--- ---- --r- t-f-"),
            chords="x--- ---- ---- ----",
            progression=((0, MINOR_7), (0, MINOR_7), (8, MAJOR_7), (5, MINOR_7)),
            scale=MINOR_PENTATONIC,
            kit="electronic",
            bass_voice="bass",
            chord_voice="pad",
            lead_voice="pluck",
            humanise_ms=1.5,
        ),
        "bossa": Style(
            bpm=132.0,
            grooves=(
                {"kick": "X.....x. X.....x.", "rim": "x... ..x. .... x...", "shaker": "Xoxo Xoxo Xoxo Xoxo"},
                {"kick": "X.....x. X.....x.", "rim": "..x. .... x... x...", "shaker": "Xoxo Xoxo Xoxo Xoxo"},
            ),
            bass=("r--- --f- f--- --r-",),
            chords="x--. ..x- .... x-..",
            progression=((2, MINOR_7), (7, DOMINANT), (0, MAJOR_7), (9, MINOR_7)),
            scale=MAJOR_PENTATONIC,
            kit="soft",
            lead_voice="flute",
            humanise_ms=4.0,
        ),
        "waltz": Style(
            bpm=138.0,
            beats_per_bar=3,
            grooves=(
                {"kick": "X... .... ....", "rim": ".... x... x...", "hat": "o... x... x...", "ride": "x... o... o.g."},
                {"kick": "X... .... ..o.", "rim": ".... x... x...", "hat": "o... x... x...", "ride": "x... o.o. o..."},
            ),
            bass=("r--- ---- --..", "r--- ---- f-.."),
            chords=".... x-.. x-..",
            progression=((0, MAJOR), (9, MINOR), (5, MAJOR), (7, DOMINANT)),
            scale=MAJOR_PENTATONIC,
            lead_voice="flute",
            humanise_ms=4.0,
        ),
        "ballad": Style(
            bpm=72.0,
            grooves=(
                {"kick": "X... .... ..o. ....", "rim": ".... .... x... ....", "hat": "o.g. o.g. o.g. o.g."},
                {"kick": "X... .... .... ....", "rim": ".... .... x... ....", "shaker": "o.o. o.o. o.o. o.o."},
            ),
            bass=("r--- ---- f--- --..",),
            chords="x-x- x-x- x-x- x-x-",
            progression=_ROCK_PROGRESSION,
            scale=MAJOR_PENTATONIC,
            kit="soft",
            lead_voice="flute",
            humanise_ms=6.0,
        ),
        "swing": Style(
            bpm=148.0,
            grooves=(
                {
                    "ride": "X... x.o. X... x.o.",
                    "hat": ".... x... .... x...",
                    "kick": "o... o... o... o...",
                    "snare": ".... .... ..g. ....",
                },
                {
                    "ride": "X... x.o. X... x.o.",
                    "hat": ".... x... .... x...",
                    "kick": "x... o... o... o...",
                    "snare": "..g. .... .... ..o.",
                },
            ),
            bass=("r--- t--- f--- t---", "r--- f--- o--- f---"),
            chords="..x- .... ..x- ....",
            progression=((2, MINOR_7), (7, DOMINANT), (0, MAJOR_7), (9, DOMINANT)),
            scale=MAJOR_PENTATONIC,
            kit="soft",
            swing=0.65,
            swing_steps=2,
            humanise_ms=5.0,
        ),
    }
)


def steps(pattern: str) -> str:
    """`pattern` without the spaces: one character a step."""
    return pattern.replace(" ", "")
