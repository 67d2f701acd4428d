"""Small nets that between them use every feature that training has, and data for them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from road import Array, netc, scratch

# 120 rows: with validation=20% 96 of them train, 10 batches of which the last has 6.
ROWS = 120
FLOWERS = "input x: f32[4]\ntarget y: class(3)\n"
NUMBERS = "input x: f32[4]\ntarget t: f32\n"
SOFTMAX = "dense 8 -> tanh\ndense 3 -> softmax\nloss mcxent\n"
LINE = "dense 6 -> tanh\ndense 1\nloss mse\n"
TRAIN = "train epochs=10 batch=10 seed=3 validation=20%\n"


def updated(text: str) -> str:
    """The net of flowers under an updater."""
    return f"{FLOWERS}{SOFTMAX}updater {text}\nmetric accuracy\n{TRAIN}"


def side_by_side(*updaters: str) -> str:
    """A net in which each of several losses moves a layer of its own, each by another updater."""
    heads = "".join(f"output p{i} = x -> dense 1 bias=false\n" for i in range(len(updaters)))
    losses = "".join(f"loss by{i} = mse(p{i}, t) with {updater}\n" for i, updater in enumerate(updaters))
    return f"{NUMBERS}{heads}{losses}{TRAIN}"


NETS = {
    "side_by_side": side_by_side(
        "none",
        "momentum(lr=inverse(0.05, gamma=0.5))",
        "lion(lr=poly(0.02, epochs=12, power=2))",
        "adagrad(lr=sigmoid(0.2, gamma=-1, middle=5))",
        "adadelta(lr=map([0, 3, 8], [2, 1, 0.5]))",
        "amsgrad(lr=ramp(0.01, 0.05, epochs=5))",
        "adamax(lr=cycle(0.01, 0.05, epochs=5, anneal=1))",
        "nadam",
        "adabelief(lr=ramp(0.05, 0.01, epochs=50, per=step))",
        "lamb(lr=1e-2)",
    ),
    "sgd": updated("sgd lr=0.1"),
    "adam": updated("adam lr=1e-2"),
    "schedules": side_by_side(
        "nesterovs(lr=0.05, momentum=0.8)",
        "adamw(lr=2e-2, weight_decay=0.1)",
        "rmsprop(lr=1e-2, decay=0.9)",
        "adam(lr=fixed(1e-2))",
        "sgd(lr=step(0.2, every=3, factor=0.5))",
        "nesterovs(lr=step(0.1, every=30, factor=0.5, per=step))",
        "adam(lr=exponential(3e-2, factor=0.8))",
        "adam(lr=cosine(2e-2, epochs=10, warmup=2))",
        "adam(lr=cosine(2e-2, epochs=100, warmup=15, per=step))",
    ),
    "plateaus": FLOWERS
    + "standardize -> dense 8 l2=plateau(0.01, patience=1, threshold=0.1) -> tanh -> dropout plateau(0.3, patience=0)\n"
    + "dense 3 -> softmax\nloss mcxent\nupdater adam lr=plateau(0.2, factor=0.5, patience=0, cooldown=1)\n"
    + f"metric accuracy\n{TRAIN}",
    "dropouts": FLOWERS
    + "standardize -> dropout 20%\ndense 16 -> relu -> dropout 40%\ndense 3 -> softmax\n"
    + f"loss mcxent\nupdater adam lr=1e-2\nmetric accuracy f1\n{TRAIN}",
    "stopped": FLOWERS
    + "standardize\ndense 24 -> tanh -> dropout 10%\ndense 3 -> softmax\nloss mcxent\nupdater adam lr=0.1\n"
    + "metric accuracy\ntrain epochs=60 batch=10 seed=3 validation=20% early_stop=4\n",
    "normed": FLOWERS
    + "standardize\ndense 12 bias=false -> batchnorm -> relu\ndense 3 -> softmax\n"
    + f"loss mcxent\nupdater adam lr=1e-2\nmetric accuracy\n{TRAIN.strip()} early_stop=9\n",
    "clipped": f"{NUMBERS}{LINE}updater sgd lr=0.1\nmetric mae rmse r2\n{TRAIN.strip()} clip_norm=0.5\n",
    "penalised": NUMBERS
    + "dense 6 l1=1e-3 l2=1e-2 -> selu\ndense 1 l2=1e-2\n"
    + f"loss mae\nupdater nesterovs lr=1e-2\nmetric r2\n{TRAIN}",
    "frozen": FLOWERS
    + "dense 6 frozen=true init=he name=fixed -> elu\ndense 3 -> softmax\n"
    + f"loss mcxent\nupdater adamw lr=1e-2\nmetric accuracy\n{TRAIN}",
    "two": "input x: f32[4]\ninput u: unit[3]\ntarget y: class(3)\ntarget t: f32\n"
    + "body = x -> standardize -> dense 8 -> relu -> dropout 20% -> concat u\n"
    + "kind = body -> dense 3 -> softmax\nheight = body -> dense 4 -> softplus -> dense 1\noutput kind\noutput height\n"
    + "loss mcxent(kind, y) + 0.5 * mse(height, t)\nupdater adam lr=cosine(1e-2, epochs=10)\n"
    + f"metric accuracy(kind, y) r2(height, t)\n{TRAIN.strip()} clip_norm=1\n",
    "unheld": f"{FLOWERS}{SOFTMAX}updater adam lr=1e-2\nmetric accuracy\ntrain epochs=10 batch=11 seed=5\n",
    "unmeasured": f"{NUMBERS}{LINE}updater rmsprop lr=1e-2\ntrain epochs=10 batch=11 seed=5\n",
    "yes_or_no": "input x: f32[4]\ntarget b: binary[2]\ndense 8 -> gelu -> dropout 20%\ndense 2 -> sigmoid\n"
    + f"loss xent\nupdater adam lr=1e-2\nmetric accuracy f1\n{TRAIN}",
    "shaped": "input x: f32[4]\ntarget t: f32\nreshape [2, 2] -> flatten -> dense 5 init=orthogonal -> leakyrelu\n"
    + f"dense 1 init=lecun bias=false\nloss mse\nupdater adam lr=1e-2\nmetric r2\n{TRAIN}",
}


def examples() -> dict[str, Array]:
    """One archive for all nets: classes that are learned but not at once, two truth values, and a number."""
    rng = np.random.default_rng(11)
    y = rng.integers(0, 3, ROWS)
    x = (rng.normal(size=(ROWS, 4)) + 1.2 * y[:, None] * np.array([1, -1, 0.5, 0])).astype(np.float32)
    t = (x @ np.array([0.5, -0.3, 0.2, 0.4]) + 0.2 * rng.normal(size=ROWS)).astype(np.float32)
    b = np.stack([x[:, 0] > 0, x[:, 1] + x[:, 2] > 0], axis=1).astype(np.int64)
    return {"x": x, "u": rng.random((ROWS, 3), np.float32), "y": y, "t": t, "b": b}


def write_spec(name: str, folder: Path) -> Path:
    """The spec of a net as a file, beside its data."""
    path = folder / f"{name}.net"
    path.write_text(f"net {name}\n{NETS[name]}", encoding="utf-8")
    if not (folder / "data.npz").exists():
        np.savez(folder / "data.npz", **examples())
    return path


@cache
def home() -> Path:
    """The folder of what the test files share: specs, data, and a folder for each training."""
    folder = scratch("matrix")
    np.savez(folder / "data.npz", **examples())
    return folder


def data() -> Path:
    """The archive of the examples."""
    return home() / "data.npz"


@cache
def trained(name: str, engine: str = "numpy") -> Path:
    """The folder that `netc train` filled, once for all test files."""
    folder = home() / f"{name}-{engine}"
    netc(
        "train", write_spec(name, home()), "--data", data(), "--engine", engine, "-o", folder, "--provider", "cpu"
    ).ok()
    return folder
