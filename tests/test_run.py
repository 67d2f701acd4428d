"""`netc run`: an exported model on files of data, its decisions, labels and numbers as CSV, arrays or JSON."""

from __future__ import annotations

import csv
import io
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netc.runtime import Session
from netc.runtime.ort import cuda_obstacle
from road import ENV, NETC, SPECS, Array, arrays, netc, process, scratch

DATA = SPECS / "data"
LABELS = ["setosa", "versicolor", "virginica"]


@cache
def model(name: str = "iris") -> Path:
    """A trained model."""
    netc("train", SPECS / f"{name}.net", "-o", folder := scratch(name) / "out").ok()
    return folder / f"{name}.onnx"


@cache
def flowers() -> Array:
    return np.loadtxt(DATA / "iris.csv", delimiter=",", skiprows=1, usecols=range(4), dtype=np.float32)


@cache
def expected() -> dict[str, Array]:
    return Session(model(), "cpu").run(flower=flowers())


def table(text: str) -> tuple[list[str], list[list[str]]]:
    header, *rows = csv.reader(io.StringIO(text))
    return header, rows


def check_iris(header: list[str], rows: list[list[str]], want: dict[str, Array]) -> None:
    """The columns are the label and the probabilities; seven digits of each are told."""
    assert header == ["species", *(f"p_species_{label}" for label in LABELS)]
    assert [row[0] for row in rows] == want["species_label"].tolist()
    told = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 3)
    np.testing.assert_allclose(told, want["species"], rtol=1e-6, atol=1e-12)


def test_a_csv_of_all_columns() -> None:
    """The file that the net was trained on: its column of labels is left alone."""
    done = netc("run", model(), "--data", DATA / "iris.csv", "--provider", "cpu").ok()
    check_iris(*table(done.out), expected())
    assert done.err == "150 rows on cpu: asked for\n"


def test_a_csv_of_the_inputs_alone(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "new.csv", flowers()[:5], delimiter=",", fmt="%.9g")
    done = netc("run", model(), "--data", tmp_path / "new.csv").ok()
    check_iris(*table(done.out), {name: array[:5] for name, array in expected().items()})


@pytest.mark.parametrize("count", [1, 2, 4095, 4096, 4097, 9000])
def test_batches_of_any_size(count: int, tmp_path: Path) -> None:
    """Rows go through the model in slices of 4,096, which nobody may see."""
    np.savez(tmp_path / "new.npz", flower=np.resize(flowers(), (count, 4)))
    netc("run", model(), "--data", tmp_path / "new.npz", "-o", tmp_path / "out.npz").ok()
    found = arrays(tmp_path / "out.npz")
    assert {name: array.shape for name, array in found.items()} == {
        "species": (count, 3),
        "species_ids": (count,),
        "species_labels": (count,),
    }
    want = np.resize(expected()["species"], (count, 3))
    np.testing.assert_allclose(found["species"], want, atol=1e-6)
    assert np.array_equal(found["species_ids"], want.argmax(axis=1))
    assert found["species_labels"].tolist() == [LABELS[i] for i in found["species_ids"]]
    done = netc("run", model(), "--data", tmp_path / "new.npz", "-o", tmp_path / "out.csv").ok()
    assert (done.out, f"{count} rows" in done.err, str(tmp_path / "out.csv") in done.err) == ("", True, True)
    assert len(table((tmp_path / "out.csv").read_text("utf-8"))[1]) == count


def test_one_row_of_an_npz_is_what_it_is_in_a_batch(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", flower=flowers()[70:71])
    done = netc("run", model(), "--data", tmp_path / "one.npz").ok()
    check_iris(*table(done.out), {name: array[70:71] for name, array in expected().items()})


def test_json() -> None:
    told = netc("run", model(), "--data", DATA / "iris.csv", "--provider", "cpu", "--json").ok().json
    assert (told["ok"], told["provider"], told["reason"]) == (True, "cpu", "asked for")
    assert told["predictions"]["species"] == expected()["species_label"].tolist()
    assert told["predictions"]["p_species_setosa"] == pytest.approx(expected()["species"][:, 0].tolist(), rel=1e-6)


def test_two_outputs_and_numbers() -> None:
    done = netc("run", model("two_heads"), "--data", DATA / "wine.csv").ok()
    header, rows = table(done.out)
    assert header == ["kind", "p_kind_0", "p_kind_1", "p_kind_2", "strength"]
    values = np.array(rows, dtype=np.float64)
    assert len(values) == 178
    assert np.array_equal(values[:, 0], values[:, 1:4].argmax(axis=1))
    alcohol = np.loadtxt(DATA / "wine.csv", delimiter=",", skiprows=1, usecols=0)
    assert np.corrcoef(values[:, 4], alcohol)[0, 1] > 0.5


def test_a_binary_s_decision_and_probability() -> None:
    header, rows = table(netc("run", model("breast_cancer"), "--data", DATA / "breast_cancer.csv").ok().out)
    assert header == ["malignant", "p_malignant"]
    values = np.array(rows, dtype=np.float64)
    assert np.array_equal(values[:, 0], values[:, 1] >= 0.5)
    truth = np.loadtxt(DATA / "breast_cancer.csv", delimiter=",", skiprows=1, usecols=30)
    assert np.mean(values[:, 0] == truth) > 0.95


def test_a_file_for_each_input(tmp_path: Path) -> None:
    for name, values in (("a", [2, 1.5]), ("b", [2, -4])):
        np.save(tmp_path / f"{name}.npy", np.array(values, np.float32))
    options = [f"--data={name}={tmp_path / name}.npy" for name in "ab"]
    header, rows = table(netc("run", model("adder"), *options).ok().out)
    assert (header, len(rows)) == (["total"], 2)


FAULTS: list[tuple[Any, str, tuple[str, ...]]] = [
    (lambda p: np.savez(p, flower=flowers()[:, :3]), "data-shape", ("flower", "(150, 3)")),
    (lambda p: np.savez(p, blossom=flowers()), "data-missing", ("flower",)),
    (lambda p: np.savez(p, flower=np.full((2, 4), np.nan)), "data-missing-value", ("flower",)),
    (lambda p: np.savez(p, flower=np.array([["a"] * 4])), "data-dtype", ("flower",)),
    (lambda p: np.savez(p, flower=np.array([[None] * 4], dtype=object)), "data-pickled", ("flower",)),
    (lambda p: np.savez(p, flower=np.empty((0, 4))), "data-empty", ("no example",)),
    (lambda p: p.write_bytes(b"PK\x03\x04 broken"), "data-format", ()),
    (lambda p: None, "file-missing", ()),
]


@pytest.mark.parametrize(("make", "code", "words"), FAULTS)
def test_data_that_do_not_fit(make: Any, code: str, words: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    make(path)
    done = netc("run", model(), "--data", path, "-o", tmp_path / "out.csv").refused(code, "data.npz", *words)
    assert (done.out, (tmp_path / "out.csv").exists()) == ("", False)
    told = netc("run", model(), "--data", path, "--json").refused(code)
    assert (told.json["ok"], told.json["diagnostics"][0]["code"]) == (False, code)


def test_a_wrong_cell_is_named_by_line_and_column(tmp_path: Path) -> None:
    lines = (DATA / "iris.csv").read_text("utf-8").splitlines()
    lines[17] = lines[17].replace(lines[17].split(",")[2], "wide", 1)
    (tmp_path / "iris.csv").write_text("\n".join(lines), encoding="utf-8")
    netc("run", model(), "--data", tmp_path / "iris.csv").refused(
        "data-not-a-number", "iris.csv:18", "column 3", "wide"
    )


def test_what_is_no_model(tmp_path: Path) -> None:
    data = ("--data", DATA / "iris.csv")
    netc("run", tmp_path / "no.onnx", *data).refused("file-missing")
    (tmp_path / "no.onnx").write_bytes(b"\x08\x0a nonsense")
    netc("run", tmp_path / "no.onnx", *data).refused("model-unreadable")
    netc("run", model().with_suffix(".step.onnx"), *data).refused("model-foreign", "step graph")
    assert netc("run", model(), *data, "-o", tmp_path / "out.txt").code == 2
    assert netc("run", model()).code == 2
    assert list(tmp_path.glob("out*")) == []


# Providers ------------------------------------------------------------------------------------------------------------


def test_cuda_is_refused_where_it_cannot_be_had(tmp_path: Path) -> None:
    obstacle = cuda_obstacle()
    if obstacle is None:
        pytest.skip("this machine seems to have CUDA: test_cuda.py runs on it")
    options = ("--data", DATA / "iris.csv", "--provider", "cuda")
    done = process("run", model(), *options, "-o", tmp_path / "out.csv")
    done.refused("provider-missing", "CUDA was asked for, but", obstacle, "--provider cpu")
    assert ".so" in obstacle or "no CUDA provider" in obstacle, "the missing library has to be named"
    assert (done.out, (tmp_path / "out.csv").exists()) == ("", False)
    for engine in ("numpy", "onnx"):
        train = ("train", SPECS / "iris.net", "--engine", engine, "--provider", "cuda", "-o", tmp_path / engine)
        netc(*train).refused("provider-missing")
        assert not (tmp_path / engine).exists(), "refused only after training"


def test_auto_says_what_it_chose_and_why() -> None:
    obstacle = cuda_obstacle()
    done = netc("run", model(), "--data", DATA / "iris.csv").ok()
    chosen = "the session got CUDA" if obstacle is None else obstacle
    assert done.err.startswith("150 rows on ") and chosen in " ".join(done.err.split())


def test_threads_give_the_same_answers() -> None:
    said = [netc("run", model(), "--data", DATA / "iris.csv", "--threads", str(n)).ok().out for n in (1, 2)]
    assert said[0] == said[1]
    assert netc("run", model(), "--data", DATA / "iris.csv", "--threads", "0").code == 2


def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    """As `netc run ... | head -1` does."""
    command = [str(NETC), "run", str(model()), "--data", str(DATA / "iris.csv"), "--provider", "cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV) as running:
        assert running.stdout and running.stderr
        running.stdout.close()
        assert b"Traceback" not in running.stderr.read()
