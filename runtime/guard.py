"""The guard against values that are not finite: it finds the first one by going again from the last good state."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from .checkpoint import State
from .engines import Engine, gradients
from .errors import Fault
from .fields import Array
from .history import Record
from .module import Arrays, Drops, Trainer
from .watching import Watch

HELP = "try a smaller learning rate, `clip_norm`, or `standardize`; `--resume` goes on from the last good state"
# A solver never goes where the loss is not finite, so it was so from the beginning.
SOLVER_HELP = "try `standardize`, or smaller first weights"


def all_finite(arrays: Arrays) -> bool:
    """Whether every value is a finite number."""
    return first_bad(arrays) is None


def first_bad(arrays: Arrays) -> tuple[str, Array] | None:
    """The first array that holds a value that is not finite."""
    return next(((n, a) for n, a in arrays.items() if a.dtype.kind == "f" and not np.isfinite(a).all()), None)


def find_first_bad(
    trainer: Trainer,
    engine: Engine,
    good: State,
    rows: Array,
    inputs: tuple[Array, ...],
    targets: tuple[Array, ...],
    until: int,
    records: Sequence[Record],
) -> Fault:
    """Train again from a good state to the step in which something bad was seen, looking at every value on the way.

    `records` are those of the epochs before that step.
    """
    if bad := first_bad(good.weights):
        return _bad_start(trainer, bad, rows, inputs)
    engine.start(good.copy().weights, good.copy().moments, inputs, targets)
    watch, seen = Watch(trainer, records[: good.epoch]), good.epoch
    for step, epoch, k, parts in _steps(trainer, good, rows, until):
        for record in records[seen:epoch]:
            watch.see(record)
        batch, seen = parts[k], epoch
        draws = trainer.drawn(epoch, step, len(batch), inputs + targets)
        weights, moments = _copies(engine.weights()), _copies(engine.moments())
        clock = step, epoch + k / len(parts), watch.drops
        losses = engine.step(batch, draws, *clock)
        after = engine.weights() | engine.moments()
        if all(map(math.isfinite, losses)) and all_finite(after):
            continue
        examples = tuple(array[batch] for array in inputs + targets)
        what = _explain(trainer, weights, moments, examples, batch, draws, clock, after, losses)
        where = f"epoch {epoch + 1}, batch {k + 1} of {len(parts)}, step {step}"
        return Fault("not-finite", what, where, HELP if trainer.solve is None else SOLVER_HELP)
    return Fault("not-finite", "a value was not finite, and was finite when the steps were done again", None, HELP)


def _bad_start(trainer: Trainer, bad: tuple[str, Array], rows: Array, inputs: tuple[Array, ...]) -> Fault:
    """The fault of a run whose weights or statistics are bad before its first step."""
    for name, array in zip(trainer.inputs, inputs, strict=True):
        if found := first_bad({name: array[rows]}):
            at = int(np.argwhere(~np.isfinite(found[1]))[0][0])
            what = f"{name} of example {int(rows[at])} is {_value(found[1][at])}"
            return Fault(
                "not-finite", what, "before the first step", "read the data with `netc.runtime.read`, which checks them"
            )
    what = f"the weight {bad[0]} is {_value(bad[1])}"
    return Fault(
        "not-finite", what, "before the first step", "look at its `init=`, and at what `fit` learns from the data"
    )


def _steps(trainer: Trainer, good: State, rows: Array, until: int) -> Iterator[tuple[int, int, int, list[Array]]]:
    """Step, epoch and batch from the good state on."""
    step, first = good.step, good.batch
    for epoch in range(good.epoch, trainer.epochs):
        parts = trainer.batches(rows, epoch)
        for k in range(first, len(parts)):
            step += 1
            if step > until:
                return
            yield step, epoch, k, parts
        first = 0


def _explain(
    trainer: Trainer,
    weights: Arrays,
    moments: Arrays,
    examples: tuple[Array, ...],
    batch: Array,
    draws: Arrays | None,
    clock: tuple[int, float, Drops],
    after: Arrays,
    engine_losses: tuple[float, ...],
) -> str:
    """What went wrong first in a step that began with finite weights: an input, a loss, a gradient or a weight."""
    named = dict(zip((*trainer.inputs, *trainer.targets), examples, strict=True))
    if bad := first_bad(named):
        row = int(np.argwhere(~np.isfinite(bad[1]))[0][0])
        return f"{bad[0]} of example {int(batch[row])} is {_value(bad[1][row])}"
    largest, last = 0.0, len(trainer.losses) - 1
    for i, each in enumerate(trainer.losses):
        plain = each.name == "loss"
        called = "the loss" if plain else f"the loss {each.name}"
        loss, grads, state = gradients(trainer, each, weights, examples, draws, clock)
        engine_loss = engine_losses[i] if i < len(engine_losses) else loss
        if not math.isfinite(loss) or not math.isfinite(engine_loss):
            shown = loss if not math.isfinite(loss) else engine_loss
            entries = ((name, _largest(array)) for name, array in weights.items())
            name, size = max(entries, key=lambda entry: entry[1], default=("", 0.0))
            return f"{called} is {shown}; inputs and weights are finite, and the largest weight is {size:.3g} in {name}"
        if bad := first_bad(grads):
            called = "a loss" if plain else called
            return f"the gradient of {bad[0]} is {_value(bad[1])}, with {called} of {loss:.6g}"
        largest = max([largest, *(_largest(g) for g in grads.values())])
        if i < last:
            each.move(weights, moments, grads, *clock)
            weights.update(state)
    bad = first_bad(after)
    assert bad is not None, "the caller saw a bad value"
    kind = "the updater's " if bad[0] in moments else "the weight "
    return f"{kind}{bad[0]} became {_value(bad[1])} in the update; the largest gradient is {largest:.3g}"


def _value(array: Array) -> str:
    """The first value that is not finite, with its place in the array."""
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
    at = f" at [{', '.join(map(str, index))}]" if index else ""
    return f"{array[index].item()}{at}"


def _largest(array: Array) -> float:
    return float(np.abs(array).max()) if array.size else 0.0


def _copies(arrays: Arrays) -> Arrays:
    return {name: array.copy() for name, array in arrays.items()}
