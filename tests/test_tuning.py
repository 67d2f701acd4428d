"""Tuned thresholds: the best of all, found after training on the rows held out, by either engine, resumed or not."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from harness import Array, module, spec
from netc.codegen import serialized, to_numpy, to_step
from netc.codegen.onnx_file import metadata
from netc.dsl import Net, load_text
from netc.runtime import (
    Interrupted,
    Metadata,
    NumpyEngine,
    Observer,
    OnnxEngine,
    Record,
    Result,
    Session,
    examples_of,
    prepare_folder,
    train,
    trainer_of,
)
from road import netc
from test_thresholds import BINARY, COLUMNS, METRICS, SPLIT, TWO, data, net, probabilities


def scores_by_hand(name: str, p: Array, y: Array) -> tuple[list[float], list[float]]:
    """All thresholds of a column and their scores, from the definition."""
    edges = sorted([0.0, 1.0, *p.tolist()])
    cuts = [(a + b) / 2 for a, b in pairwise(edges) if b - a > 1e-5 or (a, b) == (edges[0], edges[1])]
    return cuts, [reference.METRICS[name]((p[:, None] >= cut) * 1.0, y[:, None]) for cut in cuts]


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("parts", [BINARY, COLUMNS, TWO], ids=["one", "columns", "classes"])
def test_the_best_threshold(name: str, parts: dict[str, str]):
    """Of all middles between predictions, and of the ends, the lowest with the highest score, column by column."""
    made = module(net(parts, f"best({name})"))
    for seed in range(3):
        p, y = probabilities(parts, np.random.default_rng(seed)), data(parts, 30, seed)[1]
        state = {"threshold_y": None}
        made.predict = lambda weights, x, p=p: p[x]
        made.tune(state, [np.arange(30)], [y])
        found, ones = state["threshold_y"], p[:, 1:] if parts is TWO else p
        assert found is not None and found.dtype == np.float32 and found.shape == (ones.shape[1],)
        for k, (column, truth) in enumerate(zip(ones.T, y.reshape(30, -1).T, strict=True)):
            cuts, scores = scores_by_hand(name, column, truth.astype(float))
            best = [c for c, s in zip(cuts, scores, strict=True) if s > max(scores) - 1e-12]
            assert found[k] == np.float32(best[0]), (scores, cuts)


@pytest.mark.parametrize("target", ["class(2)[T]", "binary[T]", "binary[T, 3]"])
@pytest.mark.parametrize("lengths", [False, True])
def test_steps_that_count_are_tuned_for_as_examples_are(target: str, lengths: bool):
    outputs, of_class = 3 if "3" in target else 2 if "class" in target else 1, "class" in target
    text = f"net n\ninput x: f32[T, 6]{' lengths=true' * lengths}\ntarget y: {target}\ndense {outputs} -> "
    text += "softmax\nloss mcxent" if of_class else "sigmoid\nloss xent"
    made = module(load_text(f"{text}\nupdater sgd\nthreshold y best(f1)\ntrain validation=25%\n"))
    rng, counts, state = np.random.default_rng(4), np.array([7, 2, 4, 1, 7, 5]), {}
    p = rng.uniform(0.05, 0.95, (6, 7, outputs))
    y = rng.integers(0, 2, p.shape[:2] if of_class or outputs == 1 else p.shape)
    made.predict, made.compared = (lambda weights, x: p[x]), (lambda weights, x, told: (p[x], told))
    made.tune(state, [np.arange(6), *([counts] if lengths else [])], [y])
    rows = np.arange(7) < (counts if lengths else np.full(6, 7))[:, None]
    ones = p[rows][:, 1:] if of_class else p[rows]
    assert state["threshold_y"].tolist() == made.best_threshold(ones, y[rows], made.f1_score).tolist()
    assert state["threshold_y"].shape == made.init(1)["threshold_y"].shape


@pytest.mark.parametrize(
    ("p", "y", "lowest", "highest"),
    [
        ([0.3], [1], 0.0, 0.3),  # one example, one class: everything is 1
        ([0.3, 0.3, 0.3], [0, 0, 0], 0.3, 1),  # none is
        ([0.0, 0.0], [1, 1], 0.0, 0.0),
        ([1.0, 1.0], [1, 0], 0.0, 1.0),
        ([0.2, 0.2 + 2e-8, 0.7], [0, 1, 1], 0.0, 0.7),  # rounding could move either of the first two
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 0.4999, 0.5001),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_edges_of_tuning(p: list[float], y: list[int], lowest: float, highest: float, dtype: Any):
    made = module(net(BINARY, "best(accuracy)"))
    scores = np.array(p, dtype)[:, None]
    with np.errstate(all="raise"):
        found = made.best_threshold(scores, np.array(y), made.accuracy_score)
    assert lowest <= found[0] <= highest and np.isfinite(found).all(), found


def fitted(made_net: Net, parts: dict[str, str], engine: str = "numpy", **options: Any) -> tuple[Any, Any, Result]:
    """The net's trainer, its examples, and what a run came to."""
    own = trainer_of(to_numpy(made_net), "small.py")
    described = Metadata.from_json(json.dumps(metadata(made_net, [], False)))
    x, y = data(parts)
    examples = examples_of(described, {"x": x, "y": y})
    chosen = NumpyEngine(own) if engine == "numpy" else OnnxEngine(serialized(to_step(made_net)), "cpu", 1)
    return own, examples, train(own, described, examples, engine=chosen, **options)


@pytest.mark.parametrize("stop", ["", " early_stop=2"])
@pytest.mark.parametrize("parts", [BINARY, COLUMNS, TWO], ids=["one", "columns", "classes"])
@pytest.mark.parametrize("engine", ["numpy", "onnx"])
def test_training_ends_with_tuning(parts: dict[str, str], engine: str, stop: str):
    """After the last epoch, on the weights that are kept; till then the metrics are those of 1/2."""
    made_net = net(parts, "best(f1)", more=SPLIT.replace("epochs=6", "epochs=30") + stop)
    own, examples, result = fitted(made_net, parts, engine)
    x, y = examples.arrays["x"], examples.arrays["y"]
    held = own.split(60)[1]
    p = dict(result.weights)
    tuned = p["threshold_y"]
    assert tuned.shape == own.init(3)["threshold_y"].shape and tuned.dtype == np.float32
    assert not np.all(tuned == 0.5) and np.all(own.init(3)["threshold_y"] == 0.5)
    own.tune(p, (x[held],), (y[held],))
    np.testing.assert_array_equal(p["threshold_y"], tuned)
    report = own.evaluate(p, (x[held],), (y[held],))
    p["threshold_y"] = np.full_like(tuned, 0.5)
    at_half = own.evaluate(p, (x[held],), (y[held],))
    assert report["f1"] >= at_half["f1"] and report["loss"] == at_half["loss"]
    epoch = result.best_epoch or len(result.history)
    assert result.history[epoch - 1].validation["f1"] == pytest.approx(at_half["f1"], rel=1e-6)
    if engine == "numpy":
        alone = module(made_net).train([x], [y])
        assert {name: value.tobytes() for name, value in alone.items()} == {
            name: value.tobytes() for name, value in result.weights.items()
        }


class Impatient(Observer):
    """Stops a run after some epochs."""

    def on_epoch(self, record: Record) -> None:
        if record.epoch == 4:
            raise KeyboardInterrupt


@pytest.mark.parametrize("engine", ["numpy", "onnx"])
def test_a_resumed_run_tunes_as_one_that_was_not_disturbed(engine: str, tmp_path: Path):
    made_net = net(BINARY, "best(f1)", "f1 confusion", SPLIT.replace("epochs=6", "epochs=9"))
    whole = fitted(made_net, BINARY, engine)[2]
    folder = prepare_folder(tmp_path / "run", "small")
    with pytest.raises(Interrupted):
        fitted(made_net, BINARY, engine, folder=folder, observer=Impatient())
    for _ in range(2):  # the second time it has ended already
        again = fitted(made_net, BINARY, engine, folder=folder, resume=True)[2]
        assert {k: v.tobytes() for k, v in again.weights.items()} == {k: v.tobytes() for k, v in whole.weights.items()}
        assert again.history == whole.history
    table = again.history[-1].validation["confusion"]
    assert f'"{table}"' in (folder / "history.csv").read_text("utf-8").splitlines()[-1]


def test_the_command_line(tmp_path: Path):
    """It tunes, says so, exports what it tuned, and runs by it; a table of counts stands below the report."""
    text = spec(**TWO, updater="adam lr=0.05", more=f"threshold y best(f1)\nmetric f1 confusion\n{SPLIT}")
    (tmp_path / "small.net").write_text(text, encoding="utf-8")
    x, y = data(TWO)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    done = netc("train", tmp_path / "small.net", "--data", tmp_path / "data.npz", "-o", tmp_path / "out").ok()
    tuned = np.load(tmp_path / "out" / "small.npz")["threshold_y"]
    assert f"y is decided from {tuned[0]:.4g} on, where f1 is best" in done.out
    held = module(net(TWO, "best(f1)")).split(60)[1]
    lines = done.out.splitlines()
    start = lines.index("confusion: true by row, decided by column")
    assert lines[start + 1].split() == ["no", "yes"]
    counts = [[int(n) for n in line.split()[1:]] for line in lines[start + 2 : start + 4]]
    assert sum(map(sum, counts)) == len(held) and [line.split()[0] for line in lines[start + 2 : start + 4]] == [
        "no",
        "yes",
    ]
    assert all("confusion" not in line for line in lines if line.startswith("epoch"))
    session = Session(tmp_path / "out" / "small.onnx", "cpu")
    said = session.predict(x=x)["y"]
    assert said.ids is not None
    np.testing.assert_array_equal(said.ids, said.values[:, 1] >= tuned[0])
    table = [[int(np.sum((y[held] == i) & (said.ids[held] == j))) for j in range(2)] for i in range(2)]
    assert table == counts
    done = netc("run", tmp_path / "out" / "small.onnx", "--data", tmp_path / "data.npz").ok()
    assert [line.split(",")[0] for line in done.out.splitlines()[1:]] == [["no", "yes"][k] for k in said.ids]


def test_what_is_kept_is_told_where_steps_are_counted(tmp_path: Path):
    """The weights are those of the best epoch and the threshold is tuned, which the last epoch's numbers do not say."""
    text = """net counted
input x: f32[T, 2] lengths=true
target hit: binary[T, 1]
gru 4 -> dense 1 -> sigmoid
threshold hit best(f1)
loss xent
updater adam lr=0.2
metric f1 accuracy confusion
train epochs=30 batch=4 validation=30% early_stop=3
"""
    (tmp_path / "counted.net").write_text(text, encoding="utf-8")
    rng = np.random.default_rng(1)
    x, lengths = rng.normal(size=(24, 6, 2)).astype(np.float32), rng.integers(1, 7, 24)
    hit = x[..., :1] + rng.normal(size=(24, 6, 1)) > 0.8
    np.savez(tmp_path / "data.npz", x=x, x_lengths=lengths, hit=hit.astype(np.float32))
    options = ("--data", tmp_path / "data.npz", "-o", tmp_path / "out")
    done = netc("train", tmp_path / "counted.net", *options, "--json").ok().json
    assert done["best_epoch"] < done["epochs"]
    weights = dict(np.load(tmp_path / "out" / "counted.npz"))
    page = module(load_text(text))
    held = page.split(24)[1]
    counts = np.arange(6) < lengths[held][:, None]
    p, y = page.predict(weights, x[held], lengths[held])[counts][:, 0].astype(np.float64), hit[held][counts][:, 0]
    told, chosen = done["validation"], p >= weights["threshold_hit"]
    assert told["loss"] == pytest.approx(-np.mean(np.log(np.where(y, p, 1 - p))), rel=1e-5)
    assert told["f1"] == pytest.approx(2 * np.sum(chosen & y) / (np.sum(chosen) + np.sum(y)))
    assert told["accuracy"] == pytest.approx(np.mean(chosen == y))
    assert np.sum(told["confusion"]) == len(y)
    said = netc("train", tmp_path / "counted.net", *options, "--force").ok().out
    assert f"counted.npz by its trainer: loss {told['loss']:.4f}" in said and "confusion: true by row" in said
