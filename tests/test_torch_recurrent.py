"""PyTorch as a judge of recurrent layers in float64: values, last states, and gradients, both ways and with lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import assert_close, batch, compiled, input_gradients, module, weights
from netc.dsl import Net, load_text
from uses import EXACT

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
theirs = pytest.importorskip("torch_recurrent")
UNITS = 4


def net_of(kind: str, both: bool, masked: bool, begun: bool) -> Net:
    """A net that gives all states and the last one, and learns from all; its first states may be inputs."""
    letters = [] if not begun else ["h", "c"] if kind == "lstm" else ["h"]
    fields = f"input x: f32[T, 3]{' lengths=true' if masked else ''}\n"
    fields += "".join(f"input {letter}0: f32[{UNITS}]\n" for letter in letters)
    options = "".join(f" {letter}={letter}0" for letter in letters)
    chains = f"value = x -> {'bidirectional ' if both else ''}{kind} {UNITS}{options}\noutput value\n"
    chains += "last = value -> last_step\noutput last\ny = value -> dense 2 name=last\noutput y\n"
    if kind == "lstm" and not both:
        chains += "cell = value -> cells -> last_step\noutput cell\n"
    return load_text(f"net small\n{fields}target goal: f32[T, 2]\n{chains}loss mse(y, goal)\nupdater sgd\n")


CASES = [
    (kind, both, masked, begun)
    for kind in theirs.KINDS
    for both in (False, True)
    for masked in (False, True)
    for begun in (False, True)
]


def first(kind: str, v: Any, both: bool) -> Any:
    """The states before the first step as PyTorch takes them; both directions begin with the same."""
    if "h0" not in v:
        return None
    h, c = (torch.stack([v[name]] * (1 + both)) if name in v else None for name in ("h0", "c0"))
    return (h, c) if kind == "lstm" else h


@pytest.mark.parametrize(("kind", "both", "masked", "begun"), CASES)
def test_recurrent_layer(kind: str, both: bool, masked: bool, begun: bool):
    net = net_of(kind, both, masked, begun)
    made, rng, gradients = module(net), np.random.default_rng(4), compiled(input_gradients(net))
    for steps in ({"T": 5}, {"T": 1}):
        inputs, (goal,) = batch(net, rng, 4, steps)
        given = dict(zip([f.name for f in net.inputs], inputs, strict=True))
        p = weights(made, net, rng, inputs)
        v = {k: torch.tensor(a, requires_grad=a.dtype == np.float64) for k, a in {**given, **p}.items()}
        lengths = v.get("x_lengths")
        value, last = theirs.recurrent(kind, v["x"], v, ("1", "r1")[: 1 + both], first(kind, v, both), lengths)
        y = value @ v["W_last"] + v["b_last"]
        wanted: dict[str, Any] = {"value": value, "y": y}
        if not both:
            wanted |= {"last": last[0][0], "cell": last[1][0]} if kind == "lstm" else {"last": last[0]}
        found = dict(zip([o.name for o in net.outputs], made.predict(p, *inputs), strict=True))
        for name, right in wanted.items():
            assert_close(found[name], right.detach().numpy(), EXACT, name)
        squares = ((y - torch.tensor(goal)) ** 2).mean(-1)
        loss = squares[torch.arange(squares.shape[1]) < lengths[:, None]].mean() if masked else squares.mean()
        loss.backward()
        mine, grads = made.loss_and_grads(p, *inputs, goal)
        assert_close(mine, loss.item(), EXACT)
        grads |= {k: g for k, g in gradients({**given, "goal": goal, **p}).items() if k != "loss"}
        assert {"dx", *(f"d{name}" for name in given if name != "x_lengths")} <= set(grads)
        for name, grad in grads.items():
            assert_close(grad, v[name.removeprefix("d")].grad.numpy(), EXACT, f"{kind} {name}")
