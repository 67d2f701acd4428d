"""Nets over categories, counts, shares and pixels: page, graphs and their steps, and what the page refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from harness import Array, assert_close, batch, module, narrow, onnx_model, op_program, run_onnx, weights
from netc.codegen import to_numpy, to_onnx
from netc.dsl import Net, check, load_text
from netc.dsl.ir import OPS
from netc.dsl.source import Source
from netc.runtime import Session
from onnx import TensorProto
from road import netc
from uses import StepGraph, numpy_step

TABLE = (
    'net table\ninput color: category("red", "green", "blue")\ninput pair: category(4)[2]\ninput age: f32[2]\n'
    "input image: u8[1, 3, 3]\ninput visits: count\ntarget y: count\ntarget mix: simplex[3]\n"
    "c = color -> embedding 3 -> tanh\nd = pair -> embedding 2 l2=1e-2 -> flatten\ne = color -> onehot\n"
    "f = pair -> onehot -> flatten\nm = image -> flatten -> rescale\nv = visits -> standardize\n"
    "h = c -> concat d e f age m v -> dense 6 -> relu\n"
    "output p = h -> dense 1 -> softplus\noutput q = h -> dense 3 -> softmax\n"
    "loss mse(p, y) + mcxent(q, mix)\nupdater adam lr=0.01\n"
)
CHAIN = "net small\ninput x: category(5)\ntarget y: f32[2]\n{}\nloss mse\nupdater sgd lr=0.1\n"
PIXELS = (
    "net pixels\ninput image: u8[1, 4, 4]\ntarget y: class(3)\nflatten -> {}dense 3 -> softmax\n"
    "loss mcxent\nupdater sgd\n"
)


@pytest.fixture(scope="module")
def table() -> Net:
    return load_text(TABLE)


def started(net: Net, count: int = 7) -> tuple[Any, dict[str, Array], list[Array]]:
    """The trainer, weights in float64, and a batch in which ids occur more than once."""
    made, rng = module(net), np.random.default_rng(5)
    inputs, targets = batch(net, rng, count)
    return made, weights(made, net, rng, inputs), [*inputs, *targets]


def test_the_model_takes_bytes_and_ids(table: Net) -> None:
    made, p, arrays = started(table)
    model = to_onnx(table, narrow(p))
    types = {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
    assert types["image"] == TensorProto.UINT8
    assert types["color"] == types["pair"] == TensorProto.INT64
    assert types["visits"] == TensorProto.FLOAT
    named = narrow(dict(zip([f.name for f in table.inputs], arrays, strict=False)))
    expected = made.predict(p, *arrays[:5])
    for reference in (False, True):
        found = run_onnx(model, named, reference)
        assert_close(found["p"], expected[0], 1e-5, "p")
        assert_close(found["q"], expected[1], 1e-5, "q")


def test_both_engines_step_alike(table: Net) -> None:
    """Ten steps on batches in which every id stands several times; the sums of their rows are what is trained."""
    made, p, arrays = started(table, 40)
    p, arrays = narrow(p), list(narrow(dict(enumerate(arrays))).values())
    moments = made.init_updater(p)
    graph = StepGraph(table, p, moments)
    for number in range(1, 11):
        theirs = graph.step(arrays, number, 0.0, None)
        mine = numpy_step(made, table, p, moments, arrays, number, 0.0)
        assert theirs == pytest.approx(mine, rel=1e-5)
    for name in table.trained:
        assert_close(graph.p[name], p[name], 1e-4, name)


def test_an_embedding_is_a_dense_layer_of_one_hot_rows() -> None:
    one = load_text(CHAIN.format("embedding 3 -> tanh -> dense 2"))
    other = load_text(CHAIN.format("onehot -> dense 3 bias=false -> tanh -> dense 2"))
    made, p, arrays = started(one, 30)
    loss, grads = made.loss_and_grads(p, *arrays)
    expected, theirs = module(other).loss_and_grads(p, *arrays)
    assert loss == pytest.approx(expected, rel=1e-14)
    for name, grad in grads.items():
        assert_close(grad, theirs[name], 1e-14, name)


def test_a_row_that_no_example_names_does_not_move() -> None:
    net = load_text(CHAIN.format("embedding 3 -> dense 2"))
    made, p, (x, y) = started(net, 6)
    grads = made.loss_and_grads(p, np.where(x == 3, 1, x), y)[1]
    assert not grads["W1"][3].any()
    assert grads["W1"][1].any()


def test_threads_lose_no_addition() -> None:
    """Those of ONNX Runtime's ScatterND would, where an id stands often."""
    rng = np.random.default_rng(3)
    x, ids = rng.standard_normal((200_000, 64)).astype(np.float32), rng.integers(0, 5, 200_000)
    exact = np.stack([x[ids == i].sum(axis=0, dtype=np.float64) for i in range(5)])
    model = onnx_model(op_program(OPS["scatter_add"], ("N,64", "N of 5"), {"rows": 5}))
    options = ort.SessionOptions()
    options.intra_op_num_threads = 8
    runner = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (found,) = runner.run(None, {"x0": x, "x1": ids})
    # Forty thousand additions in float32 round to within 1e-3 of the largest sum.
    assert_close(found, exact, 1e-3)


@pytest.mark.parametrize("first", ["", "rescale -> ", "standardize -> "])
def test_pixels_end_to_end(tmp_path: Path, first: str) -> None:
    """Bytes in the archive, in the trainer, and in the exported model."""
    net = load_text(PIXELS.format(first) + "train epochs=2 batch=8 seed=1\n")
    rng = np.random.default_rng(0)
    image, y = rng.integers(0, 256, (30, 1, 4, 4), np.uint8), rng.integers(0, 3, 30)
    run_page(tmp_path, net, image=image, y=y)
    p = dict(np.load(tmp_path / f"{net.name}.npz"))
    assert all(w.dtype == np.float32 for w in p.values())
    predicted = Session(to_onnx(net, p).SerializeToString(), "cpu").run(image=image)["y"]
    assert_close(predicted, module(net).predict(p, image), 1e-5)
    assert predicted.dtype == np.float32


ROAD = (
    'net road\ninput color: category("red", "green", "blue")\ninput image: u8[2, 2]\ntarget y: f32\n'
    "m = image -> flatten -> rescale\ncolor -> embedding 2 -> concat m -> dense 1\nloss mse\nupdater adam lr=0.05\n"
    "train epochs=20 batch=8 seed=1\n"
)


def test_from_strings_to_a_prediction(tmp_path: Path) -> None:
    """An archive of strings and bytes is trained on by both engines, and a table of strings is predicted from."""
    rng, spec = np.random.default_rng(4), tmp_path / "road.net"
    spec.write_text(ROAD)
    color, image = rng.choice(["red", "green", "blue"], 40), rng.integers(0, 256, (40, 2, 2), np.uint8)
    np.savez(tmp_path / "d.npz", color=color, image=image, y=(color == "red") + image.mean(axis=(1, 2)) / 255)
    for engine in ("numpy", "onnx"):
        netc("train", spec, "--data", tmp_path / "d.npz", "--engine", engine, "-o", tmp_path / engine).ok()
    by_numpy, by_onnx = (Session(tmp_path / engine / "road.onnx", "cpu") for engine in ("numpy", "onnx"))
    predicted = by_numpy.run(color=color, image=image)["y"]
    assert_close(by_onnx.run(color=color, image=image)["y"], predicted, 1e-4)
    rows = [f"{c},{','.join(map(str, i.ravel()))}" for c, i in zip(color, image, strict=True)]
    (tmp_path / "new.csv").write_text("\n".join(["color,a,b,c,d", *rows]))
    told = netc("run", tmp_path / "numpy" / "road.onnx", "--data", tmp_path / "new.csv", "--provider", "cpu").ok().out
    np.testing.assert_allclose(np.array(told.split()[1:], float), predicted[:, 0], rtol=1e-6)
    (tmp_path / "new.csv").write_text("color,a,b,c,d\nred,0,0,0,256\n")
    refused = netc("run", tmp_path / "numpy" / "road.onnx", "--data", tmp_path / "new.csv")
    assert "256.0 is no whole number from 0 to 255" in refused.err and "column 5 (d)" in refused.err


def run_page(folder: Path, net: Net, **arrays: Any) -> str:
    """What the trainer as a program says of an archive."""
    (folder / "page.py").write_text(to_numpy(net), encoding="utf-8")
    np.savez(folder / "data.npz", **arrays)
    command = [sys.executable, "-W", "ignore", "page.py", "data.npz"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.stderr


GOOD: dict[str, Any] = {"x": np.zeros(4), "image": np.zeros((4, 2)), "n": np.ones(4), "mix": np.full((4, 2), 0.5)}
BAD: list[tuple[str, Any, str]] = [
    ("x", [0, 1, 2, 3], "x in data.npz has values that are not in [0, 2]"),
    ("x", [0, 1, 2, -1], "x in data.npz has values that are not in [0, 2]"),
    ("x", [0, 1, 2, 0.5], "x in data.npz has values that are not in [0, 2]"),
    ("x", ["a", "b", "c", "a"], "data.npz needs numbers x of shape (4,)"),
    ("image", np.full((4, 2), 256), "image in data.npz has values that are not in [0, 255]"),
    ("image", np.full((4, 2), -1.0), "image in data.npz has values that are not in [0, 255]"),
    ("image", np.full((4, 2), 0.5), "image in data.npz has values that are not in [0, 255]"),
    ("n", [0, 1, 2, 0.5], "n in data.npz has values that are not whole numbers"),
    ("n", [0, 1, 2, -1], "n in data.npz has values that are not in [0, 3.4e+38]"),
    ("mix", np.full((4, 2), 0.4), "mix in data.npz has examples whose values do not sum to 1"),
    ("mix", np.full((4, 2), np.nan), "mix in data.npz has values that are not in [0, 1]"),
    ("mix", np.array([[2, -1]] * 4), "mix in data.npz has values that are not in [0, 1]"),
]


@pytest.mark.parametrize(("name", "values", "said"), [("x", [0, 1, 2, 0], ""), *BAD])
def test_the_page_refuses_what_the_types_do_not_hold(tmp_path: Path, name: str, values: Any, said: str) -> None:
    net = load_text(
        'net page\ninput x: category("a", "b", "c")\ninput image: u8[2]\ninput n: count\ntarget mix: simplex[2]\n'
        "x -> onehot -> concat image n -> dense 2 -> softmax\nloss mcxent\nupdater sgd\ntrain epochs=1\n"
    )
    assert said in run_page(tmp_path, net, **{**GOOD, name: values})


# What the compiler says -----------------------------------------------------------------------------------------------


def codes_of(text: str) -> list[str]:
    return [d.code for d in check(Source("spec.net", text))[1].diagnostics]


DECLARED = [
    ("input", "category", "bad-type"),
    ("input", 'category("a")', "bad-type"),
    ("input", "category(1)", "bad-type"),
    ("input", "category(9999999)", "bad-type"),
    ("input", "class(3)", "bad-type"),
    ("input", "count(3)", "bad-type"),
    ("input", "simplex", "bad-type"),
    ("input", "simplex[1]", "bad-type"),
    ("input", "simplex[3, 1]", "bad-type"),
    ("input", "u8[3, T]", "bad-type"),
    ("input", "token", "bad-type"),
    ("input", "counts", "unknown-type"),
    ("target", "category(3)", "bad-type"),
    ("target", "u8", "bad-type"),
    ("target", "token(3)[T]", "bad-type"),
]


@pytest.mark.parametrize(("role", "type", "code"), DECLARED)
def test_types_that_cannot_be(role: str, type: str, code: str) -> None:
    rest = "target z: f32\ndense 1" if role == "input" else "input z: f32\ndense 1"
    assert codes_of(f"net n\n{role} a: {type}\n{rest}\nloss mse\nupdater sgd\n")[0] == code


WORDS_ON_IDS = ["dense 2", "tanh", "standardize", "flatten", "dropout 0.1", "concat n", "n -> concat x", "n -> add x"]


@pytest.mark.parametrize("chain", [*WORDS_ON_IDS, "n -> onehot", "n -> embedding 2", "onehot -> embedding 2"])
def test_ids_go_into_two_words_alone(chain: str) -> None:
    source = "" if chain.startswith("n ") else "x -> "
    text = f"net n\ninput x: category(3)[2]\ninput n: f32[2]\ntarget y: f32[2]\n{source}{chain} -> dense 2\n"
    assert codes_of(f"{text}loss mse\nupdater sgd\n") == ["ids-mismatch"]


def test_a_category_of_one_column_is_a_number_and_not_a_list() -> None:
    for type in ("category(3)", "category(3)[1]"):
        net = load_text(f"net n\ninput x: {type}\ntarget y: f32\nonehot -> dense 1\nloss mse\nupdater sgd\n")
        assert net.inputs[0].shape == ()
        assert net.layers[0].type.shape == ("N", 3)


def test_what_a_one_hot_row_is_known_to_be() -> None:
    """It sums to 1, so that a net may be trained to give it back."""
    text = "net n\ninput x: category(4)\nhot = x -> onehot\np = hot -> dense 4 -> softmax\noutput p\n"
    assert load_text(f"{text}loss mcxent(p, hot)\nupdater sgd\n").outputs[0].name == "p"
