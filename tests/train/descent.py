"""How both networks learn: AdamW through one cycle of the rate, and the running mean of the weights, which is what is kept."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

KEPT = 0.998
"""Share of the averaged weights that stays at each step: what is shipped is the mean of the last few hundred steps."""

DECAY, RISING, LARGEST = 1e-3, 0.05, 1.0
"""Of the weights; share of the steps in which the rate rises; norm at which gradients are clipped."""


class Descent:
    """Steps of one fit.

    Attributes:
        loss: its running mean.
    """

    def __init__(self, net: nn.Module, rate: float, steps: int) -> None:
        self._net = net
        self._adam = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=DECAY)
        self._plan = torch.optim.lr_scheduler.OneCycleLR(self._adam, rate, total_steps=steps, pct_start=RISING)
        self._average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(KEPT))
        self._steps = 0
        self.loss = 0.0

    @property
    def average(self) -> nn.Module:
        """The network with the weights' running mean."""
        return self._average.module

    def step(self, loss: Tensor) -> None:
        """Go down a little."""
        self._adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._net.parameters(), LARGEST)
        self._adam.step()
        self._plan.step()
        self._average.update_parameters(self._net)
        self._steps += 1
        self.loss += (float(loss.detach()) - self.loss) * max(0.01, 1.0 / self._steps)


def begun(net: nn.Module, weights: Path | None) -> None:
    """Go on from weights as `save` writes them; None = from where `net` is."""
    if weights:
        net.load_state_dict({name: torch.from_numpy(value.astype(np.float32)) for name, value in np.load(weights).items()})


def save(net: nn.Module, path: Path) -> None:
    """Weights as float16 arrays."""
    np.savez_compressed(path, **{name: value.detach().numpy().astype(np.float16) for name, value in net.state_dict().items()})
