"""Initializers: their statistics, their shapes, and that each weight's numbers are its own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import reference
from harness import Array, module, small
from netc.dsl import SpecError, load_text
from netc.dsl.words import WORDS
from uses import Use, uses

INS, OUTS = 200, 120
RANDOM = {"normal", "uniform", "xavier", "he", "lecun"}


def drawn(text: str, seed: int = 1, ins: int = INS, outs: int = OUTS) -> Array:
    """A weight of (ins, outs) as the trainer draws it."""
    net = load_text(
        f"net wide\ninput x: f32[{ins}]\ntarget y: f32[{outs}]\ndense {outs} init={text}\nloss mse\nupdater sgd\n"
    )
    return module(net).init(seed)["W1"]


@pytest.mark.parametrize("use", uses("init"), ids=str)
def test_statistics(use: Use):
    w = drawn(use.text)
    assert w.shape == (INS, OUTS) and w.dtype == np.float32
    mean, variance = reference.MOMENTS[use.word.name](INS, OUTS, **use.options)
    w = w.astype(np.float64)
    # Four standard errors of the mean, and of the variance of numbers whose kurtosis is at most the normal's.
    assert abs(w.mean() - mean) <= 4 * math.sqrt(variance / w.size) + 1e-7
    assert abs(w.var() - variance) <= 4 * variance * math.sqrt(2 / w.size) + 1e-12
    if use.word.name in RANDOM:
        assert len(np.unique(w)) > 0.9 * w.size


@pytest.mark.parametrize("name", sorted(RANDOM))
def test_shape_of_the_distribution(name: str):
    """Kurtosis is 3 for normal numbers and 9/5 for uniform ones; uniform ones keep within their ends."""
    w = drawn(name).astype(np.float64)
    kurtosis = float(np.mean((w - w.mean()) ** 4) / w.var() ** 2)
    if name == "uniform":
        assert abs(kurtosis - 1.8) < 0.03
        bound = 1 / math.sqrt(INS)
        assert 0.999 * bound < np.abs(w).max() <= bound * (1 + 1e-7)
        ends = drawn("uniform(-0.2, 0.7)")
        assert -0.2 <= ends.min() < -0.199 and 0.699 < ends.max() <= np.float32(0.7)
    else:
        assert abs(kurtosis - 3) < 4 * math.sqrt(24 / w.size)


@pytest.mark.parametrize(("ins", "outs"), [(7, 7), (12, 5), (5, 12), (1, 4), (4, 1)])
@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_orthogonal(ins: int, outs: int, gain: float):
    w = drawn(f"orthogonal({gain})", ins=ins, outs=outs).astype(np.float64)
    product = w.T @ w if ins >= outs else w @ w.T
    assert np.allclose(product, gain**2 * np.eye(min(ins, outs)), atol=1e-6)


def test_orthogonal_is_uniform_among_rotations():
    """Without care for QR's signs the first entries of q would all have one sign."""
    first = [drawn("orthogonal", seed=s, ins=3, outs=3)[0, 0] for s in range(60)]
    assert 15 <= sum(v > 0 for v in first) <= 45


FIXED = {
    "zeros": "0.0",
    "constant(0.25)": "0.25",
    "ones": "1.0",
    "-0.5": "-0.5",
}


@pytest.mark.parametrize("text", FIXED)
def test_fixed_numbers(text: str):
    net = small(f"dense 2 init={text} bias_init={text}")
    p = module(net).init(0)
    assert all(np.array_equal(w, np.full(w.shape, float(FIXED[text]), np.float32)) for w in p.values())


def test_listed_numbers(tmp_path: Any):
    rows = [[0.1 * i - j for j in range(2)] for i in range(6)]
    p = module(small(f"dense 2 init={rows} bias_init=[1e-8, -3]")).init(9)
    assert np.array_equal(p["W1"], np.array(rows, np.float32))
    assert np.array_equal(p["b1"], np.array([1e-8, -3], np.float32))
    np.savez(tmp_path / "start.npz", first=np.array(rows))
    text = 'net a\ninput x: f32[6]\ntarget y: f32[2]\ndense 2 init=npz("start.npz", "first")\nloss mse\nupdater sgd\n'
    assert np.array_equal(module(load_text(text, folder=str(tmp_path))).init(1)["W1"], p["W1"])


def test_orthogonal_is_no_bias():
    with pytest.raises(SpecError, match="orthogonal"):
        small("dense 2 bias_init=orthogonal")


def test_defaults():
    """Weights begin with xavier, biases with zeros."""
    p, explicit = (module(small(f"dense 2{o}")).init(4) for o in ("", " init=xavier bias_init=zeros"))
    assert all(np.array_equal(p[k], explicit[k]) for k in ("W1", "b1")) and not p["b1"].any()


# Streams --------------------------------------------------------------------------------------------------------------


def test_seeds():
    made = module(small("dense 4 -> tanh\ndense 2"))
    one, again, other = made.init(1), made.init(1), made.init(2)
    assert list(one) == ["W1", "b1", "W2", "b2"]
    assert all(np.array_equal(one[k], again[k]) for k in one)
    assert not np.array_equal(one["W1"], other["W1"]) and not np.array_equal(one["W2"], other["W2"])


def test_weights_differ_from_each_other():
    p = module(small("dense 6 -> tanh\ndense 6 -> tanh\ndense 2")).init(0)
    assert not np.array_equal(p["W1"], p["W2"])


def test_a_new_layer_shifts_nobody_elses_numbers():
    chains = "dense 4 name=a -> tanh\n{}dense 2 name=z"
    few = module(small(chains.format(""))).init(3)
    many = module(small(chains.format("dropout 20% -> dense 4 name=new -> tanh\n"))).init(3)
    assert set(few) < set(many) and all(np.array_equal(few[k], many[k]) for k in few)
    wide = small(chains.format("dropout 20% name=d1 -> dense 4 name=new -> tanh -> dropout 20% name=d2\n"))
    narrow = small(chains.format("dropout 20% name=d1 -> dense 4 name=new -> tanh\n"))
    assert np.array_equal(module(wide).draw(1, 2, 5)["d1"], module(narrow).draw(1, 2, 5)["d1"])


def test_global_random_state_is_left_alone():
    made = module(small("dropout 50% -> dense 4 -> tanh\ndense 2", more="train validation=20%"))
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    p = made.init(0)
    made.split(10), made.batches(np.arange(10), 0), made.draw(0, 1, 3)
    assert np.array_equal(np.random.get_state()[1], before)
    np.random.seed(2)
    assert all(np.array_equal(p[k], v) for k, v in made.init(0).items())


def test_every_initializer_was_tested():
    assert {use.word.name for use in uses("init")} == {name for kind, name in WORDS if kind == "init"}
