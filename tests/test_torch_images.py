"""PyTorch as a judge of layers over images without weights, in float64: values, and gradients of inputs and weights."""

from __future__ import annotations

import numpy as np
import pytest
from harness import assert_close, batch, compiled, input_gradients, module, weights
from image_uses import ROWS, net_of
from uses import EXACT, Use

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
layers = pytest.importorskip("torch_images").LAYERS


@pytest.mark.parametrize(("given", "used"), ROWS, ids=lambda v: str(v).removeprefix("layer "))
def test_layer(given: str, used: Use):
    net = net_of(given, used.text)
    made, rng = module(net), np.random.default_rng(3)
    gradients = compiled(input_gradients(net))
    for rows in (1, 5):
        (x,), (y,) = batch(net, rng, rows)
        p = weights(made, net, rng, (x,))
        v = {k: torch.tensor(a, requires_grad=True) for k, a in {"x": x, **p}.items()}
        # Of two axes the features stand on the last one, until a word over images takes them.
        shape = (-1, *[1] * (x.ndim - 2)) if x.ndim > 3 else (-1,)
        scaled = v["x"] * v["W1"].reshape(shape) + v["b1"].reshape(shape)
        value = layers[used.word.name](scaled, v, None, **used.options)
        assert_close(made.predict(p, x), value.detach().numpy(), EXACT)
        loss = torch.nn.functional.mse_loss(torch.flatten(value, 1) @ v["W_last"] + v["b_last"], torch.tensor(y))
        loss.backward()
        mine, grads = made.loss_and_grads(p, x, y)
        assert_close(mine, loss.item(), EXACT)
        for name, grad in grads.items():
            assert_close(grad, v[name].grad.numpy(), EXACT, f"d{name}")
        assert_close(gradients({"x": x, "y": y, **p})["dx"], v["x"].grad.numpy(), EXACT, "dx")
