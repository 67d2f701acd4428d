"""PyTorch in float64 judges sentences of words: each sentence of its own words, each document of its sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import assert_close, batch, compiled, input_gradients, module, weights
from netc.dsl import load_text
from uses import EXACT

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
attending = pytest.importorskip("torch_attention")
stepping = pytest.importorskip("torch_recurrent")
M = "_inner"


def bag(mode: str) -> Callable[[Any, Any], Any]:
    return lambda x, p: torch.nn.functional.embedding_bag(x, p[f"W{M}"], mode=mode)


# What a net makes of the words of each sentence, and PyTorch of those of one, (1, t, 4) or ids (1, t).
SENTENCES: dict[str, Callable[[Any, Any], Any]] = {
    "attention heads=2 name=inner -> globalmaxpool": lambda x, p: attending.attention(x, x, p, None, M, 2).amax(1),
    "time_distributed attention heads=2 causal=true name=inner -> globalavgpool": (
        lambda x, p: attending.attention(x, x, p, None, M, 2, causal=True).mean(1)
    ),
    "learned_attention 1 heads=2 name=inner -> time_distributed flatten": (
        lambda x, p: attending.learned(x, p, None, M, 2)[:, 0]
    ),
    "additive_attention name=inner -> globalsumpool": lambda x, p: attending.additive(x, x, p, None, M).sum(1),
    "dot_attention -> globalnormpool": lambda x, p: torch.linalg.vector_norm(attending.dotted(x, x, p), dim=1),
    "attention_pool 3 name=inner": lambda x, p: attending.pooled(x, p, None, M),
    "time_distributed attention_pool 3 name=inner": lambda x, p: attending.pooled(x, p, None, M),
    "time_distributed lstm 3 name=inner -> time_distributed last_step": (
        lambda x, p: stepping.recurrent("lstm", x, p, (M,))[0][:, -1]
    ),
    "time_distributed reverse_time -> time_distributed gru 3 name=inner -> time_distributed last_step": (
        lambda x, p: stepping.recurrent("gru", x.flip(1), p, (M,))[0][:, -1]
    ),
    "time_distributed bidirectional rnn 3 name=inner -> globalmaxpool": (
        lambda x, p: stepping.recurrent("rnn", x, p, (M, f"r{M}"))[0].amax(1)
    ),
    "globalmaxpool": lambda x, p: x.amax(1),
    "globalavgpool": lambda x, p: x.mean(1),
    "embedding 3 bag=mean name=inner": bag("mean"),
    "embedding 3 bag=sum name=inner": bag("sum"),
}
S, T = 4, 5


@pytest.mark.parametrize("chain", SENTENCES)
def test_documents(chain: str):
    given = "token(6)[S, T]" if "bag" in chain else "f32[S, T, 4]"
    fields = f"input x: {given} lengths=true\ntarget y: class(3)\n"
    outer = "lstm 3 name=outer -> last_step -> dense 3 name=last -> softmax\n"
    net = load_text(f"net small\n{fields}{chain}\n{outer}loss mcxent\nupdater sgd\n")
    made, rng = module(net), np.random.default_rng(7)
    (x, sentences, words), (y,) = batch(net, rng, 4, {"S": S, "T": T})
    sentences[:] = 1, 3, 2, S
    words[:] = np.where(np.arange(S) < sentences[:, None], rng.integers(1, T + 1, words.shape), 0)
    p = weights(made, net, rng, ())
    v = {k: torch.tensor(a, requires_grad=a.dtype == np.float64) for k, a in {"x": x, **p}.items()}
    scores = []
    for i, n in enumerate(sentences):
        each = [SENTENCES[chain](v["x"][i : i + 1, s, : words[i, s]], v) for s in range(n)]
        states, _ = stepping.recurrent("lstm", torch.stack(each, 1), v, ("_outer",))
        scores.append(states[:, -1] @ v["W_last"] + v["b_last"])
    found = torch.cat(scores)
    loss = torch.nn.functional.cross_entropy(found, torch.tensor(y))
    loss.backward()
    assert_close(made.predict(p, x, sentences, words), found.softmax(1).detach().numpy(), EXACT)
    mine, grads = made.loss_and_grads(p, x, sentences, words, y)
    assert_close(mine, loss.item(), EXACT)
    told = {"x": x, "x_lengths": sentences, "x_T_lengths": words, "y": y, **p}
    grads |= {k: g for k, g in compiled(input_gradients(net))(told).items() if k != "loss"}
    for name, grad in grads.items():
        assert_close(grad, v[name.removeprefix("d")].grad.numpy(), EXACT, f"{chain} {name}")


@pytest.mark.parametrize("target", ["class(3)[S, T]", "f32[S, T, 2]"])
def test_losses_at_each_word(target: str):
    """A loss at each word is PyTorch's over the words that count, below one another."""
    classes = target.startswith("class")
    head, loss = ("dense 3 name=last -> softmax", "mcxent") if classes else ("dense 2 name=last", "mse")
    fields = f"input x: f32[S, T, 4] lengths=true\ntarget y: {target}\n"
    net = load_text(f"net small\n{fields}time_distributed lstm 3 name=inner\n{head}\nloss {loss}\nupdater sgd\n")
    made, rng = module(net), np.random.default_rng(7)
    (x, sentences, words), (y,) = batch(net, rng, 4, {"S": S, "T": T})
    p = weights(made, net, rng, ())
    v = {k: torch.tensor(a, requires_grad=True) for k, a in {"x": x, **p}.items()}
    places = [(i, s, words[i, s]) for i, n in enumerate(sentences) for s in range(n)]
    states = [stepping.recurrent("lstm", v["x"][i : i + 1, s, :t], v, (M,))[0][0] for i, s, t in places]
    found = torch.cat(states) @ v["W_last"] + v["b_last"]
    wanted = torch.tensor(np.concatenate([y[i, s, :t] for i, s, t in places]))
    judged = torch.nn.functional.cross_entropy if classes else torch.nn.functional.mse_loss
    total = judged(found, wanted)
    total.backward()
    mine, grads = made.loss_and_grads(p, x, sentences, words, y)
    assert_close(mine, total.item(), EXACT)
    told = {"x": x, "x_lengths": sentences, "x_T_lengths": words, "y": y, **p}
    grads |= {k: g for k, g in compiled(input_gradients(net))(told).items() if k != "loss"}
    for name, grad in grads.items():
        assert_close(grad, v[name.removeprefix("d")].grad.numpy(), EXACT, name)
