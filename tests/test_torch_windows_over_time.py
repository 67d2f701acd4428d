"""PyTorch as a judge of windows over steps of any number, in float64: each sequence alone, with lengths and without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import assert_close, compiled, input_gradients, module, weights
from netc.dsl import load_text
from uses import EXACT

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
F: Any = torch.nn.functional
CHANNELS = 4


def conv(stride: int = 1, before: int = 0, behind: int = 0, dilation: int = 1, groups: int = 1) -> Callable[..., Any]:
    return lambda x, p: F.conv1d(F.pad(x, (before, behind)), p["W1"], p["b1"], stride, 0, dilation, groups)


def separable(x: Any, p: Any) -> Any:
    return F.conv1d(F.conv1d(x, p["D1"], None, 2, 1, groups=CHANNELS), p["W1"], p["b1"])


def several(x: Any, p: Any) -> Any:
    return F.conv1d(F.max_pool1d(torch.tanh(conv(2, 1, 1)(x, p)), 2, 3), p["W2"], p["b2"])


# What PyTorch computes of (1, channels, steps), and how many steps the words need.
WORDS: dict[str, tuple[Callable[..., Any], int]] = {
    "conv 3 3": (conv(), 3),
    "conv 3 3 stride=2": (conv(2), 3),
    "conv 3 5 stride=2 pad=2": (conv(2, 2, 2), 1),
    "conv 3 2 stride=3": (conv(3), 2),
    "conv 3 1 stride=4": (conv(4), 1),
    "conv 3 3 stride=3 dilation=2 pad=[[1, 3]]": (conv(3, 1, 3, 2), 1),
    "conv 3 3 stride=2 pad=causal": (conv(2, 2), 1),
    "conv 3 3 pad=2": (conv(1, 2, 2), 1),
    "conv 6 3 stride=2 groups=2 pad=1": (conv(2, 1, 1, groups=2), 1),
    "depthwise 3 stride=2": (conv(2, groups=CHANNELS), 3),
    "separable 3 3 stride=2 pad=1": (separable, 1),
    "maxpool 2": (lambda x, p: F.max_pool1d(x, 2), 2),
    "maxpool 3 stride=2 pad=1": (lambda x, p: F.max_pool1d(x, 3, 2, 1), 1),
    "maxpool 2 stride=3": (lambda x, p: F.max_pool1d(x, 2, 3), 2),
    "avgpool 3 stride=2": (lambda x, p: F.avg_pool1d(x, 3, 2), 3),
    "avgpool 3 stride=2 pad=1": (lambda x, p: F.avg_pool1d(x, 3, 2, 1), 1),
    "avgpool 4 stride=3 pad=2 count_pad=false": (
        lambda x, p: F.avg_pool1d(x, 4, 3, 2, count_include_pad=False),
        1,
    ),
    "avgpool 3 stride=2 pad=1 count_pad=false": (
        lambda x, p: F.avg_pool1d(x, 3, 2, 1, count_include_pad=False),
        1,
    ),
    "avgpool 3 stride=1 pad=same": (lambda x, p: F.avg_pool1d(x, 3, 1, 1), 1),
    "avgpool 1 stride=3": (lambda x, p: F.avg_pool1d(x, 1, 3), 1),
    "sumpool 2 stride=1": (lambda x, p: F.avg_pool1d(x, 2, 1) * 2, 2),
    "normpool 3 stride=2": (lambda x, p: F.lp_pool1d(x.abs(), 2, 3, 2), 3),
    "conv 3 4 stride=2 pad=1 -> tanh -> maxpool 2 stride=3 -> conv 2 1": (several, 4),
}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("word", WORDS)
def test_windows(word: str, masked: bool):
    theirs, least = WORDS[word]
    text = f"net small\ninput x: f32[T, {CHANNELS}]{' lengths=true' if masked else ''}\ntarget goal: f32\n"
    text += f"value = x -> {word}\noutput value\ny = value -> tanh -> globalsumpool -> dense 1 name=end\noutput y\n"
    net = load_text(f"{text}loss mse(y, goal)\nupdater sgd\n")
    made, rng, gradients = module(net), np.random.default_rng(4), compiled(input_gradients(net))
    for steps in (least, 7, 8, 9, 10):
        x, goal = rng.standard_normal((3, steps, CHANNELS)), rng.standard_normal((3, 1))
        lengths = [np.array([steps, *rng.integers(least, steps + 1, 2)])] if masked else []
        p = weights(made, net, rng, [x, *lengths])
        v = {k: torch.tensor(a, requires_grad=True) for k, a in {"x": x, **p}.items()}
        counts = lengths[0] if masked else [steps] * 3
        loss, values = 0, made.predict(p, x, *lengths)[0]
        for i, count in enumerate(counts):
            value = theirs(v["x"][i : i + 1, :count].transpose(1, 2), v)
            assert_close(values[i, : value.shape[2]], value[0].T.detach().numpy(), EXACT, f"{steps} {count}")
            y = torch.tanh(value).sum(2) @ v["W_end"] + v["b_end"]
            loss = loss + ((y - torch.tensor(goal[i])) ** 2).mean() / len(counts)
        if not masked:
            assert values.shape[1] == value.shape[2]
        loss.backward()
        mine, grads = made.loss_and_grads(p, x, *lengths, goal)
        assert_close(mine, loss.item(), EXACT)
        named = {"x": x, "x_lengths": lengths[0] if masked else None, "goal": goal, **p}
        grads |= {k: g for k, g in gradients(named).items() if k != "loss"}
        assert {"dx", *net.weights} <= set(grads)
        for name, grad in grads.items():
            assert_close(grad, v["x" if name == "dx" else name].grad.numpy(), EXACT, name)
