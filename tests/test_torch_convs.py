"""PyTorch as a judge of layers whose filters slide, in float64: values, and gradients of inputs and weights."""

from __future__ import annotations

import numpy as np
import pytest
from conv_uses import ROWS, net_of
from harness import assert_close, batch, compiled, input_gradients, module, small, weights
from uses import EXACT, Use

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
layers = pytest.importorskip("torch_convs").LAYERS


@pytest.mark.parametrize(("given", "used"), ROWS, ids=lambda v: str(v).removeprefix("layer "))
def test_layer(given: str, used: Use):
    net = net_of(given, used.text)
    made, rng = module(net), np.random.default_rng(3)
    gradients = compiled(input_gradients(net))
    for rows in (1, 5):
        (x,), (y,) = batch(net, rng, rows)
        p = weights(made, net, rng, (x,))
        v = {k: torch.tensor(a, requires_grad=True) for k, a in {"x": x, **p}.items()}
        value = layers[used.word.name](v["x"], v, None, **used.options)
        assert_close(made.predict(p, x), value.detach().numpy(), EXACT)
        loss = torch.nn.functional.mse_loss(torch.flatten(value, 1) @ v["W_last"] + v["b_last"], torch.tensor(y))
        loss.backward()
        mine, grads = made.loss_and_grads(p, x, y)
        assert_close(mine, loss.item(), EXACT)
        for name, grad in grads.items():
            assert_close(grad, v[name].grad.numpy(), EXACT, f"d{name}")
        assert_close(gradients({"x": x, "y": y, **p})["dx"], v["x"].grad.numpy(), EXACT, "dx")


@pytest.mark.parametrize(("text", "torchs"), [("he", "kaiming_normal_"), ("xavier_uniform", "xavier_uniform_")])
def test_filters_begin_as_torchs(text: str, torchs: str):
    """The fans are those of PyTorch: channels times the numbers of the window."""
    net = small(f"conv 40 5x3 init={text}\nflatten -> dense 2", given="f32[9, 5, 3]")
    mine = module(net).init(0)["W1"]
    theirs = getattr(torch.nn.init, torchs)(torch.empty(mine.shape)).numpy()
    assert abs(mine.std() / theirs.std() - 1) < 4 / np.sqrt(mine.size)


def test_orthogonal_filters():
    (first,) = (module(small("conv 6 2x3 init=orthogonal\nflatten -> dense 2", given="f32[2, 3, 4]")).init(0)["W1"],)
    rows = first.reshape(6, -1).astype(float)
    assert_close(rows @ rows.T, np.eye(6), 1e-6)
