"""Importing an emitted trainer: its text is executed as a module of its own and its functions become one record."""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from .errors import Fault, listed
from .fields import Array
from .files import os_faults

Arrays: TypeAlias = dict[str, Array]


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
    batch: int
    sha256: str
    init: Callable[[int], Arrays]
    init_updater: Callable[[Arrays], Arrays]
    batches: Callable[[Array, int], list[Array]]
    loss_and_grads: Callable[..., tuple[Any, Arrays]]
    update: Callable[[Arrays, Arrays, Arrays, int, float], None]
    predict: Callable[..., Any]
    validation: float | None = None
    early_stop: int | None = None
    clip_norm: float | None = None
    fit: Callable[..., None] | None = None
    split: Callable[[int], tuple[Array, Array]] | None = None
    draw: Callable[[int, int, int], Arrays] | None = None
    metrics: Callable[..., dict[str, float]] | None = None
    evaluate: Callable[[Arrays, tuple[Array, ...], tuple[Array, ...]], dict[str, float]] | None = None


_SETTINGS = {"NAME": str, "INPUTS": (tuple, dict), "TARGETS": (tuple, dict), "SEED": int, "EPOCHS": int, "BATCH": int}
_OPTIONAL = ("VALIDATION", "EARLY_STOP", "CLIP_NORM")
_FUNCTIONS = ("init", "init_updater", "batches", "loss_and_grads", "update", "predict")
# A file whose spec wants inference alone has none of these.
_TRAINING = ("EPOCHS", "BATCH", "init_updater", "batches", "loss_and_grads", "update")
_OPTIONAL_FUNCTIONS = ("fit", "split", "draw", "metrics", "evaluate")


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
    return _record(module.__dict__, hashlib.sha256(text.encode()).hexdigest(), filename)


def _line(error: BaseException, filename: str) -> int | None:
    """The line of the file where an exception passed through it last."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _record(names: Mapping[str, Any], sha256: str, filename: str) -> Trainer:
    if not any(name in names for name in _TRAINING):
        names = {**names, "EPOCHS": 0, "BATCH": 1, **dict.fromkeys(_TRAINING[2:], _untrainable)}
    wrong = [name for name, kind in _SETTINGS.items() if not isinstance(names.get(name), kind)]
    wrong += [name for name in _FUNCTIONS if not callable(names.get(name))]
    if "VALIDATION" in names:
        wrong += [name for name in ("split", "evaluate", "metrics") if not callable(names.get(name))]
    if wrong:
        help = "build it anew with `netc build`"
        raise Fault("trainer-broken", f"the trainer lacks {listed(wrong)}", filename, help)
    values: dict[str, Any] = {name.lower(): names[name] for name in _SETTINGS}
    values |= {name: tuple(values[name]) for name in ("inputs", "targets")}
    values |= {name.lower(): names[name] for name in _OPTIONAL if name in names}
    values |= {name: names[name] for name in _FUNCTIONS}
    values |= {name: names[name] for name in _OPTIONAL_FUNCTIONS if callable(names.get(name))}
    return Trainer(sha256=sha256, **values)


def _untrainable(*_: Any, **__: Any) -> Any:
    raise Fault("trainer-broken", "the file only predicts: its spec wants inference alone")
