"""Primitives that move elements or say something of shapes, and arrays that the spec writes down."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..facts import always, elementwise, no_work
from ..ir import OPS, Backward, Equation, Tensor, define
from ..types import REAL, Dim, Domain, Shape, Type
from .reshape import reshape


def _transpose_type(x: Type) -> Type:
    return replace(x, shape=x.shape[::-1], domain=x.domain.interval)


transpose = define(
    "transpose",
    _transpose_type,
    numpy="x.T",
    onnx=lambda g, eq, x: g.Transpose(x, perm=list(range(eq.args[0].type.rank))[::-1]),
    flops=no_work,
    cheap=always,
    cases=((("N,4",), {}),),
    grad=lambda b, g: (transpose(g),),
)


Axis = int | tuple[int, ...]


def _expanded(rank: int, axis: Axis) -> list[bool]:
    """Of each axis of the result, whether it is new; `axis` is that of np.expand_dims."""
    new = axis if isinstance(axis, tuple) else (axis,)
    return [i in new for i in range(rank + len(new))]


def _expand_type(x: Type, *, axis: Axis) -> Type:
    old = iter(x.shape)
    shape = tuple(1 if new else next(old) for new in _expanded(x.rank, axis))
    return replace(x, shape=shape, domain=x.domain.interval)


def _expand_spelling(x: Type, axis: Axis) -> str:
    return f"x[{', '.join('None' if new else ':' for new in _expanded(x.rank, axis))}]"


def _expand_onnx(g: Any, eq: Equation, x: str) -> str:
    new = _expanded(eq.args[0].type.rank, eq.attrs["axis"])
    return g.Unsqueeze(x, g.ints(tuple(i for i, each in enumerate(new) if each)))


expand_dims = define(
    "expand_dims",
    _expand_type,
    numpy=_expand_spelling,
    onnx=_expand_onnx,
    flops=no_work,
    cheap=always,
    cases=((("N",), {"axis": 1}), (("N,4",), {"axis": 0}), (("N,4",), {"axis": (1, 3)})),
    grad=lambda b, g: (reshape(g, shape=b.args[0].shape),),
)


def _broadcast_type(x: Type, like: Type) -> Type:
    return Type(x.dtype, elementwise(x, like), x.domain)


def _broadcast_spelling(x: Type, like: Type) -> str:
    # A single number may be Python's own, which must take the precision of the array.
    return "np.broadcast_to(x, like.shape)" if x.shape or x.dtype != like.dtype else "np.full_like(like, x)"


broadcast_like = define(
    "broadcast_like",
    _broadcast_type,
    numpy=_broadcast_spelling,
    onnx=lambda g, eq, x, like: g.Expand(x, g.Shape(like)),
    flops=no_work,
    cases=((("4", "N,4"), {}), (("", "N,4"), {}), (("N,1", "N,4"), {})),
    grad=lambda b, g: (g, None),
)


def _size_type(x: Type, *, axes: tuple[int, ...]) -> Type:
    return Type("f32", (), Domain(low=1.0, low_open=False, whole=True))


def _size_spelling(x: Type, axes: tuple[int, ...]) -> str:
    dims = [x.shape[a] for a in axes]
    if all(isinstance(d, int) for d in dims):
        return str(math.prod(d for d in dims if isinstance(d, int)))
    return "len(x)" if axes == (0,) else "x.size" if len(axes) == x.rank else " * ".join(map(_dim, axes, dims))


def _dim(axis: int, dim: Dim) -> str:
    return str(dim) if isinstance(dim, int) else f"x.shape[{axis}]"


def _size_onnx(g: Any, eq: Equation, x: str) -> str:
    dims = g.Gather(g.Shape(x), g.ints(eq.attrs["axes"]))
    return g.Cast(g.ReduceProd(dims, g.ints((0,)), keepdims=0), to=g.dtype(eq.results[0].type))


size = define(
    "size",
    _size_type,
    numpy=_size_spelling,
    onnx=_size_onnx,
    flops=no_work,
    cheap=always,
    cases=((("N,4",), {"axes": (0,)}), (("N,4",), {"axes": (1,)}), (("N,4",), {"axes": (0, 1)})),
)


def _cast_type(x: Type, *, dtype: str) -> Type:
    return replace(x, dtype=dtype)


def _cast_spelling(x: Type, dtype: str) -> str:
    if x.dtype == "bool" and dtype == "f64" and not x.shape:
        return "float(x)"
    if x.dtype == "u8" and dtype == "f32":
        return "x.astype(np.result_type(x, np.float32))"  # pixels that are given in float64 stay there
    # A number of the host is a Python float, which takes the precision of the array beside it.
    return (
        "x"
        if not x.shape and x.dtype in ("f64", "i64")
        else f"x.astype(np.{ {'f64': 'float64', 'f32': 'float32', 'i64': 'int64'}[dtype] })"
    )


cast = define(
    "cast",
    _cast_type,
    numpy=_cast_spelling,
    onnx=lambda g, eq, x: g.Cast(x, to=g.dtype(eq.results[0].type)),
    flops=no_work,
    cheap=lambda eq: not eq.results[0].type.shape,
    cases=((("N,4",), {"dtype": "f64"}), (("N,4 of u8",), {"dtype": "f32"})),
    grad=lambda b, g: (cast(g, dtype=dtype) if (dtype := b.args[0].type.dtype) in ("f32", "f64") else None,),
)


def _concat_type(*xs: Type, axis: int) -> Type:
    domain = xs[0].domain.interval
    for x in xs[1:]:
        domain = domain.join(x.domain.interval)
    size = sum(d for x in xs if isinstance(d := x.shape[axis], int))
    return Type(xs[0].dtype, (*xs[0].shape[:axis], size, *xs[0].shape[axis + 1 :]), domain)


def _concat_grad(b: Backward, g: Tensor) -> tuple[Tensor, ...]:
    axis, start = b.attrs["axis"], 0
    parts: list[Tensor] = []
    for x in b.args:
        width = x.shape[axis]
        assert isinstance(width, int)
        parts.append(slice_axis(g, axis=axis, start=start, stop=start + width))
        start += width
    return tuple(parts)


concat = define(
    "concat",
    _concat_type,
    numpy=lambda *xs, axis: f"np.concatenate(({', '.join(f'xs{i}' for i in range(len(xs)))}), axis={axis})",
    onnx=lambda g, eq, *xs: g.Concat(*xs, axis=eq.attrs["axis"]),
    flops=no_work,
    cases=((("N,2", "N,3"), {"axis": 1}), (("N,2", "N,3", "N,1"), {"axis": 1})),
    grad=_concat_grad,
)


def _slice_type(x: Type, *, axis: int, start: int, stop: int) -> Type:
    shape = (*x.shape[:axis], stop - start, *x.shape[axis + 1 :])
    return Type(x.dtype, shape, x.domain.interval)


def _slice_spelling(x: Type, axis: int, start: int, stop: int) -> str:
    part = f"{start or ''}:{'' if stop == x.shape[axis] else stop}"
    return f"x[{', '.join([':'] * axis + [part])}]"


def _slice_onnx(g: Any, eq: Equation, x: str) -> str:
    a = eq.attrs
    return g.Slice(x, g.ints((a["start"],)), g.ints((a["stop"],)), g.ints((a["axis"],)))


slice_axis = define(
    "slice",
    _slice_type,
    numpy=_slice_spelling,
    onnx=_slice_onnx,
    flops=no_work,
    cases=((("N,5",), {"axis": 1, "start": 2, "stop": 4}),),
    grad=lambda b, g: (pad_axis(g, like=b.args[0].shape, **b.attrs),),
)


def _pad_type(x: Type, *, axis: int, start: int, stop: int, like: Shape) -> Type:
    return Type(x.dtype, like, REAL)


def padded(g: Any, x: str, margins: Sequence[tuple[int, int]]) -> str:
    """Zeros before and behind each axis.

    The axes are named since ONNX Runtime moves any other Pad into a pooling that follows, which is wrong there; and all
    of them, since it takes a Pad of some for one of all where it moves a Transpose past it.
    """
    befores, behinds = zip(*margins, strict=True)
    return g.Pad(x, g.ints((*befores, *behinds)), "", g.ints(range(len(margins))))


def _margins(rank: int, axis: int, start: int, stop: int, like: Shape) -> list[tuple[int, int]]:
    width = like[axis]
    assert isinstance(width, int)
    return [(start, width - stop) if i == axis else (0, 0) for i in range(rank)]


def _pad_spelling(x: Type, axis: int, start: int, stop: int, like: Shape) -> str:
    return f"np.pad(x, {tuple(_margins(x.rank, axis, start, stop, like))})"


def _pad_onnx(g: Any, eq: Equation, x: str) -> str:
    return padded(g, x, _margins(eq.args[0].type.rank, **eq.attrs))


pad_axis = define(
    "pad",
    _pad_type,
    numpy=_pad_spelling,
    onnx=_pad_onnx,
    flops=no_work,
    cases=((("N,2",), {"axis": 1, "start": 2, "stop": 4, "like": ("N", 5)}),),
    grad=lambda b, g: (slice_axis(g, **{k: v for k, v in b.attrs.items() if k != "like"}),),
)


def _arange_type(*, stop: int) -> Type:
    return Type("i64", (stop,), Domain(0.0, stop - 1.0, False, False, True))


arange = define(
    "arange",
    _arange_type,
    numpy="np.arange(stop)",
    onnx=lambda g, eq: g.ints(range(eq.attrs["stop"])),
    flops=no_work,
    cheap=always,
)


def _literal_type(*, values: Any, shape: Shape, name: str) -> Type:
    return Type("f32", shape, REAL)


# Numbers that the spec lists: a module assignment of that name in the trainer.
literal = define("literal", _literal_type, numpy=lambda values, shape, name: f"np.array({name})", flops=no_work)


def _permute_type(x: Type, *, axes: tuple[int, ...]) -> Type:
    return replace(x, shape=tuple(x.shape[axis] for axis in axes), domain=x.domain.interval)


def _permute_grad(b: Backward, g: Tensor) -> tuple[Tensor]:
    axes = b.attrs["axes"]
    return (permute(g, axes=tuple(axes.index(axis) for axis in range(len(axes)))),)


permute = define(
    "permute",
    _permute_type,
    numpy=lambda x, axes: f"x.transpose({', '.join(map(str, axes))})",
    onnx=lambda g, eq, x: g.Transpose(x, perm=list(eq.attrs["axes"])),
    flops=no_work,
    cases=((("N,2,3",), {"axes": (0, 2, 1)}), (("N,2,3,4",), {"axes": (0, 3, 1, 2)})),
    grad=_permute_grad,
)


def _stack_type(*xs: Type) -> Type:
    domain = xs[0].domain.interval
    for x in xs[1:]:
        domain = domain.join(x.domain.interval)
    return Type(xs[0].dtype, (xs[0].shape[0], len(xs), *xs[0].shape[1:]), domain)


stack = define(
    "stack",
    _stack_type,
    numpy=lambda *xs: f"np.stack(({', '.join(f'xs{i}' for i in range(len(xs)))}), axis=1)",
    onnx=lambda g, eq, *xs: g.Concat(*(g.Unsqueeze(x, g.ints((1,))) for x in xs), axis=1),
    flops=no_work,
    cases=((("N,2", "N,2"), {}), (("N,2,3", "N,2,3", "N,2,3"), {})),
    grad=lambda b, g: tuple(pick(g, index=i) for i in range(len(b.args))),
)


def _pick_type(x: Type, *, index: int) -> Type:
    return Type(x.dtype, (x.shape[0], *x.shape[2:]), x.domain.interval)


def _pick_grad(b: Backward, g: Tensor) -> tuple[Tensor]:
    index = b.attrs["index"]
    return (pad_axis(expand_dims(g, axis=1), axis=1, start=index, stop=index + 1, like=b.args[0].shape),)


pick = define(
    "pick",
    _pick_type,
    numpy="x[:, index]",
    onnx=lambda g, eq, x: g.Squeeze(g.Gather(x, g.ints((eq.attrs["index"],)), axis=1), g.ints((1,))),
    flops=no_work,
    cases=((("N,3",), {"index": 1}), (("N,3,2",), {"index": 0})),
    grad=_pick_grad,
)


def _repeat_type(x: Type, *, times: int) -> Type:
    return replace(x, shape=(x.shape[0], times, *x.shape[1:]))


def _repeat_onnx(g: Any, eq: Equation, x: str) -> str:
    rank = eq.args[0].type.rank
    return g.Expand(g.Unsqueeze(x, g.ints((1,))), g.ints((1, eq.attrs["times"], *[1] * (rank - 1))))


repeat = define(
    "repeat",
    _repeat_type,
    numpy=lambda x, times: f"np.repeat({_expand_spelling(x, 1)}, {times}, axis=1)",
    onnx=_repeat_onnx,
    flops=no_work,
    cases=((("N,4",), {"times": 3}), (("N,2,3",), {"times": 2})),
    grad=lambda b, g: (OPS["total"](g, axes=(1,), keepdims=False),),
)
