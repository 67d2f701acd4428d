"""Primitives that act on each element, with NumPy's broadcasting."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..facts import always, elements, elementwise, no_work
from ..ir import Backward, Equation, Op, Tensor, define
from ..types import BINARY, NON_NEGATIVE, REAL, SIGNED_UNIT, UNIT, Domain, Type, point

Graph = Any
UNARY = ((("N,4",), {}),)
POSITIVE = ((("N,4 in positive",), {}),)
BINARY_CASES: tuple[Any, ...] = ((("N,4", "N,4"), {}), (("N,4", "4"), {}), (("N,4", ""), {}))


def _constant_type(*, number: float, dtype: str, name: str) -> Type:
    return Type(dtype, (), point(number))


constant = define("constant", _constant_type, flops=no_work, cheap=always)


def unary(domain: Callable[[Domain], Domain]) -> Callable[[Type], Type]:
    """The type of a function of each element, which maps domains so."""

    def type_of(x: Type) -> Type:
        return replace(x, domain=domain(x.domain))

    return type_of


def _binary(domain: Callable[[Domain, Domain], Domain]) -> Callable[[Type, Type], Type]:
    def type_of(x: Type, y: Type) -> Type:
        return Type(_wider(x, y), elementwise(x, y), domain(x.domain, y.domain))

    return type_of


def _wider(x: Type, y: Type) -> str:
    return max(x.dtype, y.dtype, key=["bool", "i64", "f32", "f64"].index)


def _absolute_domain(x: Domain) -> Domain:
    size = x.interval.at_least(-x.interval)
    return replace(size, low=0.0, low_open=False) if x.low < 0 < x.high else size


def floor_domain(x: Domain) -> Domain:
    """Where the whole parts of numbers lie."""
    low, high = (v if math.isinf(v) else math.floor(v) for v in (x.low, x.high))
    # An open end that is whole itself is not reached from below.
    high -= x.high_open and high == x.high
    return Domain(low, high, math.isinf(low), math.isinf(high), whole=True)


def _square_domain(x: Domain) -> Domain:
    size = _absolute_domain(x)
    return size * size


def flat(b: Backward, *gradients: Tensor | None) -> tuple[None, ...]:
    """The gradient of what has the slope 0 wherever it has one."""
    return (None,) * len(b.args)


neg = define("neg", unary(lambda x: -x), numpy="-x", onnx="Neg", cases=UNARY, grad=lambda b, g: (-g,))
exp = define(
    "exp",
    unary(lambda x: x.map(math.exp)),
    numpy="np.exp(x)",
    onnx="Exp",
    cases=UNARY,
    grad=lambda b, g: (g * b.results[0],),
)


def expm1_nodes(g: Graph, eq: Equation, x: str) -> str:
    """exp(x) - 1 with all its digits, which ONNX has no operator for: tanh(x / 2) (exp(x) + 1), and never below -1."""
    half = g.Tanh(g.Mul(x, g.scalar(0.5, eq.results[0].type)))
    return g.Max(g.Mul(half, g.Add(g.Exp(x), g.one(eq))), g.scalar(-1, eq.results[0].type))


expm1 = define(
    "expm1",
    unary(lambda x: x.map(math.expm1)),
    numpy="np.expm1(x)",
    onnx=expm1_nodes,
    cases=UNARY,
    grad=lambda b, g: (g * exp(b.args[0]),),
)
log = define(
    "log",
    unary(lambda x: x.map(lambda v: math.log(v) if v > 0 else -math.inf)),
    numpy="np.log(x)",
    onnx="Log",
    cases=POSITIVE,
    grad=lambda b, g: (g / b.args[0],),
)


def log1p_nodes(g: Graph, eq: Equation, x: str) -> str:
    """The logarithm of 1 + x with all its digits, which ONNX has no operator for: what 1 + x lost, its logarithm lost.

    Source: Higham 2002, Accuracy and stability of numerical algorithms, section 1.14.1.
    """
    total = g.Add(x, g.one(eq))
    kept = g.Sub(total, g.one(eq))
    lost = g.Equal(kept, g.zero(eq))
    return g.Where(lost, x, g.Mul(x, g.Div(g.Log(total), g.Where(lost, g.one(eq), kept))))


log1p = define(
    "log1p",
    unary(lambda x: x.map(lambda v: math.log1p(v) if v > -1 else -math.inf)),
    numpy="np.log1p(x)",
    onnx=log1p_nodes,
    cases=POSITIVE,
    grad=lambda b, g: (g / (1 + b.args[0]),),
)
sqrt = define(
    "sqrt",
    unary(lambda x: x.map(lambda v: math.sqrt(max(v, 0.0)))),
    numpy="np.sqrt(x)",
    onnx="Sqrt",
    cases=POSITIVE,
    grad=lambda b, g: (g / (2 * b.results[0]),),
    called="root",
)
square = define(
    "square",
    unary(_square_domain),
    numpy="np.square(x)",
    onnx=lambda g, eq, x: g.Mul(x, x),
    cases=UNARY,
    grad=lambda b, g: (g * (2 * b.args[0]),),
    called="squares",
)
absolute = define(
    "absolute",
    unary(_absolute_domain),
    numpy="np.abs(x)",
    onnx="Abs",
    cases=UNARY,
    grad=lambda b, g: (g * sign(b.args[0]),),
)
sign = define("sign", unary(lambda x: SIGNED_UNIT), numpy="np.sign(x)", onnx="Sign", cases=UNARY, grad=flat)
floor = define("floor", unary(floor_domain), numpy="np.floor(x)", onnx="Floor", cases=UNARY, grad=flat)
heaviside = define(
    "heaviside",
    unary(lambda x: BINARY),
    numpy="np.heaviside(x, 0)",
    onnx=lambda g, eq, x: g.Cast(g.Greater(x, g.zero(eq)), to=g.dtype(eq.results[0].type)),
    cases=UNARY,
    grad=flat,
)
cos = define(
    "cos",
    unary(lambda x: SIGNED_UNIT),
    numpy="np.cos(x)",
    onnx="Cos",
    cases=UNARY,
    grad=lambda b, g: (-g * sin(b.args[0]),),
)
sin = define(
    "sin",
    unary(lambda x: SIGNED_UNIT),
    numpy="np.sin(x)",
    onnx="Sin",
    cases=UNARY,
    grad=lambda b, g: (g * cos(b.args[0]),),
)

add = define("add", _binary(Domain.__add__), numpy="x + y", onnx="Add", cases=BINARY_CASES, grad=lambda b, g: (g, g))
sub = define("sub", _binary(Domain.__sub__), numpy="x - y", onnx="Sub", cases=BINARY_CASES, grad=lambda b, g: (g, -g))
mul = define(
    "mul",
    _binary(Domain.__mul__),
    numpy="x * y",
    onnx="Mul",
    cases=BINARY_CASES,
    grad=lambda b, g: (g * b.args[1], g * b.args[0]),
)
div = define(
    "div",
    _binary(lambda x, y: (x * y.inverse()).interval),
    numpy="x / y",
    onnx="Div",
    cases=((("N,4", "N,4 in positive"), {}), (("N,4", "4 in positive"), {})),
    grad=lambda b, g: (g / b.args[1], -g * b.results[0] / b.args[1]),
)


def _pow_domain(x: Domain, y: Domain) -> Domain:
    if y.low == y.high == 2:
        return _square_domain(x)
    if y.low == y.high == 3:
        return x.map(lambda v: v**3)
    if x.within(UNIT) and y.low >= 0:
        top = x.high**y.low
        return Domain(0.0, top, False, y.low > 0 and (x.high_open or (y.low_open and top < 1)))
    return NON_NEGATIVE if x.low >= 0 or (y.low == y.high and y.low % 2 == 0) else REAL


power = define(
    "pow",
    _binary(_pow_domain),
    numpy="x**y",
    onnx="Pow",
    cases=((("N,4 in positive", ""), {}), (("N,4 in positive", "N,4"), {})),
    grad=lambda b, g: (
        g * (b.args[1] * b.args[0] ** (b.args[1] - 1)),
        g * (b.results[0] * log(b.args[0])),
    ),
    flops=lambda eq: 20 * elements(eq),
)
# At a tie the gradient goes to the second argument, so that the slope of max(x, 0) at 0 is 0, as in PyTorch's relu.
maximum = define(
    "maximum",
    _binary(Domain.at_least),
    numpy="np.maximum(x, y)",
    onnx=lambda g, eq, x, y: g.Relu(x) if g.is_zero(eq.args[1]) else g.Max(x, y),
    cases=BINARY_CASES,
    grad=lambda b, g: (mask(g, b.results[0] > b.args[1]), mask(g, b.args[0] <= b.args[1])),
)
minimum = define(
    "minimum",
    _binary(Domain.at_most),
    numpy="np.minimum(x, y)",
    onnx="Min",
    cases=BINARY_CASES,
    grad=lambda b, g: (mask(g, b.args[0] <= b.args[1]), mask(g, b.args[0] > b.args[1])),
)


def _clip_type(x: Type, *, low: float, high: float) -> Type:
    return replace(x, domain=x.domain.at_least(point(low)).at_most(point(high)))


# At the ends the slope is 0, as in PyTorch's hardtanh and relu6.
clip = define(
    "clip",
    _clip_type,
    numpy=lambda x, low, high: f"np.clip(x, {low!r}, {high!r})",
    onnx=lambda g, eq, x: g.Clip(
        x, g.scalar(eq.attrs["low"], eq.args[0].type), g.scalar(eq.attrs["high"], eq.args[0].type)
    ),
    cases=((("N,4",), {"low": -1, "high": 0.5}),),
    grad=lambda b, g: (mask(g, logical_and(b.args[0] > b.attrs["low"], b.args[0] < b.attrs["high"])),),
    flops=lambda eq: 2 * elements(eq),
)


def _comparison(x: Type, y: Type) -> Type:
    return Type("bool", elementwise(x, y), BINARY)


greater = define("greater", _comparison, numpy="x > y", onnx="Greater", called="above", cases=BINARY_CASES)
less = define("less", _comparison, numpy="x < y", onnx="Less", called="below", cases=BINARY_CASES)
greater_equal = define(
    "greater_equal", _comparison, numpy="x >= y", onnx="GreaterOrEqual", called="above", cases=BINARY_CASES
)
less_equal = define("less_equal", _comparison, numpy="x <= y", onnx="LessOrEqual", called="below", cases=BINARY_CASES)
equal = define("equal", _comparison, numpy="x == y", onnx="Equal", cases=((("N,1 of 4", "4 of 4"), {}),))
logical_and = define(
    "logical_and",
    _comparison,
    numpy="x & y",
    onnx="And",
    cases=((("N,4 of bool", "N,4 of bool"), {}),),
)

logical_or = define(
    "logical_or",
    _comparison,
    numpy="x | y",
    onnx="Or",
    cases=((("N,4 of bool", "N,4 of bool"), {}),),
)
logical_not = define(
    "logical_not",
    lambda x: Type("bool", x.shape, BINARY),
    numpy="np.logical_not(x)",
    onnx="Not",
    cases=((("N,4 of bool",), {}),),
)
not_equal = define(
    "not_equal",
    _comparison,
    numpy="x != y",
    onnx=lambda g, eq, x, y: g.Not(g.Equal(x, y)),
    cases=((("N,1 of 4", "4 of 4"), {}),),
)


def _mask_type(x: Type, keep: Type) -> Type:
    return Type(x.dtype, elementwise(x, keep), x.domain.interval.join(Domain(0.0, 0.0, False, False)))


mask = define(
    "mask",
    _mask_type,
    numpy="x * keep",
    onnx=lambda g, eq, x, keep: g.Where(keep, x, g.zero(eq)),
    cases=((("N,4", "N,4 of bool"), {}),),
    grad=lambda b, g: (mask(g, b.args[1]), None),
)


def _where_type(condition: Type, x: Type, y: Type) -> Type:
    return Type(_wider(x, y), elementwise(condition, x, y), x.domain.interval.join(y.domain.interval))


def _where_grad(b: Backward, g: Tensor) -> tuple[Tensor | None, ...]:
    return None, where(b.args[0], g, 0), where(b.args[0], 0, g)


where: Op = define(
    "where",
    _where_type,
    numpy="np.where(condition, x, y)",
    onnx="Where",
    cases=((("N,4 of bool", "N,4", "N,4"), {}), (("N,4 of bool", "N,4", ""), {})),
    grad=_where_grad,
)


def is_constant(equation: Equation | None, number: float | None = None) -> bool:
    """Whether an equation is a literal number, of the given value where one is given."""
    if equation is None or equation.op is not constant or equation.attrs["name"]:
        return False
    return number is None or equation.attrs["number"] == number
