"""Hydrogen's drum kits: samples laid where the strokes are, to the sample."""

import re
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from k1edge.timebase import SAMPLE_RATE_HZ
from tests.train.notes import Note, Pulse

Samples = NDArray[np.float32]

ROOT = Path("/usr/share/hydrogen/data/drumkits")
KITS = {
    "acoustic": (
        "ColomboAcousticDrumkit",
        "ForzeeStereo",
        "Millo-Drums_v.1",
        "Millo_MultiLayered2",
        "Millo_MultiLayered3",
        "The Black Pearl 1.0",
        "Audiophob",
    ),
    "electronic": ("ElectricEmpireKit", "HardElectro1", "VariBreaks"),
}
"""Of Debian's hydrogen-drumkits those under the GPL or CC0; the others are CC BY or BY-SA 3.0, which is not the GPL's."""

VOICES = (
    ("pedal", r"pedal|hh.?pd| pd\b"), ("open", r"open|ohh| op\b|swish|free"), ("closed", r"closed|chh|hat|hh| cl\b"), ("clap", r"clap"),
    ("rim", r"stick|side|rim click|rim"), ("snare", r"snare|\bsd"), ("kick", r"kick|bass ?drum|\bbd"), ("bell", r"bell(?!.*cow)|cup"),
    ("cowbell", r"cowbell"), ("ride", r"ride"), ("crash", r"crash|splash|china"), ("low", r"tom.*(low|floor)|floor|tom ?(3|4)"),
    ("mid", r"tom.*mid|tom ?2"), ("high", r"tom"), ("tambourine", r"tamb"), ("shaker", r"shak|maraca|cabasa"),
)  # fmt: skip
"""A voice's name as kits spell it; the first that fits."""

KEY_VOICES = {
    35: "kick", 36: "kick", 38: "snare", 40: "snare", 37: "rim", 39: "clap", 42: "closed", 44: "pedal", 46: "open", 51: "ride", 59: "ride", 53: "bell",
    49: "crash", 55: "crash", 57: "crash", 52: "crash", 41: "low", 43: "low", 45: "low", 47: "mid", 48: "mid", 50: "high", 56: "cowbell",
    54: "tambourine", 70: "shaker", 69: "shaker", 82: "shaker",
}  # fmt: skip

INSTEAD = {
    "pedal": "closed", "open": "closed", "clap": "snare", "rim": "snare", "bell": "ride", "ride": "closed", "crash": "open", "low": "mid",
    "mid": "high", "high": "snare", "cowbell": "rim", "tambourine": "closed", "shaker": "closed", "closed": "snare", "snare": "kick",
}  # fmt: skip

LONGEST_S = 1.8


@cache
def instruments(kit: str) -> dict[str, list[list[Path]]]:
    """Per voice the kit's instruments, each a list of samples from soft to loud."""
    tree = ET.parse(ROOT / kit / "drumkit.xml")  # noqa: S314 - the kits of a Debian package, no stranger's XML
    found: dict[str, list[list[Path]]] = {}
    for instrument in (e for e in tree.iter() if e.tag.rpartition("}")[2] == "instrument"):
        name, layers = "", []
        for element in instrument.iter():
            tag = element.tag.rpartition("}")[2]
            if tag == "name" and not name:
                name = (element.text or "").lower().replace(kit.lower().split()[-1], "")
            if tag == "filename" and element.text:
                layers.append(ROOT / kit / element.text)
        voice = next((voice for voice, spelling in VOICES if re.search(spelling, name)), None)
        layers = sorted({path for path in layers if path.exists()}, key=layers.index)
        if voice and layers:
            found.setdefault(voice, []).append(layers)
    return found


@cache
def sample(path: Path) -> Samples:
    """A sample at our rate, mono, from its attack on, its peak 1."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)[: int(LONGEST_S * rate)]
    if rate != SAMPLE_RATE_HZ:
        mono = np.interp(np.arange(0.0, len(mono), rate / SAMPLE_RATE_HZ), np.arange(len(mono)), mono).astype(np.float32)
    peak = float(np.abs(mono).max(initial=1e-9))
    begins = int(np.argmax(np.abs(mono) > 0.03 * peak))
    cut = mono[max(begins - 20, 0) :] / np.float32(peak)
    fade = min(len(cut), 2000)
    cut[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return np.asarray(cut, dtype=np.float32)


def tuned(samples: Samples, semitones: float) -> Samples:
    """Played faster or slower."""
    step = 2.0 ** (semitones / 12.0)
    return np.interp(np.arange(0.0, len(samples) - 1, step), np.arange(len(samples)), samples).astype(np.float32)


def render(notes: list[Note], pulse: Pulse, seconds: float, kit: str, rng: np.random.Generator) -> Samples:
    """A drum part as mono sound from beat 0 on; every voice tuned and weighed a little differently."""
    found = instruments(kit)
    out = np.zeros(int((seconds + LONGEST_S + 1.0) * SAMPLE_RATE_HZ), dtype=np.float32)
    voices: dict[str, list[Samples]] = {}
    tune, gains = float(rng.normal(0.0, 1.5)), {}
    hits = sorted((pulse.at(n.beat), KEY_VOICES.get(n.pitch, "rim"), n.velocity) for n in notes)
    hats = [time for time, voice, _ in hits if voice in {"closed", "pedal", "open"}]
    for time, voice, velocity in hits:
        if voice not in voices:
            voices[voice] = [tuned(sample(path), tune) for path in choose(found, voice, rng)]
            gains[voice] = BALANCE.get(voice, 0.5) * 10.0 ** float(rng.normal(0.0, 3.0) / 20.0)
        layers = voices[voice]
        sound = layers[min(int(velocity / 128.0 * len(layers)), len(layers) - 1)]
        start = round(time * SAMPLE_RATE_HZ)
        if start < 0 or start >= len(out):
            continue
        ends = (
            next((round(t * SAMPLE_RATE_HZ) - start for t in hats[np.searchsorted(hats, time, "right") :][:1]), len(sound))
            if voice == "open"
            else len(sound)
        )
        count = min(len(sound), len(out) - start, max(ends, 1000))
        out[start : start + count] += sound[:count] * np.float32(gains[voice] * (velocity / 127.0) ** 1.6)
    return out[: int(seconds * SAMPLE_RATE_HZ)]


BALANCE = {
    "kick": 1.0,
    "snare": 0.8,
    "clap": 0.6,
    "rim": 0.5,
    "closed": 0.25,
    "pedal": 0.2,
    "open": 0.3,
    "ride": 0.3,
    "bell": 0.3,
    "crash": 0.45,
    "low": 0.8,
    "mid": 0.8,
    "high": 0.8,
}


def choose(found: dict[str, list[list[Path]]], voice: str, rng: np.random.Generator) -> list[Path]:
    """One of the kit's instruments for a voice, or for what stands in for it."""
    while voice not in found:
        voice = INSTEAD.get(voice, next(iter(found)))
    return found[voice][int(rng.integers(len(found[voice])))]
