"""Nets of one input and one output beside their formulas in plain NumPy: loss, gradient, and one training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import reference
from harness import Array, assert_close, extras, small
from netc.dsl import SpecError
from test_gradients import gradients_of_inputs, gradients_of_weights
from uses import EXACT, check_steps, data

Weights = dict[str, Array]
Formula = Callable[..., Array]
SELU = reference.ACTIVATIONS["selu"]
# Where alpha_dropout sends what it drops.
LOWEST = -1.0507009873554805 * 1.6732632423543772


def dense(p: Weights, x: Array, number: object, part: str = "") -> Array:
    """A layer by its number, of a part by its name, with or without a bias."""
    return x @ p[f"{part}W{number}"] + p.get(f"{part}b{number}", 0.0)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def mlp(p: Weights, x: Array) -> Array:
    """Two layers, tanh between them."""
    return dense(p, np.tanh(dense(p, x, 1)), 2)


def dropped(x: Array, draw: Array, rate: float) -> Array:
    return np.where(draw >= rate, x / (1 - rate), 0.0)


def unit(x: Array) -> Array:
    return x / np.sqrt((x**2).sum(axis=-1, keepdims=True))


def leaky(x: Array, slopes: Array) -> Array:
    return np.where(x > 0, x, slopes * x)


def l1(w: Array, share: float) -> float:
    return share * float(np.abs(w).sum())


def l2(w: Array, share: float) -> float:
    return share / 2 * float((w**2).sum())


class Case(NamedTuple):
    """Chains, the prediction in training as a function of weights, input and draws, and what penalties add."""

    chains: str
    formula: Formula
    penalty: Callable[[Weights], float] = lambda p: 0.0


# Layers and what is asked of their weights.
LAYERS = {
    "one layer": Case("dense 2", lambda p, x: dense(p, x, 1)),
    "no bias": Case("dense 3 bias=false -> tanh -> dense 2 bias=false", mlp),
    "l1": Case("dense 3 l1=0.1 -> tanh -> dense 2 l1=0.01", mlp, lambda p: l1(p["W1"], 0.1) + l1(p["W2"], 0.01)),
    "l2": Case("dense 3 l2=0.3 -> tanh -> dense 2 l2=0.03", mlp, lambda p: l2(p["W1"], 0.3) + l2(p["W2"], 0.03)),
    "l1 and l2 on everything": Case(
        "dense 3 l1=0.1 l2=0.3 bias_l1=0.2 bias_l2=0.1 -> tanh -> dense 2 l2=0.03 bias_l1=0.4",
        mlp,
        lambda p: (
            l1(p["W1"], 0.1)
            + l2(p["W1"], 0.3)
            + l1(p["b1"], 0.2)
            + l2(p["b1"], 0.1)
            + l2(p["W2"], 0.03)
            + l1(p["b2"], 0.4)
        ),
    ),
    "decay beside penalties": Case(
        "dense 3 weight_decay=0.1 bias_weight_decay=0.2 l2=0.1 -> tanh -> dense 2", mlp, lambda p: l2(p["W1"], 0.1)
    ),
    "l2 by a schedule": Case(
        "dense 3 l2=exponential(0.3, factor=0.5) -> tanh -> dense 2", mlp, lambda p: l2(p["W1"], 0.3)
    ),
    "penalties on prelu": Case(
        "dense 3 -> prelu bias_l1=0.1 bias_l2=0.2 -> dense 2",
        lambda p, x: dense(p, leaky(dense(p, x, 1), p["alpha2"]), 3),
        lambda p: l1(p["alpha2"], 0.1) + l2(p["alpha2"], 0.2),
    ),
    "frozen inside": Case(
        "dense 3 -> tanh -> dense 3 frozen=true -> sigmoid -> dense 2 l1=0.1",
        lambda p, x: dense(p, sigmoid(dense(p, np.tanh(dense(p, x, 1)), 2)), 3),
        lambda p: l1(p["W3"], 0.1),
    ),
    "frozen first": Case("dense 3 frozen=true -> tanh -> dense 2", mlp),
    "frozen last": Case("dense 3 -> tanh -> dense 2 frozen=true", mlp),
    "slower layers": Case("dense 3 lr_scale=0.1 -> tanh -> dense 2 lr_scale=10", mlp),
    "constraints": Case("dense 3 max_norm=1 non_negative=true -> tanh -> dense 2 unit_norm=true", mlp),
    "elementwise": Case(
        "dense 3 -> elementwise -> tanh -> elementwise bias=false -> dense 2",
        lambda p, x: dense(p, np.tanh(dense(p, x, 1) * p["W2"] + p["b2"]) * p["W3"], 4),
    ),
    "elementwise on rows": Case(
        "reshape [2, 3] -> elementwise -> tanh -> flatten -> dense 2",
        lambda p, x: dense(p, np.tanh(x * np.tile(p["W1"], 2) + np.tile(p["b1"], 2)), 2),
    ),
    "prelu": Case(
        "dense 4 -> prelu -> dense 4 -> prelu init=0.1 -> dense 2",
        lambda p, x: dense(p, leaky(dense(p, leaky(dense(p, x, 1), p["alpha2"]), 3), p["alpha4"]), 5),
    ),
    "prelu on rows": Case(
        "reshape [3, 2] -> prelu -> flatten -> dense 2", lambda p, x: dense(p, leaky(x, np.tile(p["alpha1"], 3)), 2)
    ),
    "three layers": Case(
        "dense 3 -> tanh -> dense 4 -> sigmoid -> dense 2",
        lambda p, x: dense(p, sigmoid(dense(p, np.tanh(dense(p, x, 1)), 2)), 3),
    ),
}


def repeated(p: Weights, x: Array) -> Array:
    for number in range(1, 12):
        x = np.tanh(dense(p, x, number))
    return dense(p, x, 12)


def residual(p: Weights, x: Array, block: str) -> Array:
    return x + dense(p, np.tanh(dense(p, x, 1, block)), 2, block)


# What a spec repeats, decides and defines.
BODIES = {
    "twelve layers": Case("repeat 11 { dense 3 -> tanh }\ndense 2", repeated),
    "a branch": Case("let deep = true\nif deep { dense 3 -> tanh } else { dense 4 -> relu -> dense 3 }\ndense 2", mlp),
    "the other branch": Case("let deep = false\nif deep { dense 4 -> relu } else { dense 3 -> tanh }\ndense 2", mlp),
    "residual blocks": Case(
        "def block r(n) {\n    s = in\n    dense n -> tanh -> dense n -> add s\n}\nr 6 -> r 6 -> dense 2",
        lambda p, x: dense(p, residual(p, residual(p, x, "r1_"), "r2_"), 1),
    ),
    "an activation of one's own": Case(
        "def activation bump(x, width=2) = exp(-(x / width)^2)\ndense 3 -> bump 3 -> dense 2",
        lambda p, x: dense(p, np.exp(-((dense(p, x, 1) / 3) ** 2)), 2),
    ),
    "a layer of one's own": Case(
        "def layer bilinear(units) {\n    weight W: [in.features, units] l2=0.1\n    weight V: [in.features, units]\n"
        "    weight b: [units]\n    return (in @ W) * (in @ V) + b\n}\nbilinear 3 -> tanh -> dense 2",
        lambda p, x: dense(p, np.tanh((x @ p["W1"]) * (x @ p["V1"]) + p["b1"]), 2),
        lambda p: l2(p["W1"], 0.1),
    ),
    "elementwise by a formula": Case(
        "def layer own() {\n    weight W: [in.features] init=ones\n    return in * W\n}\nown -> tanh -> own -> dense 2",
        lambda p, x: dense(p, np.tanh(x * p["W1"]) * p["W2"], 3),
    ),
    "a frozen weight of a layer": Case(
        "def layer own(units) {\n    weight W: [in.features, units] frozen=true\n    weight b: [units]\n"
        "    return in @ W + b\n}\nown 3 bias_l2=0.1 -> tanh -> dense 2",
        mlp,
        lambda p: l2(p["b1"], 0.1),
    ),
}
# Layers that act in training alone, given their draws.
NOISE = {
    "dropout": Case(
        "dropout 30% -> dense 4 -> tanh -> dropout 50% -> dense 2",
        lambda p, x, u, v: dense(p, dropped(np.tanh(dense(p, dropped(x, u, 0.3), 1)), v, 0.5), 2),
    ),
    "other dropouts": Case(
        "gaussian_dropout 30% -> dense 4 -> selu -> gaussian_noise 0.2 -> dense 2",
        lambda p, x, u, v: dense(p, SELU(dense(p, x * (1 + np.sqrt(0.3 / 0.7) * u), 1)) + 0.2 * v, 2),
    ),
    "alpha dropout": Case(
        "dense 4 -> selu -> alpha_dropout 10% -> dense 2",
        lambda p, x, u: dense(p, alpha_dropped(SELU(dense(p, x, 1)), u, 0.1), 2),
    ),
    "channels dropped": Case(
        "reshape [3, 2] -> spatial_dropout 40% -> flatten -> dense 2",
        lambda p, x, u: dense(p, dropped(x, np.repeat(u[:, :, 0], 2, axis=1), 0.4), 1),
    ),
    "random slopes": Case(
        "dense 4 -> rrelu 0.1 0.5 -> dense 2",
        lambda p, x, u: dense(p, leaky(dense(p, x, 1), 0.1 + 0.4 * u.astype(np.float64)), 2),
    ),
    "weights dropped and disturbed": Case(
        "dense 4 dropconnect=50% l2=0.1 -> tanh -> dense 2 weight_noise=0.3",
        lambda p, x, u, v: np.tanh(x @ dropped(p["W1"], u, 0.5) + p["b1"]) @ (p["W2"] + 0.3 * v) + p["b2"],
        lambda p: l2(p["W1"], 0.1),
    ),
    "a part that drops twice": Case(
        "part p { dense 6 -> tanh -> dropout 40% }\np -> p -> dense 2",
        lambda p, x, u, v: dense(
            p, dropped(np.tanh(dense(p, dropped(np.tanh(dense(p, x, 1, "p_")), u, 0.4), 1, "p_")), v, 0.4), 1
        ),
    ),
    "dropout by a schedule": Case(
        "dense 4 -> tanh -> dropout exponential(0.3, factor=0.5) -> dense 2",
        lambda p, x, u: dense(p, dropped(np.tanh(dense(p, x, 1)), u, 0.3), 2),
    ),
}


def alpha_dropped(x: Array, draw: Array, rate: float) -> Array:
    a = ((1 - rate) * (1 + rate * LOWEST**2)) ** -0.5
    return a * np.where(draw >= rate, x, LOWEST) - a * rate * LOWEST


def both(p: Weights, x: Array) -> tuple[Array, Array]:
    """What two branches of three features come to, the first through tanh."""
    return np.tanh(dense(p, x, 1)), dense(p, x, 2)


def joined(word: str, join: Callable[[Array, Array, Array], Array]) -> Case:
    """Three branches under a word that takes two names; the current value comes first."""
    chains = f"a = x -> dense 3 -> tanh\nb = x -> dense 3\nx -> dense 3 -> {word} a b -> dense 2"
    return Case(chains, lambda p, x: dense(p, join(dense(p, x, 3), *both(p, x)), 4))


def paired(word: str, join: Callable[[Array, Array], Array]) -> Case:
    """Two branches under a word that takes one name."""
    chains = f"a = x -> dense 3 -> tanh\nx -> dense 3 -> {word} a -> dense 2"
    return Case(chains, lambda p, x: dense(p, join(dense(p, x, 2), np.tanh(dense(p, x, 1))), 3))


def core(p: Weights, x: Array) -> Array:
    """A part of one layer and tanh."""
    return np.tanh(dense(p, x, 1, "p_"))


# Values that are used more than once, and values that are joined.
JOINED = {
    "add": joined("add", lambda c, a, b: c + a + b),
    "multiply": joined("multiply", lambda c, a, b: c * a * b),
    "average": joined("average", lambda c, a, b: (c + a + b) / 3),
    "maximum": joined("maximum", lambda c, a, b: np.max([c, a, b], axis=0)),
    "concat": joined("concat", lambda c, a, b: np.concatenate([c, a, b], axis=1)),
    "subtract": paired("subtract", lambda b, a: b - a),
    "dot": paired("dot", lambda b, a: (b * a).sum(axis=1, keepdims=True)),
    "l2distance": paired("l2distance", lambda b, a: np.sqrt(((b - a) ** 2).sum(axis=1, keepdims=True))),
    "a value used twice": Case(
        "h = dense 3 -> tanh\na = h -> dense 2\nh -> dense 2 -> multiply a",
        lambda p, x: dense(p, np.tanh(dense(p, x, 1)), 2) * dense(p, np.tanh(dense(p, x, 1)), 3),
    ),
    "a value with itself": Case(
        "h = dense 2 -> tanh\nh -> multiply h h -> add h",
        lambda p, x: np.tanh(dense(p, x, 1)) ** 3 + np.tanh(dense(p, x, 1)),
    ),
    "a part used twice": Case(
        "part p { dense 3 l2=0.1 -> tanh }\na = x -> p\nx -> scale 0.5 -> p -> subtract a -> dense 2",
        lambda p, x: dense(p, core(p, 0.5 * x) - core(p, x), 1),
        lambda p: l2(p["p_W1"], 0.1),
    ),
    "a part on its own value": Case(
        "part p { dense 6 -> tanh }\np -> p -> p -> dense 2", lambda p, x: dense(p, core(p, core(p, core(p, x))), 1)
    ),
    "siamese": Case(
        "part p { dense 3 -> tanh }\na = x -> subset 0 2 -> p\nx -> subset 3 5 -> p -> l2distance a -> dense 2",
        lambda p, x: dense(p, np.sqrt(((core(p, x[:, 3:]) - core(p, x[:, :3])) ** 2).sum(axis=1, keepdims=True)), 1),
    ),
    "densely connected": Case(
        "a = dense 2 -> tanh\nb = x -> concat a -> dense 2 -> tanh\nx -> concat a b -> dense 2",
        lambda p, x: densely(p, x),
    ),
    "stack and unstack": Case(
        "a = x -> dense 3 -> tanh\ns = x -> dense 3 -> stack a\nb = s -> unstack 0\n"
        "s -> unstack 1 -> scale 2 -> subtract b -> dense 2",
        lambda p, x: dense(p, 2 * both(p, x)[0] - both(p, x)[1], 3),
    ),
    "stack and flatten": Case(
        "a = x -> dense 3 -> tanh\nx -> dense 3 -> stack a a -> flatten -> dense 2",
        lambda p, x: dense(p, np.concatenate([both(p, x)[1], both(p, x)[0], both(p, x)[0]], axis=1), 3),
    ),
    "subset": Case(
        "h = dense 5 -> tanh\na = h -> subset 0 2\nh -> subset 2 4 -> scale 3 -> add a -> dense 2",
        lambda p, x: dense(p, np.tanh(dense(p, x, 1)) @ (np.eye(5, 3) + 3 * np.eye(5, 3, -2)), 2),
    ),
    "split": Case(
        "h = dense 6\na = h -> split 2 0 -> sigmoid\nh -> split 2 1 -> multiply a -> dense 2",
        lambda p, x: dense(p, sigmoid(dense(p, x, 1)[:, :3]) * dense(p, x, 1)[:, 3:], 2),
    ),
    "repeated and turned": Case(
        "dense 3 -> repeat_vector 2 -> permute [1, 0] -> tanh -> flatten -> dense 2",
        lambda p, x: dense(p, np.repeat(np.tanh(dense(p, x, 1)), 2, axis=1), 2),
    ),
    "scaled and shifted": Case(
        "scale 0.5 -> shift 0.3 -> dense 3 -> tanh -> scale -2 -> shift 1 -> dense 2",
        lambda p, x: dense(p, 1 - 2 * np.tanh(dense(p, 0.5 * x + 0.3, 1)), 2),
    ),
    "l2normalize": Case(
        "l2normalize -> dense 4 -> l2normalize -> dense 2", lambda p, x: dense(p, unit(dense(p, unit(x), 1)), 2)
    ),
    "l2normalize of rows": Case(
        "dense 6 -> reshape [2, 3] -> l2normalize -> flatten -> dense 2",
        lambda p, x: dense(p, unit(dense(p, x, 1).reshape(-1, 2, 3)).reshape(-1, 6), 2),
    ),
    "standardize": Case(
        "standardize -> dense 3 -> tanh -> dense 2", lambda p, x: mlp(p, (x - p["mean"]) / p["deviation"])
    ),
    "rescale": Case("rescale -> dense 3 -> tanh -> dense 2", lambda p, x: mlp(p, (x - p["lowest"]) / p["width"])),
}


def densely(p: Weights, x: Array) -> Array:
    a = np.tanh(dense(p, x, 1))
    b = np.tanh(dense(p, np.concatenate([x, a], axis=1), 2))
    return dense(p, np.concatenate([x, a, b], axis=1), 3)


NETS = {**LAYERS, **BODIES, **NOISE, **JOINED}


@pytest.mark.parametrize("name", NETS)
def test_nets(name: str):
    case = NETS[name]
    net = small(case.chains)
    made, p, (x,), (y,) = data(net)
    given = extras(made, net)
    if "draws" in given:
        given["draws"] = {key: draw.astype(np.float64) for key, draw in given["draws"].items()}
    loss, _ = made.loss_and_grads(p, x, y, **given)
    exact = np.mean((case.formula(p, x, *given.get("draws", {}).values()) - y) ** 2) + case.penalty(p)
    assert_close(loss, exact, EXACT, name)
    gradients_of_weights(net, made=made)
    gradients_of_inputs(net)
    check_steps(net, 2, name)


# What is not trained, and so has no gradient.
FROZEN = {
    "frozen inside": ("W2", "b2"),
    "frozen first": ("W1", "b1"),
    "frozen last": ("W2", "b2"),
    "a frozen weight of a layer": ("W1",),
}


@pytest.mark.parametrize("name", NETS)
def test_what_is_trained(name: str):
    """Each weight has a gradient, and none of them is 0 throughout; but for those that are frozen."""
    net = small(NETS[name].chains)
    made, p, (x,), (y,) = data(net)
    _, grads = made.loss_and_grads(p, x, y, **extras(made, net))
    assert {*grads} == {*net.weights} - {*FROZEN.get(name, ())}
    assert all(grad.any() for grad in grads.values())


def test_weight_decay_is_no_part_of_the_gradient():
    """The decay takes lr * share * w off each weight, beside the step along the gradient."""
    net = small(NETS["decay beside penalties"].chains, updater="sgd lr=0.5")
    made, p, (x,), (y,) = data(net)
    before = {key: w.copy() for key, w in p.items()}
    _, grads = made.loss_and_grads(p, x, y)
    made.update(p, made.init_updater(p), grads, 1, 0.0)
    for key, share in {"W1": 0.1, "b1": 0.2, "W2": 0.0, "b2": 0.0}.items():
        assert_close(p[key], before[key] - 0.5 * (grads[key] + share * before[key]), EXACT, key)


# Numbers at the edge --------------------------------------------------------------------------------------------------

REFUSED = {"softmax": "softmax-of-one", "logsoftmax": "softmax-of-one", "glu": "shape-mismatch"}
REFUSED["step"] = "nothing-to-train"


@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
def test_one_number_through_an_activation(activation: str):
    """Every size is 1 where it can be."""
    chain = f"dense 1 -> {activation} -> dense 1"
    if activation in REFUSED:
        with pytest.raises(SpecError) as error:
            small(chain, given="f32", target="f32")
        assert [d.code for d in error.value.diagnostics] == [REFUSED[activation]]
        return
    net = small(chain, given="f32", target="f32")
    gradients_of_weights(net)
    gradients_of_inputs(net)
