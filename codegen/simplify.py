"""A builder that simplifies as it emits: rules first, then one equation for equal equations."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from ..dsl.ir import Builder, Equation, Op, Operand, Program, Tensor, Value, handles
from ..dsl.prune import prune
from .gates import RULES
from .rules import Rule


class Simplifier(Builder):
    """Emits each equation in its simplest form; `expand` replaces every op that has a body by it."""

    def __init__(self, program: Program, expand: bool = False):
        super().__init__()
        self.expand = expand
        self.inputs = list(program.inputs)
        self.known: dict[Value, Tensor] = {i.value: Tensor(self, i.value) for i in program.inputs}
        self.producers: dict[Value, Equation] = {}
        self.seen: dict[Any, Any] = {}
        self.copies: dict[Value, Tensor | None] = {}
        for equation in program.equations:
            self.replay(equation)

    def replay(self, equation: Equation) -> None:
        """Emit an equation of the program, or what stands for it."""
        self.section, self.origin, self.undoes = equation.section, equation.origin, equation.undoes
        outs = handles(self.emit(equation.op, *(self.known[a] for a in equation.args), **equation.attrs))
        for old, new in zip(equation.results, outs, strict=True):
            new.value.hint = new.value.hint or old.hint
            new.value.given |= old.given
            self.known[old] = new

    def emit(self, op: Op, *args: Operand, **attrs: Any) -> Any:
        """The result of an equation, by a rule, by an equal equation, or by a new one."""
        tensors = self.lift(args)
        for rule in RULES.get(op.name, ()):
            result = rule(self, *tensors, **_extras(rule, op.name, attrs))
            if result is not None:
                return result
        if op.body is not None and (self.expand or op.numpy is None):
            return op.body(*tensors, **attrs)
        key = _key(op, tensors, attrs)
        if key in self.seen and not self._of_another(self.seen[key]):
            return self.seen[key]
        start = len(self.equations)
        result = self.append(op, tensors, attrs)
        for equation in self.equations[start:]:
            self.producers.update((value, equation) for value in equation.results)
        if key is not None:
            self.seen[key] = result
        return result

    def _of_another(self, found: Any) -> bool:
        """Whether what was found lies in another use of a block: each computes its own, so that all do the same."""
        equation = self.producers[handles(found)[0].value]
        uses = {section.within if section else None for section in (equation.section, self.section)}
        return len(uses) > 1 and bool(equation.args)

    def producer(self, x: Tensor) -> Equation | None:
        """The equation that assigns x."""
        return self.producers.get(x.value)

    def args(self, x: Tensor, op: str) -> tuple[Tensor, ...] | None:
        """The arguments of x where it is the result of the named op."""
        equation = self.producers.get(x.value)
        if equation is None or equation.op.name != op:
            return None
        return tuple(Tensor(self, a) for a in equation.args)

    def simplified(self, program: Program) -> Program:
        """The program's results over the simplified equations."""
        results = {name: self.known[value].value for name, value in program.results.items()}
        return prune(program.with_equations(self.equations, results))


def _extras(rule: Rule, op: str, attrs: dict[str, Any]) -> dict[str, Any]:
    """The attributes, and the op's name where the rule asks for it."""
    return {**attrs, "op": op} if _asks_for_op(rule) else attrs


@cache
def _asks_for_op(rule: Rule) -> bool:
    return "op" in inspect.signature(rule).parameters


def _key(op: Op, tensors: list[Tensor], attrs: dict[str, Any]) -> Any:
    if op.name == "literal":
        return None
    return op.name, tuple(t.value for t in tensors), tuple(attrs.items())


def simplify(program: Program) -> Program:
    """The program with every equation in its simplest form, and without what nobody reads."""
    return Simplifier(program).simplified(program)
