"""The solver of a spec: a kernel that moves all weights at once, in the place of an updater's formula."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .courses import Setting
from .net import WeightInfo
from .resolve import Spec
from .settings import Labels
from .source import Place
from .train_sentence import NORMALISATIONS
from .words import Word

# What layers may ask of an updater's steps, and what to do instead of it.
_OF_STEPS = {
    "lr_scale": "take lr_scale away",
    "weight_decay": "write l2= in its place, which is part of the loss",
}


def solver_settings(options: Mapping[str, Any], prefix: str, labels: Labels) -> tuple[Setting, ...]:
    """The settings of a solver's options, in their order."""
    return tuple(Setting(labels.give(prefix + name.upper()), value) for name, value in options.items())


def check_solver(word: Word, spec: Spec, weights: Mapping[str, WeightInfo], place: Place) -> None:
    """Report what a solver cannot do."""
    error = spec.scope.report.error
    if "step" in spec.wanted:
        message = f"{word.name} searches along a line, which no graph of a training step can do"
        error("no-step-graph", message, place, "say which artifacts are wanted: targets numpy inference")
    if len(spec.losses) > 1:
        help = "train by one loss, loss mse(a, b) + mse(c, d), or choose another updater"
        error("ambiguous-loss", f"{word.name} minimises one loss, and there are {len(spec.losses)}", place, help)
    if "batch" in spec.train_places:
        message = f"{word.name} looks at all rows in every step, so batch does nothing"
        error("unknown-option", message, spec.train_places["batch"], "take batch away")
    for name in [n for n in NORMALISATIONS if spec.train[n]]:
        message = f"{word.name} finds the length of its steps by itself, so {name} does nothing"
        error("unknown-option", message, spec.train_places.get(name, place), f"take {name} away")
    _check_weights(word, spec, weights)


def _check_weights(word: Word, spec: Spec, weights: Mapping[str, WeightInfo]) -> None:
    """Report once a layer what its weights ask of every step."""
    told: set[tuple[str, Place]] = set()
    for info in weights.values():
        for name in [*info.constraints, *(n for n in _OF_STEPS if getattr(info, n) is not None)]:
            if (name, info.place) in told:
                continue
            told.add((name, info.place))
            help = _OF_STEPS.get(name, f"take {name} away, or choose another updater")
            message = f"{word.name} minimises the loss alone, and {name} is no part of it"
            spec.scope.report.error("unknown-option", message, info.place, help)
