"""Primitives that reduce axes."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..ir import Backward, Equation, Tensor, define
from ..types import BINARY, NON_NEGATIVE, REAL, Domain, Shape, Type, count
from .elementwise import equal
from .shape import cast, expand_dims, size

# None stands for all axes, however many there are.
Axes = tuple[int, ...] | None
CASES: tuple[Any, ...] = (
    (("N,4",), {"axes": (0,), "keepdims": False}),
    (("N,4",), {"axes": (1,), "keepdims": False}),
    (("N,4",), {"axes": (1,), "keepdims": True}),
    (("N,4",), {"axes": (0, 1), "keepdims": False}),
    (("N,4",), {"axes": None, "keepdims": False}),
)


def reduced(shape: Shape, axes: Axes, keepdims: bool) -> Shape:
    """The shape that is left when axes are reduced."""
    gone = range(len(shape)) if axes is None else axes
    if keepdims:
        return tuple(1 if axis in gone else d for axis, d in enumerate(shape))
    return tuple(d for axis, d in enumerate(shape) if axis not in gone)


def _total_type(x: Type, *, axes: Axes, keepdims: bool) -> Type:
    domain = NON_NEGATIVE if x.domain.low >= 0 else -NON_NEGATIVE if x.domain.high <= 0 else REAL
    dtype = "f32" if x.dtype in ("bool", "i64") else x.dtype
    return Type(dtype, reduced(x.shape, axes, keepdims), domain)


def _mean_type(x: Type, *, axes: Axes, keepdims: bool) -> Type:
    dtype = "f32" if x.dtype in ("bool", "i64") else x.dtype
    return Type(dtype, reduced(x.shape, axes, keepdims), x.domain.interval)


def _options(x: Type, axes: Axes, keepdims: bool) -> str:
    parts: list[str] = []
    if axes is not None and (len(axes) < x.rank or keepdims):
        parts.append(f"axis={axes[0] if len(axes) == 1 else axes}")
    return ", ".join([*parts, *(["keepdims=True"] if keepdims else [])])


def _named(x: Type, axes: Axes) -> tuple[int, ...]:
    """The axes, also where they are all."""
    return tuple(range(x.rank)) if axes is None else axes


def _spread_back(b: Backward, g: Tensor) -> Tensor:
    """The gradient with the reduced axes put back as axes of size one."""
    if b.attrs["keepdims"] or not g.shape:
        return g
    axes = b.attrs["axes"]
    return expand_dims(g, axis=axes[0] if len(axes) == 1 else axes)


def _spelling(method: str) -> Any:
    return lambda x, axes, keepdims: f"x.{method}({_options(x, axes, keepdims)})"


def _onnx(operator: str) -> Any:
    def build(g: Any, eq: Equation, x: str) -> str:
        x = g.number(x, eq.args[0].type)
        axes = eq.attrs["axes"]
        return g.node(operator, x, *([] if axes is None else [g.ints(axes)]), keepdims=int(eq.attrs["keepdims"]))

    return build


def _work(eq: Equation) -> int:
    return count(eq.args[0].type.shape)


total = define(
    "total",
    _total_type,
    numpy=_spelling("sum"),
    onnx=_onnx("ReduceSum"),
    cases=CASES,
    flops=_work,
    grad=lambda b, g: (_spread_back(b, g),),
)
mean = define(
    "mean",
    _mean_type,
    numpy=_spelling("mean"),
    onnx=_onnx("ReduceMean"),
    cases=CASES,
    flops=_work,
    grad=lambda b, g: (_spread_back(b, g / size(b.args[0], axes=_named(b.args[0].type, b.attrs["axes"]))),),
)


def _extreme_type(x: Type, *, axes: Axes, keepdims: bool) -> Type:
    return Type(x.dtype, reduced(x.shape, axes, keepdims), x.domain.interval)


def _extreme_grad(b: Backward, g: Tensor) -> tuple[Tensor]:
    # In equal shares where several elements are the extreme one, as PyTorch's amax has it.
    x, axes = b.args[0], b.attrs["axes"]
    hits = cast(equal(x, _spread_back(b, b.results[0])), dtype="f32")
    return (_spread_back(b, g) * hits / total(hits, axes=axes, keepdims=True),)


amax = define(
    "amax",
    _extreme_type,
    numpy=_spelling("max"),
    onnx=_onnx("ReduceMax"),
    cases=CASES,
    flops=_work,
    grad=_extreme_grad,
)
amin = define(
    "amin",
    _extreme_type,
    numpy=_spelling("min"),
    onnx=_onnx("ReduceMin"),
    cases=CASES,
    flops=_work,
    grad=_extreme_grad,
)


def _spread_type(x: Type, *, axis: int) -> Type:
    return Type(x.dtype, reduced(x.shape, (axis,), False), NON_NEGATIVE)


# Of data statistics alone, so it has no ONNX form.
spread = define("spread", _spread_type, numpy="np.ptp(x, axis=axis)", cases=((("N,4",), {"axis": 0}),))


def _argmax_type(x: Type, *, axis: int) -> Type:
    last = x.shape[axis]
    high = float(last - 1) if isinstance(last, int) else float("inf")
    domain = replace(BINARY, high=high) if high >= 0 else Domain()
    return Type("i64", reduced(x.shape, (axis % x.rank,), False), domain)


argmin = define(
    "argmin",
    _argmax_type,
    numpy="x.argmin(axis=axis)",
    onnx=lambda g, eq, x: g.ArgMin(x, axis=eq.attrs["axis"], keepdims=0),
    cases=((("N,4",), {"axis": 1}),),
)
argmax = define(
    "argmax",
    _argmax_type,
    numpy="x.argmax(axis=axis)",
    onnx=lambda g, eq, x: g.ArgMax(x, axis=eq.attrs["axis"], keepdims=0),
    cases=((("N,4",), {"axis": 1}),),
)
