"""Primitives that slide filters over places: convolution, its transpose, and the gradient of its filters."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ..facts import no_work
from ..ir import Backward, Equation, Tensor, define
from ..types import REAL, Shape, Type, count
from .plain import CONV, CONV_TRANSPOSE, CONV_WEIGHT_GRAD
from .pool import before_places, cut, reach, rest, short, with_margins, without_margins
from .weight_products import multiplies, weight_products

# For each axis behind the channels: the sizes of a window, the steps, and what is added before and behind.
Sizes = tuple[int, ...]
Margins = tuple[tuple[int, int], ...]


def places(shape: Shape, size: Sizes, stride: Sizes, dilation: Sizes, pad: Margins) -> Shape:
    """How many places a window has along each axis; none where it is larger than the axis."""
    reaches = tuple(d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True))
    return tuple(max(0, n) if isinstance(n, int) else n for n in reach(shape, reaches, stride, pad))


# Kernels --------------------------------------------------------------------------------------------------------------


def columns(x, size, stride, dilation):
    """Return what a window sees at each place, (N, C, *size, *places), as a view."""
    size, axes = np.array(size), x.ndim - 2
    stride, dilation = (np.broadcast_to(n, axes) for n in (stride, dilation))
    places = (np.array(x.shape[2:]) - dilation * (size - 1) - 1) // stride + 1
    jump = np.array(x.strides[2:])
    shape = (*x.shape[:2], *size, *places)
    # windows overlap, so the view has one number of x in many places
    jumps = (*x.strides[:2], *jump * dilation, *jump * stride)
    return np.lib.stride_tricks.as_strided(x, shape, jumps)


def fold(parts, shape, size, stride, dilation):
    """Return a shape (N, C, ...) with the parts added where a window sees them."""
    x = np.zeros(shape, parts.dtype)
    seen = columns(x, size, stride, dilation)
    parts = parts.reshape(seen.shape)
    for at in np.ndindex(*size):
        seen[:, :, *at] += parts[:, :, *at]
    return x


def blocks(seen):
    """Return slices of the batch so short that what they see stays in the cache."""
    rows = max(1, 2**18 // math.prod(seen.shape[1:]))
    return [slice(start, start + rows) for start in range(0, len(seen), rows)]


def conv_kernel(x, w, stride=1, dilation=1, pad=0, groups=1):
    """Return what filters w (out, C / groups, ...) find in x (N, C, ...)."""
    seen = columns(with_margins(x, pad), w.shape[2:], stride, dilation)
    places = seen.shape[w.ndim :]
    filters = w.reshape(groups, len(w) // groups, -1)
    shape = (len(x), *filters.shape[:2], math.prod(places))
    y = np.empty(shape, np.result_type(x, w))
    for rows in blocks(seen):
        # a column for each place, so that one product of matrices finds all
        below = seen[rows].reshape(-1, groups, filters.shape[2], shape[3])
        np.matmul(filters, below, out=y[rows])
    return y.reshape(len(x), len(w), *places)


def conv_transpose_kernel(y, w, size, stride=1, dilation=1, pad=0, groups=1):
    """Return x (N, C, *size) to which y adds its filters where conv would see them."""
    margins = np.broadcast_to(pad, (len(size), 2)).sum(axis=1)
    x = np.empty((len(y), groups * w.shape[1], *size + margins), np.result_type(y, w))
    filters = w.reshape(groups, len(w) // groups, -1).swapaxes(1, 2)
    for rows in blocks(columns(x, w.shape[2:], stride, dilation)):
        found = y[rows].reshape(-1, groups, filters.shape[2], math.prod(y.shape[2:]))
        parts = filters @ found
        x[rows] = fold(parts, x[rows].shape, w.shape[2:], stride, dilation)
    return without_margins(x, pad)


def conv_weight_grad_kernel(x, dy, size, stride=1, dilation=1, pad=0, groups=1):
    """Return the gradient of the filters of conv, each of a size."""
    inputs, outputs = x.shape[1] // groups, dy.shape[1] // groups
    seen = columns(with_margins(x, pad), size, stride, dilation)
    dw = np.zeros((groups, outputs, inputs * math.prod(size)), dy.dtype)
    for rows in blocks(seen):
        # a column for each place of all examples, so that one product sums over both
        found = dy[rows].swapaxes(0, 1).reshape(groups, outputs, -1)
        below = np.moveaxis(seen[rows], 0, dy.ndim - 1)
        dw += found @ below.reshape(groups, dw.shape[2], -1).swapaxes(1, 2)
    return dw.reshape(dy.shape[1], inputs, *size)


# What the primitives share --------------------------------------------------------------------------------------------


def spelled(call: str) -> Any:
    """The spelling of a call that is begun: what is not plain follows by name."""

    def spell(*types: Type, size: Sizes = (), **attrs: Any) -> str:
        given = {name: value if name == "groups" else short(value) for name, value in attrs.items()}
        plain = {"stride": "1", "dilation": "1", "pad": "0", "groups": 1}
        options = [f"{name}={value}" for name, value in given.items() if value != plain[name]]
        return ", ".join([call, *([f"size={size}"] if size else []), *options]) + ")"

    return spell


def sizes_of(type: Type) -> Sizes:
    """A shape without run-time dimensions, which count as none."""
    return tuple(d if isinstance(d, int) else 0 for d in type.shape)


def attributes(stride: Sizes, dilation: Sizes, pad: Margins, groups: int = 1) -> dict[str, Any]:
    """The attributes that say the same to an operator of ONNX."""
    pads = [before for before, _ in pad] + [behind for _, behind in pad]
    return {"strides": list(stride), "dilations": list(dilation), "pads": pads, "group": groups}


def _products(filters: Type, image: Type) -> int:
    """Twice the products of numbers where every filter is laid on every place of an image."""
    return 2 * count(filters.shape) * count(image.shape[:1] + image.shape[2:])


def _attrs(axes: int, groups: int = 1, **given: Any) -> dict[str, Any]:
    plain = {"stride": (1,) * axes, "dilation": (1,) * axes, "pad": ((0, 0),) * axes, "groups": groups}
    return plain | given


# The shapes of x and w, and the attributes: odd sizes, strides beyond the window, margins on one side, one pixel,
# dilation, groups, and one to three axes.
SITUATIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("N,2,4,6", "3,2,3,3", _attrs(2)),
    ("N,2,4,6", "3,2,2,3", _attrs(2, stride=(2, 3), pad=((0, 1), (1, 1)))),
    ("N,1,7,6", "2,1,2,1", _attrs(2, stride=(3, 2))),
    ("N,2,7,6", "2,2,2,3", _attrs(2, stride=(2, 1), dilation=(3, 2), pad=((1, 0), (2, 2)))),
    ("N,4,3,4", "6,2,2,2", _attrs(2, groups=2, pad=((1, 1), (0, 1)))),
    ("N,3,3,3", "6,1,2,2", _attrs(2, groups=3, stride=(2, 2))),
    ("N,3,1,1", "2,3,1,1", _attrs(2)),
    ("N,3,4,3", "2,3,1,1", _attrs(2, stride=(2, 2))),
    ("N,2,1,1", "2,2,3,3", _attrs(2, pad=((1, 1), (2, 1)))),
    ("N,2,7", "3,2,3", _attrs(1, stride=(2,), dilation=(2,), pad=((4, 0),))),
    ("N,2,6", "4,1,4", _attrs(1, stride=(2,), groups=2)),
    ("N,1,3,4,3", "2,1,2,2,2", _attrs(3, stride=(1, 2, 1), pad=((0, 0), (1, 0), (0, 1)))),
)
# The same over steps that only run time knows, of which none, one or two stand behind the last window.
OVER_STEPS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("N,2,T", "3,2,2", _attrs(1, stride=(2,))),
    ("N,4,T", "6,2,2", _attrs(1, stride=(3,), dilation=(2,), pad=((1, 1),), groups=2)),
    ("N,2,T", "3,2,1", _attrs(1, stride=(2,))),
    ("N,2,T", "3,2,2", _attrs(1)),
)


def _backward_case(x: str, w: str, attrs: dict[str, Any], beside: str) -> tuple[tuple[str, str], dict[str, Any]]:
    """A situation seen from the result: beside it stand the filters, or the input."""
    shape, filters = x.split(","), w.split(",")
    size = tuple(int(n) if n.isdigit() else n for n in shape[2:])
    window = tuple(map(int, filters[2:]))
    found = places(size, window, attrs["stride"], attrs["dilation"], attrs["pad"])
    y = ",".join(["N", filters[0], *map(str, found)])
    return ((y, w), attrs | {"size": size}) if beside == "w" else ((x, y), attrs | {"size": window})


# The primitives -------------------------------------------------------------------------------------------------------


def _conv_type(x: Type, w: Type, *, stride: Sizes, dilation: Sizes, pad: Margins, groups: int) -> Type:
    found = places(x.shape[2:], sizes_of(w)[2:], stride, dilation, pad)
    assert all(found) and sizes_of(x)[1] == groups * sizes_of(w)[1] and sizes_of(w)[0] % groups == 0, (
        x,
        w,
        stride,
        pad,
    )
    return Type(x.dtype, (x.shape[0], w.shape[0], *found), REAL)


def _conv_grad(b: Backward, g: Tensor) -> tuple[Tensor, Tensor]:
    x, w = b.args
    return _input_grad(g, x, w, b.attrs), conv_weight_grad(x, g, size=w.shape[2:], **b.attrs)


def _input_grad(g: Tensor, x: Tensor, w: Tensor, attrs: dict[str, Any]) -> Tensor:
    """Where windows lie side by side, what saw a number of x is a window too: a conv, unless that sees much more."""
    size = sizes_of(w.type)[2:]
    dense = set(attrs["stride"] + attrs["dilation"]) == {1} and attrs["groups"] == 1
    dense = dense and count(g.shape[1:2] + x.shape[2:]) <= 2 * count(x.shape[1:2] + g.shape[2:])
    if not dense or any(max(m) >= k for m, k in zip(attrs["pad"], size, strict=True)):
        return conv_input_grad(g, w, x, **attrs)
    around = tuple((k - 1 - before, k - 1 - behind) for k, (before, behind) in zip(size, attrs["pad"], strict=True))
    return conv(g, turned(w), **attrs | {"pad": around})


conv = define(
    "conv",
    _conv_type,
    numpy=spelled("conv(x, w"),
    kernels=(with_margins, columns, blocks, conv_kernel),
    plain=CONV,
    onnx=lambda g, eq, x, w, *bias: g.Conv(x, w, *bias, **attributes(**eq.attrs)),
    flops=lambda eq: _products(eq.args[1].type, eq.results[0].type),
    cases=tuple(((x, w), attrs) for x, w, attrs in SITUATIONS + OVER_STEPS),
    grad=_conv_grad,
)


def _transpose_type(
    y: Type, w: Type, *, size: Shape, stride: Sizes, dilation: Sizes, pad: Margins, groups: int
) -> Type:
    assert places(size, sizes_of(w)[2:], stride, dilation, pad) == y.shape[2:] and y.shape[1] == w.shape[0], (
        y,
        w,
        size,
    )
    return Type(y.dtype, (y.shape[0], groups * sizes_of(w)[1], *size), REAL)


def unseen(size: Shape, window: Sizes, stride: Sizes, dilation: Sizes, pad: Margins) -> list[int]:
    """How much of each axis stands behind the last place of a window, and is never seen."""
    return rest(size, tuple(d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)), stride, pad)


def _transpose_onnx(g: Any, eq: Equation, y: str, w: str, *bias: str) -> str:
    attrs = {name: value for name, value in eq.attrs.items() if name != "size"}
    steps = {name: value for name, value in attrs.items() if name != "groups"}
    left = unseen(eq.attrs["size"], sizes_of(eq.args[1].type)[2:], **steps)
    return g.ConvTranspose(y, w, *bias, output_padding=left, **attributes(**attrs))


def _input_grad_type(dy: Type, w: Type, x: Type, *, stride: Sizes, dilation: Sizes, pad: Margins, groups: int) -> Type:
    size = x.shape[2:]
    return _transpose_type(dy, w, size=size, stride=stride, dilation=dilation, pad=pad, groups=groups)


def _input_grad_onnx(g: Any, eq: Equation, dy: str, w: str, x: str) -> str:
    size = eq.args[2].type.shape[2:]
    found = _transpose_onnx(g, replace(eq, attrs={**eq.attrs, "size": size}), dy, w)
    return cut(g, found, x, size, eq.attrs["stride"])


def _transpose_grad(b: Backward, g: Tensor) -> tuple[Tensor, Tensor]:
    y, w = b.args
    attrs = {name: value for name, value in b.attrs.items() if name != "size"}
    return conv(g, w, **attrs), conv_weight_grad(g, y, size=w.shape[2:], **attrs)


conv_transpose = define(
    "conv_transpose",
    _transpose_type,
    numpy=spelled("conv_transpose(y, w"),
    kernels=(without_margins, columns, fold, blocks, conv_transpose_kernel),
    plain=CONV_TRANSPOSE,
    onnx=_transpose_onnx,
    flops=lambda eq: _products(eq.args[1].type, eq.args[0].type),
    cases=tuple(_backward_case(*situation, "w") for situation in SITUATIONS),
    grad=_transpose_grad,
)


# The same with the size of x, whose gradient it is.
conv_input_grad = define(
    "conv_input_grad",
    _input_grad_type,
    numpy=spelled("conv_transpose(dy, w, size=x.shape[2:]"),
    kernels=(without_margins, columns, fold, blocks, conv_transpose_kernel),
    plain=CONV_TRANSPOSE,
    onnx=_input_grad_onnx,
    flops=lambda eq: _products(eq.args[1].type, eq.args[0].type),
    cases=tuple(((*_backward_case(x, w, attrs, "w")[0], x), attrs) for x, w, attrs in SITUATIONS + OVER_STEPS),
)


def _turned_spelling(w: Type) -> str:
    return f"w.swapaxes(0, 1)[:, :{', ::-1' * (w.rank - 2)}]"


def _turned_onnx(g: Any, eq: Equation, w: str) -> str:
    rank = eq.args[0].type.rank
    axes, back = range(2, rank), [-1] * (rank - 2)
    swapped = g.Transpose(w, perm=[1, 0, *axes])
    return g.Slice(swapped, g.ints(back), g.ints([-(2**31)] * len(back)), g.ints(axes), g.ints(back))


# Filters as the way back needs them: from outputs to inputs, and each turned around.
turned = define(
    "turned",
    lambda w: Type(w.dtype, (w.shape[1], w.shape[0], *w.shape[2:]), w.domain),
    numpy=_turned_spelling,
    onnx=_turned_onnx,
    flops=no_work,
    cases=((("3,2,3,2",), {}), (("2,1,3",), {})),
    grad=lambda b, g: (turned(g),),
    cheap=lambda eq: True,
)


def _weight_type(x: Type, dy: Type, *, size: Sizes, stride: Sizes, dilation: Sizes, pad: Margins, groups: int) -> Type:
    assert places(x.shape[2:], size, stride, dilation, pad) == dy.shape[2:], (x, dy, size)
    return Type(x.dtype, (dy.shape[1], sizes_of(x)[1] // groups, *size), REAL)


def _by_group(g: Any, value: str, type: Type, groups: int) -> str:
    """(N, groups * C, ...) as (groups, C, N, ...)."""
    _, channels, *sizes = sizes_of(type)
    apart = g.Reshape(value, before_places(g, (-1, groups, channels // groups), value, type))
    return g.Transpose(apart, perm=[1, 2, 0, *range(3, 3 + len(sizes))])


def _weight_onnx(g: Any, eq: Equation, x: str, dy: str) -> str:
    """Products, or a convolution with the batch as channels and the gradient as filters; strides are dilations."""
    if multiplies(eq):
        return weight_products(g, eq, x, dy)
    a = eq.attrs
    (given, moved), axes = [arg.type for arg in eq.args], range(2, eq.args[0].type.rank)
    back = [1, 0, *axes]
    if a["groups"] == 1:
        below, filters = g.Transpose(x, perm=back), g.Transpose(dy, perm=back)
    else:
        apart = g.Transpose(_by_group(g, x, given, a["groups"]), perm=[1, 0, 2, *(axis + 1 for axis in axes)])
        below = g.Reshape(apart, before_places(g, (given.shape[1] // a["groups"], -1), x, given))
        apart = _by_group(g, dy, moved, a["groups"])
        filters = g.Reshape(apart, before_places(g, (moved.shape[1], -1), dy, moved))
    found = g.Conv(below, filters, **attributes(a["dilation"], a["stride"], a["pad"], a["groups"]))
    # Where the last place of a window leaves something unseen, there are sums that belong to no weight.
    found = g.Slice(found, g.ints([0] * len(a["size"])), g.ints(a["size"]), g.ints(axes))
    return g.Transpose(found, perm=back)


conv_weight_grad = define(
    "conv_weight_grad",
    _weight_type,
    numpy=spelled("conv_weight_grad(x, dy"),
    kernels=(with_margins, columns, blocks, conv_weight_grad_kernel),
    plain=CONV_WEIGHT_GRAD,
    onnx=_weight_onnx,
    flops=lambda eq: _products(eq.results[0].type, eq.args[1].type),
    cases=tuple(_backward_case(*situation, "x") for situation in SITUATIONS + OVER_STEPS),
)
