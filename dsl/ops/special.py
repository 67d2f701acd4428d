"""Functions of each element that NumPy has no name for."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..facts import elements
from ..ir import Backward, Equation, Tensor, define
from ..types import Domain, Type
from .elementwise import absolute, square

# tanh(x) is nearly sign(x) * (1 - 1 / (1 + a + a^2 + QUARTIC * a^4)) with a = |x| (Anguita et al. 1993).
QUARTIC = 1.41645


def rational_tanh_kernel(x):
    """Return a quotient of polynomials that is nearly tanh (Anguita et al. 1993)."""
    size = np.abs(x)
    q = 1 + size + 1.41645 * size**3
    return x * q / (1 + size * q)


def _rational_tanh_type(x: Type) -> Type:
    return replace(x, domain=Domain(-1.0, 1.0))


def _rational_tanh_onnx(g: Any, eq: Equation, x: str) -> str:
    size = g.Abs(x)
    cube = g.Mul(g.Mul(size, size), size)
    q = g.Add(g.Add(g.one(eq), size), g.Mul(g.scalar(QUARTIC, eq.results[0].type), cube))
    return g.Div(g.Mul(x, q), g.Add(g.one(eq), g.Mul(size, q)))


def _rational_tanh_grad(b: Backward, g: Tensor) -> tuple[Tensor]:
    size = absolute(b.args[0])
    polynomial = 1 + size * (1 + size + QUARTIC * size**3)
    return (g * (1 + 2 * size + 4 * QUARTIC * size**3) / square(polynomial),)


rational_tanh = define(
    "rational_tanh",
    _rational_tanh_type,
    numpy="rational_tanh(x)",
    kernels=(rational_tanh_kernel,),
    onnx=_rational_tanh_onnx,
    cases=((("N,4",), {}),),
    grad=_rational_tanh_grad,
    flops=lambda eq: 9 * elements(eq),
)
