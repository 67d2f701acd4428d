"""Constraints: every weight of a constrained layer satisfies them after each step, in the file and in the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import Array, assert_close, batch, module, small, weights
from netc.cli.proof import prove
from netc.codegen import to_numpy, to_onnx, to_step
from netc.dsl import SpecError
from uses import check_steps

# Each constraint as a spec asks for it, and what holds of the norms of the columns, or of the elements, afterwards.
ASKED = {
    "max_norm=0.8": lambda w: (norms(w) <= 0.8 * (1 + 1e-12)).all(),
    "min_max_norm=[0.5, 0.9]": lambda w: ((norms(w) >= 0.5 * (1 - 1e-12)) & (norms(w) <= 0.9 * (1 + 1e-12))).all(),
    "non_negative=true": lambda w: (w >= 0).all() and (w > 0).any(),
    "unit_norm=true": lambda w: np.allclose(norms(w), 1, rtol=1e-12, atol=0),
    "non_negative=true max_norm=0.8": lambda w: (w >= 0).all() and (norms(w) <= 0.8 * (1 + 1e-12)).all(),
}


def norms(w: Array) -> Array:
    """The norm of what goes into each unit of a dense layer."""
    return np.sqrt(np.sum(w * w, axis=0))


def stepped(chains: str, updater: str = "sgd lr=0.1") -> tuple[Any, dict[str, Array], dict[str, Array]]:
    """The trainer, weights, and the weights after a step."""
    net = small(chains, updater=updater)
    made, rng = module(net), np.random.default_rng(6)
    inputs, targets = batch(net, rng)
    before = weights(made, net, rng, inputs)
    after, moments = dict(before), made.init_updater(before)
    made.update(after, moments, made.loss_and_grads(before, *inputs, *targets)[1], 1, 0.0)
    return made, before, after


@pytest.mark.parametrize("updater", ["sgd lr=0.1", "adam lr=0.1", "adamw lr=0.1 weight_decay=0.1"])
@pytest.mark.parametrize("asked", ASKED)
def test_it_holds_after_a_step(asked: str, updater: str):
    _, before, after = stepped(f"dense 4 {asked} -> tanh\ndense 2", updater)
    assert not ASKED[asked](before["W1"]), "the weights must give it something to do"
    assert ASKED[asked](after["W1"])


@pytest.mark.parametrize("asked", ASKED)
def test_it_acts_on_the_weight_that_the_updater_left(asked: str):
    """What satisfies it already stays; the rest keeps its direction. Biases and other layers are let alone."""
    _, _, plain = stepped("dense 4 -> tanh\ndense 2")
    _, _, held = stepped(f"dense 4 {asked} -> tanh\ndense 2")
    assert all(np.array_equal(plain[name], held[name]) for name in ("b1", "W2", "b2"))
    moved = np.maximum(plain["W1"], 0) if "non_negative" in asked else plain["W1"]
    assert_close(held["W1"] / norms(held["W1"]), moved / norms(moved), 1e-12)
    fine = np.array([bool(ASKED[asked](moved[:, [k]])) for k in range(4)])
    assert np.array_equal(held["W1"][:, fine], moved[:, fine])


def test_a_column_of_zeros_stays_so():
    for asked in ("min_max_norm=[0.5, 0.9]", "unit_norm=true", "max_norm=1"):
        made = module(small(f"dense 4 {asked} -> tanh\ndense 2", updater="sgd lr=0.1"))
        for dtype in (np.float32, np.float64):
            p = {name: np.zeros_like(w, dtype) for name, w in made.init(0).items()}
            with np.errstate(all="raise"):
                made.update(p, {}, dict(p), 1, 0.0)
            assert not p["W1"].any() and p["W1"].dtype == dtype


def test_the_first_weights_are_what_the_initializer_gives():
    plain, held = (module(small(f"dense 4{asked} -> tanh\ndense 2")).init(3) for asked in ("", " unit_norm=true"))
    assert np.array_equal(plain["W1"], held["W1"])


@pytest.mark.parametrize("asked", ASKED)
def test_steps(asked: str):
    check_steps(small(f"dense 4 {asked} -> tanh\ndense 2 {asked}", updater="adam lr=0.05"), what=asked)


def test_an_updater_that_moves_nothing_still_constrains():
    made, before, after = stepped("dense 4 unit_norm=true -> tanh\ndense 2", "none")
    assert np.allclose(norms(after["W1"]), 1)
    assert all(np.array_equal(before[name], after[name]) for name in before if name != "W1")
    assert "unit_norm" in made.update.__code__.co_names


def test_the_page_has_only_what_is_asked_for():
    page = to_numpy(small("dense 4 max_norm=2 -> tanh\ndense 3 max_norm=0.5 -> tanh\ndense 2 non_negative=true"))
    assert 'MAX_NORM = {"W1": 2, "W2": 0.5}' in page and 'NON_NEGATIVE = {"W3"}' in page
    assert "unit_norm" not in page.lower() and "min_max" not in page
    assert "max_norm" not in to_numpy(small("dense 2"))


def test_several_losses_constrain_what_they_move():
    chains = "p = dense 4 max_norm=0.1 name=body -> dense 2 name=head unit_norm=true\noutput p"
    losses = "a = mse(p, y) trains body\nloss b = mae(p, y) trains head"
    net = small(chains, loss=losses, updater="sgd lr=0.1")
    first = module(net).init(3)
    assert prove(net, to_numpy(net), to_onnx(net, first), to_step(net), first, False).ok
    made, rng = module(net), np.random.default_rng(6)
    inputs, targets = batch(net, rng)
    p = weights(made, net, rng, inputs)
    first = dict(p)
    made.update(p, {}, made.a_and_grads(p, *inputs, *targets)[1], 1, 0.0, "a")
    assert np.array_equal(p["W_head"], first["W_head"]) and norms(p["W_body"]).max() <= 0.1 * (1 + 1e-12)


WRONG = {
    "dense 2 max_norm=1 unit_norm=true": ("bad-option", "max_norm and unit_norm both set the norm of the weights"),
    "dense 2 min_max_norm=[2, 1]": ("bad-option", "min_max_norm lists the lowest norm and the highest"),
    "dense 2 min_max_norm=[1]": ("bad-option", "min_max_norm lists the lowest norm and the highest"),
    "dense 2 max_norm=0": ("bad-option", "max_norm of dense is a number above 0"),
    "dense 2 frozen=true max_norm=1\ndense 2": ("unknown-option", "dense is frozen, so max_norm does nothing"),
    "dense 2 -> tanh\nflatten unit_norm=true": ("unknown-option", "flatten has no weights, so unit_norm does nothing"),
}


@pytest.mark.parametrize("chains", WRONG)
def test_refused(chains: str):
    with pytest.raises(SpecError) as caught:
        small(chains)
    code, message = WRONG[chains]
    assert {d.code for d in caught.value.diagnostics} == {code}
    assert caught.value.diagnostics[0].message.startswith(message)
