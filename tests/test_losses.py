"""Losses at their edges, on the page, and what is refused of them; their values are judged in test_words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import Array, assert_close, module, small
from netc.codegen import to_numpy
from netc.dsl import SpecError
from netc.dsl.words import WORDS, find


def scored(loss: str, target: str, head: str, scores: Any, y: Any) -> tuple[float, Array]:
    """The loss of scores that come out of the last layer as they are, and its gradient for them."""
    scores, y = np.asarray(scores, float), np.asarray(y)
    units = scores.shape[1]
    made = module(small(f"dense {units}{head}", target=target, loss=loss))
    p = {"W1": np.zeros((6, units)), "b1": np.zeros(units)}
    p["W1"][: len(scores)] = scores
    x = np.eye(len(scores), 6)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value, grads = made.loss_and_grads(p, x, y if y.dtype == np.int64 else y.astype(float))
    return float(value), grads["W1"][: len(scores)]


# Edges ----------------------------------------------------------------------------------------------------------------


def test_examples_with_all_labels_or_none_teach_nothing():
    scores = [[1.0, -2, 0.5], [0.3, 0.1, -1], [2, 1, 0]]
    value, grads = scored("multilabel", "binary[3]", " -> tanh", scores, [[0, 0, 0], [1, 1, 1], [1, 0, 0]])
    assert not grads[:2].any() and grads[2].any()
    p = np.tanh(scores[2])
    assert value == pytest.approx((np.exp(p[1] - p[0]) + np.exp(p[2] - p[0])) / 2 / 3, rel=1e-12)


def test_an_f_score_of_nothing_is_no_loss():
    value, grads = scored("fmeasure", "binary[1]", " -> sigmoid", [[-1e4], [-1e4]], [[0], [0]])
    assert value == 0 and not grads.any()
    value, _ = scored("fmeasure", "binary[1]", " -> sigmoid", [[1e4], [-1e4]], [[0], [1]])
    assert value == pytest.approx(1)
    value, _ = scored("fmeasure", "binary[1]", " -> sigmoid", [[1e4], [-1e4]], [[1], [0]])
    assert value == 0


def test_an_f_score_counts_shares_of_hits():
    scores = np.array([[0.2], [1.5], [-0.7]])
    p, y = 1 / (1 + np.exp(-scores[:, 0])), np.array([1, 0, 1])
    for beta in (0.5, 1, 2):
        weight = 1 + beta**2
        score = weight * (p @ y) / (weight * (p @ y) + beta**2 * ((1 - p) @ y) + p @ (1 - y))
        value, _ = scored(f"fmeasure beta={beta}", "binary[1]", " -> sigmoid", scores, y[:, None])
        assert value == pytest.approx(1 - score, rel=1e-12)


def test_a_rate_beyond_counting_is_a_straight_line():
    values = [scored("poisson", "count[1]", "", [[z]], [[2]]) for z in (30.0, 31.0, 32.0)]
    losses, slopes = [v for v, _ in values], [float(g[0, 0]) for _, g in values]
    assert losses[2] - losses[1] == pytest.approx(losses[1] - losses[0], rel=1e-12)
    assert slopes == pytest.approx([np.exp(30) - 2] * 3, rel=1e-12)


@pytest.mark.parametrize("z", [-1e4, -100.0, -30.5, -29.5, -5.0, 3.0])
def test_a_rate_of_nearly_nothing_still_learns(z: float):
    """The logarithm of softplus goes on as its argument, so that a saturated rate finds back."""
    value, grads = scored("expll", "count[1]", " -> softplus", [[z]], [[4]])
    rate = np.logaddexp(z, 0)
    log = np.log(rate) if z > -40 else z
    assert value == pytest.approx(rate - 4 * log, rel=1e-12)
    slope = 1 / (1 + np.exp(-z)) if z > -500 else 0.0
    assert grads[0, 0] == pytest.approx(slope - 4 * (slope / rate if z > -40 else 1.0), rel=1e-9)


def test_a_density_does_not_grow_without_bound():
    """A deviation of nearly nothing at the target itself is bounded, and a far target costs no more than it can."""
    mixture = "mixture_density mixtures=1"
    near, _ = scored(mixture, "f32[1]", "", [[0, -1e4, 0.5]], [[0.5]])
    assert near == pytest.approx(-15 + 0.5 * np.log(2 * np.pi))
    far, grads = scored(mixture, "f32[1]", "", [[0, 0, 0]], [[3.0]])
    assert far == pytest.approx(4.5 + 0.5 * np.log(2 * np.pi))
    assert_close(grads, [[0, 1 - 9, -3]], 1e-12)


def test_a_vector_of_zeros_has_no_direction():
    value, grads = scored("cosine_proximity", "f32[2]", "", [[0, 0]], [[3.0, 4.0]])
    assert value == 0 and np.isfinite(grads).all()


def test_certain_and_right_costs_nothing():
    for loss, target, head, y in [
        ("focal", "class(2)", " -> softmax", np.array([1])),
        ("focal gamma=0.5", "class(2)", " -> softmax", np.array([1])),
        ("rmse_xent", "binary[2]", " -> sigmoid", [[0, 1]]),
        ("focal gamma=0.5", "binary[2]", " -> sigmoid", [[0, 1]]),
    ]:
        value, grads = scored(loss, target, head, [[-1e4, 1e4]], y)
        assert value == pytest.approx(0, abs=1e-14) and np.abs(grads).max() < 1e-9, loss


def test_signs_may_be_binary():
    scores, truth = [[0.3, -2.0], [1.5, 0.1]], np.array([[1, 0], [0, 1]])
    for loss in ("hinge", "squared_hinge", "wasserstein"):
        binary = scored(loss, "binary[2]", "", scores, truth)
        signed = scored(loss, "f32[2]", "", scores, 2.0 * truth - 1)
        assert binary[0] == signed[0] and np.array_equal(binary[1], signed[1])


def test_several_distributions_cost_the_mean_of_theirs():
    """As several classes do, and as steps do whose number is known only at run time."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(5, 6)), rng.dirichlet(np.ones(3), (5, 2))
    chains = "dense 6 -> reshape [2, 3] -> softmax"
    made = module(small(chains, target="class(3)[2]", loss="mcxent"))
    p = {name: w.astype(float) for name, w in made.init(1).items()}
    logs = (x @ p["W1"] + p["b1"]).reshape(5, 2, 3)
    logs -= np.log(np.exp(logs).sum(axis=2, keepdims=True))
    assert made.loss_and_grads(p, x, np.ones((5, 2), np.int64))[0] == pytest.approx(-logs[..., 1].mean(), rel=1e-12)
    for loss, value in (("mcxent", -logs), ("kl_divergence", np.log(y) - logs)):
        made = module(small(chains, target="simplex[2, 3]", loss=loss))
        assert made.loss_and_grads(p, x, y)[0] == pytest.approx((y * value).sum(axis=2).mean(), rel=1e-12)


def test_a_critic_is_told_by_numbers():
    more = "metric mae(p, y)"
    for text in ("wasserstein(p, 1) - wasserstein(q, 1)", "wasserstein(p, 1) + wasserstein(q, -1)"):
        made = module(small("p = dense 2\nq = x -> dense 2\noutput p\noutput q", loss=text, more=more))
        p = {name: w.astype(float) for name, w in made.init(1).items()}
        x = np.ones((3, 6))
        value, _ = made.loss_and_grads(p, x, np.zeros((3, 2)))
        assert value == pytest.approx(np.mean(x @ p["W1"]) - np.mean(x @ p["W2"]))


# Names ----------------------------------------------------------------------------------------------------------------

DEEPLEARNING4J = """mse l1 l2 squared_loss xent mcxent sparse_mcxent negativeloglikelihood expll poisson rmse_xent
reconstruction_crossentropy kl_divergence cosine_proximity hinge squared_hinge mean_absolute_error wasserstein
mean_absolute_percentage_error mean_squared_logarithmic_error fmeasure multilabel mixture_density"""


@pytest.mark.parametrize("name", DEEPLEARNING4J.split())
def test_deeplearning4js_losses_are_known(name: str):
    assert find("loss", name)


MANUAL = ("Formula: ", "Source: ", "Deeplearning4j: ", "Keras: ", "PyTorch: ")


@pytest.mark.parametrize("name", [name for kind, name in WORDS if kind == "loss"])
def test_a_manual_says_where_the_loss_comes_from(name: str):
    lines = WORDS["loss", name].doc.splitlines()
    starts = [next(i for i, line in enumerate(lines) if line.startswith(part)) for part in MANUAL]
    assert starts == sorted(starts) and lines[0].endswith(".") and not lines[1]


# The page and its faults ----------------------------------------------------------------------------------------------


def test_weights_are_in_the_precision_of_the_data_and_keep_nothing_alive():
    page = to_numpy(small("dense 3 -> softmax", target="class(3)", loss="mcxent weights=[1, 5, 0.5]"))
    assert "weights = np.array([1, 5, 0.5], x.dtype)" in page and "softmax(z1)" not in page.split("def loss_and")[1]


WRONG = {
    ("mse weights=[1, 2, 3]", "f32[2]", "dense 2"): ("shape-mismatch", "there are 3 weights, but 2 outputs"),
    ("mse weights=[1, -2]", "f32[2]", "dense 2"): ("bad-option", "weights of mse is a list of numbers of at least 0"),
    ("mse(y, p)", "f32[2]", "p = dense 2"): ("bad-loss", "y is a target, and the prediction comes first"),
    ("expll", "count[2]", "dense 2"): ("domain-mismatch", "expll needs values in (0, inf)"),
    ("msle", "count[2]", "dense 2 -> tanh"): ("domain-mismatch", "msle needs values in [0, inf)"),
    ("multilabel", "binary[2]", "dense 2"): ("domain-mismatch", "multilabel needs values in [-1, 1]"),
    ("focal", "class(2)", "dense 2 -> sigmoid"): ("domain-mismatch", "focal needs probabilities that sum to 1"),
    ("focal", "binary[2]", "dense 2"): ("domain-mismatch", "focal needs values in [0, 1]"),
    ("kl_divergence", "unit[2]", "dense 2 -> softmax"): ("target-mismatch", "kl_divergence takes a target of type"),
    ("hinge", "class(2)", "dense 2"): ("target-mismatch", "hinge takes a target of type binary or f32"),
    ("mixture_density mixtures=2", "f32[2]", "dense 2"): ("shape-mismatch", "the prediction is [2], but the target"),
    ("mixture_density mixtures=2", "f32[2, 2]", "dense 8"): ("shape-mismatch", "mixture_density needs a target of one"),
    ("mixture_density", "f32[2]", "dense 8"): ("missing-option", "mixture_density needs mixtures"),
    ("cosine_proximity", "f32", "dense 1"): ("shape-mismatch", "cosine_proximity of one number is its sign"),
    ("quantile q=1", "f32[2]", "dense 2"): ("bad-option", "q of quantile is a number between 0 and 1"),
}


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_refused(case: tuple[str, str, str]):
    loss, target, chains = case
    with pytest.raises(SpecError) as caught:
        small(chains, target=target, loss=loss)
    code, message = WRONG[case]
    assert {d.code for d in caught.value.diagnostics} == {code}
    assert caught.value.diagnostics[0].message.startswith(message)
