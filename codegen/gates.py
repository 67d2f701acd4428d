"""Gates: rules that compute an activation and the loss behind it together, so that nothing overflows between them."""

from __future__ import annotations

from ..dsl import ops
from ..dsl.ir import Tensor
from .rules import RULES, Rewriter, number, rule

__all__ = ["RULES"]


def _scores(b: Rewriter, p: Tensor, activation: str) -> Tensor | None:
    """What an activation was given whose result a loss sees, also where it sees each step for itself."""
    flat = b.args(p, "reshape")
    steps = flat is not None and len(p.shape) > 1 and flat[0].shape[-1] == p.shape[-1]
    scores = b.args(flat[0] if flat and steps else p, activation)
    if scores is None:
        return None
    return ops.reshape(scores[0], shape=p.shape) if steps else scores[0]


@rule("mcxent")
def _softmax_then_mcxent(b: Rewriter, p: Tensor, y: Tensor) -> Tensor | None:
    scores = _scores(b, p, "softmax")
    if scores is None:
        return None
    losses, probs = ops.softmax_mcxent(scores, y)
    losses.named("losses")
    probs.named("probs")
    return losses


@rule("xent")
def _sigmoid_then_xent(b: Rewriter, p: Tensor, y: Tensor) -> Tensor | None:
    scores = _scores(b, p, "sigmoid")
    return ops.softplus(scores) - scores * y if scores else None


@rule("log")
def _log_of_activation(b: Rewriter, x: Tensor) -> Tensor | None:
    """The logarithm of what softmax, softplus or exp gives, also where a loss keeps it from 0."""
    bounded = b.args(x, "maximum")
    inner = bounded[0] if bounded and number(b, bounded[1]) == ops.losses.TINY else x
    for activation, together in (("softmax", ops.log_softmax), ("softplus", ops.log_softplus)):
        scores = _scores(b, inner, activation)
        if scores:
            return together(scores)
    return _scores(b, inner, "exp")


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


@rule("counted")
def _steps_of_an_input(b: Rewriter, lengths: Tensor, like: Tensor) -> Tensor | None:
    """Any array with the steps tells their number, so one that is there first does."""
    known = 1 + lengths.type.rank
    found, seen, pending = like, {like.value}, [like]
    while pending:
        value = pending.pop()
        found = value if value.shape[:known] == like.shape[:known] else found
        equation = b.producer(value)
        if equation is None and found is value:
            break
        arrays = [a for a in (equation.args if equation else ()) if a not in seen and a.type.shape]
        seen.update(arrays)
        pending += [Tensor(like.builder, a) for a in reversed(arrays)]
    return None if found.value is like.value else ops.steps.counted(lengths, found)


@rule("mean")
def _mean_of_one_number(b: Rewriter, x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor | None:
    """The mean of copies of a number, which is what a loss over the whole batch gives."""
    copied = b.args(x, "broadcast_like")
    return copied[0] if copied and not copied[0].shape and len(axes) == x.type.rank and not keepdims else None
