"""The step graph against the file, over a few batches and moments of training, and the file's gradients by slopes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from ..dsl.net import Net
from ..runtime import Trainer, ort
from ..runtime.fields import Array
from ..runtime.metadata import StepNames
from ..runtime.module import DROPS, Arrays, Loss, time_of
from ..runtime.session import metadata_of
from . import sampling
from .acting import Bounds
from .differences import FAINT, Ledger, Row, Values, fact
from .losses_alone import Alone, losses_alone
from .prove_predictions import graph_bytes
from .prove_solver import iterations
from .rounding import Seen, coupled, directionless, jumping, may_jump, owners, rounded, rounding, without
from .sampling import Batch, Clock, wide, widened
from .slopes import DIRECTIONS, Point, Slope, check, groups

# Factors on examples or weights, tried in turn until every step is seen and every bound acts, or does not.
LARGER = (10.0, 100.0, 1000.0)
SMALLER = (0.1, 0.01)
# How often the step of a large net is moved.
MOVED = 2
# Why a weight that noise moves says nothing.
ROUNDED = "its gradient is 0 in theory, so that what moves it is rounding"


@dataclass(frozen=True)
class Training:
    """What was found about training."""

    rows: list[Row]
    slopes: list[Slope]
    notes: list[str]


def training(net: Net, trainer: Trainer, step: Any, first: Arrays, gain: float) -> Training:
    """Prove one training step at several moments, or the iterations of a solver, and every gradient."""
    weights = sampling.perturbed(net, first, gain)
    slopes, notes = _slopes(net, sampling.precise(net, trainer), first, gain)
    if net.solver:
        rows, note = iterations(net, trainer, weights)
        return Training(rows, slopes, [*notes, note])
    steps = Steps(net, trainer, step, weights)
    steps.prove()
    moved = [f"the step of the large net was moved {steps.moved} times, off a kink"] if steps.moved else []
    return Training(steps.rows(), slopes, [*notes, *moved])


def _gradients(
    trainer: Trainer, loss: Loss, weights: Arrays, batch: Batch, clock: Clock, bounded: bool = False
) -> tuple[Array, Arrays, Arrays]:
    """One of the file's losses, its gradients and the state it leaves, in the precision of what it is given."""
    options = _options(trainer, loss, batch, clock) | (dict(trainer.normalisation) if bounded else {})
    value, grads, state = loss.at(dict(weights), *batch.arrays, **options)
    return np.asarray(value), grads, state


def _options(trainer: Trainer, loss: Loss, batch: Batch, clock: Clock) -> dict[str, Any]:
    """What a loss takes by name: the moment, and what is drawn at it."""
    options = time_of(loss.and_grads, clock.step, clock.epoch, clock.drops)
    draws = trainer.drawn(int(clock.epoch), clock.step, len(batch), batch.arrays)
    return options if draws is None else options | {"draws": draws}


def _precise(batch: Batch) -> Batch:
    inputs, targets, noises = (tuple(map(wide, arrays)) for arrays in (batch.inputs, batch.targets, batch.noises))
    return Batch(inputs, targets, noises, batch.stretched)


def reaching_gain(net: Net, trainer: Trainer, first: Arrays) -> float:
    """The factor on the first weights with which the fewest gradients are too faint to say anything."""
    batch = _precise(sampling.batch(net, sampling.rows(net, all=True)))

    precise = sampling.precise(net, trainer)

    def faint(gain: float) -> int:
        weights = widened(sampling.perturbed(net, first, gain))
        return sum(_faint(*_gradients(precise, loss, weights, batch, Clock(2, 0.0))[:2]) for loss in precise.losses)

    found: dict[float, int] = {}
    for gain in sampling.GAINS:
        found[gain] = faint(gain)
        if not found[gain]:
            break
    return min(found, key=lambda gain: found[gain])


def _faint(loss: Array, grads: Arrays) -> int:
    """How many gradients are too small beside the loss, or too large, to say anything."""
    bounds = FAINT * abs(float(loss)), 1e12 * abs(float(loss))
    return sum(not bounds[0] < np.abs(g).max(initial=0.0) < bounds[1] for g in grads.values())


# Steps ----------------------------------------------------------------------------------------------------------------


class Steps:
    """Runs the same steps in the graph and twice in the file, and keeps what they say in a ledger."""

    # What the value of a loss is called beside weights and moments, whose names have no blanks.
    LOSS = "loss "

    def __init__(self, net: Net, trainer: Trainer, step: Any, weights: Arrays):
        self.net, self.trainer, self.weights = net, trainer, weights
        self.wide_trainer = sampling.precise(net, trainer)
        # What most steps start from, in float64, and with another last bit.
        self.precise, self.near = widened(weights), sampling.beside(net, weights)
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
        self.moved = 0
        self.still, self.owners, self.coupled = _still(net), owners(net), coupled(net)
        self.bounds = Bounds(net, trainer)

    def prove(self) -> None:
        """Every size of a batch, every moment of training, and a bound on the gradients that acts and does not.

        A large net takes a single step, with other examples where one of its many relus is so near its kink that the
        graph is on the other side: a mistake shows with any examples, and the smaller net's steps are not moved.
        """
        count = sampling.rows(self.net)
        clocks = sampling.clocks(self.net)
        full = self.start(clocks[0])
        if sampling.large(self.net):
            for self.moved in range(MOVED + 1):
                self.ledger = Ledger()
                self.step(sampling.batch(self.net, count, self.moved), clocks[len(clocks) // 2])
                if all(row.status != "differs" for row in self.ledger.rows):
                    break
            return
        for clock in clocks:
            self.step(full, clock)
        for size in sampling.sizes(count):
            if size < count:
                self.step(sampling.batch(self.net, size), clocks[-1])
        self._stretch(count, clocks[len(clocks) // 2])

    def start(self, clock: Clock) -> Batch:
        """A full batch, for which the updaters' state is set."""
        full = sampling.batch(self.net, sampling.rows(self.net))
        grads = [_gradients(self.trainer, loss, self.weights, full, clock)[1] for loss in self.trainer.losses]
        self.moments = sampling.moments(self.net, self.trainer, self.weights, grads)
        return full

    def _stretch(self, count: int, clock: Clock) -> None:
        """Larger examples where steps are too small to be seen, or where the gradients' bound has not acted yet."""
        bounds = self.bounds
        for factor in LARGER:
            if bounds.lack(True, weights=False) or any(row.status == "not proven" for row in self.ledger.rows):
                self.step(sampling.batch(self.net, count, factor=factor), clock)
            if bounds.lack(True, weights=True):
                self.step(sampling.batch(self.net, count), clock, self._scaled(factor))
        for factor in SMALLER:
            if bounds.lack(False, weights=False) or bounds.lack(False, weights=True):
                self.step(sampling.batch(self.net, count, factor=factor), clock, self._scaled(factor))

    def _scaled(self, factor: float) -> Arrays:
        """The weights, those that are trained times a factor."""
        return {n: w * np.float32(factor) if n in self.net.trained else w for n, w in self.weights.items()}

    def step(self, batch: Batch, clock: Clock, other: Arrays | None = None) -> None:
        """One step in the graph and in the file; from `other` weights where these are given."""
        weights = other or self.weights
        precise, near = (widened(other), sampling.beside(self.net, other)) if other else (self.precise, self.near)
        graph = self._graph(batch, clock, weights)
        runs: list[list[Seen]] = [[], [], []]
        self.jumps: dict[str, Array] = {}
        file = self._file(self.trainer, batch, clock, dict(weights), dict(self.moments), runs[0])
        other_batch = sampling.batch_beside(self.net, batch)
        beside = self._file(self.trainer, other_batch, clock, dict(weights), dict(self.moments), runs[1], near)
        exact = self._exact(batch, clock, precise, runs[2], watched=True)
        faint = self._unknown(rounding(runs[2], *runs[:2], coupled=self.coupled))
        start = {n: a for n, a in {**weights, **self.moments}.items() if n not in self.still}
        around: dict[str, Array] = {}
        for name, result in self.results.items():
            if result not in graph or name not in exact:
                continue
            mine, true, near_by = (np.asarray(found[name]) for found in (file, exact, beside))
            unknown = faint.get(self.owners.get(name, ""), np.zeros(mine.shape, bool))
            its = without(unknown, graph[result], mine)
            if its is None:
                self.ledger.silent(result, self._what(name), "its gradient is less than float32 shows")
                continue
            values = Values(its, mine, true, start.get(name), near_by)
            if not values.agree:
                around = around or self._around(batch, clock, weights)
                errors = around.get(name, np.zeros(mine.shape))
                known = np.where(unknown, 0, errors) if unknown.shape == mine.shape else errors
                values = replace(values, around=float(np.max(known[np.isfinite(known)], initial=0.0)))
            if not values.agree and name in self._behind(faint):
                self.ledger.silent(result, self._what(name), "it follows a step that rounding decides in part")
                continue
            self.ledger.compare(result, self._what(name), values, stretched=batch.stretched or other is not None)

    def _unknown(self, faint: dict[str, Array]) -> dict[str, Array]:
        """Elements of gradients that are rounding alone, and those at which a step jumps."""
        for name, jumps in self.jumps.items():
            faint[name] = faint.get(name, False) | (np.ones_like(jumps) if name in self.coupled else jumps)
        return faint

    def _behind(self, unknown: Mapping[str, Array]) -> set[str]:
        """The losses that see weights which an earlier loss moved by gradients that are not known, and what they move.

        Updaters such as lion make a whole step of a sign that is rounding alone.
        """
        found: set[str] = set()
        behind = False
        for loss in self.net.losses:
            if behind:
                found |= {Steps.LOSS + loss.label, *loss.trained}
                found |= {loss.moment(w, m.name) for w in loss.trained for m in loss.updater.moments}
            behind |= any(name in unknown for name in loss.trained)
        return found

    def _around(self, batch: Batch, clock: Clock, weights: Arrays) -> dict[str, Array]:
        """How far rounding takes each value from the exact one at points around, in the file and in the graph."""
        found: dict[str, list[tuple[Array, Array]]] = {name: [] for name in self.results}
        for p, other in sampling.around(self.net, weights, batch):
            file = self._file(self.trainer, other, clock, dict(p), dict(self.moments), [])
            exact, graph = self._exact(other, clock, widened(p), []), self._graph(other, clock, p)
            for name, result in self.results.items():
                if name in exact and result in graph and graph[result].shape == np.shape(exact[name]):
                    found[name].append((file[name] - exact[name], graph[result] - exact[name]))
        return {name: rounded(errors) for name, errors in found.items() if errors}

    @property
    def results(self) -> dict[str, str]:
        """What the graph calls each loss, and what each weight, state and moment is next."""
        return {Steps.LOSS + name: result for name, result in self.names.losses.items()} | dict(self.names.next)

    def _what(self, name: str) -> str:
        if name.startswith(Steps.LOSS):
            return "loss"
        return "moment" if name in self.moments else "state" if name in self.net.states else "weight"

    def _graph(self, batch: Batch, clock: Clock, weights: Arrays) -> Mapping[str, Array]:
        fields = (*self.net.inputs, *self.net.targets)
        feeds = {field.name: array for field, array in zip(fields, batch.arrays, strict=True)}
        feeds |= {**weights, **self.moments}
        drawn = self.trainer.drawn(int(clock.epoch), clock.step, len(batch), batch.arrays)
        if drawn is not None:
            feeds |= {self.names.draws[key]: array for key, array in drawn.items() if key in self.names.draws}
        times = {"step": np.array(clock.step, np.int64), "epoch": np.array(clock.epoch, np.float64)}
        times |= {f"{DROPS}{name}": np.array(count, np.int64) for name, count in clock.drops.items()}
        feeds |= {name: times[key] for key, name in self.names.clock.items()}
        results = self.run({name: feeds[name] for name in self.fed})
        return dict(zip(self.given, results, strict=True))

    def _exact(self, batch: Batch, clock: Clock, p: Arrays, seen: list[Seen], watched: bool = False) -> dict[str, Any]:
        """The same as `_file` in float64, from weights that are wide already."""
        moments = widened(self.moments)
        return self._file(self.wide_trainer, _precise(batch), clock, dict(p), moments, seen, watched=watched)

    def _file(
        self,
        trainer: Trainer,
        batch: Batch,
        clock: Clock,
        p: Arrays,
        moments: Arrays,
        seen: list[Seen],
        beside: Arrays | None = None,
        watched: bool = False,
    ) -> dict[str, Any]:
        """The losses and everything that the file's step leaves behind; gradients are those `beside` what it moves.

        `seen` gets each loss and its gradients before anything bounds them, and after.
        """
        values: dict[str, Array] = {}
        for info, loss in zip(self.net.losses, trainer.losses, strict=True):
            at = p if beside is None else sampling.beside(self.net, p) if seen else beside
            values[Steps.LOSS + loss.name], grads, state = _gradients(trainer, loss, at, batch, clock, True)
            free = _gradients(trainer, loss, at, batch, clock)[1] if trainer.normalisation else grads
            seen += [
                (values[Steps.LOSS + loss.name], each) for each in (free, grads)[: 1 + bool(trainer.normalisation)]
            ]
            if watched and trainer.normalisation:
                self.bounds.look_at_gradients(free, grads)
            before = dict(p)
            if watched:
                self.bounds.look_at_weights(p, info.trained)
                if may_jump(self.net.programs[info.updater.key]):
                    self.jumps |= jumping(partial(_moved, loss.move, before, moments, clock), p, grads)
                self.jumps |= directionless(self.net, free, grads)
            loss.move(p, moments, grads, clock.step, clock.epoch, clock.drops)
            self.strayed |= {
                n for n in p if n not in info.trained and not np.array_equal(p[n], before[n], equal_nan=True)
            }
            p.update(state)
        return {**values, **p, **moments}

    def rows(self) -> list[Row]:
        """What the steps said, and whether the right things moved."""
        wanted = {*self.net.trained, *self.net.running, *self.moments}
        moved = set(self.names.next)
        wrong = sorted(wanted ^ moved | {n for n, result in self.names.next.items() if result not in self.given})
        rows = self.ledger.rows
        rows.append(fact("next", "names", f"the graph and the file differ in {', '.join(wrong)}" if wrong else ""))
        held = [n for n in self.weights if any(n not in loss.trained for loss in self.net.losses)]
        if held:
            strays = ", ".join(sorted(self.strayed))
            rows.append(fact("frozen", "weights and state", f"the file's update moves {strays}" if strays else ""))
        return rows + self.bounds.rows


def _still(net: Net) -> set[str]:
    """The weights that their updater leaves as they are, which are not compared by how far they move."""
    programs = {loss: net.programs[loss.updater.key] for loss in net.losses}
    return {w for loss, p in programs.items() if p.results["w"] in [i.value for i in p.inputs] for w in loss.trained}


# Gradients ------------------------------------------------------------------------------------------------------------


def _slopes(net: Net, trainer: Trainer, first: Arrays, gain: float) -> tuple[list[Slope], list[str]]:
    """The gradients of a file in float64."""
    found: list[Slope] = []
    notes: list[str] = []
    for info, loss, alone in zip(net.losses, trainer.losses, losses_alone(trainer), strict=True):
        point = _points(net, trainer, loss, alone, first, gain)
        together = groups(info.trained, sampling.slope_rows(net) * sampling.products(net))
        directions = 1 if sampling.large(net) else DIRECTIONS
        slopes = [check(of, point, lambda key, of=of: sampling.stream(0, of, key), directions) for of in together]
        found += [replace(slope, name=f"{info.name} {slope.name}".strip()) for slope in slopes]
        if together and len(together[0]) > 1:
            notes.append(f"gradients checked {len(together[0])} weights at a time")
    return found, list(dict.fromkeys(notes))


def _points(net: Net, trainer: Trainer, loss: Loss, alone: Alone, first: Arrays, gain: float) -> Callable[[int], Point]:
    """Where the gradients of a loss are looked at, after so many moves; `alone` is the loss without them."""
    count = sampling.slope_rows(net)
    clock = Clock(2, 0.0)

    @lru_cache(1 if sampling.large(net) else None)
    def point(moved: int) -> Point:
        weights = widened(sampling.perturbed(net, first, gain, moved))
        batch = _precise(sampling.batch(net, count, moved))
        options = _options(trainer, loss, batch, clock)
        value, grads, _ = loss.at(dict(weights), *batch.arrays, **options)
        # A loss that is cut out wrongly is no use.
        same = np.array_equal(alone(weights, *batch.arrays, **options), value, equal_nan=True)
        assert same, f"{loss.name} without its gradients is another"

        def beside() -> tuple[float, Arrays]:
            arrays = sampling.batch_beside(net, batch).arrays
            value, grads, _ = loss.at(sampling.beside(net, weights), *arrays, **options)
            return float(value), grads

        return Point(weights, lambda p: float(alone(p, *batch.arrays, **options)), float(value), grads, beside)

    return point


def _moved(move: Callable[..., None], p: Arrays, moments: Arrays, clock: Clock, grads: Arrays) -> Arrays:
    """The weights that an update would leave."""
    left = dict(p)
    move(left, dict(moments), grads, clock.step, clock.epoch, clock.drops)
    return left
