"""Learn where in the bar a beat sounds like being: `python -m tests.train.fit_bars CORPUS`. Writes `k1edge/beat/bar_weights.py`.

CORPUS is a folder as `corpus` makes it. Needs torch, as `fit` does; two minutes on one core. What is learned are the weights with which the
forward filter of `k1edge.beat.bar` foretells the place of the beat after next best, over whole pieces. Noise as large as the features is
added: without it the filter is sure of itself on rendered music and too sure on recordings. Every eighth piece is kept for a look.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from k1edge.beat import bar
from k1edge.beat.accent import FEATURES, Listener
from k1edge.beat.bar_weights import PLACES
from k1edge.beat.spectrum import HOP
from k1edge.timebase import SAMPLE_RATE_HZ
from tests.train.bands import GAIN

SHAKEN_S = 0.008
"""Beats are put this far beside the truth (standard deviation), as a tracker puts them."""

EARLY_S = 0.1
"""A beat is described when the one after next is promised, so far ahead of it."""

NOISE = 1.5
"""In spreads. Of what was told at one chance on 66 recorded tracks 81 % was right with 0.3, 86 with 1, 90 with 1.5, 91 with 2; told were fewer."""

THREES_COUNT = 3.0
"""A beat in threes counts so much: they are a sixtieth of what is rendered."""

EPOCHS, BATCH, PACE, DECAY = 80, 100, 5e-3, 1e-3

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Piece:
    """Features (beats, 18), nan where none were heard, and the row of `PLACES` of each beat, -1 where that is unknown."""

    features: Reals
    places: NDArray[np.int64]


def described(bands: NDArray[np.float32], beats_s: Reals) -> Reals:
    """Features of every beat, as the pipeline would have them."""
    listener = Listener(bands.shape[1])
    beats = beats_s * SAMPLE_RATE_HZ
    found = np.full((len(beats), len(FEATURES)), np.nan)
    at = 2
    for hop, row in enumerate(bands, 1):
        listener.hear(row, hop * HOP)
        while at < len(beats) and hop * HOP >= beats[at] - EARLY_S * SAMPLE_RATE_HZ:
            features = listener.describe(beats[at - 2], beats[at - 1])
            if features is not None:
                found[at - 2] = features
            at += 1
    return found


def load(path: Path, rng: np.random.Generator) -> Piece:
    """One piece of the corpus."""
    with np.load(path) as piece:
        bands, beats, positions = piece["bands"].astype(np.float32) / GAIN, piece["beats"], piece["positions"]
    positions = positions[: len(beats)]
    metre = int(positions.max())
    places = np.array([PLACES.index((metre, int(place))) if place > 0 else -1 for place in positions])
    return Piece(described(bands, beats + rng.normal(0.0, SHAKEN_S, len(beats))), places)


def unusual(features: Reals, spread: Reals) -> Reals:
    """What `bar.Usual` makes of a piece, with another spread; 0 for what was not heard."""
    usual = bar.Usual(spread)
    return np.array([usual.against(row) for row in features])


def stacked(pieces: list[Piece], spread: Reals) -> tuple[torch.Tensor, torch.Tensor]:
    """Pieces of about one length: features (pieces, beats, 18), places (pieces, beats), -1 beyond the end."""
    beats = max(len(piece.places) for piece in pieces)
    heard = np.zeros((len(pieces), beats, len(FEATURES)), dtype=np.float32)
    places = np.full((len(pieces), beats), -1)
    for row, piece in enumerate(pieces):
        heard[row, : len(piece.places)] = unusual(piece.features, spread)
        places[row, : len(piece.places)] = piece.places
    return torch.tensor(heard), torch.tensor(places)


class Ear(torch.nn.Module):
    """What `bar.BarFilter` and `bar.Recurrence` make of a beat, to be learned."""

    def __init__(self) -> None:
        super().__init__()
        self.places = torch.nn.Linear(len(FEATURES), len(PLACES))
        self.recurrence = torch.nn.Parameter(torch.tensor(1.0))
        self.threes = torch.tensor(bar.METRES == 3)

    def bias(self) -> torch.Tensor:
        """Of each place; none for a metre as such, for recordings have more of either than what is rendered."""
        bias = self.places.bias
        return bias - torch.where(self.threes, bias[self.threes].mean(), bias[~self.threes].mean())

    def forward(self, heard: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
        """Nepers of each place: (pieces, beats, 7)."""
        known = clean.ne(0.0).any(-1, keepdim=True)
        past = {lag: torch.nn.functional.pad(clean, (0, 0, lag, 0))[:, : clean.shape[1]] for lag in (3, 4, 6, 8)}
        like = (clean * (past[3] + past[6] - past[4] - past[8])).sum(-1, keepdim=True) / (2 * len(FEATURES))
        like = like.clamp(-bar.MOST_RECURRENCE, bar.MOST_RECURRENCE) * past[8].ne(0.0).any(-1, keepdim=True)
        return (heard @ self.places.weight.T + self.bias() + self.recurrence * like * self.threes) * known


def foretold(ear: Ear, heard: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
    """Chances of the places two beats on, by all up to each beat: (pieces, beats, 7)."""
    step = torch.tensor(bar.STEP, dtype=torch.float32)
    says = ear(heard, clean)
    weights = torch.exp((says - says.mean(-1, keepdim=True)).clamp(-bar.MOST, bar.MOST))
    belief = torch.tensor(bar.PRIOR, dtype=torch.float32).expand(len(heard), -1)
    found = []
    for at in range(heard.shape[1]):
        belief = (belief @ step if at else belief) * weights[:, at]
        belief = belief / belief.sum(1, keepdim=True)
        found.append(belief)
    return torch.stack(found, 1) @ step @ step


def loss(ear: Ear, clean: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Mean surprise at the true places, in nepers."""
    heard = clean + NOISE * torch.randn_like(clean) * clean.ne(0.0)
    chances, true = foretold(ear, heard, clean)[:, :-2], places[:, 2:]
    surprise = -torch.log(chances.gather(2, true.clamp(0)[..., None])[..., 0] + 1e-6)
    weights = (true >= 0) * torch.where(ear.threes[true.clamp(0)], THREES_COUNT, 1.0)
    return (surprise * weights).sum() / weights.sum()


def learn(pieces: list[Piece], spread: Reals) -> Ear:
    """The weights."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    pieces = sorted(pieces, key=lambda piece: len(piece.places))
    batches = [stacked(pieces[at : at + BATCH], spread) for at in range(0, len(pieces), BATCH)]
    ear = Ear()
    optimiser = torch.optim.AdamW(ear.parameters(), lr=PACE, weight_decay=DECAY)
    pace = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    rng = np.random.default_rng(0)
    for epoch in range(EPOCHS):
        for number in rng.permutation(len(batches)):
            surprise = loss(ear, *batches[number])
            optimiser.zero_grad()
            surprise.backward()
            optimiser.step()
        pace.step()
        sys.stderr.write(f"\r{epoch + 1}/{EPOCHS}")
    return ear


def table(ear: Ear, spread: Reals) -> str:
    """The module with the weights."""
    weights, bias = ear.places.weight.detach().numpy().T, ear.bias().detach().numpy()
    weights = weights - weights.mean(axis=1, keepdims=True)

    def row(values: Reals) -> str:
        return "(" + ", ".join(f"{value:.3f}" for value in values) + ")"

    lines = [
        '"""What beats sound like by their place in the bar; written by `tests/train/fit_bars.py`, from rendered music alone."""',
        "",
        f"PLACES = {PLACES!r}",
        '"""(Beats of the bar, place in it) of each column; 1 = downbeat."""',
        "",
        f"SPREAD = {row(spread)}",
        '"""Standard deviation of each of `accent.FEATURES` over all music."""',
        "",
        "WEIGHTS = (",
        *(f"    {row(values)},  # {name}" for name, values in zip(FEATURES, weights, strict=True)),
        ")",
        '"""Nepers for each place, by how unusual a feature is; only differences between places matter."""',
        "",
        f"BIAS = {row(bias)}",
        "",
        f"RECURRENCE = {ear.recurrence.item():.3f}",
        '"""Nepers for threes, by `bar.Recurrence`."""',
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Read, learn, look, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    paths = sorted(args.corpus.glob("*.npz"))
    kept = [int(path.stem.split("_")[0]) % 8 == 0 for path in paths]
    pieces = [load(path, rng) for path in paths]
    spread = np.nanstd(np.concatenate([piece.features for piece in pieces]), axis=0)
    ear = learn([piece for piece, keep in zip(pieces, kept, strict=True) if not keep], spread)
    with torch.no_grad():
        heard, places = stacked([piece for piece, keep in zip(pieces, kept, strict=True) if keep], spread)
        chances, true = foretold(ear, heard, heard)[:, :-2], places[:, 2:]
    told = (chances.amax(2) >= bar.SURE) & (true >= 0)
    right = (chances.argmax(2) == true)[told].float().mean()
    sys.stderr.write(f"\nkept: {told.sum() / (true >= 0).sum():.3f} told, {right:.3f} of them right\n")
    Path(bar.__file__).with_name("bar_weights.py").write_text(table(ear, spread), encoding="utf-8")


if __name__ == "__main__":
    main()
