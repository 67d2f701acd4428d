"""Importing an emitted trainer: its text is executed as a module of its own and its functions become one record."""

from __future__ import annotations

import hashlib
import inspect
import linecache
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, cast

from .errors import Fault, listed
from .fields import Array
from .files import os_faults

Arrays: TypeAlias = dict[str, Array]
# How often each setting has fallen that watches the loss; in the clock of a step graph it is called drops.NAME.
Drops: TypeAlias = Mapping[str, int]
NEVER: Drops = Counter()
DROPS = "drops."


@dataclass(frozen=True)
class Loss:
    """What a file minimises: the function of its value and gradients, and the update that these lead to."""

    name: str
    and_grads: Callable[..., tuple[Any, Arrays]]
    update: Callable[..., None]

    def at(self, weights: Arrays, *examples: Array, **options: Any) -> tuple[Any, Arrays, Arrays]:
        """The value, the gradients, and the state as it leaves it, which is none of a net that keeps none."""
        value, grads, *state = self.and_grads(weights, *examples, **options)
        return value, grads, state[0] if state else {}

    def move(self, weights: Arrays, moments: Arrays, grads: Arrays, step: int, epoch: float, drops: Drops) -> None:
        """Move the weights and the updater's state; an update takes `drops` where it looks at them."""
        if takes(self.update, "drops"):
            self.update(weights, moments, grads, step, epoch, drops)
        else:
            self.update(weights, moments, grads, step, epoch)


@dataclass(frozen=True)
class Trainer:
    """The settings and functions of an emitted file; those that the spec did not ask for are None.

    Those of a file that only predicts, without a loss and an updater, refuse to train.
    """

    name: str
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    seed: int
    epochs: int
    text: str
    init: Callable[[int], Arrays]
    init_updater: Callable[[Arrays], Arrays]
    batches: Callable[[Array, int], list[Array]]
    predict: Callable[..., Any]
    losses: tuple[Loss, ...]
    validation: float | None = None
    early_stop: int | None = None
    fit: Callable[..., None] | None = None
    split: Callable[[int], tuple[Array, Array]] | None = None
    draw: Callable[..., Arrays] | None = None
    metrics: Callable[..., dict[str, Any]] | None = None
    evaluate: Callable[..., dict[str, Any]] | None = None
    noise: Callable[[int], list[Array]] | None = None
    # What is done with gradients, as the functions of the losses take it by name.
    normalisation: Mapping[str, float] = field(default_factory=lambda: {})
    tune: Callable[[Arrays, tuple[Array, ...], tuple[Array, ...]], None] | None = None
    # Counts an epoch by its loss, in counts that are its own, and gives the drops.
    plateau: Callable[[dict[str, Any], float], Drops] | None = None
    # Moves the weights on all examples at once and gives the loss before, in the place of a loss's update.
    solve: Callable[..., float] | None = None
    # Where the number of steps of a name stands: of which array it is the size, and along which axis.
    steps: Mapping[str, tuple[int, int]] = field(default_factory=lambda: {})

    def drawn(self, epoch: int, step: int, count: int, arrays: tuple[Array, ...]) -> Arrays | None:
        """The random numbers of a batch of `count` examples, None where training draws none.

        `arrays` are inputs and targets, whose numbers of steps are those of the batch.
        """
        if self.draw is None:
            return None
        sizes = {name: arrays[at].shape[axis] for name, (at, axis) in self.steps.items() if takes(self.draw, name)}
        return self.draw(epoch, step, count, **sizes)

    @cached_property
    def sha256(self) -> str:
        """What tells the text from any other."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def precise(self) -> Trainer:
        """The file with float64 wherever it says float32; what it draws at random are the same numbers."""
        return replace(
            trainer_of(self.text.replace("np.float32", "np.float64"), f"{self.name}, float64"), draw=self.draw
        )


_SETTINGS = {"NAME": str, "INPUTS": (tuple, dict), "TARGETS": (tuple, dict), "SEED": int, "EPOCHS": int}
_OPTIONAL = ("VALIDATION", "EARLY_STOP")
_NORMALISATIONS = ("CLIP_NORM", "CLIP_VALUE", "RENORMALIZE")
_FUNCTIONS = ("init", "init_updater", "batches", "predict")
# A file whose spec wants inference alone has none of these.
_TRAINING = ("EPOCHS", "init_updater", "batches", "loss_and_grads", "update", "LOSSES")
_OPTIONAL_FUNCTIONS = ("fit", "split", "draw", "metrics", "evaluate", "tune", "noise", "solve", "plateau")


def load_trainer(path: Path) -> Trainer:
    """Import an emitted file by its path, without leaving a __pycache__ beside it."""
    with os_faults(path):
        data = path.read_bytes()
    try:
        return trainer_of(data.decode("utf-8"), str(path))
    except UnicodeDecodeError:
        raise Fault("trainer-broken", "it is not UTF-8", str(path)) from None


def trainer_of(text: str, filename: str) -> Trainer:
    """Run the text of an emitted file under `filename`, which tracebacks then show lines of."""
    module = ModuleType("_netc_trainer")
    module.__file__ = filename
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    try:
        exec(compile(text, filename, "exec", dont_inherit=True), module.__dict__)
    except Exception as error:
        line = error.lineno if isinstance(error, SyntaxError) else _line(error, filename)
        where = filename if line is None else f"{filename}:{line}"
        raise Fault("trainer-broken", f"it cannot be imported: {type(error).__name__}: {error}", where) from None
    return _record(module.__dict__, text, filename)


def _line(error: BaseException, filename: str) -> int | None:
    """The line of the file where an exception passed through it last."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _record(names: Mapping[str, Any], text: str, filename: str) -> Trainer:
    if not any(name in names for name in _TRAINING):
        names = {**names, "EPOCHS": 0, **dict.fromkeys(_TRAINING[1:-1], _untrainable)}
    if "solve" in names:
        names = {**names, "batches": _all_at_once, "update": _untrainable}
    wrong = [name for name, kind in _SETTINGS.items() if not isinstance(names.get(name), kind)]
    losses, functions = _losses(names)
    wrong += [name for name in (*_FUNCTIONS, *functions) if not callable(names.get(name))]
    if "VALIDATION" in names:
        wrong += [name for name in ("split", "evaluate", "metrics") if not callable(names.get(name))]
    if wrong:
        help = "build it anew with `netc build`"
        raise Fault("trainer-broken", f"the trainer lacks {listed(wrong)}", filename, help)
    values: dict[str, Any] = {name.lower(): names[name] for name in _SETTINGS}
    values |= {name: tuple(values[name]) for name in ("inputs", "targets")}
    values |= {name.lower(): names[name] for name in _OPTIONAL if name in names}
    values["steps"] = _steps(names["INPUTS"], names["TARGETS"])
    values["normalisation"] = {name.lower(): names[name] for name in _NORMALISATIONS if name in names}
    values |= {name: names[name] for name in _FUNCTIONS}
    values |= {name: names[name] for name in _OPTIONAL_FUNCTIONS if callable(names.get(name))}
    return Trainer(text=text, losses=losses, **values)


def _steps(*fields: Any) -> dict[str, tuple[int, int]]:
    """The first place of each number of steps that has a name."""
    found: dict[str, tuple[int, int]] = {}
    shapes = [field[0] for each in fields if isinstance(each, dict) for field in cast("dict[str, Any]", each).values()]
    for at, shape in enumerate(shapes):
        for axis, size in enumerate(shape, 1):
            if isinstance(size, str):
                found.setdefault(size, (at, axis))
    return found


def _losses(names: Mapping[str, Any]) -> tuple[tuple[Loss, ...], list[str]]:
    """The losses of a file in their order, and the functions that it has to have for them."""
    if "LOSSES" not in names:
        return (Loss("loss", names.get("loss_and_grads", _untrainable), names.get("update", _untrainable)),), [
            "loss_and_grads",
            "update",
        ]
    found: list[Loss] = []
    functions: list[str] = []
    for name in names["LOSSES"]:
        own = f"update_{name}" in names
        functions += [f"{name}_and_grads", f"update_{name}" if own else "update"]
        and_grads, update = (names.get(function, _untrainable) for function in functions[-2:])
        found.append(Loss(name, and_grads, update if own else partial(update, loss=name)))
    return tuple(found), functions


def time_of(function: Callable[..., Any], step: int, epoch: float, drops: Drops = NEVER) -> dict[str, Any]:
    """The clock for a function of a file, by name; nothing for one that looks at no schedule."""
    clock = {"step": step, "epoch": epoch, "drops": drops}
    # By kind, since an input of the user's may be called epoch.
    return {name: value for name, value in clock.items() if takes(function, name, inspect.Parameter.KEYWORD_ONLY)}


@cache
def takes(function: Callable[..., Any], name: str, kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD) -> bool:
    """Whether a function has a parameter of a name and kind."""
    parameter = inspect.signature(function).parameters.get(name)
    return parameter is not None and parameter.kind is kind


def _all_at_once(rows: Array, epoch: int) -> list[Array]:
    """The only batch of an epoch, of a file that solves."""
    return [rows]


def _untrainable(*_: Any, **__: Any) -> Any:
    raise Fault("trainer-broken", "the file has no such function: its spec wants inference alone, or has a solver")
