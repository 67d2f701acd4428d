"""PyTorch as a judge of attention in float64: values, and gradients of inputs and weights, over steps and masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attention_uses import USES, net_of, written
from harness import assert_close, batch, compiled, input_gradients, module, weights
from netc.dsl import load, load_text
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


LIBRARY = Path(__file__).resolve().parent.parent / "specs" / "sequences" / "transformer.net"
LAYER: dict[str, Any] = {"dropout": 0.0, "batch_first": True, "norm_first": True, "dtype": torch.float64}
LAYER["activation"] = lambda x: torch.nn.functional.gelu(x, approximate="tanh")


def state(p: dict[str, Any], use: str, attentions: dict[str, str]) -> dict[str, Any]:
    """The weights of a use of a block as PyTorch's layer has them; ours has no biases in attention."""
    found: dict[str, Any] = {}
    blocks = [*attentions.values(), "feed_forward1"]
    for number, (theirs, own) in enumerate(zip([*attentions, ""], blocks, strict=True), 1):
        w = {name.removeprefix(f"{use}_{own}_"): value for name, value in p.items() if name.startswith(f"{use}_{own}_")}
        found |= {f"norm{number}.weight": w["gamma1"], f"norm{number}.bias": w["beta1"]}
        if theirs:
            found[f"{theirs}.in_proj_weight"] = torch.cat([w[f"W{n}2"].T for n in "qkv"])
            found[f"{theirs}.in_proj_bias"] = torch.zeros(3 * len(w["Wo2"]), dtype=torch.float64)
            found[f"{theirs}.out_proj.weight"] = w["Wo2"].T
            found[f"{theirs}.out_proj.bias"] = torch.zeros(len(w["Wo2"]), dtype=torch.float64)
        else:
            found |= {
                f"linear{i}.{n}": w[k] for i in (1, 2) for n, k in (("weight", f"W{i + 1}"), ("bias", f"b{i + 1}"))
            }
            found |= {f"linear{i}.weight": found[f"linear{i}.weight"].T for i in (1, 2)}
    return found


def test_blocks_of_transformers(tmp_path: Path):
    """The library's encoder and decoder, each twice in a row, as PyTorch's layers with the same weights."""
    (tmp_path / "transformer.net").write_text(LIBRARY.read_text("utf-8"), "utf-8")
    (tmp_path / "small.net").write_text(
        'net small\nimport "transformer.net"\ninput m: f32[S, 3] lengths=true\ninput x: f32[T, 3] lengths=true\n'
        "target y: f32[T, 4]\nm -> dense 4\nrepeat 2 { encoder width=4 heads=2 hidden=6 }\nread = tanh\n"
        "x -> dense 4\nrepeat 2 { cross_decoder read width=4 heads=2 hidden=6 }\nloss mse\nupdater sgd\n"
    )
    net = load(tmp_path / "small.net")
    made, rng = module(net), np.random.default_rng(5)
    inputs, (y,) = batch(net, rng, 4, {"T": 5, "S": 3})
    p = weights(made, net, rng, inputs)
    v = {name: torch.tensor(value, requires_grad=True) for name, value in p.items()}
    m, m_lengths, x, x_lengths = map(torch.tensor, inputs)
    m_padding, x_padding = (torch.arange(steps)[None] >= n[:, None] for steps, n in ((3, m_lengths), (5, x_lengths)))
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    encoder = torch.nn.TransformerEncoderLayer(4, 2, 6, **LAYER)
    decoder = torch.nn.TransformerDecoderLayer(4, 2, 6, **LAYER)
    read, h = m @ v["W1"] + v["b1"], x @ v["W2"] + v["b2"]
    for use in ("encoder1", "encoder2"):
        weights_of = state(v, use, {"self_attn": "attending1"})
        read = torch.func.functional_call(encoder, weights_of, (read,), {"src_key_padding_mask": m_padding})
    read = torch.tanh(read)
    masks = {"tgt_mask": later, "tgt_key_padding_mask": x_padding, "memory_key_padding_mask": m_padding}
    for use in ("cross_decoder1", "cross_decoder2"):
        weights_of = state(v, use, {"self_attn": "attending1", "multihead_attn": "cross_attending1"})
        h = torch.func.functional_call(decoder, weights_of, (h, read), masks)
    assert_close(made.predict(p, *inputs), h.detach().numpy(), EXACT)
    loss = ((h - torch.tensor(y)) ** 2).mean(-1)[~x_padding].mean()
    loss.backward()
    mine, grads = made.loss_and_grads(p, *inputs, y)
    assert_close(mine, loss.item(), EXACT)
    for name, grad in grads.items():
        assert_close(grad, v[name].grad.numpy(), EXACT, name)
