"""Primitives that act on each element, with NumPy's broadcasting."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..ir import Backward, Equation, Op, Tensor, always, constant_type, define, elements, elementwise
from ..types import BINARY, NON_NEGATIVE, OPEN_UNIT, REAL, SIGNED_UNIT, Domain, Type

Graph = Any
UNARY = ((("N,4",), {}),)
POSITIVE = ((("N,4 in positive",), {}),)
BINARY_CASES: tuple[Any, ...] = ((("N,4", "N,4"), {}), (("N,4", "4"), {}), (("N,4", ""), {}))

constant = define("constant", constant_type, flops=lambda eq: 0, cheap=always)


def _unary(domain: Callable[[Domain], Domain]) -> Callable[[Type], Type]:
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


def _floor_domain(x: Domain) -> Domain:
    low, high = (v if math.isinf(v) else math.floor(v) for v in (x.low, x.high))
    # An open end that is whole itself is not reached from below.
    high -= x.high_open and high == x.high
    return Domain(low, high, math.isinf(low), math.isinf(high), whole=True)


def _square_domain(x: Domain) -> Domain:
    size = _absolute_domain(x)
    return size * size


neg = define("neg", _unary(lambda x: -x), numpy="-x", onnx="Neg", cases=UNARY, grad=lambda b, g: (-g,))
exp = define(
    "exp",
    _unary(lambda x: x.map(math.exp)),
    numpy="np.exp(x)",
    onnx="Exp",
    cases=UNARY,
    grad=lambda b, g: (g * b.results[0],),
)
expm1 = define(
    "expm1",
    _unary(lambda x: x.map(math.expm1)),
    numpy="np.expm1(x)",
    onnx=lambda g, eq, x: g.Sub(g.Exp(x), g.one(eq)),
    cases=UNARY,
    grad=lambda b, g: (g * exp(b.args[0]),),
)
log = define(
    "log",
    _unary(lambda x: x.map(lambda v: math.log(v) if v > 0 else -math.inf)),
    numpy="np.log(x)",
    onnx="Log",
    cases=POSITIVE,
    grad=lambda b, g: (g / b.args[0],),
)
log1p = define(
    "log1p",
    _unary(lambda x: x.map(lambda v: math.log1p(v) if v > -1 else -math.inf)),
    numpy="np.log1p(x)",
    onnx=lambda g, eq, x: g.Log(g.Add(x, g.one(eq))),
    cases=POSITIVE,
    grad=lambda b, g: (g / (1 + b.args[0]),),
)
sqrt = define(
    "sqrt",
    _unary(lambda x: x.map(lambda v: math.sqrt(max(v, 0.0)))),
    numpy="np.sqrt(x)",
    onnx="Sqrt",
    cases=POSITIVE,
    grad=lambda b, g: (g / (2 * b.results[0]),),
)
square = define(
    "square",
    _unary(_square_domain),
    numpy="np.square(x)",
    onnx=lambda g, eq, x: g.Mul(x, x),
    cases=UNARY,
    grad=lambda b, g: (g * (2 * b.args[0]),),
)
absolute = define(
    "absolute",
    _unary(_absolute_domain),
    numpy="np.abs(x)",
    onnx="Abs",
    cases=UNARY,
    grad=lambda b, g: (g * sign(b.args[0]),),
)
sign = define("sign", _unary(lambda x: SIGNED_UNIT), numpy="np.sign(x)", onnx="Sign", cases=UNARY)
floor = define("floor", _unary(_floor_domain), numpy="np.floor(x)", onnx="Floor", cases=UNARY)
cos = define(
    "cos",
    _unary(lambda x: SIGNED_UNIT),
    numpy="np.cos(x)",
    onnx="Cos",
    cases=UNARY,
    grad=lambda b, g: (-g * sin(b.args[0]),),
)
sin = define(
    "sin",
    _unary(lambda x: SIGNED_UNIT),
    numpy="np.sin(x)",
    onnx="Sin",
    cases=UNARY,
    grad=lambda b, g: (g * cos(b.args[0]),),
)
tanh = define(
    "tanh",
    _unary(lambda x: Domain(-1.0, 1.0)),
    numpy="np.tanh(x)",
    onnx="Tanh",
    cases=UNARY,
    grad=lambda b, g: (g * (1 - square(b.results[0])),),
)
sigmoid = define(
    "sigmoid",
    _unary(lambda x: OPEN_UNIT),
    # Through tanh, since exp(-x) overflows.
    numpy="0.5 * (1 + np.tanh(0.5 * x))",
    onnx="Sigmoid",
    cases=UNARY,
    grad=lambda b, g: (g * (b.results[0] * (1 - b.results[0])),),
    flops=lambda eq: 4 * elements(eq),
)
softplus = define(
    "softplus",
    _unary(lambda x: Domain(low=0.0)),
    numpy="np.logaddexp(x, 0)",
    onnx=lambda g, eq, x: g.Add(g.Max(x, g.zero(eq)), g.Log(g.Add(g.one(eq), g.Exp(g.Neg(g.Abs(x)))))),
    cases=UNARY,
    grad=lambda b, g: (g * sigmoid(b.args[0]),),
    flops=lambda eq: 4 * elements(eq),
)


def erf_kernel(x):
    """Return the error function of each element; NumPy has none, so math.erf is mapped."""
    values = [math.erf(value) for value in x.ravel().tolist()]
    return np.array(values, x.dtype).reshape(x.shape)


erf = define(
    "erf",
    _unary(lambda x: Domain(-1.0, 1.0)),
    numpy="erf(x)",
    kernels=(erf_kernel,),
    onnx="Erf",
    cases=UNARY,
    grad=lambda b, g: (g * (2 / math.sqrt(math.pi) * exp(-square(b.args[0]))),),
    flops=lambda eq: 20 * elements(eq),
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
    return NON_NEGATIVE if x.low >= 0 else REAL


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


def _comparison(x: Type, y: Type) -> Type:
    return Type("bool", elementwise(x, y), BINARY)


greater = define("greater", _comparison, numpy="x > y", onnx="Greater", cases=BINARY_CASES)
less = define("less", _comparison, numpy="x < y", onnx="Less", cases=BINARY_CASES)
greater_equal = define("greater_equal", _comparison, numpy="x >= y", onnx="GreaterOrEqual", cases=BINARY_CASES)
less_equal = define("less_equal", _comparison, numpy="x <= y", onnx="LessOrEqual", cases=BINARY_CASES)
equal = define("equal", _comparison, numpy="x == y", onnx="Equal", cases=((("N,1 of 4", "4 of 4"), {}),))
logical_and = define(
    "logical_and",
    _comparison,
    numpy="x & y",
    onnx="And",
    cases=((("N,4 of bool", "N,4 of bool"), {}),),
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
