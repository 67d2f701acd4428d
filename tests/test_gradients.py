"""Gradients of whole nets in float64: what the trainer returns for weights, and the compiler's own for inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import (
    Array,
    assert_close,
    assert_slopes,
    at_kink,
    batch,
    compiled,
    extras,
    input_gradients,
    module,
    small,
    weights,
)
from netc.dsl import Net, SpecError, load_text
from netc.dsl.words import WORDS
from uses import FLAT, Use, judged_net, nets_around, targets_of, uses

DIFFERENTIATED = [use for use in uses("layer", "activation", "loss") if use.word.name not in FLAT]


def gradients_of_weights(net: Net, seed: int = 8, made: Any = None) -> int:
    """Check what `loss_and_grads` returns for each weight; return how often a point was moved."""
    rng = np.random.default_rng(seed)
    made = made or module(net)
    for moves in range(20):
        inputs, targets = batch(net, rng)
        p = weights(made, net, rng, inputs)
        given = extras(made, net)

        def loss(name: str, value: Array, p: Any = p, examples: Any = (*inputs, *targets), given: Any = given) -> float:
            return float(made.loss_and_grads({**p, name: value}, *examples, **given)[0])

        if any(at_kink(lambda w, name=name: loss(name, w), p[name]) for name in net.trained):
            continue
        _, grads, *_ = made.loss_and_grads(p, *inputs, *targets, **given)
        assert list(grads) == list(net.trained)
        for name, grad in grads.items():
            assert grad.dtype == np.float64
            assert_slopes(grad, lambda w, name=name: loss(name, w), p[name], name)
        return moves
    raise AssertionError("kinks everywhere")


def gradients_of_inputs(net: Net, seed: int = 9) -> None:
    """Check the gradient of the loss for each input that holds numbers."""
    program = input_gradients(net)
    run, made = compiled(program), module(net)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        inputs, targets = batch(net, rng)
        fields = (*net.inputs, *net.targets)
        given = dict(zip([f.name for f in fields], [*inputs, *targets], strict=True))
        more = extras(made, net)
        given |= weights(made, net, rng, inputs) | more.pop("draws", {}) | more

        def loss(name: str, value: Array, given: Any = given) -> float:
            return float(run({**given, name: value})["loss"])

        names = [f.name for f in net.inputs if f"d{f.name}" in program.results]
        assert names
        if any(at_kink(lambda x, name=name: loss(name, x), given[name]) for name in names):
            continue
        found = run(given)
        for name in names:
            assert_slopes(found[f"d{name}"], lambda x, name=name: loss(name, x), given[name], f"input {name}")
        return
    raise AssertionError("kinks everywhere")


@pytest.mark.parametrize("use", DIFFERENTIATED, ids=str)
def test_gradients_of_weights(use: Use):
    for net in nets_around(use):
        gradients_of_weights(net)


@pytest.mark.parametrize("use", [use for use in DIFFERENTIATED if not use.word.ids], ids=str)
def test_gradients_of_inputs(use: Use):
    for net in nets_around(use):
        gradients_of_inputs(net)


NETS = {
    "a value used twice": "a = dense 6 -> tanh\na -> add x -> concat a -> dense 2",
    "three branches": "a = dense 3 -> tanh\nb = x -> dense 3 -> gelu\na -> concat b x -> dense 2",
    "one value added to itself": "a = dense 2 -> tanh\na -> add a a",
    "activations in a row": "dense 4 -> tanh -> sigmoid -> softplus -> elu 2 -> gelu\ndense 2",
    "no bias": "dense 4 bias=false -> tanh\ndense 2 bias=false",
    "l1 and l2": "dense 4 l1=0.3 l2=0.2 -> tanh\ndense 2 l2=0.5 bias_init=ones",
    "frozen": "dense 4 frozen=true -> tanh\ndense 2 l2=0.2",
    "standardize twice": "standardize -> standardize -> dense 2",
    "dropout": "dropout 20% -> dense 5 -> dropout 50% -> dense 2",
    "shapes": "reshape [3, 2] -> tanh -> flatten -> reshape [6] -> dense 2",
    "named": "dense 4 name=first -> tanh\ndense 2 name=last",
    "softmax in the middle": "dense 4 -> softmax -> dense 2",
    "an activation of the input": "tanh -> dense 2",
    "kinks in a row": "dense 7 -> relu -> dense 7 -> leakyrelu 0.2 -> dense 7 -> selu -> dense 2",
}


@pytest.mark.parametrize("name", NETS)
def test_gradients_of_nets(name: str):
    net = small(NETS[name])
    gradients_of_weights(net)
    gradients_of_inputs(net)


LOSSES = {
    "weighted sum": "0.5 * mse(p, y) + 2 * mae(p, y)",
    "difference": "mse(p, y) - 0.1 * mae(p, y)",
    "quotient": "mse(p, y) / 3",
    "power": "mse(p, y) ^ 2",
    "two predictions": "mse(p, q)",
    "a number": "mse(p, 0.5)",
    "negative": "-mse(p, y) + 3 * mse(p, y)",
    "product": "mse(p, y) * mse(q, y)",
    "constant added": "mse(p, y) + 1",
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_loss_expressions(name: str):
    chains = "p = dense 4 -> tanh -> dense 2\nq = x -> dense 2 -> sigmoid\noutput p\noutput q"
    also = "" if "q" in LOSSES[name] else " + 0.1 * mae(q, y)"
    more = "metric mae(p, y) mae(q, y)"
    gradients_of_weights(small(chains, loss=LOSSES[name] + also, more=more))


def test_two_heads_share_a_body():
    net = load_text(
        "net two\ninput x: f32[6]\ntarget k: class(3)\ntarget y: binary[2]\nbody = dense 4 -> tanh\n"
        "kind = body -> dense 3 -> softmax\nyes = body -> concat kind -> dense 2 -> sigmoid\n"
        "output kind\noutput yes\nloss mcxent(kind, k) + 0.3 * xent(yes, y)\nupdater adam\n"
    )
    gradients_of_weights(net)
    gradients_of_inputs(net)


def test_deep():
    """Fifty layers: every one has a gradient, and none is lost or counted twice on the way."""
    chains = "\n".join(f"dense 6 -> tanh -> {'add' if i % 3 else 'concat'} x" for i in range(1, 50))
    net = small(chains + "\ndense 2")
    made = module(net)
    rng = np.random.default_rng(0)
    inputs, targets = batch(net, rng)
    p = weights(made, net, rng, inputs)
    loss, grads = made.loss_and_grads(p, *inputs, *targets)
    for _ in range(3):
        move = {k: rng.standard_normal(p[k].shape) for k in grads}
        ends = [{k: p[k] + s * 1e-6 * move[k] if k in move else p[k] for k in p} for s in (-1, 1)]
        low, high = (made.loss_and_grads(q, *inputs, *targets)[0] for q in ends)
        analytic = sum(np.vdot(grads[k], move[k]) for k in grads)
        assert abs((high - low) / 2e-6 - analytic) <= 1e-6 * abs(analytic) + 1e-9 * loss


# Meanings -------------------------------------------------------------------------------------------------------------


def test_loss_is_the_mean_over_examples():
    """A batch twice over has the same loss and the same gradients; so has its order reversed."""
    for use in uses("loss"):
        for target in targets_of(use):
            net = judged_net(use, target)
            made, rng = module(net), np.random.default_rng(1)
            inputs, targets = batch(net, rng)
            p = weights(made, net, rng, inputs)
            loss, grads, *_ = made.loss_and_grads(p, *inputs, *targets)
            for rows in (np.tile(np.arange(5), 2), np.arange(5)[::-1]):
                again, others, *_ = made.loss_and_grads(p, *(a[rows] for a in (*inputs, *targets)))
                assert_close(again, loss, 1e-13)
                assert all(np.allclose(grads[k], others[k], rtol=1e-12, atol=1e-14) for k in grads)


def test_penalties_are_in_the_loss():
    plain, held = small("dense 4 -> tanh\ndense 2"), small("dense 4 l1=0.3 l2=0.2 -> tanh\ndense 2 l2=0.5")
    rng = np.random.default_rng(2)
    inputs, targets = batch(plain, rng)
    p = weights(module(plain), plain, rng, inputs)
    loss, grads = module(plain).loss_and_grads(p, *inputs, *targets)
    more, others = module(held).loss_and_grads(p, *inputs, *targets)
    penalty = 0.3 * abs(p["W1"]).sum() + 0.1 * (p["W1"] ** 2).sum() + 0.25 * (p["W2"] ** 2).sum()
    assert_close(more, loss + penalty, 1e-13)
    assert_close(others["W1"] - grads["W1"], 0.3 * np.sign(p["W1"]) + 0.2 * p["W1"], 1e-13)
    assert_close(others["W2"] - grads["W2"], 0.5 * p["W2"], 1e-13)
    assert all(np.array_equal(others[b], grads[b]) for b in ("b1", "b2"))


def test_frozen_weights_get_no_gradient_and_do_not_move():
    net = small("dense 4 frozen=true -> tanh\ndense 2", updater="adam lr=0.1")
    made = module(net)
    rng = np.random.default_rng(0)
    inputs, targets = batch(net, rng)
    p = weights(made, net, rng, inputs)
    moments, before = made.init_updater(p), dict(p)
    _, grads = made.loss_and_grads(p, *inputs, *targets)
    made.update(p, moments, grads, 1, 0.0)
    assert set(grads) == {"W2", "b2"} and set(moments) == {"W2.m", "W2.v", "b2.m", "b2.v"}
    assert all(np.array_equal(p[k], before[k]) == (k in ("W1", "b1")) for k in p)


def test_a_weight_that_no_loss_sees_is_refused():
    with pytest.raises(SpecError, match="no loss trains W1 and b1"):
        small("a = dense 4\noutput a\nx -> dense 2")


NO_SLOPES = (
    "dense 4 -> step -> dense 2",
    "dense 4 -> relu -> dense 3 -> step -> dense 2",
    "dense 4 -> scale 0 -> dense 2",
)


@pytest.mark.parametrize("chains", NO_SLOPES)
def test_what_no_slope_leads_to_is_refused(chains: str):
    with pytest.raises(SpecError, match="no loss trains W1 and b1: what follows has the slope 0"):
        small(chains)
    frozen = small(chains.replace("dense 4", "dense 4 frozen=true").replace("dense 3", "dense 3 frozen=true"))
    assert all(name.endswith(("2", "3")) for name in frozen.trained)
    gradients_of_weights(frozen)


def test_what_gives_its_number_of_steps_alone_is_refused():
    """And scores of one step alone, whose share is always 1; what has the same steps without weights may be named."""
    steps = "net small\ninput x: f32[T, 4]\ninput q: f32[3]\ntarget y: f32[2]\nloss mse\nupdater sgd\n"
    for count in ("a = x -> dense 4 -> tanh", "a = x -> lstm 5", "a = x -> conv 4 3 -> dense 2"):
        with pytest.raises(SpecError, match=r"no loss trains W1.* b1: what follows takes only the number of steps"):
            load_text(f"{steps}{count}\nq -> repeat_like a -> gru 3 -> last_step -> dense 2\n")
    for count in ("a = x -> conv 4 3 frozen=true", "a = x -> tanh", "a = x -> dense 2\nb = a -> last_step"):
        more = " -> add b" if "b =" in count else ""
        net = load_text(f"{steps}{count}\nq -> repeat_like a -> gru 3 -> last_step -> dense 2{more}\n")
        assert ("W1" in net.trained) == ("frozen" not in count)
    with pytest.raises(SpecError, match="no loss trains Wq1, bq1, Wk1 and bk1: what follows has the slope 0"):
        small("reshape [1, 6] -> attention heads=2 -> flatten -> dense 2")


def test_every_differentiable_word_was_checked():
    checked = {use.word.name for use in DIFFERENTIATED} | set(FLAT)
    kinds = ("layer", "activation", "loss")
    assert {w.name for w in WORDS.values() if w.kind in kinds and not w.aligns} <= checked
