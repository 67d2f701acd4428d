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
# Those that draw no numbers, and those whose numbers are none of their own: whole ones, and ones tied to each other.
FIXED_WORDS, TIED = {"zeros", "ones", "constant", "identity"}, {"binomial", "orthogonal"}
RANDOM = [use for use in uses("init") if use.word.name not in FIXED_WORDS | TIED]


def drawn(text: str, seed: int = 1, ins: int = INS, outs: int = OUTS) -> Array:
    """A weight of (ins, outs) as the trainer draws it."""
    net = load_text(
        f"net wide\ninput x: f32[{ins}]\ntarget y: f32[{outs}]\ndense {outs} init={text}\nloss mse\nupdater sgd\n"
    )
    return module(net).init(seed)["W1"]


def moments(use: Use) -> tuple[float, float, float]:
    """Mean, variance and kurtosis from their closed forms."""
    name = use.word.name
    law = "uniform" if "uniform" in name else name
    kurtosis = reference.KURTOSIS[law](**use.options) if law in reference.KURTOSIS else 3.0
    return *reference.MOMENTS[name](INS, OUTS, **use.options), kurtosis


@pytest.mark.parametrize("use", uses("init"), ids=str)
def test_statistics(use: Use):
    square = use.word.name == "identity"
    w = drawn(use.text, outs=INS if square else OUTS)
    assert w.shape == (INS, INS if square else OUTS) and w.dtype == np.float32
    mean, variance, kurtosis = moments(use)
    w = w.astype(np.float64)
    # Four standard errors of the mean and of the variance.
    assert abs(w.mean() - mean) <= 4 * math.sqrt(variance / w.size) + 1e-7
    assert abs(w.var() - variance) <= 4 * variance * math.sqrt((kurtosis - 1) / w.size) + 1e-12


@pytest.mark.parametrize("use", RANDOM, ids=str)
def test_shape_of_the_distribution(use: Use):
    """The numbers differ; their kurtosis is that of the law; uniform and truncated ones reach and keep their ends."""
    w = drawn(use.text).astype(np.float64)
    mean, variance, kurtosis = moments(use)
    assert len(np.unique(w)) > 0.9 * w.size
    ends = {9 / 5: math.sqrt(3), reference.KURTOSIS["truncated_normal"](): 2 / math.sqrt(reference.TRUNCATED)}
    if kurtosis <= 3:
        assert abs(np.mean((w - mean) ** 4) / variance**2 - kurtosis) < 4 * math.sqrt(96 / w.size)
    if kurtosis in ends:
        reached = np.abs(w - mean).max() / math.sqrt(variance)
        assert 0.999 * ends[kurtosis] < reached <= ends[kurtosis] * (1 + 1e-6)


def test_lognormal_has_normal_logarithms():
    logs = np.log(drawn("lognormal(-1, 0.5)").astype(np.float64))
    assert abs(logs.mean() + 1) < 4 * 0.5 / math.sqrt(logs.size) and abs(logs.std() - 0.5) < 0.01
    assert abs(np.mean(((logs + 1) / 0.5) ** 4) - 3) < 4 * math.sqrt(96 / logs.size)


def test_binomial_frequencies():
    w = drawn("binomial(4, 30%)")
    for k in range(5):
        share = math.comb(4, k) * 0.3**k * 0.7 ** (4 - k)
        assert abs(np.mean(w == k) - share) < 4 * math.sqrt(share * (1 - share) / w.size)
    assert not drawn("binomial(3, 0)").any() and np.all(drawn("binomial(3, 1)") == 3)


def test_identity():
    assert np.array_equal(drawn("identity", ins=5, outs=5), np.eye(5, dtype=np.float32))
    assert np.array_equal(drawn("identity(0.5)", ins=3, outs=3), 0.5 * np.eye(3, dtype=np.float32))
    for chains in ("dense 5 init=identity -> dense 2", "dense 6 bias_init=identity -> dense 2"):
        with pytest.raises(SpecError, match="identity needs a square matrix"):
            small(chains)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    {
        "zero": "zeros",
        "sigmoid_uniform": "sigmoid_uniform",
        "lecun_normal": "lecun",
        "xavier_fan_in": "lecun",
        "relu": "he",
        "relu_uniform": "he_uniform",
        "glorot_uniform": "xavier_uniform",
        "kaiming_uniform": "he_uniform",
    }.items(),
)
def test_names_of_others(theirs: str, ours: str):
    assert np.array_equal(drawn(theirs), drawn(ours))


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
