"""Weights of classes and of examples: losses are sum(w l) / sum(w) in both engines, metrics stay as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import Array, assert_gradient, module, numeric_gradient
from netc.cli.proof import prove
from netc.codegen import to_numpy, to_onnx, to_step
from netc.dsl import Net, SpecError, load_text
from netc.runtime import trainer_of

CLASSES = """
net classes
input x: f32[4]
target y: class(3)
dense 3 -> softmax
loss mcxent
updater sgd lr=0.1
metric accuracy
train batch=8 epochs=1 validation=25% class_weight=[1, 5, 0.5]
"""
BINARY = """
net truths
input x: f32[4]
target y: binary
dense 1 -> sigmoid
loss xent
updater sgd lr=0.1
train batch=8 epochs=1 validation=25% class_weight=[2, 0.3]
"""
EXAMPLES = """
net examples
input x: f32[4]
target t: f32[2]
target importance: {kind}
dense 2 l2=1e-2
loss mse
updater sgd lr=0.1
metric mae
train batch=8 epochs=1 validation=25% sample_weight=importance
"""
BOTH = """
net both
input x: f32[4]
target y: class(3)
target t: f32
target w: count
h = x -> dense 5 -> tanh
kind = h -> dense 3 -> softmax
height = h -> dense 1
output kind
loss sort = mcxent(kind, y)
loss size = 0.5 * mse(height, t)
updater adam
train batch=8 epochs=1 validation=25% class_weight=[1, 5, 0.5] sample_weight=w
"""
SPECS = {
    "classes": CLASSES,
    "truths": BINARY,
    "unit": EXAMPLES.format(kind="unit"),
    "positive": EXAMPLES.format(kind="positive"),
    "both": BOTH,
}
N = 8


def batch(net: Net) -> dict[str, Array]:
    rng = np.random.default_rng(1)
    kinds = {
        "f32": lambda f: rng.normal(size=(N, *f.shape)),
        "unit": lambda f: rng.random((N, *f.shape)).round(2),
        "positive": lambda f: rng.uniform(0.5, 3, (N, *f.shape)),
        "count": lambda f: rng.integers(0, 4, (N, *f.shape)).astype(float),
        "binary": lambda f: rng.integers(0, 2, (N, *f.shape)).astype(float),
        "class": lambda f: rng.integers(0, f.classes, N),
    }
    found = {f.name: kinds[f.kind](f) for f in net.fields}
    return {k: v if v.dtype.kind == "i" else np.float64(np.float32(v)) for k, v in found.items()}


def start(net: Net) -> tuple[Any, dict[str, Array]]:
    emitted, rng = module(net), np.random.default_rng(2)
    return emitted, {k: np.float64(np.float32(v + rng.uniform(-0.2, 0.2, v.shape))) for k, v in emitted.init(1).items()}


def examples_losses(net: Net, p: dict[str, Array], held: dict[str, Array]) -> dict[str, tuple[Array, Array]]:
    """Each example's loss and weight in plain NumPy, for each loss by its label."""
    x = held["x"]
    if net.name == "examples":
        z = x @ p["W1"] + p["b1"]
        return {"loss": (((z - held["t"]) ** 2).mean(axis=1), held["importance"][:, 0])}
    if net.name == "truths":
        q = 1 / (1 + np.exp(-(x @ p["W1"] + p["b1"])))
        y = held["y"]
        return {"loss": (-(y * np.log(q) + (1 - y) * np.log(1 - q))[:, 0], np.where(y[:, 0] == 1, 0.3, 2.0))}
    h = x if net.name == "classes" else np.tanh(x @ p["W1"] + p["b1"])
    last = "1" if net.name == "classes" else "2"
    z = h @ p[f"W{last}"] + p[f"b{last}"]
    logs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    weights = np.array([1, 5, 0.5])[held["y"]]
    sort = -logs[np.arange(N), held["y"]]
    if net.name == "classes":
        return {"loss": (sort, weights)}
    size = 0.5 * (h @ p["W3"] + p["b3"] - held["t"])[:, 0] ** 2
    weights = weights * held["w"][:, 0]
    return {"sort": (sort, weights), "size": (size, weights)}


@pytest.mark.parametrize("name", SPECS)
def test_the_loss_is_the_weighted_mean(name: str) -> None:
    net = load_text(SPECS[name])
    emitted, p = start(net)
    held = batch(net)
    expected = examples_losses(net, p, held)
    for loss in net.losses:
        losses, weights = expected[loss.label]
        penalty = 0.5e-2 * np.sum(p["W1"] ** 2) if net.name == "examples" else 0.0
        function = getattr(emitted, loss.function)
        value, grads = function(p, *held.values())
        # float32 holds 0.3 to 8 digits; everything else is exact or float64.
        assert float(value) == pytest.approx((weights * losses).sum() / weights.sum() + penalty, rel=1e-7)
        for weight in loss.trained:

            def at(w: Array, of: Any = function, key: str = weight) -> float:
                return float(of({**p, key: w}, *held.values())[0])

            assert_gradient(grads[weight], numeric_gradient(at, p[weight]), float(value), f"d{weight}")


@pytest.mark.parametrize("name", SPECS)
def test_the_reported_validation_loss_is_weighted_and_metrics_are_not(name: str) -> None:
    net = load_text(SPECS[name])
    emitted, p = start(net)
    held = batch(net)
    count = len(net.inputs)
    report = emitted.evaluate(p, list(held.values())[:count], list(held.values())[count:])
    penalty = 0.5e-2 * np.sum(p["W1"] ** 2) if net.name == "examples" else 0.0
    for label, (losses, weights) in examples_losses(net, p, held).items():
        assert report[label] == pytest.approx((weights * losses).sum() / weights.sum() + penalty, rel=1e-7)
    if net.name == "examples":
        assert report["mae"] == pytest.approx(np.abs(held["x"] @ p["W1"] + p["b1"] - held["t"]).mean())
    if net.name == "classes":
        chosen = (held["x"] @ p["W1"] + p["b1"]).argmax(axis=1)
        assert report["accuracy"] == np.mean(chosen == held["y"])


def test_pytorch_divides_by_the_sum_of_weights_too() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
    net = load_text(CLASSES)
    emitted, p = start(net)
    held = batch(net)
    theirs = {k: torch.tensor(v, requires_grad=True) for k, v in p.items()}
    scores = torch.tensor(held["x"]) @ theirs["W1"] + theirs["b1"]
    weight = torch.tensor([1.0, 5.0, 0.5], dtype=torch.float64)
    loss = torch.nn.functional.cross_entropy(scores, torch.tensor(held["y"]), weight=weight)
    loss.backward()
    mine, grads = emitted.loss_and_grads(p, held["x"], held["y"])
    assert float(mine) == pytest.approx(loss.item(), rel=1e-12)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, theirs[name].grad.numpy(), atol=1e-12)


def test_a_batch_that_weighs_nothing_gives_no_nan() -> None:
    net = load_text(SPECS["unit"])
    emitted, p = start(net)
    held = batch(net) | {"importance": np.zeros((N, 1))}
    loss, grads = emitted.loss_and_grads(p, *held.values())
    assert float(loss) == pytest.approx(0.5e-2 * np.sum(p["W1"] ** 2)), "l2 alone is left"
    np.testing.assert_allclose(grads["W1"], 1e-2 * p["W1"], atol=1e-15)


@pytest.mark.parametrize("name", SPECS)
def test_the_build_proves_the_step(name: str) -> None:
    net = load_text(SPECS[name])
    text = to_numpy(net)
    p = trainer_of(text, f"{net.name}.py").init(1)
    assert prove(net, text, to_onnx(net, p), to_step(net), p, False).ok
    # Not weighing is seen: so is one class's weight.
    for old, new in (("CLASS_WEIGHT = [1", "CLASS_WEIGHT = [1.5"), ("CLASS_WEIGHT = [2", "CLASS_WEIGHT = [1.5")):
        if old in text:
            assert not prove(net, text.replace(old, new), to_onnx(net, p), to_step(net), p, False).ok


@pytest.mark.parametrize(
    ("spec", "old", "new", "said"),
    [
        (CLASSES, "[1, 5, 0.5]", "[1, 5]", "y has 3 classes, and class_weight lists 2 numbers"),
        (CLASSES, "[1, 5, 0.5]", "[1, 0, 5]", "each is above 0"),
        (CLASSES, "[1, 5, 0.5]", "5", "class_weight of train is a list of a number above 0 for each class"),
        (CLASSES, "[1, 5, 0.5]", "balanced", "class_weight of train is a list of a number above 0 for each class"),
        (EXAMPLES.format(kind="unit"), "sample_weight=importance", "class_weight=[1, 2]", "there is no such target"),
        (
            EXAMPLES.format(kind="unit"),
            "weight=importance",
            "weight=other",
            "sample_weight names a target, and nothing is named other",
        ),
        (
            EXAMPLES.format(kind="unit"),
            "weight=importance",
            "weight=x",
            "sample_weight names a target, and x is an input",
        ),
        (EXAMPLES.format(kind="unit"), "loss mse", "loss mse(p, importance)", "holds the weights of the examples"),
        (EXAMPLES.format(kind="f32"), "\n", "\n", "not negative, but importance is f32"),
        (EXAMPLES.format(kind="unit[2]"), "\n", "\n", "not negative, but importance is unit[2]"),
        (BOTH, "target w: count", "target w: binary", "there are 2 such targets"),
    ],
)
def test_what_is_refused(spec: str, old: str, new: str, said: str) -> None:
    assert old in spec
    with pytest.raises(SpecError) as refused:
        load_text(spec.replace(old, new))
    assert said in str(refused.value)
