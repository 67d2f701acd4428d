"""Where the features of a value stand: on the last axis, or, as the channels of an image, on the first one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from .. import ops
from ..context import net
from ..ir import Tensor
from ..ops.steps import filled
from ..types import show_shape
from ..words import WordError

Options = ParamSpec("Options")


def over_time(x: Tensor) -> bool:
    """Whether an example is steps, each with its features on the last axis."""
    need_features_last(x)
    return len(x.shape) > 2 and (x.value.channels is False or isinstance(x.shape[1], str))


def counting(x: Tensor) -> Tensor | None:
    """Which steps of x before its features count, as they broadcast over these; None where all do."""
    axis = len(x.shape) - 2
    keep = net().mask(x, axis) if over_time(x) else None
    return None if keep is None else ops.expand_dims(keep, axis=axis + 1)


def some(x: Tensor) -> Tensor | None:
    """Which of what has steps has any that count, as it broadcasts over what is made of them; None where all have."""
    axis = len(x.shape) - 2
    lengths = net().lengths(x, axis) if over_time(x) else None
    if lengths is None or lengths.type.domain.low > 0:
        return None
    return ops.expand_dims(lengths > 0, axis=axis)


def without_padding(x: Tensor) -> Tensor:
    """The value with 0 in the place of all that is padding, along whichever axis."""
    for axis in range(1, len(x.shape)):
        keep = net().mask(x, axis)
        if keep is not None:
            for at in range(axis + 1, len(x.shape)):
                keep = ops.expand_dims(keep, axis=at)
            x = ops.mask(x, keep)
    return x


def with_steps_that_count(x: Tensor) -> Tensor:
    """The value with a step that counts in the place of all that is padding, which a formula may have no slope at."""
    for axis in reversed(range(1, len(x.shape))):
        try:
            lengths, keep = net().lengths(x, axis), net().mask(x, axis)
        except WordError:  # its steps are counted for what it does not have
            continue
        if lengths is not None and keep is not None:
            x = filled(x, keep, axis)
            if lengths.shape == x.shape[:1] and lengths.type.domain.low <= 0:
                x = filled(x, lengths > 0, 0)
    return x


def along_steps(
    slide: Callable[Concatenate[Tensor, Options], Tensor],
) -> Callable[Concatenate[Tensor, Options], Tensor]:
    """A word over images, which of steps takes the features for channels; padding is nothing to it."""

    @wraps(slide)
    def sliding(x: Tensor, *args: Options.args, **options: Options.kwargs) -> Tensor:
        return slid(x, lambda image: slide(image, *args, **options))

    return sliding


def slid(x: Tensor, slide: Callable[[Tensor], Tensor], padding: float = 0.0) -> Tensor:
    """What slides over an image, or over steps whose features are taken for channels, and padding for a number."""
    if len(x.shape) != 3 or not over_time(x):
        return slide(x)
    keep = counting(x)
    if keep is not None:
        x = ops.where(keep, x, padding).within(x.type.domain) if padding else ops.mask(x, keep)
    found = placed(ops.permute(slide(placed(ops.permute(x, axes=(0, 2, 1)), True)), axes=(0, 2, 1)), False)
    seen = counting(found) if padding else None
    return found if seen is None else placed(ops.mask(found, seen), False)


def by_features(
    word: Callable[Concatenate[Tensor, Options], Tensor],
) -> Callable[Concatenate[Tensor, Options], Tensor]:
    """A word that takes the last of two axes for features, which no word over images may then take for places."""

    @wraps(word)
    def taking(x: Tensor, *args: Options.args, **options: Options.kwargs) -> Tensor:
        need_features_last(x)
        found = word(x, *args, **options)
        known = [size for size in found.shape[1:] if isinstance(size, int)]
        if x.value.channels is None and found.value.channels is None and len(known) == 2:
            found.value.leans = found.value.leans or net().word
        return found

    return taking


def need_channels_first(x: Tensor, word: str) -> None:
    """Raise where the first of two axes would be channels, and a word before has taken the last one for features."""
    before = x.value.leans
    if before and x.value.channels is None and len(x.shape) == 3:
        message = f"{word} takes the first axis of {show_shape(x.shape)} for channels, and {before} took the last one"
        help = (
            f"if channels stand last, put permute [1, 0] before {word}; if first, say so by zeropad 0 before {before}"
        )
        raise WordError("shape-mismatch", message, help)


def need_features_last(x: Tensor) -> None:
    """Raise where each step has its features first, which only a layer that sees it as an example of its own knows."""
    step = x.value.step
    if step is not None and step.channels:
        word = net().word
        order = [*range(1, len(x.shape) - 2), 0]
        message = f"{word} acts on features, which are the first axis of each step of {show_shape(x.shape)}"
        help = f"put time_distributed before {word} if it is a layer, or time_distributed permute {order} -> before it"
        raise WordError("shape-mismatch", message, help)


def placed(x: Tensor, channels: bool) -> Tensor:
    """The same new tensor, whose features stand on the first axis behind the batch, or on the last one."""
    x.value.channels = channels if len(x.shape) > 2 else None  # of one axis there is nothing to tell
    x.value.step = None
    return x


def as_image(x: Tensor) -> Tensor:
    """The same values, whose channels stand first, in training and where the model predicts, also of two axes."""
    return x if x.axis == 1 else placed(ops.reshape(x, shape=x.shape), True)


def along(vector: Tensor, x: Tensor) -> Tensor:
    """A vector with a number for each feature, in a shape that broadcasts over x."""
    need_features_last(x)
    behind = len(x.shape) - 1 - x.axis
    return ops.reshape(vector, shape=(*vector.shape, *[1] * behind)) if behind else vector


def turned(x: Tensor) -> Tensor:
    """The value with its features on the last axis."""
    need_features_last(x)
    axes = [axis for axis in range(len(x.shape)) if axis != x.axis]
    return x if x.axis == axes[-1] + 1 else placed(ops.permute(x, axes=(*axes, x.axis)), False)


def turned_back(y: Tensor, like: Tensor) -> Tensor:
    """The value with its last axis where the features of another stand."""
    rank = len(y.shape)
    if like.axis == rank - 1:
        return y
    axes = list(range(rank - 1))
    axes.insert(like.axis, rank - 1)
    return placed(ops.permute(y, axes=tuple(axes)), True)
