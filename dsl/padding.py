"""What is padding: the lengths that inputs tell, brought beside the values whose steps they count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .ir import Tensor
from .net import Field, counting
from .ops import broadcast_like, expand_dims, logical_and, merge, reshape
from .ops.shape import slice_axis
from .types import BATCH, Shape, rows, show_shape
from .words import WordError


def lengths_beside(x: Tensor, axis: int, field: Field, told: Tensor) -> Tensor | None:
    """What a field tells of an axis of x, as it broadcasts over the axes before; None where these are not its own.

    Of x (N, S, T, k) the lengths of S are (N,) and those of T (N, S), or (N, 1) where all S of an example have one;
    of its rows (N*S, T, k) those of T are (N*S,).
    """
    before, own = x.shape[:axis], (BATCH, *field.shape)
    if before == (rows(own, 0),):
        return merge(told).named("lengths") if field.shape else told
    if not set(own) <= set(before):
        return None
    for at, dim in enumerate(before):
        told = told if dim in own else expand_dims(told, axis=at)
    return told


def turned(x: Tensor, axis: int, fields: Iterable[Field]) -> Field | None:
    """What tells how many there are of a dimension that stands before the steps within which it is counted."""
    known = [*fields]
    found = (counting(known, dim) for dim in x.shape[1:axis])
    return next((field for field in found if field and x.shape[axis] in field.shape), None)


def of_others(word: str, field: Field, x: Tensor) -> WordError:
    """The fault of a value whose steps are counted for what it does not have."""
    name, given = field.counts, show_shape(x.shape)
    message = f"{word} goes over {name}, whose lengths are those of whole examples"
    help = f"lengths=true of an input over two dimensions, such as f32[S, {name}, 8], tells those of each first one"
    if field.shape:
        message = f"{word} goes over {name} in {given}, and {field.name} tells how many there are in each"
        message += f" {field.shape[0]}"
        help = f"pool or take the last {name} of each {field.shape[0]} first, as time_distributed last_step does"
    return WordError("shape-mismatch", message, help)


def rows_that_count(x: Tensor, steps: int, keeps: Mapping[int, Tensor]) -> Tensor | None:
    """Which rows count of those that the batch and so many axes behind it make, (N*S*T,); None where all do.

    `keeps` are the masks of its axes, each of which broadcasts over what stands before it.
    """
    keep: Tensor | None = None
    for axis, each in keeps.items():
        for at in range(axis + 1, steps + 1):
            each = expand_dims(each, axis=at)
        keep = each if keep is None else logical_and(keep, each)
    if keep is None:
        return None
    return reshape(_filled(keep, x.shape[: steps + 1], x), shape=(rows(x.shape[: steps + 1], 0),))


def _filled(keep: Tensor, shape: Shape, x: Tensor) -> Tensor:
    """A mask with all elements of the first axes of x, over which it broadcasts."""
    if keep.shape == shape:
        return keep
    behind = range(len(shape), len(x.shape))
    for axis in behind:
        keep = expand_dims(keep, axis=axis)
    keep = broadcast_like(keep, x)
    for axis in behind:
        keep = slice_axis(keep, axis=axis, start=0, stop=1)
    return keep
