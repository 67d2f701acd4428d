"""The updater of a spec: the program that moves one weight, and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .constants import NotConstantError
from .courses import Course, Setting
from .ir import Builder, Program, Tensor
from .net import Moment, Own, UpdaterInfo, WeightInfo
from .options import bind, word_or_fail
from .resolve import Spec
from .scope import Scope
from .settings import Labels, Settings
from .solver import check_solver, solver_settings
from .source import Place
from .syntax import Argument, Call, Loss, Name
from .types import Type
from .words import Scheduled, Update, Word

# One weight of any shape: an updater's formula acts on each element.
ANY_SHAPE = ("W",)
# Numbers that a layer may give its weights in the place of the updater's.
OWN = ("lr_scale", "weight_decay")


@dataclass(frozen=True)
class Updater:
    """An updater ready to print: inputs `w`, `g`, its state, and the clock; results `w` and the new state.

    A solver has no program.
    """

    word: str
    program: Program | None
    moments: tuple[Moment, ...]
    settings: tuple[Setting, ...]
    courses: tuple[Course, ...]
    owns: tuple[Own, ...]
    solver: Word | None = None

    def info(self, of: str) -> UpdaterInfo:
        """What the net keeps of it; `of` is the loss whose own updater it is."""
        return UpdaterInfo(of, self.word, self.moments, self.settings, self.courses, self.owns, self.solver)


def lower_update(spec: Spec, weights: Mapping[str, WeightInfo], labels: Labels) -> Updater | None:
    """The updater of the spec; None, after a diagnostic, where it cannot be used."""
    if spec.updater is None:
        return None
    link = spec.updater.link
    return _lowered(spec, weights, labels, link.word, link.word_place, link.arguments, link.place)


def lower_own(spec: Spec, weights: Mapping[str, WeightInfo], labels: Labels, loss: Loss) -> Updater | None:
    """The updater that a loss has of its own; None, after a diagnostic, where it cannot be used."""
    match loss.updater:
        case Name() as name:
            return _lowered(spec, weights, labels, name.id, name.place, (), name.place, loss.name or "")
        case Call() as call:
            given = call.word, call.word_place, call.arguments, call.place
            return _lowered(spec, weights, labels, *given, loss.name or "")
        case _:
            return None


def _lowered(
    spec: Spec,
    weights: Mapping[str, WeightInfo],
    labels: Labels,
    name: str,
    name_place: Place,
    arguments: tuple[Argument, ...],
    place: Place,
    of: str = "",
) -> Updater | None:
    scope = spec.scope
    try:
        word = word_or_fail("updater", name, name_place, scope, "solver")
        options = bind(word.name, word.options, arguments, place, scope, None, word.example)
        if word.kind == "solver":
            check_solver(word, spec, weights, place)
            return Updater(word.name, None, (), solver_settings(options, _prefix(of), labels), (), (), word)
        own = tuple(o for o in OWN if any(getattr(w, o) is not None for w in weights.values()))
        _check_own(own, word, options, place, scope)
        lowering = _Lowering(scope, spec.train["epochs"], labels, of)
        lowering.builder.origin = (place,)
        return lowering.lower(word, options, own)
    except NotConstantError:
        return None


def _prefix(of: str) -> str:
    """How the settings of a loss's own updater begin: with its name."""
    return f"{of.upper()}_" if of else ""


def _check_own(own: tuple[str, ...], word: Word, options: dict[str, Any], place: Place, scope: Scope) -> None:
    """What layers ask for must have something to act on."""
    if own and "lr" not in options:
        message = f"{word.name} has no lr, so {own[0]} of a layer does nothing"
        raise scope.fail("unknown-option", message, place, f"take {own[0]} away, or choose another updater")
    if "weight_decay" in own and isinstance(options.get("weight_decay"), Scheduled):
        message = f"weight_decay of {word.name} is a schedule, which a layer's own weight_decay cannot replace"
        raise scope.fail("bad-option", message, place, "write a number, or take weight_decay of the layers away")


class _Lowering:
    def __init__(self, scope: Scope, epochs: float, labels: Labels, of: str):
        self.prefix = _prefix(of)
        self.builder = Builder()
        self.settings = Settings(self.builder, scope, epochs, labels)
        self.moments: dict[str, Moment] = {}
        self.owns: list[Own] = []

    def lower(self, word: Word, options: dict[str, Any], own: tuple[str, ...]) -> Updater:
        weight = self.builder.input("weight", "w", Type("f32", ANY_SHAPE))
        gradient = self.builder.input("gradient", "g", Type("f32", ANY_SHAPE))
        clock = self.settings.clock
        tensors = {name: self._option(word, name, value) for name, value in options.items()}
        self._own(tensors, options, own)
        decayed = "weight_decay" in own and "weight_decay" not in options
        update: Update = word.function(weight, gradient, self._state, clock, **tensors)
        assert set(update.state) == set(self.moments), word.name
        moved = update.weight
        if decayed:
            moved = moved - tensors["lr"] * self._owned("weight_decay", 0.0) * weight
        program = self.builder.program("update", {"w": moved, **update.state})
        found = self.settings
        return Updater(
            word.name,
            program,
            tuple(self.moments.values()),
            tuple(found.found),
            tuple(found.courses),
            tuple(self.owns),
        )

    def _own(self, tensors: dict[str, Any], options: dict[str, Any], own: tuple[str, ...]) -> None:
        """Put what weights have of their own in the place of the updater's options."""
        if "lr_scale" in own:
            tensors["lr"] = (tensors["lr"] * self._owned("lr_scale", 1.0)).named("own_lr")
        if "weight_decay" in own and "weight_decay" in options:
            label = f"{self.prefix}WEIGHT_DECAY"
            tensors["weight_decay"] = self._owned("weight_decay", options["weight_decay"], label)

    def _owned(self, name: str, default: float, setting: str = "") -> Tensor:
        self.owns.append(Own(name, default, setting))
        return self.builder.input("own", name, Type("f64", ()))

    def _state(self, name: str, first: float = 0.0, scalar: bool = False) -> Tensor:
        self.moments[name] = Moment(name, first, scalar)
        return self.builder.input("moment", name, self.moments[name].type(ANY_SHAPE))

    def _option(self, word: Word, name: str, value: Any) -> Any:
        kind, label = word.options[name].kind, self.prefix + name.upper()
        if isinstance(value, Scheduled):
            return self.settings.scheduled(label, value, kind).named(name)
        return self.settings.number(label, value) if kind.form in ("setting", "scheduled") else value
