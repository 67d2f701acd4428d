"""The emitted trainer, with NumPy alone, trains the very bits that `netc train --engine numpy` trains."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from matrix import NETS, data, examples, home, trained, write_spec
from netc.dsl import vocabulary
from netc.dsl.words import WORDS
from road import ENV, SPECS, Done, alone, assert_same_bits, bare, history, netc, process

assert vocabulary.__all__


class Run(NamedTuple):
    """A folder that `netc train` filled, beside the folder in which the file ran, and what the file printed."""

    folder: Path
    own: Path
    said: Done


@cache
def ran(name: str) -> Run:
    """A net trained both ways, once."""
    folder, own = trained(name), home() / f"{name}-alone"
    own.mkdir()
    return Run(folder, own, alone(folder / f"{name}.py", data(), cwd=own).ok())


def test_the_environment_has_numpy_alone() -> None:
    """Whatever the project is made of cannot be imported there, so an emitted file cannot lean on it."""
    names = ("netc", "onnx", "onnxruntime", "lark", "jinja2", "click", "rich", "pytest", "pip", "numpy")
    code = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"
    done = subprocess.run([bare(), "-I", "-c", code], env=ENV, capture_output=True, text=True, check=True)
    assert done.stdout == "['numpy']\n"


def test_the_matrix_has_every_updater_and_schedule() -> None:
    """A new one needs a row."""
    texts = " ".join(NETS.values())
    words = [word.name for kind, word in ((w.kind, w) for w in WORDS.values()) if kind in ("updater", "schedule")]
    assert [w for w in words if not re.search(rf"\b((updater|with) {w}\b|lr={w}\()", texts)] == []


@pytest.mark.parametrize("name", NETS)
def test_the_same_bits(name: str) -> None:
    run = ran(name)
    assert_same_bits(run.own / f"{name}.npz", run.folder / f"{name}.npz")
    assert [path.name for path in run.own.iterdir()] == [f"{name}.npz"]


@pytest.mark.parametrize("name", NETS)
def test_the_file_prints_what_history_csv_holds(name: str) -> None:
    run = ran(name)
    records = history(run.folder)
    assert len(records) >= 5
    lines = [
        f"epoch {record.pop('epoch')}" + "".join(f"  {key} {float(value):.4f}" for key, value in record.items())
        for record in records
    ]
    assert run.said.out.splitlines() == lines


def test_the_early_stop_is_early() -> None:
    """Otherwise the matrix would not show that the best weights come back."""
    losses = [float(record["val_loss"]) for record in history(ran("stopped").folder)]
    assert len(losses) < 60
    assert losses.index(min(losses)) == len(losses) - 5


def test_another_seed_gives_other_bits(tmp_path: Path) -> None:
    run = ran("dropouts")
    spec = write_spec("dropouts", tmp_path)
    spec.write_text(spec.read_text().replace("seed=3", "seed=4"))
    netc("train", spec, "--data", tmp_path / "data.npz", "-o", tmp_path).ok()
    with pytest.raises(AssertionError, match="differs"):
        assert_same_bits(tmp_path / "dropouts.npz", run.folder / "dropouts.npz")


def test_the_digits_too(tmp_path: Path) -> None:
    """A net whose products are large enough for BLAS to choose among kernels; its data are CSV here and .npz there."""
    netc("train", SPECS / "digits.net", "-o", tmp_path / "out").ok()
    table = np.loadtxt(SPECS / "data" / "digits.csv", delimiter=",", skiprows=1)
    np.savez(tmp_path / "digits-data.npz", pixels=table[:, :-1], digit=table[:, -1])
    alone(tmp_path / "out" / "digits.py", "digits-data.npz", cwd=tmp_path).ok()
    assert_same_bits(tmp_path / "digits.npz", tmp_path / "out" / "digits.npz")


def test_the_command_itself_trains_the_same_bits(tmp_path: Path) -> None:
    """The other tests fork a process that has netc imported; this one is the command as it is installed."""
    run = ran("dropouts")
    spec = write_spec("dropouts", tmp_path)
    process("train", spec, "--data", tmp_path / "data.npz", "-o", tmp_path / "out").ok()
    assert_same_bits(tmp_path / "out" / "dropouts.npz", run.folder / "dropouts.npz")
    assert (tmp_path / "out" / "history.csv").read_bytes() == (run.folder / "history.csv").read_bytes()


@pytest.mark.parametrize("name", ["dropouts", "two", "penalised", "frozen"])
def test_check_passes_and_sees_a_wrong_sign(name: str, tmp_path: Path) -> None:
    run = ran(name)
    file = run.folder / f"{name}.py"
    done = alone(file, data(), "--check", cwd=tmp_path).ok()
    text = file.read_text("utf-8")
    trained = re.search(r"^TRAINED = \((.*)\)", text, re.M)
    gradients = re.findall(r"^    (d\w+) = .*$", text.split("def loss_and_grads")[1].split("\ndef ")[0], re.M)
    weights = re.findall(r'"(\w+)": (d\w+)', text.split("def loss_and_grads")[1].split("\ndef ")[0])
    assert weights and [line.split()[0] for line in done.out.splitlines()] == [*(w for w, _ in weights), "all"]
    assert trained is None or set(re.findall(r'"(\w+)"', trained[1])) == {w for w, _ in weights}
    broken = tmp_path / f"{name}.py"
    for weight, local in weights:
        assert local in gradients
        broken.write_text(text.replace(f'"{weight}": {local}', f'"{weight}": -{local}'), encoding="utf-8")
        assert alone(broken, data(), "--check", cwd=tmp_path).code == 1, f"a wrong sign of {local} is not seen"
    assert list(tmp_path.glob("*.npz")) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda a: a.pop("y"), "'y is not a file in the archive'"),
        (lambda a: a.update(y=a["y"] + 1), "y in"),
        (lambda a: a["x"].__setitem__((3, 1), float("nan")), "x in"),
    ],
)
def test_the_file_refuses_data_that_do_not_fit(change: Any, told: str, tmp_path: Path) -> None:
    held = examples()
    change(held)
    np.savez(tmp_path / "wrong.npz", **held)
    done = alone(ran("adam").folder / "adam.py", "wrong.npz", cwd=tmp_path)
    assert (done.code, told in done.err, "Traceback" in done.err) == (1, True, False), done.err
    assert not (tmp_path / "adam.npz").exists()


def test_the_file_says_how_it_is_used(tmp_path: Path) -> None:
    done = alone(ran("adam").folder / "adam.py", cwd=tmp_path)
    assert done.code == 2 and done.err.startswith("usage: adam.py [-h] [--check] DATA.npz\n")
