"""Layers that give images another size: repeated or interpolated pixels, margins, and pixels as channels."""

from __future__ import annotations

from typing import Annotated, Any

from .. import ops
from ..context import net
from ..ir import Tensor
from ..ops.pool import Margins, Sizes
from ..types import BATCH, batch_of, pieces, show_shape
from ..words import Kind, Positive, Window, WordError, layer
from .axes import as_image, placed
from .windows import channels_of, each, image_axes, show_pad

Mode = Annotated[str, Kind("choice", "nearest or bilinear")]
Around = Annotated[Margins, Kind("pads", "whole numbers of at least 0, as 1, [1, 2] or [[0, 1], [0, 1]]", 0)]


def along_axes(x: Tensor, axes: Sizes, wanted: Sizes, shares: Any) -> Tensor:
    """The image in another size, each pixel a mean of given ones: along one axis after the other."""
    y = x
    for axis, sizes in enumerate(zip(axes, wanted, strict=True), 2):
        if sizes[0] != sizes[1]:
            y = ops.weighted(y, shares(x, given=sizes[0], wanted=sizes[1]).named("shares"), axis=axis)
    return placed(y.within(x.type.domain.interval), True) if y is not x else as_image(x)


@layer("upsample", gives="grown", example="upsample 2", image=True)
def upsample(x: Tensor, factor: Window, mode: Mode = "nearest") -> Tensor:
    """Each pixel several times along each axis, or values between the middles of the pixels around.

    bilinear interpolates along each axis, so linearly over one and trilinearly over three; beyond the middles of the
    outermost pixels it keeps their values.

    Formula: f(x)[i] = x[floor(i / factor)], or for bilinear x at (i + 1/2) / factor - 1/2, along each axis
    Source: definition.
    Deeplearning4j: Upsampling1D, Upsampling2D and Upsampling3D, which repeat pixels.
    Keras: UpSampling1D, 2D and 3D; interpolation="bilinear" is of 2D alone.
    PyTorch: Upsample(scale_factor=factor), with mode linear, bilinear or trilinear and align_corners=False.
    """
    axes = image_axes(x, "upsample")
    factors = each(factor, axes, "upsample", "factor")
    if max(factors) == 1:
        return as_image(x)
    if mode == "nearest":
        return placed(ops.upsample(x, factors=factors), True)
    return along_axes(x, axes, tuple(n * f for n, f in zip(axes, factors, strict=True)), ops.interpolation)


@layer("zeropad", gives="padded", example="zeropad 1", image=True, aliases=("zero_padding",))
def zeropad(x: Tensor, margin: Around) -> Tensor:
    """Zeros around the image: as many on all sides, by axis, or before and behind each axis.

    Formula: f(x)[i] = x[i - before], and 0 where x has no such pixel
    Source: definition.
    Deeplearning4j: ZeroPadding1DLayer, ZeroPaddingLayer and ZeroPadding3DLayer.
    Keras: ZeroPadding1D, 2D and 3D.
    PyTorch: ZeroPad1d, 2d and 3d, which name the last axis first.
    """
    pad = each(margin, image_axes(x, "zeropad"), "zeropad", "margin")
    return placed(ops.zero_pad(x, pad=pad), True) if any(map(any, pad)) else as_image(x)


@layer("crop", gives="cropped", example="crop 1", image=True, aliases=("cropping",))
def crop(x: Tensor, margin: Around) -> Tensor:
    """The image without a margin: as much on all sides, by axis, or before and behind each axis.

    Formula: f(x)[i] = x[i + before]
    Source: definition.
    Deeplearning4j: Cropping1D, Cropping2D and Cropping3D.
    Keras: Cropping1D, 2D and 3D.
    PyTorch: torch.nn.functional.pad with negative numbers.
    """
    axes = image_axes(x, "crop")
    pad = each(margin, axes, "crop", "margin")
    if any(n <= sum(p) for n, p in zip(axes, pad, strict=True)):
        message = f"crop takes {show_pad(pad)} off each side, but {net().previous} gives {show_shape(x.shape)}"
        raise WordError("shape-mismatch", message, "leave at least one pixel along each axis")
    return placed(ops.crop(x, pad=pad), True) if any(map(any, pad)) else as_image(x)


@layer("space_to_depth", gives="packed", example="space_to_depth 2", image=True, aliases=("pixel_unshuffle",))
def space_to_depth(x: Tensor, block: Positive) -> Tensor:
    """The pixels of each block of an image as channels: the channels of x stay together, each with its block in order.

    Formula: f(x)[c * block^2 + a * block + b, i, j] = x[c, i * block + a, j * block + b]
    Source: Shi et al. 2016, Real-time single image and video super-resolution (its inverse).
    Deeplearning4j: SpaceToDepthLayer, in whose result the place in a block varies first, then the channel.
    Keras: has none.
    PyTorch: PixelUnshuffle.
    """
    axes = image_axes(x, "space_to_depth")
    if any(n % block for n in axes):
        message = f"space_to_depth makes blocks of {block}, but {net().previous} gives {show_shape(x.shape)}"
        raise WordError("shape-mismatch", message, f"each axis behind the channels is a multiple of {block}")
    if block == 1:
        return as_image(x)
    few, many = tuple(n // block for n in axes), range(len(axes))
    # (N, C, h, block, w, block) to (N, C, block, block, h, w)
    apart = ops.reshape(x, shape=(*x.shape[:2], *(size for n in few for size in (n, block))))
    turned = ops.permute(apart, axes=(0, 1, *(3 + 2 * axis for axis in many), *(2 + 2 * axis for axis in many)))
    return placed(ops.reshape(turned, shape=(x.shape[0], channels_of(x) * block ** len(axes), *few)), True)


@layer("depth_to_space", gives="unpacked", example="depth_to_space 2", image=True, aliases=("pixel_shuffle",))
def depth_to_space(x: Tensor, block: Positive) -> Tensor:
    """Channels as the pixels of blocks: the inverse of space_to_depth.

    Formula: f(x)[c, i * block + a, j * block + b] = x[c * block^2 + a * block + b, i, j]
    Source: Shi et al. 2016, Real-time single image and video super-resolution.
    Deeplearning4j: has no layer of it.
    Keras: has none.
    PyTorch: PixelShuffle.
    """
    axes = image_axes(x, "depth_to_space")
    channels, left = divmod(channels_of(x), block ** len(axes))
    if left:
        message = f"depth_to_space makes blocks of {block ** len(axes)} channels, but {net().previous} gives"
        message += f" {show_shape(x.shape)}"
        raise WordError("shape-mismatch", message, f"the channels are a multiple of {block ** len(axes)}")
    if block == 1:
        return as_image(x)
    many = range(len(axes))
    # (N, C, block, block, h, w) to (N, C, h, block, w, block)
    apart = ops.reshape(x, shape=(x.shape[0], channels, *[block] * len(axes), *axes))
    pairs = [place for axis in many for place in (2 + len(axes) + axis, 2 + axis)]
    turned = ops.permute(apart, axes=(0, 1, *pairs))
    return placed(ops.reshape(turned, shape=(x.shape[0], channels, *(n * block for n in axes))), True)


@layer("space_to_batch", gives="pieces", example="space_to_batch 2", image=True)
def space_to_batch(x: Tensor, block: Positive) -> Tensor:
    """Cut each image into block^axes pieces, which hold every block-th pixel along each axis and go on as examples.

    What stands between it and batch_to_space, which it needs, sees each piece by itself: a conv there is one with
    dilation=block. Only whole examples reach a loss, a metric or an output, and values of pieces go with such values
    alone; what draws random numbers stands outside.

    Formula: piece (a, b) of x: f(x)[c, i, j] = x[c, i * block + a, j * block + b]
    Source: definition.
    Deeplearning4j: SpaceToBatchLayer, with a padding, which is zeropad here; labels there have the longer batch.
    Keras: has none.
    PyTorch: has none.
    """
    axes = image_axes(x, "space_to_batch")
    if any(n % block for n in axes):
        message = f"space_to_batch cuts by {block}, but {net().previous} gives {show_shape(x.shape)}"
        raise WordError("shape-mismatch", message, f"each axis behind the channels is a multiple of {block}")
    if pieces(x.shape[0]) > 1:
        message = f"space_to_batch cuts whole examples, and this one is in {pieces(x.shape[0])} pieces"
        raise WordError("shape-mismatch", message, "put batch_to_space before it")
    if block == 1:
        return as_image(x)
    few, many = tuple(n // block for n in axes), range(len(axes))
    # (N, C, h, block, w, block) to (block, block, N, C, h, w)
    apart = ops.reshape(x, shape=(*x.shape[:2], *(size for n in few for size in (n, block))))
    turned = ops.permute(apart, axes=(*(3 + 2 * axis for axis in many), 0, 1, *(2 + 2 * axis for axis in many)))
    return placed(ops.reshape(turned, shape=(batch_of(block ** len(axes)), x.shape[1], *few)), True)


@layer("batch_to_space", gives="whole", example="batch_to_space 2", image=True)
def batch_to_space(x: Tensor, block: Positive) -> Tensor:
    """Put the pieces of each image together again: the inverse of space_to_batch.

    Formula: f(x)[c, i * block + a, j * block + b] = piece (a, b) of x at [c, i, j]
    Source: definition.
    Deeplearning4j: has no layer of it.
    Keras: has none.
    PyTorch: has none.
    """
    axes = image_axes(x, "batch_to_space")
    there = pieces(x.shape[0])
    if there != block ** len(axes):
        message = f"batch_to_space {block} puts {block ** len(axes)} pieces together, but each example is"
        message += f" in {there}" if there > 1 else " whole"
        raise WordError("shape-mismatch", message, f"put space_to_batch {block} before what sees the pieces")
    if block == 1:
        return as_image(x)
    many = range(len(axes))
    # (block, block, N, C, h, w) to (N, C, h, block, w, block)
    apart = ops.reshape(x, shape=(*[block] * len(axes), BATCH, *x.shape[1:]))
    pairs = [place for axis in many for place in (2 + len(axes) + axis, axis)]
    turned = ops.permute(apart, axes=(len(axes), len(axes) + 1, *pairs))
    return placed(ops.reshape(turned, shape=(BATCH, x.shape[1], *(n * block for n in axes))), True)
