"""Primitives over the ids of classes: one-hot rows, the rows of a table, and the sum of gradients back into it."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from typing import Any

import numpy as np

from ..facts import no_work
from ..ir import Backward, Equation, Tensor, define
from ..types import Domain, Type
from .elementwise import flat


def _onehot_type(ids: Type, *, classes: int) -> Type:
    return Type("f32", (*ids.shape, classes), Domain(0.0, 1.0, False, False, whole=True, simplex=-1))


def _onehot_onnx(g: Any, eq: Equation, ids: str) -> str:
    values = g.constant(np.array([0, 1], np.float32))
    return g.OneHot(ids, g.constant(np.array(eq.attrs["classes"], np.int64)), values, axis=-1)


onehot = define(
    "onehot",
    _onehot_type,
    numpy=lambda ids, classes: f"(ids[{':, ' * ids.rank}None] == np.arange(classes)).astype(np.float32)",
    onnx=_onehot_onnx,
    flops=no_work,
    cases=((("N of 4",), {"classes": 4}), (("N,2 of 3",), {"classes": 3})),
    grad=flat,
)


def _gather_type(table: Type, ids: Type) -> Type:
    return Type(table.dtype, (*ids.shape, *table.shape[1:]), table.domain.interval)


def _gather_grad(b: Backward, g: Tensor) -> tuple[Tensor, None]:
    table, ids = b.args
    return scatter_add(g, ids, rows=table.shape[0]), None


gather = define(
    "gather",
    _gather_type,
    numpy="table[ids]",
    onnx=lambda g, eq, table, ids: g.Gather(table, ids, axis=0),
    flops=no_work,
    cases=((("4,3", "N of 4"), {}), (("4,3", "N,2 of 4"), {})),
    grad=_gather_grad,
)


def scatter_add_kernel(x, ids, rows):
    """Return a table of so many rows, in each the sum of the rows of x of its id."""
    table = np.zeros((rows, x.shape[-1]), x.dtype)
    np.add.at(table, ids, x)  # unlike +=, adds each where an id stands twice
    return table


def _scatter_onnx(g: Any, eq: Equation, x: str, ids: str) -> str:
    shape = eq.results[0].type.shape
    flat = g.Reshape(x, g.ints((-1, shape[1])))
    index = g.Expand(g.Reshape(ids, g.ints((-1, 1))), g.Shape(flat))
    # Not ScatterND, whose threads in ONNX Runtime 1.31 lose additions where an id stands more than once.
    return g.ScatterElements(g.Expand(g.zero(eq), g.ints(shape)), index, flat, axis=0, reduction="add")


scatter_add = define(
    "scatter_add",
    lambda x, ids, *, rows: Type(x.dtype, (rows, x.shape[-1])),
    numpy="scatter_add(x, ids, rows)",
    kernels=(scatter_add_kernel,),
    onnx=_scatter_onnx,
    cases=((("N,3", "N of 4"), {"rows": 4}), (("N,2,3", "N,2 of 4"), {"rows": 4})),
)
