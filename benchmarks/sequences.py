"""The nets over steps that the benchmark times: their specs, and the same in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Weights = dict[str, np.ndarray]

TEXT = """net bench
input  x: f32[T, {features}]
target y: class({classes})
{layer} -> globalavgpool -> dense {classes} -> softmax
loss    mcxent
updater adam lr={rate}
train   epochs=1 batch={batch} seed=1
"""


@dataclass(frozen=True)
class SequenceCase:
    """A layer over steps: what it takes, the batches of a round, and the speed asked for in PyTorch's."""

    layer: str
    shape: tuple[int, int]
    batch: int
    batches: int
    target: float
    peer: Callable[[Any, Weights], Any]
    classes: int = 10

    @property
    def name(self) -> str:
        """The layer and what it takes: `lstm-128-on-28x28`."""
        return f"{self.layer.replace(' ', '-').replace('=', '-')}-on-{'x'.join(map(str, self.shape))}"

    def spec(self, rate: float) -> str:
        """The case as a spec."""
        features = self.shape[1]
        return TEXT.format(layer=self.layer, features=features, classes=self.classes, rate=rate, batch=self.batch)

    def torch(self, weights: Weights) -> Any:
        """The same net in PyTorch, with these weights."""
        import torch

        layer = self.peer(torch, weights)
        head = torch.nn.Linear(weights["W2"].shape[0], self.classes)
        head.weight.data, head.bias.data = (torch.from_numpy(w.copy()) for w in (weights["W2"].T, weights["b2"]))

        class Net(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer, self.head = layer, head

            def forward(self, x: Any) -> Any:
                return self.head(self.layer(x).mean(1))

        return Net()


def lstm(torch: Any, weights: Weights) -> Any:
    """PyTorch's layer, whose second bias stays 0."""
    features, units = weights["W1"].shape[0], weights["U1"].shape[0]

    class States(torch.nn.LSTM):
        def forward(self, x: Any) -> Any:
            return super().forward(x)[0]

    layer = States(features, units, batch_first=True)
    values = {"weight_ih_l0": weights["W1"].T, "weight_hh_l0": weights["U1"].T, "bias_ih_l0": weights["b1"]}
    for name, value in values.items():
        getattr(layer, name).data = torch.from_numpy(value.copy())
    layer.bias_hh_l0.data.zero_()
    layer.bias_hh_l0.requires_grad_(False)
    return layer


def attention(torch: Any, weights: Weights) -> Any:
    """PyTorch's layer of as many heads."""

    class Heard(torch.nn.MultiheadAttention):
        def forward(self, x: Any) -> Any:
            return super().forward(x, x, x, need_weights=False)[0]

    layer = Heard(weights["Wo1"].shape[0], 4, batch_first=True)
    layer.in_proj_weight.data = torch.from_numpy(np.concatenate([weights[f"W{n}1"].T for n in "qkv"]))
    layer.in_proj_bias.data = torch.from_numpy(np.concatenate([weights[f"b{n}1"] for n in "qkv"]))
    layer.out_proj.weight.data = torch.from_numpy(weights["Wo1"].T.copy())
    layer.out_proj.bias.data = torch.from_numpy(weights["bo1"].copy())
    return layer


SEQUENCES = (
    SequenceCase("lstm 128", (28, 28), 64, 2, 0.5, lstm),
    SequenceCase("lstm 64", (50, 64), 32, 4, 0.5, lstm),
    SequenceCase("lstm 32", (100, 8), 16, 4, 0.2, lstm),
    SequenceCase("lstm 256", (28, 28), 128, 1, 0.5, lstm),
    SequenceCase("attention heads=4", (64, 128), 16, 4, 0.5, attention),
)
