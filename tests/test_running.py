"""Runs of nets that keep running statistics: the file's own loop, both engines, early stop, and resuming."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import module
from netc.codegen import serialized, to_numpy, to_step
from netc.codegen.onnx_file import metadata
from netc.dsl import load_text
from netc.runtime import Interrupted, Metadata, NumpyEngine, Observer, OnnxEngine, examples_of, train, trainer_of

NET = load_text(
    "net kept\ninput x: f32[4]\ntarget y: class(3)\nstandardize\ndense 6 bias=false -> batchnorm -> tanh\n"
    "dense 3 -> softmax\nloss mcxent\nupdater adam lr=0.05\n"
    "train epochs=12 batch=7 seed=2 validation=25% early_stop=3\n"
)
METADATA = Metadata.from_json(json.dumps(metadata(NET, [], False)))
RNG = np.random.default_rng(5)
Y = RNG.integers(0, 3, 60)
DATA = {"x": (RNG.normal(size=(60, 4)) + Y[:, None]).astype(np.float32), "y": Y}
EXAMPLES = examples_of(METADATA, DATA)


def engine(name: str) -> Any:
    made = trainer_of(to_numpy(NET), "kept.py")
    return NumpyEngine(made) if name == "numpy" else OnnxEngine(serialized(to_step(NET)), "cpu", 1)


def run(name: str = "numpy", **options: Any) -> Any:
    return train(trainer_of(to_numpy(NET), "kept.py"), METADATA, EXAMPLES, engine=engine(name), **options)


class Stops(Observer):
    """Presses Ctrl-C in the middle of an epoch."""

    def on_batch(self, epoch: int, batch: int, batches: int, losses: tuple[float, ...]) -> None:
        if (epoch, batch) == (3, 2):
            raise KeyboardInterrupt


def test_the_runtime_runs_as_the_file_does():
    kept = module(NET).train([DATA["x"]], [DATA["y"]])
    found = run().weights
    assert list(found) == list(kept) and {"mean2", "var2"} < set(found)
    assert all(np.array_equal(found[name], kept[name]) for name in kept)


@pytest.mark.parametrize("name", ["numpy", "onnx"])
def test_a_resumed_run_has_the_same_bits(name: str, tmp_path: Path):
    whole = run(name)
    with pytest.raises(Interrupted):
        run(name, folder=tmp_path, observer=Stops())
    again = run(name, folder=tmp_path, resume=True)
    assert all(np.array_equal(again.weights[each], array) for each, array in whole.weights.items())
    assert [r.losses for r in again.history] == [r.losses for r in whole.history]


@pytest.mark.parametrize("name", ["numpy", "onnx"])
def test_the_best_epoch_keeps_its_statistics(name: str):
    """The result's weights, statistics among them, score what the best epoch scored, and that was not the last one."""
    result, made = run(name), module(NET)
    assert result.best_epoch is not None and result.best_epoch < len(result.history)
    rows = made.split(60)[1]
    report = made.evaluate(result.weights, [DATA["x"][rows]], [DATA["y"][rows]])
    best = result.history[result.best_epoch - 1].validation["loss"]
    assert report["loss"] == pytest.approx(best, rel=1e-6)
    other = {**result.weights, "mean2": np.zeros_like(result.weights["mean2"])}
    assert made.evaluate(other, [DATA["x"][rows]], [DATA["y"][rows]])["loss"] != pytest.approx(best, rel=1e-3)


def test_the_engines_leave_the_same_statistics():
    one, other = run("numpy").weights, run("onnx").weights
    for name in ("mean2", "var2"):
        assert not np.array_equal(one[name], module(NET).init(2)[name])
        np.testing.assert_allclose(one[name], other[name], atol=1e-4)


def test_a_loss_that_is_not_finite_moves_no_statistic():
    made = engine("numpy")
    first = module(NET).init(2)
    x = DATA["x"].copy()
    x[0] = np.inf
    made.start(dict(first), module(NET).init_updater(first), (x,), (DATA["y"],))
    with np.errstate(all="ignore"):
        made.step(np.arange(7), None, 1, 0.0)
    assert all(np.array_equal(made.weights()[name], array) for name, array in first.items())


SOLVED = (
    "net kept\ninput x: f32[4]\ntarget y: class(3)\ndense 4 bias=false -> batchnorm momentum=1 -> tanh\n"
    "dense 3 -> softmax\nloss mcxent\nupdater lbfgs\ntrain epochs=3 seed=2\ntargets numpy inference\n"
)


def test_a_solver_leaves_the_statistics_of_all_rows():
    """With momentum=1 they are those of the last iteration, so predictions are what training saw."""
    made = module(load_text(SOLVED))
    p = made.train([DATA["x"]], [DATA["y"]])
    h = np.float64(DATA["x"]) @ p["W1"]
    np.testing.assert_allclose(p["mean2"], h.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(p["var2"], h.var(axis=0, ddof=1), rtol=1e-4)
