"""What train does to the gradients before l1 and l2 are added: bounds, norms of 1, and of what a norm is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import Array, assert_close, batch, module, small, weights
from netc.cli.acting import Bound
from netc.dsl import SpecError
from uses import check_steps

CHAINS = "dense 4 -> tanh\ndense 3 bias=false -> tanh\ndense 2"
LAYERS = (("W1", "b1"), ("W2",), ("W3", "b3"))
GROUPS = {"all": (sum(LAYERS, ()),), "layer": LAYERS, "weight": tuple((w,) for layer in LAYERS for w in layer)}
SETTINGS = [f"{what} norm_per={per}" for what in ("clip_norm=0.05", "renormalize=true") for per in GROUPS]


def gradients(train: str, chains: str = CHAINS) -> tuple[Any, dict[str, Array], dict[str, Array]]:
    """The trainer, and its gradients of a batch without and with what `train` asks for."""
    net = small(chains, more=f"train {train}")
    made, rng = module(net), np.random.default_rng(4)
    inputs, targets = batch(net, rng)
    p = weights(made, net, rng, inputs)
    name = train.partition("=")[0]
    free = made.loss_and_grads(p, *inputs, *targets)[1]
    return made, free, made.loss_and_grads(p, *inputs, *targets, **{name: getattr(made, name.upper())})[1]


def norm(grads: dict[str, Array], names: tuple[str, ...]) -> float:
    return float(np.sqrt(sum(np.sum(grads[name] ** 2) for name in names)))


@pytest.mark.parametrize("per", GROUPS)
def test_norms_are_bounded_in_groups(per: str):
    _, free, bound = gradients(f"clip_norm=0.05 norm_per={per}")
    for names in GROUPS[per]:
        scale = min(1.0, 0.05 / (norm(free, names) + 1e-6))
        for name in names:
            assert_close(bound[name], free[name] * scale, 1e-14, name)
    assert any(norm(bound, names) < 0.99 * norm(free, names) for names in GROUPS[per])


@pytest.mark.parametrize("per", GROUPS)
def test_norms_are_made_1_in_groups(per: str):
    _, free, bound = gradients(f"renormalize=true norm_per={per}")
    for names in GROUPS[per]:
        assert norm(bound, names) == pytest.approx(1, abs=1e-12)
        for name in names:
            assert_close(bound[name], free[name] / norm(free, names), 1e-14, name)


def test_all_is_what_a_norm_is_taken_of_unless_told():
    for what in ("clip_norm=0.05", "renormalize=true"):
        one, other = gradients(what)[2], gradients(f"{what} norm_per=all")[2]
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_elements_are_bounded():
    _, free, bound = gradients("clip_value=0.01")
    for name, gradient in free.items():
        assert np.array_equal(bound[name], np.clip(gradient, -0.01, 0.01))
    assert any(np.abs(gradient).max() > 0.01 for gradient in free.values())
    assert any(np.abs(gradient).min() < 0.01 for gradient in free.values())


def test_gradients_of_zero_stay_zero():
    made, _, _ = gradients("renormalize=true norm_per=weight", "dense 4 -> relu\ndense 2")
    p = {name: np.zeros_like(w, np.float64) for name, w in made.init(0).items()}
    with np.errstate(all="raise"):
        _, grads = made.loss_and_grads(p, np.ones((3, 6)), np.ones((3, 2)), renormalize=True)
    assert not grads["W1"].any() and not grads["W2"].any()
    assert np.linalg.norm(grads["b2"]) == pytest.approx(1)


def test_penalties_are_added_afterwards():
    train, plain = "clip_value=0.001", "dense 4 -> tanh\ndense 2"
    _, _, bound = gradients(train, plain)
    made, _, held = gradients(train, "dense 4 l2=0.5 -> tanh\ndense 2")
    p = weights(made, small(plain), np.random.default_rng(4), ())
    assert np.abs(held["W1"] - bound["W1"]).max() > 0.01
    assert all(np.array_equal(held[name], bound[name]) for name in bound if name != "W1"), p.keys()


@pytest.mark.parametrize("setting", [*SETTINGS, "clip_value=0.01"])
def test_steps(setting: str):
    check_steps(small(CHAINS, updater="sgd lr=0.05", more=f"train {setting}"), what=setting)


WRONG = {
    "clip_norm=1 clip_value=1": ("bad-option", "clip_norm and clip_value both bound the gradients"),
    "renormalize=true clip_norm=1": ("bad-option", "clip_norm and renormalize both bound the gradients"),
    "norm_per=layer": ("unknown-option", "norm_per says of what a norm is taken, and none is taken"),
    "clip_value=1 norm_per=layer": ("unknown-option", "norm_per says of what"),
    "clip_norm=1 norm_per=batch": ("bad-option", "norm_per of train is all, layer or weight"),
    "clip_value=0": ("bad-option", "clip_value of train is a number above 0"),
}


@pytest.mark.parametrize("setting", WRONG)
def test_refused(setting: str):
    with pytest.raises(SpecError) as caught:
        small(CHAINS, more=f"train {setting}")
    (found,) = caught.value.diagnostics
    code, message = WRONG[setting]
    assert found.code == code and found.message.startswith(message)


# What a proof has to see ----------------------------------------------------------------------------------------------

ONE, TWO, ZERO = np.ones(3), 2 * np.ones(3), np.zeros(3)


@pytest.mark.parametrize(
    ("name", "seen", "reason"),
    [
        ("clip_norm", [(TWO, ONE), (ONE, ONE)], ""),
        ("clip_norm", [(TWO, ONE)], "no gradient was small enough for it not to act"),
        ("clip_norm", [(ONE, ONE)], "no gradient was large enough for it to act"),
        ("clip_norm", [(ZERO, ZERO)], "no gradient was large enough for it to act"),
        ("renormalize", [(TWO, ONE)], ""),
        ("renormalize", [(ONE, ONE)], "no gradient was large enough for it to act"),
    ],
)
def test_a_bound_is_seen_to_act(name: str, seen: list[tuple[Array, Array]], reason: str):
    bound = Bound(name, "gradient")
    for free, held in seen:
        bound.look({"W1": free}, {"W1": held})
    assert bound.row.reason == reason
    assert bound.row.status == ("not proven" if reason else "ok")


def test_a_bound_is_seen_on_every_weight():
    bound = Bound("clip_norm", "gradient")
    bound.look({"W1": TWO, "W2": ONE, "b1": ZERO}, {"W1": ONE, "W2": ONE, "b1": ZERO})
    bound.look({"W1": ONE, "W2": ONE}, {"W1": ONE, "W2": ONE})
    assert bound.row.reason == "no gradient of W2 was large enough for it to act"
