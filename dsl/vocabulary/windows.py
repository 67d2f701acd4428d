"""What words over images share: where their axes are, and windows, strides and margins with a size for each of them."""

from __future__ import annotations

import math
from typing import Any

from ..context import net
from ..derived_steps import derived
from ..field_sentence import LARGEST_EXAMPLE
from ..ir import Tensor
from ..ops.pool import Margins, Sizes, reach
from ..types import Shape, show_shape
from ..words import Padding, WordError, find
from .axes import need_channels_first

# An image has one to three axes behind its channels.
MOST = 3
# How many times higher than wide an image is whose channels seem to stand last, and what is said of it.
NARROW = 8
CHANNELS_FIRST = "make the window smaller; or are its channels last? They stand first, as in [3, 32, 32]"


def image_axes(x: Tensor, word: str) -> Sizes:
    """The sizes of the axes behind the channels; WordError unless the channels come first."""
    need_channels_first(x, word)
    sizes, gives = x.shape[1:], f"{net().previous} gives {show_shape(x.shape)}"
    if len(sizes) == 1:
        message = f"{word} needs channels and one to {MOST} axes behind them, but {gives}"
        raise WordError("shape-mismatch", message, _imaged(word, math.prod(_fixed(sizes))))
    if len(_fixed(sizes)) < len(sizes):
        given = sizes[::-1] if x.value.channels else sizes
        message = f"{word} needs steps of a known number, but {net().previous} gives {show_shape(given)}"
        help = "take all steps by globalmaxpool or attention_pool; conv and pooling go over steps of any number"
        if len(sizes) > 2:
            help = "take each sequence of the first steps for an example by time_distributed"
        raise WordError("shape-mismatch", message, help)
    if x.value.channels is False:
        message = f"{word} needs channels first, but {gives}, whose features stand on the last axis"
        order = [len(sizes) - 1, *range(len(sizes) - 1)]
        raise WordError("shape-mismatch", message, f"put permute {order} before {word}")
    if len(sizes) > MOST + 1:
        message = f"{word} takes at most {MOST} axes behind the channels, but {gives}"
        raise WordError("shape-mismatch", message, f"put reshape before {word}")
    return _fixed(sizes[1:])


def sliding_axes(x: Tensor, word: str) -> Shape:
    """The sizes of the axes behind the channels, of which an axis of steps may be known only at run time."""
    steps = x.value.channels and len(x.shape) == 3 and isinstance(x.shape[2], str)
    return x.shape[2:] if steps else image_axes(x, word)


def channels_of(x: Tensor) -> int:
    """The number of channels of an image."""
    (channels,) = _fixed(x.shape[1:2])
    return channels


def _fixed(sizes: tuple[Any, ...]) -> Sizes:
    return tuple(size for size in sizes if isinstance(size, int))


def _imaged(word: str, size: int) -> str:
    """The help where one axis of features goes into a word over images."""
    before = find("layer", net().previous)
    if before and before.name == word:
        return "take one of them away"
    if before and (before.image or before.name == "flatten"):
        return f"put {word} before {before.name}, which leaves one axis of features"
    return f"put reshape before {word}, as in reshape {_image(size)}"


def _image(pixels: int) -> list[int]:
    """The shape of an image of so many pixels that is as square as can be."""
    side = math.isqrt(pixels // 3)
    if side > 1 and 3 * side * side == pixels:
        return [3, side, side]
    height = next(n for n in range(math.isqrt(pixels), 0, -1) if pixels % n == 0)
    return [1, height, pixels // height] if height > 1 else [1, pixels]


def each(sizes: tuple[Any, ...], axes: Shape, word: str, option: str) -> tuple[Any, ...]:
    """One of an option's sizes for each axis."""
    if len(sizes) == 1:
        return sizes * len(axes)
    if len(sizes) != len(axes):
        behind = f"{len(axes)} axes" if len(axes) > 1 else "one axis"
        message = (
            f"{option} of {word} is given for {len(sizes)} axes, but {net().previous} has {behind} behind its channels"
        )
        many = f"{len(axes)} numbers, or one for all" if len(axes) > 1 else "one number"
        channels = "; an image has its channels first, as in [1, 28, 28]" if (len(sizes), len(axes)) == (2, 1) else ""
        raise WordError("bad-option", message, f"give it {many}{channels}")
    return sizes


def margins(pad: Padding, axes: Shape, size: Sizes, stride: Sizes, word: str) -> Margins:
    """What is added before and behind each axis; `same` lets a window begin at every stride-th pixel."""
    if pad == "valid":
        return ((0, 0),) * len(axes)
    if not isinstance(pad, str):
        return each(pad, axes, word, "pad")
    known = [n if isinstance(n, int) else 1 for n in axes]
    if known != list(axes) and max(stride) > 1:
        message = f"what pad=same of {word} adds beside a stride of {max(stride)} depends on the number of steps, and"
        message += f" {net().previous} gives {axes[0]} of them"
        raise WordError("bad-option", message, "write pad as a number, as in pad=1, or leave it away")
    added = [max(0, ((n - 1) // s) * s + k - n) for n, k, s in zip(known, size, stride, strict=True)]
    return tuple((total // 2, total - total // 2) for total in added)


def need_room(axes: Shape, size: Sizes, stride: Sizes, pad: Margins, word: str) -> None:
    """WordError where a window is larger than the image with its margins, or could lie on a margin alone."""
    found = reach(axes, size, stride, pad)
    if min(_fixed(found), default=1) < 1:
        around = f" with pad={show_pad(pad)}" if any(map(any, pad)) else ""
        message = (
            f"{word}'s window {window_text(size)} is larger than the {window_text(_fixed(axes))} of"
            f" {net().previous}{around}"
        )
        help = "make the window smaller, let pad=same add what is missing, or shrink the image less before"
        # So narrow an image may well be one whose channels are declared last.
        sides = _fixed(axes)
        channels = len(sides) > 1 and sides[-1] * NARROW < sides[0]
        raise WordError("shape-mismatch", message, CHANNELS_FIRST if channels else help)
    if any(k <= max(p) for k, p in zip(size, pad, strict=True)):
        message = f"pad of {word} adds {show_pad(pad)}, and a window {window_text(size)} could see nothing else"
        raise WordError("bad-option", message, "pad with less than the window on each side")
    for steps in filter(None, map(derived, found)):
        if max(steps.least(), steps.over) > LARGEST_EXAMPLE:
            message = f"{word} would need sequences of more than {LARGEST_EXAMPLE:,} steps"
            raise WordError("too-large", message, "make the window, its stride or its dilation smaller")


def window_text(sizes: Sizes) -> str:
    """Sizes as a spec writes a window."""
    return "x".join(map(str, sizes))


def show_pad(pad: Margins) -> str:
    """Margins as a spec writes them."""
    if all(before == behind for before, behind in pad):
        found = [before for before, _ in pad]
        return str(found[0]) if len(set(found)) == 1 else str(found)
    return str([list(p) for p in pad])
