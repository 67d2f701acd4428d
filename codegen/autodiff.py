"""Reverse-mode differentiation: each op's own gradient, applied from the loss backwards."""

from __future__ import annotations

from ..dsl.ir import Backward, Builder, Equation, Program, Tensor, Value
from ..dsl.ops import broadcast_like, reshape, total
from ..dsl.types import Shape


def backward(
    builder: Builder, program: Program, loss: Value, wanted: set[Value], named: bool = True
) -> dict[Value, Tensor]:
    """Append the equations of the gradients of a loss; return the gradient of each value that has one.

    `named` gives a gradient the name of its value after a d.
    """
    reached = _reached(program, wanted)
    gradients: dict[Value, Tensor] = {loss: builder.constant(1.0)}
    for equation in reversed(program.equations):
        given = [gradients.get(result) for result in equation.results]
        if all(g is None for g in given) or not any(a in reached for a in equation.args):
            continue
        builder.section, builder.origin, builder.undoes = equation.section, equation.origin, equation
        for result, gradient in zip(equation.results, given, strict=True):
            _name(gradient, result, named)
        for arg, contribution in zip(equation.args, _contributions(builder, equation, given), strict=True):
            if contribution is None or arg not in reached:
                continue
            fitted = _fit(contribution, Tensor(builder, arg))
            gradients[arg] = fitted + gradients[arg] if arg in gradients else fitted
    for value in wanted:
        _name(gradients.get(value), value, named)
    return gradients


def _reached(program: Program, wanted: set[Value]) -> set[Value]:
    """The values that depend on what is asked for, and so carry a gradient to it."""
    reached = set(wanted)
    for equation in program.equations:
        if any(a in reached for a in equation.args):
            reached.update(equation.results)
    return reached


def _contributions(builder: Builder, equation: Equation, given: list[Tensor | None]) -> tuple[Tensor | None, ...]:
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
