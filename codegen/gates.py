"""Gates: rules that compute an activation and the loss behind it together, so that nothing overflows between them."""

from __future__ import annotations

from ..dsl import ops
from ..dsl.ir import Tensor
from .rules import RULES, Rewriter, number, rule

__all__ = ["RULES"]


@rule("mcxent")
def _softmax_then_mcxent(b: Rewriter, p: Tensor, y: Tensor) -> Tensor | None:
    scores = b.args(p, "softmax")
    if scores is None:
        return None
    losses, probs = ops.softmax_mcxent(*scores, y)
    losses.named("losses")
    probs.named("probs")
    return losses


@rule("xent")
def _sigmoid_then_xent(b: Rewriter, p: Tensor, y: Tensor) -> Tensor | None:
    scores = b.args(p, "sigmoid")
    return ops.softplus(*scores) - scores[0] * y if scores else None


@rule("log")
def _log_of_activation(b: Rewriter, x: Tensor) -> Tensor | None:
    """The logarithm of what softmax, softplus or exp gives, also where a loss keeps it from 0."""
    bounded = b.args(x, "maximum")
    inner = bounded[0] if bounded and number(b, bounded[1]) == ops.losses.TINY else x
    for activation, together in (("softmax", ops.log_softmax), ("softplus", ops.log_softplus)):
        scores = b.args(inner, activation)
        if scores:
            return together(*scores)
    scores = b.args(inner, "exp")
    return scores[0] if scores else None


@rule("vector")
def _beside_an_input(b: Rewriter, like: Tensor, values: tuple[float, ...], name: str = "") -> Tensor | None:
    """Any array tells the precision, so the value that is there first does: nothing is computed for that alone.

    One that is made of whole numbers has a precision of its own.
    """
    seen, left = {like.value}, [like]
    while left:
        found = left.pop()
        equation = b.producer(found)
        if equation is None:
            return None if found.value is like.value else ops.vector(found, values=values, name=name)
        arrays = [a for a in equation.args if a.type.shape and a.type.dtype == like.type.dtype and a not in seen]
        seen.update(arrays)
        left += [Tensor(found.builder, a) for a in reversed(arrays)]
    return None


@rule("mean")
def _mean_of_one_number(b: Rewriter, x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor | None:
    """The mean of copies of a number, which is what a loss over the whole batch gives."""
    copied = b.args(x, "broadcast_like")
    return copied[0] if copied and not copied[0].shape and len(axes) == x.type.rank and not keepdims else None
