"""Train the reading of patterns: `python -m tests.train.fit_reading CORPUS [CORPUS ...] --activation W --out reading.npz`.

Corpora as `fit` takes them; those named in --recorded were recorded. The network of `k1edge.beat.activation` must have been trained before,
for the reading reads what it says. PyTorch, one core, five minutes. Of a set of layouts of the same moment the true one shall win (cross entropy over
the set). Two pieces of every hundred are not trained on and give the loss that is printed.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from k1edge.beat.reading import BEATS, CHANNELS, SLOTS
from tests.train.descent import Descent, begun, save
from tests.train.fit import Net
from tests.train.layouts import Heard, heard, laid_out, moment, strange

MOMENTS = 48
"""Of one step."""

TEMPO_SPREAD, PLACE_SPREAD = 0.004, 0.02
"""By how much the tracker's tempo, and its beats in their periods, lie beside the truth (standard deviation)."""

COLOUR = 0.25
"""Spread (nepers) of the loudness of everything, and of each channel: other records, other rooms."""

NO_BEAT = 0.14
"""Share of the moments in what has no beat at all."""

HELD = 16
"""Batches that the printed loss is of."""


class Layouts(nn.Module):
    """As `k1edge.beat.reading.Reader` computes it: each beat by itself, then all of them together."""

    def __init__(self, dense: int, units: int) -> None:
        super().__init__()
        self.dense = nn.Linear(SLOTS * CHANNELS, dense)
        self.layer = nn.Linear(BEATS * dense, units)
        self.out = nn.Linear(units, 1)
        self.few, self.drop = nn.Dropout(0.1), nn.Dropout(0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(torch.relu(self.dense(self.few(x))))
        return self.out(self.drop(torch.relu(self.layer(x.flatten(-2)))))[..., 0]


def batch(pieces: list[Heard], chances: np.ndarray, silent: list[Heard], rng: np.random.Generator) -> tuple[Tensor, list[int], list[int]]:
    """Layouts of `MOMENTS` moments end to end; how many each has, and which of all is its true one, -1 = none."""
    parts, counts, true = [], [], []
    while len(counts) < MOMENTS:
        other = silent[int(rng.integers(len(silent)))]
        if rng.random() < NO_BEAT:
            found = strange(other, float(rng.uniform(0.1, 1.0)) * len(other.sums), rng)
        else:
            found = moment(pieces[int(rng.choice(len(pieces), p=chances))], other, rng)
        if found is None:
            continue
        true.append(-1 if found.true is None else found.true)
        counts.append(len(found.layouts))
        periods, beats = np.array(found.layouts).T
        beats = beats + rng.normal(0.0, PLACE_SPREAD) * periods
        gains = np.exp(rng.normal(0.0, COLOUR) + rng.normal(0.0, COLOUR, CHANNELS)).astype(np.float32)
        heard_so = laid_out(found.sums, periods * (1.0 + rng.normal(0.0, TEMPO_SPREAD)), beats, found.oldest)
        parts.append(heard_so * torch.from_numpy(np.tile(gains, SLOTS)))
    return torch.cat(parts), counts, true


def loss_of(odds: Tensor, counts: list[int], true: list[int]) -> Tensor:
    """Cross entropy of each moment's layouts and of none, whose log-odds are 0, meaned."""
    nothing = odds.new_zeros(1)
    chance = [torch.log_softmax(torch.cat([each, nothing]), 0)[which] for each, which in zip(odds.split(counts), true, strict=True)]
    return -torch.stack(chance).mean()


def trained(pieces: list[Heard], chances: np.ndarray, silent: list[Heard], args: argparse.Namespace) -> None:
    """Every step of it; the newest weights are on disk all along."""
    rng = np.random.default_rng(args.seed)
    held = np.array([number % 100 < 2 for number in range(len(pieces))])
    seen, unseen = np.where(held, 0.0, chances), np.where(held, chances, 0.0)
    net = Layouts(args.dense, args.units)
    begun(net, args.begin)
    descent, begin = Descent(net, args.rate, args.steps), time.monotonic()
    for step in range(1, args.steps + 1):
        x, counts, true = batch(pieces, seen / seen.sum(), silent, rng)
        descent.step(loss_of(net(x), counts, true))
        if step % 500 == 0 or step == args.steps:
            about = judged(descent.average, pieces, unseen / unseen.sum(), silent)
            sys.stderr.write(f"{step}/{args.steps} loss {descent.loss:.3f} held {about:.3f} {time.monotonic() - begin:.0f} s\n")
            save(descent.average, args.out)


def judged(net: nn.Module, pieces: list[Heard], chances: np.ndarray, silent: list[Heard]) -> float:
    """Loss on pieces that are not trained on, the same moments each time."""
    rng = np.random.default_rng(5)
    net.eval()
    with torch.no_grad():
        losses = [float(loss_of(net(x), counts, true)) for x, counts, true in (batch(pieces, chances, silent, rng) for _ in range(HELD))]
    net.train()
    return float(np.mean(losses))


def gathered(corpora: list[str], recorded: list[str], no_beat: Path, activation: Path) -> tuple[list[Heard], np.ndarray, list[Heard]]:
    """All pieces that can be read, how often each is drawn, and what has no beat."""
    weights = {name: torch.from_numpy(value.astype(np.float32)) for name, value in np.load(activation).items()}
    net = Net(weights["dense.weight"].shape[1], len(weights["dense.weight"]), tuple(len(weights[f"layers.{n}.weight"]) for n in range(2)))
    net.load_state_dict(weights)
    net.eval()
    pieces: list[Heard] = []
    chances: list[float] = []
    for corpus in corpora:
        folder, _, share = corpus.partition(":")
        found = [heard(path, net, recorded=folder in recorded) for path in sorted(Path(folder).glob("*.npz"))]
        known = [each for each in found if each is not None]
        pieces += known
        shares = np.array([each.share for each in known])
        chances += (float(share or 1.0) * shares / shares.sum()).tolist()
        sys.stderr.write(f"{folder}: {len(known)} of {len(found)} pieces\n")
    silent = [heard(path, net, recorded=False) for path in sorted(no_beat.glob("*.npz"))]
    return pieces, np.array(chances), [each for each in silent if each is not None]


def main() -> None:
    """Load everything, train, keep the newest weights on disk all along."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+", help="folders of pieces; FOLDER:SHARE weighs one against the others")
    parser.add_argument("--recorded", nargs="*", default=[], help="folders whose beats were fitted")
    parser.add_argument("--no-beat", type=Path, required=True, help="folder of what has none")
    parser.add_argument("--activation", type=Path, required=True, help="weights of the network of one second")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--dense", type=int, default=48)
    parser.add_argument("--units", type=int, default=96)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--begin", type=Path, help="weights to go on from")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    trained(*gathered(args.corpora, args.recorded, args.no_beat, args.activation), args)


if __name__ == "__main__":
    main()
