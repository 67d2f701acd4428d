"""What `netc check` says of memory, beside what NumPy allocates in a step of the file."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from netc.cli import sampling
from netc.codegen import to_numpy
from netc.codegen.memory import HEAP, memory
from netc.dsl import Net, load_text
from netc.runtime import NumpyEngine, trainer_of

SPECS = Path(__file__).resolve().parent.parent / "specs" / "architectures"
WIDE = "net wide\ninput x: f32[300]\ntarget y: class(10)\ndense 200 -> relu -> dense 200 -> tanh\n"
WIDE += "dense 10 -> softmax\nloss mcxent\nupdater adam\ntrain epochs=1 batch=600\n"
DEEP = WIDE.replace("tanh\n", "tanh\nrepeat 8 { dense 200 -> relu }\n").replace("batch=600", "batch=50")


def net_of(name: str, batch: int, defines: dict[str, str]) -> Net:
    text = (SPECS / f"{name}.net").read_text("utf-8")
    return load_text(re.sub(r"batch=\d+", f"batch={batch}", text), f"{name}.net", defines)


NETS = {
    "wide": lambda: load_text(WIDE),
    "deep": lambda: load_text(DEEP),
    "lenet5": lambda: net_of("lenet5", 64, {}),
    "unet": lambda: net_of("unet", 8, {"size": "32"}),
    "resnet18": lambda: net_of("resnet18", 8, {"size": "64"}),
}


def allocated(net: Net) -> int:
    """The most bytes that NumPy holds during two steps, from the first weights on."""
    trainer, count = trainer_of(to_numpy(net), f"{net.name}.py"), int(net.train["batch"])
    batch = sampling.batch(net, count)
    weights = trainer.init(1)
    tracemalloc.start()
    try:
        engine = NumpyEngine(trainer)
        engine.start(
            {n: a.copy() for n, a in weights.items()}, trainer.init_updater(weights), batch.inputs, batch.targets
        )
        for step in (1, 2):
            engine.step(np.arange(count), None, step, 0.0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# Eleven million weights take five seconds.
SLOW = pytest.param("resnet18", marks=pytest.mark.exhaustive)


@pytest.mark.parametrize("name", [SLOW if name == "resnet18" else name for name in NETS])
def test_what_a_step_of_the_file_allocates(name: str) -> None:
    net = NETS[name]()
    assert 0.75 < memory(net)["numpy"] / HEAP / allocated(net) < 1.25


def test_the_graph_holds_weights_and_moments_twice() -> None:
    small, large = [memory(load_text(WIDE.replace("batch=600", f"batch={batch}")))["onnx"] for batch in (1, 601)]
    kept = 4 * 3 * (300 * 200 + 200 + 200 * 200 + 200 + 200 * 10 + 10)
    assert 2 * kept < small < 2.5 * kept
    assert large - small > 600 * 4 * (300 + 2 * 200 + 10)
