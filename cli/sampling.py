"""What a proof feeds to the artifacts: seeded examples, weights, updater state and clocks where mistakes show."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from itertools import cycle, islice
from typing import Any

import numpy as np

from ..dsl.courses import Course
from ..dsl.derived_steps import derived
from ..dsl.longest import aligned, longest, shortest
from ..dsl.net import Field, Net
from ..dsl.types import Dim
from ..runtime import Trainer
from ..runtime.fields import Array
from ..runtime.module import NEVER, Arrays, Drops

# Examples of a batch at most, and products of numbers that one pass over a batch may take, a weight counting as one at
# least: what is beyond is proven on fewer examples, and the proof says so.
ROWS = 64
# How many steps an example of the proof has, along the first dimension that is known only at run time, and those after.
STEPS = (7, 3, 5)
# How many places windows over steps find at least, in examples that are no longer than this for that alone.
PLACES, LONG = 3, 256
SLOPE_ROWS = 16
WORK = 100_000_000
# The work of an example beyond which a net is proven in short, and in full on a smaller one: products of numbers, and
# weights, of which each is looked at some ten times as long.
LARGE, OF_WEIGHT = 500_000_000, 10
# How far weights are moved from where `init` puts them, in shares of their own size; zeros get the share itself.
PERTURBATION = 0.1
# How many points around one are looked at, of a large net fewer, and how far off they are, in shares of each number.
AROUND, OF_LARGE, SIDE = 8, 2, 1e-3
# Factors on the first weights, tried in turn where signals die out on their way through a deep net.
GAINS = (1.0, 1.5, 2.0, 0.7)


@dataclass(frozen=True)
class Batch:
    """Examples as the artifacts take them, in the spec's order."""

    inputs: tuple[Array, ...]
    targets: tuple[Array, ...]
    noises: tuple[Array, ...] = ()
    # Whether it is larger than examples usually are.
    stretched: bool = False

    def given(self, net: Net) -> tuple[Array, ...]:
        """What `predict` takes of it."""
        named = dict(zip((*net.inputs, *net.noises), (*self.inputs, *self.noises), strict=True))
        return tuple(named[field] for field in net.given)

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Inputs, then targets."""
        return self.inputs + self.targets

    def __len__(self) -> int:
        return len(self.inputs[0])


@dataclass(frozen=True)
class Clock:
    """When a step happens: its number from 1, the epoch with its fraction, and what has fallen by then how often."""

    step: int
    epoch: float
    drops: Drops = field(default_factory=lambda: NEVER)


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


def precise(net: Net, trainer: Trainer) -> Trainer:
    """The file and its noise in float64; what else is drawn stays as it is, since some of it is held to bounds."""
    noises = {noise.name for noise in net.noises}
    draw = trainer.draw
    if draw is None or not noises:
        return trainer.precise

    @wraps(draw)
    def widened_noise(epoch: int, step: int, count: int, **sizes: int) -> Arrays:
        drawn = draw(epoch, step, count, **sizes)
        return {name: wide(array) if name in noises else array for name, array in drawn.items()}

    return replace(trainer.precise, draw=widened_noise)


# Examples -------------------------------------------------------------------------------------------------------------


def _normal(rng: np.random.Generator, shape: tuple[int, ...], field: Field) -> Array:
    return rng.standard_normal(shape)


def _unit(rng: np.random.Generator, shape: tuple[int, ...], field: Field) -> Array:
    return rng.uniform(0.02, 0.98, shape)


def _positive(rng: np.random.Generator, shape: tuple[int, ...], field: Field) -> Array:
    return np.exp(0.5 * rng.standard_normal(shape))


def _binary(rng: np.random.Generator, shape: tuple[int, ...], field: Field) -> Array:
    return rng.permutation(np.arange(math.prod(shape)) % 2).reshape(shape)


def _count(rng: np.random.Generator, shape: tuple[int, ...], field: Field) -> Array:
    return rng.poisson(3.0, shape)


def _simplex(rng: np.random.Generator, shape: tuple[int, ...], field: Field) -> Array:
    return rng.dirichlet(np.ones(shape[-1]), shape[:-1])


def _pixel(rng: np.random.Generator, shape: tuple[int, ...], field: Field) -> Array:
    return rng.integers(0, 256, shape)


def _ids(rng: np.random.Generator, shape: tuple[int, ...], field: Field) -> Array:
    """Every class, as far as the examples go, and some more than once where there are fewer classes."""
    assert field.classes is not None
    return rng.permutation(np.arange(math.prod(shape)) % field.classes).reshape(shape)


def _lengths(rng: np.random.Generator, shape: tuple[int, ...], field: Field) -> Array:
    """How many steps each example lacks, from none to all, each at least once where there are so many examples."""
    return rng.permutation(np.arange(math.prod(shape)))[::-1].reshape(shape)


_DRAWN: dict[str, Callable[[np.random.Generator, tuple[int, ...], Field], Array]] = {
    "f32": _normal,
    "normal": _normal,
    "unit": _unit,
    "uniform": _unit,
    "positive": _positive,
    "binary": _binary,
    "count": _count,
    "simplex": _simplex,
    "u8": _pixel,
    "class": _ids,
    "category": _ids,
    "token": _ids,
    "length": _lengths,
    "inner_length": _lengths,
}
_SCALABLE = ("f32", "positive")
_STORED = {"f32": np.float32, "i64": np.int64, "u8": np.uint8}


def batch(net: Net, count: int, key: object = 0, factor: float = 1.0) -> Batch:
    """Examples inside their domains; `factor` makes those larger that have no bounds."""
    return Batch(
        tuple(_drawn(net, f, count, key, factor) for f in net.inputs),
        tuple(_drawn(net, f, count, key, factor) for f in net.targets),
        tuple(_drawn(net, f, count, key) for f in net.noises),
        factor != 1.0,
    )


def _drawn(net: Net, field: Field, count: int, key: object, factor: float = 1.0) -> Array:
    known, least = steps_of(net), shortest(net)
    shape = (count, *(n if isinstance(n, int) else known[n] for n in field.shape))
    values = _DRAWN[field.kind](stream(_seed(net), field.name, count, key), shape, field)
    values = values * factor if field.kind in _SCALABLE else values
    if field.counts:
        shorter = least.get(field.counts, 1)
        values = shorter + values % (known[field.counts] - shorter + 1)
        values = _within(net, field, values, count, key) if field.shape else values
    if found := aligned(net):
        values = _possible(field, values, known, [dim for _, dim in found])
    return values.astype(_STORED[field.type.dtype])


def steps_of(net: Net) -> dict[Dim, int]:
    """How many steps an example of the proof has along each dimension, so that windows find several places."""
    most, least, several = longest(net), shortest(net), shortest(net, PLACES)
    found: dict[Dim, int] = {}
    for number, name in zip(cycle(STEPS), net.steps, strict=False):
        # Once more than there are places, so that something stands behind the last window.
        wanted = max(number, least.get(name, 1), min(several.get(name, 0) + 1, LONG))
        found[name] = min(wanted, most.get(name, wanted))
    return found


def _within(net: Net, inner: Field, values: Array, count: int, key: object) -> Array:
    """Lengths of what lies within steps, of which those that are padding have none."""
    (outer,) = [f for f in net.inputs if f.counts == inner.shape[0]]
    return values * (np.arange(int(values.shape[1])) < _drawn(net, outer, count, key)[:, None])


def _possible(field: Field, values: Array, known: Mapping[Dim, int], compared: Iterable[Dim]) -> Array:
    """Long sequences, and few labels in a row, padded with the blank."""
    fewest = LONG
    for dim in compared:
        steps = derived(dim)
        size = steps.of(known[steps.base]) if steps else int(dim)
        if steps and steps.base == field.counts:
            return np.maximum(values, steps.least(size - 1))
        fewest = min(fewest, size // 2)
    if field.role == "target" and field.classes and field.shape:
        values[:, fewest:] = 0
    return values


def _seed(net: Net) -> int:
    return int(net.train["seed"] or 0)


def rows(net: Net, most: int = ROWS, all: bool = False) -> int:
    """How many examples a full batch of the proof has; `all` of those that it can afford, whatever the spec's batch."""
    most = min(most, int(net.train["batch"])) if net.streams else most
    wanted = most if all else min(int(net.train["batch"] or most), most)
    return max(min(wanted, 2 if large(net) else 3), min(wanted, WORK // products(net)))


def slope_rows(net: Net) -> int:
    """How many examples the slopes of a loss are looked at with; where they cost much it is one, which has fewer kinks.

    It takes three where it may normalise over the batch: fewer have no slope there.
    """
    most, least = rows(net, SLOPE_ROWS, all=True), 3 if net.states else 1
    return max(min(least, most) if net.streams else least, min(most, WORK // (10 * products(net))))


def large(net: Net) -> bool:
    """Whether a net is proven in short."""
    return work(net) > LARGE


def work(net: Net) -> int:
    """What an example and the weights take, in products of numbers."""
    return products(net) + OF_WEIGHT * net.parameters


def products(net: Net) -> int:
    """The products of numbers that one example takes, about."""
    return max(net.parameters, sum(layer.flops for layer in net.layers) // 2, 1)


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
    return {name: _last_bit(array) for name, array in weights.items()}


def batch_beside(net: Net, batch: Batch) -> Batch:
    """The examples with another last bit, where a number may be any between others."""
    return _changed(net, batch, lambda name, array: _last_bit(array))


def around(net: Net, weights: Arrays, batch: Batch) -> Iterator[tuple[Arrays, Batch]]:
    """Weights and examples a little to the side of these, where every number is rounded otherwise."""
    for k in range(OF_LARGE if large(net) else AROUND):

        def aside(name: str, array: Array, k: int = k) -> Array:
            move = SIDE * stream(_seed(net), name, "around", k).standard_normal(array.shape)
            return np.asarray(array * (1 + move), array.dtype)

        yield {name: aside(name, array) for name, array in weights.items()}, _changed(net, batch, aside)


def _last_bit(array: Array) -> Array:
    return (array.view(f"i{array.itemsize}") ^ 1).view(array.dtype)


def _changed(net: Net, batch: Batch, change: Callable[[str, Array], Array]) -> Batch:
    """Examples with other numbers where these may be any between others."""

    def each(fields: Iterable[Field], arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        pairs = zip(fields, arrays, strict=True)
        return tuple(array if field.domain.whole else change(field.name, array) for field, array in pairs)

    return Batch(each(net.inputs, batch.inputs), each(net.targets, batch.targets), each(net.noises, batch.noises))


def moments(net: Net, trainer: Trainer, weights: Arrays, grads: Iterable[Arrays]) -> Arrays:
    """Updater state in the middle of training: positive, and of the size that one step from zeros gives it.

    `grads` are those of each loss.

    So neither the old state nor the gradient drowns the other in what comes next.
    """
    fresh = trainer.init_updater(weights)
    first = widened(fresh)
    for loss, gradients in zip(trainer.losses, grads, strict=True):
        loss.move(widened(weights), first, dict(gradients), 1, 0.0, NEVER)
    found: Arrays = {}
    for name, array in first.items():
        size = np.abs(array)
        size = (size + size.mean()) / 2 if size.any() else np.full(array.shape, 1e-3)
        moved = size * stream(_seed(net), name, "moments").uniform(0.5, 1.5, array.shape)
        found[name] = np.asarray(moved, fresh[name].dtype)
    return found


# Points at which a schedule is searched for bends, and stretches between two of them that are looked at, at most.
GRID, STRETCHES = 4001, 8


def clocks(net: Net) -> list[Clock]:
    """Moments of training: its start, its end, and between any two bends of a schedule; steps go the same way."""
    epochs = float(net.train["epochs"] or 1)
    marks: dict[str, set[float]] = {"epoch": set(), "step": set()}
    for course in net.courses:
        marks[course.per].update(_stretches(course, epochs))
    moving = _reads(net, "epoch") or net.plateaus
    by_epoch = sorted({0.0, *marks["epoch"], 0.55 * epochs, epochs - 0.1}) if moving else [1.3]
    by_step = sorted({2, *(max(2, math.ceil(m)) for m in marks["step"]), 40})
    count = max(len(by_epoch), len(by_step) if _reads(net, "step") else 1)
    times = zip(_cycled(by_step, count), _cycled(by_epoch, count), strict=True)
    return [Clock(s, e, _drops(net, e, k)) for k, (s, e) in enumerate(times)]


def _drops(net: Net, epoch: float, k: int) -> Drops:
    """How often what watches the loss has fallen if it never improves; once more at every other moment.

    So a fall is seen also where training is too short for one.
    """
    return {plateau.name: int(plateau.falls(epoch)) + k % 2 for plateau in net.plateaus}


_ASIDE = (((3, 0), slice(None, -3)), ((0, 3), slice(3, None)))


def _stretches(course: Course, epochs: float) -> list[float]:
    """A moment between any two neighbouring bends or jumps of a schedule: the first ones and the last."""
    numbers = [abs(e.attrs["number"]) for e in course.program.equations if e.op.name == "constant"]
    last = epochs if course.per == "epoch" else 3 * max([10.0, *(n for n in numbers if n < 1e6)])
    times = np.linspace(0, last, GRID)
    bent = np.abs(np.diff(course.at(times, times), 2))
    # A bend stands out from what is three points to its left and to its right.
    around = np.maximum(*(np.pad(bent, side, "edge")[part] for side, part in _ASIDE))
    at = 1 + np.flatnonzero(bent > 20 * around + 1e-9 * np.max(bent, initial=0.0))
    ends = np.unique([0.0, *times[at], last])
    ends = ends[np.diff(ends, prepend=-last) > 2 * last / GRID]
    starts = ends[:-1] if len(ends) > 1 else np.zeros(1)
    lengths = np.diff(ends) if len(ends) > 1 else np.full(1, last)
    chosen = [*range(min(len(starts), STRETCHES) - 1), len(starts) - 1]
    return [float(starts[i] + 0.45 * lengths[i]) for i in chosen]


def _reads(net: Net, clock: str) -> bool:
    """Whether a loss or an updater looks at the step or at the epoch."""
    programs = [net.programs[each.key] for each in (*net.losses, *net.updaters)]
    return any(i.value in p.uses for p in programs for i in p.of("clock") if i.name == clock)


def _cycled(values: list[Any], count: int) -> list[Any]:
    return list(islice(cycle(values), count))
