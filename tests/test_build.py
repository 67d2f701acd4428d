"""`netc build`: the artifacts that the spec wants, the same bytes everywhere, nobody's work overwritten."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netc.dsl import load
from netc.runtime import trainer_of
from road import SPECS, arrays, netc, process, scratch

IRIS = SPECS / "iris.net"
ENDS = {"numpy": ".py", "inference": ".onnx", "step": ".step.onnx"}
NUMBERS = "net plain\ninput x: f32[3]\ntarget t: f32\ndense 2 -> tanh\ndense 1\nloss mse\nupdater sgd\n"


@cache
def iris() -> Path:
    """The folder of the iris build."""
    netc("build", IRIS, "-o", folder := scratch("iris") / "out").ok()
    return folder


def spec(folder: Path, text: str = NUMBERS) -> Path:
    path = folder / "plain.net"
    path.write_text(text, encoding="utf-8")
    return path


# What is written ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted", [(), ("numpy",), ("inference",), ("step",), ("numpy", "step"), ("numpy", "inference", "step")]
)
def test_the_wanted_artifacts_are_written(wanted: tuple[str, ...], tmp_path: Path) -> None:
    text = NUMBERS + f"targets {' '.join(wanted)}\n" * bool(wanted)
    if wanted == ("inference",):
        text = "net plain\ninput x: f32[3]\ndense 2 -> tanh\noutput y = dense 1\ntargets inference\n"
    netc("build", spec(tmp_path, text), "-o", tmp_path / "out").ok()
    names = {f"plain{ENDS[each]}" for each in wanted or ENDS} | {"plain.npz", "netc.manifest.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    manifest = json.loads((tmp_path / "out" / "netc.manifest.json").read_text("utf-8"))
    hashes = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (tmp_path / "out").iterdir()}
    assert manifest == {name: hashes[name] for name in sorted(names - {"netc.manifest.json"})}


def test_the_folder_is_build_name_where_none_is_given(tmp_path: Path) -> None:
    spec(tmp_path)
    netc("build", "plain.net", cwd=tmp_path).ok()
    assert (tmp_path / "build" / "plain" / "plain.py").exists()


def test_what_a_person_is_told(tmp_path: Path) -> None:
    done = netc("build", IRIS, "-o", tmp_path / "out").ok()
    for name in ("iris.py", "iris.onnx", "iris.step.onnx", "iris.npz"):
        assert str(tmp_path / "out" / name) in done.out
    assert "proved: " in done.out and "largest difference" in done.out
    assert "the weights are untrained, and mean, deviation wait for data: netc train" in done.out
    assert max(len(line) for line in done.out.splitlines() if str(tmp_path) not in line) <= 80


def test_json(tmp_path: Path) -> None:
    done = netc("build", IRIS, "-o", tmp_path / "out", "--json").ok()
    told = done.json
    assert (told["ok"], told["name"], told["diagnostics"], told["proof"]["ok"]) == (True, "iris", [], True)
    assert {name: Path(path).exists() for name, path in told["artifacts"].items()} == dict.fromkeys(
        ("iris.py", "iris.onnx", "iris.step.onnx", "iris.npz"), True
    )
    broken = netc("build", "-", "--json", stdin="net n\ninput x: f32[2]\ndens 3\n")
    assert (broken.code, broken.json["ok"], broken.err) == (1, False, "")
    assert any("did you mean dense" in (d["help"] or "") for d in broken.json["diagnostics"])


# A compiler that prints adam's rate wrong into the file alone.
WRONG_PRINT = """
import netc.codegen.numpy_file as printer
right = printer.to_numpy
printer.to_numpy = lambda net: right(net).replace("rate = ", "rate = 1.01 * ")
"""


@pytest.mark.parametrize("verb", ["build", "train"])
def test_artifacts_that_differ_are_never_written(verb: str, tmp_path: Path) -> None:
    done = netc(verb, IRIS, "-o", tmp_path / "out", first=WRONG_PRINT)
    assert (done.code, "a bug of netc" in done.err, "differ from each other" in done.err) == (70, True, True), done.err
    assert not {p.name for p in tmp_path.glob("out/*")} & {"iris.py", "iris.onnx", "netc.manifest.json"}
    told = netc(verb, IRIS, "-o", tmp_path / "json", "--json", first=WRONG_PRINT)
    assert (told.code, told.json["ok"]) == (70, False)


def test_a_spec_from_standard_input(tmp_path: Path) -> None:
    netc("build", "-", "-o", tmp_path / "in", stdin=NUMBERS).ok()
    netc("build", spec(tmp_path), "-o", tmp_path / "file").ok()
    assert arrays(tmp_path / "in" / "plain.npz").keys() == arrays(tmp_path / "file" / "plain.npz").keys()


def test_an_opset_out_of_range_is_a_usage_error(tmp_path: Path) -> None:
    for opset in ("17", "24", "x"):
        done = netc("build", IRIS, "-o", tmp_path / "out", "--opset", opset)
        assert (done.code, "--opset" in done.err, (tmp_path / "out").exists()) == (2, True, False)


# Not over another's work ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain.py", "plain.onnx", "plain.npz"])
def test_an_edited_file_is_not_overwritten(name: str, tmp_path: Path) -> None:
    path, file = spec(tmp_path), tmp_path / "out" / name
    netc("build", path, "-o", tmp_path / "out").ok()
    netc("build", path, "-o", tmp_path / "out").ok()
    before = file.read_bytes()
    file.write_bytes(before + b"\n")
    others = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}
    netc("build", path, "-o", tmp_path / "out").refused("edited-file", f"{name} was edited since", "--force")
    assert file.read_bytes() == before + b"\n"
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()} == others
    netc("build", path, "-o", tmp_path / "out", "--force").ok()
    assert file.read_bytes() == before


def test_a_file_that_netc_did_not_write_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "plain.py").write_text("print('mine')\n", encoding="utf-8")
    (tmp_path / "out" / "netc.manifest.json").write_text("[1, {", encoding="utf-8")
    netc("build", spec(tmp_path), "-o", tmp_path / "out").refused("edited-file", "plain.py was not written by netc")
    # A file that this spec does not want stands in nobody's way.
    path = spec(tmp_path, NUMBERS + "targets inference step\n")
    netc("build", path, "-o", tmp_path / "out").ok()
    assert (tmp_path / "out" / "plain.py").read_text("utf-8") == "print('mine')\n"


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_folder_that_is_a_file(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = netc("build", spec(tmp_path), "-o", tmp_path / where)
    assert (done.code, "error[" in done.err, "internal" in done.err) == (1, True, False), done.err


# --weights ------------------------------------------------------------------------------------------------------------


def test_given_weights_are_exported(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    given = {
        name: array + rng.normal(size=array.shape).astype(np.float32)
        for name, array in arrays(iris() / "iris.npz").items()
    }
    given["deviation"] = np.abs(given["deviation"]) + 1
    np.savez(tmp_path / "w.npz", **given)
    done = netc("build", IRIS, "--weights", tmp_path / "w.npz", "-o", tmp_path / "out").ok()
    assert "untrained" not in done.out
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "out" / "iris.onnx", providers=["CPUExecutionProvider"])
    flower = rng.normal(size=(7, 4)).astype(np.float32)
    module = trainer_of((tmp_path / "out" / "iris.py").read_text("utf-8"), "iris.py")
    np.testing.assert_allclose(
        session.run(["species"], {"flower": flower})[0], module.predict(given, flower), atol=1e-6, rtol=0
    )
    assert json.loads(session.get_modelmeta().custom_metadata_map["netc"])["trained"] is True
    for name, array in arrays(tmp_path / "out" / "iris.npz").items():
        assert np.array_equal(array, given[name])


WRONG: list[tuple[Any, str]] = [
    (lambda w: w.pop("b2"), "b2 missing"),
    (lambda w: w.update(w3=np.ones(2)), "w3 unknown"),
    (lambda w: w.update(W1=np.ones((16, 4), np.float32)), "W1 has the shape (16, 4), where the net needs (4, 16)"),
    (lambda w: w.update(b1=np.full(16, np.nan)), "b1 holds a value that is not finite"),
    (lambda w: w.update(b1=np.array(["a"] * 16)), "b1 holds"),
    (lambda w: w.update(deviation=np.zeros(4)), "deviation holds 0, where a spread lies in (0, inf)"),
]


@pytest.mark.parametrize(("change", "told"), WRONG)
@pytest.mark.parametrize("verb", ["build", "train"])
def test_weights_that_do_not_fit_are_refused(change: Any, told: str, verb: str, tmp_path: Path) -> None:
    given = arrays(iris() / "iris.npz")
    change(given)
    np.savez(tmp_path / "w.npz", **given)
    done = netc(verb, IRIS, "--weights", tmp_path / "w.npz", "-o", tmp_path / "out")
    done.refused("weights-mismatch", *told.split())
    assert list(tmp_path.glob("out/*")) == []


def test_a_weights_file_that_is_none(tmp_path: Path) -> None:
    netc("build", IRIS, "--weights", tmp_path / "no.npz", "-o", tmp_path / "out").refused("file-missing")
    (tmp_path / "no.npz").write_text("not an archive", encoding="utf-8")
    netc("build", IRIS, "--weights", tmp_path / "no.npz", "-o", tmp_path / "out").refused("data-format")


# The same bytes -------------------------------------------------------------------------------------------------------

PLACES: list[dict[str, str]] = [
    {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "UTC"},
    {"PYTHONHASHSEED": "4294967295", "LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "0", "TZ": "Asia/Tokyo", "COLUMNS": "20"},
]


@pytest.mark.parametrize("name", ["two_heads", "digits"])
def test_a_build_gives_the_same_bytes_everywhere(name: str, tmp_path: Path) -> None:
    """Whatever the seed of hashing, the locale, the time zone, the folder and the mask of file modes."""
    built: list[dict[str, bytes]] = []
    for number, env in enumerate(PLACES):
        folder = tmp_path / f"place {number}"
        folder.mkdir()
        file = folder / f"{name}.net"
        file.write_bytes((SPECS / f"{name}.net").read_bytes())
        given = file if number else Path(file.name)
        first = f"import os\nos.umask({0o077 if number else 0o002})"
        process("build", given, "-o", folder / "out", cwd=folder, first=first, **env).ok()
        built.append({path.name: path.read_bytes() for path in sorted((folder / "out").iterdir())})
        assert str(tmp_path).encode() not in b"".join(built[-1].values()), "a path of this machine is in the artifacts"
    assert built[0] == built[1]


def test_modes_follow_the_mask(tmp_path: Path) -> None:
    netc("build", spec(tmp_path), "-o", tmp_path / "out", first="import os\nos.umask(0o027)").ok()
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o640}


def test_the_archive_holds_what_init_gives() -> None:
    net, module = load(IRIS), trainer_of((iris() / "iris.py").read_text("utf-8"), "iris.py")
    first, held = module.init(net.train["seed"]), arrays(iris() / "iris.npz")
    assert list(held) == list(first)
    assert all(held[name].tobytes() == first[name].tobytes() for name in first)
