"""Every word, by its example and by each option away from its default: value, graphs, and training steps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import reference
from harness import Array, assert_close, batch, extras, module, narrow, run_onnx, small, weights
from netc.codegen import to_onnx, to_step
from netc.dsl import Net
from netc.dsl.words import WORDS
from uses import (
    StepGraph,
    Use,
    activation_net,
    example,
    judged_net,
    layer_net,
    nets_around,
    numpy_step,
    other_value,
    uses,
)

REFERENCES = {
    "layer": reference.LAYERS,
    "activation": reference.ACTIVATIONS,
    "loss": reference.LOSSES,
    "metric": reference.METRICS,
    "updater": reference.UPDATERS,
    "schedule": reference.SCHEDULES,
    "init": reference.MOMENTS,
}
EXACT, SINGLE = 1e-12, 1e-5
JUDGED = [(use, target) for use in uses("loss") for target in use.word.targets]
EVERY = uses("layer", "activation", "loss", "updater")


def data(net: Net, seed: int = 5) -> tuple[Any, dict[str, Array], list[Array], list[Array]]:
    """The net's module, weights, inputs and targets in float64."""
    rng = np.random.default_rng(seed)
    made = module(net)
    inputs, targets = batch(net, rng)
    return made, weights(made, net, rng, inputs), inputs, targets


def test_every_word_has_an_example_and_a_reference():
    for (kind, name), word in WORDS.items():
        assert word.example.startswith(name), name
        assert word.doc and word.doc.splitlines()[0].endswith("."), f"{name} needs a manual"
        assert name in REFERENCES[kind], f"the {kind} {name} needs a reference"
        missing = [o for o in word.options if other_value(word, o) is None]
        assert not missing, f"{missing} of {name} need an alternative"


@pytest.mark.parametrize("use", uses(*REFERENCES), ids=str)
def test_use_compiles(use: Use):
    assert nets_around(use)


# Values ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", uses("layer"), ids=str)
def test_layer_value(use: Use):
    net = layer_net(use)
    made, p, (x,), _ = data(net)
    own = {name[0]: p[name] for name in p if name in ("W1", "b1")}
    other = reference.OPS["tanh"](reference.matmul(x, p["W_other"]) + p["b_other"]) if "W_other" in p else None
    exact = reference.LAYERS[use.word.name](x, own, other, **use.options)
    # Learned statistics are kept in float32; everything else is computed in the precision of the data.
    assert_close(made.predict(p, x), exact, 1e-6 if net.states else EXACT, str(use))
    assert set(own) == ({"W", "b"} - ({"b"} if not use.options.get("bias", True) else set()) if own else set())


@pytest.mark.parametrize("use", uses("activation"), ids=str)
def test_activation_value(use: Use):
    made, p, (x,), _ = data(activation_net(use))
    z = reference.matmul(x, p["W1"]) + p["b1"]
    found = made.predict(p, x)
    assert_close(found, reference.ACTIVATIONS[use.word.name](z, **use.options), EXACT, str(use))
    if use.text != use.word.example:
        default = reference.ACTIVATIONS[use.word.name](z)
        assert np.abs(found - default).max() > 1e-3, "the option has no effect"


@pytest.mark.parametrize("use", uses("activation"), ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activation_saturated(use: Use, dtype: Any):
    """Values and gradients stay finite, and no step of the computation overflows on the way."""
    net = activation_net(use)
    made, p, (x,), (y,) = data(net)
    p = {k: v.astype(dtype) for k, v in p.items()}
    p["b1"] = np.array([-1e4, 1e4, 0, -1e4], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, grads = made.loss_and_grads(p, x.astype(dtype), y.astype(dtype))
    assert all(np.all(np.isfinite(v)) for v in (made.predict(p, x.astype(dtype)), loss, *grads.values()))
    if dtype == np.float32:
        given = {"x": x.astype(dtype)}
        found = run_onnx(to_onnx(net, p), given)
        assert_close(found["value"], made.predict(p, given["x"]), SINGLE, str(use))


@pytest.mark.parametrize(("use", "target"), JUDGED, ids=str)
def test_loss_value(use: Use, target: str):
    made, p, inputs, targets = data(judged_net(use, target))
    exact = reference.LOSSES[use.word.name](made.predict(p, *inputs), *targets, **use.options)
    assert exact.shape == (len(inputs[0]),)
    loss, _ = made.loss_and_grads(p, *inputs, *targets)
    assert_close(loss, reference.mean(exact), EXACT, str(use))
    if hasattr(made, "metrics"):
        assert_close(made.metrics(made.predict(p, *inputs), *targets)["loss"], reference.mean(exact), EXACT, str(use))


@pytest.mark.parametrize(("use", "target"), JUDGED, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loss_saturated(use: Use, target: str, dtype: Any):
    made, p, inputs, targets = data(judged_net(use, target))
    p = {k: v.astype(dtype) for k, v in p.items()}
    p["b2"] = np.array([-1e4, 1e4, 0], dtype)
    given = [a if a.dtype == np.int64 else a.astype(dtype) for a in (*inputs, *targets)]
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, grads = made.loss_and_grads(p, *given)
    assert np.isfinite(loss) and all(np.all(np.isfinite(g)) for g in grads.values())
    assert loss > 10, "a prediction so wrong must cost something"


def test_dropout_in_training():
    """A share is dropped, the rest is scaled so that the mean stays; prediction drops nothing."""
    net = small("dense 400 name=wide -> dropout 30%\ndense 2")
    made, p, (x,), (y,) = data(net)
    draws = made.draw(2, 7, len(x))
    (uniform,) = draws.values()
    assert uniform.shape == (5, 400) and uniform.dtype == np.float32
    h = x @ p["W_wide"] + p["b_wide"]
    kept = np.where(uniform < 0.3, 0, h / 0.7) @ p["W2"] + p["b2"]
    assert_close(made.loss_and_grads(p, x, y, draws=draws)[0], np.mean((kept - y) ** 2), EXACT)
    assert abs(np.mean(uniform < 0.3) - 0.3) < 4 * np.sqrt(0.3 * 0.7 / uniform.size)
    assert_close(made.predict(p, x), h @ p["W2"] + p["b2"], EXACT)
    again, other = made.draw(2, 7, 5), made.draw(2, 8, 5)
    assert all(np.array_equal(draws[k], again[k]) and not np.array_equal(draws[k], other[k]) for k in draws)


def test_each_dropout_draws_its_own():
    net = small("dropout 50% -> dense 6 -> dropout 50%\ndense 2")
    first, second = module(net).draw(0, 1, 5).values()
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_standardize_of_constant_columns(rows: int):
    net = small("standardize -> dense 2")
    made = module(net)
    x = np.tile(np.array([[1e6, 0, 3, 1, 2, 3]], np.float32), (rows, 1))
    x[:, 5] += np.arange(rows)
    p = made.init(0)
    made.fit(p, x)
    assert p["deviation"].tolist()[:5] == [1] * 5 and p["deviation"].dtype == np.float32
    assert p["mean"].tolist() == x.mean(axis=0, dtype=np.float64).tolist()
    assert np.isclose(p["deviation"][5], np.arange(rows).std() or 1, rtol=1e-6)


def test_operands_in_order():
    net = small("a = dense 2\nb = x -> dense 3\njoined = a -> concat b x\noutput joined\njoined -> dense 2")
    made, p, (x,), _ = data(net)
    parts = [x @ p["W1"] + p["b1"], x @ p["W2"] + p["b2"], x]
    assert_close(made.predict(p, x), np.concatenate(parts, axis=1), EXACT)
    net = small("a = dense 2\nb = x -> dense 2\nc = x -> dense 2\nsum = a -> add b c\noutput sum\nsum -> dense 2")
    made, p, (x,), _ = data(net)
    assert_close(made.predict(p, x), sum(x @ p[f"W{i}"] + p[f"b{i}"] for i in (1, 2, 3)), EXACT)


# Graphs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", uses("layer", "activation", "metric"), ids=str)
def test_inference_graph(use: Use):
    for net in nets_around(use)[:1]:
        made, p, inputs, _ = data(net)
        model = to_onnx(net, p)
        given = {f.name: v for f, v in zip(net.inputs, inputs, strict=True)}
        exact = made.predict(p, *inputs)
        for count in (1, 5):
            few = narrow({k: v[:count] for k, v in given.items()})
            printed = made.predict(narrow(p), *few.values())
            assert printed.dtype == np.float32
            for reference_runtime in (False, True):
                found = run_onnx(model, few, reference_runtime)[net.outputs[0].name]
                assert found.dtype == np.float32
                assert_close(found, exact[:count], SINGLE, str(use))
                assert_close(found, printed, SINGLE, str(use))


def check_steps(net: Net, steps: int = 10, what: str = "") -> None:
    """The step graph and the file make the same steps; the first, and the tenth after nine of their own."""
    made, p, inputs, targets = data(net)
    p, moments = narrow(p), None
    moments = made.init_updater(p)
    graph = StepGraph(net, p, moments)
    given = [*narrow(dict(enumerate([*inputs, *targets]))).values()]
    for number in range(1, steps + 1):
        rows = slice(0, 5 if number % 3 else 4)
        part, epoch = [a[rows] for a in given], (number - 1) / 4
        draws = extras(made, net, epoch=int(epoch), step=number, count=len(part[0])).get("draws")
        found = graph.step(part, number, epoch, draws)
        assert_close(found, numpy_step(made, net, p, moments, part, number, epoch), SINGLE, f"{what} loss {number}")
        if number in (1, steps):
            for mine, its in ((p, graph.p), (moments, graph.moments)):
                for name in mine:
                    assert its[name].dtype == mine[name].dtype == np.float32, name
                    assert_close(its[name], mine[name], SINGLE, f"{what} {name} after step {number}")


@pytest.mark.parametrize("use", EVERY, ids=str)
def test_training_steps(use: Use):
    for net in nets_around(use):
        check_steps(net, what=str(use))


MORE_STEPS = {
    "clip_norm": {"chains": "dense 4 -> tanh\ndense 2", "more": "train clip_norm=0.01"},
    "l1 and l2": {"chains": "dense 4 l1=0.1 -> tanh\ndense 2 l2=0.2"},
    "clip_norm and l2": {"chains": "dense 4 l1=0.1 -> tanh\ndense 2 l2=0.2", "more": "train clip_norm=0.01"},
    "frozen": {"chains": "dense 4 frozen=true -> tanh\ndense 2", "updater": "adam"},
    "dropout": {"chains": "dropout 20% -> dense 4 -> tanh -> dropout 50%\ndense 2"},
    "a weight without a gradient": {"chains": "a = dense 4\noutput a\nx -> dense 2", "updater": "adam"},
    "a target that only a metric sees": {"chains": "p = dense 2", "loss": "mse(p, 1)", "more": "metric mae(p, y)"},
    "frozen and clipped": {"chains": "dense 4 frozen=true -> tanh\ndense 2", "more": "train clip_norm=0.01"},
}


@pytest.mark.parametrize("name", MORE_STEPS)
def test_training_steps_with(name: str):
    check_steps(small(**MORE_STEPS[name]), what=name)


@pytest.mark.parametrize("use", [example(w) for (kind, _), w in WORDS.items() if kind == "loss"], ids=str)
def test_step_graph_in_the_reference_runtime(use: Use):
    net = nets_around(use)[0]
    _, p, inputs, targets = data(net)
    given = narrow({f.name: v for f, v in zip((*net.inputs, *net.targets), [*inputs, *targets], strict=True)})
    feed = {**given, **narrow(p), "step": np.array(1), "epoch": np.array(0.0)}
    model = to_step(net)
    mine, its = run_onnx(model, feed), run_onnx(model, feed, reference=True)
    for name in mine:
        assert_close(its[name], mine[name], SINGLE, name)
    told = json.loads(next(m.value for m in model.metadata_props if m.key == "netc"))["step"]
    assert set(told["next"].values()) | {told["loss"]} == set(mine)
