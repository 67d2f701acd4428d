"""Measures the peak memory of training ResNet-18 at batch 8 on 3 x 64 x 64, each engine in a process of its own."""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SPEC = Path(__file__).resolve().parent.parent / "specs" / "architectures" / "resnet18.net"
DEFINES = {"size": "64"}
BATCH, STEPS = 8, 3


def peak() -> int:
    """The most memory that this process had so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def spec() -> str:
    """The spec with the small batch."""
    return SPEC.read_text("utf-8").replace("batch=128", f"batch={BATCH}")


def data() -> tuple[np.ndarray, np.ndarray]:
    """A batch of noise."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((BATCH, 3, 64, 64)).astype(np.float32), rng.integers(0, 1000, BATCH)


def with_netc(engine: str) -> Callable[[], None]:
    """Steps of one of netc's engines; all that is imported is imported before."""
    from netc.codegen import to_numpy, to_step
    from netc.dsl import load_text
    from netc.runtime import NumpyEngine, OnnxEngine, trainer_of

    net = load_text(spec(), "resnet18.net", DEFINES)
    trainer = trainer_of(to_numpy(net), "resnet18.py")
    graph = to_step(net).SerializeToString() if engine == "onnx" else b""
    x, y = data()

    def steps() -> None:
        made: Any = NumpyEngine(trainer) if engine == "numpy" else OnnxEngine(graph, provider="cpu", threads=1)
        weights = trainer.init(1)
        made.start(weights, trainer.init_updater(weights), (x,), (y,))
        del weights
        for step in range(STEPS):
            made.step(np.arange(BATCH), None, step + 1, 0.0)

    return steps


def with_torch() -> Callable[[], None]:
    """The same in PyTorch."""
    import torch
    from images import resnet18

    torch.set_num_threads(1)
    x, y = (torch.from_numpy(array) for array in data())

    def steps() -> None:
        net = resnet18(torch.nn)
        updater = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
        for _ in range(STEPS):
            updater.zero_grad()
            torch.nn.functional.cross_entropy(net(x), y).backward()
            updater.step()

    return steps


def main() -> None:
    """Measure one engine, or all of them and what netc predicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", nargs="?", choices=["numpy", "onnx", "torch"])
    engine = parser.parse_args().engine
    if engine:
        steps = with_torch() if engine == "torch" else with_netc(engine)
        before = peak()
        steps()
        print(peak() - before)
        return
    from netc.codegen.memory import memory
    from netc.dsl import load_text

    mine = [sys.executable, __file__]
    found = {name: int(subprocess.check_output([*mine, name])) for name in ("torch", "numpy", "onnx")}
    for name, size in found.items():
        print(f"{name:<8} {size / 2**20:8.1f} MiB  {size / found['torch']:5.2f} x torch")
    for name, size in memory(load_text(spec(), "resnet18.net", DEFINES)).items():
        print(f"netc check says {size / 2**20:.1f} MiB with {name}, {size / found[name] - 1:+.0%}")


if __name__ == "__main__":
    main()
