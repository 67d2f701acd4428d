"""What a proof feeds to the artifacts: seeded examples, weights, updater state and clocks where mistakes show."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np

from ..dsl.net import Field, Net
from ..runtime import Trainer
from ..runtime.fields import Array
from ..runtime.module import Arrays

# Examples of a batch at most, and numbers (weights times examples) that one pass over a batch may touch: what is beyond
# is proven on fewer examples, and the proof says so.
ROWS = 64
SLOPE_ROWS = 16
WORK = 100_000_000
# How far weights are moved from where `init` puts them, in shares of their own size; zeros get the share itself.
PERTURBATION = 0.1
# Factors on the first weights, tried in turn where signals die out on their way through a deep net.
GAINS = (1.0, 1.5, 2.0, 0.7)


@dataclass(frozen=True)
class Batch:
    """Examples in float32 or int64, in the spec's order."""

    inputs: tuple[Array, ...]
    targets: tuple[Array, ...]

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Inputs, then targets."""
        return self.inputs + self.targets

    def __len__(self) -> int:
        return len(self.inputs[0])


@dataclass(frozen=True)
class Clock:
    """When a step happens: its number from 1, and the epoch with its fraction."""

    step: int
    epoch: float


def stream(seed: int, *key: object) -> np.random.Generator:
    """The generator of one purpose, the same for the same seed and key."""
    digest = hashlib.sha256(repr((seed, "proof", *key)).encode()).digest()
    return np.random.Generator(np.random.Philox(np.frombuffer(digest, np.uint32)))


def wide(array: Array) -> Array:
    """A float32 array in float64, any other as it is."""
    return array.astype(np.float64) if array.dtype == np.float32 else array


def widened(arrays: Arrays) -> Arrays:
    """Arrays by name in float64; the copies are the caller's to change."""
    return {
        name: array.astype(np.float64 if array.dtype == np.float32 else array.dtype) for name, array in arrays.items()
    }


# Examples -------------------------------------------------------------------------------------------------------------


def _normal(rng: np.random.Generator, shape: tuple[int, ...], field: Field) -> Array:
    return rng.standard_normal(shape)


def _unit(rng: np.random.Generator, shape: tuple[int, ...], field: Field) -> Array:
    return rng.uniform(0.02, 0.98, shape)


def _positive(rng: np.random.Generator, shape: tuple[int, ...], field: Field) -> Array:
    return np.exp(0.5 * rng.standard_normal(shape))


def _binary(rng: np.random.Generator, shape: tuple[int, ...], field: Field) -> Array:
    return rng.permutation(np.arange(math.prod(shape)) % 2).reshape(shape)


def _class(rng: np.random.Generator, shape: tuple[int, ...], field: Field) -> Array:
    """Every class, as far as the examples go."""
    assert field.classes is not None
    return rng.permutation(np.arange(math.prod(shape)) % field.classes).reshape(shape)


_DRAWN: dict[str, Callable[[np.random.Generator, tuple[int, ...], Field], Array]] = {
    "f32": _normal,
    "unit": _unit,
    "positive": _positive,
    "binary": _binary,
    "class": _class,
}
_SCALABLE = ("f32", "positive")


def batch(net: Net, count: int, key: object = 0, factor: float = 1.0) -> Batch:
    """Examples inside their domains; `factor` makes those larger that have no bounds."""
    return Batch(
        tuple(_drawn(net, f, count, key, factor) for f in net.inputs),
        tuple(_drawn(net, f, count, key, factor) for f in net.targets),
    )


def _drawn(net: Net, field: Field, count: int, key: object, factor: float) -> Array:
    shape = (count, *(int(n) for n in field.shape))
    values = _DRAWN[field.kind](stream(_seed(net), field.name, count, key), shape, field)
    values = values * factor if field.kind in _SCALABLE else values
    return values.astype(np.int64 if field.kind == "class" else np.float32)


def _seed(net: Net) -> int:
    return int(net.train["seed"] or 0)


def rows(net: Net, most: int = ROWS, all: bool = False) -> int:
    """How many examples a full batch of the proof has; `all` of those that it can afford, whatever the spec's batch."""
    wanted = most if all else min(int(net.train["batch"] or most), most)
    return max(min(wanted, 3), min(wanted, WORK // max(net.parameters, 1)))


def sizes(count: int) -> tuple[int, ...]:
    """One example, a full batch, and a remainder."""
    return tuple(dict.fromkeys((1, count, max(2, 3 * count // 7))))


# Weights, state, clocks -----------------------------------------------------------------------------------------------


def perturbed(net: Net, first: Arrays, gain: float = 1.0, key: object = 0) -> Arrays:
    """Weights near the first ones, none of them exactly zero, and state away from what leaves its input unchanged."""
    found: Arrays = {}
    for name, array in first.items():
        rng = stream(_seed(net), name, "weights", key)
        if name in net.states:
            moved = array * (1 + 0.3 * rng.random(array.shape)) + 0.3 * rng.random(array.shape)
        else:
            factor = gain if name in net.trained and array.ndim > 1 else 1.0
            size = float(np.sqrt(np.mean(np.square(array, dtype=np.float64)))) if array.size else 0.0
            moved = factor * array + PERTURBATION * (size or 1.0) * rng.standard_normal(array.shape)
        found[name] = np.asarray(moved, np.float32)
    return found


def beside(net: Net, weights: Arrays) -> Arrays:
    """The weights with another last bit."""
    found: Arrays = {}
    for name, array in weights.items():
        up = stream(_seed(net), name, "beside").random(array.shape) < 0.5
        found[name] = np.nextafter(array, np.where(up, np.inf, -np.inf).astype(array.dtype))
    return found


def moments(net: Net, trainer: Trainer, weights: Arrays, grads: Arrays) -> Arrays:
    """Updater state in the middle of training: positive, and of the size that one step from zeros gives it.

    So neither the old state nor the gradient drowns the other in what comes next.
    """
    first = widened(trainer.init_updater(weights))
    trainer.update(widened(weights), first, dict(grads), 1, 0.0)
    found: Arrays = {}
    for name, array in first.items():
        size = np.abs(array)
        size = (size + size.mean()) / 2 if size.any() else np.full(array.shape, 1e-3)
        found[name] = np.asarray(size * stream(_seed(net), name, "moments").uniform(0.5, 1.5, array.shape), np.float32)
    return found


# Endings of the settings of schedules, and the shares of them at which a schedule is looked at.
_MARKS = {"_WARMUP": (0.5,), "_EVERY": (0.5, 1.5, 2.5), "_EPOCHS": (0.55, 0.97)}


def clocks(net: Net) -> list[Clock]:
    """Moments of training: its start, inside a warm-up, the middle, the end; steps go the same way for `per=step`."""
    marks = {
        setting.number * share
        for setting in net.settings
        for ending, shares in _MARKS.items()
        if setting.name.endswith(ending)
        for share in shares
        if setting.number
    }
    epochs = float(net.train["epochs"] or 1)
    by_epoch = sorted({0.0, *(m for m in marks if m < epochs), 0.55 * epochs + 0.3, epochs - 0.1})
    by_step = sorted({2, *(max(2, math.ceil(m)) for m in marks), 40})
    if not _reads(net, "epoch"):
        by_epoch = [1.3]
    count = max(len(by_epoch), len(by_step) if _reads(net, "step") else 1)
    return [Clock(s, e) for s, e in zip(_cycled(by_step, count), _cycled(by_epoch, count), strict=True)]


def _reads(net: Net, clock: str) -> bool:
    """Whether the updater looks at the step or at the epoch."""
    update = net.programs["update"]
    return any(given.value in update.uses for given in update.of("clock") if given.name == clock)


def _cycled(values: list[Any], count: int) -> list[Any]:
    return list(islice(cycle(values), count))
