"""Layers that change images at random in training, and pass them on where the model predicts."""

from __future__ import annotations

from typing import Annotated

from .. import ops
from ..context import net
from ..ir import Tensor
from ..ops.pool import Sizes
from ..types import show_shape
from ..words import Index, Kind, Window, WordError, layer
from .axes import as_image
from .windows import each, image_axes, window_text

Pixels = Annotated[tuple[int, ...], Kind("window", "a whole number of at least 0, or one for each axis", 0)]


def drawn_places(x: Tensor, counts: Sizes) -> Tensor:
    """A place for each example, one of so many along each axis, all as likely."""
    return ops.below(net().draw((x.shape[0], len(counts))), counts=counts).named("places")


def cropped(x: Tensor, size: Sizes, pad: Sizes) -> Tensor:
    """A window at a random place of each image, around which there are zeros."""
    if any(pad):
        x = ops.zero_pad(x, pad=tuple((p, p) for p in pad)).named("padded")
    room = tuple(n - s + 1 for n, s in zip(image_axes(x, "random_crop"), size, strict=True))
    return ops.crop_at(x, drawn_places(x, room), size=size)


@layer("flip", gives="flipped", example="flip", image=True, aliases=("random_flip",))
def flip(x: Tensor, axis: Index | None = None) -> Tensor:
    """In training, turn every second image around, left to right, as a coin says; channels stay.

    axis counts as in the type's brackets, where 0 are the channels; without it the last axis is turned.

    Formula: f(x)[..., i] = x[..., n - 1 - i] with probability 1/2, else x[..., i]
    Source: Krizhevsky et al. 2012, ImageNet classification with deep convolutional neural networks.
    Deeplearning4j: has none; DataVec's FlipImageTransform prepares the data so.
    Keras: RandomFlip, which turns both axes unless told.
    PyTorch: torchvision.transforms.RandomHorizontalFlip and RandomVerticalFlip.
    """
    last = len(image_axes(x, "flip"))
    if axis is not None and not 1 <= axis <= last:
        message = f"flip axis={axis} is no axis of pixels of {show_shape(x.shape)}, whose channels are axis 0"
        raise WordError("bad-option", message, f"the axes of pixels are 1 to {last}" if last > 1 else "write axis=1")
    x = as_image(x)
    if not net().training:
        return x
    turned = (net().draw((x.shape[0], *[1] * (last + 1))) < 0.5).named("turned")
    return ops.where(turned, ops.reverse(x, axis=1 + (axis or last)), x)


@layer("random_shift", gives="moved", example="random_shift 2", image=True)
def random_shift(x: Tensor, pixels: Pixels) -> Tensor:
    """In training, move each image by up to so many pixels along each axis, all shifts as likely; zeros come in.

    The word shift alone adds a number to every value.

    Formula: f(x)[i] = x[i + s], s whole from -pixels to pixels, and 0 where x has no such pixel
    Source: Simard et al. 2003, Best practices for convolutional neural networks applied to visual document analysis.
    Deeplearning4j: has none.
    Keras: RandomTranslation, by shares of the size, which fills by reflection unless told.
    PyTorch: torchvision.transforms.RandomAffine(0, translate=...), by shares of the size.
    """
    axes = image_axes(x, "random_shift")
    pixels = each(pixels, axes, "random_shift", "pixels")
    if any(p >= n for p, n in zip(pixels, axes, strict=True)):
        message = f"random_shift moves by up to {window_text(pixels)} pixels, but the image has {window_text(axes)}"
        raise WordError("bad-option", message, "a smaller number leaves something of the image")
    x = as_image(x)
    return cropped(x, axes, pixels) if net().training and any(pixels) else x


@layer("random_crop", gives="cropped", example="random_crop 3x4", image=True)
def random_crop(x: Tensor, size: Window, pad: Pixels = (0,)) -> Tensor:
    """In training, cut a window out of each image, at a random place; where the model predicts, the middle one.

    pad adds zeros on all sides before; size may then be that of the image, which the model sees as it is. An odd
    pixel that the middle leaves over is at the end.

    Formula: f(x)[i] = x[i + s], s whole from -pad to n - size + pad, in prediction floor((n - size) / 2)
    Source: Krizhevsky et al. 2012, ImageNet classification with deep convolutional neural networks.
    Deeplearning4j: has none; DataVec's RandomCropTransform prepares the data so.
    Keras: RandomCrop, without pad.
    PyTorch: torchvision.transforms.RandomCrop and, to predict, CenterCrop.
    """
    axes = image_axes(x, "random_crop")
    size, pad = each(size, axes, "random_crop", "size"), each(pad, axes, "random_crop", "pad")
    if any(s > n for s, n in zip(size, axes, strict=True)):
        message = f"random_crop cuts out {window_text(size)}, but {net().previous} gives {show_shape(x.shape)}"
        raise WordError("shape-mismatch", message, "zeropad makes an image larger")
    if any(p >= s for p, s in zip(pad, size, strict=True)):
        message = f"pad of random_crop adds {window_text(pad)}, and a window {window_text(size)} could see nothing else"
        raise WordError("bad-option", message, "pad with less than the window")
    x = as_image(x)
    if net().training and (size != axes or any(pad)):
        return cropped(x, size, pad)
    middle = tuple(((n - s) // 2, n - s - (n - s) // 2) for n, s in zip(axes, size, strict=True))
    return ops.crop(x, pad=middle) if size != axes else x


@layer("cutout", gives="cut", example="cutout 2", image=True)
def cutout(x: Tensor, size: Window) -> Tensor:
    """In training, set a square of each image to 0 in all channels, around any of its pixels.

    What of the square lies beyond the edge is lost, as in the paper. The others are not scaled.

    Formula: f(x)[i] = 0 where m - floor(size / 2) <= i < m - floor(size / 2) + size along each axis, else x[i]
    Source: DeVries and Taylor 2017, Improved regularization of convolutional neural networks with cutout.
    Deeplearning4j: has none.
    Keras: RandomErasing, whose rectangle has a random size.
    PyTorch: torchvision.transforms.RandomErasing, whose rectangle has a random size and lies within the image.
    """
    axes = image_axes(x, "cutout")
    size = each(size, axes, "cutout", "size")
    if any(s > n for s, n in zip(size, axes, strict=True)):
        message = f"cutout blanks {window_text(size)}, but {net().previous} gives {show_shape(x.shape)}"
        raise WordError("bad-option", message, "make the square no larger than the image")
    x = as_image(x)
    return ops.blank_at(x, drawn_places(x, axes), size=size) if net().training else x
