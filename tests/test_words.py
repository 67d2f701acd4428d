"""Every word, by its example and by each option away from its default: value, graphs, and training steps."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import reference
from harness import assert_close, compiled, module, narrow, run_onnx, small
from netc.codegen import to_onnx, to_step
from netc.dsl.ir import Builder
from netc.dsl.types import Type
from netc.dsl.words import WORDS
from uses import (
    EXACT,
    SINGLE,
    StepGraph,
    Use,
    activation_net,
    check_steps,
    data,
    example,
    judged_net,
    layer_net,
    nets_around,
    other_value,
    targets_of,
    uses,
)

REFERENCES = {
    "layer": reference.LAYERS,
    "activation": reference.ACTIVATIONS,
    "loss": reference.LOSSES,
    "metric": reference.METRICS,
    "updater": reference.UPDATERS,
    "schedule": reference.SCHEDULES,
    "solver": reference.SOLVERS,
    "init": reference.MOMENTS,
}
JUDGED = [(use, target) for use in uses("loss") for target in targets_of(use)]
EVERY = uses("layer", "activation", "loss", "updater")


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
    number = "2" if use.word.recurrent and "W_other" in p else "1"
    own = {name.removesuffix(number): p[name] for name in net.weights if name.endswith(number)}
    other = reference.OPS["tanh"](reference.matmul(x, p["W_other"]) + p["b_other"]) if "W_other" in p else None
    exact = reference.LAYERS[use.word.name](x, own, other, **use.options)
    # Learned statistics are kept in float32; everything else is computed in the precision of the data.
    assert_close(made.predict(p, x), exact, 1e-6 if net.states else EXACT, str(use))
    biased = use.options.get("bias", "bias" in use.word.options or use.word.prefix or "U" in own)
    assert ("b" in own) == ("W" in own and biased)


@pytest.mark.parametrize("use", uses("activation"), ids=str)
def test_activation_value(use: Use):
    made, p, (x,), _ = data(activation_net(use))
    z = reference.matmul(x, p["W1"]) + p["b1"]
    found = made.predict(p, x)
    assert_close(found, reference.ACTIVATIONS[use.word.name](z, **use.options), EXACT, str(use))
    if use.text != use.word.example:
        default = reference.ACTIVATIONS[use.word.name](z)
        assert np.abs(found - default).max() > 1e-5, "the option has no effect"


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
    net = judged_net(use, target)
    made, p, inputs, targets = data(net)
    exact = reference.LOSSES[use.word.name](made.predict(p, *inputs), *targets, **use.options)
    assert exact.shape == (len(inputs[0]),)
    loss, *_ = made.loss_and_grads(p, *inputs, *targets)
    assert_close(loss, reference.mean(exact), EXACT, str(use))
    if hasattr(made, "metrics"):
        kept = [p[name] for name in net.running]
        assert_close(
            made.metrics(made.predict(p, *inputs), *targets, *kept)["loss"], reference.mean(exact), EXACT, str(use)
        )


# Losses that lie between bounds whatever the prediction.
BOUNDED = ("cosine_proximity", "multilabel", "fmeasure")


@pytest.mark.parametrize(("use", "target"), JUDGED, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loss_saturated(use: Use, target: str, dtype: Any):
    net = judged_net(use, target)
    made, p, inputs, targets = data(net)
    p = {k: v.astype(dtype) for k, v in p.items()}
    p["b2"] = np.resize(np.array([-1e4, 1e4, 0], dtype), p["b2"].shape)
    given = [a if a.dtype == np.int64 else a.astype(dtype) for a in (*inputs, *targets)]
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, grads, *state = made.loss_and_grads(p, *given)
    assert np.isfinite(loss) and all(np.all(np.isfinite(g)) for g in grads.values())
    assert abs(loss) > 10 or use.word.name in BOUNDED, "a prediction so wrong must cost something"
    if dtype == np.float32:
        moments = made.init_updater(p)
        graph = StepGraph(net, p, moments)
        assert_close(graph.step(given, 1, 0.0, None), loss, SINGLE, str(use))
        made.update(p, moments, grads, 1, 0.0)
        p.update(*state)
        for name in p:
            assert_close(graph.p[name], p[name], SINGLE, f"{use} {name}")


@pytest.mark.parametrize("use", uses("activation"), ids=str)
def test_activation_domain(use: Use):
    """What an activation gives lies in its domain and fills it, but for ends that it only nears."""
    builder = Builder()
    value = use.word.function(builder.input("example", "x", Type("f32", ("N", 4))), **use.options)
    x = np.concatenate([np.linspace(-6, 6, 4001), [-1e4, 1e4]])
    given = np.stack([np.roll(x, 997 * i) for i in range(4)], axis=1)
    found, domain = compiled(builder.program("one", {"h": value}))({"x": given})["h"], value.type.domain
    assert domain.low - 1e-15 <= found.min() and found.max() <= domain.high + 1e-15
    assert not domain.whole or np.array_equal(found, np.round(found))
    assert not math.isfinite(domain.low) or found.min() - domain.low < 2e-4
    assert not math.isfinite(domain.high) or domain.high - found.max() < 2e-4
    assert math.isfinite(domain.low) or found.min() < -9
    assert math.isfinite(domain.high) or found.max() > 9


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
    assert set(told["next"].values()) | {loss["output"] for loss in told["losses"]} == set(mine)
