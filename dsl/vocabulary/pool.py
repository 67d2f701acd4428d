"""Layers that look at images through windows: the largest number, the mean, the sum and the norm of each."""

from __future__ import annotations

import math
from typing import Annotated, TypedDict

from .. import ops
from ..ir import OPS, Tensor
from ..ops.pool import Margins, Sizes
from ..ops.steps import numbered
from ..words import Flag, Kind, Padding, Pads, Strides, Window, layer
from .axes import along_steps, counting, over_time, placed, slid, some
from .resample import along_axes
from .windows import each, image_axes, margins, need_room, sliding_axes

# The lowest number that both precisions have.
LOWEST = -float(2**128 - 2**104)

Power = Annotated[float, Kind("number", "a number of at least 1", 1)]


class Geometry(TypedDict):
    """The sizes of windows, their steps and what is around the image, for each axis."""

    size: Sizes
    stride: Sizes
    pad: Margins


def windows_of(x: Tensor, size: Sizes, stride: Sizes | None, pad: Padding, word: str) -> Geometry:
    """The windows that a use asks for; they lie side by side unless it says otherwise."""
    axes = sliding_axes(x, word)
    size = each(size, axes, word, "size")
    stride = each(stride, axes, word, "stride") if stride else size
    around = margins(pad, axes, size, stride, word)
    need_room(axes, size, stride, around, word)
    return {"size": size, "stride": stride, "pad": around}


@layer("maxpool", gives="pooled", example="maxpool 2x2", image=True)
def maxpool(x: Tensor, size: Window, stride: Strides | None = None, pad: Pads = "valid") -> Tensor:
    """The largest number of each window, channel by channel.

    Windows lie side by side unless stride says otherwise; one that does not fit a last time is left out. A margin is
    never the largest. Of several largest numbers the first one is given the gradient, row by row.

    Formula: f(x)[i, j] = max of x over the window at (i * stride, j * stride)
    Source: Riesenhuber and Poggio 1999, Hierarchical models of object recognition in cortex.
    Deeplearning4j: SubsamplingLayer, Subsampling1DLayer and Subsampling3DLayer with PoolingType.MAX.
    Keras: MaxPooling1D, 2D and 3D, which take channels last unless told.
    PyTorch: MaxPool1d, 2d and 3d, whose padding is at most half the window.
    """

    def slide(x: Tensor) -> Tensor:
        return placed(ops.max_pool(x, **windows_of(x, size, stride, pad, "maxpool")), True)

    # Without a margin no window that counts sees padding.
    return slid(x, slide, 0.0 if pad == "valid" else LOWEST)


@layer("avgpool", gives="pooled", example="avgpool 2x2", image=True)
def avgpool(
    x: Tensor, size: Window, stride: Strides | None = None, pad: Pads = "valid", count_pad: Flag = True
) -> Tensor:
    """The mean of each window, channel by channel.

    Windows lie side by side unless stride says otherwise; one that does not fit a last time is left out. A margin
    counts as zeros; with count_pad=false it does not count, and the mean is that of the window's own pixels.

    Formula: f(x)[i, j] = mean of x over the window at (i * stride, j * stride)
    Source: LeCun et al. 1998, Gradient-based learning applied to document recognition.
    Deeplearning4j: SubsamplingLayer with PoolingType.AVG, whose margin does not count unless told.
    Keras: AveragePooling1D, 2D and 3D, whose margin does not count.
    PyTorch: AvgPool1d, 2d and 3d, whose count_include_pad is count_pad here.
    """
    keep = None if count_pad else counting(x)

    def slide(x: Tensor) -> Tensor:
        window = windows_of(x, size, stride, pad, "avgpool")
        means = placed(ops.avg_pool(x, **window), True)
        if count_pad or not any(map(any, window["pad"])):
            return means
        shares = ops.window_shares(x, **window) if keep is None else _counting(keep, x, window)
        return placed((means / shares.named("shares")).within(means.type.domain.interval), True)

    return slid(x, slide)


def _counting(keep: Tensor, x: Tensor, window: Geometry) -> Tensor:
    """Which share of each window over steps counts, and 1 of those that are padding."""
    shares = ops.avg_pool(numbered(ops.permute(keep, axes=(0, 2, 1)), x), **window)
    return ops.where(shares > 0, shares, 1)


@layer("sumpool", gives="pooled", example="sumpool 2x2", image=True)
@along_steps
def sumpool(x: Tensor, size: Window, stride: Strides | None = None, pad: Pads = "valid") -> Tensor:
    """The sum of each window, channel by channel.

    Windows lie side by side unless stride says otherwise; one that does not fit a last time is left out.

    Formula: f(x)[i, j] = sum of x over the window at (i * stride, j * stride)
    Source: definition.
    Deeplearning4j: SubsamplingLayer with PoolingType.SUM.
    Keras: has none.
    PyTorch: has none; it is avg_pool2d with divisor_override=1.
    """
    return placed(_sums(x, windows_of(x, size, stride, pad, "sumpool")), True)


@layer("normpool", gives="pooled", example="normpool 2x2", image=True, aliases=("lppool",))
@along_steps
def normpool(x: Tensor, size: Window, stride: Strides | None = None, pad: Pads = "valid", p: Power = 2.0) -> Tensor:
    """The p-norm of each window, channel by channel; a window of zeros has the norm 0 and the slope 0.

    Windows lie side by side unless stride says otherwise; one that does not fit a last time is left out.

    Formula: f(x)[i, j] = (sum of |x|^p over the window at (i * stride, j * stride))^(1/p)
    Source: Sermanet et al. 2012, Convolutional neural networks applied to house numbers digit classification.
    Deeplearning4j: SubsamplingLayer with PoolingType.PNORM, whose pnorm has no default.
    Keras: has none.
    PyTorch: LPPool1d, 2d and 3d, whose x^p keeps the sign of x where p is odd.
    """
    return placed(_root(_sums(_power(x, p), windows_of(x, size, stride, pad, "normpool")), p), True)


def _sums(x: Tensor, window: Geometry) -> Tensor:
    return (ops.avg_pool(x, **window) * math.prod(window["size"])).named("sums")


def _power(x: Tensor, p: float) -> Tensor:
    return ops.square(x) if p == 2 else ops.absolute(x) if p == 1 else ops.absolute(x) ** p


def _root(powers: Tensor, p: float) -> Tensor:
    """The p-th root of what is not negative, whose slope at 0 is taken to be 0."""
    if p == 1:
        return powers
    above = (powers > 0).named("above")
    safe = ops.where(above, powers, 1)
    return ops.mask(ops.sqrt(safe) if p == 2 else safe ** (1 / p), above)


# All of an image at once ----------------------------------------------------------------------------------------------


def _behind(x: Tensor, word: str) -> tuple[int, ...]:
    """The axes behind the channels, or the steps before features."""
    return (len(x.shape) - 2,) if over_time(x) else tuple(range(2, 2 + len(image_axes(x, word))))


def _nothing(x: Tensor, number: float = 0.0) -> Tensor:
    """The value with a number in the place of what is padding."""
    keep = counting(x)
    if keep is None:
        return x
    return ops.where(keep, x, number).within(x.type.domain) if number else ops.mask(x, keep)


@layer("globalmaxpool", gives="pooled", example="globalmaxpool", image=True)
def globalmaxpool(x: Tensor) -> Tensor:
    """The largest number of each channel; of several largest numbers each has an equal share of the gradient.

    Formula: f(x)[c] = max of x[c]
    Source: definition.
    Deeplearning4j: GlobalPoolingLayer with PoolingType.MAX.
    Keras: GlobalMaxPooling1D, 2D and 3D.
    PyTorch: torch.amax over the axes behind the channels.
    """
    axes, counted = _behind(x, "globalmaxpool"), some(x)
    # Where nothing counts a number stands that times 0 is 0.
    lowest = -math.inf if counted is None else LOWEST
    largest = OPS["amax"](_nothing(x, lowest), axes=axes, keepdims=False)
    return largest if counted is None else ops.where(counted, largest, 0)


@layer("globalavgpool", gives="pooled", example="globalavgpool", image=True)
def globalavgpool(x: Tensor) -> Tensor:
    """The mean of each channel.

    Formula: f(x)[c] = mean of x[c]
    Source: Lin et al. 2014, Network in network.
    Deeplearning4j: GlobalPoolingLayer with PoolingType.AVG.
    Keras: GlobalAveragePooling1D, 2D and 3D.
    PyTorch: AdaptiveAvgPool1d, 2d and 3d of size 1, then flatten.
    """
    axes, keep = _behind(x, "globalavgpool"), counting(x)
    if keep is None:
        return ops.mean(x, axes=axes, keepdims=False)
    count = ops.total(ops.cast(keep, dtype="f32"), axes=axes, keepdims=False)
    count = (count if some(x) is None else ops.maximum(count, 1)).named("count")
    return (ops.total(_nothing(x), axes=axes, keepdims=False) / count).within(x.type.domain.interval)


@layer("globalsumpool", gives="pooled", example="globalsumpool", image=True)
def globalsumpool(x: Tensor) -> Tensor:
    """The sum of each channel.

    Formula: f(x)[c] = sum of x[c]
    Source: definition.
    Deeplearning4j: GlobalPoolingLayer with PoolingType.SUM.
    Keras: has none.
    PyTorch: torch.sum over the axes behind the channels.
    """
    axes = _behind(x, "globalsumpool")
    return ops.total(_nothing(x), axes=axes, keepdims=False)


@layer("globalnormpool", gives="pooled", example="globalnormpool", image=True)
def globalnormpool(x: Tensor, p: Power = 2.0) -> Tensor:
    """The p-norm of each channel; a channel of zeros has the norm 0 and the slope 0.

    Formula: f(x)[c] = (sum of |x[c]|^p)^(1/p)
    Source: definition.
    Deeplearning4j: GlobalPoolingLayer with PoolingType.PNORM, whose pnorm is 2.
    Keras: has none.
    PyTorch: torch.linalg.vector_norm over the axes behind the channels.
    """
    axes = _behind(x, "globalnormpool")
    return _root(ops.total(_power(_nothing(x), p), axes=axes, keepdims=False), p)


@layer("adaptive_avgpool", gives="pooled", example="adaptive_avgpool 2x2", image=True, aliases=("adaptiveavgpool",))
@along_steps
def adaptive_avgpool(x: Tensor, size: Window) -> Tensor:
    """The means of as many windows as asked for, which cover the image and overlap where it does not divide.

    Formula: f(x)[i] = mean of x from floor(i * n / size) to below ceil((i + 1) * n / size), along each axis of n pixels
    Source: He et al. 2014, Spatial pyramid pooling in deep convolutional networks for visual recognition.
    Deeplearning4j: has none.
    Keras: AdaptiveAveragePooling1D, 2D and 3D.
    PyTorch: AdaptiveAvgPool1d, 2d and 3d.
    """
    axes = image_axes(x, "adaptive_avgpool")
    size = each(size, axes, "adaptive_avgpool", "size")
    if not any(n % m for n, m in zip(axes, size, strict=True)):
        apart = tuple(n // m for n, m in zip(axes, size, strict=True))
        return placed(ops.avg_pool(x, size=apart, stride=apart, pad=((0, 0),) * len(axes)), True)
    return along_axes(x, axes, size, ops.averaging)
