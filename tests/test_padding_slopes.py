"""Formulas of a spec that have no finite slope at 0, which padding often is: no step that does not count is seen."""

from __future__ import annotations

import numpy as np
import pytest
from harness import assert_close, batch, loaded, module, weights
from netc.dsl import Net
from uses import EXACT, check_steps

ROOT = "def activation root(x) = sqrt(abs(x))\n"
NEAR = "def loss near(p, y) = mean(sqrt(abs(p - y)))\n"
ROOTS = "def layer roots(n) {\n weight W: [in.features, n]\n return sqrt(abs(in @ W))\n}\n"
LEAKY = "def cell leaky(n) {\n weight W: [in.features, n]\n state h = ones(n)\n"
LEAKY += " h = 0.8 * h + sqrt(abs(in @ W))\n return h\n}\n"
TWICE = "def block twice() { in -> dense 2 bias=false -> root }\n"
# What a net of the steps of a sequence begins with, and what is compared at each.
CHAINS = {
    "gru 2 -> root": ROOT,
    "dense 2 bias=false -> root -> gru 2": ROOT,
    "twice -> twice": ROOT + TWICE,
    "conv 2 3 pad=same bias=false -> root": ROOT,
    "roots 2": ROOTS,
    "leaky 2": LEAKY,
    "bidirectional leaky 1": LEAKY,
    "gru 3 -> dense 2 bias=false": NEAR,
}
# What makes one vector of each sentence, and then two numbers.
SENTENCES = {
    "dense 2 bias=false -> root -> time_distributed last_step -> root": ROOT,
    "time_distributed roots 2 -> globalavgpool -> time_distributed roots 2": ROOTS,
    "time_distributed leaky 2 -> time_distributed last_step": LEAKY,
    "globalavgpool -> dense 2 bias=false": NEAR,
}
N, S, T = 4, 3, 5


def net_of(chain: str, defined: str, given: str, compared: str) -> Net:
    loss = "near" if defined == NEAR else "mse"
    fields = f"input x: f32[{given}3] lengths=true\ntarget y: f32[{compared}2]\n"
    return loaded(f"net small\n{defined}{fields}{chain}\nloss {loss}\nupdater sgd\n")


def mean_of(parts: list[tuple[float, float, dict[str, np.ndarray]]]) -> tuple[float, dict[str, np.ndarray]]:
    """The loss and the gradients of examples together, each of which counts so much."""
    whole = sum(count for count, _, _ in parts)
    grads = {k: sum(count * grads[k] for count, _, grads in parts) / whole for k in parts[0][2]}
    return sum(count * loss for count, loss, _ in parts) / whole, grads


@pytest.mark.parametrize("chain", CHAINS)
def test_padding_of_zeros_is_no_step(chain: str) -> None:
    net, rng = net_of(chain, CHAINS[chain], "T, ", "T, "), np.random.default_rng(3)
    (x, lengths), (y,) = batch(net, rng, N, {"T": T})
    lengths[:] = 2, T, 1, 3
    x[np.arange(T) >= lengths[:, None]] = 0
    y[np.arange(T) >= lengths[:, None]] = 0
    made = module(net)
    p = weights(made, net, rng, ())
    found, parts = made.loss_and_grads(p, x, lengths, y), []
    for i, n in enumerate(lengths):
        alone = made.loss_and_grads(p, x[i : i + 1, :n], lengths[i : i + 1], y[i : i + 1, :n])
        parts.append((int(n), *alone))
    exact = mean_of(parts)
    assert_close(found[0], exact[0], EXACT)
    for k in p:
        assert_close(found[1][k], exact[1][k], EXACT, k)


@pytest.mark.parametrize("chain", SENTENCES)
def test_padding_of_zeros_is_no_sentence(chain: str) -> None:
    net, rng = net_of(chain, SENTENCES[chain], "S, T, ", "S, "), np.random.default_rng(4)
    (x, sentences, words), (y,) = batch(net, rng, N, {"S": S, "T": T})
    sentences[:] = 2, S, 1, 2
    words[:] = np.where(np.arange(S) < sentences[:, None], rng.integers(1, T + 1, words.shape), 0)
    x[np.arange(T) >= words[..., None]] = 0
    y[np.arange(S) >= sentences[:, None]] = 0
    made = module(net)
    p = weights(made, net, rng, ())
    found, parts, one = made.loss_and_grads(p, x, sentences, words, y), [], np.ones(1, int)
    for i, s in np.argwhere(words > 0):
        n = words[i, s]
        given = x[i : i + 1, s : s + 1, :n], one, words[i : i + 1, s : s + 1], y[i : i + 1, s : s + 1]
        parts.append((1, *made.loss_and_grads(p, *given)))
    exact = mean_of(parts)
    assert_close(found[0], exact[0], EXACT)
    for k in p:
        assert_close(found[1][k], exact[1][k], EXACT, k)


@pytest.mark.parametrize("chain", ["gru 2 -> root", "gru 3 -> dense 2 bias=false"])
def test_the_step_graph_sees_none_either(chain: str) -> None:
    check_steps(net_of(chain, CHAINS[chain], "T, ", "T, "), 3, chain)
