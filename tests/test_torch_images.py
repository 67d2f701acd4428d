"""PyTorch as a judge of layers over images and of norms, in float64: values, gradients, and what training leaves."""

from __future__ import annotations

from typing import Any

import conv_uses
import image_uses
import norm_uses
import numpy as np
import pytest
from harness import Array, assert_close, batch, compiled, input_gradients, module, small, weights
from netc.dsl.words import WORDS
from uses import EXACT, Use

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
layers = pytest.importorskip("torch_layers").LAYERS

ROWS = [(u, given, used) for u in (image_uses, conv_uses, norm_uses) for given, used in u.ROWS]


def scaled(v: Any) -> Any:
    """An image behind weights that scale it."""
    # Of two axes the features stand on the last one, until a word over images takes them.
    shape = (-1, *[1] * (v["x"].ndim - 2)) if v["x"].ndim > 3 else (-1,)
    return v["x"] * v["W1"].reshape(shape) + v["b1"].reshape(shape)


@pytest.mark.parametrize(("uses", "given", "used"), ROWS, ids=lambda v: str(getattr(v, "text", v)).split("'")[-1])
def test_layer(uses: Any, given: str, used: Use):
    net = uses.net_of(given, used.text)
    made, rng = module(net), np.random.default_rng(3)
    gradients = compiled(input_gradients(net))
    for rows in (1, 5):
        (x,), (y,) = batch(net, rng, rows)
        p = weights(made, net, rng, (x,))
        v = {k: torch.tensor(a, requires_grad=True) for k, a in {"x": x, **p}.items()}
        first = scaled(v) if uses is image_uses else v["x"]
        value = layers[used.word.name](first, v, None, **used.options)
        assert_close(made.predict(p, x), value.detach().numpy(), EXACT)
        loss = torch.nn.functional.mse_loss(torch.flatten(value, 1) @ v["W_last"] + v["b_last"], torch.tensor(y))
        loss.backward()
        mine, grads = made.loss_and_grads(p, x, y)
        assert_close(mine, loss.item(), EXACT)
        for name, grad in grads.items():
            assert_close(grad, v[name].grad.numpy(), EXACT, f"d{name}")
        assert_close(gradients({"x": x, "y": y, **p})["dx"], v["x"].grad.numpy(), EXACT, "dx")


# What is no matter of one, two and three axes behind the channels.
RANKS = {"locally_connected": {1, 2}, "space_to_depth": {2}, "depth_to_space": {2}}
# Pieces are the same for each axis that they are cut along.
RANKS |= {"space_to_batch": {1, 2}, "batch_to_space": {3}}
RANKS |= {name: {0, 1, 2, 3} for name in ("layernorm", "groupnorm", "rmsnorm", "lrn")}


@pytest.mark.parametrize("name", dict.fromkeys(used.word.name for _, _, used in ROWS))
def test_every_rank_and_option_has_a_row(name: str):
    """But for options that say how weights begin, which no value shows."""
    mine = [(given.count(","), used.options) for _, given, used in ROWS if used.word.name == name]
    assert {rank for rank, _ in mine} == RANKS.get(name, {1, 2, 3})
    wanted = {option for option in WORDS["layer", name].options if not option.endswith("init")}
    assert wanted <= {option for _, options in mine for option in options}


# How weights begin ----------------------------------------------------------------------------------------------------


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


# Running statistics ---------------------------------------------------------------------------------------------------

BATCHNORMS: list[dict[str, Any]] = [
    {},
    {"momentum": 0.4, "eps": 0.1},
    {"scale": False, "shift": False},
    {"momentum": 1},
]


def module_of_torch(given: str, p: dict[str, Array], options: dict[str, Any]) -> Any:
    """The layer in front, PyTorch's own batchnorm of that many axes, and the layer behind, with our weights."""
    rank = given.count(",")
    kind = getattr(torch.nn, f"BatchNorm{max(rank, 1)}d")
    first = torch.nn.Linear(6, 6) if rank == 0 else getattr(torch.nn, f"Conv{rank}d")(6, 6, 1)
    norm = kind(6, **{k: v for k, v in options.items() if k in ("momentum", "eps")}, affine="scale" not in options)
    made = torch.nn.Sequential(first, norm, torch.nn.Flatten(), torch.nn.Linear(p["W_last"].shape[0], 2)).double()
    turned = {"0.weight": p["W_first"] if rank else p["W_first"].T, "0.bias": p["b_first"], "3.bias": p["b_last"]}
    turned |= {"3.weight": p["W_last"].T, "1.running_mean": p["mean2"], "1.running_var": p["var2"]}
    turned |= {"1.weight": p["gamma2"], "1.bias": p["beta2"]} if "gamma2" in p else {}
    made.load_state_dict({k: torch.tensor(v) for k, v in turned.items()}, strict=False)
    return made


@pytest.mark.parametrize("options", BATCHNORMS, ids=str)
@pytest.mark.parametrize("given", norm_uses.SHAPES)
def test_batchnorm_after_some_steps(given: str, options: dict[str, Any]):
    """Weights and running statistics are PyTorch's after each of six steps, and so are predictions then."""
    first = f"{'conv 6 1' if ',' in given else 'dense 6'} name=first -> "
    net = norm_uses.net_of(given, image_uses.use("batchnorm", options).text, first)
    made, rng = module(net), np.random.default_rng(3)
    p = {k: np.asarray(v, np.float64) for k, v in weights(made, net, rng, ()).items()}
    theirs, moments = module_of_torch(given, p, options), made.init_updater(p)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=made.LR)
    for step in range(1, 7):
        # The last batch is a small one; of one example there is a channel's variance only where it has places.
        (x,), (y,) = batch(net, rng, 5 if step < 6 else 2)
        _, grads, state = made.loss_and_grads(p, x, y)
        made.update(p, moments, grads, step, 0.0)
        p.update(state)
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(theirs(torch.tensor(x)), torch.tensor(y)).backward()
        optimizer.step()
        held = {k: v.numpy() for k, v in theirs.state_dict().items()}
        assert_close(p["mean2"], held["1.running_mean"], EXACT, f"mean after step {step}")
        assert_close(p["var2"], held["1.running_var"], EXACT, f"variance after step {step}")
        assert_close(p["W_last"], held["3.weight"].T, EXACT, f"weights after step {step}")
        if "gamma2" in p:
            assert_close(p["gamma2"], held["1.weight"], EXACT, f"gamma after step {step}")
            assert_close(p["beta2"], held["1.bias"], EXACT, f"beta after step {step}")
    theirs.eval()
    for rows in (1, 5):
        (x,), _ = batch(net, rng, rows)
        assert_close(made.predict(p, x), theirs[:2](torch.tensor(x)).detach().numpy(), EXACT)
