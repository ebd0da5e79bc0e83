"""What a band of each style is made of: tempi, drum patterns, bass figures, accompaniment, instruments of General MIDI."""

from dataclasses import dataclass

CLEAN, CRUNCH, HEAVY = 0.0, 3.0, 14.0
"""How hard a guitar's amplifier is driven."""

PIANOS = (0, 1, 2, 3, 4, 5)
GUITARS = (24, 25, 26, 27, 28)
DRIVEN = (29, 30)
ORGANS = (16, 17, 18, 19)
STRINGS = (44, 48, 49, 50, 51)
BRASS = (56, 57, 61, 62, 63)
REEDS = (64, 65, 66, 67, 71)
SYNTHS = (80, 81, 82, 84, 87)
PADS = (88, 89, 90, 91, 94, 95)
VOICES = (52, 53, 54, 85)
WINDS = (68, 70, 73, 74, 75, 79)
MALLETS = (10, 11, 12, 13, 14)


@dataclass(frozen=True, slots=True)
class Comp:
    """An accompaniment: figures of `arrange.COMPS`, who plays them, how hard the amplifier is driven."""

    figures: tuple[str, ...]
    programs: tuple[int, ...]
    drive: float = CLEAN


@dataclass(frozen=True, slots=True)
class Style:
    """A way to play.

    Attributes:
        bpm: slowest and fastest.
        drums: patterns of `patterns.PATTERNS`; none = no drummer.
        basses: figures of `arrange.BASSES`; none = no bass.
        comps: each is there or not, at least one is.
        leads: programs that sing the melody.
        swings: shares of a triplet's delay to choose from.
        electronic: drums by a machine rather than a kit.
        metre: beats of a bar.
        share: how often, against the others.
    """

    bpm: tuple[float, float]
    drums: tuple[str, ...]
    basses: tuple[str, ...]
    comps: tuple[Comp, ...]
    leads: tuple[int, ...] = (*VOICES, *REEDS, *WINDS)
    swings: tuple[float, ...] = (0.0,)
    electronic: float = 0.1
    metre: int = 4
    share: float = 1.0


PAD = Comp(("pad", "swells"), (*PADS, *STRINGS, *VOICES))

STYLES: dict[str, Style] = {
    "rock": Style((88, 192), ("rock", "pop"), ("eighths", "quarters", "pop"), (Comp(("eighths/power", "strum/power", "pad/power", "quarters/power"), DRIVEN, CRUNCH), Comp(("strum", "eighths/arp"), GUITARS), PAD), share=3.0),
    "metal": Style((90, 210), ("metal", "rock", "punk", "blast"), ("sixteenths", "eighths", "gallop"), (Comp(("chug/low", "gallop/power", "eighths/power", "trem/power"), DRIVEN, HEAVY), Comp(("trem/arp", "pad/power", "chug/power"), DRIVEN, HEAVY)), leads=(*DRIVEN, *VOICES), share=3.0),
    "punk": Style((140, 212), ("punk", "rock"), ("eighths",), (Comp(("eighths/power", "strum/power"), DRIVEN, HEAVY), Comp(("eighths/power",), DRIVEN, CRUNCH)), share=1.5),
    "pop": Style((76, 136), ("pop", "rock", "four"), ("pop", "quarters", "halves", "eighths"), (Comp(("quarters", "eighths/arp", "strum"), (*PIANOS, *GUITARS)), Comp(("strum", "strum_two", "eighths/arp"), GUITARS), PAD), electronic=0.4, share=3.0),
    "ballad": Style((58, 92), ("pop", "rock", "twelve", "tambourine"), ("halves", "whole", "pop"), (Comp(("quarters", "eighths/arp", "pad"), (*PIANOS, *GUITARS)), PAD), share=1.5),
    "house": Style((116, 134), ("four", "techno", "disco"), ("offbeat", "house", "octaves"), (Comp(("stabs", "off", "chops"), (*PIANOS, *SYNTHS, *ORGANS)), PAD), electronic=1.0, share=2.0),
    "techno": Style((124, 196), ("techno", "four"), ("sixteenths", "offbeat", "octaves"), (Comp(("trem/arp", "stabs", "eighths/arp"), SYNTHS, CRUNCH), PAD), electronic=1.0, share=2.0),
    "eurobeat": Style((138, 190), ("four", "techno", "disco"), ("offbeat", "octaves", "eighths"), (Comp(("stabs", "eighths/arp", "off"), (*SYNTHS, *BRASS)), Comp(("strum", "chops", "eighths/power"), (*DRIVEN, *SYNTHS), CRUNCH), PAD), electronic=0.9, share=1.5),
    "disco": Style((104, 132), ("disco", "four"), ("octaves", "funk", "eighths"), (Comp(("funk", "chops", "strum"), (*GUITARS, *PIANOS)), Comp(("pad", "stabs"), (*STRINGS, *BRASS)))),
    "hiphop": Style((72, 108), ("boombap", "breaks", "trap"), ("sub", "syncopated", "halves"), (Comp(("charleston", "pad", "eighths/arp", "quarters"), (*PIANOS, *PADS, *STRINGS, *MALLETS)), PAD), swings=(0.0, 0.3, 0.6), electronic=0.7, share=2.0),
    "funk": Style((92, 122), ("funk", "breaks"), ("funk", "syncopated"), (Comp(("funk", "chops"), GUITARS), Comp(("stabs", "charleston"), (*BRASS, *PIANOS, *ORGANS))), swings=(0.0, 0.2, 0.4)),
    "reggae": Style((66, 96), ("onedrop", "steppers", "rock"), ("reggae", "syncopated"), (Comp(("skank", "off"), (*GUITARS, *PIANOS)), Comp(("off", "skank"), ORGANS)), swings=(0.0, 0.4), share=1.5),
    "ska": Style((120, 176), ("ska", "punk"), ("quarters", "walking"), (Comp(("off", "skank"), GUITARS), Comp(("stabs", "pad"), BRASS))),
    "swing": Style((100, 232), ("ride",), ("walking", "halves"), (Comp(("jazz", "charleston"), (*PIANOS, *GUITARS)), Comp(("jazz",), BRASS)), leads=(*REEDS, *BRASS, *PIANOS), swings=(1.0, 0.8, 0.6), electronic=0.0, share=1.5),
    "bossa": Style((96, 150), ("bossa", "samba"), ("bossa",), (Comp(("bossa", "charleston"), (*GUITARS, *PIANOS)), PAD), electronic=0.0),
    "latin": Style((84, 126), ("latin", "reggaeton"), ("tresillo", "syncopated", "bossa"), (Comp(("montuno", "stabs"), (*PIANOS, *BRASS, *GUITARS)), PAD)),
    "blues": Style((62, 138), ("shuffle", "twelve"), ("boogie", "walking", "quarters"), (Comp(("charleston", "quarters", "strum"), (*GUITARS, *PIANOS, *ORGANS)), Comp(("backbeat",), (*GUITARS, *ORGANS), CRUNCH)), swings=(1.0, 0.9), electronic=0.0, share=1.5),
    "country": Style((84, 132), ("train", "country", "pop"), ("country", "quarters"), (Comp(("oompah", "strum"), (*GUITARS, 105, 21)), Comp(("eighths/arp", "backbeat"), (*GUITARS, 110, 22))), swings=(0.0, 0.3), share=1.5),
    "dnb": Style((160, 180), ("dnb", "breaks"), ("sub", "syncopated", "halves"), (Comp(("stabs", "chops"), SYNTHS), PAD), electronic=0.9),
    "breaks": Style((100, 140), ("breaks", "funk"), ("sub", "octaves", "syncopated"), (Comp(("stabs", "eighths/arp", "trem/arp"), SYNTHS, CRUNCH), PAD), electronic=0.8),
    "electro_swing": Style((112, 132), ("four", "disco"), ("walking", "quarters"), (Comp(("off", "oompah", "jazz"), (*PIANOS, *GUITARS, *BRASS)), Comp(("stabs",), (*BRASS, *REEDS))), leads=(*REEDS, *BRASS), swings=(0.6, 1.0), electronic=1.0),
    "chiptune": Style((110, 205), ("four", "rock", "techno", "dnb"), ("octaves", "eighths", "sixteenths"), (Comp(("trem/arp", "eighths/arp"), (80, 81), CRUNCH), Comp(("trem/arp",), (80, 81))), leads=(80, 81, 82), electronic=1.0, share=1.5),
    "march": Style((96, 144), ("march",), ("halves", "quarters"), (Comp(("off", "oompah"), (*BRASS, *STRINGS)), Comp(("quarters", "pad"), BRASS)), leads=(*BRASS, *WINDS), electronic=0.0),
    "orchestral": Style((66, 150), (), ("quarters", "halves", "eighths"), (Comp(("eighths", "quarters", "pad"), STRINGS), Comp(("pad", "halves", "stabs"), (*BRASS, *WINDS)), Comp(("eighths/arp", "trem/arp"), (*STRINGS, 46))), leads=(*WINDS, *STRINGS, *BRASS), share=1.5),
    "acoustic": Style((66, 150), (), ("halves", "quarters"), (Comp(("strum", "eighths/arp", "strum_two"), GUITARS), Comp(("quarters", "eighths/arp"), PIANOS)), share=1.5),
    "piano": Style((60, 170), (), (), (Comp(("eighths/arp", "quarters"), PIANOS),), leads=PIANOS, share=1.0),
    "waltz": Style((84, 190), ("waltz",), ("waltz", "quarters"), (Comp(("waltz",), (*PIANOS, *GUITARS, *STRINGS, 21)), PAD), swings=(0.0, 0.5), metre=3),
}  # fmt: skip
