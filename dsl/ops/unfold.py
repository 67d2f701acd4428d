"""What stands in a window at each place, as columns of numbers, for layers with weights of their own at each place."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..facts import no_work
from ..ir import Backward, Equation, Tensor, define
from ..types import Shape, Type, point
from .conv import Margins, Sizes, attributes, columns, fold, places, sizes_of, spelled, unseen
from .pool import with_margins, without_margins


def unfold_kernel(x, size, stride=1, dilation=1, pad=0):
    """Return what stands in a window at each place, (N, C * its numbers, places)."""
    seen = columns(with_margins(x, pad), size, stride, dilation)
    places = seen.shape[2 + len(size) :]
    return seen.reshape(len(x), x.shape[1] * math.prod(size), math.prod(places))


def unfold_grad_kernel(dy, shape, size, stride=1, dilation=1, pad=0):
    """Return the gradient of x, of a shape behind N, from that of its windows."""
    margins = np.broadcast_to(pad, (len(size), 2)).sum(axis=1)
    whole = (len(dy), shape[0], *shape[1:] + margins)
    return without_margins(fold(dy, whole, size, stride, dilation), pad)


def _type(x: Type, *, size: Sizes, stride: Sizes, dilation: Sizes, pad: Margins) -> Type:
    found = places(x.shape[2:], size, stride, dilation, pad)
    domain = x.domain.interval.join(point(0.0)).interval if any(map(any, pad)) else x.domain.interval
    return Type(x.dtype, (x.shape[0], sizes_of(x)[1] * math.prod(size), math.prod(found)), domain)


def _filters(g: Any, channels: int, size: Sizes) -> str:
    """Filters each of which finds one number of the window in its channel."""
    numbers = math.prod(size)
    one = np.eye(numbers, dtype=np.float32).reshape(numbers, 1, *size)
    return g.constant(np.tile(one, (channels, *[1] * (one.ndim - 1))))


def _onnx(g: Any, eq: Equation, x: str) -> str:
    size, steps = eq.attrs["size"], _steps(eq.attrs)
    channels = sizes_of(eq.args[0].type)[1]
    found = g.Conv(x, _filters(g, channels, size), **attributes(**steps, groups=channels))
    return g.Reshape(found, g.ints((-1, *sizes_of(eq.results[0].type)[1:])))


def _steps(attrs: dict[str, Any]) -> dict[str, Any]:
    return {name: attrs[name] for name in ("stride", "dilation", "pad")}


def _grad(b: Backward, g: Tensor) -> tuple[Tensor]:
    return (unfold_grad(g, shape=b.args[0].shape[1:], **b.attrs),)


CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("N,2,5,4", {"size": (3, 2), "stride": (1, 1), "dilation": (1, 1), "pad": ((0, 0), (0, 0))}),
    ("N,1,6,4", {"size": (2, 2), "stride": (3, 1), "dilation": (1, 2), "pad": ((0, 1), (1, 0))}),
    ("N,3,6", {"size": (3,), "stride": (2,), "dilation": (1,), "pad": ((1, 0),)}),
)

unfold = define(
    "unfold",
    _type,
    numpy=spelled("unfold(x"),
    kernels=(with_margins, columns, unfold_kernel),
    onnx=_onnx,
    flops=no_work,
    cases=tuple(((x,), attrs) for x, attrs in CASES),
    grad=_grad,
)


def _grad_type(dy: Type, *, shape: Shape, size: Sizes, stride: Sizes, dilation: Sizes, pad: Margins) -> Type:
    return Type(dy.dtype, (dy.shape[0], *shape))


def _grad_spelling(dy: Type, shape: Shape, **attrs: Any) -> str:
    return spelled(f"unfold_grad(dy, {shape}")(dy, **attrs)


def _grad_onnx(g: Any, eq: Equation, dy: str) -> str:
    a, steps = eq.attrs, _steps(eq.attrs)
    channels, *sizes = a["shape"]
    found = places(tuple(sizes), a["size"], **steps)
    spread = g.Reshape(dy, g.ints((-1, channels * math.prod(a["size"]), *found)))
    left = unseen(tuple(sizes), a["size"], **steps)
    filters = _filters(g, channels, a["size"])
    return g.ConvTranspose(spread, filters, output_padding=left, **attributes(**steps, groups=channels))


def _grad_case(x: str, attrs: dict[str, Any]) -> tuple[tuple[str], dict[str, Any]]:
    shape = tuple(map(int, x.split(",")[1:]))
    found = places(shape[1:], attrs["size"], **_steps(attrs))
    return (f"N,{shape[0] * math.prod(attrs['size'])},{math.prod(found)}",), {"shape": shape, **attrs}


unfold_grad = define(
    "unfold_grad",
    _grad_type,
    numpy=_grad_spelling,
    kernels=(without_margins, columns, fold, unfold_grad_kernel),
    onnx=_grad_onnx,
    cases=tuple(_grad_case(*case) for case in CASES),
)
