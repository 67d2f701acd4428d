"""Times a training step of netc's engines against PyTorch and scikit-learn, on one thread, in alternating rounds."""

from __future__ import annotations

import os

# Threads are counted when the libraries load, so this comes before their imports.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", VECLIB_MAXIMUM_THREADS="1")

import argparse
import importlib.metadata
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from images import IMAGES, ImageCase
from sequences import SEQUENCES, SequenceCase

OUT = Path(__file__).resolve().parent.parent / "build" / "bench.json"
# Small enough that no net runs away in its first steps, where losses could not be compared.
RATE = 1e-4
# All contestants start from the same weights, so their losses may differ by rounding only.
AGREEMENT = 1e-4


@dataclass(frozen=True)
class Case:
    """A net of dense layers: its sizes, the batch, the batches of a round, and the speed asked for in PyTorch's."""

    sizes: tuple[int, ...]
    batch: int
    batches: int
    target: float

    @property
    def name(self) -> str:
        """The sizes joined by dashes."""
        return "-".join(map(str, self.sizes))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an example."""
        return self.sizes[:1]

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return self.sizes[-1]

    def spec(self, rate: float) -> str:
        """The case as a spec."""
        hidden = [f"dense {size} -> relu" for size in self.sizes[1:-1]]
        head = ["net bench", f"input  x: f32[{self.sizes[0]}]", f"target y: class({self.classes})", *hidden]
        tail = ["loss    mcxent", f"updater adam lr={rate}", f"train   epochs=1 batch={self.batch} seed=1", ""]
        return "\n".join([*head, f"dense {self.classes} -> softmax", *tail])

    def torch(self, weights: dict[str, np.ndarray]) -> Any:
        """The same net in PyTorch, with these weights."""
        import torch

        layers: list[torch.nn.Module] = []
        for i, (fan_in, fan_out) in enumerate(pairwise(self.sizes), start=1):
            linear = torch.nn.Linear(fan_in, fan_out)
            linear.weight.data = torch.from_numpy(weights[f"W{i}"].T.copy())
            linear.bias.data = torch.from_numpy(weights[f"b{i}"].copy())
            layers += [linear, torch.nn.ReLU()]
        return torch.nn.Sequential(*layers[:-1])


AnyCase = Case | ImageCase | SequenceCase
CASES: tuple[AnyCase, ...] = (
    Case((4, 16, 3), 32, 256, 3.0),
    Case((30, 64, 32, 2), 32, 256, 3.0),
    Case((784, 128, 10), 64, 64, 1.0),
    Case((784, 512, 256, 10), 128, 12, 0.6),
    Case((1024, 2048, 2048, 10), 256, 2, 0.6),
    *IMAGES,
    *SEQUENCES,
)


@dataclass(frozen=True)
class Problem:
    """A case with its first weights and `batches` batches of examples, the same for every contestant."""

    case: AnyCase
    weights: dict[str, np.ndarray]
    x: np.ndarray
    y: np.ndarray

    def parts(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The batches, as views."""
        starts = range(0, len(self.x), self.case.batch)
        return [(self.x[i : i + self.case.batch], self.y[i : i + self.case.batch]) for i in starts]


# A contestant takes a problem and returns `start`; `start()` goes back to the first weights and returns `epoch`;
# `epoch()` trains one step on each batch and returns the mean of their losses. Only `epoch()` is timed.
Epoch = Callable[[], float]
Contestant = Callable[[Problem], Callable[[], Epoch]]


def problem(case: AnyCase, batches: int) -> Problem:
    """Random examples and the first weights of the spec, from a fixed seed."""
    from netc.codegen import to_numpy
    from netc.dsl import load_text
    from netc.runtime import trainer_of

    rng = np.random.default_rng(0)
    weights = trainer_of(to_numpy(load_text(case.spec(RATE), "bench.net")), "bench.py").init(1)
    x = rng.standard_normal((batches * case.batch, *case.shape)).astype(np.float32)
    return Problem(case, weights, x, rng.integers(0, case.classes, len(x)))


# netc ------------------------------------------------------------------------------------------------


def netc_numpy(given: Problem) -> Callable[[], Epoch]:
    """The emitted file's own functions, as a user has them."""
    from netc.codegen import to_numpy
    from netc.dsl import load_text
    from netc.runtime import trainer_of

    trainer = trainer_of(to_numpy(load_text(given.case.spec(RATE), "bench.net")), "bench.py")
    (minimised,) = trainer.losses
    parts = given.parts()

    def start() -> Epoch:
        p = {name: value.copy() for name, value in given.weights.items()}
        moments, step = trainer.init_updater(p), 0

        def epoch() -> float:
            nonlocal step
            total = 0.0
            for k, (x, y) in enumerate(parts):
                step += 1
                loss, grads, *state = minimised.and_grads(p, x, y)
                minimised.update(p, moments, grads, step, k / len(parts))
                p.update(*state)
                total += float(loss)
            return total / len(parts)

        return epoch

    return start


def netc_onnx(given: Problem) -> Callable[[], Epoch]:
    """The step graph on ONNX Runtime, a little handicapped: it copies the rows of a batch; the others get a view."""
    from netc.codegen import to_numpy, to_step
    from netc.dsl import load_text
    from netc.runtime import OnnxEngine, trainer_of

    net = load_text(given.case.spec(RATE), "bench.net")
    trainer = trainer_of(to_numpy(net), "bench.py")
    engine = OnnxEngine(to_step(net).SerializeToString(), provider="cpu", threads=1)
    parts = np.arange(len(given.x)).reshape(-1, given.case.batch)

    def start() -> Epoch:
        weights = {name: value.copy() for name, value in given.weights.items()}
        engine.start(weights, trainer.init_updater(weights), (given.x,), (given.y,))
        step = 0

        def epoch() -> float:
            nonlocal step
            total = 0.0
            for k, rows in enumerate(parts):
                step += 1
                total += engine.step(rows, None, step, k / len(parts))[0]
            return total / len(parts)

        return epoch

    return start


# Peers -----------------------------------------------------------------------------------------------


def torch_eager(given: Problem) -> Callable[[], Epoch]:
    """PyTorch as its tutorials write it, with its fastest Adam for the CPU."""
    import torch

    torch.set_num_threads(1)
    parts = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in given.parts()]

    def start() -> Epoch:
        net = given.case.torch(given.weights)
        updater = torch.optim.Adam(net.parameters(), lr=RATE, fused=True)

        def epoch() -> float:
            total = 0.0
            for x, y in parts:
                updater.zero_grad()
                loss = torch.nn.functional.cross_entropy(net(x), y)
                loss.backward()
                updater.step()
                total += loss.item()
            return total / len(parts)

        return epoch

    return start


def sklearn_mlp(given: Problem) -> Callable[[], Epoch]:
    """scikit-learn's MLPClassifier in its own loop.

    `partial_fit` is one epoch over the rows that it is given, in batches, in order where `shuffle` is off. It checks
    its arguments once a call; over all batches of a round, that is a small part. A call a batch would time the checks.
    """
    from sklearn.neural_network import MLPClassifier

    case = given.case
    assert isinstance(case, Case)
    count = len(case.sizes) - 1
    weights = [given.weights[f"W{i + 1}"] for i in range(count)]
    biases = [given.weights[f"b{i + 1}"] for i in range(count)]
    if case.sizes[-1] == 2:
        # It has one logistic output for two classes. That is the softmax of two scores, by their difference.
        weights[-1], biases[-1] = np.diff(weights[-1]), np.diff(biases[-1])
    settings = {"alpha": 0.0, "learning_rate_init": RATE, "batch_size": case.batch, "shuffle": False}

    def start() -> Epoch:
        model = MLPClassifier(case.sizes[1:-1], solver="adam", **settings)
        # The first call makes the arrays; then they get the common weights, and Adam starts anew.
        model.partial_fit(given.x[: case.batch], given.y[: case.batch], classes=np.arange(case.sizes[-1]))
        for array, value in zip(model.coefs_ + model.intercepts_, weights + biases, strict=True):
            assert array.dtype == np.float32
            array[...] = value
        del model._optimizer

        def epoch() -> float:
            return model.partial_fit(given.x, given.y).loss_

        return epoch

    return start


# Timing ----------------------------------------------------------------------------------------------

CONTESTANTS: dict[str, Contestant] = {
    "netc numpy": netc_numpy,
    "netc onnx": netc_onnx,
    "torch": torch_eager,
    "sklearn": sklearn_mlp,
}
OURS = ("netc numpy", "netc onnx")


def agree(case: AnyCase, names: list[str]) -> None:
    """Stop unless all contestants have the same losses from the same weights, so that nothing wrong is timed."""
    # A logistic output has the loss of two scores, but Adam moves it otherwise: then the first step is compared.
    alike = [name for name in names if name != "sklearn" or case.sizes[-1] > 2]
    for batches, who in ((1, names), (3, alike)):
        given = problem(case, batches)
        losses = {name: float(CONTESTANTS[name](given)()()) for name in who}
        if losses and max(losses.values()) - min(losses.values()) > AGREEMENT:
            sys.exit(f"{case.name}: the contestants compute different things in {batches} steps: {losses}")


def measure(case: AnyCase, names: list[str], rounds: int) -> dict[str, float]:
    """The median seconds a step of each contestant, over rounds in which all take their turn."""
    given = problem(case, case.batches)
    starts = {name: CONTESTANTS[name](given) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in names:
            # Each round from the first weights: a net that has learned its examples by heart makes denormal numbers.
            epoch = starts[name]()
            begin = time.perf_counter()
            epoch()
            spent = time.perf_counter() - begin
            if turn > 0:  # the first round warms up
                times[name].append(spent / case.batches)
    return {name: statistics.median(values) for name, values in times.items()}


def row(case: AnyCase, seconds: dict[str, float]) -> dict[str, object]:
    """The result of a case for bench.json."""
    ours = {name: seconds[name] for name in OURS if name in seconds}
    best = min(ours, key=lambda name: ours[name]) if ours else None
    ratio = seconds["torch"] / ours[best] if best and "torch" in seconds else None
    return {
        "net": case.name,
        "batch": case.batch,
        "microseconds": {name: round(value * 1e6, 2) for name, value in seconds.items()},
        "target": case.target,
        "best": best,
        "ratio": ratio and round(ratio, 3),
        "met": None if ratio is None else ratio >= case.target,
    }


def show(case: AnyCase, seconds: dict[str, float], result: dict[str, object]) -> None:
    """Print one case as a block of the table."""
    print(f"\n{case.name}, batch {case.batch}")
    for name, value in seconds.items():
        ratios = [f"{seconds[peer] / value:6.2f} x {peer}" for peer in ("torch", "sklearn") if peer in seconds]
        print(f"  {name:<11} {value * 1e6:11.1f} us {1 / value:11,.0f} steps/s  " + "  ".join(ratios))
    if result["met"] is not None:
        verdict = "met" if result["met"] else "MISSED"
        print(
            f"  target {case.target:g} x torch: {verdict}, the better engine ({result['best']}) has {result['ratio']} x"
        )


def versions() -> dict[str, str]:
    """What was measured, and on what."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in ("numpy", "onnxruntime", "onnxruntime-gpu", "torch", "scikit-learn"):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds of which the median is taken")
    parser.add_argument("--only", nargs="*", default=list(CONTESTANTS), choices=list(CONTESTANTS), metavar="NAME")
    parser.add_argument("--nets", nargs="*", default=[case.name for case in CASES], metavar="SIZES")
    return parser.parse_args()


def main() -> None:
    """Check, time and print every case; write build/bench.json."""
    given = arguments()
    print(
        "One thread; median of",
        given.rounds,
        "alternating rounds;",
        ", ".join(f"{k} {v}" for k, v in versions().items()),
    )
    results = []
    for case in (case for case in CASES if case.name in given.nets):
        names = [name for name in given.only if name != "sklearn" or isinstance(case, Case)]
        agree(case, names)
        seconds = measure(case, names, given.rounds)
        results.append(row(case, seconds))
        show(case, seconds, results[-1])
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"versions": versions(), "rounds": given.rounds, "cases": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
