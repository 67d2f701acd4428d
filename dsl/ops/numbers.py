"""Numbers that the spec lists for a loss: an array of them beside a value, and one of them for each label."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from typing import Any

import numpy as np

from ..facts import no_work
from ..ir import Equation, define
from ..types import Domain, Type
from .elementwise import flat

Values = tuple[float, ...]


def _vector_type(like: Type, *, values: Values, name: str = "") -> Type:
    return Type(like.dtype, (len(values),), Domain(min(values), max(values), False, False))


def _vector_spelling(like: Type, values: Values, name: str = "") -> str:
    if name:
        return f"np.array({name}, like.dtype)"
    listed = ", ".join(str(int(v) if v.is_integer() and abs(v) < 1e15 else v) for v in map(float, values))
    return f"np.array([{listed}], like.dtype)"


def _vector_onnx(g: Any, eq: Equation, like: str) -> str:
    dtype = {"f32": np.float32, "f64": np.float64}[eq.results[0].type.dtype]
    return g.constant(np.array(eq.attrs["values"], dtype))


# Listed numbers in the precision of a value; with a name they are a setting of the page.
vector = define(
    "vector",
    _vector_type,
    numpy=_vector_spelling,
    onnx=_vector_onnx,
    flops=no_work,
    cases=((("N,4",), {"values": (1.0, 0.25, 5.0)}),),
    grad=flat,
)

lookup = define(
    "lookup",
    lambda table, ids: Type(table.dtype, ids.shape, table.domain),
    numpy="table[ids]",
    onnx=lambda g, eq, table, ids: g.Gather(table, ids, axis=0),
    flops=no_work,
    cases=((("4", "N of 4"), {}),),
    # The table is numbers of the spec, which nothing trains.
    grad=flat,
)
