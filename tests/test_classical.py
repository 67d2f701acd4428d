"""The classical models as nets arrive at their closed forms, or at what other ways of fitting them give, in float64."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from netc.codegen import to_numpy
from netc.dsl import load
from netc.runtime import trainer_of
from road import SPECS

Array = np.ndarray[Any, Any]
WITHIN = 1e-4


@dataclass(frozen=True)
class Fitted:
    """A trained model: its weights and bias on standardized inputs, what it predicts, and the data that it saw."""

    w: Array
    b: float
    predicted: Array
    z: Array
    y: Array

    @property
    def design(self) -> Array:
        """The standardized inputs with a column of ones."""
        return np.column_stack([self.z, np.ones(len(self.z))])

    @property
    def all(self) -> Array:
        """The weights, then the bias."""
        return np.append(self.w, self.b)


@cache
def fitted(name: str, columns: str, target: str) -> Fitted:
    """A spec's page, trained on all rows of its file, and the same rows standardized here in float64."""
    net = load(SPECS / f"{name}.net")
    assert net.data is not None
    path = SPECS / net.data["file"]
    header = path.read_text("utf-8").splitlines()[0].split(",")
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    first, last = (header.index(c) for c in columns.split(".."))
    x, y = table[:, first : last + 1], table[:, header.index(target)]
    text = to_numpy(net)
    page: dict[str, Any] = {"__name__": name}
    exec(compile(text, f"{name}.py", "exec"), page)
    assert trainer_of(text, f"{name}.py").losses
    inputs, targets = [x.astype(np.float32)], [y.astype(np.float32)]
    p = page["train"](inputs, targets)
    predicted = page["predict"](p, *inputs)[:, 0].astype(np.float64)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    return Fitted(p["W1"][:, 0].astype(np.float64), float(p["b1"][0]), predicted, z, y)


def near(found: Array, wanted: Array) -> Any:
    """Whether each number is the wanted one to 1e-4 of it."""
    return found == pytest.approx(wanted, rel=WITHIN, abs=0)


# Least squares --------------------------------------------------------------------------------------------------------

LEAST_SQUARES = {"linear_regression": "bmi..bmi", "multiple_regression": "age..s6"}


@pytest.mark.parametrize("name", LEAST_SQUARES)
def test_least_squares(name: str):
    model = fitted(name, LEAST_SQUARES[name], "progression")
    wanted = np.linalg.lstsq(model.design, model.y, rcond=None)[0]
    assert near(model.all, wanted)
    assert near(model.predicted, model.design @ wanted)


def test_the_line_is_the_one_of_the_schoolbook():
    """Its slope is covariance over variance, and it goes through the means."""
    model = fitted("linear_regression", "bmi..bmi", "progression")
    z = model.z[:, 0]
    assert near(model.w, np.array([np.mean(z * (model.y - model.y.mean()))]))
    assert model.b == pytest.approx(model.y.mean(), rel=WITHIN)


def test_ridge_regression():
    """The normal equations of mean((Zw + b - y)^2) + l2/2 w.w, in which the bias costs nothing."""
    model, l2 = fitted("ridge_regression", "age..s6", "progression"), 0.2
    n, k = model.z.shape
    cost = np.diag([n * l2 / 2] * k + [0.0])
    wanted = np.linalg.solve(model.design.T @ model.design + cost, model.design.T @ model.y)
    assert near(model.all, wanted)
    assert near(model.predicted, model.design @ wanted)
    plain = np.linalg.lstsq(model.design, model.y, rcond=None)[0]
    assert np.linalg.norm(wanted[:k]) < 0.7 * np.linalg.norm(plain[:k])


# Generalized linear models --------------------------------------------------------------------------------------------


def newton(design: Array, y: Array, w: Array, mean: Any, spread: Any, cost: Array) -> Array:
    """The Newton step of a penalised likelihood whose mean and variance are functions of design @ w."""
    score = design.T @ (y - mean(design @ w)) - cost * w
    information = (design.T * spread(design @ w)) @ design + np.diag(cost)
    return np.linalg.solve(information, score)


def logistic(t: Array) -> Array:
    return 1 / (1 + np.exp(-t))


def logistic_spread(t: Array) -> Array:
    return logistic(t) * logistic(-t)


def iterated(design: Array, y: Array, w: Array, mean: Any, spread: Any, cost: Array) -> Array:
    """Iteratively reweighted least squares, to the last digits."""
    for _ in range(50):
        step = newton(design, y, w, mean, spread, cost)
        w = w + step
    assert np.linalg.norm(step) <= 1e-10 * np.linalg.norm(w)
    return w


def logistic_model() -> tuple[Fitted, Array]:
    model = fitted("logistic_regression", "mean_radius..worst_fractal_dimension", "malignant")
    return model, np.append(np.ones(30), 0.0)  # C = 1: weights pay half their squares, the bias nothing


def test_logistic_regression_is_where_its_penalised_likelihood_is_highest():
    model, cost = logistic_model()
    wanted = iterated(model.design, model.y, np.zeros(31), logistic, logistic_spread, cost)
    assert near(model.all, wanted)
    assert model.predicted == pytest.approx(logistic(model.design @ wanted), abs=1e-6)
    step = newton(model.design, model.y, model.all, logistic, logistic_spread, cost)
    assert np.abs(step).max() <= WITHIN * np.abs(model.all).min()


def test_logistic_regression_is_that_of_scikit_learn():
    peer = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed: pip install netc[peers]")
    model, _ = logistic_model()
    judge = peer.LogisticRegression(C=1, tol=1e-12, max_iter=10_000, solver="newton-cholesky").fit(model.z, model.y)
    assert near(model.all, np.append(judge.coef_[0], judge.intercept_))
    assert model.predicted == pytest.approx(judge.predict_proba(model.z)[:, 1], abs=1e-6)


def test_poisson_regression():
    model = fitted("poisson_regression", "weight..pulse", "situps")
    start = np.append(np.zeros(3), np.log(model.y.mean()))
    wanted = iterated(model.design, model.y, start, np.exp, np.exp, np.zeros(4))
    assert near(model.all, wanted)
    assert near(model.predicted, np.exp(model.design @ wanted))
