"""How long checking and compiling take, and that they grow as the net does."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from netc.codegen import to_numpy, to_onnx, to_step
from netc.dsl import Net, load_text
from road import ENV, NETC, SPECS, netc


def chain(count: int) -> str:
    """A net of so many dense layers."""
    layers = "\n".join(["dense 8 -> tanh"] * (count - 1))
    return f"net tall\ninput x: f32[8]\ntarget t: f32\n{layers}\ndense 1\nloss mse\nupdater adam\n"


def fastest(command: list[str], limit: float) -> float:
    """The seconds of a command: the fewest of up to ten times, since another process can only add to them."""
    fewest = math.inf
    for _ in range(10):
        began = time.perf_counter()
        subprocess.run(command, env=ENV, check=True, capture_output=True)
        fewest = min(fewest, time.perf_counter() - began)
        if fewest <= limit:
            break
    return fewest


def test_checking_the_digits_takes_0_6_seconds() -> None:
    command = [str(NETC), "check", str(SPECS / "digits.net")]
    assert fastest(command, 0.6) <= 0.6


def test_checking_imports_neither_onnx_nor_the_runtime() -> None:
    """Of what makes artifacts, it needs the gradients' program alone, to say how much memory training takes."""
    code = (
        "import sys; from netc.cli.main import run; code = run(['check', sys.argv[1]]);"
        "heavy = {'onnx', 'onnxruntime', 'jinja2', 'rich', 'netc.runtime'};"
        "heavy |= {'netc.codegen.spelling', 'netc.codegen.graph'};"
        "found = heavy & set(sys.modules);"
        "sys.exit(code or repr(sorted(found)) if found else code)"
    )
    command = [sys.executable, "-c", code, str(SPECS / "digits.net")]
    done = subprocess.run(command, env=ENV, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_checking_a_thousand_layers_takes_3_seconds(tmp_path: Path) -> None:
    (tmp_path / "tall.net").write_text(chain(1000), encoding="utf-8")
    command = [str(NETC), "check", str(tmp_path / "tall.net")]
    assert fastest(command, 3) <= 3


def printing(net: Net) -> float:
    """The seconds of all passes and printing."""
    weights = {name: np.zeros(weight.shape, np.float32) for name, weight in net.weights.items()}
    began = time.process_time()
    to_numpy(net)
    to_onnx(net, weights)
    to_step(net)
    return time.process_time() - began


def test_passes_and_printing_of_a_thousand_layers_take_20_seconds_and_grow_linearly() -> None:
    """Of a net four times as deep, linear growth takes four times as long and quadratic growth 16 times: not over 8."""
    printing(load_text(chain(10)))
    seconds: dict[int, float] = {}
    for _ in range(2):
        for count in (250, 1000):
            seconds[count] = min(seconds.get(count, 60), printing(load_text(chain(count))))
        # A second look only where another process may have got in the way of the first.
        if seconds[1000] <= 8 * seconds[250]:
            break
    else:
        raise AssertionError(f"it does not grow linearly: {seconds}")
    assert seconds[1000] <= 20, seconds


def test_a_hundred_layers_build_with_their_proof_in_20_seconds(tmp_path: Path) -> None:
    (tmp_path / "tall.net").write_text(chain(100), encoding="utf-8")
    began = time.perf_counter()
    done = netc("build", tmp_path / "tall.net", "-o", tmp_path / "out", "--json").ok()
    assert time.perf_counter() - began <= 20
    assert done.json["proof"]["ok"]
