"""Metrics against their definitions, also where classes are absent or targets constant, and against scikit-learn's."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from harness import Array, module, small
from netc.codegen import to_numpy
from netc.dsl import SpecError, load_text
from netc.dsl.words import WORDS
from uses import TARGETS, Use, judged_net, uses

USES = [(use, target) for use in uses("metric") for target in use.word.targets]
DECIDING = ("precision", "recall", "f1", "gmeasure", "mcc", "kappa")
HEADS = {"class": "softmax", "binary": "sigmoid"}


def net_of(text: str, target: str, units: int = 3) -> Any:
    """The trainer of a net of some outputs with a metric."""
    word = WORDS["metric", text.split("(")[0]]
    if units == 3:
        return module(judged_net(Use(word, text, {}), target))
    kind = f"{target}({units})" if target == "class" else f"{target}[{units}]"
    loss = {"class": "mcxent", "binary": "xent"}.get(target, "mse")
    chain = f"dense {units}" + (f" -> {HEADS[target]}" if target in HEADS else "")
    return module(small(chain, target=kind, loss=loss, more=f"metric {text}"))


def examples(target: str, rng: np.random.Generator, count: int = 40, ties: bool = False) -> tuple[Array, Array]:
    """Predictions and targets of three columns, or of three classes; with ties both take few values."""
    raw = rng.integers(1, 4, (count, 3)) / 4 if ties else rng.random((count, 3)) * 0.98 + 0.01
    if target == "class":
        return raw / raw.sum(axis=1, keepdims=True), rng.integers(0, 3, count)
    if target == "binary":
        return raw, rng.integers(0, 2, (count, 3)).astype(float)
    y = rng.uniform(0.1, 0.9, (count, 3))
    y = rng.dirichlet((1, 1, 1), count) if target == "simplex" else np.floor(9 * y) if target == "count" else y
    return y + 0.3 * rng.standard_normal(y.shape), y


def value(text: str, target: str, p: Array, y: Array) -> Any:
    found = net_of(text, target, p.shape[1]).metrics(p, y)
    name = text.replace("(", "_").replace(")", "").replace("k=", "").replace("bins=", "")
    assert next(iter(found)) == "loss"
    return found[name]


@pytest.mark.parametrize(("use", "target"), USES, ids=str)
def test_metric(use: Use, target: str):
    rng = np.random.default_rng(4)
    for count, ties in ((1, False), (2, False), (40, False), (30, True)):
        p, y = examples(target, rng, count, ties)
        exact = reference.METRICS[use.word.name](p, y, **use.options)
        found = value(use.text, target, p, y)
        if use.word.name == "confusion":
            assert found == exact
        else:
            assert isinstance(found, float) and found == pytest.approx(exact, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "name", [use.text for use, target in USES if target == "class" and "binary" in use.word.targets]
)
def test_two_classes_are_the_second_one(name: str):
    """What is said of two classes is said of class 1, as of a column of truth values."""
    rng = np.random.default_rng(8)
    p, y = rng.random((30, 1)) * 0.98 + 0.01, rng.integers(0, 2, 30)
    word, options = name.split("(")[0], {"bins": 3} if "(" in name else {}
    found: list[Any] = []
    for target, given, true in (("class", np.hstack([1 - p, p]), y), ("binary", p, y.astype(float)[:, None])):
        found.append(value(name, target, given, true))
        exact = reference.METRICS[word](given, true, **options)
        assert found[-1] == (exact if name == "confusion" else pytest.approx(exact, rel=1e-12)), target
    if word not in ("brier", "calibration"):  # which look at both classes
        assert found[0] == (found[1] if name == "confusion" else pytest.approx(found[1], rel=1e-12))


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


@pytest.mark.parametrize("target", ["class", "binary", "f32"])
@pytest.mark.parametrize("count", [1, 6])
def test_nothing_is_ever_undefined(target: str, count: int):
    """One example, one class, constant predictions: every metric is a number, in float32 too."""
    words = [w.example for (kind, _), w in WORDS.items() if kind == "metric" and target in w.targets]
    made = module(judged_net(Use(WORDS["metric", words[0].split("(")[0]], " ".join(words), {}), target))
    constants = {"class": [np.full(count, k) for k in range(3)]}.get(
        target, [np.full((count, 3), v) for v in (0.0, 1.0)]
    )
    for y in [*constants, np.full((count, 3), 0.1)][: 3 if target != "f32" else None]:
        y = y if target == "class" else y.astype(np.float32)
        for p in (
            np.full((count, 3), 1 / 3),
            np.eye(3)[np.arange(count) % 3],
            np.zeros((count, 3)),
            np.ones((count, 3)),
        ):
            with np.errstate(all="raise"):
                found = made.metrics(p.astype(np.float32), y)
            assert all(np.all(np.isfinite(v)) for v in found.values()), (y, p, found)


def test_ties_go_to_the_first_index():
    p = np.full((2, 3), 1 / 3)
    assert value("accuracy", "class", p, np.array([0, 1])) == 0.5
    assert value("top_k(k=1)", "class", p, np.array([0, 1])) == 0.5
    assert value("top_k(k=2)", "class", p, np.array([1, 2])) == 0.5
    assert value("roc_auc", "class", p, np.array([0, 1])) == 0.5


def test_a_half_decides_for_one():
    p, y = np.array([[0.5, 0.4999, 0.5001]]), np.array([[1.0, 0, 1]])
    assert value("accuracy", "binary", p, y) == 1 and value("f1", "binary", p, y) == 1


def test_without_any_one():
    """Metrics of what is found are 0 where nothing is there to be found, whether nothing was found or too much."""
    zeros = np.zeros((4, 3))
    for name in ("precision", "recall", "f1", "gmeasure", "mcc", "kappa", "pr_auc"):
        assert value(name, "binary", zeros, zeros) == 0
        assert value(name, "binary", zeros + 1, zeros) == 0
    assert value("accuracy", "binary", zeros, zeros) == 1
    assert value("roc_auc", "binary", zeros, zeros) == 0.5
    some = zeros.copy()
    some[:2, 1] = 1
    assert value("roc_auc", "binary", some, some) == value("pr_auc", "binary", some, some) == 1, "of one column alone"


def test_constant_targets():
    p = np.array([[1.0, 2, 3], [2, 2, 3], [3, 2, 4]])
    y = np.full((3, 3), 2.0)
    assert value("r2", "f32", p, y) == 0 and value("rse", "f32", p, y) == 1 and value("pearson", "f32", p, y) == 0
    y[:, 2] = [3, 3, 4]
    assert value("r2", "f32", p, y) == pytest.approx(1 / 3) and value("rse", "f32", p, y) == pytest.approx(2 / 3)
    assert value("pearson", "f32", p, y) == pytest.approx(1 / 3)
    assert value("rmse", "f32", p, p) == 0 and value("r2", "f32", p, p) == pytest.approx(2 / 3)


@pytest.mark.parametrize("count", [3, 7, 100])
def test_constant_targets_in_float32(count: int):
    """Whose mean rounds to another number than theirs."""
    p = np.random.default_rng(2).random((count, 3)).astype(np.float32)
    y = np.full((count, 3), 0.1, np.float32)
    assert value("r2", "f32", p, y) == value("pearson", "f32", p, y) == 0 and value("rse", "f32", p, y) == 1


def test_r2_may_be_negative():
    y = np.array([[0.0] * 3, [1] * 3])
    assert value("r2", "f32", 1 - y, y) == pytest.approx(-3)
    assert value("pearson", "f32", 1 - y, y) == pytest.approx(-1)


def test_calibration():
    """Two bins: 0.2 and 0.3 where one of two happens, 0.9 where it never does."""
    p, y = np.array([[0.2], [0.3], [0.9]]), np.array([[0.0], [1], [0]])
    assert value("calibration(bins=2)", "binary", p, y) == pytest.approx(2 / 3 * 0.25 + 1 / 3 * 0.9)
    assert value("calibration", "binary", p, y) == pytest.approx((0.2 + 0.7 + 0.9) / 3)
    assert value("calibration", "binary", np.ones((2, 1)), np.ones((2, 1))) == 0, "1 lies in the last bin"


def test_counts_do_not_overflow():
    """What needs the product of four counts is computed within 64 bits."""
    count = 200_000
    y = (np.arange(count) % 3 == 0).astype(float)[:, None]
    p = np.where(np.arange(count) % 5 == 0, 1 - y[:, 0], y[:, 0])[:, None]
    exact = np.corrcoef(y[:, 0], p[:, 0])[0, 1]
    assert value("mcc", "binary", p, y) == pytest.approx(exact)
    labels = np.hstack([1 - p, p, np.zeros_like(p)])
    assert value("mcc", "class", labels, y[:, 0].astype(int)) == pytest.approx(exact)


def test_the_loss_of_a_whole_set_is_that_of_one_batch():
    """Slices that bound the memory change nothing, also where the last is smaller."""
    for target in ("class", "f32"):
        made = net_of("accuracy" if target == "class" else "r2", target)
        rng = np.random.default_rng(0)
        p, x = made.init(0), rng.standard_normal((2500, 6)).astype(np.float32)
        y = examples(target, rng, 2500)[1]
        report = made.evaluate(p, (x,), (y,))
        assert report == made.metrics(made.predict(p, x), y)
        assert report["loss"] == pytest.approx(float(made.loss_and_grads(p, x, y)[0]), rel=1e-5)


def test_names_tell_options_apart():
    text = "metric top_k(k=1) top_k(k=2) calibration calibration(bins=5)"
    made = module(small("dense 3 -> softmax", target="class(3)", loss="mcxent", more=text))
    p, y = examples("class", np.random.default_rng(1))
    assert list(made.metrics(p, y)) == ["loss", "top_k_1", "top_k_2", "calibration", "calibration_5"]
    with pytest.raises(SpecError, match="top_k_1 stands twice"):
        small("dense 3 -> softmax", target="class(3)", loss="mcxent", more="metric top_k(k=1) top_k(k=1)")


def test_more_classes_than_there_are():
    with pytest.raises(SpecError, match="top_k looks at 5 classes, but there are 3"):
        small("dense 3 -> softmax", target="class(3)", loss="mcxent", more="metric top_k")


# Peers ----------------------------------------------------------------------------------------------------------------

NOT_INSTALLED = "scikit-learn is not installed: pip install netc[peers]"


@pytest.mark.parametrize("ties", [False, True])
def test_scikit_learn_agrees_on_classes(ties: bool):
    judge = pytest.importorskip("sklearn.metrics", reason=NOT_INSTALLED)
    rng = np.random.default_rng(7)
    for _ in range(3):
        p, y = examples("class", rng, ties=ties)
        ids, onehot = p.argmax(axis=1), np.eye(3)[y]
        macro = {"average": "macro", "zero_division": 0}
        expected = {
            "accuracy": judge.accuracy_score(y, ids),
            "f1": judge.f1_score(y, ids, **macro),
            "precision": judge.precision_score(y, ids, **macro),
            "recall": judge.recall_score(y, ids, **macro),
            "mcc": judge.matthews_corrcoef(y, ids),
            "kappa": judge.cohen_kappa_score(y, ids),
            "roc_auc": judge.roc_auc_score(y, p, multi_class="ovr"),
            "pr_auc": judge.average_precision_score(onehot, p),
            "log_loss": judge.log_loss(y, p),
            "brier": judge.brier_score_loss(y, p),
        }
        for name, exact in expected.items():
            assert value(name, "class", p, y) == pytest.approx(exact, rel=1e-12, abs=1e-12), name
        assert value("confusion", "class", p, y) == judge.confusion_matrix(y, ids).tolist()
    if not ties:  # which it breaks the other way
        assert value("top_k(k=2)", "class", p, y) == pytest.approx(judge.top_k_accuracy_score(y, p, k=2))


@pytest.mark.parametrize("ties", [False, True])
def test_scikit_learn_agrees_on_columns(ties: bool):
    judge = pytest.importorskip("sklearn.metrics", reason=NOT_INSTALLED)
    rng = np.random.default_rng(7)
    for _ in range(3):
        p, y = examples("binary", rng, ties=ties)
        ones, columns = p >= 0.5, range(3)
        expected = {
            "f1": judge.f1_score(y, ones, average="macro"),
            "precision": judge.precision_score(y, ones, average="macro"),
            "recall": judge.recall_score(y, ones, average="macro"),
            "roc_auc": judge.roc_auc_score(y, p),
            "pr_auc": judge.average_precision_score(y, p),
            "mcc": np.mean([judge.matthews_corrcoef(y[:, k], ones[:, k]) for k in columns]),
            "kappa": np.mean([judge.cohen_kappa_score(y[:, k], ones[:, k]) for k in columns]),
            "log_loss": np.mean([judge.log_loss(y[:, k], p[:, k]) for k in columns]),
            "brier": np.mean([judge.brier_score_loss(y[:, k], p[:, k]) for k in columns]),
        }
        for name, exact in expected.items():
            assert value(name, "binary", p, y) == pytest.approx(exact, rel=1e-12), name
        assert value("confusion", "binary", p, y) == judge.multilabel_confusion_matrix(y, ones).tolist()


def test_scikit_learn_agrees_on_numbers():
    judge = pytest.importorskip("sklearn.metrics", reason=NOT_INSTALLED)
    p, y = examples("f32", np.random.default_rng(7))
    assert value("mae", "f32", p, y) == pytest.approx(judge.mean_absolute_error(y, p))
    assert value("mse", "f32", p, y) == pytest.approx(judge.mean_squared_error(y, p))
    assert value("rmse", "f32", p, y) == pytest.approx(math.sqrt(judge.mean_squared_error(y, p)))
    assert value("r2", "f32", p, y) == pytest.approx(judge.r2_score(y, p))
    assert value("rse", "f32", p, y) == pytest.approx(1 - judge.r2_score(y, p))
    assert value("pearson", "f32", p, y) == pytest.approx(
        np.mean([np.corrcoef(p[:, k], y[:, k])[0, 1] for k in range(3)])
    )


def test_targets_of_each_metric():
    assert {t for _, t in USES} == set(TARGETS)


OWN = "def metric within(p, y, tol=0.5) = mean(where(abs(p - y) < tol, 1, 0))\n"


def test_a_metric_s_name_has_its_numbers():
    net = small(f"{OWN}dense 2", more="metric within(tol=0.1) within(tol=0.3) within")
    assert set(net.programs["metrics"].results) == {"loss", "within_0.1", "within_0.3", "within"}


def test_metrics_take_the_outputs_in_their_order():
    """Whatever the loss names first: `evaluate` hands them on as `predict` gives them."""
    text = "net m\ninput x: f32[3]\ntarget y: f32\ntarget z: f32\n"
    text += "p = x -> dense 1\nq = x -> dense 1\noutput q\noutput p\n"
    net = load_text(f"{text}loss mse(p, y) + 2 * mse(q, z)\nupdater sgd\nmetric mae(p, y) mae(q, z)\n", "m.net")
    made, rng = module(net), np.random.default_rng(1)
    x, y, z = rng.standard_normal((5, 3)), rng.standard_normal(5), rng.standard_normal(5)
    p = {name: w.astype(float) for name, w in made.init(1).items()}
    exact = {"mae_p_y": np.abs((x @ p["W1"])[:, 0] - y).mean(), "mae_q_z": np.abs((x @ p["W2"])[:, 0] - z).mean()}
    report = made.evaluate(p, (x,), (y, z))
    assert report["loss"] == pytest.approx(made.loss_and_grads(p, x, y, z)[0])
    assert {name: report[name] for name in exact} == pytest.approx(exact)


def test_numbers_in_a_metric_s_name_are_no_part_of_a_local_of_the_page():
    """`surprise_0.001` and `surprise_-1.5` are names of the report, and no names of Python's."""
    own = "def metric surprise(p, y, low=1e-3) = -sum((p + 0 * y) * log(max(p, exp(low))))\n"
    made = module(small(f"{own}dense 2", more="metric surprise(low=0.001) surprise(low=-1.5) surprise"))
    p, y = examples("f32", np.random.default_rng(1))
    assert list(made.metrics(p, y)) == ["loss", "surprise_0.001", "surprise_-1.5", "surprise"]


def test_a_fault_of_an_own_metric_is_placed_at_its_use():
    text = "def metric top(p, y) = batch_mean(p * y)\np = dense 2"
    with pytest.raises(SpecError) as caught:
        small(text, loss="mse(p, y)", more="metric top(p, y)")
    (error,) = caught.value.diagnostics
    assert [use.line for use in error.uses] == [8]


def test_a_loss_that_is_always_zero_is_refused():
    with pytest.raises(SpecError, match="the loss is always 0, so that nothing can be learned from it"):
        small("p = dense 2", loss="0 * mse(p, y)")


def test_several_losses_and_a_metric_without_validation_keep_the_style_of_the_page(tmp_path: Path):
    page = tmp_path / "page.py"
    page.write_text(to_numpy(small("p = dense 2", loss="a = mse(p, y)\nloss b = mae(p, y)", more="metric mae(p, y)")))
    run = [sys.executable, "-m", "ruff", "format", "--check", "--isolated", str(page)]
    assert subprocess.run(run, capture_output=True).returncode == 0
