"""The updater of a spec: the program that moves one weight, and its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .constants import NotConstantError
from .ir import Builder, Program, Tensor
from .net import Setting
from .ops import cast
from .options import Rate, Scope, bind, word_or_fail
from .resolve import Spec
from .types import Domain, Type
from .words import Clock, Hyperparameter, Update, Word, WordError

# One weight of any shape: an updater's formula acts on each element.
ANY_SHAPE = ("W",)


@dataclass(frozen=True)
class Updater:
    """An updater ready to print: inputs `w`, `g`, its state, and the clock; results `w` and the new state."""

    word: str
    program: Program
    moments: tuple[str, ...]
    settings: tuple[Setting, ...]


def lower_update(spec: Spec) -> Updater | None:
    """The updater of the spec; None, after a diagnostic, where it cannot be used."""
    if spec.updater is None:
        return None
    link, scope = spec.updater.link, spec.scope
    try:
        word = word_or_fail("updater", link.word, link.word_place, scope)
        options = bind(word.name, word.options, link.arguments, link.place, scope, None, word.example)
        return _Lowering(scope).lower(word, options)
    except NotConstantError:
        return None


class _Lowering:
    def __init__(self, scope: Scope):
        self.scope = scope
        self.builder = Builder()
        self.settings: dict[str, Setting] = {}
        self.moments: list[str] = []

    def lower(self, word: Word, options: dict[str, Any]) -> Updater:
        weight = self.builder.input("weight", "w", Type("f32", ANY_SHAPE))
        gradient = self.builder.input("gradient", "g", Type("f32", ANY_SHAPE))
        clock = self._clock()
        tensors = {name: self._option(word, name, value, clock) for name, value in options.items()}
        update: Update = word.function(weight, gradient, self._state, clock, **tensors)
        assert set(update.state) == set(self.moments), word.name
        results = {"w": update.weight, **update.state}
        program = self.builder.program("update", results)
        return Updater(word.name, program, tuple(self.moments), tuple(self.settings.values()))

    def _clock(self) -> Clock:
        step = self.builder.input("clock", "step", Type("i64", (), Domain(low=1.0, low_open=False, whole=True)))
        epoch = self.builder.input("clock", "epoch", Type("f64", (), Domain(low=0.0, low_open=False)))
        return Clock(cast(step, dtype="f64"), epoch)

    def _state(self, name: str) -> Tensor:
        self.moments.append(name)
        return self.builder.input("moment", name, Type("f32", ANY_SHAPE))

    def _option(self, word: Word, name: str, value: Any, clock: Clock) -> Any:
        form = word.options[name].kind.form
        if form not in ("setting", "rate"):
            return value
        if not isinstance(value, Rate):
            return self._setting(name, value)
        if value.number is not None:
            return self._setting(name, value.number)
        schedule = value.word
        assert schedule is not None
        t = clock.step if value.options["per"] == "step" else clock.epoch
        own = {k: v for k, v in value.options.items() if k != "per"}
        settings = {k: self._setting(name if k == "rate" else f"{name}_{k}", v) for k, v in own.items()}
        try:
            return schedule.function(t, **settings).named(name)
        except WordError as error:
            assert value.place is not None
            raise self.scope.fail(error.code, error.message, value.place, error.help) from None

    def _setting(self, name: str, number: float) -> Hyperparameter:
        label = name.upper()
        self.settings[label] = Setting(label, number)
        return Hyperparameter(self.builder.constant(number, "f64", label), number)
