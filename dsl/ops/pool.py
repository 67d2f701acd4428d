"""Primitives that slide a window over images: the largest number of each window, the mean, and their gradients."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..derived_steps import derived
from ..facts import no_work
from ..ir import Backward, Equation, Tensor, define
from ..types import Dim, Domain, Shape, Type, count, point
from .elementwise import flat
from .plain import AVG_POOL, AVG_POOL_GRAD, MAX_POOL, MAX_POOL_GRAD
from .resample import upsample

Sizes = tuple[int, ...]
# What is added before and behind each axis of an image.
Margins = tuple[tuple[int, int], ...]


# Kernels --------------------------------------------------------------------------------------------------------------


def in_windows(x, size, stride):
    """Return, for each place of a window, the view of what stands there in all."""
    axes = x.ndim - 2
    size, stride = np.broadcast_to(size, axes), np.broadcast_to(stride, axes)
    span = ((np.array(x.shape[2:]) - size) // stride + 1) * stride
    starts = [np.array(place) for place in np.ndindex(*size)]
    return [x[(..., *map(slice, at, at + span, stride))] for at in starts]


def with_margins(x, pad, value=0.0):
    """Return x with margins around its images: of one width, or before and behind."""
    if pad == 0:
        return x
    margins = np.broadcast_to(pad, (x.ndim - 2, 2))
    return np.pad(x, ((0, 0), (0, 0), *margins), constant_values=value)


def without_margins(x, pad):
    """Return x without the margins around its images."""
    before, behind = np.broadcast_to(pad, (x.ndim - 2, 2)).T
    return x[(..., *map(slice, before, x.shape[2:] - behind))]


def max_pool_kernel(x, size, stride, pad=0):
    """Return the largest number of each window; a margin never is."""
    first, *others = in_windows(with_margins(x, pad, -np.inf), size, stride)
    y = first.copy()
    for part in others:
        np.maximum(y, part, out=y)
    return y


def max_pool_grad_kernel(dy, x, y, size, stride, pad=0):
    """Return the gradient of x: each window's goes to the first of its largest."""
    x = with_margins(x, pad, -np.inf)
    dx, left = np.zeros_like(x), dy.copy()
    both = in_windows(x, size, stride), in_windows(dx, size, stride)
    for part, dpart in zip(*both, strict=True):
        share = left * (part == y)
        np.add(dpart, share, out=dpart)
        left -= share
    return without_margins(dx, pad)


def avg_pool_kernel(x, size, stride, pad=0):
    """Return the mean of each window; a margin counts as zeros."""
    first, *others = in_windows(with_margins(x, pad), size, stride)
    y = first.copy()
    for part in others:
        y += part
    return y / (1 + len(others))


def avg_pool_grad_kernel(dy, shape, size, stride, pad=0):
    """Return the gradient of images of a shape: each window's in equal shares."""
    wide = shape + np.broadcast_to(pad, (len(shape), 2)).sum(axis=1)
    dx = np.zeros((*dy.shape[:2], *wide), dy.dtype)
    parts = in_windows(dx, size, stride)
    share = dy / len(parts)
    for part in parts:
        part += share
    return without_margins(dx, pad)


# Windows --------------------------------------------------------------------------------------------------------------


def reach(sizes: Shape, size: Sizes, stride: Sizes, pad: Margins) -> Shape:
    """How many windows fit along each axis of an image; none or less where not even one does."""
    axes = zip(sizes, size, stride, pad, strict=True)
    return tuple(_fitting(n, k, s, sum(p)) for n, k, s, p in axes)


def _fitting(axis: Dim, size: int, stride: int, added: int) -> Dim:
    if isinstance(axis, int):
        return (axis + added - size) // stride + 1
    steps = derived(axis)
    assert steps, axis
    return steps.windows(added, size, stride).name


def rest(sizes: Shape, size: Sizes, stride: Sizes, pad: Margins) -> list[int]:
    """How much of each axis stands behind the last window; where only run time knows it, the most that it can be."""
    axes = zip(sizes, size, stride, pad, strict=True)
    return [(n + sum(p) - k) % s if isinstance(n, int) else s - 1 for n, k, s, p in axes]


def cut(g: Any, found: str, like: str, sizes: Shape, stride: Sizes) -> str:
    """What has the most behind its last window that there can be, with as much as another value has."""
    ragged = [2 + at for at, (n, s) in enumerate(zip(sizes, stride, strict=True)) if isinstance(n, str) and s > 1]
    if not ragged:
        return found
    ends = [g.Shape(like, start=axis, end=axis + 1) for axis in ragged]
    end = ends[0] if len(ends) == 1 else g.Concat(*ends, axis=0)
    return g.Slice(found, g.ints([0] * len(ragged)), end, g.ints(ragged))


def before_places(g: Any, sizes: Sequence[Dim], value: str, type: Type) -> str:
    """A shape of some sizes, then those of the axes that a value has behind its channels."""
    places = type.shape[2:]
    if all(isinstance(n, int) for n in places):
        return g.ints((*sizes, *places))
    return g.Concat(g.ints(sizes), g.Shape(value, start=2), axis=0)


def _pooled(x: Type, size: Sizes, stride: Sizes, pad: Margins, domain: Domain) -> Type:
    sizes = reach(x.shape[2:], size, stride, pad)
    assert all(isinstance(n, str) or n > 0 for n in sizes), (x, size)
    return Type(x.dtype, (*x.shape[:2], *sizes), domain)


def short(sizes: tuple[Any, ...]) -> str:
    """The sizes of all axes as a call takes them: one number, where they are all the same."""
    found = {size if isinstance(size, int) else size[0] if size[0] == size[1] else size for size in sizes}
    alone = found.pop()
    return str(alone) if not found and isinstance(alone, int) else str(sizes)


def _spelled(call: str, *names: str) -> Any:
    def spell(*types: Type, size: Sizes, stride: Sizes, pad: Margins, shape: Sizes = ()) -> str:
        given = [*names, *([str(shape)] if shape else []), short(size), f"stride={short(stride)}"]
        given += [f"pad={short(pad)}"] if any(map(any, pad)) else []
        return f"{call}({', '.join(given)})"

    return spell


def window_of(size: Sizes, stride: Sizes, pad: Margins) -> dict[str, list[int]]:
    """The attributes that say the same to an operator of ONNX."""
    pads = [before for before, _ in pad] + [behind for _, behind in pad]
    return {"kernel_shape": list(size), "strides": list(stride), "pads": pads}


def _work(eq: Equation) -> int:
    return count(eq.results[0].type.shape) * math.prod(eq.attrs["size"])


def _work_back(eq: Equation) -> int:
    return count(eq.args[0].type.shape) * math.prod(eq.attrs["size"])


def _case(shape: str, size: Sizes, stride: Sizes, pad: Margins = ()) -> tuple[tuple[str], dict[str, Any]]:
    return (shape,), {"size": size, "stride": stride, "pad": pad or ((0, 0),) * len(size)}


CASES = (
    _case("N,2,7", (2,), (2,)),
    _case("N,1,6", (3,), (1,), ((1, 2),)),
    _case("N,2,4,6", (2, 3), (2, 3)),
    _case("N,1,7,4", (3, 3), (2, 2), ((1, 1), (1, 1))),
    _case("N,1,2,3,4", (2, 2, 2), (1, 1, 2), ((0, 0), (0, 1), (0, 0))),
)
# The same over steps that only run time knows, of which some stand behind the last window, or none.
OVER_STEPS = (_case("N,2,T", (2,), (2,)), _case("N,2,T", (1,), (2,)), _case("N,1,T", (3,), (3,), ((1, 1),)))


# The largest ----------------------------------------------------------------------------------------------------------


def _max_type(x: Type, *, size: Sizes, stride: Sizes, pad: Margins) -> Type:
    return _pooled(x, size, stride, pad, replace(x.domain, simplex=None))


max_pool = define(
    "max_pool",
    _max_type,
    numpy=_spelled("max_pool", "x"),
    kernels=(in_windows, with_margins, max_pool_kernel),
    plain=MAX_POOL,
    onnx=lambda g, eq, x: g.MaxPool(x, **window_of(**eq.attrs)),
    flops=_work,
    cases=CASES + OVER_STEPS,
    grad=lambda b, g: (max_pool_grad(g, b.args[0], b.results[0], **b.attrs),),
)


def _max_grad_onnx(g: Any, eq: Equation, dy: str, x: str, y: str) -> str:
    """MaxPool tells the place of each largest number, the first of several, in all of x as one row."""
    attrs, row = eq.attrs, g.ints((-1,))
    places = g.several("MaxPool", 2, x, **window_of(**attrs))[1]
    zeros = g.Expand(g.zero(eq), g.Shape(g.Reshape(x, row)))
    # Where windows overlap, a number may be the largest of several.
    apart = all(k <= s for k, s in zip(attrs["size"], attrs["stride"], strict=True))
    how = "none" if apart else "add"
    return g.Reshape(
        g.ScatterElements(zeros, g.Reshape(places, row), g.Reshape(dy, row), axis=0, reduction=how), g.Shape(x)
    )


max_pool_grad = define(
    "max_pool_grad",
    lambda dy, x, y, *, size, stride, pad: Type(dy.dtype, x.shape),
    numpy=_spelled("max_pool_grad", "dy", "x", "y"),
    kernels=(in_windows, with_margins, without_margins, max_pool_grad_kernel),
    plain=MAX_POOL_GRAD,
    onnx=_max_grad_onnx,
    flops=_work_back,
)


# The mean -------------------------------------------------------------------------------------------------------------


def _avg_type(x: Type, *, size: Sizes, stride: Sizes, pad: Margins) -> Type:
    domain = x.domain.interval
    return _pooled(x, size, stride, pad, domain.join(point(0.0)).interval if any(map(any, pad)) else domain)


def _avg_grad(b: Backward, g: Tensor) -> tuple[Tensor]:
    size, stride, pad = b.attrs["size"], b.attrs["stride"], b.attrs["pad"]
    shape = tuple(n for n in b.args[0].shape[2:] if isinstance(n, int))
    if len(shape) < len(size):
        return (avg_pool_input_grad(g, b.args[0], **b.attrs),)
    if size == stride and not any(map(any, pad)) and not any(n % k for n, k in zip(shape, size, strict=True)):
        return (upsample(g / math.prod(size), factors=size),)
    return (avg_pool_grad(g, shape=shape, **b.attrs),)


avg_pool = define(
    "avg_pool",
    _avg_type,
    numpy=_spelled("avg_pool", "x"),
    kernels=(in_windows, with_margins, avg_pool_kernel),
    plain=AVG_POOL,
    onnx=lambda g, eq, x: g.AveragePool(x, count_include_pad=1, **window_of(**eq.attrs)),
    flops=_work,
    cases=CASES + OVER_STEPS,
    grad=_avg_grad,
)


def _avg_grad_onnx(g: Any, eq: Equation, dy: str) -> str:
    dx = _shared(g, eq, dy, eq.attrs["shape"])
    return g.Reshape(dx, g.ints((-1, *eq.results[0].type.shape[1:])))


def _shared(g: Any, eq: Equation, dy: str, sizes: Shape) -> str:
    """Each channel is an image of its own to a transposed convolution with a kernel of equal shares."""
    window = {name: eq.attrs[name] for name in ("size", "stride", "pad")}
    shares = np.full((1, 1, *window["size"]), 1 / math.prod(window["size"]), np.float32)
    alone = g.Reshape(dy, before_places(g, (-1, 1), dy, eq.args[0].type))
    return g.ConvTranspose(alone, g.constant(shares), output_padding=rest(sizes, **window), **window_of(**window))


avg_pool_grad = define(
    "avg_pool_grad",
    lambda dy, *, shape, size, stride, pad: Type(dy.dtype, (*dy.shape[:2], *shape)),
    numpy=_spelled("avg_pool_grad", "dy"),
    kernels=(in_windows, without_margins, avg_pool_grad_kernel),
    plain=AVG_POOL_GRAD,
    onnx=_avg_grad_onnx,
    flops=_work_back,
    cases=(
        (("N,2,3",), {"shape": (7,)} | _case("", (2,), (2,))[1]),
        (("N,1,4,2",), {"shape": (4, 4)} | _case("", (3, 2), (1, 2), ((1, 1), (0, 1)))[1]),
        (("N,2,1,2,2",), {"shape": (2, 3, 4)} | _case("", (2, 2, 2), (1, 1, 2))[1]),
    ),
)


def _avg_input_grad_onnx(g: Any, eq: Equation, dy: str, x: str) -> str:
    sizes = eq.args[1].type.shape[2:]
    return g.Reshape(cut(g, _shared(g, eq, dy, sizes), x, sizes, eq.attrs["stride"]), g.Shape(x))


# The same with the sizes of x, whose gradient it is.
avg_pool_input_grad = define(
    "avg_pool_input_grad",
    lambda dy, x, *, size, stride, pad: Type(dy.dtype, x.shape),
    numpy=_spelled("avg_pool_grad", "dy", "x.shape[2:]"),
    kernels=(in_windows, without_margins, avg_pool_grad_kernel),
    onnx=_avg_input_grad_onnx,
    flops=_work_back,
    cases=(
        (("N,2,T//2", "N,2,T"), _case("", (2,), (2,))[1]),
        (("N,1,(T+3)//3", "N,1,T"), _case("", (2,), (3,), ((1, 1),))[1]),
        (("N,2,(T+1)//2", "N,2,T"), _case("", (1,), (2,))[1]),
    ),
)


def _shares_type(x: Type, *, size: Sizes, stride: Sizes, pad: Margins) -> Type:
    return _pooled(replace(x, shape=(1, 1, *x.shape[2:])), size, stride, pad, Domain(0.0, 1.0, True, False))


def _shares_spelling(x: Type, **window: Any) -> str:
    sizes = ", ".join(map(str, x.shape[2:])) if all(isinstance(n, int) for n in x.shape[2:]) else "*x.shape[2:]"
    return _spelled("avg_pool", f"np.ones((1, 1, {sizes}), x.dtype)")(x, **window)


def _shares_onnx(g: Any, eq: Equation, x: str) -> str:
    sizes = eq.args[0].type.shape[2:]
    fixed = [n for n in sizes if isinstance(n, int)]
    if len(fixed) == len(sizes):
        ones = g.constant(np.ones((1, 1, *fixed), np.float32))
    else:
        ones = g.Expand(g.one(eq), before_places(g, (1, 1), x, eq.args[0].type))
    return g.AveragePool(ones, count_include_pad=1, **window_of(**eq.attrs))


# Which share of each window is no margin.
window_shares = define(
    "window_shares",
    _shares_type,
    numpy=_shares_spelling,
    kernels=(in_windows, with_margins, avg_pool_kernel),
    plain=AVG_POOL,
    onnx=_shares_onnx,
    flops=no_work,
    cases=CASES[1:2] + CASES[3:] + OVER_STEPS[1:],
    grad=flat,
)
