"""The step graph against the file, over a few batches and moments of training, and the file's gradients by slopes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from ..dsl.net import Net
from ..runtime import Trainer, ort
from ..runtime.fields import Array
from ..runtime.metadata import StepNames
from ..runtime.module import Arrays
from ..runtime.session import metadata_of
from . import sampling
from .differences import Ledger, Row, Values, fact
from .prove_predictions import graph_bytes
from .sampling import Batch, Clock, wide, widened
from .slopes import Point, Slope, check, groups

# A gradient whose largest element is below this share of the loss says nothing at these weights.
FAINT = 1e-6
# Factors on the examples, tried in turn until every step is seen and the bound on the gradients acts, or does not.
LARGER = (10.0, 100.0, 1000.0)
SMALLER = (0.1, 0.01)


@dataclass(frozen=True)
class Training:
    """What was found about training."""

    rows: list[Row]
    slopes: list[Slope]
    notes: list[str]


def training(net: Net, trainer: Trainer, step: Any, first: Arrays, gain: float) -> Training:
    """Prove one training step at several moments, and every gradient."""
    steps = _Steps(net, trainer, step, sampling.perturbed(net, first, gain))
    steps.prove()
    slopes, notes = _slopes(net, trainer, first, gain)
    return Training(steps.rows(), slopes, notes)


def _gradients(
    trainer: Trainer, weights: Arrays, batch: Batch, clock: Clock, limit: float | None = None
) -> tuple[Array, Arrays]:
    """The file's loss and gradients, in the precision of the weights and examples that it is given."""
    options: dict[str, Any] = {}
    if trainer.draw is not None:
        options["draws"] = trainer.draw(int(clock.epoch), clock.step, len(batch))
    if trainer.clip_norm is not None:
        options["clip_norm"] = limit
    loss, grads = trainer.loss_and_grads(dict(weights), *batch.arrays, **options)
    return np.asarray(loss), grads


def _precise(batch: Batch) -> Batch:
    return Batch(tuple(map(wide, batch.inputs)), tuple(map(wide, batch.targets)))


def reaching_gain(net: Net, trainer: Trainer, first: Arrays) -> float:
    """The factor on the first weights with which the fewest gradients are too faint to say anything."""
    batch = _precise(sampling.batch(net, sampling.rows(net, all=True)))

    def faint(gain: float) -> int:
        weights = widened(sampling.perturbed(net, first, gain))
        loss, grads = _gradients(trainer, weights, batch, Clock(2, 0.0))
        bounds = FAINT * abs(float(loss)), 1e12 * abs(float(loss))
        return sum(not bounds[0] < np.abs(g).max(initial=0.0) < bounds[1] for g in grads.values())

    found: dict[float, int] = {}
    for gain in sampling.GAINS:
        found[gain] = faint(gain)
        if not found[gain]:
            break
    return min(found, key=lambda gain: found[gain])


# Steps ----------------------------------------------------------------------------------------------------------------


class _Steps:
    """Runs the same steps in the graph and twice in the file, and keeps what they say in a ledger."""

    def __init__(self, net: Net, trainer: Trainer, step: Any, weights: Arrays):
        self.net, self.trainer, self.weights = net, trainer, weights
        self.beside = sampling.beside(net, weights)
        self.ledger = Ledger()
        session = ort.open_session(graph_bytes(step), "cpu", 1).session
        names = metadata_of(session, "the step graph").step
        assert names is not None
        self.names: StepNames = names
        self.fed = [node.name for node in session.get_inputs()]
        self.given = [node.name for node in session.get_outputs()]
        self.run: Callable[[dict[str, Array]], list[Array]] = lambda feeds: ort.guarded(
            lambda: session.run(None, feeds), "the step graph"
        )
        self.strayed: set[str] = set()
        self.acted: set[bool] = set()

    def prove(self) -> None:
        """Every size of a batch, every moment of training, and a bound on the gradients that acts and does not."""
        count = sampling.rows(self.net)
        clocks = sampling.clocks(self.net)
        full = sampling.batch(self.net, count)
        _, grads = _gradients(self.trainer, widened(self.weights), _precise(full), clocks[0])
        self.moments = sampling.moments(self.net, self.trainer, self.weights, grads)
        for clock in clocks:
            self.step(full, clock)
        for size in sampling.sizes(count):
            if size != count:
                self.step(sampling.batch(self.net, size), clocks[-1])
        self._stretch(count, clocks[len(clocks) // 2])

    def _stretch(self, count: int, clock: Clock) -> None:
        """Larger examples where steps are too small to be seen, or where the gradients' bound has not acted yet."""
        bounded = self.trainer.clip_norm is not None
        for factor in LARGER:
            if (bounded and True not in self.acted) or any(row.status == "not proven" for row in self.ledger.rows):
                self.step(sampling.batch(self.net, count, factor=factor), clock)
        for factor in SMALLER:
            if bounded and False not in self.acted:
                smaller = {n: w * np.float32(factor) for n, w in self.weights.items() if n in self.net.trained}
                self.step(sampling.batch(self.net, count, factor=factor), clock, {**self.weights, **smaller})

    def step(self, batch: Batch, clock: Clock, other: Arrays | None = None) -> None:
        """One step in the graph and in the file; from `other` weights where these are given."""
        weights = other or self.weights
        graph = self._graph(batch, clock, weights)
        file = self._file(batch, clock, dict(weights), dict(self.moments))
        at = sampling.beside(self.net, other) if other else self.beside
        near = self._file(batch, clock, dict(weights), dict(self.moments), at=at)
        exact = self._file(_precise(batch), clock, widened(weights), widened(self.moments), watched=True)
        start = {**weights, **self.moments}
        for name, result in (("loss", self.names.loss), *self.names.next.items()):
            if result not in graph or name not in exact:
                continue
            mine, precise, beside = (np.asarray(found[name]) for found in (file, exact, near))
            values = Values(graph[result], mine, precise, start.get(name), beside)
            self.ledger.compare(result, self._what(name), values)

    def _what(self, name: str) -> str:
        return "loss" if name == "loss" else "moment" if name in self.moments else "weight"

    def _graph(self, batch: Batch, clock: Clock, weights: Arrays) -> Mapping[str, Array]:
        fields = (*self.net.inputs, *self.net.targets)
        feeds = {field.name: array for field, array in zip(fields, batch.arrays, strict=True)}
        feeds |= {**weights, **self.moments}
        if self.trainer.draw is not None:
            drawn = self.trainer.draw(int(clock.epoch), clock.step, len(batch))
            feeds |= {self.names.draws[key]: array for key, array in drawn.items() if key in self.names.draws}
        times = {"step": np.array(clock.step, np.int64), "epoch": np.array(clock.epoch, np.float64)}
        feeds |= {name: times[key] for key, name in self.names.clock.items()}
        results = self.run({name: feeds[name] for name in self.fed})
        return dict(zip(self.given, results, strict=True))

    def _file(
        self, batch: Batch, clock: Clock, p: Arrays, moments: Arrays, at: Arrays | None = None, watched: bool = False
    ) -> dict[str, Any]:
        """The loss and everything that the file's step leaves behind; with gradients of other weights than it moves."""
        limit = self.trainer.clip_norm
        loss, grads = _gradients(self.trainer, at or p, batch, clock, limit)
        if watched and limit is not None:
            _, free = _gradients(self.trainer, p, batch, clock)
            self.acted.add(any(not np.array_equal(g, grads[name]) for name, g in free.items()))
        before = dict(p)
        self.trainer.update(p, moments, grads, clock.step, clock.epoch)
        self.strayed |= {n for n in p if n not in self.net.trained and not np.array_equal(p[n], before[n])}
        return {"loss": loss, **p, **moments}

    def rows(self) -> list[Row]:
        """What the steps said, and whether the right things moved."""
        wanted = {*self.net.trained, *self.moments}
        moved = set(self.names.next)
        wrong = sorted(wanted ^ moved | {n for n, result in self.names.next.items() if result not in self.given})
        rows = self.ledger.rows
        rows.append(fact("next", "names", f"the graph and the file differ in {', '.join(wrong)}" if wrong else ""))
        held = [n for n in self.weights if n not in self.net.trained]
        if held:
            strays = ", ".join(sorted(self.strayed))
            rows.append(fact("frozen", "weights and state", f"the file's update moves {strays}" if strays else ""))
        if self.trainer.clip_norm is not None:
            rows.append(_bound(self.acted))
        return rows


def _bound(acted: set[bool]) -> Row:
    """Whether the bound on the gradients was seen to act, and not to act: where it always does it hides their size."""
    row = fact("clip_norm", "bound", "")
    if acted == {True, False}:
        return row
    reason = "every gradient was large enough for it to act" if acted == {True} else "no gradient was large enough"
    return replace(row, status="not proven", reason=reason)


# Gradients ------------------------------------------------------------------------------------------------------------


def _slopes(net: Net, trainer: Trainer, first: Arrays, gain: float) -> tuple[list[Slope], list[str]]:
    count = sampling.rows(net, sampling.SLOPE_ROWS, all=True)
    clock = Clock(2, 0.0)

    @cache
    def point(moved: int) -> Point:
        weights = widened(sampling.perturbed(net, first, gain, moved))
        batch = _precise(sampling.batch(net, count, moved))
        loss, grads = _gradients(trainer, weights, batch, clock)
        return Point(weights, lambda p: float(_gradients(trainer, p, batch, clock)[0]), float(loss), grads)

    together = groups(net.trained)
    found = [check(names, point, lambda key, of=names: sampling.stream(0, of, key)) for names in together]
    notes = [f"gradients checked {len(together[0])} weights at a time"] if together and len(together[0]) > 1 else []
    return found, notes
