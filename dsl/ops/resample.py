"""Primitives that give images another size: margins, repeated pixels, and weighted sums along an axis."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ..facts import no_work
from ..ir import OPS, Backward, Equation, Tensor, define
from ..types import UNIT, Shape, Type, count, point
from .elementwise import flat
from .shape import padded

Sizes = tuple[int, ...]
Margins = tuple[tuple[int, int], ...]


# Margins --------------------------------------------------------------------------------------------------------------


def _resized(x: Type, change: list[int]) -> Shape:
    sizes = tuple(n + c for n, c in zip(x.shape[2:], change, strict=True) if isinstance(n, int))
    assert len(sizes) == len(change) and min(sizes) > 0, (x, change)
    return (*x.shape[:2], *sizes)


def _pad_type(x: Type, *, pad: Margins) -> Type:
    return Type(x.dtype, _resized(x, [sum(p) for p in pad]), x.domain.join(point(0.0)))


zero_pad = define(
    "zero_pad",
    _pad_type,
    numpy=lambda x, pad: f"np.pad(x, {((0, 0), (0, 0), *pad)})",
    onnx=lambda g, eq, x: padded(g, x, ((0, 0), (0, 0), *eq.attrs["pad"])),
    flops=no_work,
    cases=((("N,2,3",), {"pad": ((1, 2),)}), (("N,1,2,3",), {"pad": ((0, 1), (2, 0))})),
    grad=lambda b, g: (crop(g, **b.attrs),),
)


def _crop_type(x: Type, *, pad: Margins) -> Type:
    return replace(x, shape=_resized(x, [-sum(p) for p in pad]), domain=replace(x.domain, simplex=None))


def _crop_spelling(x: Type, pad: Margins) -> str:
    kept = [f"{before or ''}:{-behind if behind else ''}" for before, behind in pad]
    return f"x[:, :, {', '.join(kept)}]"


def _crop_onnx(g: Any, eq: Equation, x: str) -> str:
    ends = zip(eq.attrs["pad"], eq.args[0].type.shape[2:], strict=True)
    spans = [(before, n - behind) for (before, behind), n in ends if isinstance(n, int)]
    axes = range(2, 2 + len(spans))
    return g.Slice(x, g.ints([start for start, _ in spans]), g.ints([stop for _, stop in spans]), g.ints(axes))


crop = define(
    "crop",
    _crop_type,
    numpy=_crop_spelling,
    onnx=_crop_onnx,
    flops=no_work,
    cases=((("N,2,4",), {"pad": ((1, 2),)}), (("N,1,3,3",), {"pad": ((0, 1), (2, 0))})),
    grad=lambda b, g: (zero_pad(g, **b.attrs),),
)


# Repeated pixels ------------------------------------------------------------------------------------------------------


def _upsample_type(x: Type, *, factors: Sizes) -> Type:
    sizes = tuple(n * f for n, f in zip(x.shape[2:], factors, strict=True) if isinstance(n, int))
    return replace(x, shape=(*x.shape[:2], *sizes), domain=replace(x.domain, simplex=None))


def _upsample_spelling(x: Type, factors: Sizes) -> str:
    # The last axis first, so that the longer rows are copied as a whole.
    steps = [f".repeat({f}, axis={axis})" for axis, f in enumerate(factors, 2) if f > 1]
    return f"x{''.join(reversed(steps))}"


def _upsample_onnx(g: Any, eq: Equation, x: str) -> str:
    scales = g.constant(np.array([1, 1, *eq.attrs["factors"]], np.float32))
    how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    return g.Resize(x, "", scales, **how)


def _upsample_grad(b: Backward, g: Tensor) -> tuple[Tensor]:
    size = b.attrs["factors"]
    return (OPS["avg_pool"](g, size=size, stride=size, pad=((0, 0),) * len(size)) * math.prod(size),)


upsample = define(
    "upsample",
    _upsample_type,
    numpy=_upsample_spelling,
    onnx=_upsample_onnx,
    flops=no_work,
    cases=(
        (("N,2,3",), {"factors": (2,)}),
        (("N,1,2,3",), {"factors": (3, 2)}),
        (("N,1,2,1,2",), {"factors": (2, 1, 3)}),
    ),
    grad=_upsample_grad,
)


# Weighted sums along an axis ------------------------------------------------------------------------------------------


def interpolation_kernel(n, m, dtype):
    """Return the shares of n pixels in m between their middles; ends are kept."""
    at = np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1)
    return np.maximum(1 - abs(np.arange(n)[:, None] - at), 0).astype(dtype)


def averaging_kernel(n, m, dtype):
    """Return the shares of n pixels in the means of m windows that cover them."""
    starts, ends = np.arange(m) * n // m, -(-(np.arange(m) + 1) * n // m)
    pixel = np.arange(n)[:, None]
    covered = (starts <= pixel) & (pixel < ends)
    return covered.astype(dtype) / (ends - starts).astype(dtype)


def _shares(name: str, kernel: Any) -> Any:
    """A primitive that gives the shares of the pixels of an axis, a column for each pixel wanted."""

    def nodes(g: Any, eq: Equation, like: str) -> str:
        return g.constant(kernel(eq.attrs["given"], eq.attrs["wanted"], np.float64).astype(np.float32))

    return define(
        name,
        lambda like, *, given, wanted: Type(like.dtype, (given, wanted), UNIT),
        numpy=f"{name}(given, wanted, like.dtype)",
        kernels=(kernel,),
        onnx=nodes,
        flops=no_work,
        cases=((("N,2",), {"given": 3, "wanted": 7}), (("N,2",), {"given": 7, "wanted": 3})),
        grad=flat,
    )


interpolation = _shares("interpolation", interpolation_kernel)
averaging = _shares("averaging", averaging_kernel)


def _weighted_type(x: Type, shares: Type, *, axis: int, back: bool = False) -> Type:
    given, wanted = shares.shape[::-1] if back else shares.shape
    assert x.shape[axis] == given, (x, shares)
    return Type(x.dtype, (*x.shape[:axis], wanted, *x.shape[axis + 1 :]))


def _weighted_spelling(x: Type, shares: Type, axis: int, back: bool = False) -> str:
    right, left = ("shares.T", "shares") if back else ("shares", "shares.T")
    if axis == x.rank - 1:
        return f"x @ {right}"
    return f"{left} @ x" if axis == x.rank - 2 else f"(x.swapaxes({axis}, -1) @ {right}).swapaxes({axis}, -1)"


def _weighted_onnx(g: Any, eq: Equation, x: str, shares: str) -> str:
    rank, axis = eq.args[0].type.rank, eq.attrs["axis"]
    right = g.Transpose(shares, perm=[1, 0]) if eq.attrs.get("back") else shares
    if axis == rank - 1:
        return g.MatMul(x, right)
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    return g.Transpose(g.MatMul(g.Transpose(x, perm=order), right), perm=order)


# The shares are numbers of the spec's sizes, which nothing trains; `back` goes from the wanted pixels to the given.
weighted = define(
    "weighted",
    _weighted_type,
    numpy=_weighted_spelling,
    onnx=_weighted_onnx,
    flops=lambda eq: 2 * count(eq.results[0].type.shape) * (count(eq.args[0].type.shape[eq.attrs["axis"] :][:1])),
    cases=(
        (("N,2,3", "3,4"), {"axis": 2}),
        (("N,2,3,4", "3,2"), {"axis": 2}),
        (("N,1,2,3,2", "2,3"), {"axis": 2}),
        (("N,2,3", "4,3"), {"axis": 2, "back": True}),
        (("N,2,3,4", "2,3"), {"axis": 2, "back": True}),
        (("N,1,2,3,2", "3,2"), {"axis": 2, "back": True}),
    ),
    grad=lambda b, g: (
        weighted(g, b.args[1], axis=b.attrs["axis"], **({} if b.attrs.get("back") else {"back": True})),
        None,
    ),
)
