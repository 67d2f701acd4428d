"""The emitted trainer as a command: its check of gradients, and what it says of data and arguments that are wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import module, small
from netc.codegen import to_numpy
from netc.dsl import load_text

PLAIN = load_text(
    "net plain\ninput x: f32[4]\ntarget y: class(3)\ndense 16 -> tanh\ndense 3 -> softmax\n"
    "loss mcxent\nupdater adam\ntrain epochs=10 batch=16\n"
)


def test_check_of_the_page_itself(tmp_path: Path):
    """`python NAME.py DATA.npz --check` compares the gradients, and says so in its exit code."""
    (tmp_path / "plain.py").write_text(to_numpy(PLAIN), encoding="utf-8")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.standard_normal((30, 4)), y=rng.integers(0, 3, 30))
    command = [sys.executable, "-I", "plain.py", "data.npz", "--check"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.count("slope") == 4, done.stderr
    assert done.stdout.endswith("\nall gradients agree\n")
    broken = to_numpy(PLAIN).replace("dW1 = x.T @ dz1", "dW1 = 1.0001 * (x.T @ dz1)")
    (tmp_path / "plain.py").write_text(broken, encoding="utf-8")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout.endswith("\nwrong: W1\n")


@pytest.mark.parametrize(
    "layers",
    [
        "repeat 12 { dense 40 -> relu }\ndense 2",
        "repeat 4 { dense 20 -> batchnorm -> relu -> layernorm }\ndense 2",
        "dense 8 -> l2normalize -> dense 8 init=normal(0, 1e-4) -> rmsnorm -> dense 2",
    ],
)
def test_check_passes_where_there_are_kinks_and_bends(layers: str, capsys: pytest.CaptureFixture[str]):
    net = small(layers, updater="sgd")
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((30, *field.shape)).astype(np.float32) for field in net.fields]
    made = module(net)
    assert made.check(arrays[:1], arrays[1:]) == []
    assert capsys.readouterr().out.endswith("\nall gradients agree\n")


def test_check_is_no_coarser_than_its_data(capsys: pytest.CaptureFixture[str]):
    """A straight loss has slopes of the float32 targets alone, here far below the terms that they are the sum of."""
    made = module(small("dense 2", target="binary[2]", loss="wasserstein", updater="sgd"))
    x, y = np.random.default_rng(0).random((30, 6)).astype(np.float32), np.eye(2, dtype=np.float32)[np.arange(30) % 2]
    assert made.check([np.repeat(x[::2], 2, axis=0) + x * 1e-3], [y]) == []
    assert capsys.readouterr().out.endswith("\nall gradients agree\n")


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        (None, "data.npz is no archive for plain: [Errno 2] No such file or directory: 'data.npz'"),
        (b"x,y\n1,2\n", "data.npz is no archive for plain: "),
        (b"", "data.npz is no archive for plain: No data left in file"),
        ({"x": np.zeros((3, 4)), "Y": np.zeros(3)}, "no archive for plain: 'y is not a file in the archive'"),
        ({"x": np.zeros((3, 5)), "y": np.zeros(3)}, "needs numbers x of shape (3, 4)"),
        ({"x": np.zeros((3, 4)), "y": np.zeros(2)}, "needs numbers y of shape (3,)"),
        ({"x": np.zeros((3, 4)), "y": np.array(["a"] * 3)}, "needs numbers y of shape (3,)"),
        ({"x": np.zeros((3, 4)), "y": np.array([{}] * 3)}, "Object arrays cannot be loaded"),
        ({"x": 3, "y": 3}, "needs numbers x of shape (1, 4)"),
    ],
)
def test_data_that_the_page_refuses_in_a_line(arrays: Any, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    if isinstance(arrays, bytes):
        Path("data.npz").write_bytes(arrays)
    elif arrays:
        np.savez("data.npz", **arrays)
    with pytest.raises(SystemExit) as left:
        module(PLAIN).load("data.npz")
    assert told in str(left.value) and "\n" not in str(left.value)


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--help"], 0), ([], 2), (["data.npz", "--chek"], 2), (["data.npz", "more"], 2)]
)
def test_usage_of_the_page(arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    monkeypatch.setattr("sys.argv", ["plain.py", *arguments])
    with pytest.raises(SystemExit) as left:
        module(PLAIN).main()
    assert left.value.code == code and "plain.py" in "".join(capsys.readouterr())


# Sentences of words, over which windows find a place from 3 words on, and of which there are places for 4.
DOCUMENTS = load_text(
    "net documents\ninput x: f32[S, T, 2] lengths=true\ntarget y: f32\ntime_distributed conv 3 3 -> globalavgpool\n"
    "learned_positions 4 -> lstm 2 -> last_step -> dense 1\nloss mse\nupdater adam\ntrain epochs=1 batch=2\n"
)
LENGTHS = {"x_lengths": [2, 3], "x_T_lengths": [[5, 3, 0], [3, 4, 5]]}


def said_of(tmp_path: Path, shape: tuple[int, ...] = (2, 3, 5, 2), **lengths: Any) -> str:
    """What the page says of documents of a shape with such lengths; nothing where it takes them."""
    np.savez(tmp_path / "data.npz", x=np.ones(shape), y=np.zeros(2), **(LENGTHS | lengths))
    try:
        module(DOCUMENTS).load(str(tmp_path / "data.npz"))
    except SystemExit as left:
        return str(left).replace(str(tmp_path / "data.npz"), "it")
    return ""


def test_the_page_takes_padding_of_no_length(tmp_path: Path):
    """A sentence that is padding has no words, also where those that count need some for the windows."""
    assert said_of(tmp_path) == ""
    inputs, targets = module(DOCUMENTS).load(str(tmp_path / "data.npz"))
    assert all(np.isfinite(w).all() for w in module(DOCUMENTS).train(inputs, targets).values())


INNER = "x_T_lengths in it needs 0 in padding, 3 or more elsewhere"


@pytest.mark.parametrize(
    ("lengths", "told"),
    [
        ({"x_lengths": [2, 4]}, "x_lengths in it has lengths above 3 steps"),
        ({"x_lengths": [0, 3]}, "x_lengths in it has values that are not in [1, 3.4e+38]"),
        ({"x_lengths": [2, 2**63 - 1]}, "x_lengths in it has lengths above 3 steps"),
        ({"x_T_lengths": [[6, 3, 0], [3, 4, 5]]}, "x_T_lengths in it has lengths above 5 steps"),
        ({"x_T_lengths": [[5, 0, 0], [3, 4, 5]]}, INNER),
        ({"x_T_lengths": [[5, 3, 3], [3, 4, 5]]}, INNER),
        ({"x_T_lengths": [[5, 2, 0], [3, 4, 5]]}, INNER),
    ],
)
def test_lengths_that_the_page_refuses(lengths: Any, told: str, tmp_path: Path):
    assert said_of(tmp_path, **lengths) == told


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((2, 3, 2, 2), "it has examples of 2 steps, which need 3"),
        ((2, 3, 0, 2), "it needs numbers x of shape (2, 3, 1, 2)"),
        ((2, 0, 5, 2), "it needs numbers x of shape (2, 1, 5, 2)"),
        ((2, 5, 5, 2), "it has examples of 5 steps, more than 4"),
    ],
)
def test_numbers_of_steps_that_the_page_refuses(shape: tuple[int, ...], told: str, tmp_path: Path):
    inner = np.full(shape[:2], 3)
    assert said_of(tmp_path, shape, x_lengths=[max(1, shape[1])] * 2, x_T_lengths=inner) == told
