"""PyTorch as a judge of attention in float64: values, and gradients of inputs and weights, over steps and masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from attention_uses import USES, net_of, written
from harness import assert_close, batch, compiled, input_gradients, module, weights
from netc.dsl import load_text
from uses import EXACT

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
theirs = pytest.importorskip("torch_attention")
JUDGES: dict[str, Any] = {
    "attention": theirs.attention,
    "dot_attention": theirs.dotted,
    "additive_attention": theirs.additive,
    "learned_attention": lambda x, m, p, keep, queries, **o: theirs.learned(x, p, keep, **o),
    "attention_pool": lambda x, m, p, keep, **o: theirs.pooled(x, p, keep, **o),
}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("word", "options", "other"), USES, ids=lambda v: str(v))
def test_attention(word: str, options: dict[str, Any], other: bool, masked: bool):
    net = net_of(word, options, other, masked)
    made, rng, gradients = module(net), np.random.default_rng(3), compiled(input_gradients(net))
    for steps in ({"T": 5, "S": 4}, {"T": 1, "S": 1}):
        inputs, (y,) = batch(net, rng, 4, steps)
        given = dict(zip([f.name for f in net.inputs], inputs, strict=True))
        p = weights(made, net, rng, inputs)
        v = {k: torch.tensor(a, requires_grad=a.dtype == np.float64) for k, a in {**given, **p}.items()}
        m = v["m"] if other else v["x"]
        lengths = v.get("m_lengths" if other else "x_lengths")
        keep = None if lengths is None else torch.arange(m.shape[1]) < lengths[:, None]
        value = JUDGES[word](v["x"], m, v, keep, **options)
        assert_close(made.predict(p, *inputs), value.detach().numpy(), EXACT)
        found = (value.flatten(1) if word == "learned_attention" else value) @ v["W_last"] + v["b_last"]
        squares = ((found - torch.tensor(y)) ** 2).mean(-1)
        counted = keep is not None and not other and squares.ndim > 1
        loss = squares[keep].mean() if counted else squares.mean()
        loss.backward()
        mine, grads = made.loss_and_grads(p, *inputs, y)
        assert_close(mine, loss.item(), EXACT)
        grads |= {k: g for k, g in gradients({**given, "y": y, **p}).items() if k != "loss"}
        for name, grad in grads.items():
            assert_close(grad, v[name.removeprefix("d")].grad.numpy(), EXACT, f"{written(word, options, other)} {name}")


@pytest.mark.parametrize("causal", [False, True])
def test_multihead_attention(causal: bool):
    """PyTorch's own layer with the same weights, masks of lengths and of what comes later."""
    chain = f"attention heads=2 causal={str(causal).lower()}"
    net = load_text(
        f"net small\ninput x: f32[T, 4] lengths=true\ntarget y: f32[T, 4]\n{chain}\nloss mse\nupdater sgd\n"
    )
    made, rng = module(net), np.random.default_rng(1)
    (x, lengths), _ = batch(net, rng, 4, {"T": 5})
    p = weights(made, net, rng, (x,))
    layer = torch.nn.MultiheadAttention(4, 2, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        layer.in_proj_weight[:] = torch.tensor(np.concatenate([p[f"W{n}1"].T for n in "qkv"]))
        layer.in_proj_bias[:] = torch.tensor(np.concatenate([p[f"b{n}1"] for n in "qkv"]))
        layer.out_proj.weight[:], layer.out_proj.bias[:] = torch.tensor(p["Wo1"].T), torch.tensor(p["bo1"])
        padding = torch.arange(5) >= torch.tensor(lengths)[:, None]
        later = torch.ones(5, 5).triu(1).bool() if causal else None
        value, _ = layer(*[torch.tensor(x)] * 3, key_padding_mask=padding, attn_mask=later, need_weights=False)
    assert_close(made.predict(p, x, lengths), value.numpy(), EXACT)
