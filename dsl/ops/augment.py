"""Primitives that change images by drawn numbers: turned around, cut at a place, and blanked around one."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from ..facts import no_work
from ..ir import Backward, Equation, Tensor, define
from ..types import Domain, Shape, Type, point
from .conv import sizes_of
from .elementwise import flat, floor_domain

Sizes = tuple[int, ...]


# Places ---------------------------------------------------------------------------------------------------------------


def _below_type(draws: Type, *, counts: Sizes) -> Type:
    return Type("i64", draws.shape, reduce(Domain.join, (floor_domain(draws.domain * point(n)) for n in counts)))


def _below_onnx(g: Any, eq: Equation, draws: str) -> str:
    counts = np.array(eq.attrs["counts"], np.float64)
    wide = g.Cast(draws, to=g.dtype(replace(eq.args[0].type, dtype="f64")))
    return g.Cast(g.Mul(wide, g.constant(counts)), to=g.dtype(eq.results[0].type))


# In float64 whatever the draws are, as NumPy takes a list of whole numbers: the 24 bits of a float32 draw times a size
# are exact there, so that every engine finds the same place, and never the count itself.
below = define(
    "below",
    _below_type,
    numpy=lambda draws, counts: f"(draws * {list(counts)}).astype(np.int64)",
    onnx=_below_onnx,
    cases=((("N,2 in unit",), {"counts": (9, 4)}), (("N,1 in unit",), {"counts": (3,)})),
    grad=flat,
)

# An axis turned around ------------------------------------------------------------------------------------------------

# The end of a slice that runs backward to the first element, as ONNX says it.
BEFORE_THE_FIRST = -(2**31)

reverse = define(
    "reverse",
    lambda x, *, axis: replace(x, domain=x.domain.interval),
    numpy=lambda x, axis: f"x[{', '.join([':'] * axis + ['::-1'])}]",
    onnx=lambda g, eq, x: g.Slice(
        x, g.ints((-1,)), g.ints((BEFORE_THE_FIRST,)), g.ints((eq.attrs["axis"],)), g.ints((-1,))
    ),
    flops=no_work,
    cases=((("N,2,3",), {"axis": 2}), (("N,2,3,4",), {"axis": 2})),
    grad=lambda b, g: (reverse(g, **b.attrs),),
)

# Windows --------------------------------------------------------------------------------------------------------------


def box(first, end):
    """Return the slices of an image that hold a window in all channels."""
    return (slice(None), *map(slice, first, end))


def crop_at_kernel(x, corners, size):
    """Return of each image the window of a size that begins at its own corner."""
    return np.stack([x[n][box(at, at + size)] for n, at in enumerate(corners)])


def crop_at_grad_kernel(dy, corners, shape):
    """Return the gradient of images of a shape, which is 0 outside of their windows."""
    dx = np.zeros((len(dy), *shape), dy.dtype)
    for n, at in enumerate(corners):
        dx[n][box(at, at + dy.shape[2:])] = dy[n]
    return dx


def _crop_type(x: Type, corners: Type, *, size: Sizes) -> Type:
    return replace(x, shape=(*x.shape[:2], *size), domain=x.domain.interval)


def _along(g: Any, places: str, axis: int, rank: int) -> str:
    """Each example's place along an axis, in a shape that broadcasts over images."""
    return g.Reshape(g.Gather(places, g.ints((axis - 2,)), axis=1), g.ints((-1, *[1] * (rank - 1))))


def _pixels(g: Any, axis: int, corners: str, sizes: Sizes) -> str:
    """The numbers of the pixels of each example's window along an axis, for each place of an array of some sizes."""
    rank = len(sizes) + 1
    corner = _along(g, corners, axis, rank)
    ahead = g.constant(np.arange(sizes[axis - 1]).reshape(1, *(-1 if a == axis else 1 for a in range(1, rank))))
    return g.Expand(g.Add(corner, ahead), g.ints((1, *sizes)))


def _crop_onnx(g: Any, eq: Equation, x: str, corners: str) -> str:
    sizes = list(sizes_of(eq.args[0].type)[1:])
    for axis, size in enumerate(eq.attrs["size"], 2):
        sizes[axis - 1] = size
        x = g.GatherElements(x, _pixels(g, axis, corners, tuple(sizes)), axis=axis)
    return x


CROPS: tuple[tuple[str, str, Sizes], ...] = (
    ("N,2,5", "N,1 of 3", (3,)),
    ("N,1,5,6", "N,2 of 3", (3, 4)),
    ("N,2,3,2,4", "N,3 of 2", (2, 1, 3)),
)

crop_at = define(
    "crop_at",
    _crop_type,
    numpy=lambda x, corners, size: f"crop_at(x, corners, {size})",
    kernels=(box, crop_at_kernel),
    onnx=_crop_onnx,
    flops=no_work,
    cases=tuple(((x, corners), {"size": size}) for x, corners, size in CROPS),
    grad=lambda b, g: (crop_at_grad(g, b.args[1], shape=b.args[0].shape[1:]), None),
)


def _crop_grad_onnx(g: Any, eq: Equation, dy: str, corners: str) -> str:
    sizes = list(sizes_of(eq.args[0].type)[1:])
    for axis, whole in reversed([*enumerate(eq.attrs["shape"][1:], 2)]):
        pixels = _pixels(g, axis, corners, tuple(sizes))
        sizes[axis - 1] = whole
        empty = g.Expand(g.zero(eq), g.Concat(g.Shape(dy, start=0, end=1), g.ints(sizes), axis=0))
        dy = g.ScatterElements(empty, pixels, dy, axis=axis)
    return dy


def _crop_case(x: str, corners: str, size: Sizes) -> tuple[tuple[str, str], dict[str, Any]]:
    shape = tuple(map(int, x.split(",")[1:]))
    return (",".join(["N", *map(str, (shape[0], *size))]), corners), {"shape": shape}


crop_at_grad = define(
    "crop_at_grad",
    lambda dy, corners, *, shape: Type(dy.dtype, (dy.shape[0], *shape)),
    numpy=lambda dy, corners, shape: f"crop_at_grad(dy, corners, {shape})",
    kernels=(box, crop_at_grad_kernel),
    onnx=_crop_grad_onnx,
    flops=no_work,
    cases=tuple(_crop_case(*case) for case in CROPS),
)

# Squares of zeros -----------------------------------------------------------------------------------------------------


def blank_at_kernel(x, middles, size):
    """Return the images with zeros in a window around a middle of each."""
    y = x.copy()
    for n, middle in enumerate(middles):
        first = middle - np.floor_divide(size, 2)
        y[n][box(np.maximum(first, 0), first + size)] = 0  # what lies beyond is lost
    return y


def _blank_onnx(g: Any, eq: Equation, x: str, middles: str) -> str:
    rank, inside = eq.args[0].type.rank, ""
    for axis, size in enumerate(eq.attrs["size"], 2):
        middle = _along(g, middles, axis, rank)
        pixels = np.arange(eq.args[0].type.shape[axis]) + size // 2
        # How far behind the window's first pixel each pixel stands.
        ahead = g.Sub(g.constant(pixels.reshape(-1, *[1] * (rank - 1 - axis))), middle)
        within = g.And(g.GreaterOrEqual(ahead, g.constant(np.array(0))), g.Less(ahead, g.constant(np.array(size))))
        inside = g.And(inside, within) if inside else within
    return g.Where(inside, g.zero(eq), x)


def _blank_grad(b: Backward, g: Tensor) -> tuple[Tensor, None]:
    return blank_at(g, b.args[1], **b.attrs), None


def _blank_type(x: Type, middles: Type, *, size: Shape) -> Type:
    return replace(x, domain=x.domain.interval.join(point(0.0)).interval)


blank_at = define(
    "blank_at",
    _blank_type,
    numpy=lambda x, middles, size: f"blank_at(x, middles, {size})",
    kernels=(box, blank_at_kernel),
    onnx=_blank_onnx,
    flops=no_work,
    cases=(
        (("N,2,5", "N,1 of 5"), {"size": (2,)}),
        (("N,1,5,6", "N,2 of 5"), {"size": (3, 4)}),
        (("N,2,3,2,4", "N,3 of 2"), {"size": (2, 1, 3)}),
    ),
    grad=_blank_grad,
)
