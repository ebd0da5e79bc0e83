"""Train the activation: `python -m tests.train.fit CORPUS [CORPUS ...] --out weights.npz`. PyTorch, one core, half an hour."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from k1edge.beat.activation import LAGS
from tests.train.descent import Descent, begun, save
from tests.train.features import HEADS, Example, load

CROP = 500
"""Hops of an excerpt, 5 s."""

BATCH = 96
TONES = 36
"""The first inputs are tones, the others rises (`k1edge.beat.activation.Inputs`)."""

HEAD_WEIGHTS = (1.0, 0.5, 0.3)
BEAT_WEIGHT = 3.0
"""Beats are some 10 % of all hops."""


class Net(nn.Module):
    """As `k1edge.beat.activation.Network` computes it."""

    def __init__(self, inputs: int, dense: int, units: tuple[int, ...]) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, dense)
        sizes = (dense * len(LAGS), *units)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], units, strict=True))
        self.heads = nn.Linear(units[-1], len(HEADS))
        self.drop = nn.Dropout(0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.dense(x))
        padded = nn.functional.pad(x, (0, 0, LAGS[-1], 0))
        x = torch.cat([padded[:, LAGS[-1] - lag : LAGS[-1] - lag + x.shape[1]] for lag in LAGS], dim=-1)
        for layer in self.layers:
            x = self.drop(torch.relu(layer(x)))
        return self.heads(x)


COLOUR_DB = 5.0
"""Spread of the random equaliser, at six points from the lowest band to the highest."""


def coloured(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Inputs (pieces, hops, 107) as through other loudspeakers: a smooth curve over the bands, for the tones exactly, for the rises nearly."""
    tones, rises = x[..., :TONES], x[..., TONES:]

    def gains(bands: int) -> Tensor:
        places = np.linspace(0.0, 5.0, bands)
        curves = [np.interp(places, np.arange(6), row) for row in knots]
        return torch.from_numpy(10.0 ** (np.array(curves) / 20.0)).float()[:, None, :]

    knots = rng.normal(0.0, COLOUR_DB, (len(x), 6)) * (rng.random((len(x), 1)) < 0.75)
    return torch.cat([torch.log1p(torch.expm1(tones) * gains(tones.shape[-1])), rises * gains(rises.shape[-1]) ** 0.7], dim=-1)


def batch(examples: list[Example], chances: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Excerpts from anywhere."""
    inputs, targets, known = [], [], []
    for number in rng.choice(len(examples), BATCH, p=chances):
        each = examples[number]
        start = int(rng.integers(max(len(each.inputs) - CROP, 1)))
        x = each.inputs[start : start + CROP].astype(np.float32)
        y, k = each.targets[start : start + CROP], each.known[start : start + CROP]
        if len(x) < CROP:
            pad = ((0, CROP - len(x)), (0, 0))
            x, y, k = np.pad(x, pad), np.pad(y, pad), np.pad(k, pad)
        inputs.append(x)
        targets.append(y)
        known.append(k)
    return (
        coloured(torch.from_numpy(np.stack(inputs)), rng),
        torch.from_numpy(np.stack(targets).astype(np.float32)),
        torch.from_numpy(np.stack(known).astype(np.float32)),
    )


def loss_of(logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Cross entropy, beats weighed up, unknown hops left out."""
    each = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none", pos_weight=torch.tensor(BEAT_WEIGHT))
    return ((each * known).sum(dim=(0, 1)) / (known.sum(dim=(0, 1)) + 1.0) * torch.tensor(HEAD_WEIGHTS)).sum()


def main() -> None:
    """Load everything, train, keep the newest weights on disk all along."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path, nargs="+", help="folders of pieces; FOLDER:SHARE weighs one against the others")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--dense", type=int, default=32)
    parser.add_argument("--units", type=int, nargs="+", default=[64, 32])
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--begin", type=Path, help="weights to go on from")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    examples, chances = gathered(args.corpora)
    held = [n for n in range(len(examples)) if n % 50 < 2]
    chances[held] = 0.0
    chances /= chances.sum()
    net = Net(examples[0].inputs.shape[1], args.dense, tuple(args.units))
    begun(net, args.begin)
    descent, begin = Descent(net, args.rate, args.steps), time.monotonic()
    for step in range(1, args.steps + 1):
        net.train()
        inputs, targets, known = batch(examples, chances, rng)
        descent.step(loss_of(net(inputs), targets, known))
        if step % 100 == 0 or step == args.steps:
            about = judged(descent.average, examples, held)
            sys.stderr.write(f"{step}/{args.steps} loss {descent.loss:.4f} held {about:.4f} {time.monotonic() - begin:.0f} s\n")
            save(descent.average, args.out)


def gathered(corpora: list[Path]) -> tuple[list[Example], np.ndarray]:
    """All pieces, and how often each is drawn."""
    examples: list[Example] = []
    chances: list[float] = []
    for corpus in corpora:
        folder, _, share = str(corpus).partition(":")
        paths = sorted(Path(folder).glob("*.npz"))
        for path in paths:
            examples.append(load(path))
            chances.append(float(share or 1.0) / len(paths))
        sys.stderr.write(f"{folder}: {len(paths)} pieces\n")
    return examples, np.array(chances)


def judged(net: nn.Module, examples: list[Example], held: list[int]) -> float:
    """Loss of the beat on pieces that are not trained on."""
    net.eval()
    losses = []
    with torch.no_grad():
        for number in held[:40]:
            each = examples[number]
            x = torch.from_numpy(each.inputs[:CROP].astype(np.float32))[None]
            y, k = (
                torch.from_numpy(each.targets[:CROP].astype(np.float32))[None],
                torch.from_numpy(each.known[:CROP].astype(np.float32))[None],
            )
            losses.append(float(loss_of(net(x), y, k)))
    return float(np.mean(losses))


if __name__ == "__main__":
    main()
