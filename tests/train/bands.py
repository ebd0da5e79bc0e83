"""A piece of the corpus: what the pipeline's front end makes of a sound, whole pieces at once, and where the beats are, as one .npz.

Fields: `bands` (frames, 71) float16, times `GAIN`; `beats` s; `positions` (1 = downbeat, 0 = unknown); `style`; and `span`, the stretch in s
whose beats are known, where that is not all of it.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from k1edge.beat.spectrum import HOP, WINDOW, filterbank

GAIN = np.float32(1000.0)
"""Bands are kept times this, for float16 has its best steps near 1."""

FRAMES_AT_ONCE = 500
"""Keeps the windows of a long piece out of memory."""


def spectra(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """What `Spectrum` gives hop by hop, shape (frames, 71)."""
    hann = np.hanning(WINDOW + 1)[:-1]
    window = (hann * (2.0 / hann.sum())).astype(np.float32)
    padded = np.concatenate([np.zeros(WINDOW - HOP, dtype=np.float32), samples])
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    bank = filterbank().T
    starts = range(0, len(frames), FRAMES_AT_ONCE)
    return np.concatenate([np.abs(np.fft.rfft(frames[at : at + FRAMES_AT_ONCE] * window)).astype(np.float32) @ bank for at in starts])


def bands_of(samples: NDArray[np.float32]) -> NDArray[np.float16]:
    """Bands as they are kept."""
    return (spectra(samples) * GAIN).astype(np.float16)


def keep(
    path: Path,
    samples: NDArray[np.float32],
    *,
    beats: NDArray[np.float64],
    positions: NDArray[np.int64],
    style: str,
    span: NDArray[np.float64] | None = None,
) -> None:
    """Write one piece; a run that is broken off leaves no half of it."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, bands=bands_of(samples), beats=beats, positions=positions, style=style, **({} if span is None else {"span": span}))
    part.replace(path)
