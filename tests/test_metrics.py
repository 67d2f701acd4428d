"""Metrics against their definitions, also where classes are absent or targets constant, and against scikit-learn's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import reference
from harness import Array, module
from netc.dsl.words import WORDS
from uses import TARGETS, example, judged_net

PAIRS = [(name, target) for (kind, name), word in WORDS.items() if kind == "metric" for target in word.targets]


def made(name: str, target: str) -> Any:
    return module(judged_net(example(WORDS["metric", name]), target))


def examples(target: str, rng: np.random.Generator, count: int = 40) -> tuple[Array, Array]:
    """Predictions and targets of three columns, or of three classes."""
    if target == "class":
        raw = rng.random((count, 3)) + 0.01
        return raw / raw.sum(axis=1, keepdims=True), rng.integers(0, 3, count)
    if target == "binary":
        return rng.random((count, 3)), rng.integers(0, 2, (count, 3)).astype(float)
    y = rng.uniform(0.1, 0.9, (count, 3))
    return y + 0.3 * rng.standard_normal(y.shape), y


def value(name: str, target: str, p: Array, y: Array) -> float:
    found = made(name, target).metrics(p, y)
    assert next(iter(found)) == "loss" and isinstance(found[name], float)
    return found[name]


@pytest.mark.parametrize(("name", "target"), PAIRS)
def test_metric(name: str, target: str):
    rng = np.random.default_rng(4)
    for count in (1, 2, 40):
        p, y = examples(target, rng, count)
        assert value(name, target, p, y) == pytest.approx(reference.METRICS[name](p, y), rel=1e-13, abs=1e-13)


def hot(labels: list[int]) -> Array:
    return np.eye(3)[labels] * 0.8 + 0.05


CLASS_EDGES = {
    "all right": ([0, 1, 2], [0, 1, 2], 1.0, 1.0),
    "all wrong": ([1, 2, 0], [0, 1, 2], 0.0, 0.0),
    "a class that is neither there nor chosen": ([0, 1, 1], [0, 1, 0], 2 / 3, 2 / 3),
    "a class that is chosen but not there": ([0, 1, 2, 0], [0, 1, 1, 0], 3 / 4, (1 + 2 / 3 + 0) / 3),
    "a class that is there but never chosen": ([0, 0, 0], [0, 0, 1], 2 / 3, (4 / 5 + 0) / 2),
    "one class alone": ([2, 2], [2, 2], 1.0, 1.0),
}


@pytest.mark.parametrize("name", CLASS_EDGES)
def test_absent_classes(name: str):
    chosen, true, accuracy, f1 = CLASS_EDGES[name]
    p, y = hot(chosen), np.array(true)
    assert value("accuracy", "class", p, y) == pytest.approx(accuracy, rel=1e-15)
    assert value("f1", "class", p, y) == pytest.approx(f1, rel=1e-15)


def test_a_tie_goes_to_the_first_index():
    p = np.full((2, 3), 1 / 3)
    assert value("accuracy", "class", p, np.array([0, 1])) == 0.5


def test_a_half_decides_for_one():
    p, y = np.array([[0.5, 0.4999, 0.5001]]), np.array([[1.0, 0, 1]])
    assert value("accuracy", "binary", p, y) == 1 and value("f1", "binary", p, y) == 1


def test_f1_without_any_one():
    """It is 0 where nothing is there to be found, whether nothing was found or too much."""
    zeros = np.zeros((4, 3))
    assert value("f1", "binary", zeros, zeros) == 0
    assert value("f1", "binary", zeros + 1, zeros) == 0
    assert value("accuracy", "binary", zeros, zeros) == 1


def test_constant_targets():
    p = np.array([[1.0, 2, 3], [2, 2, 3], [3, 2, 4]])
    y = np.full((3, 3), 2.0)
    assert value("r2", "f32", p, y) == 0
    y[:, 2] = [3, 3, 4]
    assert value("r2", "f32", p, y) == pytest.approx(1 / 3)
    assert value("rmse", "f32", p, p) == 0 and value("r2", "f32", p, p) == pytest.approx(2 / 3)


def test_r2_may_be_negative():
    y = np.array([[0.0] * 3, [1] * 3])
    assert value("r2", "f32", 1 - y, y) == pytest.approx(-3)


def test_the_loss_of_a_whole_set_is_that_of_one_batch():
    """Slices that bound the memory change nothing, also where the last is smaller."""
    for target in ("class", "f32"):
        module_ = made("accuracy" if target == "class" else "r2", target)
        rng = np.random.default_rng(0)
        p, x = module_.init(0), rng.standard_normal((2500, 6)).astype(np.float32)
        y = examples(target, rng, 2500)[1]
        report = module_.evaluate(p, (x,), (y,))
        assert report == module_.metrics(module_.predict(p, x), y)
        assert report["loss"] == pytest.approx(float(module_.loss_and_grads(p, x, y)[0]), rel=1e-5)


def test_scikit_learn_agrees():
    judge = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed: pip install netc[peers]")
    rng = np.random.default_rng(7)
    for _ in range(5):
        p, y = examples("class", rng)
        assert value("accuracy", "class", p, y) == pytest.approx(judge.accuracy_score(y, p.argmax(axis=1)))
        assert value("f1", "class", p, y) == pytest.approx(judge.f1_score(y, p.argmax(axis=1), average="macro"))
        p, y = examples("binary", rng)
        assert value("f1", "binary", p, y) == pytest.approx(judge.f1_score(y, p >= 0.5, average="macro"))
        p, y = examples("f32", rng)
        assert value("mae", "f32", p, y) == pytest.approx(judge.mean_absolute_error(y, p))
        assert value("rmse", "f32", p, y) == pytest.approx(math.sqrt(judge.mean_squared_error(y, p)))
        assert value("r2", "f32", p, y) == pytest.approx(judge.r2_score(y, p))


def test_targets_of_each_metric():
    assert {t for _, t in PAIRS} == set(TARGETS)
