"""Primitives that give the same elements another shape."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from dataclasses import replace

from ..facts import no_work
from ..ir import Backward, Tensor, define
from ..types import Shape, Type, count, rows


def _reshape_type(x: Type, *, shape: Shape) -> Type:
    assert count(x.shape) == count(shape), (x.shape, shape)
    _dims(x.shape, shape)
    return replace(x, shape=shape, domain=x.domain.interval if x.domain.simplex is not None else x.domain)


def _dims(have: Shape, want: Shape) -> list[int]:
    """The sizes, -1 for the only one that is known at run time alone, and 0 for those that stay where they are."""
    named = [axis for axis, d in enumerate(want) if isinstance(d, str)]
    if len(named) < 2:
        return [-1 if isinstance(d, str) else d for d in want]
    same = [axis for axis in named if have[: axis + 1] == want[: axis + 1]]
    assert len(named) - len(same) < 2, (have, want)
    return [d if isinstance(d, int) else 0 if axis in same else -1 for axis, d in enumerate(want)]


def _reshape_spelling(x: Type, shape: Shape) -> str:
    dims = _dims(x.shape, shape)
    kept = max((axis + 1 for axis, d in enumerate(dims) if d == 0), default=0)
    front = ["len(x)"] if kept == 1 else [f"*x.shape[:{kept}]"] if kept else []
    return f"x.reshape({', '.join([*front, *map(str, dims[kept:])])})"


def _reshape_grad(b: Backward, g: Tensor) -> tuple[Tensor]:
    (x,) = b.args
    try:
        _dims(g.shape, x.shape)
    except AssertionError:
        return (reshape_like(g, x),)
    return (reshape(g, shape=x.shape),)


reshape = define(
    "reshape",
    _reshape_type,
    numpy=_reshape_spelling,
    onnx=lambda g, eq, x: g.Reshape(x, g.ints(_dims(eq.args[0].type.shape, eq.attrs["shape"]))),
    flops=no_work,
    cases=(
        (("N,2,3",), {"shape": ("N", 6)}),
        (("N,6",), {"shape": ("N", 3, 2)}),
        (("N,T,4",), {"shape": ("N*T", 4)}),
        (("N,T,4",), {"shape": ("N", "T", 2, 2)}),
        (("N,3,T,1",), {"shape": ("N", 3, "T")}),
    ),
    grad=_reshape_grad,
)


def _merge_spelling(x: Type) -> str:
    named = any(isinstance(d, str) for d in x.shape[2:])
    return f"x.reshape({', '.join(['-1', *(['*x.shape[2:]'] if named else map(str, x.shape[2:]))])})"


def _regroup_spelling(x: Type, like: Type) -> str:
    named = any(isinstance(d, str) for d in x.shape[1:])
    return f"x.reshape({', '.join(['*like.shape[:2]', *(['*x.shape[1:]'] if named else map(str, x.shape[1:]))])})"


# Steps of all examples below one another, and back in the groups that another value has.
merge = define(
    "merge",
    lambda x: replace(x, shape=(rows(x.shape[:2], 0), *x.shape[2:]), domain=x.domain.interval),
    numpy=_merge_spelling,
    onnx=lambda g, eq, x: g.Reshape(x, g.Concat(g.ints((-1,)), g.Shape(x, start=2), axis=0)),
    flops=no_work,
    cases=((("N,T,4",), {}), (("N,S,T,4",), {})),
    grad=lambda b, g: (regroup(g, b.args[0]),),
)
regroup = define(
    "regroup",
    lambda x, like: replace(x, shape=(*like.shape[:2], *x.shape[1:]), domain=x.domain.interval),
    numpy=_regroup_spelling,
    onnx=lambda g, eq, x, like: g.Reshape(x, g.Concat(g.Shape(like, start=0, end=2), g.Shape(x, start=1), axis=0)),
    flops=no_work,
    cases=((("N*T,4", "N,T,3"), {}), (("N*S,T,4", "N,S,T,3"), {})),
    grad=lambda b, g: (merge(g), None),
)
reshape_like = define(
    "reshape_like",
    lambda x, like: replace(x, shape=like.shape, domain=x.domain.interval),
    numpy="x.reshape(like.shape)",
    onnx=lambda g, eq, x, like: g.Reshape(x, g.Shape(like)),
    flops=no_work,
    cases=((("N*T,4", "N,T,4"), {}),),
    grad=lambda b, g: (reshape(g, shape=b.args[0].shape), None),
)
