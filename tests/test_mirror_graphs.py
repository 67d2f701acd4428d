"""Nets of several inputs, outputs and losses beside their formulas in plain NumPy: each loss, and its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from harness import Array, assert_close, assert_gradient, batch, extras, module, numeric_gradient, small, weights
from netc.dsl import Net, load_text
from test_gradients import gradients_of_inputs
from test_mirror_nets import Weights, dense, l2, sigmoid
from uses import EXACT, SINGLE, StepGraph

Examples = dict[str, Array]


def mean_square(p: Array, y: Array | float) -> float:
    return float(np.mean((p - y) ** 2))


def mean_absolute(p: Array, y: Array) -> float:
    return float(np.mean(np.abs(p - y)))


def cross_entropy(scores: Array, y: Array) -> float:
    """Of classes, given scores."""
    exps = np.exp(scores)
    return -float(np.mean(np.log((exps / exps.sum(axis=1, keepdims=True))[np.arange(len(y)), y])))


def binary_entropy(scores: Array, y: Array) -> float:
    """Of one truth value, given its score."""
    q = sigmoid(scores)
    return -float(np.mean(y * np.log(q) + (1 - y) * np.log(1 - q)))


def layer(p: Weights, x: Array, number: object, part: str = "") -> Array:
    """A layer and tanh."""
    return np.tanh(dense(p, x, number, part))


def beside(*values: Array) -> Array:
    return np.concatenate(values, axis=1)


class Graph(NamedTuple):
    """A spec without its first and last line; what each loss trains, and what each is of weights and examples."""

    text: str
    trained: dict[str, str]
    value: Callable[[Weights, Examples], dict[str, float]]


TWO = "input a: f32[3]\ninput b: f32[2]\n"
GRAPHS = {
    "two inputs": Graph(
        f"{TWO}target y: f32[2]\nh = a -> dense 3 -> tanh\nb -> dense 3 -> add h -> dense 2\nloss mse",
        {"loss": "W1 b1 W2 b2 W3 b3"},
        lambda p, e: {
            "loss": mean_square(dense(p, layer(p, e["a"], 1) + dense(p, e["b"], 2), 3), e["y"]),
        },
    ),
    "pixels, ids and numbers": Graph(
        "input a: u8[2, 2]\ninput k: category(3)\ninput b: unit[2]\ntarget y: binary\n"
        "i = k -> embedding 2\nh = k -> onehot\na -> flatten -> scale 0.0078125 -> concat b i h -> dense 3 -> tanh\n"
        "dense 1 -> sigmoid\nloss xent",
        {"loss": "W1 W2 b2 W3 b3"},
        lambda p, e: {"loss": binary_entropy(dense(p, layer(p, mixed(p, e), 2), 3), e["y"])},
    ),
    "an embedding of several ids": Graph(
        'input k: category("p", "q", "r")[4]\ntarget y: f32[2]\nembedding 2 l2=0.1 -> flatten -> dense 2\nloss mse',
        {"loss": "W1 W2 b2"},
        lambda p, e: {
            "loss": mean_square(dense(p, p["W1"][e["k"]].reshape(-1, 8), 2), e["y"]) + l2(p["W1"], 0.1),
        },
    ),
    "an embedding used twice": Graph(
        "input k: category(3)\ninput m: category(3)\ntarget y: f32\npart e { embedding 3 }\n"
        "a = k -> e\nm -> e -> dot a\nloss mse",
        {"loss": "e_W1"},
        lambda p, e: {
            "loss": mean_square((p["e_W1"][e["k"]] * p["e_W1"][e["m"]]).sum(axis=1, keepdims=True), e["y"]),
        },
    ),
    "two outputs": Graph(
        f"{TWO}target y: f32[2]\ntarget k: class(3)\nh = a -> concat b -> dense 3 -> tanh\n"
        "p = h -> dense 2\nq = h -> dense 3 -> softmax\noutput p\noutput q\nloss mse(p, y) + 0.5 * mcxent(q, k)",
        {"loss": "W1 b1 W2 b2 W3 b3"},
        lambda p, e: {
            "loss": mean_square(dense(p, layer(p, beside(e["a"], e["b"]), 1), 2), e["y"])
            + 0.5 * cross_entropy(dense(p, layer(p, beside(e["a"], e["b"]), 1), 3), e["k"]),
        },
    ),
    "an output inside": Graph(
        "input a: f32[3]\ntarget y: f32[2]\nh = dense 2 -> tanh\noutput h\np = h -> dense 2\noutput p\n"
        "loss mse(p, y) + 0.3 * l1(h, 0)",
        {"loss": "W1 b1 W2 b2"},
        lambda p, e: {
            "loss": mean_square(dense(p, layer(p, e["a"], 1), 2), e["y"])
            + 0.3 * float(np.abs(layer(p, e["a"], 1)).sum(axis=1).mean()),
        },
    ),
    "an autoencoder": Graph(
        "input a: unit[4]\nh = dense 2 -> tanh\np = h -> dense 4 -> sigmoid\noutput p\n"
        "loss reconstruction_crossentropy(p, a) + 0.1 * l2(h, 0)",
        {"loss": "W1 b1 W2 b2"},
        lambda p, e: {
            "loss": 4 * binary_entropy(dense(p, layer(p, e["a"], 1), 2), e["a"])
            + 0.1 * float((layer(p, e["a"], 1) ** 2).sum(axis=1).mean()),
        },
    ),
    "a loss of one's own": Graph(
        "input a: f32[3]\ntarget y: f32[2]\n"
        "def loss tilted(p, y, tilt=0.5) = mean((p - y)^2 * where(p > y, tilt, 1))\ndense 2\nloss tilted tilt=0.2",
        {"loss": "W1 b1"},
        lambda p, e: {
            "loss": float(np.mean((error := dense(p, e["a"], 1) - e["y"]) ** 2 * np.where(error > 0, 0.2, 1))),
        },
    ),
    "losses that train their parts": Graph(
        f"{TWO}target y: f32\npart one {{ dense 3 -> tanh -> dense 1 }}\npart two {{ dense 1 l2=0.2 }}\n"
        "p = a -> one\nq = b -> concat p -> two\noutput q\n"
        "loss first = mse(p, y) trains one\nloss second = mae(q, y) trains two with adam(1e-2)",
        {"first": "one_W1 one_b1 one_W2 one_b2", "second": "two_W1 two_b1"},
        lambda p, e: {
            "first": mean_square(dense(p, layer(p, e["a"], 1, "one_"), 2, "one_"), e["y"]),
            "second": mean_absolute(
                dense(p, beside(e["b"], dense(p, layer(p, e["a"], 1, "one_"), 2, "one_")), 1, "two_"), e["y"]
            )
            + l2(p["two_W1"], 0.2),
        },
    ),
    "losses that share a part": Graph(
        "input a: f32[3]\ntarget y: f32\ntarget k: class(2)\npart one { dense 3 l2=0.1 -> tanh }\n"
        "h = a -> one\np = h -> dense 1\nq = h -> dense 2 -> softmax\noutput p\noutput q\n"
        "loss size = mse(p, y)\nloss sort = mcxent(q, k)",
        {"size": "one_W1 one_b1 W1 b1", "sort": "one_W1 one_b1 W2 b2"},
        lambda p, e: {
            "size": mean_square(dense(p, layer(p, e["a"], 1, "one_"), 1), e["y"]) + l2(p["one_W1"], 0.1),
            "sort": cross_entropy(dense(p, layer(p, e["a"], 1, "one_"), 2), e["k"]) + l2(p["one_W1"], 0.1),
        },
    ),
    "a layer that a loss trains by name": Graph(
        "input a: f32[3]\ntarget y: f32\ndense 2 name=body -> tanh\np = dense 1 name=head\noutput p\n"
        "loss low = mse(p, y) trains body\nloss high = mae(p, y) trains head",
        {"low": "W_body b_body", "high": "W_head b_head"},
        lambda p, e: {
            "low": mean_square(dense(p, layer(p, e["a"], "_body"), "_head"), e["y"]),
            "high": mean_absolute(dense(p, layer(p, e["a"], "_body"), "_head"), e["y"]),
        },
    ),
    "adversaries": Graph(
        "input a: f32[3]\nnoise z: normal[2]\npart maker { dense 3 -> tanh }\n"
        "part judge { dense 2 -> tanh -> dense 1 }\nfake = z -> maker\nr = a -> judge\nf = fake -> judge\noutput fake\n"
        "loss critic = wasserstein(r, -1) + wasserstein(f, 1) trains judge\n"
        "loss forger = wasserstein(f, -1) trains maker",
        {"critic": "judge_W1 judge_b1 judge_W2 judge_b2", "forger": "maker_W1 maker_b1"},
        lambda p, e: {
            "critic": float(np.mean(judged(p, layer(p, e["z"], 1, "maker_")) - judged(p, e["a"]))),
            "forger": -float(np.mean(judged(p, layer(p, e["z"], 1, "maker_")))),
        },
    ),
}


def mixed(p: Weights, e: Examples) -> Array:
    """Pixels, numbers, an embedding and truth values, side by side."""
    return beside(e["a"].reshape(-1, 4) / 128, e["b"], p["W1"][e["k"]], np.eye(3)[e["k"]])


def judged(p: Weights, x: Array) -> Array:
    return dense(p, layer(p, x, 1, "judge_"), 2, "judge_")


def point(net: Net, held: Examples | None = None) -> tuple[Any, Weights, Examples, dict[str, Any]]:
    """The net's module, weights, examples (`held` in the place of drawn ones) and what a loss takes besides."""
    made, rng = module(net), np.random.default_rng(8)
    inputs, targets = batch(net, rng)
    examples = dict(zip([f.name for f in (*net.inputs, *net.targets)], (*inputs, *targets), strict=True)) | (held or {})
    p = weights(made, net, rng, list(examples.values())[: len(inputs)])
    given = extras(made, net, count=len(next(iter(examples.values()))))
    if "draws" in given:
        given["draws"] = {key: draw.astype(np.float64) for key, draw in given["draws"].items()}
    return made, p, examples, given


def gradients_of_losses(net: Net, held: Examples | None = None) -> dict[str, float]:
    """Check what each loss returns for each weight that it trains; return the losses by label."""
    made, p, examples, given = point(net, held)
    found: dict[str, float] = {}
    for loss in net.losses:
        function = getattr(made, loss.function)
        value, grads = function(p, *examples.values(), **given)
        assert np.isfinite(value) and list(grads) == list(loss.trained)
        for name, grad in grads.items():

            def at(w: Array, name: str = name, function: Any = function) -> float:
                return float(function({**p, name: w}, *examples.values(), **given)[0])

            assert_gradient(grad, numeric_gradient(at, p[name]), float(value), f"{loss.label} {name}")
        found[loss.label] = float(value)
    return found


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs(name: str):
    graph = GRAPHS[name]
    net = load_text(f"net whole\n{graph.text}\nupdater sgd\n")
    assert {loss.label: " ".join(loss.trained) for loss in net.losses} == graph.trained
    found = gradients_of_losses(net)
    _, p, examples, given = point(net)
    for label, value in graph.value(p, examples | given.get("draws", {})).items():
        assert_close(found.pop(label), value, EXACT, label)
    assert not found
    if len(net.losses) == 1 and any(f.kind != "category" for f in net.inputs):
        gradients_of_inputs(net)


@pytest.mark.parametrize("name", [name for name, graph in GRAPHS.items() if len(graph.trained) == 1])
def test_steps(name: str):
    """The step graph makes the step of the formula: w - lr * gradient."""
    net = load_text(f"net whole\n{GRAPHS[name].text}\nupdater sgd lr=0.5\n")
    made, p, examples, _ = point(net)
    loss, grads = made.loss_and_grads(p, *examples.values())
    small_p = {key: w.astype(np.float32) for key, w in p.items()}
    graph = StepGraph(net, small_p, made.init_updater(small_p))
    given = [v.astype(np.float32) if v.dtype == np.float64 else v for v in examples.values()]
    assert_close(graph.step(given, 1, 0.0, None), loss, SINGLE, "loss")
    for key, grad in grads.items():
        assert_close(graph.p[key], p[key] - 0.5 * grad, SINGLE, key)


# Numbers at the edge --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["standardize", "rescale"])
def test_constant_columns(scale: str):
    """What never changes becomes 0, and nothing is divided by it."""
    x = np.random.default_rng(2).uniform(-1, 1, (5, 6))
    x[:, 2] = 3.0
    net = small(f"{scale} -> dense 3 -> tanh -> dense 2")
    gradients_of_losses(net, {"x": x, "y": np.full((5, 2), 0.7)})
    made, p, examples, _ = point(net, {"x": x})
    _, grads = made.loss_and_grads(p, *examples.values())
    assert not grads["W1"][2].any() and grads["W1"][1].all()


@pytest.mark.parametrize(
    "chains",
    ["l2normalize -> dense 2", "a = x -> dense 6 frozen=true init=zeros bias_init=zeros\nl2distance a -> dense 2"],
)
def test_vectors_of_zeros(chains: str):
    """At length 0 the slope of a length is taken as finite."""
    x = np.random.default_rng(2).uniform(-1, 1, (5, 6))
    x[1] = 0.0
    gradients_of_losses(small(chains), {"x": x})
