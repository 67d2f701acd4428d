"""Recurrent layers and cells over steps whose number is known only at run time: padding, windows, exports, shapes."""

from __future__ import annotations

import numpy as np
import pytest
from harness import (
    assert_close,
    batch,
    module,
    narrow,
    run_onnx,
    weights,
)
from netc.codegen import to_numpy, to_onnx
from netc.dsl import Net, SpecError, load_text
from test_gradients import gradients_of_inputs, gradients_of_weights
from uses import EXACT, SINGLE, check_steps

CELLS = {
    "own": """def cell own(units, gain=1) {
    weight W: [in.features, units]
    weight U: [units, units] init=orthogonal
    weight b: [units]
    state h = zeros(units)
    state s = ones(units)
    z = in @ W + gain * (h @ U) + b
    s = 0.9 * s + 0.1 * sigmoid(h)
    h = tanh(z) * s
    return h * 2
}
""",
    "elman": """def cell elman(units) {
    weight W: [in.features, units]
    weight U: [units, units]
    weight b: [units]
    state h = zeros(units)
    h = tanh(in @ W + h @ U + b)
    return h
}
""",
}


def over_time(
    chains: str, given: str = "f32[T, 3] lengths=true", target: str = "f32[2]", loss: str = "mse", more: str = ""
) -> Net:
    """A net over steps."""
    used = "".join(text for name, text in CELLS.items() if f"{name} " in chains)
    fields = f"input x: {given}\ntarget y: {target}"
    return load_text(f"net small\n{used}{fields}\n{chains}\nloss {loss}\nupdater sgd\n{more}\n")


# Mirrors of the gradient checks of Deeplearning4j: LSTMGradientCheckTests, RnnGradientChecks, GradientCheckTestsMasking
# and GradientCheckTestsComputationGraph. Each with lengths that differ, unless the type says otherwise.
STEPS = {"given": "f32[T, 3]", "target": "f32[T, 2]"}
MASKED = {"target": "f32[T, 2]"}
CLASSES = {"target": "class(3)[T]", "loss": "mcxent"}
MIRRORS: dict[str, tuple[str, dict[str, str]]] = {
    "LSTM, several layers": ("lstm 4 -> lstm 3\ndense 2", STEPS),
    "LSTM, l1 and l2": ("lstm 4 l1=0.01 l2=0.02\ndense 3 l2=0.1 -> softmax", CLASSES),
    "GravesLSTM, several layers": ("graves_lstm 4 -> graves_lstm 3\ndense 2", STEPS),
    "GravesLSTM, l2": ("graves_lstm 3 l2=0.05\ndense 3 -> softmax", CLASSES),
    "GravesBidirectionalLSTM": ("bidirectional graves_lstm 3 mode=sum\ndense 2", MASKED),
    "SimpleRnn": ("rnn 4 -> rnn 3\ndense 2", MASKED),
    "Bidirectional, concat": ("bidirectional rnn 3 -> bidirectional lstm 2\ndense 2", MASKED),
    "Bidirectional, add": ("bidirectional rnn 3 mode=sum\ndense 2", MASKED),
    "Bidirectional, average": ("bidirectional gru 3 mode=average\ndense 2", MASKED),
    "Bidirectional, mul": ("bidirectional lstm 3 mode=multiply\ndense 2", MASKED),
    "LastTimeStep": ("rnn 4 -> last_step -> dense 2", {}),
    "LastTimeStep of both directions": ("bidirectional lstm 3 -> last_step -> dense 2", {}),
    "LastTimeStep of the input": ("last_step -> dense 2", {}),
    "TimeDistributed dense": ("lstm 3 -> time_distributed dense 4 -> tanh -> dense 2", MASKED),
    "masked output": ("dense 4 -> tanh -> dense 2", MASKED),
    "masked classes": ("rnn 4 -> dense 3 -> softmax", CLASSES),
    "masked binary": ("lstm 3 -> dense 2 -> sigmoid", {"target": "binary[T, 2]", "loss": "xent"}),
    "a subset of the features": ("lstm 4 -> subset first=0 last=1 -> dense 2", MASKED),
    "DuplicateToTimeSeries": ("a = rnn 3 -> last_step -> repeat_like x\nx -> lstm 3 -> concat a -> dense 2", MASKED),
    "ReverseTimeSeries": ("a = reverse_time -> lstm 3 -> reverse_time\nx -> rnn 3 -> concat a -> dense 2", MASKED),
    "two branches and a sum": ("a = lstm 3\nx -> gru 3 -> add a -> rnn 3 -> dense 2", MASKED),
    "a first state from another branch": ("a = rnn 4 -> last_step\nx -> gru 4 h=a -> dense 2", MASKED),
    "first state and cell": (
        "a = lstm 3\nh = a -> last_step\nc = a -> cells -> last_step\nx -> lstm 3 h=h c=c -> dense 2", MASKED
    ),
    "cells are read": ("a = lstm 3\nb = a -> cells\nx -> graves_lstm 3 -> cells -> concat a b -> dense 2", MASKED),
    "a cell": ("own 3 -> elman 2 -> dense 2", MASKED),
    "a cell twice, both ways": ("elman 3 -> bidirectional elman 3 -> last_step -> dense 2", {}),
    "a cell with an option": ("own 3 gain=0.5 -> last_step -> dense 2", STEPS | {"target": "f32[2]"}),
    "dropout between": ("lstm 4 -> dropout 30% -> rnn 3 -> dense 2", MASKED),
}  # fmt: skip


@pytest.mark.parametrize("name", MIRRORS)
def test_gradients(name: str):
    chains, parts = MIRRORS[name]
    net = over_time(chains, **parts)
    gradients_of_weights(net)
    gradients_of_inputs(net)


STEPPED = ["GravesBidirectionalLSTM", "DuplicateToTimeSeries", "ReverseTimeSeries", "cells are read"]
STEPPED += ["a cell", "a cell twice, both ways", "first state and cell", "dropout between"]


@pytest.mark.parametrize("name", STEPPED)
def test_training_steps(name: str):
    chains, parts = MIRRORS[name]
    check_steps(over_time(chains, **parts), 3, name)


PADDED = {
    **{kind: f"{kind} 3" for kind in ("rnn", "gru", "lstm", "graves_lstm", "own")},
    **{f"bidirectional {kind}": f"bidirectional {kind} 3" for kind in ("rnn", "gru", "lstm", "graves_lstm", "elman")},
    "reverse_time": "rnn 3 -> reverse_time -> lstm 3",
    "cells": "lstm 3 -> cells",
    "time_distributed": "lstm 3 -> time_distributed dense 3",
    "repeat_like": "gru 3 -> last_step -> repeat_like x -> lstm 3",
}


@pytest.mark.parametrize("ends", ["last_step", "all steps"])
@pytest.mark.parametrize("name", PADDED)
def test_padding_changes_nothing(name: str, ends: str):
    """Garbage behind the end of a sequence changes no output, loss or gradient; a sequence alone gives the same."""
    whole = ends == "all steps"
    chain = f"{PADDED[name]} -> {'' if whole else 'last_step -> '}dense 2"
    net = over_time(chain, target="f32[T, 2]" if whole else "f32[2]")
    made, rng = module(net), np.random.default_rng(2)
    (x, lengths), (y,) = batch(net, rng, 4, {"T": 5})
    lengths[:2] = 5, 1
    p = weights(made, net, rng, ())
    counted = np.arange(5) < lengths[:, None]
    x2 = np.where(counted[..., None], x, 100 * rng.standard_normal(x.shape))
    y2 = np.where(counted[..., None], y, 100) if whole else y
    found, loss, grads = made.predict(p, x, lengths), *made.loss_and_grads(p, x, lengths, y)
    again, same, others = made.predict(p, x2, lengths), *made.loss_and_grads(p, x2, lengths, y2)
    assert_close(same, loss, EXACT)
    for name in grads:
        assert_close(others[name], grads[name], EXACT, name)
    for i, n in enumerate(lengths):
        alone = made.predict(p, x[i : i + 1, :n], lengths[i : i + 1])[0]
        assert_close((again[i, :n] if whole else again[i]), (found[i, :n] if whole else found[i]), EXACT)
        assert_close(alone, found[i, :n] if whole else found[i], EXACT)


# One model ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [True, False])
def test_one_model_serves_every_length(lengths: bool):
    """Batches of 1 and 64, of 1, 7 and 500 steps, in ONNX Runtime and in ONNX's reference, equal to NumPy."""
    chain = (
        "a = bidirectional lstm 3 -> gru 2\nx -> graves_lstm 2 -> own 2 -> concat a -> rnn 3 -> reverse_time -> dense 2"
    )
    net = over_time(chain, given=f"f32[T, 3]{' lengths=true' * lengths}", target="f32[T, 2]")
    made, rng = module(net), np.random.default_rng(1)
    p = weights(made, net, rng, ())
    model = to_onnx(net, p)
    for count, steps in ((1, 1), (64, 7), (1, 500), (64, 500)):
        inputs, _ = batch(net, rng, count, {"T": steps})
        given = narrow(dict(zip([f.name for f in net.inputs], inputs, strict=True)))
        exact = made.predict(narrow(p), *given.values())
        assert exact.dtype == np.float32
        for reference in (False, True) if count * steps < 600 else (False,):
            assert_close(run_onnx(model, given, reference)["y"], exact, SINGLE, f"{count} of {steps}")


def test_native_operators():
    """Built-in layers are ONNX's own operators in the exported model, and a cell is a Scan."""
    net = over_time("a = rnn 2\nb = a -> gru 2\nb -> lstm 2 -> graves_lstm 2 -> elman 2 -> dense 2", **STEPS)
    made = module(net)
    found = [node.op_type for node in to_onnx(net, made.init(0)).graph.node]
    assert [name for name in found if name in ("RNN", "GRU", "LSTM", "Scan")] == ["RNN", "GRU", "LSTM", "LSTM", "Scan"]


@pytest.mark.parametrize("cell", ["lstm", "graves_lstm"])
def test_stateful_inference(cell: str):
    """A model whose states go in and out reads a sequence in pieces, and its layer is ONNX's own operator."""
    text = f"""net stateful
    input x: f32[T, 3]
    input h0: f32[4]
    input c0: f32[4]
    target y: f32[T, 2]
    states = x -> {cell} 4 h=h0 c=c0
    p = states -> dense 2
    output p
    output h = states -> last_step
    output c = states -> cells -> last_step
    loss mse(p, y)
    updater sgd"""
    net, rng = load_text(text), np.random.default_rng(4)
    p = narrow(weights(module(net), net, rng, ()))
    model = to_onnx(net, p)
    assert [n.op_type for n in model.graph.node if n.op_type in ("LSTM", "Scan")] == ["LSTM"]
    x, h, c = (rng.standard_normal(shape).astype(np.float32) for shape in ((5, 9, 3), (5, 4), (5, 4)))
    for reference in (False, True):
        whole = run_onnx(model, {"x": x, "h0": h, "c0": c}, reference)
        first = run_onnx(model, {"x": x[:, :2], "h0": h, "c0": c}, reference)
        rest = run_onnx(model, {"x": x[:, 2:], "h0": first["h"], "c0": first["c"]}, reference)
        assert_close(np.concatenate([first["p"], rest["p"]], axis=1), whole["p"], SINGLE)
        assert_close(rest["c"], whole["c"], SINGLE)
        assert_close(whole["c"], module(net).predict(p, x, h, c)[2], SINGLE)


# Pages ----------------------------------------------------------------------------------------------------------------


def test_uses_of_a_cell_share_its_function():
    page = to_numpy(over_time("elman 3 -> elman 4 -> bidirectional elman 2 -> dense 2", **STEPS))
    assert page.count("def elman") == 2  # the way on, and the way back
    page = to_numpy(over_time("own 3 -> own 3 gain=0.5 -> dense 2", **STEPS))
    assert [line for line in page.splitlines() if line.startswith("def own")] == [
        "def own(xs, h, s, W, U, b):",
        "def own_grad(dys, xs, hs, ss, W, U, b):",
        "def own_2(xs, h, s, W, U, b):",
        "def own_2_grad(dys, xs, hs, ss, W, U, b):",
    ]


@pytest.mark.parametrize("name", ["train", "predict", "loss_and_grads", "xs", "np", "x", "range", "h0", "stream"])
def test_names_of_cells(name: str):
    """Whatever a cell is called, its function stands beside those of the page."""
    text = "net small\n" + CELLS["elman"].replace("elman", name) + "input x: f32[T, 3]\ntarget y: f32[T, 2]\n"
    try:
        net = load_text(f"{text}{name} 3 -> {name} 2\nloss mse\nupdater sgd\n")
    except SpecError:
        return  # a name that is refused
    gradients_of_weights(net)


@pytest.mark.parametrize(
    "chain",
    [
        "gru 4 -> globalavgpool",
        "gru 4 -> tanh -> conv 3 2 -> batchnorm -> flatten",
        "conv 4 2 -> layernorm -> flatten",
        "conv 4 2 -> prelu -> maxpool 2 -> instancenorm -> flatten",
        "conv 4 2 -> permute [1, 0] -> rmsnorm -> flatten",
    ],
)
def test_a_step_is_what_an_example_is(chain: str):
    """Layers that see each step as an example of its own take its axes for what they are in one."""
    each = "time_distributed " + chain.replace("-> ", "-> time_distributed ").replace("time_distributed tanh", "tanh")
    ends = "\noutput y\nloss mse(y, goal)\nupdater sgd\n"
    nets = [
        load_text(f"net small\ninput x: {given}\ntarget goal: f32[2]\ny = x -> {word} -> dense 2{ends}")
        for given, word in (("f32[6, 5]", chain), ("f32[T, 6, 5]", f"{each} -> last_step"))
    ]
    alone, among = map(module, nets)
    rng = np.random.default_rng(3)
    p, x = weights(alone, nets[0], rng, ()), rng.standard_normal((2, 3, 6, 5))
    assert_close(among.predict(p, x), alone.predict(p, x[:, -1]), EXACT)


# Faults ---------------------------------------------------------------------------------------------------------------

FAULTS = {
    "conv 4 3x3 -> lstm 4 -> dense 2 ¦ f32[1, 8, 8]": "lstm needs steps of features, but conv gives [4, 6, 6]",
    "lstm 4 -> dense 2 ¦ token(5)[T]": "lstm needs numbers, but x is a category",
    "lstm 4 -> dense 2 ¦ f32[8]": "lstm needs steps of features, but x gives [8]",
    "last_step -> dense 2 ¦ f32[8]": "last_step needs steps, but x gives [8]",
    "own 4 -> dense 2 ¦ f32[8]": "own needs steps of features, but x gives [8]",
    "h = last_step\nx -> gru 4 h=h -> last_step -> dense 2": "the first state is [3], and the layer has 4 units",
    "h = rnn 4\nx -> gru 4 h=h -> last_step -> dense 2": "the first state is [T, 4], and the layer has 4 units",
    "lstm 4 h=3 -> last_step -> dense 2": "h takes the name of a value",
    "bidirectional dense 4 -> last_step -> dense 2": "bidirectional takes a recurrent layer, and dense is none",
    "bidirectional bidirectional rnn 4 -> last_step -> dense 2": "and bidirectional is none",
    "bidirectional -> last_step -> dense 2": "bidirectional takes a layer",
    "bidirectional lstm 3 mode=both -> last_step -> dense 2": "is concat, sum, average or multiply",
    "lstm 3 mode=sum -> last_step -> dense 2": "lstm has no option mode",
    "gru 4 -> cells -> last_step -> dense 2": "cells gives those of one lstm or graves_lstm",
    "bidirectional lstm 4 -> cells -> last_step -> dense 2": "cells gives those of one lstm or graves_lstm",
    "rnn 3 -> repeat_like x -> last_step -> dense 2": "repeat_like repeats a list of features, but rnn gives [T, 3]",
    "h = last_step\nh -> repeat_like h -> last_step -> dense 2": "repeat_like needs a value with steps",
    "time_distributed rnn 3 -> last_step -> dense 2": "rnn needs steps of features, but x gives [3]",
    **{
        f"time_distributed conv 4 2 -> {word} -> last_step -> dense 2 ¦ f32[T, 6, 5]": "are the first axis of each step"
        for word in ("dense 3", "softmax", "glu", "crelu", "concat x", "batchnorm", "elementwise", "attention")
    },
    "time_distributed layernorm -> time_distributed conv 4 2 -> last_step ¦ f32[T, 6, 5]": "layernorm took the last",
    "layernorm -> time_distributed conv 4 2 -> last_step ¦ f32[T, 6, 5]": "layernorm took the last",
}


@pytest.mark.parametrize("text", FAULTS)
def test_faults(text: str):
    chains, _, given = text.partition(" ¦ ")
    with pytest.raises(SpecError) as caught:
        over_time(chains, given=given or "f32[T, 3]")
    assert FAULTS[text] in str(caught.value)


BODIES = {
    "state h = zeros(units)\nh = tanh(in @ W + h @ U)": "c can end without return",
    "state h = zeros(units)\nreturn tanh(in @ W + h @ U)": "the state h keeps its first value for ever",
    "state h = zeros(units)\nh = mean(in @ W + h @ U)\nreturn h": "the state h has 3 numbers, and this is not as many",
    "state h = zeros\nh = tanh(in @ W + h @ U)\nreturn h": "the state of a cell begins with so many zeros or ones",
    "state h = zeros(0)\nh = tanh(in @ W + h @ U)\nreturn h": "a size is a whole number of at least 1",
    "state h = zeros(units)\nstate h = ones(units)\nh = in @ W + h @ U\nreturn h": "h is already a state",
    "state h = zeros(units)\nh = tanh(in @ W + h @ U)\nreturn mean(h)": "c gives no list of numbers for each step",
    "state h = zeros(units)\nh = tanh(in @ W)\nreturn in @ W @ U": "nothing uses the state h",
}


@pytest.mark.parametrize("body", BODIES)
def test_faults_of_cells(body: str):
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    cell = f"def cell c(units) {{\n    weight W: [in.features, units]\n    weight U: [units, units]\n{lines}\n}}\n"
    with pytest.raises(SpecError) as caught:
        load_text(
            f"net n\n{cell}input x: f32[T, 3]\ntarget y: f32[2]\nc 3 -> last_step -> dense 2\nloss mse\nupdater sgd\n"
        )
    assert BODIES[body] in str(caught.value)


def test_lengths_of_examples_are_none_of_their_parts():
    text = "net n\ninput a: f32[T, 2] lengths=true\ninput x: f32[S, T, 3]\ntarget y: f32[2]\nb = a -> last_step\n"
    text += "x -> time_distributed rnn 3 -> time_distributed last_step -> last_step -> concat b -> dense 2\nloss mse\n"
    with pytest.raises(SpecError, match="goes over T, whose lengths are those of whole examples"):
        load_text(f"{text}updater sgd\n")


WEIGHED = [("class(3)[T]", "dense 3 -> softmax", "mcxent", "class_weight=[1, 2, 3]")]
WEIGHED += [
    ("class(3)[T]", "dense 3 -> softmax", "mcxent", "sample_weight=w"),
    ("f32[T, 2]", "dense 2", "mse", "sample_weight=w"),
]
WEIGHED += [("class(3)", "last_step -> dense 3 -> softmax", "mcxent", "class_weight=[1, 2, 3]")]


@pytest.mark.parametrize(("target", "head", "loss", "how"), WEIGHED)
def test_weights_over_steps(target: str, head: str, loss: str, how: str):
    """Weights of classes and examples weigh each step that counts, in training and in what is reported."""
    more = f"train {how} validation=20%" + "\ntarget w: positive" * ("sample" in how)
    net = over_time(f"rnn 3 -> {head}", target=target, loss=loss, more=more)
    check_steps(net, 2)
    made, rng = module(net), np.random.default_rng(0)
    inputs, targets = batch(net, rng)
    p = weights(made, net, rng, inputs)
    lengths = inputs[1:] if "T" in target else []
    reported = made.metrics(made.predict(p, *inputs), *lengths, *targets)
    assert_close(reported["loss"], made.loss_and_grads(p, *inputs, *targets)[0], EXACT)


def test_the_class_of_an_example_weighs_its_steps():
    """Of several losses one is of steps, and class_weight speaks of examples."""
    text = "net n\ninput x: f32[T, 3]\ntarget y: f32[T, 2]\ntarget z: binary\np = x -> dense 2\n"
    text += "q = x -> last_step -> dense 1 -> sigmoid\nloss a = mse(p, y)\nloss b = xent(q, z)\n"
    net = load_text(f"{text}output p\noutput q\nupdater sgd\ntrain class_weight=[1, 3]\n")
    made, rng = module(net), np.random.default_rng(0)
    (x,), (y, z) = batch(net, rng)
    p = weights(made, net, rng, [x])
    each = np.square(made.predict(p, x)[0] - y).mean(axis=(1, 2))
    share = np.where(z.reshape(-1) > 0, 3, 1)
    assert_close(made.a_and_grads(p, x, y, z)[0], (share * each).sum() / share.sum(), EXACT)
