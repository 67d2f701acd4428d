"""A solver of the file, run for a few iterations in float64: the loss falls, and only what is trained moves."""

from __future__ import annotations

import math

import numpy as np

from ..dsl.net import Net
from ..runtime import NumpyEngine, Trainer
from ..runtime.engines import gradients
from ..runtime.fields import Array
from ..runtime.module import NEVER, Arrays
from . import sampling
from .differences import EXACT, FAINT, Row, fact
from .differences import ROUNDING as STORED
from .sampling import Batch, wide, widened

# So many that each of them has something to remember, which the first has not.
ITERATIONS = 4
# How much of the loss the rounding of float64 takes where the same sums are made in another order.
ROUNDING = 1e-12


def iterations(net: Net, trainer: Trainer, weights: Arrays) -> tuple[list[Row], str]:
    """What a few iterations from these weights say, and a note of them."""
    run = _Iterations(net, trainer, weights)
    return run.rows(), run.note


class _Iterations:
    def __init__(self, net: Net, trainer: Trainer, weights: Arrays):
        self.net, self.trainer, self.weights = net, trainer, weights
        self.name = net.losses[0].updater.word
        self.batch = sampling.batch(net, sampling.rows(net, all=True))
        self.precise = Batch(tuple(map(wide, self.batch.inputs)), tuple(map(wide, self.batch.targets)))
        self.p, self.memory = widened(weights), trainer.init_updater(weights)
        self.kept = {name: (a.shape, a.dtype) for name, a in self.memory.items()}
        self.engine = self._engine(self.p, self.memory, self.precise)
        self.wrong: dict[str, str] = {"loss": "", "told loss": "", "weights": "", "memory": ""}
        self.wrong |= {"state": ""} if net.running else {}
        self.unseen = ""
        self.ends: list[float] = []
        self.strayed: set[str] = set()

    def rows(self) -> list[Row]:
        """A fact of each kind."""
        for k in range(ITERATIONS):
            self._iterate(k)
        remembered = {name: (a.shape, a.dtype) for name, a in self.memory.items()}
        if remembered != self.kept or not all(np.isfinite(a).all() for a in self.memory.values()):
            self.wrong["memory"] = "its shapes or types change, or it is not finite"
        if self.strayed:
            self.wrong["weights"] = f"it moves {', '.join(sorted(self.strayed))}"
        found = [fact(self.name, what, wrong) for what, wrong in self.wrong.items()]
        unseen = Row(self.name, "fall", 1, EXACT, None, "not proven", self.unseen)
        return [*found, unseen] if self.unseen else found

    @property
    def note(self) -> str:
        """How far the loss came."""
        first, last = self.ends[0], self.ends[-1]
        return f"{self.name} took the loss from {first:.4g} to {last:.4g} in {ITERATIONS} iterations of the proof"

    def _iterate(self, k: int) -> None:
        start = dict(self.p)
        before, grads = self._loss(k, start)
        (told,) = self._step(k, self.engine)
        after, _ = self._loss(k, self.p)
        self.ends += [before, after]
        if not math.isfinite(before):
            self.unseen = f"the loss is {before} at these weights"
            return
        slack = ROUNDING * abs(before)
        if not after <= before + slack:
            self.wrong["loss"] = f"it rises from {before:.6g} to {after:.6g}"
        if not abs(told - before) <= slack:
            self.wrong["told loss"] = f"it is {told:.6g} and not {before:.6g}"
        moved = {n for n, a in self.p.items() if not np.array_equal(a, start[n])}
        self.strayed |= moved - {*self.net.trained, *self.net.running}
        self._look_at_state(k, start)
        if k == 0:
            self._look_at_first(before, after, grads)

    def _look_at_state(self, k: int, start: Arrays) -> None:
        """All examples move the running statistics once, by the weights that the iteration ends at."""
        ended = {n: start[n] if n in self.net.running else a for n, a in self.p.items()}
        left = self._gradients(k, ended)[2]
        if {*left} != {*self.net.running} or any(not np.array_equal(self.p[n], a) for n, a in left.items()):
            self.wrong["state"] = "it is not what the examples leave"

    def _look_at_first(self, before: float, after: float, grads: Arrays) -> None:
        """The first iteration has nowhere to go but down, and in float32 it ends at the same weights."""
        if max(np.abs(g).max(initial=0.0) for g in grads.values()) <= FAINT * abs(before):
            self.unseen = "the gradients are too faint at these weights"
        elif not after < before:
            self.wrong["loss"] = f"it stays at {before:.6g}"
        narrow = dict(self.weights)
        self._step(0, self._engine(narrow, self.trainer.init_updater(narrow), self.batch))
        other = [name for name, a in narrow.items() if not _is_stored(a, self.p[name], self.weights[name])]
        if other:
            self.wrong["weights"] = f"in float32 it ends at another {', '.join(other)}"

    def _engine(self, p: Arrays, memory: Arrays, batch: Batch) -> NumpyEngine:
        engine = NumpyEngine(self.trainer)
        engine.start(p, memory, batch.inputs, batch.targets)
        return engine

    def _step(self, k: int, engine: NumpyEngine) -> tuple[float, ...]:
        return engine.step(np.arange(len(self.batch)), self._draws(k), k + 1, float(k))

    def _loss(self, k: int, p: Arrays) -> tuple[float, Arrays]:
        return self._gradients(k, p)[:2]

    def _gradients(self, k: int, p: Arrays) -> tuple[float, Arrays, Arrays]:
        loss, clock = self.trainer.losses[0], (k + 1, float(k), NEVER)
        return gradients(self.trainer, loss, p, self.precise.arrays, self._draws(k), clock)

    def _draws(self, k: int) -> Arrays | None:
        return self.trainer.drawn(k, k + 1, len(self.batch), self.batch.arrays)


def _is_stored(found: Array, exact: Array, first: Array) -> bool:
    """Whether a weight is what float64 says, up to the rounding of storing it."""
    near = np.abs(found - exact) <= 2 * STORED * np.max(np.abs(exact), initial=0.0)
    return found.dtype == first.dtype and found.shape == first.shape and bool(np.all(near))
