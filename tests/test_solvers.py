"""Full-batch solvers: their iterations against a reference, where they arrive, and how they train, stop and go on."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from harness import Array, small, spec
from netc.cli.proof import prove
from netc.codegen import to_numpy, to_onnx
from netc.dsl import SpecError, load_text
from netc.dsl.words import WORDS
from netc.runtime import trainer_of
from road import SPECS, Done, alone, assert_same_bits, history, netc
from uses import Use, data, nets_around, uses

SOLVERS = [name for kind, name in WORDS if kind == "solver"]
USES = uses("solver")
WANTED = "targets numpy inference"
Function = Callable[[Array], tuple[float, Array]]


def words(name: str, count: int, **options: int) -> tuple[Any, dict[str, Array]]:
    """The kernel of a solver, and its memory before the first iteration."""
    word = WORDS["solver", name]
    return word.kernels[-1], {key: np.zeros(shape) for key, shape in word.function(count, **options).items()}


def minimised(name: str, function: Function, w: Array, iterations: int) -> tuple[Array, list[float]]:
    """Where a solver arrives, and the losses on the way."""
    kernel, memory = words(name, len(w))
    losses: list[float] = []
    for _ in range(iterations):
        w, loss = kernel(function, w, memory)
        losses.append(loss)
    return w, [*losses, function(w)[0]]


# Functions with a known minimum ---------------------------------------------------------------------------------------


def quadratic(condition: float) -> tuple[Function, Array]:
    """A bowl with axes of other lengths, turned, and where its bottom is."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    matrix = turn @ np.diag(np.geomspace(1, condition, 6)) @ turn.T
    b = rng.standard_normal(6)
    return lambda w: (0.5 * w @ matrix @ w - b @ w, matrix @ w - b), np.linalg.solve(matrix, b)


def rosenbrock(w: Array) -> tuple[float, Array]:
    """A bent valley with its lowest point at ones."""
    bend, rest = w[1:] - w[:-1] ** 2, 1 - w[:-1]
    slopes = np.zeros_like(w)
    slopes[:-1] = -400 * w[:-1] * bend - 2 * rest
    slopes[1:] += 200 * bend
    return float(np.sum(100 * bend**2 + rest**2)), slopes


@pytest.mark.parametrize("name", SOLVERS)
def test_a_quadratic_is_minimised_where_algebra_says(name: str):
    function, bottom = quadratic(30.0)
    w, losses = minimised(name, function, np.zeros(6), 300)
    assert w == pytest.approx(bottom, rel=1e-6, abs=1e-6)
    assert all(after <= before for before, after in itertools.pairwise(losses))


def test_conjugate_gradients_of_a_quadratic_are_those_of_the_textbook():
    """Hestenes and Stiefel 1952: with the lowest point of each line the sixth of six iterations is at the bottom."""
    function, bottom = quadratic(30.0)
    b = -function(np.zeros(6))[1]
    kernel, memory = words("conjugate_gradient", 6)
    w, x, residual, direction = np.zeros(6), np.zeros(6), b, b
    for _ in range(6):
        bent = function(direction)[1] + b
        x = x + residual @ residual / (direction @ bent) * direction
        left = residual - residual @ residual / (direction @ bent) * bent
        direction, residual = left + left @ left / (residual @ residual) * direction, left
        w, _ = kernel(function, w, memory)
        assert w == pytest.approx(x, abs=1e-10)
    assert w == pytest.approx(bottom, abs=1e-10)


def test_a_curvature_that_leads_nowhere_is_forgotten():
    """What is remembered here points to where the loss has no value, however short the step."""
    function, bottom = quadratic(30.0)
    kernel, memory = words("lbfgs", 6)
    memory["steps"][-1], memory["changes"][-1] = np.eye(6)[0], 1e-320 * np.eye(6)[0]
    with np.errstate(all="ignore"):
        w, _ = kernel(function, np.zeros(6), memory)
    assert not w.any() and not memory["steps"].any() and not memory["changes"].any()
    for _ in range(100):
        w, _ = kernel(function, w, memory)
    assert w == pytest.approx(bottom, abs=1e-6)


@pytest.mark.parametrize(("name", "iterations"), [("lbfgs", 100), ("conjugate_gradient", 600)])
def test_a_bent_valley_is_followed_to_its_end(name: str, iterations: int):
    w, losses = minimised(name, rosenbrock, np.zeros(6), iterations)
    assert w == pytest.approx(np.ones(6), abs=1e-4)
    assert all(after <= before for before, after in itertools.pairwise(losses))


def test_curvature_takes_fewer_iterations_than_the_gradient_alone():
    function, bottom = quadratic(1000.0)
    apart = {name: np.abs(minimised(name, function, np.zeros(6), 30)[0] - bottom).max() for name in SOLVERS}
    assert apart["lbfgs"] < 1e-3 * apart["line_gradient_descent"]
    assert apart["conjugate_gradient"] < 0.1 * apart["line_gradient_descent"]


@pytest.mark.parametrize("name", SOLVERS)
def test_a_loss_that_is_not_finite_further_on_is_kept_away_from(name: str):
    """A barrier: the line search comes back from where the logarithm has no value."""

    def function(w: Array) -> tuple[float, Array]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(np.sum(w - np.log(w))), 1 - 1 / w

    w, losses = minimised(name, function, np.array([1e-3, 4.0]), 200)
    assert w == pytest.approx(np.ones(2), abs=1e-5) and np.all(np.isfinite(losses))


@pytest.mark.parametrize("name", SOLVERS)
def test_at_the_minimum_nothing_moves(name: str):
    function, _ = quadratic(1.0)
    flat: Function = lambda w: (function(w)[0], np.zeros_like(w))  # noqa: E731
    start = np.ones(6)
    w, losses = minimised(name, flat, start, 3)
    assert np.array_equal(w, start) and len(set(losses)) == 1


# The page -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", USES, ids=str)
def test_iterations_are_those_of_the_reference(use: Use):
    """In float64, through the page: the weights by name as one vector, and the loss before each iteration."""
    (net,) = nets_around(use)
    made, p, inputs, targets = data(net)
    names = list(p)

    def split(w: Array) -> dict[str, Array]:
        ends = np.cumsum([p[n].size for n in names])[:-1]
        return {n: part.reshape(p[n].shape) for n, part in zip(names, np.split(w, ends), strict=True)}

    def function(w: Array) -> tuple[float, Array]:
        loss, grads = made.loss_and_grads(split(w), *inputs, *targets)
        return float(loss), np.concatenate([grads[n].ravel() for n in names])

    start = np.concatenate([p[n].ravel() for n in names])
    wanted = reference.SOLVERS[use.word.name](function, start, 8, **use.options)
    memory = made.init_updater(p)
    for w, loss in wanted:
        assert made.solve(p, memory, *inputs, *targets) == pytest.approx(loss, rel=1e-9)
        for n, value in split(w).items():
            assert p[n] == pytest.approx(value, rel=1e-8, abs=1e-10)


def test_history_is_how_many_steps_are_remembered():
    net = small("dense 4 -> tanh\ndense 2", updater="lbfgs history=3", more=WANTED)
    made, p, inputs, targets = data(net)
    memory = made.init_updater(p)
    count = sum(a.size for a in p.values())
    assert {k: (v.shape, v.dtype) for k, v in memory.items()} == {
        "steps": ((3, count), np.float64),
        "changes": ((3, count), np.float64),
    }
    for k in range(5):
        made.solve(p, memory, *inputs, *targets)
        assert np.count_nonzero(memory["steps"].any(axis=1)) == min(k + 1, 3)


LAYERS = {
    "frozen": "h = dense 4 frozen=true -> tanh\nh -> dense 2",
    "statistics": "standardize -> dense 4 -> tanh\ndense 2",
    "noise": "dense 4 -> tanh -> dropout 20%\ndense 2",
    "noise of weights": "dense 4 dropconnect=20% -> tanh\ndense 2",
    "a schedule in the loss": "dense 4 l2=cosine(1e-1, epochs=5) -> tanh\ndense 2",
    "penalties": "dense 4 l1=1e-2 l2=1e-2 -> tanh\ndense 2",
}


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("layers", LAYERS)
def test_what_a_net_may_have_is_solved_and_proven(name: str, layers: str):
    net = small(LAYERS[layers], updater=name, more=f"{WANTED}\ntrain epochs=3")
    text = to_numpy(net)
    first = trainer_of(text, "t.py").init(1)
    proof = prove(net, text, to_onnx(net, first), None, first, False)
    assert proof.ok, proof.differing
    facts = {row.what for row in proof.rows if row.name == name}
    assert facts == {"loss", "told loss", "weights", "memory"}, proof.unproven


MOVED = "        p[name] = value.astype(p[name].dtype)"
LAST, END = "    return loss\n\n\ndef", "    return point, loss\n"
# Lines of the page, what is put in their place, and what the proof says of it.
WRONG = {
    "uphill": ({"w + size * direction": "w - size * direction", "if value <=": "if value >="}, "loss", "it rises"),
    "nowhere": ({MOVED: "        p[name] = p[name]"}, "loss", "it stays"),
    "another loss": ({LAST: LAST.replace("loss", "2 * loss")}, "told loss", "it is"),
    "what is frozen": ({LAST: f'    p["W1"] = p["W1"] + 1\n{LAST}'}, "weights", "it moves W1"),
    "another precision": ({MOVED: MOVED.replace(".astype(p[name].dtype)", "")}, "weights", "in float32"),
    "its memory": ({END: f'    memory["changes"] = np.float32(changes)\n{END}'}, "memory", "shapes or types"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_solver_at_fault_is_not_proven(case: str):
    lines, what, said = WRONG[case]
    net = small("dense 4 frozen=true -> tanh\ndense 2", updater="lbfgs", more=WANTED)
    text = to_numpy(net)
    first = trainer_of(text, "t.py").init(1)
    for line, other in lines.items():
        assert text.count(line) == 1
        text = text.replace(line, other)
    proof = prove(net, text, to_onnx(net, first), None, first, False)
    assert said in dict(proof.differing)[f"lbfgs, {what}"]


def test_what_has_no_slope_is_not_proven():
    """Far out tanh is flat in float64 too, so nothing says which way is down."""
    net = small("dense 4 init=100 bias_init=1000 -> tanh -> dense 2 frozen=true", updater="lbfgs", more=WANTED)
    text = to_numpy(net)
    first = trainer_of(text, "t.py").init(1)
    proof = prove(net, text, to_onnx(net, first), None, first, False)
    assert proof.ok and "faint" in dict(proof.unproven)["lbfgs, fall"]


def test_several_weights_of_a_named_loss_are_solved():
    text = spec(
        "part a {\n dense 4 -> tanh\n}\nv = x -> a -> dense 2 frozen=true",
        loss="fit = mse(v, y) trains a with lbfgs(history=3)",
        more=WANTED,
    )
    net = load_text(text.replace("updater sgd\n", ""))
    made, p, inputs, targets = data(net)
    before = {k: v.copy() for k, v in p.items()}
    assert made.solve(p, made.init_updater(p), *inputs, *targets) > 0
    assert made.FIT_HISTORY == 3
    moved = {k for k in p if not np.array_equal(p[k], before[k])}
    assert moved == set(made.LOSSES["fit"]) == {"a_W1", "a_b1"}


# What makes no sense --------------------------------------------------------------------------------------------------

SPEC = """net t
input x: f32[4]
target y: f32
{layers}
{loss}
updater {updater}
train epochs=3 {train}
{more}
"""
PLAIN = {"layers": "dense 1", "loss": "loss mse", "updater": "lbfgs", "train": "", "more": WANTED}
REFUSED = {
    "no targets": ({"more": ""}, "no-step-graph", "targets numpy inference"),
    "a step graph": ({"more": "targets numpy step"}, "no-step-graph", "targets numpy inference"),
    "a batch": ({"train": "batch=32"}, "unknown-option", "take batch away"),
    "clip_norm": ({"train": "clip_norm=1"}, "unknown-option", "clip_norm"),
    "clip_value": ({"train": "clip_value=1"}, "unknown-option", "clip_value"),
    "renormalize": ({"train": "renormalize=true norm_per=layer"}, "unknown-option", "renormalize"),
    "a constraint": ({"layers": "dense 1 max_norm=2"}, "unknown-option", "max_norm"),
    "signs": ({"layers": "dense 1 non_negative=true"}, "unknown-option", "non_negative"),
    "weight_decay": ({"layers": "dense 1 weight_decay=0.1"}, "unknown-option", "l2="),
    "lr_scale": ({"layers": "dense 1 lr_scale=0.1"}, "unknown-option", "lr_scale"),
    "a rate": ({"updater": "lbfgs lr=0.1"}, "unknown-option", "history"),
    "no memory": ({"updater": "lbfgs history=0"}, "bad-option", "history"),
    "a typing mistake": ({"updater": "lbgfs"}, "unknown-word", "did you mean lbfgs?"),
    "two losses": (
        {"layers": "a = x -> dense 1\nb = x -> dense 1\noutput a", "loss": "loss m = mse(a, y)\nloss n = mse(b, y)"},
        "ambiguous-loss",
        "one loss",
    ),
    "in a chain": ({"layers": "dense 1 -> lbfgs"}, "unknown-word", "updater lbfgs"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_solver_cannot_do_is_said(case: str):
    parts, code, said = REFUSED[case]
    with pytest.raises(SpecError) as caught:
        load_text(SPEC.format(**{**PLAIN, **parts}))
    told = caught.value.diagnostics
    assert [d.code for d in told] == [code] and said in f"{told[0].message} {told[0].help}"


def test_an_updater_of_the_spec_may_have_the_name_of_a_solver():
    own = "def updater lbfgs(lr=0.1) {\n w = w - lr * g\n}"
    net = load_text(SPEC.format(**{**PLAIN, "more": own}))
    assert net.solver is None and "update" in net.programs


# Command lines --------------------------------------------------------------------------------------------------------


def test_training_onnx_is_refused(tmp_path: Path):
    done = netc("train", SPECS / "multiple_regression.net", "--engine", "onnx", "-o", tmp_path)
    done.refused("not-trainable", "no step graph", "--engine numpy")


def test_a_loss_that_is_not_finite_is_told(tmp_path: Path):
    more = f"{WANTED}\ndef activation exponential(x) = exp(x)"
    text = SPEC.format(**{**PLAIN, "layers": "dense 1 init=1000 -> exponential", "more": more})
    (tmp_path / "t.net").write_text(text, "utf-8")
    np.savez(tmp_path / "data.npz", x=np.ones((5, 4)), y=np.ones(5))
    done = netc("train", tmp_path / "t.net", "--data", tmp_path / "data.npz", "-o", tmp_path / "out")
    done.refused("not-finite", "the loss is inf", "standardize", "smaller first weights")


@pytest.mark.parametrize("name", SOLVERS)
def test_early_stopping_gives_back_the_best_epoch(name: str, tmp_path: Path):
    """With noise, validation rows, and a page of its own that arrives at the same bits."""
    text = (SPECS / "diabetes.net").read_text("utf-8")
    text = re.sub("^updater .*", f"updater {name}\n{WANTED}", text, flags=re.M)
    text = re.sub("^train .*", "train epochs=60 seed=7 validation=30% early_stop=3", text, flags=re.M)
    (tmp_path / "diabetes.net").write_text(text, "utf-8")
    data = SPECS / "data" / "diabetes.csv"
    done = netc("train", tmp_path / "diabetes.net", "--data", data, "-o", tmp_path / "out", "--json").ok().json
    judged = [float(line["val_loss"]) for line in history(tmp_path / "out")]
    best = int(np.argmin(judged)) + 1
    assert done["best_epoch"] == best and (len(judged) == best + 3 or len(judged) == 60)
    assert done["validation"]["loss"] == pytest.approx(judged[best - 1], rel=1e-6)
    table = np.loadtxt(data, delimiter=",", skiprows=1, dtype=np.float32)
    np.savez(tmp_path / "table.npz", patient=table[:, :10], progression=table[:, 10:])
    alone(tmp_path / "out" / "diabetes.py", tmp_path / "table.npz", cwd=tmp_path).ok()
    assert_same_bits(tmp_path / "diabetes.npz", tmp_path / "out" / "diabetes.npz")


STOP = """
from netc.runtime.train import _Run
save = _Run._close_epoch
def stopping(run):
    save(run)
    if run.state.epoch == 4:
        raise KeyboardInterrupt
_Run._close_epoch = stopping
"""


@pytest.mark.parametrize("name", SOLVERS)
def test_a_resumed_run_ends_in_the_same_bits(name: str, tmp_path: Path):
    text = (SPECS / "multiple_regression.net").read_text("utf-8").replace("updater lbfgs", f"updater {name}")
    path = tmp_path / "multiple_regression.net"
    path.write_text(text.replace("epochs=100", "epochs=9"), "utf-8")
    shutil.copytree(SPECS / "data", tmp_path / "data")

    def trained(folder: str, *more: str, first: str = "") -> Done:
        return netc("train", path, "-o", tmp_path / folder, *more, first=first)

    trained("whole").ok()
    assert trained("parts", first=STOP).code == 130
    trained("parts", "--resume").ok()
    whole, parts = (dict(np.load(tmp_path / f / "multiple_regression.npz")) for f in ("whole", "parts"))
    assert all(whole[k].tobytes() == parts[k].tobytes() for k in whole) and set(whole) == set(parts)
    for file in ("history.csv", "multiple_regression.onnx"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "parts" / file).read_bytes()
