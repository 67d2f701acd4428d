"""The loss ctc: the sum over all ways to write labels, counted one by one, and PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from harness import module
from netc.cli import sampling
from netc.codegen import to_step
from netc.dsl import load_text
from reference.losses import ctc

SPEC = """
net ctc
input  x: f32[T, 3] lengths=true
target word: class(3)[2]
dense 3 -> softmax
loss    ctc
updater sgd lr=0.1
"""
X = np.random.default_rng(4).standard_normal((6, 4, 3))
LENGTHS = np.array([4, 3, 2, 4, 1, 4])
WORDS = np.array([[1, 2], [1, 1], [2, 1], [2, 0], [0, 0], [1, 1]])


def test_every_way_to_write_the_labels_counts() -> None:
    made = module(load_text(SPEC, "ctc.net"))
    p = {name: value.astype(float) for name, value in made.init(1).items()}
    costs = ctc(made.predict(p, X), WORDS, LENGTHS)
    loss, _ = made.loss_and_grads(p, X, LENGTHS, WORDS)
    assert np.isclose(loss, np.mean(costs), rtol=1e-12)


def test_too_few_steps_cost_infinitely_much() -> None:
    made = module(load_text(SPEC, "ctc.net"))
    loss, _ = made.loss_and_grads(made.init(1), X, np.array([4, 2, 2, 4, 1, 4]), WORDS)
    assert np.isinf(loss)  # two equal labels need a blank between them


@pytest.mark.parametrize("labels", ["2", "L"])
def test_the_proof_has_steps_enough_for_the_labels(labels: str) -> None:
    """Labels may be as many as the data have, and another input has fewer steps than this one."""
    text = SPEC.replace("[2]", f"[{labels}]").replace("input ", "input s: f32[S, 2] lengths=true\ninput ")
    text = text.replace("dense", "more = s -> last_step -> dense 3\nx -> reverse_time -> rnn 3 h=more -> dense")
    net = load_text(text, "ctc.net")
    drawn = sampling.batch(net, 9)
    made = module(net)
    assert np.isfinite(made.loss_and_grads(made.init(1), *drawn.arrays)[0])
    assert to_step(net).graph.node


def test_pytorch_agrees() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; make test-all does that")
    made = module(load_text(SPEC, "ctc.net"))
    p = {name: value.astype(float) for name, value in made.init(1).items()}
    loss, grads = made.loss_and_grads(p, X, LENGTHS, WORDS)
    w = {name: torch.tensor(value, requires_grad=True) for name, value in p.items()}
    logs = torch.log_softmax(torch.tensor(X) @ w["W1"] + w["b1"], dim=2).transpose(0, 1)
    counts = torch.tensor((WORDS > 0).sum(axis=1))
    each = torch.nn.functional.ctc_loss(logs, torch.tensor(WORDS), torch.tensor(LENGTHS), counts, reduction="none")
    each.mean().backward()
    assert np.isclose(loss, each.mean().item(), rtol=1e-12)
    for name, grad in grads.items():
        assert np.allclose(grad, w[name].grad.numpy(), rtol=1e-9, atol=1e-12), name
