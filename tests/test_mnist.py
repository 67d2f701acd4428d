"""LeNet-5 and a small residual net read handwritten digits that they were not trained on, with both engines."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import road
from harness import module
from netc.codegen import to_onnx
from netc.dsl import load
from netc.runtime import Session
from test_specs import SPECS

DATA = SPECS.parent.parent / "shared" / "data"
Array = np.ndarray[Any, Any]


def digits() -> tuple[Array, Array]:
    """The 10,000 test digits of MNIST, brightness from 0 to 1; skips where they are not."""
    files = [DATA / f"mnist-10k-{name}-ubyte.gz" for name in ("images-idx3", "labels-idx1")]
    for file in files:
        if not file.exists():
            pytest.skip(f"{file} is not on this machine")
    pixels, labels = (np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8) for file in files)
    return (pixels[16:].reshape(-1, 1, 28, 28) / 255).astype(np.float32), labels[8:].astype(np.int64)


def score(model: str | Path | bytes, x: Array, y: Array) -> float:
    """The share of digits that a graph reads right."""
    return float(np.mean(Session(model).run(image=x)["digit"].argmax(axis=1) == y))


def test_some_digits_are_soon_read() -> None:
    x, y = digits()
    net = load(SPECS / "architectures" / "lenet5.net")
    made = module(net)
    made.EPOCHS = 4
    p = made.train([x[:600]], [y[:600]])
    assert score(to_onnx(net, p).SerializeToString(), x[8000:8500], y[8000:8500]) >= 0.8


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", ["numpy", "onnx"])
@pytest.mark.parametrize(("name", "least"), [("lenet5", 0.975), ("resnet8", 0.98)])
def test_digits_are_read_as_stated(name: str, least: float, engine: str, tmp_path: Path) -> None:
    x, y = digits()
    np.savez(tmp_path / "digits.npz", image=x[:8000], digit=y[:8000])
    road.process(
        "train",
        SPECS / "architectures" / f"{name}.net",
        "--data",
        tmp_path / "digits.npz",
        "--engine",
        engine,
        "-o",
        tmp_path / "run",
    ).ok()
    assert score(tmp_path / "run" / f"{name}.onnx", x[8000:], y[8000:]) >= least
