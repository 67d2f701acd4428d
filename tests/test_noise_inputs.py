"""The sentence noise: drawn by named streams in training and in evaluation, an input of the model where it needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from harness import Array, module, run_onnx
from netc.cli.proof import prove
from netc.codegen import serialized, to_numpy, to_onnx, to_step
from netc.dsl import SpecError, load_text
from netc.runtime import Fault, Metadata, Session, examples_of, trainer_of
from road import netc

# The prediction needs x and z, the loss alone needs `wanted`, and u is drawn for the loss alone.
SPEC = """
net noisy
input x: f32[3]
input wanted: f32[2]
noise z: normal[2]
noise u: uniform[4]
target y: f32[2]
p = x -> concat z -> dense 4 -> tanh -> dense 2
q = p -> concat u -> dense 2 -> sigmoid
output p
loss mse(p, y) + mse(p, wanted) + mse(q, 0)
updater sgd lr=0.1
metric mae(p, y)
train epochs=2 batch=8 seed=3 validation=25%
"""
ROWS = 24


def data() -> dict[str, Array]:
    rng = np.random.default_rng(5)
    return {name: rng.normal(size=(ROWS, n)).astype(np.float32) for name, n in (("x", 3), ("wanted", 2), ("y", 2))}


def test_predict_and_the_model_take_what_outputs_need() -> None:
    made = load_text(SPEC)
    emitted = module(made)
    assert emitted.predict.__code__.co_varnames[:3] == ("p", "x", "z")
    assert emitted.compared.__code__.co_varnames[:5] == ("p", "x", "wanted", "z", "u"), "inputs, then noises"
    assert emitted.loss_and_grads.__code__.co_varnames[:5] == ("p", "x", "wanted", "y", "draws")
    assert (list(emitted.INPUTS), list(emitted.TARGETS)) == (["x", "wanted"], ["y"]), "data hold no noise"
    model = to_onnx(made, emitted.init(1))
    assert [i.name for i in model.graph.input] == ["x", "z"]
    meta = Metadata.from_json(model.metadata_props[0].value)
    assert [(f.name, f.shape, f.law) for f in meta.noises] == [("z", (2,), "normal")]
    assert [f.name for f in meta.inputs] == ["x"]
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=(5, 2)).astype(np.float32)
    found = run_onnx(model, {"x": x, "z": z})["p"]
    np.testing.assert_allclose(found, emitted.predict(emitted.init(1), x, z), atol=1e-6)
    assert {i.name for i in to_step(made).graph.input} >= {"x", "wanted", "y", "z", "u"}


def test_draws_are_fresh_each_step_and_of_their_law() -> None:
    emitted = module(load_text(SPEC))
    one, again, other = (emitted.draw(0, step, 4000) for step in (1, 1, 2))
    assert {name: array.shape for name, array in one.items()} == {"z": (4000, 2), "u": (4000, 4)}
    for name in one:
        assert np.array_equal(one[name], again[name]) and not np.array_equal(one[name], other[name])
        assert one[name].dtype == np.float32
    # 8,000 and 16,000 numbers: five deviations of their means are 0.056 and 0.012.
    assert abs(one["z"].mean()) < 0.056 and abs(one["z"].std() - 1) < 0.04
    assert abs(one["u"].mean() - 0.5) < 0.012 and one["u"].min() >= 0 and one["u"].max() < 1
    assert emitted.noise(3)[0].shape == (3, 2) and emitted.noise(3)[1].shape == (3, 4)
    assert np.array_equal(emitted.noise(3)[0], emitted.noise(3)[0]), "judged by the same noise each time"


def test_the_build_proves_it_and_evaluate_draws() -> None:
    made = load_text(SPEC)
    text = to_numpy(made)
    trainer = trainer_of(text, "noisy.py")
    p = trainer.init(1)
    assert prove(made, text, to_onnx(made, p), to_step(made), p, False).ok
    held, emitted = data(), module(made)
    assert trainer.evaluate is not None
    report = trainer.evaluate(p, (held["x"], held["wanted"]), (held["y"],))
    z, u = emitted.noise(ROWS)
    assert report["mae_p_y"] == pytest.approx(np.abs(emitted.predict(p, held["x"], z) - held["y"]).mean(), rel=1e-5)
    expected = emitted.metrics(*emitted.compared(p, held["x"], held["wanted"], z, u), held["y"])
    assert report == pytest.approx(expected, rel=1e-6)


def test_training_runs_and_the_served_model_scores_as_the_trainer(tmp_path: Path) -> None:
    """Where outputs are all that is judged, `netc train` runs the model on the noise by which the trainer judges it."""
    plain = SPEC.replace("input wanted: f32[2]\n", "").replace("noise u: uniform[4]\n", "")
    plain = plain.replace("q = p -> concat u -> dense 2 -> sigmoid\n", "").replace(" + mse(p, wanted) + mse(q, 0)", "")
    for name, text in (("noisy", SPEC), ("plain", plain)):
        (tmp_path / f"{name}.net").write_text(text, encoding="utf-8")
        np.savez(tmp_path / "data.npz", **(data() if name == "noisy" else {k: data()[k] for k in ("x", "y")}))
        options = ("--data", tmp_path / "data.npz", "-o", tmp_path / name, "--json")
        done = netc("train", tmp_path / f"{name}.net", *options).ok().json
        assert (done["served"] != {}) == (name == "plain")


def test_data_do_not_hold_noise() -> None:
    made = load_text(SPEC)
    meta = Metadata.from_json(to_step(made).metadata_props[0].value)
    assert set(examples_of(meta, data()).arrays) == {"x", "wanted", "y"}
    with pytest.raises(SpecError, match="z is not an input or a target"):
        load_text(f'{SPEC}data "d.csv" z=1..2\n')


# The model ------------------------------------------------------------------------------------------------------------

GENERATOR = """
net images
noise z: normal[2]
noise u: uniform
input x: f32[3]
a = z -> concat u -> dense 3
output made = a -> tanh
loss mse(a, x)
updater sgd
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes noise alone."""
    made = load_text(GENERATOR)
    path = tmp_path_factory.mktemp("model") / "images.onnx"
    path.write_bytes(serialized(to_onnx(made, module(made).init(1))))
    return path


def predictions(*args: str | Path) -> Any:
    return np.array(list(netc("run", *args, "--json").ok().json["predictions"].values()))


def test_run_draws_noise_by_a_seed(model: Path) -> None:
    once = predictions(model)
    assert once.shape == (3, 1), "one example unless told"
    five = predictions(model, "--count", "5")
    assert np.array_equal(five, predictions(model, "--count", "5", "--seed", "1"))
    assert not np.array_equal(five, predictions(model, "--count", "5", "--seed", "2"))
    session = Session(model, provider="cpu")
    noise = session.noise(5, seed=1)
    assert [(n.name, n.law) for n in session.noises] == [("z", "normal"), ("u", "uniform")]
    plain = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(["made"], noise)[0]
    np.testing.assert_allclose(five.T, plain, rtol=1e-6)
    with pytest.raises(Fault, match=r"the input z \(f32\[2\]\)"):
        session.run(u=noise["u"])


def test_run_takes_noise_that_data_hold(model: Path, tmp_path: Path) -> None:
    noise = {"z": np.ones((4, 2), np.float32), "u": np.full((4, 1), 0.5, np.float32)}
    np.savez(tmp_path / "noise.npz", **noise)
    found = predictions(model, "--data", tmp_path / "noise.npz")
    assert found.shape == (3, 4) and np.all(found == found[:, :1])
    netc("run", model, "--data", tmp_path / "noise.npz", "--count", "4").refused_as_usage("--count")
    np.savez(tmp_path / "none.npz", x=np.ones((4, 3)))
    netc("run", model, "--data", tmp_path / "none.npz").refused("data-missing", "there is no entry z")


def test_run_draws_beside_data(tmp_path: Path) -> None:
    made = load_text(SPEC)
    (tmp_path / "noisy.onnx").write_bytes(serialized(to_onnx(made, module(made).init(1))))
    x, z = data()["x"][:6], np.zeros((6, 2), np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    np.savez(tmp_path / "both.npz", x=x, z=z)
    drawn = predictions(tmp_path / "noisy.onnx", "--data", tmp_path / "x.npz", "--seed", "4")
    session = Session(tmp_path / "noisy.onnx", provider="cpu")
    np.testing.assert_allclose(drawn.T, session.run(x=x, **session.noise(6, 4))["p"], rtol=1e-6)
    given = predictions(tmp_path / "noisy.onnx", "--data", tmp_path / "both.npz")
    np.testing.assert_allclose(given.T, session.run(x=x, z=z)["p"], rtol=1e-6)
    netc("run", tmp_path / "noisy.onnx").refused_as_usage("--data")


# Refused --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("normal[2]", "f32[2]", "a noise is normal or uniform, and not f32"),
        ("input x: f32[3]", "input x: normal[3]", "normal is a type of noises alone"),
        ("normal[2]", "normal(0, 2)[2]", "normal takes no domain in parentheses"),
        ("x -> concat z", "x -> concat z -> standardize", "no layer with weights and no noise may stand before it"),
        ("mse(q, 0)", "mse(p, 0)", "nothing uses the value q"),
        ("p -> concat u ->", "p ->", "nothing uses the noise u"),
        ("noise z: normal[2]", "noise x: normal[2]", "x is already declared"),
    ],
)
def test_what_is_refused(old: str, new: str, said: str) -> None:
    assert old in SPEC
    with pytest.raises(SpecError) as refused:
        load_text(SPEC.replace(old, new, 1))
    assert said in str(refused.value)
