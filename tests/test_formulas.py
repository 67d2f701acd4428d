"""What formulas compute: every operator and function against NumPy, its gradient, the graphs and the steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import Array, assert_close, module, narrow, run_onnx, small
from netc.codegen import to_numpy, to_onnx
from netc.dsl import Net
from netc.dsl.functions import FUNCTIONS
from test_gradients import gradients_of_weights
from test_words import EXACT, SINGLE, check_steps, data

erf = np.vectorize(math.erf)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softplus(x: Array) -> Array:
    return np.log(1 + np.exp(x))


# Formulas of a value x of four features, and what they are in NumPy for one example's row.
ROWS: dict[str, Callable[[Array], Any]] = {
    "x + 1": lambda x: x + 1,
    "1 - x": lambda x: 1 - x,
    "-x * 3": lambda x: -x * 3,
    "x / 4 - x": lambda x: x / 4 - x,
    "2 / (3 + tanh(x))": lambda x: 2 / (3 + np.tanh(x)),
    "x^2": lambda x: x * x,
    "x^3": lambda x: x * x * x,
    "exp(x)^0.3": lambda x: np.exp(0.3 * x),
    "2^x": lambda x: 2.0**x,
    "sigmoid(x)^softplus(x)": lambda x: sigmoid(x) ** softplus(x),
    "-x^2": lambda x: -(x * x),
    "2^-1 * x + 7 / 2 - 2^3^2": lambda x: 0.5 * x + 3.5 - 512,
    "x * pi + e": lambda x: x * math.pi + math.e,
    "x * (x > 0)": lambda x: x * (x > 0),
    "(x > 0) * x": lambda x: x * (x > 0),
    "x + (x > 0) + (x < 1) * 2": lambda x: x + 1.0 * (x > 0) + 2.0 * (x < 1),
    "x * true + false": lambda x: x,
    "x + (x >= 0) - (x <= 0.5)": lambda x: x + (x >= 0) - (x <= 0.5),
    "where(x > 0 and x < 1, x, -x)": lambda x: np.where((x > 0) & (x < 1), x, -x),
    "where(x > 1 or not x > 0, 2 * x, x)": lambda x: np.where((x > 1) | (x <= 0), 2 * x, x),
    "where(not (x > 0), x, 3) + x": lambda x: np.where(x > 0, 3, x) + x,
    "x + where(x > 0, 0.1, 0.3)": lambda x: x + np.where(x > 0, 0.1, 0.3),
    "x + where(x == x, 1, 2)": lambda x: x + 1,
    "x + where(floor(x) != 0, 1, 2)": lambda x: x + np.where(np.floor(x) != 0, 1, 2),
    "where(1 > 0, x, 2)": lambda x: x,
    "where(x > 0, x, 0)": lambda x: np.maximum(x, 0),
    "exp(x / 2)": lambda x: np.exp(x / 2),
    "expm1(x)": lambda x: np.exp(x) - 1,
    "log(softplus(x))": lambda x: np.log(softplus(x)),
    "log(exp(x) + 1)": softplus,
    "log1p(exp(x))": softplus,
    "log(sigmoid(x))": lambda x: np.log(sigmoid(x)),
    "sqrt(1 + x^2)": lambda x: np.sqrt(1 + x * x),
    "sqrt(abs(x) + 0.1)": lambda x: np.sqrt(np.abs(x) + 0.1),
    "square(x)": lambda x: x * x,
    "abs(x)": np.abs,
    "sign(x) * x": np.abs,
    "floor(x) + ceil(x / 2) + x": lambda x: np.floor(x) + np.ceil(x / 2) + x,
    "sin(x) * cos(x)": lambda x: np.sin(2 * x) / 2,
    "tanh(x) - sigmoid(x)": lambda x: np.tanh(x) - sigmoid(x),
    "erf(x)": erf,
    "relu(x) + relu(-1)": lambda x: np.maximum(x, 0),
    "max(x, 0.5)": lambda x: np.maximum(x, 0.5),
    "max(0.5, x, -x)": lambda x: np.maximum(np.abs(x), 0.5),
    "min(x, 1, 2 * x)": lambda x: np.minimum(np.minimum(x, 1), 2 * x),
    "clip(x, -1, 0.5)": lambda x: np.clip(x, -1, 0.5),
    "clip(x, -abs(x) / 2, 1)": lambda x: np.clip(x, -np.abs(x) / 2, 1),
    "max(x) * x": lambda x: x.max() * x,
    "min(x) + x": lambda x: x.min() + x,
    "x - mean(x)": lambda x: x - x.mean(),
    "x / (1 + sum(abs(x)))": lambda x: x / (1 + np.abs(x).sum()),
    "x / norm(x)": lambda x: x / np.sqrt((x * x).sum()),
    "x - mean(x, axis=0)": lambda x: x - x.mean(),
    "x - max(x, axis=-1, keep=true)": lambda x: x - x.max(),
    "x * x.features + x.size + x.channels": lambda x: x * 4 + 8,
    "softmax(x) * x": lambda x: np.exp(x) / np.exp(x).sum() * x,
    "leakyrelu(x, 0.2)": lambda x: np.where(x > 0, x, 0.2 * x),
    "leakyrelu(x, slope=2 * 0.1)": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu(x) + softplus(mean(x))": lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1) + softplus(x.mean()),
    "mean(x)": lambda x: [x.mean()],
    "sum(x * x, axis=[0])": lambda x: [(x * x).sum()],
    "exp(0) * x + log(1) + sqrt(4) + tanh(0) + sign(-2) + abs(-1) + floor(1.5) + ceil(1.5)": lambda x: x + 5,
    "x + max(1, 2) + min(1, 2) + clip(5, 0, 1) + mean(3) + norm(-2) + erf(0) + sin(0) + cos(0)": lambda x: x + 10,
    "x + sigmoid(0) + softplus(-800) + expm1(0) + log1p(0) + square(3) + (1 < 2)": lambda x: x + 10.5,
}


def of_activation(formula: str, more: str = "") -> Net:
    """A net that predicts a user's activation of x @ W1 + b1."""
    chains = f"{more}\ndef activation own(x) = {formula}\nvalue = dense 4 -> own\noutput value\nvalue -> dense 2"
    return small(chains)


@pytest.mark.parametrize("formula", ROWS)
def test_value(formula: str):
    made, p, (x,), _ = data(of_activation(formula))
    z = x @ p["W1"] + p["b1"]
    assert_close(made.predict(p, x), np.array([ROWS[formula](row) for row in z]), EXACT, formula)


@pytest.mark.parametrize("formula", ROWS)
def test_gradient(formula: str):
    gradients_of_weights(of_activation(formula))


@pytest.mark.parametrize("formula", ROWS)
def test_graphs(formula: str):
    """Both printings agree, in ONNX Runtime and in ONNX's own reference, and so do the steps; nothing widens."""
    net = of_activation(formula)
    made, p, (x,), _ = data(net)
    model, given = to_onnx(net, p), {"x": x.astype(np.float32)}
    printed = made.predict(narrow(p), given["x"])
    assert printed.dtype == np.float32
    for reference_runtime in (False, True):
        assert_close(run_onnx(model, given, reference_runtime)["value"], printed, SINGLE, formula)
    check_steps(net, 2, formula)


def test_every_function_is_tried():
    tried = " ".join(ROWS) + " ".join(LAYERS) + " ".join(INITS) + " ".join(METRICS)
    assert all(f"{name}(" in tried for name in FUNCTIONS)


# Axes -----------------------------------------------------------------------------------------------------------------

# Formulas of a value of shape [2, 3], beside weights of several shapes.
LAYERS: dict[str, Callable[..., Any]] = {
    "in + a": lambda x, a, b, c: x + a,
    "a * in": lambda x, a, b, c: a * x,
    "in + b": lambda x, a, b, c: x + b,
    "in * c": lambda x, a, b, c: x * c,
    "mean(in) + b": lambda x, a, b, c: x.mean() + b,
    "mean(in, axis=0) * a": lambda x, a, b, c: x.mean(axis=0) * a,
    "mean(in, axis=0) * b": lambda x, a, b, c: x.mean(axis=0) * b,
    "in - mean(in, axis=1, keep=true)": lambda x, a, b, c: x - x.mean(axis=1, keepdims=True),
    "sum(in, axis=1) * norm(a)": lambda x, a, b, c: x.sum(axis=1) * np.sqrt((a * a).sum()),
    "in / norm(in, axis=0)": lambda x, a, b, c: x / np.sqrt((x * x).sum(axis=0)),
    "max(in, axis=[0, 1])": lambda x, a, b, c: [x.max()],
    "in * mean(b, axis=1, keep=true)": lambda x, a, b, c: x * b.mean(axis=1, keepdims=True),
    "where(in > a, in, b)": lambda x, a, b, c: np.where(x > a, x, b),
    "where(a > 0, in, -in)": lambda x, a, b, c: np.where(a > 0, x, -x),
    "sum(in * b, axis=0) @ transpose(b)": lambda x, a, b, c: (x * b).sum(axis=0) @ b.T,
    "mean(in) + min(in, axis=0) + in": lambda x, a, b, c: x.mean() + x.min(axis=0) + x,
}


def of_layer(formula: str) -> Net:
    """A net that predicts a user's layer of a value of shape [2, 3]; its weights are used, whatever the formula."""
    return small(
        "def layer own() {\n    weight a: [3] init=normal\n    weight b: [2, 3]\n"
        "    weight c: [in.channels, 1] init=normal\n"
        f"    rest = 1e-20 * (mean(a) + mean(b) + mean(c))\n    return {formula} + rest\n}}\n"
        "value = reshape [2, 3] -> own\noutput value\nvalue -> flatten -> dense 2"
    )


@pytest.mark.parametrize("formula", LAYERS)
def test_axes(formula: str):
    net = of_layer(formula)
    made, p, (x,), _ = data(net)
    weights = [p[name] for name in ("a1", "b1", "c1")]
    exact = np.array([LAYERS[formula](row, *weights) for row in x.reshape(-1, 2, 3)])
    assert_close(made.predict(p, x), exact, EXACT, formula)
    gradients_of_weights(net)
    check_steps(net, 2, formula)


def test_examples_do_not_see_one_another():
    """As many examples as features is where broadcasting would go wrong unseen."""
    for formula in ("mean(x) * x", "x + sum(x)", "where(mean(x) > 0, x, -x)"):
        made, p, _, _ = data(of_activation(formula))
        x = np.random.default_rng(0).standard_normal((4, 6))
        each = np.concatenate([made.predict(p, x[i : i + 1]) for i in range(4)])
        assert_close(made.predict(p, x), each, EXACT, formula)


# Other kinds ----------------------------------------------------------------------------------------------------------

INITS: dict[str, Callable[[Array, Array, int, int], Any]] = {
    "normal() * sqrt(2 / fan_in)": lambda n, u, i, o: n * math.sqrt(2 / i),
    "2 * uniform() - 1": lambda n, u, i, o: 2 * u - 1,
    "1 / (fan_in + fan_out)": lambda n, u, i, o: np.full_like(n, 1 / (i + o)),
    "0.25": lambda n, u, i, o: np.full_like(n, 0.25),
    "where(uniform() < 0.5, -1, 1)": lambda n, u, i, o: np.where(u < 0.5, -1, 1),
    "normal() / norm(normal())": lambda n, u, i, o: None,
    "clip(normal(), -2, 2)": lambda n, u, i, o: np.clip(n, -2, 2),
    "tanh(normal()) * (fan_in > fan_out)": lambda n, u, i, o: np.tanh(n) * (i > o),
}


@pytest.mark.parametrize("formula", INITS)
def test_initializer(formula: str):
    net = small(f"def init own() = {formula}\ndense 4 init=own bias_init=own\ndense 2")
    made = module(net)
    for name, fans in (("W1", (6, 4)), ("b1", (6, 4))):
        shape = net.weights[name].shape
        draws = [getattr(made.stream(3, name), method)(shape) for method in ("standard_normal", "random")]
        exact = INITS[formula](*draws, *net.weights[name].fans)
        found = made.init(3)[name]
        assert found.dtype == np.float32 and np.all(np.isfinite(found)) and len(fans) == 2
        if exact is not None:
            assert_close(found, exact, 1e-6, name)


def test_each_random_number_of_an_initializer_is_its_own():
    net = small("def init own(n=2) = normal() - normal() + n * uniform()\ndense 50 init=own(3)\ndense 2")
    made = module(net)
    streams = [made.stream(3, name) for name in ("W1", "W1.2", "W1.3")]
    exact = streams[0].standard_normal((6, 50)) - streams[1].standard_normal((6, 50)) + 3 * streams[2].random((6, 50))
    assert_close(made.init(3)["W1"], exact, 1e-6)


METRICS: dict[str, Callable[[Array, Array], Any]] = {
    "mean(abs(p - y))": lambda p, y: np.abs(p - y).mean(),
    "sum((p - y)^2) > 1": lambda p, y: (((p - y) ** 2).sum(axis=1) > 1).mean(),
    "max(abs(p - y), axis=0)": lambda p, y: np.abs(p - y).max(axis=1).mean(),
    "1 - mean(batch_sum((p - y)^2) / batch_sum((y - batch_mean(y))^2))": lambda p, y: (
        1 - (((p - y) ** 2).sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0)).mean()
    ),
}


@pytest.mark.parametrize("formula", METRICS)
def test_metric(formula: str):
    net = small("dense 2", more=f"def metric own(p, y) = {formula}\nmetric own\ntrain validation=20%")
    made, p, (x,), (y,) = data(net)
    predicted = made.predict(p, x)
    assert made.metrics(predicted, y)["own"] == pytest.approx(float(METRICS[formula](predicted, y)), rel=1e-12)


LOSSES: dict[str, tuple[str, Callable[[Array, Array], Any]]] = {
    "mean((p - y)^2)": ("f32[2]", lambda p, y: ((p - y) ** 2).mean(axis=1)),
    "sum(abs(p - y) * (p > y)) + 0.1 * norm(p)": (
        "f32[2]",
        lambda p, y: (np.abs(p - y) * (p > y)).sum(axis=1) + 0.1 * np.sqrt((p * p).sum(axis=1)),
    ),
    "-sum(y * log(p))": ("class(3)", lambda p, y: -np.log(p[np.arange(len(y)), y])),
    "-mean(y * log(p) + (1 - y) * log(1 - p))": (
        "binary[3]",
        lambda p, y: -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(axis=1),
    ),
    "1 - mean(batch_mean(p * y) / sqrt(batch_mean(p^2) * batch_mean(y^2) + 0.01))": (
        "f32[2]",
        lambda p, y: 1 - ((p * y).mean(axis=0) / np.sqrt((p * p).mean(axis=0) * (y * y).mean(axis=0) + 0.01)).mean(),
    ),
    "mean(abs(p - batch_mean(y)))": ("positive[2]", lambda p, y: np.abs(p - y.mean(axis=0)).mean(axis=1)),
}
HEADS = {"class(3)": "dense 3 -> softmax", "binary[3]": "dense 3 -> sigmoid"}


@pytest.mark.parametrize("formula", LOSSES)
def test_loss(formula: str):
    target, exact = LOSSES[formula]
    head = HEADS.get(target, "dense 2")
    net = small(f"dense 4 -> tanh -> {head}", target=target, loss="own", more=f"def loss own(p, y) = {formula}")
    made, p, inputs, (y,) = data(net)
    assert_close(made.loss_and_grads(p, *inputs, y)[0], exact(made.predict(p, *inputs), y).mean(), EXACT, formula)
    gradients_of_weights(net)
    check_steps(net, 3, formula)


# Bodies of updaters whose names the page itself has, or which name anew what is the same for all weights.
UPDATERS: dict[str, tuple[str, Callable[[Array, float, int, dict[str, Any]], Array]]] = {
    "a value of the step that becomes a weight's": (
        "c = 1 + t / 10\nc = c * g\nw = w - lr * c",
        lambda g, lr, t, kept: -lr * (1 + t / 10) * g,
    ),
    "states that are called as the page's own names": (
        "state grads = zeros\nstate np = 0.5\nstate p = zeros\nstate name = ones\ngrads = grads + g\np = grads * np\n"
        "np = np + 1\nname = name * 2\nw = w - lr * (p + grads) / name",
        lambda g, lr, t, kept: (
            kept.update(s=kept.get("s", 0) + g) or -lr * (kept["s"] * (t - 0.5) + kept["s"]) / 2.0**t
        ),
    ),
    "states that are called as the clock and as options of layers": (
        "state step = 1\nstate lr_scale = zeros\nstep = step * 2 * t\n"
        "lr_scale = lr_scale + g\nw = w - lr * lr_scale / step",
        lambda g, lr, t, kept: kept.update(s=kept.get("s", 0) + g) or -lr * kept["s"] / (2.0**t * math.factorial(t)),
    ),
}


@pytest.mark.parametrize("name", UPDATERS)
def test_names_in_an_updater(name: str):
    body, exact = UPDATERS[name]
    net = small(f"def updater own(lr=0.1) {{\n{body}\n}}\ndense 4 lr_scale=0.5 -> tanh\ndense 2", updater="own")
    made, kept = module(net), {}
    p = {name: w.astype(float) for name, w in made.init(1).items()}
    moments, wanted = made.init_updater(p), dict(p)
    for t in (1, 2, 3):
        grads = {name: np.cos(t + w) for name, w in p.items()}
        for name, g in grads.items():
            wanted[name] = wanted[name] + exact(
                g, 0.1 * (0.5 if name in ("W1", "b1") else 1), t, kept.setdefault(name, {})
            )
        made.update(p, moments, grads, t, t / 4)
        for name in p:
            assert_close(p[name], wanted[name], EXACT, name)
    check_steps(net, 3, body)


def test_a_loss_by_logarithms_survives_saturated_predictions():
    """In training, and on finished predictions of exactly 0 and 1."""
    formula, _ = "-mean(y * log(p) + (1 - y) * log(1 - p))", None
    text = f"def loss own(p, y) = {formula}\ntrain validation=20%"
    net = small("dense 2 -> sigmoid", target="binary[2]", loss="own", more=text)
    made = module(net)
    p = {"W1": np.zeros((6, 2), np.float32), "b1": np.array([-200, 200], np.float32)}
    x, y = np.zeros((2, 6), np.float32), np.array([[1, 0], [0, 1]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        loss, grads = made.loss_and_grads(p, x, y)
    assert np.isfinite(loss) and all(np.all(np.isfinite(g)) for g in grads.values())
    assert math.isfinite(made.metrics(np.array([[0, 1], [0, 1]], np.float32), y)["loss"])


def test_a_formula_on_the_page():
    """Expressions read as a built-in's do, and values that a body names keep their names."""
    text = (
        "def layer own(units) {\n    weight W: [in.features, units]\n    gate = in @ W\n    return gate * tanh(gate)\n}"
    )
    page = to_numpy(small(f"{text}\nown 3\ndense 2"))
    assert "    gate = x @ W1  # (N, 3)\n    z1 = gate * np.tanh(gate)\n" in page
    assert "# 1  own 3\n" in page


def test_a_negated_power_is_written_as_the_formatter_does():
    text = "def schedule own(v) = v * exp(-(t - 1)^2) + v * exp(-t^2)\ndense 2"
    page = to_numpy(small(text, updater="sgd lr=own(0.1)"))
    assert "LR_V * math.exp(-((epoch - 1) ** 2)) + LR_V * math.exp(-(epoch**2))" in page
