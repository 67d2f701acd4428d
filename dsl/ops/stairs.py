"""A number that jumps: the last of listed values whose time has come."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Equation, define
from ..types import Domain, Type

Numbers = tuple[float, ...]
_DTYPES: dict[str, Any] = {"f32": np.float32, "f64": np.float64}


def _stairs_type(t: Type, *, at: Numbers, values: Numbers, name: str) -> Type:
    return Type(t.dtype, t.shape, Domain(min(values), max(values), False, False))


def _stairs_spelling(t: Type, at: Numbers, values: Numbers, name: str) -> str:
    """With the settings `name` and `name_AT` of the page, or with the numbers themselves where they have no name."""
    stairs, times = (name, f"{name}_AT") if name else (f"np.array({values!r}, t.dtype)", repr(at))
    return f'{stairs}[np.searchsorted({times}, t, "right") - 1]'


def _stairs_onnx(g: Any, eq: Equation, t: str) -> str:
    dtype = _DTYPES[eq.results[0].type.dtype]
    begun = g.Cast(g.GreaterOrEqual(t, g.constant(np.array(eq.attrs["at"], dtype))), to=g.dtype(Type("i64", ())))
    last = g.Sub(g.ReduceSum(begun, keepdims=0), g.constant(np.array(1, np.int64)))
    return g.Gather(g.constant(np.array(eq.attrs["values"], dtype)), last)


# The times rise from 0, and t is at least 0.
stairs = define(
    "stairs",
    _stairs_type,
    numpy=_stairs_spelling,
    onnx=_stairs_onnx,
    flops=lambda eq: len(eq.attrs["at"]),
    cases=(((" in unit",), {"at": (0.0, 0.4, 0.5), "values": (0.3, -1.0, 2.0), "name": ""}),),
)
