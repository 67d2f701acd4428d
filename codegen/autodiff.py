"""Reverse-mode differentiation: each op's own gradient, applied from the loss backwards."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..dsl.ir import Backward, Builder, Equation, Program, Tensor, Value
from ..dsl.ops import broadcast_like, reshape, total
from ..dsl.section import Section, Use, around
from ..dsl.types import Shape
from .loops import back_through


def backward(
    builder: Builder, program: Program, loss: Value, wanted: Collection[Value], named: bool = True
) -> dict[Value, Tensor]:
    """Append the equations of the gradients of a loss; return the gradient of each value that has one.

    `named` gives a gradient the name of its value after a d: of the first that is wanted, where several share it.
    """
    reached = _reached(program, wanted)
    found = _Found(builder, {loss: builder.constant(1.0)}, set(wanted))
    for equation in reversed(program.equations):
        if not found.any(equation.results) or not any(a in reached for a in equation.args):
            continue
        found.leave(equation.section.within if equation.section else None)
        builder.section, builder.origin, builder.undoes = equation.section, equation.origin, equation
        given = [found.total(result) for result in equation.results]
        for result, gradient in zip(equation.results, given, strict=True):
            _name(gradient, result, named)
        for arg, contribution in zip(equation.args, _contributions(builder, equation, given), strict=True):
            if contribution is None or arg not in reached:
                continue
            found.add(arg, _fit(contribution, Tensor(builder, arg)))
    for value in wanted:
        _name(found.total(value), value, named)
    return found.totals


class _Found:
    """The gradients that were found so far, as sums of contributions.

    What one use of a block contributes is summed within it, so that each use does the same, and at its end with what
    uses in it do; what several contribute to a value other than those `at_once` is summed, outside of all, where the
    gradient is asked for.
    """

    def __init__(self, builder: Builder, totals: dict[Value, Tensor], at_once: set[Value]):
        self.builder, self.totals, self.at_once = builder, totals, at_once
        self._others: dict[Value, list[tuple[Use | None, Tensor]]] = {}
        self._uses: dict[Value, Use | None] = {}
        self._use: Use | None = None

    def any(self, values: Iterable[Value]) -> bool:
        """Whether one of the values has a gradient."""
        return any(value in self.totals for value in values)

    def add(self, value: Value, contribution: Tensor) -> None:
        """Add to the gradient of a value."""
        use, before = self._use, self._uses.get(value)
        if value in self.totals and before is not use and value not in self.at_once:
            self._others.setdefault(value, []).append((before, self.totals.pop(value)))
        self._uses[value] = use
        self.totals[value] = contribution + self.totals[value] if value in self.totals else contribution

    def total(self, value: Value) -> Tensor | None:
        """The gradient of a value, where it has one."""
        others = [other for _, other in reversed(self._others.pop(value, []))]
        if others:
            self._sum(value, others, self._use)
        return self.totals.get(value)

    def leave(self, use: Use | None) -> None:
        """Go on to a use, or to what lies in none, and sum what was contributed within each use that ends here."""
        ended = [each for each in around(self._use) if each not in around(use)]
        for value, others in self._others.items() if ended else ():
            while others and (common := _common(self._uses[value], others[-1][0])) in ended:
                self._uses[value], together = common, [others.pop()[1]]
                while others and _common(common, others[-1][0]) is common:
                    together.append(others.pop()[1])
                self._sum(value, together, common)
        self._use = use

    def _sum(self, value: Value, others: list[Tensor], use: Use | None) -> None:
        """Add what was contributed elsewhere, in a use or outside of all."""
        for part in (*others, self.totals[value]):
            part.value.gradient_of = part.value.gradient_of or value
        section, self.builder.section = self.builder.section, use and Section("", path=use.path, within=use)
        for other in others:
            self.totals[value] = self.totals[value] + other
        self.builder.section = section


def _common(use: Use | None, other: Use | None) -> Use | None:
    """The innermost use that both lie in."""
    others = around(other)
    return next((each for each in around(use) if each in others), None)


def _reached(program: Program, wanted: Collection[Value]) -> set[Value]:
    """The values that depend on what is asked for, and so carry a gradient to it."""
    reached = set(wanted)
    for equation in program.equations:
        if any(a in reached for a in equation.args):
            reached.update(equation.results)
    return reached


def _contributions(builder: Builder, equation: Equation, given: list[Tensor | None]) -> tuple[Tensor | None, ...]:
    if "loop" in equation.attrs:
        return back_through(builder, equation, given, backward)
    assert equation.op.grad is not None, f"{equation.op.name} has no gradient"
    args = tuple(Tensor(builder, a) for a in equation.args)
    results = tuple(Tensor(builder, r) for r in equation.results)
    return equation.op.grad(Backward(args, results, equation.attrs), *given)


def _name(gradient: Tensor | None, value: Value, named: bool) -> None:
    if named and gradient is not None and value.hint and not gradient.value.hint:
        gradient.value.hint = f"d{value.hint}"
        gradient.value.gradient_of = value


def _fit(gradient: Tensor, like: Tensor) -> Tensor:
    """The gradient in the shape of the value that it belongs to: summed where that was broadcast."""
    have, want = gradient.shape, like.shape
    if have == want:
        return gradient
    axes = _broadcast_axes(have, want)
    if axes:
        gradient = total(gradient, axes=axes, keepdims=len(have) == len(want))
        if gradient.shape != want:
            gradient = reshape(gradient, shape=want)
        return gradient
    return broadcast_like(gradient, like)


def _broadcast_axes(have: Shape, want: Shape) -> tuple[int, ...]:
    """The axes of a gradient along which its value was repeated."""
    extra = len(have) - len(want)
    return tuple(axis for axis, size in enumerate(have) if axis < extra or (size != 1 and want[axis - extra] == 1))
