"""CUDA where a machine has it: sessions, steps and whole trainings give what the CPU gives, up to 1e-4."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matrix import NETS, data, trained, write_spec
from netc.runtime import OnnxEngine, Session, trainer_of
from netc.runtime.ort import cuda_obstacle
from road import SPECS, arrays, history, netc

OBSTACLE = cuda_obstacle()
pytestmark = pytest.mark.skipif(OBSTACLE is not None, reason=f"no CUDA here: {OBSTACLE}")
# What issue 2 asks of two engines; two devices differ by less.
LIMIT = 1e-4
# A Ctrl-C in the fourth epoch.
STOPS = """
import netc.runtime, sys
train = sys.modules["netc.runtime.train"]
close = train._Run._close_epoch
def stopping(run):
    close(run)
    run.stop.asked = run.state.epoch >= 4
train._Run._close_epoch = stopping
"""


@pytest.mark.parametrize("name", sorted(path.stem for path in SPECS.glob("*.net")))
def test_a_session_predicts_what_it_does_on_the_cpu(name: str, tmp_path: Path) -> None:
    netc("build", SPECS / f"{name}.net", "-o", tmp_path).ok()
    on = {provider: Session(tmp_path / f"{name}.onnx", provider) for provider in ("cpu", "cuda")}
    assert (on["cuda"].provider, on["cuda"].provider_reason) == ("cuda", "asked for")
    assert Session(tmp_path / f"{name}.onnx").provider == "cuda", "auto takes CUDA where it can be had"
    rng = np.random.default_rng(1)
    for count in (1, 33, 500, 0):
        inputs = {f.name: rng.random((count, *f.shape), np.float32) for f in on["cpu"].inputs}
        mine, theirs = (on[provider].run(**inputs) for provider in ("cuda", "cpu"))
        assert mine.keys() == theirs.keys()
        for output, expected in theirs.items():
            assert mine[output].dtype == expected.dtype and mine[output].shape == expected.shape
            if expected.dtype == np.float32:
                np.testing.assert_allclose(mine[output], expected, atol=LIMIT, rtol=LIMIT)


@pytest.mark.parametrize("name", ["dropouts", "two", "clipped", "penalised"])
def test_a_hundred_steps_of_the_engine(name: str) -> None:
    """The same batches, draws and clock on both devices, the state staying where it is between steps."""
    folder = trained(name)
    module = trainer_of((folder / f"{name}.py").read_text("utf-8"), f"{name}.py")
    held = arrays(data())
    fields = [tuple(_typed(held[f]) for f in names) for names in (module.inputs, module.targets)]
    losses: dict[str, list[float]] = {}
    ends = {}
    for provider in ("cpu", "cuda"):
        engine = OnnxEngine(folder / f"{name}.step.onnx", provider)
        assert engine.provider == provider
        weights = module.init(3)
        engine.start(weights, module.init_updater(weights), *fields)
        losses[provider] = []
        for step in range(1, 101):
            rows = np.random.default_rng(step).permutation(120)[: 7 if step % 5 else 10]
            draws = module.draw(0, step, len(rows)) if module.draw else None
            losses[provider].append(engine.step(rows, draws, step, step / 10))
        ends[provider] = engine.weights() | engine.moments()
    np.testing.assert_allclose(losses["cuda"], losses["cpu"], atol=LIMIT, rtol=LIMIT)
    for key, expected in ends["cpu"].items():
        np.testing.assert_allclose(ends["cuda"][key], expected, atol=LIMIT, rtol=LIMIT, err_msg=key)


def _typed(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.int64 and array.ndim == 1:
        return array
    return array.astype(np.float32).reshape(len(array), -1)


@pytest.mark.parametrize("name", NETS)
def test_training_on_cuda_is_training_on_the_cpu(name: str, tmp_path: Path) -> None:
    options = ("--data", data(), "--engine", "onnx", "--provider", "cuda", "-o", tmp_path / "out")
    done = netc("train", write_spec(name, tmp_path), *options).ok()
    assert "onnx engine on cuda (asked for)" in done.out and "ran on cuda: asked for" in done.out
    mine, theirs = history(tmp_path / "out"), history(trained(name, "onnx"))
    assert len(mine) == len(theirs)
    for record, expected in zip(mine, theirs, strict=True):
        for key in [key for key in record if key.endswith("loss")]:
            assert float(record[key]) == pytest.approx(float(expected[key]), abs=LIMIT), (key, record)


def test_resuming_on_cuda_ends_where_it_would_have(tmp_path: Path) -> None:
    """Interrupted after some epochs and resumed, the onnx engine ends where it would have ended."""
    spec = write_spec("two", tmp_path)
    options = ("--data", data(), "--engine", "onnx", "--provider", "cuda")
    netc("train", spec, *options, "-o", tmp_path / "whole").ok()
    assert netc("train", spec, *options, "-o", tmp_path / "parts", first=STOPS).code == 130
    netc("train", spec, *options, "-o", tmp_path / "parts", "--resume").ok()
    mine, theirs = arrays(tmp_path / "parts" / "two.npz"), arrays(tmp_path / "whole" / "two.npz")
    for key, expected in theirs.items():
        np.testing.assert_allclose(mine[key], expected, atol=LIMIT, rtol=LIMIT, err_msg=key)


def test_netc_run_on_cuda(tmp_path: Path) -> None:
    netc("train", SPECS / "iris.net", "-o", tmp_path).ok()
    files = []
    for provider in ("cpu", "cuda"):
        out = tmp_path / f"{provider}.npz"
        options = ("--data", SPECS / "data" / "iris.csv", "--provider", provider, "-o", out)
        done = netc("run", tmp_path / "iris.onnx", *options).ok()
        assert f"150 rows on {provider}: asked for" in done.err
        files.append(arrays(out))
    assert np.array_equal(files[0]["species_labels"], files[1]["species_labels"])
    np.testing.assert_allclose(files[0]["species"], files[1]["species"], atol=LIMIT)
