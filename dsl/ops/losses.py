"""Cross-entropies of probabilities, and of scores where softmax and the loss are one gate."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from typing import Any

import numpy as np

from ..facts import elements, elementwise
from ..ir import Backward, Equation, Tensor, define
from ..types import NON_NEGATIVE, SIMPLEX, Type
from .elementwise import equal, log, mask, maximum
from .reduce import total
from .shape import arange, expand_dims

# The smallest probability whose logarithm is taken, so that a saturated prediction costs much and not infinitely much.
TINY = 1e-30


def one_hot(y: Tensor, classes: int) -> Tensor:
    """Whether each class is the label, (N, classes)."""
    labels = y.builder.emit(arange, stop=classes)
    return y.builder.emit(equal, expand_dims(y, axis=len(y.shape)), labels)


def _per_example(p: Type, y: Type) -> Type:
    return Type(p.dtype, p.shape[:-1], NON_NEGATIVE)


def _mcxent_body(p: Tensor, y: Tensor) -> Tensor:
    logs = log(maximum(p, TINY))
    return -total(mask(logs, one_hot(y, p.outputs)), axes=(len(p.shape) - 1,), keepdims=False)


def mcxent_kernel(probs, y):
    """Return each example's cross-entropy, from probabilities and labels."""
    picked = probs[np.arange(len(y)), y]
    return -np.log(np.maximum(picked, 1e-30))  # so that log cannot reach infinity


mcxent = define(
    "mcxent",
    _per_example,
    numpy="mcxent(p, y)",
    kernels=(mcxent_kernel,),
    body=_mcxent_body,
    cases=((("N,3 in simplex", "N of 3"), {}),),
)


def _xent_type(p: Type, y: Type) -> Type:
    return Type(p.dtype, elementwise(p, y), NON_NEGATIVE)


def _xent_body(p: Tensor, y: Tensor) -> Tensor:
    return -(y * log(maximum(p, TINY)) + (1 - y) * log(maximum(1 - p, TINY)))


xent = define("xent", _xent_type, body=_xent_body, cases=((("N,3 in unit", "N,3 in unit"), {}),))


def softmax_mcxent_kernel(scores, y):
    """Return each example's cross-entropy and probabilities, from scores and labels."""
    shifted = scores - scores.max(axis=1, keepdims=True)  # so that exp cannot overflow
    exps = np.exp(shifted)
    sums = exps.sum(axis=1)
    return np.log(sums) - shifted[np.arange(len(y)), y], exps / sums[:, None]


def softmax_mcxent_grad_kernel(probs, y):
    """Return the gradient of each cross-entropy for its scores: probs - onehot."""
    dscores = probs.copy()
    dscores[np.arange(len(y)), y] -= 1
    return dscores


def _fused_type(scores: Type, y: Type) -> tuple[Type, Type]:
    return Type(scores.dtype, y.shape, NON_NEGATIVE), Type(scores.dtype, scores.shape, SIMPLEX)


def _fused_onnx(g: Any, eq: Equation, scores: str, y: str) -> tuple[str, str]:
    logs = g.LogSoftmax(scores, axis=-1)
    picked = g.GatherElements(logs, g.Unsqueeze(y, g.ints((1,))), axis=1)
    return g.Neg(g.Squeeze(picked, g.ints((1,)))), g.Exp(logs)


def _fused_grad(b: Backward, g: Tensor, dprobs: Tensor | None) -> tuple[Tensor, None]:
    assert dprobs is None
    return expand_dims(g, axis=1) * softmax_mcxent_grad(b.results[1], b.args[1]), None


softmax_mcxent = define(
    "softmax_mcxent",
    _fused_type,
    numpy="softmax_mcxent(scores, y)",
    kernels=(softmax_mcxent_kernel,),
    onnx=_fused_onnx,
    flops=lambda eq: 7 * elements(eq),
    cases=((("N,3", "N of 3"), {}),),
    grad=_fused_grad,
    note="softmax and mcxent as one gate, so exp cannot overflow",
)


def _fused_grad_onnx(g: Any, eq: Equation, probs: str, y: str) -> str:
    classes = eq.args[0].type.shape[1]
    assert isinstance(classes, int)
    hot = g.Equal(g.Unsqueeze(y, g.ints((1,))), g.ints(range(classes)))
    return g.Sub(probs, g.Cast(hot, to=g.dtype(eq.args[0].type)))


softmax_mcxent_grad = define(
    "softmax_mcxent_grad",
    lambda probs, y: Type(probs.dtype, probs.shape),
    numpy="softmax_mcxent_grad(probs, y)",
    kernels=(softmax_mcxent_grad_kernel,),
    onnx=_fused_grad_onnx,
    cases=((("N,3 in simplex", "N of 3"), {}),),
)
