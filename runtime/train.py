"""The training loop: it steps, evaluates, stops early, saves and resumes, and leaves all mathematics to the file."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import checkpoint, history, ort
from .checkpoint import Fingerprint, State
from .data import Examples
from .engines import Engine, NumpyEngine
from .errors import Fault, Interrupted, plural
from .fields import Array, digest_of
from .guard import all_finite, find_first_bad
from .history import Measure, Record
from .interrupt import Interrupts
from .metadata import Metadata
from .module import Arrays, Trainer, time_of
from .observer import Observer, Result, Start
from .watching import Watch
from .weights import checked_weights

# Saving may take at most this share of the time.
SAVING = 0.05


@dataclass(frozen=True)
class Split:
    """Which examples train, and the validation examples themselves, empty where the spec has none."""

    rows: Array
    inputs: tuple[Array, ...]
    targets: tuple[Array, ...]
    held_inputs: tuple[Array, ...]
    held_targets: tuple[Array, ...]

    @property
    def held(self) -> int:
        """The number of validation examples."""
        return len(self.held_inputs[0]) if self.held_inputs else 0


def train(
    trainer: Trainer,
    metadata: Metadata,
    examples: Examples,
    *,
    engine: Engine | None = None,
    folder: Path | None = None,
    resume: bool = False,
    weights: Mapping[str, Array] | None = None,
    observer: Observer | None = None,
    checkpoint_every: float = 2.0,
) -> Result:
    """Train as the emitted file does, bit for bit where the engine is NumPy's, the default.

    With a `folder`, which `prepare_folder` made, history.csv grows by a line an epoch and a checkpoint is saved every
    `checkpoint_every` seconds or seldomer, at Ctrl-C and at the end; `resume` goes on from it, or starts afresh where
    there is none. `weights` start the run in place of `init`. Raises Fault (`not-finite`, `split-empty`,
    `checkpoint-…`, `weights-mismatch`), and Interrupted at Ctrl-C.
    """
    engine = engine or NumpyEngine(trainer)
    observer = observer or Observer()
    with np.errstate(all="ignore"):
        split = split_of(trainer, metadata, examples)
        start = _start_weights(trainer, split, weights)
        mark = fingerprint(trainer, metadata, examples, engine, start, weights)
        path = None if folder is None else checkpoint.path_of(folder, trainer.name)
        state, notes, resumed = _begin(trainer, start, path, mark, resume)
        run = _Run(trainer, split, engine, state, observer, folder, mark, checkpoint_every)
        observer.on_start(_told(trainer, split, engine, state, resumed, notes))
        return run.go()


def split_of(trainer: Trainer, metadata: Metadata, examples: Examples) -> Split:
    """The file's split of the examples; Fault `split-empty` where one side has none."""
    inputs, targets = examples.pick(metadata.inputs), examples.pick(metadata.targets)
    if trainer.split is None or trainer.validation is None:
        return Split(np.arange(examples.count), inputs, targets, (), ())
    rows, held = trainer.split(examples.count)
    if len(rows) == 0 or len(held) == 0:
        side = "train on" if len(rows) == 0 else "validate on"
        found = plural(examples.count, "example")
        message = f"validation={trainer.validation:g} of {found} leaves none to {side}"
        raise Fault("split-empty", message, None, "give more data, or another share for `validation=`")
    return Split(rows, inputs, targets, tuple(a[held] for a in inputs), tuple(a[held] for a in targets))


def fingerprint(
    trainer: Trainer,
    metadata: Metadata,
    examples: Examples,
    engine: Engine,
    start: Arrays,
    weights: Mapping[str, Array] | None,
) -> Fingerprint:
    """What a resumed run must share with the one that it goes on with, and what it may not share but is noted."""
    must = {
        "the spec": metadata.spec_sha256,
        "the definitions (-D)": repr(sorted(metadata.defines.items())),
        "the data": examples.digest(),
        "the engine": engine.name,
        "the weights' names or shapes": repr({name: array.shape for name, array in start.items()}),
        "the starting weights": "init" if weights is None else digest_of(start),
    }
    may = checkpoint.machine() | {"the emitted file's hash": trainer.sha256[:12], "the provider": engine.provider}
    if engine.name == "onnx":
        may["ONNX Runtime"] = ort.version()
    return Fingerprint(must, may)


def _start_weights(trainer: Trainer, split: Split, weights: Mapping[str, Array] | None) -> Arrays:
    start = trainer.init(trainer.seed)
    if weights is not None:
        return checked_weights(weights, start)
    if trainer.fit is not None:
        trainer.fit(start, *(array[split.rows] for array in split.inputs))
    return start


def _begin(
    trainer: Trainer, start: Arrays, path: Path | None, mark: Fingerprint, resume: bool
) -> tuple[State, tuple[str, ...], bool]:
    """The state to go on from, notes about it, and whether it was saved by an earlier run."""
    if not resume or path is None or not path.exists():
        notes = ("there is nothing to resume, so the run starts afresh",) if resume else ()
        return State(start, trainer.init_updater(start), totals=[0.0] * len(trainer.losses)), notes, False
    state, saved = checkpoint.load(path)
    return state, tuple(mark.check(saved, str(path))), True


def _told(trainer: Trainer, split: Split, engine: Engine, state: State, resumed: bool, notes: tuple[str, ...]) -> Start:
    return Start(
        name=trainer.name,
        engine=engine.name,
        provider=engine.provider,
        provider_reason=engine.provider_reason,
        training=len(split.rows),
        validation=split.held,
        epochs=trainer.epochs,
        batches=len(trainer.batches(split.rows, 0)),
        epoch=state.epoch,
        batch=state.batch,
        resumed=resumed,
        losses=tuple(loss.name for loss in trainer.losses),
        notes=notes,
    )


class _Run:
    """One run, between its first step and its last."""

    def __init__(
        self,
        trainer: Trainer,
        split: Split,
        engine: Engine,
        state: State,
        observer: Observer,
        folder: Path | None,
        mark: Fingerprint,
        every: float,
    ):
        self.trainer, self.split, self.engine, self.state = trainer, split, engine, state
        self.observer, self.folder, self.mark = observer, folder, mark
        self.every = every
        self.due = math.inf
        # Between the beginning of a step and the counters that say it is done, the state must not be saved.
        self.steady = True
        self.saved: Path | None = None
        self.good = state.copy()
        self.watch = Watch(trainer, state.history)
        engine.start(state.weights, state.moments, split.inputs, split.targets)

    def go(self) -> Result:
        """Train to the end."""
        try:
            with Interrupts() as self.stop:
                self._save()
                if self.folder is not None:
                    history.rewrite(self.folder / history.FILE, self.state.history)
                while not self.state.finished:
                    self._epoch()
                self._save()
                if self.stop.asked:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise self._interrupted() from None
        if self.folder is not None:
            history.rewrite(self.folder / history.FILE, self.state.history)
        result = self._result()
        self.observer.on_end(result)
        return result

    def _epoch(self) -> None:
        state, trainer = self.state, self.trainer
        if state.epoch < trainer.epochs:
            parts = trainer.batches(self.split.rows, state.epoch)
            self._steps(parts)
            self._close_epoch()
        state.finished = state.finished or state.epoch >= trainer.epochs
        if time.monotonic() >= self.due:
            self._save()

    def _steps(self, parts: list[Array]) -> None:
        """The batches of an epoch that are still to do."""
        state, engine, draw, stop = self.state, self.engine, self.trainer.drawn, self.stop
        step, on_batch, monotonic, isfinite = engine.step, self.observer.on_batch, time.monotonic, math.isfinite
        drops, arrays = self.watch.drops, self.split.inputs + self.split.targets
        epoch, count = state.epoch, len(parts)
        for k in range(state.batch, count):
            batch = parts[k]
            number = state.step + 1
            draws = draw(epoch, number, len(batch), arrays)
            self.steady = False
            losses, size = step(batch, draws, number, epoch + k / count, drops), len(batch)
            for i, loss in enumerate(losses):
                if not isfinite(loss):
                    raise self._not_finite(number)
                state.totals[i] += loss * size
            state.step = number
            state.batch = k + 1
            self.steady = True
            on_batch(epoch + 1, k + 1, count, losses)
            if stop.asked:
                raise KeyboardInterrupt
            if monotonic() >= self.due:
                self._save()

    def _close_epoch(self) -> None:
        """Evaluate, record, and decide about stopping."""
        state, trainer = self.state, self.trainer
        weights = self.engine.weights() if trainer.evaluate is not None else {}
        report, training = self._measure(weights)
        rows = len(self.split.rows)
        losses = {each.name: total / rows for each, total in zip(trainer.losses, state.totals, strict=True)}
        record = Record(state.epoch + 1, losses, report, training)
        # From here to the end nothing may fail or be interrupted half-way: the state changes as a whole.
        self.steady = False
        if trainer.early_stop is not None and report:
            self._judge(history.numbers(report)[trainer.losses[0].name], weights)
        self.watch.see(record)
        state.history.append(record)
        state.epoch, state.batch, state.totals = state.epoch + 1, 0, [0.0] * len(losses)
        self.steady = True
        if self.folder is not None:
            history.append(self.folder / history.FILE, record)
        self.observer.on_epoch(record)

    def _measure(self, weights: Arrays) -> tuple[dict[str, Measure], dict[str, Measure]]:
        """What `evaluate` says of the validation examples, or where none are held out of those that train."""
        evaluate, split = self.trainer.evaluate, self.split
        if evaluate is None:
            return {}, {}
        # The epoch that ends is still in the state.
        clock = time_of(evaluate, self.state.step, self.state.epoch + 1, self.watch.drops)
        if split.held:
            found = evaluate(weights, split.held_inputs, split.held_targets, **clock)
            return dict(found), {}
        found = evaluate(weights, split.inputs, split.targets, **clock)
        return {}, dict(list(found.items())[len(self.trainer.losses) :])

    def _judge(self, loss: float, weights: Arrays) -> None:
        """Keep the best weights; finish when the patience is used up."""
        state = self.state
        if loss < state.best:
            state.best, state.best_epoch, state.wait = loss, state.epoch + 1, 0
            state.kept = {name: array.copy() for name, array in weights.items()}
        else:
            state.wait += 1
            state.finished = state.wait >= (self.trainer.early_stop or 0)

    def _save(self) -> None:
        """Remember the state as good, and write it where there is a folder."""
        began = time.monotonic()
        state = self.state
        state.weights, state.moments = self.engine.weights(), self.engine.moments()
        if not all_finite(state.weights):
            raise self._not_finite(state.step)
        self.good = state.copy()
        if self.folder is not None:
            path = checkpoint.path_of(self.folder, self.trainer.name)
            checkpoint.save(path, self.good, self.mark)
            self.saved = path
        now = time.monotonic()
        self.due = now + max(self.every, (now - began) / SAVING if self.every else 0.0)

    def _interrupted(self) -> Interrupted:
        if self.steady:
            with contextlib.suppress(KeyboardInterrupt):
                self._save()
        return Interrupted(self.saved, self.state.epoch + 1, self.state.batch)

    def _not_finite(self, step: int) -> Fault:
        """The fault that names the first bad value, with the last good state saved."""
        if self.folder is not None:
            checkpoint.save(checkpoint.path_of(self.folder, self.trainer.name), self.good, self.mark)
            history.rewrite(self.folder / history.FILE, self.good.history)
        return find_first_bad(
            *(self.trainer, self.engine, self.good, self.split.rows, self.split.inputs, self.split.targets),
            step,
            self.state.history,
        )

    def _result(self) -> Result:
        state, trainer = self.state, self.trainer
        kept = state.kept if trainer.early_stop is not None else None
        best = {name: array.copy() for name, array in (state.weights if kept is None else kept).items()}
        if trainer.tune is not None:
            # The checkpoint keeps the weights as they were trained, so that a resumed run goes on as this one did.
            trainer.tune(best, self.split.held_inputs, self.split.held_targets)
        stopped = state.epoch < trainer.epochs
        return Result(best, tuple(state.history), state.step, state.best_epoch, stopped)
