"""Schedules on any setting, the clock that page and graph have for them, and what layers ask of the updater."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import reference
from harness import assert_close, assert_gradient, batch, extras, module, numeric_gradient, small, spec, weights
from netc.cli.sampling import clocks
from netc.codegen import to_numpy
from netc.dsl import Net, SpecError, load_text
from netc.dsl.words import WORDS
from netc.runtime import NumpyEngine, OnnxEngine, trainer_of
from netc.runtime.module import time_of
from uses import StepGraph, Use, numpy_step, updater_net

CLOCKS = ((1, 0.0), (2, 0.4), (3, 1.0), (9, 4.75), (10, 5.0), (40, 19.5))
# Each setting with a schedule: the chains and the updater of a net.
SCHEDULED = {
    "dropout": ("dense 4 -> tanh -> dropout ramp(10%, 60%, epochs=5) -> dense 2", "sgd lr=0.1"),
    "two dropouts": (
        "dropout ramp(0, 0.5, epochs=9) -> dense 4 -> dropout fixed(0.3, warmup=2) -> dense 2",
        "sgd lr=0.1",
    ),
    "l2": ("dense 4 l2=exponential(0.5, factor=0.8) -> tanh\ndense 2", "sgd lr=0.1"),
    "l1 and biases": ("dense 4 l1=ramp(0, 0.3, epochs=5) bias_l2=cosine(0.4, epochs=8) -> tanh\ndense 2", "sgd lr=0.1"),
    "steps": ("dense 4 l2=step(0.5, every=4, factor=0.5, per=step) -> tanh\ndense 2", "sgd lr=0.1"),
    "momentum": ("dense 4 -> tanh\ndense 2", "nesterovs lr=0.1 momentum=ramp(0.5, 0.95, epochs=5)"),
    "betas": (
        "dense 4 -> tanh\ndense 2",
        "adam beta1=ramp(0.5, 0.9, epochs=5) beta2=map([0, 3], [0.9, 0.99]) eps=fixed(0.1)",
    ),
    "decay": ("dense 4 -> tanh\ndense 2", "adamw lr=0.1 weight_decay=cosine(0.5, epochs=8)"),
    "clock": ("dense 4 l2=ramp(0, 1, epochs=5) -> tanh\ndense 2", "adam lr=inverse(0.1, gamma=0.5, per=step)"),
}


def net_of(name: str, **parts: str) -> Net:
    chains, updater = SCHEDULED[name]
    return small(chains, updater=updater, more="train epochs=20", **parts)


@pytest.mark.parametrize("name", SCHEDULED)
def test_the_step_graph_has_the_clock_of_the_page(name: str):
    """From moment to moment of training, one after the other, the weights and the state stay the same."""
    net = net_of(name)
    made, rng = module(net), np.random.default_rng(4)
    p = {k: np.float32(v) for k, v in weights(made, net, rng, ()).items()}
    moments = made.init_updater(p)
    graph = StepGraph(net, p, moments)
    for step, epoch in CLOCKS:
        data = [np.float32(a) for part in batch(net, rng) for a in part]
        draws = made.draw(int(epoch), step, len(data[0])) if hasattr(made, "draw") else None
        found = graph.step(data, step, epoch, draws)
        assert found == pytest.approx(numpy_step(made, net, p, moments, data, step, epoch), rel=1e-5)
        for key, value in (p | moments).items():
            assert_close((graph.p | graph.moments)[key], value, 2e-6, f"{key} at step {step}, epoch {epoch}")


@pytest.mark.parametrize("name", ["dropout", "l2", "l1 and biases", "steps"])
@pytest.mark.parametrize(("step", "epoch"), [(2, 0.5), (7, 2.5)])
def test_gradients_under_a_schedule(name: str, step: int, epoch: float):
    net = net_of(name)
    made, rng = module(net), np.random.default_rng(1)
    (x,), (y,) = batch(net, rng)
    p = weights(made, net, rng, (x,))
    given = extras(made, net, epoch=epoch, step=step)
    assert given["step"] == step and given["epoch"] == epoch
    loss, grads = made.loss_and_grads(p, x, y, **given)
    for weight in p:
        numeric = numeric_gradient(
            lambda w, n=weight: float(made.loss_and_grads({**p, n: w}, x, y, **given)[0]), p[weight]
        )
        assert_gradient(grads[weight], numeric, float(loss), f"d{weight}")


def test_a_penalty_follows_its_schedule():
    net = net_of("l1 and biases", loss="mse")
    made, rng = module(net), np.random.default_rng(2)
    (x,), (y,) = batch(net, rng)
    p = weights(made, net, rng, (x,))
    plain = module(small("dense 4 -> tanh\ndense 2"))
    for step, epoch in CLOCKS:
        l1, l2 = min(epoch / 5, 1) * 0.3, 0.2 * (1 + np.cos(np.pi * min(epoch / 8, 1)))
        added = l1 * np.abs(p["W1"]).sum() + l2 / 2 * (p["b1"] ** 2).sum()
        loss = made.loss_and_grads(p, x, y, step=step, epoch=epoch)[0]
        assert loss == pytest.approx(plain.loss_and_grads(p, x, y)[0] + added, rel=1e-12)


def test_dropout_follows_its_schedule():
    made = module(net_of("dropout"))
    draws = made.draw(0, 1, 4000)
    p = {k: np.float64(v) for k, v in made.init(1).items()}
    p["W2"] = np.zeros_like(p["W2"])
    x, y = np.random.default_rng(0).standard_normal((4000, 6)), np.ones((4000, 2))
    for epoch, share in ((0.0, 0.1), (2.5, 0.35), (5.0, 0.6), (19.0, 0.6)):
        _, grads = made.loss_and_grads(p, x, y, draws=draws, step=1, epoch=epoch)
        hidden = np.tanh(x @ p["W1"] + p["b1"]) * (draws["dropout1"] >= np.float32(share)) / (1 - share)
        assert_close(grads["W2"], hidden.T @ (-np.ones((4000, 2)) / 4000), 1e-12)


def test_only_what_looks_at_the_clock_takes_it():
    plain, timed = module(small("dense 4 l2=0.1\ndense 2")), module(net_of("l2"))
    assert time_of(plain.loss_and_grads, 3, 0.5) == {}
    assert time_of(timed.loss_and_grads, 3, 0.5) == {"step": 3, "epoch": 0.5}
    clash = load_text(
        "net clash\ninput step: f32[6]\ninput epoch: f32[6]\ntarget y: f32[2]\n"
        "step -> add epoch -> dense 2 l2=ramp(0, 1, epochs=5)\nloss mse\nupdater adam"
    )
    made, rng = module(clash), np.random.default_rng(0)
    inputs, targets = batch(clash, rng)
    p = weights(made, clash, rng, inputs)
    graph = StepGraph(clash, {k: np.float32(v) for k, v in p.items()}, made.init_updater(p))
    names = [i.name for i in graph.runner.get_inputs()]
    assert len(set(names)) == len(names) and {"step", "epoch", "step_", "epoch_"} <= set(names)
    loss = made.loss_and_grads(p, *inputs, *targets, step=1, epoch=5.0)[0]
    assert loss > made.loss_and_grads(p, *inputs, *targets, step=1, epoch=0.0)[0]


def test_engines_and_evaluation_follow_the_clock(tmp_path: Path):
    """A run of both engines, and the validation loss at the end of each epoch with the penalty of that moment."""
    from netc.codegen import to_step
    from netc.codegen.onnx_file import serialized
    from netc.runtime import Examples, train
    from netc.runtime.metadata import Metadata

    text = spec(
        "dense 4 l2=ramp(0, 0.5, epochs=3) -> tanh -> dropout ramp(0, 0.5, epochs=3)\ndense 2", updater="nadam lr=0.05"
    )
    net = load_text(text + "train epochs=4 batch=8 validation=25%\n")
    trainer, step = trainer_of(to_numpy(net), "small.py"), serialized(to_step(net))
    rng = np.random.default_rng(0)
    data = Examples({"x": np.float32(rng.standard_normal((40, 6))), "y": np.float32(rng.standard_normal((40, 2)))}, 40)
    engines = {"numpy": NumpyEngine(trainer), "onnx": OnnxEngine(step, "cpu", 1)}
    meta = Metadata.from_json(next(m.value for m in to_step(net).metadata_props if m.key == "netc"))
    runs = {name: train(trainer, meta, data, engine=engine) for name, engine in engines.items()}
    for mine, other in zip(runs["numpy"].history, runs["onnx"].history, strict=True):
        assert mine.validation["loss"] == pytest.approx(other.validation["loss"], rel=1e-4)
    made = module(net)
    inputs, targets = [data.arrays["x"]], [data.arrays["y"]]
    page = made.train(inputs, targets)
    assert all(np.array_equal(page[k], v) for k, v in runs["numpy"].weights.items())


# Acceptance -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for kind, name in WORDS if kind == "updater"])
def test_every_number_of_an_updater_takes_a_schedule(name: str):
    word = WORDS["updater", name]
    for option in word.options.values():
        if option.kind.form == "scheduled":
            net = small("dense 2", updater=f"{name} {option.name}=ramp(0.5, 0.25, epochs=2)")
            (course,) = net.courses
            assert course.name == option.name and list(course.at([1, 1, 1], [0, 1, 9])) == [0.5, 0.375, 0.25]
        else:
            assert option.kind.form == "flag", f"{name} {option.name} is a number that no schedule can stand for"


@pytest.mark.parametrize(
    ("chains", "updater", "said"),
    [
        ("dense 2", "adam beta1=ramp(0.5, 1, epochs=4)", "beta1 is a number from 0 to below 1"),
        ("dense 2", "adam eps=fixed(0.1, warmup=2)", "this one gives 0 in epoch 0"),
        ("dense 2", "adam eps=exponential(0.1, factor=0.5, per=step)", "this one gives 0 in step"),
        ("dropout ramp(0, 120%, epochs=3) -> dense 2", "sgd", "this one gives"),
        ("dense 2", "sgd lr=map([0, 5], [0.1])", "map has 2 times and 1 values"),
        ("dense 2", "sgd lr=map([1, 5], [0.1, 0.2])", "the times of map rise from 0"),
        ("dense 2", "sgd lr=map([0, 5, 5], [0.1, 0.2, 0.3])", "the times of map rise from 0"),
        ("dense 2", "sgd lr=cosine(0.1, epochs=3, mult=2)", "mult of cosine does nothing without restarts"),
        ("dense 2", "sgd lr=cycle(0.1, 0.2, epochs=3, anneal=3)", "cycle has no time left beside its annealing"),
        ("dense 2 lr_scale=0.1", "none", "none has no lr, so lr_scale of a layer does nothing"),
        ("dense 2 weight_decay=0.1", "adamw weight_decay=fixed(0.1)", "a layer's own weight_decay cannot replace"),
        ("dense 2 lr_scale=0", "sgd", "frozen=true is for 0"),
        ("dense 2 frozen=true lr_scale=2 -> dense 2", "sgd", "dense is frozen, so lr_scale does nothing"),
        ("dense 2 bias=false bias_l2=0.1", "sgd", "dense has no bias here, so bias_l2 does nothing"),
    ],
)
def test_what_is_refused(chains: str, updater: str, said: str):
    with pytest.raises(SpecError) as error:
        small(chains, updater=updater)
    assert said in str(error.value)


def test_a_schedule_is_checked_for_as_long_as_the_net_trains():
    assert small("dense 2", updater="adam beta1=ramp(0.5, 1, epochs=10)", more="train epochs=9")
    with pytest.raises(SpecError):
        small("dense 2", updater="adam beta1=ramp(0.5, 1, epochs=10)", more="train epochs=12")


@pytest.mark.parametrize(
    "text", ["fixed(0.2, warmup=2)", "exponential(0.2, factor=0.5, warmup=2)", "map([0, 1], [0.3, 0.1], warmup=2)"]
)
def test_warmup(text: str):
    (course,) = small("dense 2", updater=f"sgd lr={text}").courses
    (plain,) = small("dense 2", updater=f"sgd lr={text.replace(', warmup=2', '')}").courses
    times = np.array([0, 0.5, 1, 1.5, 2, 2.5, 9])
    right = [reference.schedules.warmed(v, t, 2) for v, t in zip(plain.at(times, times), times, strict=True)]
    assert np.allclose(course.at(times, times), right, rtol=1e-14, atol=0)


def test_settings_of_schedules_are_on_the_page():
    made = module(net_of("two dropouts"))
    assert (made.DROPOUT1_RATE, made.DROPOUT1_RATE_END, made.DROPOUT1_RATE_EPOCHS) == (0, 0.5, 9)
    assert (made.DROPOUT2_RATE, made.DROPOUT2_RATE_WARMUP) == (0.3, 2)
    made = module(small("dense 2", updater="sgd lr=map([0, 3, 8], [0.1, 0.02, 0.004])"))
    assert (made.LR_AT, made.LR) == ([0, 3, 8], [0.1, 0.02, 0.004])
    # Where a label is taken, all that belong together have another.
    net = small("dense 2 name=end l2=step(0.1, every=5) bias_l2=map([0, 3], [0.2, 0.1])")
    made, rng = module(net), np.random.default_rng(0)
    assert (made.END_L2, made.END_L2_, made.END_L2__AT) == (0.1, [0.2, 0.1], [0, 3])
    (x,), (y,) = batch(net, rng)
    p = weights(made, net, rng, (x,))
    early, late = (made.loss_and_grads(p, x, y, step=1, epoch=epoch)[0] for epoch in (1.0, 4.0))
    assert early - late == pytest.approx(0.05 * (p["b_end"] ** 2).sum(), rel=1e-9)


@pytest.mark.parametrize("per", ["epoch", "step"])
def test_the_proof_looks_between_all_bends(per: str):
    for text, bends in (
        ("step(0.1, every=5)", (5, 10, 15)),
        ("cycle(0.1, 0.2, epochs=10, anneal=2)", (4, 8, 10, 14, 18)),
    ):
        net = small("dense 2", updater=f"sgd lr={text.replace(')', f', per={per})')}", more="train epochs=20")
        times = [getattr(clock, per) for clock in clocks(net)]
        for low, high in zip((0, *bends), (*bends, 20), strict=True):
            assert any(low <= time <= high for time in times), (text, low, high, times)


# What layers have of their own ----------------------------------------------------------------------------------------


def own_net(updater: str, options: str = "lr_scale=0.25 weight_decay=0.3") -> Net:
    return small(f"dense 4 {options} -> tanh\ndense 2", updater=updater)


RATED = [name for (kind, name), word in WORDS.items() if kind == "updater" and "lr" in word.options]


@pytest.mark.parametrize("name", RATED)
def test_lr_scale_and_weight_decay(name: str):
    """Ten steps of the page against the updater's reference with another rate and decay for the layer's weights."""
    made, rng = module(own_net(f"{name} lr=0.05")), np.random.default_rng(8)
    p = {k: v.astype(np.float64) for k, v in made.init(1).items()}
    right, states, moments = dict(p), {k: {} for k in p}, made.init_updater(p)
    decays = "weight_decay" in WORDS["updater", name].options
    for t in range(1, 11):
        grads = {k: rng.standard_normal(v.shape) for k, v in p.items()}
        for k in p:
            lr, decay = 0.05 * (0.25 if k in ("W1", "b1") else 1), 0.3 if k == "W1" else None
            options = {"lr": lr} | ({"weight_decay": decay} if decays and decay is not None else {})
            moved = reference.UPDATERS[name](right[k], grads[k], states[k], t, **options)
            right[k] = moved if decays or decay is None else moved - lr * decay * right[k]
        made.update(p, moments, grads, t, 0.0)
    assert all(np.allclose(p[k], right[k], rtol=1e-11, atol=1e-13) for k in p)


@pytest.mark.parametrize("updater", ["sgd lr=cosine(0.1, epochs=4)", "adamw lr=0.1", "lamb lr=0.1", "adadelta"])
def test_own_numbers_in_the_step_graph(updater: str):
    net = own_net(updater, "lr_scale=0.25 weight_decay=0.3 bias_weight_decay=0.1")
    made, rng = module(net), np.random.default_rng(4)
    p = {k: np.float32(v) for k, v in weights(made, net, rng, ()).items()}
    moments = made.init_updater(p)
    graph = StepGraph(net, p, moments)
    for step, epoch in CLOCKS[:4]:
        data = [np.float32(a) for part in batch(net, rng) for a in part]
        graph.step(data, step, epoch, None)
        numpy_step(made, net, p, moments, data, step, epoch)
        for key, value in (p | moments).items():
            assert_close((graph.p | graph.moments)[key], value, 2e-6, f"{key} at step {step}")


def test_a_layers_decay_replaces_the_updaters():
    net = small("dense 4 weight_decay=0 -> tanh\ndense 2", updater="adamw lr=0.1 weight_decay=0.5")
    made = module(net)
    assert made.WEIGHT_DECAYS == {"W1": 0} and made.WEIGHT_DECAY == 0.5
    p = {k: np.ones_like(v) for k, v in made.init(1).items()}
    made.update(p, made.init_updater(p), {k: np.zeros_like(v) for k, v in p.items()}, 1, 0.0)
    assert {k: float(v.ravel()[0]) for k, v in p.items()} == pytest.approx(
        {"W1": 1, "b1": 0.95, "W2": 0.95, "b2": 0.95}
    )


def test_penalties_of_biases():
    net, plain = small("dense 4 l2=0.5 bias_l1=0.3 bias_l2=0.2 -> tanh\ndense 2"), small("dense 4 -> tanh\ndense 2")
    made, rng = module(net), np.random.default_rng(0)
    (x,), (y,) = batch(net, rng)
    p = weights(made, net, rng, (x,))
    loss, grads = made.loss_and_grads(p, x, y)
    free, others = module(plain).loss_and_grads(p, x, y)
    w, b = p["W1"], p["b1"]
    assert loss == pytest.approx(free + 0.25 * (w**2).sum() + 0.3 * np.abs(b).sum() + 0.1 * (b**2).sum(), rel=1e-12)
    assert_close(grads["b1"], others["b1"] + 0.3 * np.sign(b) + 0.2 * b, 1e-13)
    assert_close(grads["W1"], others["W1"] + 0.5 * w, 1e-13)


def test_nothing_moves_without_an_updater():
    made = module(updater_net(Use(WORDS["updater", "none"], "none", {})))
    p = made.init(1)
    before = {k: v.copy() for k, v in p.items()}
    made.update(p, made.init_updater(p), {k: np.ones_like(v) for k, v in p.items()}, 1, 0.0)
    assert all(np.array_equal(p[k], before[k]) for k in p)
