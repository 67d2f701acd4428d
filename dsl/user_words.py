"""The words that a user defines: each `def` of a formula or a body of formulas becomes a word like the vocabulary's."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from . import ops
from .constants import NotConstantError
from .definitions import Defined, Definitions
from .formula import Evaluator, Plain, Value, nested, seen, shape_of
from .formula_check import check_all
from .functions import FRESH
from .ir import Builder, Tensor
from .kinds import KINDS
from .ops.losses import one_hot
from .ops.random import fill
from .parameters import options_of, values_of
from .source import Place
from .types import batched, show_shape
from .user_bodies import LayerBody, UpdaterBody
from .user_cells import CellBody
from .vocabulary.axes import with_steps_that_count
from .vocabulary.recurrent import need_steps
from .words import Clock, Fresh, State, Update, Word

# A user's loss or metric compares whatever can be a target; it sees a class as whether each of them is it.
TARGETS = tuple(name for name, kind in KINDS.items() if "target" in kind.roles)


def define(definitions: Definitions) -> None:
    """Make the words of all definitions known, and check each by itself."""
    made = {key: UserWord(each) for key, each in definitions.items() if key[0] in RUNNERS}
    for user in made.values():
        user.enter()
    faulty = check_all([user.defined for user in made.values()])
    for user in made.values():
        user.faulty |= id(user.defined) in faulty


@dataclass
class UserWord:
    """A definition, and whether it is at fault itself: then what uses it is not to blame."""

    defined: Defined
    faulty: bool = False

    def enter(self) -> None:
        """Make the word known to the spec."""
        definition, scope = self.defined.definition, self.defined.scope
        with scope.report.used(*self.defined.imports):
            options = options_of(definition, scope)
        self.faulty = options is None

        def function(*values: Any, **given: Any) -> Any:
            return RUNNERS[definition.kind](self, *values, **given)

        function.__doc__ = definition.doc
        needed = [f"{o.name}=..." for o in (options or {}).values() if o.required]
        example = f"{definition.name}({', '.join(needed)})" if definition.kind in CALLED else ""
        example = example or " ".join([definition.name, *needed])
        targets = TARGETS if definition.kind in ("loss", "metric") else ()
        # A cell is a layer that goes over the steps.
        cell = definition.kind == "cell"
        kind = "layer" if cell else definition.kind
        word = Word(kind, definition.name, function, example, targets=targets, recurrent=cell, table=options or {})
        scope.words[kind, definition.name] = word

    @property
    def place(self) -> Place:
        """Where a fault of the whole formula is shown."""
        definition = self.defined.definition
        return definition.value.place if definition.value else definition.name_place

    @contextmanager
    def using(self, builder: Builder, names: Mapping[str, Any]) -> Generator[Evaluator]:
        """An evaluator of the definition, at the place that the builder is at."""
        self.defined.used = True
        if self.faulty:
            raise NotConstantError
        origin = builder.origin
        report = self.defined.scope.report
        with report.used(origin[-1]) if origin else nullcontext():
            try:
                yield Evaluator(self.defined.scope, builder, names)
            finally:
                builder.origin = origin

    def formula(self, ev: Evaluator) -> Value:
        """The value of the formula of a definition that has one."""
        value = self.defined.definition.value
        assert value is not None
        return ev.value(value)

    def refuse(self, ev: Evaluator, message: str, help: str, code: str = "bad-definition") -> NotConstantError:
        """What to raise for a result that the kind of word cannot give."""
        return ev.fail(code, f"{self.defined.definition.name} {message}", self.place, help)


# Results --------------------------------------------------------------------------------------------------------------


def of_example(user: UserWord, ev: Evaluator, result: Value) -> Tensor:
    """The result of an activation or a layer: numbers of each example."""
    result = _numbers(user, ev, result)
    if not isinstance(result, Tensor) or not batched(result.shape):
        raise user.refuse(ev, "gives the same for every example", "let its value depend on what it is given")
    # One number an example is an axis of one feature.
    return ops.expand_dims(result, axis=1) if len(result.shape) == 1 else result


def per_example(user: UserWord, ev: Evaluator, result: Value) -> Tensor:
    """The result of a loss: one number an example."""
    result = _numbers(user, ev, result)
    if isinstance(result, Tensor) and len(result.shape) == 1 and batched(result.shape):
        return result
    if isinstance(result, Tensor) and seen(result.shape):
        message = f"gives {shape_of(result)} for each example, and a {user.defined.definition.kind} gives one number"
        raise user.refuse(ev, message, "take the mean or the sum of it: mean(...)", "shape-mismatch")
    help = "compare the prediction with the target: mean(abs(p - y))"
    raise user.refuse(ev, "gives the same for every example", help)


def _numbers(user: UserWord, ev: Evaluator, result: Value) -> Value:
    definition = user.defined.definition
    return ev.number(result, definition.value) if definition.value else result


# How each kind of word runs -------------------------------------------------------------------------------------------


def _activation(user: UserWord, x: Tensor | Plain, **options: Any) -> Any:
    value = x.number if isinstance(x, Plain) else x if nested() else with_steps_that_count(x)
    with user.using(x.builder, {**values_of(user.defined.definition, (value,)), **options}) as ev:
        result = user.formula(ev)
        return result if nested() else of_example(user, ev, result)


def _compared(user: UserWord, p: Tensor, y: Tensor, options: Mapping[str, Any]) -> dict[str, Any]:
    y = one_hot(y, p.outputs) if y.type.dtype == "i64" else y
    return {**values_of(user.defined.definition, (p, y)), **options}


def _loss(user: UserWord, p: Tensor, y: Tensor, **options: Any) -> Tensor:
    """A number an example; what the formula makes of the batch itself is that of every example."""
    with user.using(p.builder, _compared(user, p, y, options)) as ev:
        result = _numbers(user, ev, user.formula(ev))
        if isinstance(result, Tensor) and result.shape == ():
            return ops.broadcast_like(result, ops.total(p, axes=tuple(range(1, len(p.shape))), keepdims=False))
        return per_example(user, ev, result)


def _metric(user: UserWord, p: Tensor, y: Tensor, **options: Any) -> Tensor:
    """A number an example, whose mean is taken, or what the formula makes of the batch itself."""
    with user.using(p.builder, _compared(user, p, y, options)) as ev:
        result = _numbers(user, ev, user.formula(ev))
        if isinstance(result, Tensor) and result.shape == ():
            return result
        return ops.mean(per_example(user, ev, result), axes=(0,), keepdims=False)


def _init(user: UserWord, w: Fresh, **options: Any) -> Tensor:
    names = {"fan_in": w.fan_in, "fan_out": w.fan_out, FRESH: w, **options}
    with user.using(w.builder, names) as ev:
        result = _numbers(user, ev, user.formula(ev))
        if isinstance(result, Tensor) and result.shape == w.shape:
            return result
        if not isinstance(result, Tensor) or not result.shape:
            return _filled(w, result)
        message = f"gives {show_shape(result.shape)}, but {w.name} is {show_shape(w.shape)}"
        raise user.refuse(ev, message, "compute with each number by itself", "shape-mismatch")


def _filled(w: Fresh, number: Value) -> Tensor:
    """One number everywhere."""
    zeros = w.builder.emit(fill, number=0.0, shape=w.shape)
    if isinstance(number, Tensor):
        return zeros + number
    return w.builder.emit(fill, number=float(number), shape=w.shape)


def _schedule(user: UserWord, t: Tensor, **options: Any) -> Tensor:
    builder = t.builder
    clock = {i.name: Tensor(builder, i.value) for i in builder.inputs if i.role == "clock"}
    with user.using(builder, {**clock, "t": t, **options}) as ev:
        result = _numbers(user, ev, user.formula(ev))
        return result if isinstance(result, Tensor) else builder.constant(float(result), "f64")


def _layer(user: UserWord, x: Tensor, **options: Any) -> Tensor:
    with user.using(x.builder, {"in": with_steps_that_count(x), **options}) as ev:
        result = LayerBody(user.defined.definition, ev).run()
        if not isinstance(result, Tensor) or not batched(result.shape):
            raise user.refuse(ev, "gives the same for every example", "let what it returns depend on in")
        return of_example(user, ev, result)


def _cell(user: UserWord, x: Tensor, **options: Any) -> Tensor:
    need_steps(x, user.defined.definition.name)
    with user.using(x.builder, dict(options)) as ev:
        return CellBody(user.defined.definition, ev, with_steps_that_count(x)).run()


def _updater(user: UserWord, w: Tensor, g: Tensor, state: State, clock: Clock, **options: Any) -> Update:
    names = {"w": w, "g": g, "t": clock.step, "epoch": clock.epoch, **options}
    with user.using(w.builder, names) as ev:
        return UpdaterBody(user.defined.definition, ev, state).run()


RUNNERS: dict[str, Callable[..., Any]] = {
    "activation": _activation,
    "loss": _loss,
    "metric": _metric,
    "init": _init,
    "schedule": _schedule,
    "layer": _layer,
    "cell": _cell,
    "updater": _updater,
}
# Kinds whose uses stand in parentheses.
CALLED = ("init", "schedule")
