"""Random numbers of the initial weights; each draw has its named stream, so nobody shifts another's numbers."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

import numpy as np

from ..ir import define
from ..types import OPEN_UNIT, REAL, UNIT, Domain, Shape, Type, point

# Initializers run on the host alone, so these have no ONNX form.


def _shaped(*, key: str, shape: Shape) -> Type:
    return Type("f32", shape, REAL)


def _list(shape: Shape) -> str:
    return str(shape[0]) if len(shape) == 1 else f"({', '.join(map(str, shape))})"


draw_normal = define(
    "draw_normal",
    _shaped,
    numpy=lambda key, shape: f'stream(seed, "{key}").standard_normal({_list(shape)})',
    called="drawn",
)
draw_uniform = define(
    "draw_uniform",
    lambda *, key, shape: Type("f32", shape, OPEN_UNIT),
    numpy=lambda key, shape: f'stream(seed, "{key}").random({_list(shape)})',
    called="drawn",
)


def orthogonal(rng, rows, columns):
    """Return a uniform matrix of orthonormal rows or columns (Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))  # or QR's own choice of signs would favour some
    return q if rows >= columns else q.T


draw_orthogonal = define(
    "draw_orthogonal",
    _shaped,
    numpy=lambda key, shape: f'orthogonal(stream(seed, "{key}"), {", ".join(map(str, shape))})',
    kernels=(orthogonal,),
    called="drawn",
)


def truncated_normal(rng, shape):
    """Return standard normal numbers, drawn again where they lie beyond 2 and -2."""
    x = rng.standard_normal(shape)
    while (far := np.abs(x) > 2).any():
        x[far] = rng.standard_normal(far.sum())
    return x


draw_truncated = define(
    "draw_truncated",
    lambda *, key, shape: Type("f32", shape, Domain(-2.0, 2.0, False, False)),
    numpy=lambda key, shape: f'truncated_normal(stream(seed, "{key}"), {_list(shape)})',
    kernels=(truncated_normal,),
    called="drawn",
)


def _counts(*, key: str, shape: Shape, trials: int, share: float) -> Type:
    return Type("f32", shape, Domain(0.0, trials, False, False, whole=True))


draw_binomial = define(
    "draw_binomial",
    _counts,
    numpy=lambda key, shape, trials, share: f'stream(seed, "{key}").binomial({trials}, {share!r}, {_list(shape)})',
    called="drawn",
)

eye = define(
    "eye",
    lambda *, size: Type("f32", (size, size), UNIT),
    numpy="np.eye(size)",
)

# Blocks of equal numbers, one behind the other.
blocks = define(
    "blocks",
    lambda *, numbers, size: Type("f32", (len(numbers) * size,), point(min(numbers)).join(point(max(numbers)))),
    numpy=lambda numbers, size: f"np.repeat([{', '.join(map(repr, numbers))}], {size})",
)

fill = define(
    "fill",
    lambda *, number, shape: Type("f32", shape, point(number)),
    numpy=lambda number, shape: {0.0: f"np.zeros({_list(shape)})", 1.0: f"np.ones({_list(shape)})"}.get(
        number, f"np.full({_list(shape)}, {number!r})"
    ),
)
