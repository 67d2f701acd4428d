"""Rewriting rules: equal mathematics that is safer, shorter or easier to read, as a table from op to rules.

A rule gets the builder and the arguments of an equation about to be emitted, and returns the tensor that stands for its
result, or None where it does not apply. What a rule emits is itself simplified.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from ..dsl import ops
from ..dsl.ir import OPS, Equation, Tensor, Value
from ..dsl.ops.elementwise import is_constant
from ..dsl.types import Shape


class Rewriter(Protocol):
    """The builder that applies rules as it emits.

    `copies` remembers of which scalar a value is a copy, so that a long chain is not walked again at each of its links.
    """

    copies: dict[Value, Tensor | None]

    def producer(self, x: Tensor) -> Equation | None:
        """The equation that assigns x."""
        ...

    def args(self, x: Tensor, op: str) -> tuple[Tensor, ...] | None:
        """The arguments of x where it is the result of the named op."""
        ...

    def constant(self, number: float, dtype: str = "f32", name: str = "") -> Tensor:
        """A number."""
        ...


Rule = Callable[..., Tensor | None]
RULES: dict[str, list[Rule]] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for some ops."""

    def add(function: Rule) -> Rule:
        for name in names:
            assert name in OPS, name
            RULES.setdefault(name, []).append(function)
        return function

    return add


def number(b: Rewriter, x: Tensor) -> float | None:
    """The value of an unnamed constant."""
    equation = b.producer(x)
    return equation.attrs["number"] if equation is not None and is_constant(equation) else None


@rule("log")
def _log_of_sigmoid(b: Rewriter, x: Tensor) -> Tensor | None:
    """log(sigmoid(z)) is -softplus(-z), log(1 - sigmoid(z)) is -softplus(z): both stay finite."""
    bounded = b.args(x, "maximum")
    x = bounded[0] if bounded and number(b, bounded[1]) == ops.losses.TINY else x
    scores, rest = b.args(x, "sigmoid"), b.args(x, "sub")
    if scores:
        return -ops.softplus(-scores[0])
    other = b.args(rest[1], "sigmoid") if rest and number(b, rest[0]) == 1 else None
    return -ops.softplus(other[0]) if other else None


# Arithmetic with numbers ----------------------------------------------------------------------------------------------


@rule("add", "sub", "mul", "div", "pow")
def _two_numbers(b: Rewriter, x: Tensor, y: Tensor, op: str) -> Tensor | None:
    left, right = number(b, x), number(b, y)
    if left is None or right is None or x.type.dtype != y.type.dtype or (op in ("div", "pow") and right <= 0):
        return None
    value = {"add": left + right, "sub": left - right, "mul": left * right}.get(op)
    if value is None:
        value = left / right if op == "div" else left**right
    return b.constant(value, x.type.dtype)


@rule("log")
def _log_of_number(b: Rewriter, x: Tensor) -> Tensor | None:
    value = number(b, x)
    return b.constant(math.log(value), x.type.dtype) if value is not None and value > 0 else None


@rule("neg")
def _negative_number(b: Rewriter, x: Tensor) -> Tensor | None:
    value, twice = number(b, x), b.args(x, "neg")
    return twice[0] if twice else None if value is None else b.constant(-value, x.type.dtype)


@rule("neg")
def _negative_product(b: Rewriter, x: Tensor) -> Tensor | None:
    """-(-x * y) is x * y."""
    factors = b.args(x, "mul")
    inner = b.args(factors[0], "neg") if factors else None
    return inner[0] * factors[1] if factors and inner else None


@rule("mul")
def _times_number(b: Rewriter, x: Tensor, y: Tensor) -> Tensor | None:
    if number(b, y) is not None and number(b, x) is None and x.shape:
        return y * x
    left, inner = number(b, x), b.args(y, "mul")
    if left == 1:
        return y
    if number(b, y) == 1:
        return x
    if left is not None and inner and (right := number(b, inner[0])) is not None:
        return b.constant(left * right, x.type.dtype) * inner[1]
    return None


@rule("add")
def _plus_nothing(b: Rewriter, x: Tensor, y: Tensor) -> Tensor | None:
    if nothing(b, y) and x.shape == _wide(x, y):
        return x
    if nothing(b, x) and y.shape == _wide(x, y):
        return y
    negative, value = b.args(y, "neg"), number(b, y)
    if value is not None and value < 0:
        return x - b.constant(-value, y.type.dtype)
    return x - negative[0] if negative else None


@rule("sub")
def _minus_nothing(b: Rewriter, x: Tensor, y: Tensor) -> Tensor | None:
    negative = b.args(y, "neg")
    if negative:
        return x + negative[0]
    return x if nothing(b, y) and x.shape == _wide(x, y) else None


@rule("sub")
def _one_divisor(b: Rewriter, x: Tensor, y: Tensor) -> Tensor | None:
    """x / c - y / c is (x - y) / c."""
    left, right = b.args(x, "div"), b.args(y, "div")
    if left and right and left[1].value is right[1].value and not left[1].shape:
        return (left[0] - right[0]) / left[1]
    return None


@rule("pow")
def _small_power(b: Rewriter, x: Tensor, y: Tensor) -> Tensor | None:
    if not x.shape or x.type.dtype != y.type.dtype:
        return None
    return {1.0: x, 2.0: ops.square(x)}.get(number(b, y) or 0.0)


@rule("div")
def _over_one(b: Rewriter, x: Tensor, y: Tensor) -> Tensor | None:
    return x if number(b, y) == 1 else None


def _wide(x: Tensor, y: Tensor) -> Any:
    return OPS["add"].type(x.type, y.type).shape  # type: ignore[union-attr]


# One number for every element -----------------------------------------------------------------------------------------


def uniform(b: Rewriter, x: Tensor) -> Tensor | None:
    """The scalar of which every element of x is a copy, where that is known."""
    if x.value not in b.copies:
        b.copies[x.value] = _copied(b, x)
    return b.copies[x.value]


def _copied(b: Rewriter, x: Tensor) -> Tensor | None:
    if not x.shape:
        return x
    for op in ("broadcast_like", "expand_dims", "reshape"):
        inner = b.args(x, op)
        if inner:
            return uniform(b, inner[0])
    for op in ("mul", "div", "neg"):
        parts = b.args(x, op) or ()
        scalars = [s for part in parts if (s := uniform(b, part)) is not None]
        if scalars and len(scalars) == len(parts):
            return OPS[op](*scalars)
    return None


def nothing(b: Rewriter, x: Tensor) -> bool:
    """Whether every element is 0."""
    scalar = uniform(b, x)
    return scalar is not None and number(b, scalar) == 0


@rule("mul")
def _negative_factor(b: Rewriter, x: Tensor, y: Tensor) -> Tensor | None:
    """-c * y is -(c * y), which may end in a difference."""
    for factor, other in ((x, y), (y, x)):
        inner = b.args(factor, "neg")
        scalar = uniform(b, inner[0]) if inner else None
        if scalar is not None and other.shape == _wide(x, y):
            return -(scalar * other)
    return None


@rule("mul")
def _uniform_factor(b: Rewriter, x: Tensor, y: Tensor) -> Tensor | None:
    for factor, other in ((x, y), (y, x)):
        scalar = uniform(b, factor) if factor.shape else None
        if scalar is not None and other.shape == _wide(x, y):
            return scalar * other
    return None


@rule("mul")
def _times_nothing(b: Rewriter, x: Tensor, y: Tensor) -> Tensor | None:
    """0 * y is 0, as far as y is a number."""
    for factor, other in ((x, y), (y, x)):
        if number(b, factor) == 0 and other.shape == _wide(x, y):
            return ops.broadcast_like(factor, other)
    return None


@rule("add", "sub")
def _uniform_term(b: Rewriter, x: Tensor, y: Tensor, op: str) -> Tensor | None:
    """One number for every element is added as that number."""
    scalar = uniform(b, y) if y.shape else None
    if scalar is None or x.shape != _wide(x, y):
        return None
    return x + scalar if op == "add" else x - scalar


@rule("mul")
def _times_reciprocal(b: Rewriter, x: Tensor, y: Tensor) -> Tensor | None:
    """(1 / c) * y is y / c, which is also exact where 1 / c is not."""
    for factor, other in ((x, y), (y, x)):
        parts = b.args(factor, "div")
        wide = other.shape or number(b, other) is not None
        if parts and wide and not factor.shape and number(b, parts[0]) is not None:
            return parts[0] * other / parts[1]
    return None


@rule("mul")
def _broadcast_factor(b: Rewriter, x: Tensor, y: Tensor) -> Tensor | None:
    """A product broadcasts by itself."""
    for factor, other in ((x, y), (y, x)):
        inner = b.args(factor, "broadcast_like")
        if inner and other.shape == _wide(x, y):
            return inner[0] * other
    return None


@rule("broadcast_like")
def _already_wide(b: Rewriter, x: Tensor, like: Tensor) -> Tensor | None:
    return x if x.shape == like.shape else None


# Choices --------------------------------------------------------------------------------------------------------------


@rule("where")
def _choice_of_nothing(b: Rewriter, condition: Tensor, x: Tensor, y: Tensor) -> Tensor | None:
    if number(b, y) == 0 and x.type.dtype == "f32" and x.shape == condition.shape:
        return ops.mask(x, condition)
    return None


@rule("mul")
def _into_choice(b: Rewriter, x: Tensor, y: Tensor) -> Tensor | None:
    """where(c, 0, a) * y is where(c, 0, a * y)."""
    for factor, other in ((x, y), (y, x)):
        parts = b.args(factor, "where")
        if parts and number(b, parts[1]) == 0 and factor.shape == _wide(x, y):
            return ops.where(parts[0], 0, parts[2] * other)
    return None


@rule("div")
def _choice_divided(b: Rewriter, x: Tensor, y: Tensor) -> Tensor | None:
    """where(c, 0, a) / y is where(c, 0, a / y)."""
    parts = b.args(x, "where")
    if parts and number(b, parts[1]) == 0 and x.shape == _wide(x, y):
        return ops.where(parts[0], 0, parts[2] / y)
    return None


@rule("mask")
def _mask_of_choice(b: Rewriter, x: Tensor, keep: Tensor) -> Tensor | None:
    """What is masked by a condition already, or by its opposite."""
    parts = b.args(x, "where")
    if parts and number(b, parts[1]) == 0 and _opposite(b, parts[0], keep):
        return x
    return None


def _opposite(b: Rewriter, one: Tensor, other: Tensor) -> bool:
    above, below = b.args(one, "greater"), b.args(other, "less_equal")
    if not above or not below:
        return False
    same_number = number(b, above[1]) is not None and number(b, above[1]) == number(b, below[1])
    return above[0].value is below[0].value and (same_number or above[1].value is below[1].value)


@rule("add")
def _two_choices(b: Rewriter, x: Tensor, y: Tensor) -> Tensor | None:
    """What one condition chooses and its opposite chooses make one choice."""
    for one, other in ((x, y), (y, x)):
        kept, parts = b.args(one, "mask"), b.args(other, "where")
        if kept and parts and kept[1].value is parts[0].value and number(b, parts[1]) == 0:
            return ops.where(kept[1], kept[0], parts[2])
    return None


# Shapes ---------------------------------------------------------------------------------------------------------------


@rule("reshape")
def _reshaped_twice(b: Rewriter, x: Tensor, shape: Shape) -> Tensor | None:
    """The gradient of a vector that was spread over images is summed to the vector's own shape."""
    inner = b.args(x, "reshape")
    if inner is None or any(isinstance(d, str) for d in shape):
        return None
    return inner[0] if inner[0].shape == shape else ops.reshape(inner[0], shape=shape)


@rule("mean")
def _mean_of_means(b: Rewriter, x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor | None:
    inner = b.producer(x)
    if inner is None or inner.op.name != "mean" or inner.attrs["keepdims"] or keepdims or axes != (0,):
        return None
    deeper = inner.attrs["axes"]
    if deeper != tuple(range(1, inner.args[0].type.rank)):
        return None
    return ops.mean(Tensor(x.builder, inner.args[0]), axes=(0, *deeper), keepdims=False)


@rule("size")
def _known_size(b: Rewriter, x: Tensor, axes: tuple[int, ...]) -> Tensor | None:
    dims = [x.shape[axis] for axis in axes]
    known = [d for d in dims if isinstance(d, int)]
    return b.constant(math.prod(known)) if len(known) == len(dims) else None


@rule("transpose", "transposed")
def _twice_transposed(b: Rewriter, x: Tensor, op: str) -> Tensor | None:
    inner = b.args(x, op)
    return inner[0] if inner else None


@rule("transposed")
def _product_transposed(b: Rewriter, x: Tensor) -> Tensor | None:
    """(a.mT @ b).mT is b.mT @ a, as the gradient of what stood transposed in a product is."""
    factors = b.args(x, "matmul")
    left = b.args(factors[0], "transposed") if factors else None
    return ops.transposed(factors[1]) @ left[0] if factors and left else None


@rule("add")
def _two_pads(b: Rewriter, x: Tensor, y: Tensor) -> Tensor | None:
    """Two parts that fill one another's margins stand side by side."""
    one, other = b.producer(x), b.producer(y)
    if one is None or other is None or one.op.name != "pad" or other.op.name != "pad":
        return None
    first, last = sorted((one, other), key=lambda e: e.attrs["start"])
    axis, like = first.attrs["axis"], first.attrs["like"]
    fits = (axis, like) == (last.attrs["axis"], last.attrs["like"]) and first.attrs["stop"] == last.attrs["start"]
    if not fits or first.attrs["start"] != 0 or last.attrs["stop"] != like[axis]:
        return None
    return ops.concat(*(Tensor(x.builder, e.args[0]) for e in (first, last)), axis=axis)


@rule("nothing")
def _nothing_of_the_same(b: Rewriter, x: Tensor, units: int) -> Tensor | None:
    """As many zeros stand before steps in reverse as before the steps themselves."""
    turned = b.args(x, "reverse") or b.args(x, "reverse_steps")
    return ops.nothing(turned[0], units=units) if turned else None


@rule("reshape")
def _same_shape(b: Rewriter, x: Tensor, shape: tuple[Any, ...]) -> Tensor | None:
    return x if x.shape == shape else None


@rule("cast")
def _same_precision(b: Rewriter, x: Tensor, dtype: str) -> Tensor | None:
    if x.type.dtype == dtype:
        return x
    value = number(b, x)
    return None if value is None else b.constant(value, dtype)
