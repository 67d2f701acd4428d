"""Every spec trains through the command line to its stated score, and keeps it under ONNX Runtime."""

from __future__ import annotations

import csv
import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
import road
from road import SPECS, Array
from spec_data import images, shared, source

Columns = dict[str, Array]
# From the name of a spec to the folder of its artifacts and what `netc train` told.
Trained = Callable[[str], tuple[Path, dict[str, Any]]]


# Scores, from their definitions ----------------------------------------------------------------------


def accuracy(p: Array, y: Array) -> float:
    """The share of examples of which the likeliest class, or the likelier of yes and no, is the true one."""
    decided = p[:, 0] >= 0.5 if p.shape[1] == 1 else p.argmax(axis=1)
    return float(np.mean(decided == y))


def r2(p: Array, y: Array) -> float:
    return float(1 - np.sum((y - p[:, 0]) ** 2) / np.sum((y - y.mean()) ** 2))


def mae(p: Array, y: Array) -> float:
    return float(np.mean(np.abs(y - p[:, 0])))


@dataclass(frozen=True)
class Goal:
    """A score that an output has to reach: at least `bound`, or below it for an error."""

    score: Callable[[Array, Array], float]
    bound: float
    target: str
    output: str | None = None

    def reached(self, value: float) -> bool:
        """Whether the score is good enough."""
        return value < self.bound if self.score is mae else value >= self.bound


@dataclass(frozen=True)
class Row:
    """A spec: its file of data, which columns each input holds, and what it has to reach.

    `ids` are inputs of categories, each the column of its name, and the number in it that is the first class.
    """

    data: str
    inputs: dict[str, slice | list[int]]
    goals: tuple[Goal, ...]
    ids: dict[str, int] = field(default_factory=dict[str, int])
    # Of an input that is no list.
    shape: tuple[int, ...] = (-1,)

    def examples(self, rows: Array) -> dict[str, Array]:
        """The inputs of some rows, as the exported model takes them."""
        features, columns = table(self.data)
        found = {n: features[rows][:, which].reshape(len(rows), *self.shape) for n, which in self.inputs.items()}
        return found | {name: (columns[name][rows] - first).astype(np.int64) for name, first in self.ids.items()}


PAIR = {"a": slice(0, 1), "b": slice(1, 2)}
ROWS = {
    "digits": Row("digits", {"pixels": slice(0, 64)}, (Goal(accuracy, 0.96, "digit"),)),
    "digit_rows": Row("digits", {"image": slice(0, 64)}, (Goal(accuracy, 0.95, "digit"),), shape=(8, 8)),
    "iris": Row("iris", {"flower": slice(0, 4)}, (Goal(accuracy, 0.9, "species"),)),
    "wine": Row("wine", {"sample": slice(0, 13)}, (Goal(accuracy, 0.95, "cultivar"),)),
    "breast_cancer": Row("breast_cancer", {"nuclei": slice(0, 30)}, (Goal(accuracy, 0.95, "malignant"),)),
    "diabetes": Row("diabetes", {"patient": slice(0, 10)}, (Goal(r2, 0.4, "progression"),)),
    "patients": Row("diabetes", {"measured": [0, *range(2, 10)]}, (Goal(r2, 0.4, "progression"),), {"sex": 1}),
    "wine_strength": Row("wine", {"sample": slice(1, 13)}, (Goal(r2, 0.5, "alcohol"),), {"cultivar": 0}),
    "adder": Row("addition", PAIR, (Goal(mae, 0.05, "total"),)),
    "adder_learned": Row("addition", PAIR, (Goal(mae, 0.1, "total"), Goal(r2, 0.999, "total"))),
    "linear_regression": Row("diabetes", {"bmi": [2]}, (Goal(r2, 0.3, "progression"),)),
    "multiple_regression": Row("diabetes", {"patient": slice(0, 10)}, (Goal(r2, 0.5, "progression"),)),
    "ridge_regression": Row("diabetes", {"patient": slice(0, 10)}, (Goal(r2, 0.5, "progression"),)),
    "logistic_regression": Row("breast_cancer", {"nuclei": slice(0, 30)}, (Goal(accuracy, 0.98, "malignant"),)),
    "poisson_regression": Row("linnerud", {"man": slice(0, 3)}, (Goal(mae, 40, "situps"),)),
    "two_heads": Row(
        "wine",
        {"sample": slice(1, 13)},
        (Goal(accuracy, 0.9, "cultivar", "kind"), Goal(r2, 0.25, "alcohol", "strength")),
    ),
}


# Running ---------------------------------------------------------------------------------------------


def netc(*arguments: str | Path) -> dict[str, Any]:
    """What a command reports as JSON."""
    return road.netc(*arguments, "--json").ok().json


def reported(result: dict[str, Any]) -> list[float]:
    """The scores on the validation split that `netc train` tells of the trained net."""
    return list(result["validation"].values())


@cache
def table(name: str) -> tuple[Array, Columns]:
    """The columns of a file before the last as one array, and all of them by name; labels as their number in order."""
    with (SPECS / "data" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    last = [row[-1] for row in rows]
    order = list(dict.fromkeys(last))
    if not re.fullmatch(r"[\d.]+", last[0]):
        rows = [[*row[:-1], str(order.index(row[-1]))] for row in rows]
    values = np.array(rows, dtype=np.float64)
    return values[:, :-1].astype(np.float32), dict(zip(header, values.T, strict=True))


def module(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"emitted_{file.stem}", file)
    assert spec and spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def judged(page: Path, count: int) -> Array:
    """The rows that do not train, of so many; all of them where the spec, as those of classical models, holds none."""
    made = module(page)
    if not hasattr(made, "split"):
        return np.arange(count)
    _, held = made.split(count)
    assert 0 < len(held) < count / 2
    return held


def predicted(model: Path, inputs: dict[str, Array]) -> dict[str, Array]:
    """Every output of a graph on the stock runtime."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trains a spec, once."""

    @cache
    def train(name: str) -> tuple[Path, dict[str, Any]]:
        folder = tmp_path_factory.mktemp(name)
        return folder, netc("train", SPECS / f"{name}.net", "-o", folder)

    return train


def test_every_spec_has_a_row() -> None:
    # What is rebuilt or forged has no target; tests of its own are below. Windows of a series are in test_going_on.
    assert {*ROWS, "digits_autoencoder", "anomalies", "gan", "sunspots"} == {path.stem for path in SPECS.glob("*.net")}


@pytest.mark.parametrize("name", ROWS)
def test_a_spec_reaches_its_score_and_keeps_it(name: str, trained: Trained) -> None:
    row = ROWS[name]
    folder, result = trained(name)
    features, columns = table(row.data)
    held = judged(folder / f"{name}.py", len(features))
    outputs = predicted(folder / f"{name}.onnx", row.examples(held))
    for goal in row.goals:
        value = goal.score(outputs[goal.output or goal.target].astype(np.float64), columns[goal.target][held])
        assert goal.reached(value), f"{goal.score.__name__} of {goal.target} is {value}"
        # The same examples and weights, so only the rounding of float32 may differ
        assert any(value == pytest.approx(told, rel=1e-5, abs=1e-6) for told in reported(result)), (value, result)


def test_labels_and_probabilities_come_out_together(trained: Trained) -> None:
    folder, _ = trained("iris")
    features, columns = table("iris")
    outputs = predicted(folder / "iris.onnx", {"flower": features})
    names = np.array(["setosa", "versicolor", "virginica"])
    assert outputs["species"].sum(axis=1) == pytest.approx(np.ones(150), abs=1e-6)
    assert (outputs["species_class"] == outputs["species"].argmax(axis=1)).all()
    assert (outputs["species_label"] == names[outputs["species_class"]]).all()
    assert np.mean(outputs["species_label"] == names[columns["species"].astype(int)]) > 0.9


# What is rebuilt -------------------------------------------------------------------------------------


def test_the_autoencoder_is_better_than_principal_components(trained: Trained) -> None:
    """Eight numbers a digit, against the eight best directions of the rows that train."""
    folder, _ = trained("digits_autoencoder")
    pixels, _ = table("digits")
    held = judged(folder / "digits_autoencoder.py", len(pixels))
    x, seen = pixels[held].astype(np.float64), np.delete(pixels, held, axis=0).astype(np.float64)
    outputs = predicted(folder / "digits_autoencoder.onnx", {"pixels": pixels[held]})
    assert outputs["code"].shape == (len(held), 8)
    mean = seen.mean(axis=0)
    directions = np.linalg.svd(seen - mean, full_matrices=False)[2][:8]
    components = mean + (x - mean) @ directions.T @ directions
    ours, theirs = (float(np.mean((found - x) ** 2)) for found in (outputs["picture"], components))
    assert ours < 0.8 * theirs, (ours, theirs)


def roc_auc(scores: Array, true: Array) -> float:
    """How likely one that is true scores above one that is not, by ranks, of which equals share the middle."""
    values, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    ones = int(true.sum())
    assert len(values) > 1 and 0 < ones < len(true)
    return float((ranks[true].sum() - ones * (ones + 1) / 2) / (ones * (len(true) - ones)))


def test_anomalies_are_those_that_are_rebuilt_badly(tmp_path: Path) -> None:
    table = shared("mammography.csv")
    netc("train", SPECS / "anomalies.net", "--data", table, "-o", tmp_path)
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    x = np.array([row[:6] for row in rows], dtype=np.float32)
    # The labels, which no part of the training was given
    sick = np.array([row[6].strip("'") == "1" for row in rows])
    outputs = predicted(tmp_path / "anomalies.onnx", {"x": x})
    assert outputs["error"].shape == (len(x), 1)
    assert roc_auc(outputs["error"][:, 0], sick) >= 0.85


def likeness(forged: Array) -> float:
    """How far the mean of what is forged lies from the mean of what is real, a pixel."""
    return float(np.sqrt(np.mean((forged.mean(axis=0) - images().mean(axis=0)) ** 2)))


# A few epochs, and as many as the spec says: a digit's own deviation from their mean is 0.34.
@pytest.mark.parametrize(("epochs", "bound"), [(4, 0.7), pytest.param(20, 0.4, marks=pytest.mark.exhaustive)])
def test_a_forger_learns_what_is_real(epochs: int, bound: float, tmp_path: Path) -> None:
    """By a critic alone, which is what a generator of the GAN ever hears of the images."""
    spec = tmp_path / "gan.net"
    spec.write_text((SPECS / "gan.net").read_text("utf-8").replace("epochs=20", f"epochs={epochs}"), "utf-8")
    netc("train", spec, *source(SPECS / "gan.net"), "-o", tmp_path / "out")
    made = module(tmp_path / "out" / "gan.py")
    z = np.random.default_rng(0).standard_normal((500, 64)).astype(np.float32)
    with np.load(tmp_path / "out" / "gan.npz", allow_pickle=False) as held:
        ours = made.predict(dict(held), z)
    theirs = predicted(tmp_path / "out" / "gan.onnx", {"z": z})["fake"]
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert likeness(theirs) < bound < likeness(made.predict(made.init(5), z))
    assert theirs.std(axis=0).mean() > 0.1, "other noise makes another image"


# The published network -------------------------------------------------------------------------------

FROM_A = np.array([0.9907079, 0.01417504, 0.88046944])
FROM_B = np.array([1.0264927, -0.8950311, 0.7524377])
HIDDEN = np.array([-0.00070612, -0.06846002, -0.00055442])
OUT, OUT_BIAS = np.array([0.794296, 1.1687347, 0.2406084]), -0.00000929


def published(a: Array, b: Array) -> Array:
    return np.maximum(np.outer(a, FROM_A) + np.outer(b, FROM_B) + HIDDEN, 0) @ OUT + OUT_BIAS


def test_the_adder_is_the_published_network(tmp_path: Path) -> None:
    netc("build", SPECS / "adder.net", "-o", tmp_path)
    # Negative numbers too: only they reach the second hidden unit
    rng = np.random.default_rng(0)
    a, b = np.vstack([[[2, 2]], rng.uniform(-10, 10, (100, 2))]).astype(np.float32).T[:, :, np.newaxis]
    wanted = published(a[:, 0].astype(np.float64), b[:, 0].astype(np.float64))
    trainer = module(tmp_path / "adder.py")
    ours = trainer.predict(trainer.init(trainer.SEED), a, b)
    theirs = predicted(tmp_path / "adder.onnx", {"a": a, "b": b})["total"]
    assert ours[:, 0] == pytest.approx(wanted, rel=1e-6, abs=1e-5)
    assert theirs[:, 0] == pytest.approx(wanted, rel=1e-6, abs=1e-5)
    assert float(theirs[0, 0]) == pytest.approx(4, abs=0.02)


def test_two_and_two_make_very_nearly_four(tmp_path: Path) -> None:
    """By `netc run`, which is told seven digits, against the published numbers computed here in float64."""
    netc("build", SPECS / "adder.net", "-o", tmp_path)
    a, b = np.array([2.0, 2, -3, 0.5, 1000]), np.array([2.0, -7, 1, 0.25, 234])
    np.savez(tmp_path / "numbers.npz", a=a, b=b)
    told = netc("run", tmp_path / "adder.onnx", "--data", tmp_path / "numbers.npz")["predictions"]["total"]
    # float32 keeps 7 digits, and some of the sums' terms cancel
    assert told == pytest.approx(published(a, b).tolist(), rel=2e-6, abs=2e-6)
    assert told[0] == pytest.approx(4, abs=0.02)


def test_a_frozen_layer_is_not_moved(trained: Trained) -> None:
    folder, _ = trained("two_heads")
    with np.load(folder / "two_heads.npz", allow_pickle=False) as weights:
        held = {name: weights[name] for name in weights.files}
    to_percent = [name for name, value in held.items() if value.shape == (1, 1) and value == np.float32(0.8)]
    assert len(to_percent) == 1 and held["b" + to_percent[0][1:]] == np.float32(13)
