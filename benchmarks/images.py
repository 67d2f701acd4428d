"""The nets over images that the benchmark times: their specs, and the same in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Weights = dict[str, np.ndarray]

TAIL = """
loss    mcxent
updater adam lr={rate}
train   epochs=1 batch={batch} seed=1
"""
LENET = """
conv 6 5x5 pad=same -> tanh -> avgpool 2x2
conv 16 5x5         -> tanh -> avgpool 2x2
flatten
dense 120 -> tanh -> dense 84 -> tanh -> dense 10 -> softmax
"""
RESNET = """
def block residual(channels, stride=1) {
    skip = in -> conv channels 1x1 stride=stride bias=false -> batchnorm
    in -> conv channels 3x3 stride=stride pad=1 bias=false -> batchnorm -> relu
       -> conv channels 3x3 pad=1 bias=false -> batchnorm -> add skip -> relu
}
conv 16 3x3 pad=1 bias=false -> batchnorm -> relu
residual 16 -> residual 32 stride=2 -> residual 64 stride=2
globalavgpool -> dense 10 -> softmax
"""
# prelu has a weight, so that the convolution behind it has to give the gradient of its input too.
CONV = """
prelu -> conv {outputs} 3x3 pad=1
globalavgpool -> dense 10 -> softmax
"""


@dataclass(frozen=True)
class ImageCase:
    """A net over images: its chains, what it takes, the batches of a round, and the speed asked for in PyTorch's."""

    name: str
    chains: str
    shape: tuple[int, int, int]
    batch: int
    batches: int
    target: float
    peer: Callable[[Any], Any]
    classes: int = 10

    def spec(self, rate: float) -> str:
        """The case as a spec."""
        head = f"net bench\ninput  x: f32{list(self.shape)}\ntarget y: class({self.classes})\n"
        return head + self.chains + TAIL.format(rate=rate, batch=self.batch)

    def torch(self, weights: Weights) -> Any:
        """The same net in PyTorch, with these weights."""
        import torch

        net = self.peer(torch.nn)
        counts = {"": 0}
        for name, module in net.named_modules():
            # A residual block, whose layers have numbers of their own
            path = name.split(".")
            prefix = f"{path[0]}_" if path[0].startswith("residual") else ""
            if hasattr(module, "weight"):
                counts[prefix] = counts.get(prefix, 0) + 1
                _fill(module, weights, prefix, counts[prefix])
        return net


def _fill(module: Any, weights: Weights, prefix: str, number: int) -> None:
    """Give a module the weights of the layer of that number."""
    import torch

    def of(letter: str) -> np.ndarray | None:
        return weights.get(f"{prefix}{letter}{number}")

    matrix = of("W")
    weight = next(v for v in (matrix, of("gamma"), of("alpha")) if v is not None)
    bias = next((v for v in (of("b"), of("beta")) if v is not None), None)
    turned = weight.T if isinstance(module, torch.nn.Linear) else weight
    module.weight.data = torch.from_numpy(turned.copy())
    if bias is not None:
        module.bias.data = torch.from_numpy(bias.copy())


def lenet(nn: Any) -> Any:
    """LeNet-5."""
    first = [nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)]
    dense = [nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)]
    return nn.Sequential(*first, nn.Flatten(), *dense)


def alone(inputs: int, outputs: int) -> Callable[[Any], Any]:
    """A convolution behind a prelu."""

    def made(nn: Any) -> Any:
        conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        return nn.Sequential(nn.PReLU(inputs), conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(outputs, 10))

    return made


def resnet8(nn: Any) -> Any:
    """Three residual blocks with projections."""

    class Residual(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int):
            super().__init__()
            self.skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.norm1 = nn.BatchNorm2d(outputs)
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.norm3 = nn.BatchNorm2d(outputs)

        def forward(self, x: Any) -> Any:
            h = nn.functional.relu(self.norm2(self.conv1(x)))
            return nn.functional.relu(self.norm3(self.conv2(h)) + self.norm1(self.skip(x)))

    net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    for i, (inputs, outputs, stride) in enumerate(((16, 16, 1), (16, 32, 2), (32, 64, 2)), start=1):
        net.add_module(f"residual{i}", Residual(inputs, outputs, stride))
    for name, module in (("pool", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("dense", nn.Linear(64, 10))):
        net.add_module(name, module)
    return net


def _conv(inputs: int, outputs: int, size: int, batch: int, batches: int) -> ImageCase:
    name = f"conv-{inputs}-{outputs}-on-{size}x{size}"
    chains = CONV.format(outputs=outputs)
    return ImageCase(name, chains, (inputs, size, size), batch, batches, 0.5, alone(inputs, outputs))


IMAGES = (
    ImageCase("lenet5", LENET, (1, 28, 28), 64, 8, 1.0, lenet),
    _conv(32, 64, 28, 64, 1),
    _conv(64, 64, 16, 32, 2),
    _conv(128, 128, 8, 32, 2),
    ImageCase("resnet8", RESNET, (1, 28, 28), 64, 1, 0.5, resnet8),
)


def resnet18(nn: Any) -> Any:
    """The network of specs/architectures/resnet18.net."""

    class Residual(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int):
            super().__init__()
            self.conv1, self.norm1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
            self.conv2, self.norm2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
            skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            self.skip = skip if stride > 1 else nn.Identity()
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            h = self.relu(self.norm1(self.conv1(x)))
            return self.relu(self.norm2(self.conv2(h)) + self.skip(x))

    front = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    plan = ((64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2))
    blocks = [Residual(*each) for each in (*plan, (512, 512, 1))]
    return nn.Sequential(*front, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))
