"""Words that disturb values or weights in training: the moments of what they draw, gradients, steps and schedules."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from harness import Array, assert_close, batch, module, run_numpy, small, weights
from netc.codegen import to_onnx
from netc.dsl import Net, SpecError
from netc.dsl.prune import prune
from test_gradients import gradients_of_inputs, gradients_of_weights
from test_words import EXACT, check_steps

ROWS = 20_000


def in_training(text: str, x: Array) -> Array:
    """What a chain gives in training, drawn anew."""
    net = small(f"value = x -> {text}\nvalue -> flatten -> dense 2")
    made = module(net)
    program = net.programs["loss"]
    (value,) = [v for e in program.equations for v in e.results if v.hint == "value"]
    program = prune(replace(program, results={"value": value}))
    return run_numpy(program, {"x": x, "y": x, **made.init(0), **made.draw(0, 1, len(x))})["value"]


def near(values: Array, mean: float, variance: float) -> bool:
    """Whether mean and variance are within five standard errors, for a kurtosis of at most 20."""
    of_mean, of_variance = math.sqrt(variance / values.size), variance * math.sqrt(19 / values.size)
    return abs(values.mean() - mean) <= 5 * of_mean and abs(values.var() - variance) <= 5 * of_variance


def filled(number: float) -> Array:
    return np.full((ROWS, 6), number)


def prepared(net: Net) -> tuple[Any, dict[str, Array], Array, Array]:
    made, rng = module(net), np.random.default_rng(3)
    (x,), (y,) = batch(net, rng)
    return made, weights(made, net, rng, (x,)), x, y


@pytest.mark.parametrize("number", [2.0, -1.0])
def test_moments(number: float):
    x = filled(number)
    assert near(in_training("dropout 30%", x), number, number**2 * 3 / 7)
    assert near(in_training("spatial_dropout 30%", x), number, number**2 * 3 / 7)
    assert near(in_training("gaussian_dropout 30%", x), number, number**2 * 3 / 7)
    assert near(in_training("gaussian_noise 0.4", x), number, 0.16)


def test_slopes_of_rrelu():
    found = in_training("rrelu 0.1 0.6", filled(-1))
    assert near(found, -0.35, 0.5**2 / 12) and -0.6 <= found.min() < -0.59 and -0.11 < found.max() <= -0.1
    assert np.array_equal(in_training("rrelu 0.1 0.6", filled(2)), filled(2))


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(5).standard_normal((ROWS, 6))
    for rate in (5, 20, 50):
        assert near(in_training(f"alpha_dropout {rate}%", x), 0, 1)
    (low,) = set(np.round(in_training("alpha_dropout 20%", filled(9)), 12).ravel()) - {np.round(_kept(9, 0.2), 12)}
    assert low == pytest.approx(_kept(-1.7580993408473766, 0.2), abs=1e-11)


def _kept(x: float, rate: float) -> float:
    lowest = -1.7580993408473766
    a = 1 / math.sqrt((1 - rate) * (1 + rate * lowest**2))
    return a * x - a * rate * lowest


def test_spatial_dropout_drops_whole_channels():
    found = in_training("reshape [2, 3] -> spatial_dropout 30%", filled(1))
    assert np.all((found == 0).all(axis=2) | (found == 1 / 0.7).all(axis=2))
    share = np.mean(found[:, :, 0] == 0)
    assert abs(share - 0.3) < 5 * math.sqrt(0.21 / (2 * ROWS))


def test_no_noise_is_no_draw():
    for text in ("dropout 0", "spatial_dropout 0", "alpha_dropout 0", "gaussian_dropout 0", "gaussian_noise 0"):
        assert not hasattr(module(small(f"{text} -> dense 2")), "draw")
    for option in ("dropconnect=0", "weight_noise=0"):
        assert not hasattr(module(small(f"dense 2 {option}")), "draw")


def test_noise_follows_its_schedule():
    """The schedule's value is a number of the clock, so that only the scale of the noise changes."""
    net = small("gaussian_noise exponential(0.8, factor=0.5) -> dense 2")
    made, p, x, y = prepared(net)
    plain = module(small("gaussian_noise 0.4 -> dense 2"))
    draws = made.draw(1, 1, len(x))
    expected = plain.loss_and_grads(p, x, y, draws=draws)[0]
    assert_close(made.loss_and_grads(p, x, y, draws=draws, step=1, epoch=1.0)[0], expected, EXACT)
    assert made.loss_and_grads(p, x, y, draws=draws, step=1, epoch=0.0)[0] != expected


# Weights --------------------------------------------------------------------------------------------------------------

DISTURBED = "dense 4 dropconnect=30% weight_noise=0.1 l2=0.2 -> tanh\ndense 2"


def test_disturbed_weights():
    """A share of the matrix is dropped, the rest scaled, and noise added; biases and penalties see clean weights."""
    net = small(DISTURBED)
    made, p, x, y = prepared(net)
    draws = {k: np.float64(v) for k, v in made.draw(0, 1, len(x)).items()}
    assert {k: v.shape for k, v in draws.items()} == {"dropconnect_W1": (6, 4), "noise_W1": (6, 4)}
    seen = np.where(draws["dropconnect_W1"] < 0.3, 0, p["W1"] / 0.7) + 0.1 * draws["noise_W1"]
    h = np.tanh(x @ seen + p["b1"])
    loss = np.mean((h @ p["W2"] + p["b2"] - y) ** 2) + 0.1 * np.sum(p["W1"] ** 2)
    assert_close(made.loss_and_grads(p, x, y, draws=draws)[0], loss, EXACT)
    clean = np.tanh(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    assert_close(made.predict(p, x), clean, EXACT)
    assert {i.name for i in to_onnx(net, p).graph.input} == {"x"}


def test_the_mean_of_disturbed_weights_is_the_weight():
    net = small("dense 4 dropconnect=30% weight_noise=0.5\ndense 2")
    made = module(net)
    drawn = [made.draw(0, step, 1) for step in range(1, 2001)]
    keep = np.mean([d["dropconnect_W1"] >= 0.3 for d in drawn])
    noise = np.stack([d["noise_W1"] for d in drawn])
    assert abs(keep - 0.7) < 5 * math.sqrt(0.21 / noise.size) and near(noise, 0, 1)


CHAINS = [
    DISTURBED,
    "dense 4 dropconnect=0.5 name=a -> relu -> dense 3 dropconnect=0.1 bias=false -> dense 2 weight_noise=0.3",
    "dense 4 -> selu -> alpha_dropout 20% -> gaussian_dropout 30% -> gaussian_noise 0.2 -> dense 2",
    "reshape [2, 3] -> spatial_dropout 40% -> flatten -> rrelu -> dense 2",
]
SCHEDULED = "dense 4 dropconnect=exponential(0.5, factor=0.5) -> tanh -> dropout step(0.5, every=1) -> dense 2"


@pytest.mark.parametrize("chains", [*CHAINS, SCHEDULED])
def test_gradients_of_weights_and_steps(chains: str):
    net = small(chains)
    gradients_of_weights(net)
    check_steps(net, steps=3, what=chains)


@pytest.mark.parametrize("chains", CHAINS)
def test_gradients_of_inputs(chains: str):
    gradients_of_inputs(small(chains))


def test_draws_are_fresh_at_each_step():
    made = module(small(DISTURBED))
    first, again, second = made.draw(0, 1, 5), made.draw(0, 1, 5), made.draw(0, 2, 5)
    assert all(np.array_equal(first[k], again[k]) and not np.array_equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize("text", ["prelu", "elementwise", "dropout 20%"])
@pytest.mark.parametrize("option", ["dropconnect=20%", "weight_noise=0.1"])
def test_nothing_to_disturb_is_refused(text: str, option: str):
    with pytest.raises(SpecError, match="does nothing"):
        small(f"{text} {option} -> dense 2")


def test_rates_have_bounds():
    for text in ("dropout 1", "alpha_dropout 100%", "gaussian_noise -1", "dense 2 dropconnect=1", "rrelu 0.5 0.1"):
        with pytest.raises(SpecError, match=r"a number|slopes from"):
            small(f"{text} -> dense 2")
