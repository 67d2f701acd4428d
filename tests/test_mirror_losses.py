"""Every loss after every activation, on every kind of target, weighed and at the edge: its value and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from harness import (
    Array,
    assert_close,
    assert_gradient,
    batch,
    extras,
    module,
    narrow,
    numeric_gradient,
    small,
    weights,
)
from netc.dsl import Net, SpecError
from netc.dsl.words import WORDS
from test_gradients import gradients_of_inputs, gradients_of_weights
from uses import EXACT, SINGLE, check_steps, write

# Where the values of each activation lie, from its definition; the narrowest of the intervals that losses ask for.
RANGES = {
    "any": """identity cube leakyrelu elu celu selu gelu swish hardswish mish glu logsigmoid logsoftmax rationaltanh
              prelu rrelu""",
    "-1..1": "tanh hardtanh softsign",
    "0..": "relu relu6 thresholdedrelu crelu softplus",
    "0..1": "sigmoid hardsigmoid rectifiedtanh step",
    "shares": "softmax",
}
RANGE = {word: where for where, words in RANGES.items() for word in words.split()}
# Which of these lie within each other.
WITHIN = {
    "any": ("any", "-1..1", "0..", "0..1", "shares"),
    "-1..1": ("-1..1", "0..1", "shares"),
    "0..": ("0..", "0..1", "shares"),
    "0..1": ("0..1", "shares"),
    "shares": ("shares",),
}
NUMBERS = "f32 unit positive count simplex binary"
# What each loss is defined on: the values of its prediction, and the kinds of its target.
ASKS = {
    **dict.fromkeys(("mse", "l2", "mae", "l1", "huber", "logcosh", "quantile", "cosine_proximity"), ("any", NUMBERS)),
    "mape": ("any", "f32 unit positive"),
    "msle": ("0..", "unit positive count simplex binary"),
    **dict.fromkeys(("xent", "reconstruction_crossentropy", "rmse_xent"), ("0..1", "binary unit simplex")),
    "mcxent": ("shares", "simplex unit binary class"),
    "kl_divergence": ("shares", "simplex"),
    "focal": ("0..1", "binary class"),
    "expll": ("0..", "count positive"),
    "poisson": ("any", "count positive"),
    "mixture_density": ("any", "f32 unit positive count simplex"),
    **dict.fromkeys(("hinge", "squared_hinge", "wasserstein"), ("any", "f32 binary")),
    "multilabel": ("-1..1", "binary"),
    "fmeasure": ("0..1", "binary"),
}
# What compares something else than one prediction with one target, and where it is judged.
OTHERS = {"center_loss": "features beside labels: test_center_loss", "ctc": "steps beside labels in a row: test_ctc"}
KINDS = (*NUMBERS.split(), "class")
# How many outputs come before a word that changes their number to 4.
BEFORE = {"crelu": 2, "glu": 8}
OPTIONS: dict[str, dict[str, Any]] = {"quantile": {"q": 0.3}, "mixture_density": {"mixtures": 1}}


def written(loss: str, **options: Any) -> str:
    """A loss with its options, as a spec writes it."""
    given = OPTIONS.get(loss, {}) | options
    return " ".join([loss, *(f"{key}={write(value)}" for key, value in given.items())])


def expected(loss: str, activation: str, kind: str) -> str | None:
    """The code with which a combination is refused; None where it is a net."""
    values, kinds = ASKS[loss]
    if kind not in kinds.split():
        return "target-mismatch"
    # A class is compared with probabilities that sum to 1, whatever else the loss takes.
    if RANGE[activation] not in WITHIN["shares" if kind == "class" else values]:
        return "domain-mismatch"
    return "nothing-to-train" if activation == "step" else None


def ended(loss: str, activation: str, kind: str, more: str = "", **options: Any) -> Net:
    """A layer, an activation and a loss; four outputs."""
    size = "(4)" if kind == "class" else "[2]" if loss == "mixture_density" else "[4]"
    chain = f"dense {BEFORE.get(activation, 4)} -> {activation}"
    return small(chain, given="f32[2]", target=f"{kind}{size}", loss=written(loss, **options), more=more)


def accepted(loss: str, activation: str, kinds: tuple[str, ...]) -> list[Net]:
    """The nets of a loss after an activation on some kinds of target; what is no net is refused as it should be."""
    nets: list[Net] = []
    for kind in kinds:
        code = expected(loss, activation, kind)
        if code is None:
            nets.append(ended(loss, activation, kind))
            continue
        with pytest.raises(SpecError) as refused:
            ended(loss, activation, kind)
        assert [d.code for d in refused.value.diagnostics] == [code], kind
    return nets


# In plain numbers -----------------------------------------------------------------------------------------------------


def predicted(p: dict[str, Array], x: Array, activation: str, draws: dict[str, Array]) -> Array:
    """What one layer and an activation make of x in training."""
    z = reference.matmul(x, p["W1"]) + p["b1"]
    if activation == "prelu":
        return reference.LAYERS["prelu"](z, {"alpha": p["alpha2"]}, None)
    if activation == "rrelu":
        (draw,) = draws.values()
        return np.where(z > 0, z, (1 / 8 + (1 / 3 - 1 / 8) * draw) * z)
    return reference.ACTIVATIONS[activation](z)


def value_in_plain_numbers(
    net: Net, made: Any, loss: str, activation: str, importance: Array | None = None, **options: Any
) -> None:
    """The loss is the (weighted) mean of what the reference says of each example.

    The scores lie from 1 to 3, where every activation is smooth and gives what has a logarithm, but for crelu's other
    half: there the logarithm of the smallest probability stands for that of 0.
    """
    rng = np.random.default_rng(4)
    (x,), (y, *others) = batch(net, rng)
    p = weights(made, net, rng, [x])
    x, p["b1"] = 0.2 * x, p["b1"] + 2
    given = extras(made, net)
    q = predicted(p, x, activation, given.get("draws", {}))
    if ASKS[loss][0] in ("0..", "0..1"):
        q = np.maximum(q, 1e-30)
    each = reference.LOSSES[loss](q, y, **OPTIONS.get(loss, {}) | options)
    shares = np.ones(len(each))
    for weight in others:
        shares = shares * weight[:, 0]
    if importance is not None:
        shares = shares * importance[(y if y.dtype == np.int64 else y[:, 0]).astype(int)]
    found, _ = made.loss_and_grads(p, x, y, *others, **given)
    assert_close(found, np.sum(shares * each) / np.sum(shares), EXACT, f"{loss} of {activation}")


def test_the_tables_know_every_word():
    """None is dropped: each loss has an activation and a kind of target, and each activation a loss."""
    losses, activations = ({n for kind, n in WORDS if kind == wanted} for wanted in ("loss", "activation"))
    assert set(ASKS) | OTHERS.keys() == losses and set(RANGE) == activations | {"prelu", "rrelu"}
    assert not OTHERS.keys() & ASKS.keys()
    fitting = [(k, a, kind) for k in ASKS for a in RANGE for kind in KINDS if expected(k, a, kind) is None]
    assert {k for k, _, _ in fitting} == set(ASKS) and {a for _, a, _ in fitting} == {*RANGE} - {"step"}


@pytest.mark.parametrize("loss", ASKS)
def test_records_and_tables_agree(loss: str):
    """What a record says is what the tables say, so that no pair is refused for another reason."""
    assert {*WORDS["loss", loss].targets} == {*ASKS[loss][1].split()}


@pytest.mark.parametrize("loss", ASKS)
def test_losses_on_kinds_of_target(loss: str):
    """Probabilities that sum to 1 lie within what any loss asks for, so that only the target can be at fault."""
    for net in accepted(loss, "softmax", KINDS):
        made = module(net)
        value_in_plain_numbers(net, made, loss, "softmax")
        gradients_of_weights(net, made=made)


@pytest.mark.parametrize("activation", RANGE)
@pytest.mark.parametrize("loss", ASKS)
def test_losses_after_activations(loss: str, activation: str):
    """What does not fit is refused; of what does, value and gradient are right for numbers and for classes."""
    numbers, *more = ASKS[loss][1].split()
    for net in accepted(loss, activation, (numbers, *({"class"} & {*more}))):
        made = module(net)
        value_in_plain_numbers(net, made, loss, activation)
        gradients_of_weights(net, made=made)


@pytest.mark.exhaustive
@pytest.mark.parametrize("activation", RANGE)
@pytest.mark.parametrize("loss", ASKS)
def test_losses_after_activations_on_all_targets(loss: str, activation: str):
    """The same for every kind of target, and of inputs; float32 gives what float64 does, the step graph its step."""
    nets = accepted(loss, activation, KINDS)
    for net in nets:
        made = module(net)
        value_in_plain_numbers(net, made, loss, activation)
        gradients_of_weights(net, made=made)
        in_both_precisions(net, made)
    for net in nets[:1]:
        gradients_of_inputs(net)
        if loss != "mape":  # of which the first step is as steep as its smallest target is small
            check_steps(net, 1)


def in_both_precisions(net: Net, made: Any) -> None:
    rng = np.random.default_rng(8)
    inputs, targets = batch(net, rng)
    p, given = weights(made, net, rng, inputs), extras(made, net)
    examples = dict(enumerate((*inputs, *targets)))
    loss, grads = made.loss_and_grads(p, *examples.values(), **given)
    rough, others = made.loss_and_grads(narrow(p), *narrow(examples).values(), **given)
    assert_close(rough, loss, SINGLE, "loss")
    for name, grad in grads.items():
        assert others[name].dtype == np.float32
        assert_close(others[name], grad, SINGLE, name)


# Weights of outputs, of classes and of examples -----------------------------------------------------------------------

WEIGHED = [n for (kind, n), word in WORDS.items() if kind == "loss" and "weights" in word.options]


@pytest.mark.parametrize("loss", WEIGHED)
def test_weights_of_outputs(loss: str):
    """Each output its own, one of them nothing."""
    kinds, each = ASKS[loss][1].split(), (0.5, 2.0, 0.0, 1.0)
    for kind in {kinds[0], kinds[-1]}:
        net = ended(loss, "softmax", kind, weights=each)
        made = module(net)
        value_in_plain_numbers(net, made, loss, "softmax", weights=each)
        gradients_of_weights(net, made=made)


@pytest.mark.parametrize("loss", ASKS)
def test_weights_of_examples(loss: str):
    net = ended(loss, "softmax", ASKS[loss][1].split()[0], "target importance: unit\ntrain sample_weight=importance")
    made = module(net)
    if loss != "fmeasure":  # which is one value of the whole batch
        value_in_plain_numbers(net, made, loss, "softmax")
    gradients_of_weights(net, made=made)


ONE_COLUMN = ("dense 1 -> sigmoid", "binary", (0.3, 2))
# What one number alone cannot be compared by has no classes in one column.
OF_CLASSES = [(n, k) for n, (_, kinds) in ASKS.items() for k in ("class", "binary") if k in kinds.split()]
OF_CLASSES = [pair for pair in OF_CLASSES if pair not in (("mcxent", "binary"), ("cosine_proximity", "binary"))]


@pytest.mark.parametrize(("loss", "kind"), OF_CLASSES)
def test_weights_of_classes(loss: str, kind: str):
    """Each class its own, beside those of the examples."""
    end, type, each = ("dense 4 -> softmax", "class(4)", (1, 5, 0.5, 2)) if kind == "class" else ONE_COLUMN
    more = f"target importance: unit\ntrain class_weight={write(each)} sample_weight=importance"
    net = small(end, given="f32[2]", target=type, loss=written(loss), more=more)
    made = module(net)
    value_in_plain_numbers(net, made, loss, end.split()[-1], np.array(each))
    gradients_of_weights(net, made=made)


LOSSES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "smooth classes": ("class", "mcxent", {"smoothing": 0.2}),
    "smooth shares": ("simplex", "mcxent", {"smoothing": 0.2}),
    "smooth truths": ("binary", "xent", {"smoothing": 0.2}),
    "smooth and weighed classes": ("class", "mcxent", {"smoothing": 0.1, "weights": (1.0, 2.0, 3.0, 0.5)}),
    "smooth and weighed truths": ("binary", "xent", {"smoothing": 0.1, "weights": (1.0, 2.0, 3.0, 0.5)}),
    "focal without focus": ("class", "focal", {"gamma": 0.0}),
    "focal of classes": ("class", "focal", {"gamma": 0.5, "alpha": 0.3}),
    "focal of truths": ("binary", "focal", {"gamma": 3.0, "alpha": 0.25, "weights": (1.0, 2.0, 3.0, 0.5)}),
    "fmeasure for recall": ("binary", "fmeasure", {"beta": 2.0}),
    "huber that is a line": ("f32", "huber", {"delta": 0.01}),
    "quantile": ("f32", "quantile", {"q": 0.05}),
}


@pytest.mark.parametrize("name", LOSSES)
def test_options_of_losses(name: str):
    kind, loss, options = LOSSES[name]
    net = ended(loss, "softmax", kind, **options)
    made = module(net)
    value_in_plain_numbers(net, made, loss, "softmax", **options)
    gradients_of_weights(net, made=made)


@pytest.mark.parametrize(("mixtures", "size"), [(1, 1), (2, 1), (1, 3), (3, 2), (5, 4)])
def test_mixture_densities(mixtures: int, size: int):
    chain, loss = f"dense {(size + 2) * mixtures} -> tanh", f"mixture_density mixtures={mixtures}"
    net = small(chain, given="f32[2]", target=f"f32[{size}]", loss=loss)
    made = module(net)
    value_in_plain_numbers(net, made, "mixture_density", "tanh", mixtures=mixtures)
    gradients_of_weights(net, made=made)


# Examples at the edge -------------------------------------------------------------------------------------------------

LABELS = {
    "all and none": [[1, 1, 1], [0, 0, 0], [1, 0, 1]],
    "none at all": [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
    "all of all": [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
    "constant columns": [[1, 0, 1], [1, 0, 0], [1, 0, 1]],
    "one example": [[1, 0, 0]],
    "one example without labels": [[0, 0, 0]],
    "a single label": [[1], [0], [1]],
    "a single label of all": [[1], [1]],
}
# Two losses are refused of one number.
OF_LABELS = [
    (loss, name)
    for loss, (_, kinds) in ASKS.items()
    for name, rows in LABELS.items()
    if "binary" in kinds and (len(rows[0]) > 1 or loss not in ("mcxent", "cosine_proximity"))
]


@pytest.mark.parametrize(("loss", "name"), OF_LABELS)
def test_labels_at_the_edge(loss: str, name: str):
    """A batch of one, labels that all examples share, and examples with all labels or with none."""
    y = np.array(LABELS[name], float)
    end = "softmax" if loss == "mcxent" else "tanh" if loss == "multilabel" else "sigmoid"
    net = small(f"dense {y.shape[1]} -> {end}", given="f32[2]", target=f"binary[{y.shape[1]}]", loss=written(loss))
    edge(net, loss, end, y)


@pytest.mark.parametrize("loss", [name for name, (_, kinds) in ASKS.items() if "class" in kinds])
@pytest.mark.parametrize("labels", [[0] * 7, [0] * 6 + [2], [1]])
def test_classes_out_of_balance(loss: str, labels: list[int]):
    for shares in (None, (0.1, 3, 5)):
        more = f"train class_weight={write(shares)}" if shares else ""
        net = small("dense 3 -> softmax", given="f32[2]", target="class(3)", loss=loss, more=more)
        edge(net, loss, "softmax", np.array(labels), np.array(shares or (1, 1, 1)))


def edge(net: Net, loss: str, end: str, y: Array, shares: Array | None = None) -> None:
    """Value and gradient of a loss on these targets, whatever they are."""
    made, rng = module(net), np.random.default_rng(2)
    x = rng.uniform(-1, 1, (len(y), 2))
    p = weights(made, net, rng, [x])
    each = reference.LOSSES[loss](predicted(p, x, end, {}), y, **OPTIONS.get(loss, {}))
    of = np.ones(len(y)) if shares is None else shares[y]
    value, grads = made.loss_and_grads(p, x, y)
    assert_close(value, np.sum(of * each) / np.sum(of), EXACT, loss)
    for name, grad in grads.items():
        numeric = numeric_gradient(lambda w, name=name: float(made.loss_and_grads({**p, name: w}, x, y)[0]), p[name])
        assert_gradient(grad, numeric, float(value), f"{loss} {name}")
