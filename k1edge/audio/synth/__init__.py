"""Songs with known beats, and sounds that are no music; made in code, seeded, bit for bit repeatable. Read `presets` first.

`song(name)` and `render(style, sections)` give a `Song`: float32 mono at 44.1 kHz and its truth. The other functions give bare samples.
Pure: nothing here opens a file or knows the time.
"""

from k1edge.audio.synth.arrange import Section
from k1edge.audio.synth.crowd import applause_like, babble, speech_like
from k1edge.audio.synth.noise import drone, hiss, hum, pink, silence, white
from k1edge.audio.synth.presets import PRESETS, click_and_drums, find_clicks, song
from k1edge.audio.synth.shaping import rms_dbfs
from k1edge.audio.synth.song import SectionSpan, Song, concatenate, render
from k1edge.audio.synth.styles import STYLES

__all__ = [
    "PRESETS",
    "STYLES",
    "Section",
    "SectionSpan",
    "Song",
    "applause_like",
    "babble",
    "click_and_drums",
    "concatenate",
    "drone",
    "find_clicks",
    "hiss",
    "hum",
    "pink",
    "render",
    "rms_dbfs",
    "silence",
    "song",
    "speech_like",
    "white",
]
