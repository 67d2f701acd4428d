"""Runs the body of a user's recurrent cell once, for one step, and makes a loop over all steps of it."""

from __future__ import annotations

from typing import Any, cast

from .context import net
from .formula import Evaluator, Value
from .ir import Equation, Input, Program, Tensor
from .ir import Value as Named
from .loop import Loop, step_type
from .ops import broadcast_like, mask, nothing, scan
from .ops.shape import expand_dims
from .parameters import FIRSTS
from .syntax import Assign, Call, Definition, State
from .types import Type
from .user_bodies import LayerBody
from .vocabulary.axes import placed


class CellBody(LayerBody):
    """The body of a cell: `in` is what one step of x is given."""

    def __init__(self, definition: Definition, ev: Evaluator, x: Tensor):
        super().__init__(definition, ev)
        self.x, self.builder = x, x.builder
        self.start = len(self.builder.equations)
        self.step = Tensor(self.builder, Named(step_type(x.type), "x"))
        ev.names["in"] = self.step
        # What is carried, as a step finds it, and what it begins with.
        self.carried: dict[str, Tensor] = {}
        self.firsts: list[float] = []

    def run(self) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """What the cell gives of all steps, 0 where a step does not count."""
        given = super().run()
        name = self.definition.name
        if not self.carried:
            message = f"{name} keeps no state, so that no step could know of another"
            help = "declare one: state h = zeros(units); what sees each step by itself is a def layer"
            raise self.ev.fail("bad-definition", message, self.definition.name_place, help)
        states = [cast(Tensor, self.ev.names[each]) for each in self.carried]
        if not isinstance(given, Tensor) or len(given.shape) != 2 or given.shape[0] != self.x.shape[0]:
            message = f"{name} gives no list of numbers for each step"
            raise self.ev.fail("bad-definition", message, self.definition.name_place, "return a state, such as h")
        inner, outer = _parted(self.builder.equations[self.start :], [self.step, *self.carried.values()])
        self.builder.equations[self.start :] = outer
        firsts = [self._first(name, number) for name, number in zip(self.carried, self.firsts, strict=True)]
        loop, constants = self._loop(inner, given, states)
        found = scan.scan(*firsts, self.x, *constants, loop=loop)
        own = dict(zip(self.carried, found[len(found) - len(states) :], strict=True))
        for name, steps in own.items():
            net().leave(name, steps.named(f"{name}_steps"))
        at = next((name for name, state in zip(own, states, strict=True) if state.value is given.value), None)
        result = found[0].named("steps") if at is None else own[at]
        keep = net().mask(self.x)
        return placed(result if keep is None else mask(result, expand_dims(keep, axis=2)), False)

    def state(self, sentence: State) -> None:
        """Declare what a step leaves for the next one."""
        call = cast(Call, sentence.value)
        units = self._size(call.arguments[0].value)
        carried = Tensor(self.builder, Named(Type("f32", (self.x.shape[0], units)), sentence.name))
        self.carried[sentence.name] = self.ev.names[sentence.name] = carried
        self.firsts.append(FIRSTS[call.word])

    def assign(self, sentence: Assign) -> None:
        """Give a name a value; that of a state keeps its shape."""
        super().assign(sentence)
        before = self.carried.get(sentence.name)
        if before is None:
            return
        value: Value = self.ev.number(self.ev.names[sentence.name], sentence.value)
        if not isinstance(value, Tensor) or value.shape != before.shape:
            message = f"the state {sentence.name} has {before.shape[1]} numbers, and this is not as many"
            raise self.ev.fail("shape-mismatch", message, sentence.value.place, "its size stands in zeros(...)")
        self.ev.names[sentence.name] = value

    def _first(self, name: str, number: float) -> Tensor:
        """What a state is before the first step: what the last window left, or a number."""
        units = self.carried[name].shape[1]
        assert isinstance(units, int)
        carried = net().carried(name, self.x, units, number)
        if carried is not None:
            return carried
        zeros = nothing(self.x, units=units).named(f"{name}0")
        return zeros if number == 0 else broadcast_like(self.builder.constant(number), zeros).named(f"{name}0")

    def _loop(self, inner: list[Equation], given: Tensor, states: list[Tensor]) -> tuple[Loop, list[Tensor]]:
        made = {value for equation in inner for value in equation.results}
        variables = [*self.carried.values(), self.step]
        known = made | {each.value for each in variables}
        read = dict.fromkeys(a for e in inner for a in e.args if a not in known)
        inputs = [Input("carry", n, t.value) for n, t in self.carried.items()]
        # A constant goes by the name that it has in the cell, so that all uses of the cell have one function.
        names = {v.value: name for name, v in self.ev.names.items() if isinstance(v, Tensor)}
        own = {v: names.get(v, f"given{k}") for k, v in enumerate(read)}
        inputs += [Input("step", "x", self.step.value), *(Input("constant", name, v) for v, name in own.items())]
        outputs = [*([] if given.value in {s.value for s in states} else [given]), *states]
        results: dict[str, Any] = {f"r{k}": each.value for k, each in enumerate([*states, *outputs])}
        return Loop(Program(self.definition.name, tuple(inputs), tuple(inner), results), len(states), 1), [
            Tensor(self.builder, v) for v in read
        ]


def _parted(equations: list[Equation], variables: list[Tensor]) -> tuple[list[Equation], list[Equation]]:
    """The equations of a step, and those that are the same for all steps; a number is of both."""
    moving = {each.value for each in variables}
    inner: list[Equation] = []
    outer: list[Equation] = []
    for equation in equations:
        depends = any(a in moving for a in equation.args)
        if depends:
            moving.update(equation.results)
        if depends or equation.op.name == "constant":
            inner.append(equation)
        if not depends:
            outer.append(equation)
    used = {a for e in inner for a in e.args}
    return [e for e in inner if e.args or used.intersection(e.results)], outer
