"""Layers whose filters slide over images, and over what has one axis or three behind its channels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from .. import ops
from ..context import net, weight
from ..field_sentence import LARGEST_EXAMPLE
from ..ir import Tensor
from ..ops.conv import Margins, Sizes, places, sizes_of
from ..types import Shape, show_shape
from ..words import CausalPads, Flag, Initializer, Kind, Padding, Pads, Positive, Strides, Window, WordError, layer
from .axes import along, along_steps, placed
from .fan_initializers import XAVIER
from .initializers import ZEROS
from .windows import each, image_axes, margins, need_room, show_pad, sliding_axes, window_text

Extras = Annotated[tuple[int, ...], Kind("window", "a whole number of at least 0, or one for each axis", 0)]


@dataclass(frozen=True)
class Geometry:
    """What slides over how many channels: a window with its steps, for each axis."""

    word: str
    inputs: int
    axes: Shape
    size: Sizes
    stride: Sizes
    dilation: Sizes

    @property
    def reach(self) -> Sizes:
        """The window's sizes with the gaps that dilation makes."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.size, self.dilation, strict=True))

    @property
    def known(self) -> Sizes:
        """The sizes of the axes that are known."""
        return tuple(n for n in self.axes if isinstance(n, int))

    def margins(self, pad: Padding) -> Margins:
        """What is added around the image, in which the window must then find a place."""
        if pad == "causal":
            if len(self.axes) > 1:
                message = (
                    f"pad=causal of {self.word} is for one axis of steps, and {net().previous} gives {len(self.axes)}"
                )
                raise WordError("bad-option", message, "write pad=same, which looks to all sides")
            found = ((self.reach[0] - 1, 0),)
        else:
            found = margins(pad, self.axes, self.reach, self.stride, self.word)
        need_room(self.axes, self.reach, self.stride, found, self.word)
        wide = (sum(m) + (n if isinstance(n, int) else 0) for n, m in zip(self.axes, found, strict=True))
        if self.inputs * math.prod(wide) > LARGEST_EXAMPLE:
            message = f"{self.word} looks at more than {LARGEST_EXAMPLE:,} numbers an example, with what pad adds"
            raise WordError("too-large", message, "make the window, or its dilation, smaller")
        return found


def _geometry(x: Tensor, word: str, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Geometry:
    axes = image_axes(x, word) if word in ("deconv", "locally_connected") else sliding_axes(x, word)
    size, steps = each(kernel, axes, word, "kernel"), each(stride, axes, word, "stride")
    return Geometry(word, sizes_of(x.type)[1], axes, size, steps, each(dilation, axes, word, "dilation"))


def _shares(word: str, inputs: int, outputs: int, groups: int) -> tuple[int, int]:
    """The channels of one group, of those that come in and of those that go out."""
    if inputs % groups or outputs % groups:
        message = f"groups={groups} of {word} does not divide its {inputs} channels and {outputs} filters"
        both = math.gcd(inputs, outputs)
        help = f"take a divisor of {both}" if both > 1 else "take other numbers of channels, or one group"
        raise WordError("bad-option", message, help)
    return inputs // groups, outputs // groups


def _filtered(
    x: Tensor, name: str, channels: int, init: Initializer, at: Geometry, pad: Padding, groups: int = 1
) -> Tensor:
    """The convolution with a new weight (channels, inputs of a group, window)."""
    around = at.margins(pad)
    inputs, outputs = _shares(at.word, at.inputs, channels, groups)
    window = math.prod(at.size)
    w = weight(name, (channels, inputs, *at.size), init, (inputs * window, outputs * window))
    found = ops.conv(x, w, stride=at.stride, dilation=at.dilation, pad=around, groups=groups)
    return placed(found, True)


def _shifted(z: Tensor, bias: bool, init: Initializer) -> Tensor:
    """The value with a bias for each channel, where one is wanted."""
    return z + along(weight("b", (z.features,), init), z) if bias else z


@layer("conv", image=True, example="conv 4 3x3", aliases=("conv1d", "conv2d", "conv3d"))
@along_steps
def conv(
    x: Tensor,
    channels: Positive,
    kernel: Window,
    stride: Strides = (1,),
    pad: CausalPads = "valid",
    dilation: Strides = (1,),
    groups: Positive = 1,
    bias: Flag = True,
    init: Initializer = XAVIER,
    bias_init: Initializer = ZEROS,
) -> Tensor:
    """Filters that slide over what has one, two or three axes behind its channels.

    W is (channels, inputs / groups, kernel), and fan_in the inputs of a group times the numbers of the kernel. With
    groups, each group of filters sees its own share of the inputs. pad=same gives as many places as a stride of 1 has
    pixels, or every stride-th of them, and pads the odd pixel at the end; pad=causal, for one axis, sees no later step.

    Formula: f(x)[k, i, j] = b[k] + sum of W[k, c, u, v] * x[c, i * stride + u * dilation, j * stride + v * dilation]
    Source: LeCun et al. 1998, Gradient-based learning applied to document recognition.
    Deeplearning4j: ConvolutionLayer, Convolution1DLayer and Convolution3D, whose default mode truncates as valid does.
    Keras: Conv1D, Conv2D and Conv3D, which take channels last unless told.
    PyTorch: Conv1d, Conv2d and Conv3d, whose first weights and biases are uniform to 1/sqrt(fan_in).
    """
    at = _geometry(x, "conv", kernel, stride, dilation)
    return _shifted(_filtered(x, "W", channels, init, at, pad, groups), bias, bias_init)


@layer("deconv", image=True, example="deconv 4 2x2 stride=2", aliases=("conv_transpose",))
@along_steps
def deconv(
    x: Tensor,
    channels: Positive,
    kernel: Window,
    stride: Strides = (1,),
    pad: Pads = "valid",
    dilation: Strides = (1,),
    groups: Positive = 1,
    output_pad: Extras = (0,),
    bias: Flag = True,
    init: Initializer = XAVIER,
    bias_init: Initializer = ZEROS,
) -> Tensor:
    """The transpose of conv: every number of x adds its filter, times itself, to a larger image.

    W is (inputs, channels / groups, kernel). An axis of n pixels becomes (n - 1) * stride + dilation * (kernel - 1) + 1
    + output_pad, less what pad takes off both ends; with pad=same it becomes n * stride. output_pad, below the stride,
    chooses among the sizes that conv would bring to the same n.

    Formula: f(x)[k, i * stride + u, j * stride + v] = b[k] + sum of W[c, k, u, v] * x[c, i, j]
    Source: Zeiler et al. 2010, Deconvolutional networks.
    Deeplearning4j: Deconvolution2D and Deconvolution3D.
    Keras: Conv1DTranspose, Conv2DTranspose and Conv3DTranspose.
    PyTorch: ConvTranspose1d, 2d and 3d, whose output_padding is output_pad here.
    """
    at = _geometry(x, "deconv", kernel, stride, dilation)
    sizes, around = _enlarged(at, pad, each(output_pad, at.axes, "deconv", "output_pad"))
    inputs, outputs = _shares("deconv", at.inputs, channels, groups)
    window = math.prod(at.size)
    w = weight("W", (at.inputs, outputs, *at.size), init, (inputs * window, outputs * window))
    steps = {"stride": at.stride, "dilation": at.dilation, "pad": around, "groups": groups}
    return _shifted(placed(ops.conv_transpose(x, w, size=sizes, **steps), True), bias, bias_init)


def _enlarged(at: Geometry, pad: Padding, extra: Sizes) -> tuple[Sizes, Margins]:
    """The sizes that deconv gives, and what it takes off their ends."""
    if any(e >= s for e, s in zip(extra, at.stride, strict=True)) and any(extra):
        message = f"output_pad of deconv is below its stride {list(at.stride)}, but this is {list(extra)}"
        help = "it chooses among the sizes that a stride leaves open, and a stride of 1 leaves one: take it away"
        if max(at.stride) > 1:
            help = f"it chooses among the sizes that a stride leaves open: at most {[s - 1 for s in at.stride]}"
        raise WordError("bad-option", message, help)
    whole = [(n - 1) * s + r for n, s, r in zip(at.known, at.stride, at.reach, strict=True)]
    if pad == "same":
        sizes = tuple(n * s for n, s in zip(at.known, at.stride, strict=True))
        if any(extra):
            message = "pad=same of deconv gives n * stride pixels, so that output_pad has no size to choose"
            raise WordError("bad-option", message, "take output_pad away, or write pad as a number")
        return sizes, margins(pad, sizes, at.reach, at.stride, "deconv")
    around = margins(pad, at.axes, at.reach, at.stride, "deconv")
    sizes = tuple(n + e - sum(m) for n, e, m in zip(whole, extra, around, strict=True))
    if min(sizes) < 1:
        made = window_text(tuple(n + e for n, e in zip(whole, extra, strict=True)))
        message = f"deconv makes {made} pixels of {net().previous}, and pad={show_pad(around)} leaves none of them"
        help = "make pad smaller: it takes pixels off both ends of what deconv makes"
        raise WordError("shape-mismatch", message, help)
    return sizes, around


@layer("depthwise", image=True, example="depthwise 3x3", aliases=("depthwise_conv",))
@along_steps
def depthwise(
    x: Tensor,
    kernel: Window,
    multiplier: Positive = 1,
    stride: Strides = (1,),
    pad: Pads = "valid",
    dilation: Strides = (1,),
    bias: Flag = True,
    init: Initializer = XAVIER,
    bias_init: Initializer = ZEROS,
) -> Tensor:
    """A conv in which each channel has filters of its own, as many as multiplier says.

    W is (inputs * multiplier, 1, kernel), the filters of a channel side by side, and fan_in the numbers of the kernel.

    Formula: f(x)[c * m + k, i, j] = b[c * m + k] + sum of W[c * m + k, 0, u, v] * x[c, i * stride + u, j * stride + v]
    Source: Howard et al. 2017, MobileNets: efficient convolutional neural networks for mobile vision applications.
    Deeplearning4j: DepthwiseConvolution2D.
    Keras: DepthwiseConv1D and DepthwiseConv2D.
    PyTorch: Conv1d, 2d and 3d with as many groups as channels.
    """
    at = _geometry(x, "depthwise", kernel, stride, dilation)
    z = _filtered(x, "W", at.inputs * multiplier, init, at, pad, groups=at.inputs)
    return _shifted(z, bias, bias_init)


@layer("separable", image=True, example="separable 4 3x3", aliases=("separable_conv",))
@along_steps
def separable(
    x: Tensor,
    channels: Positive,
    kernel: Window,
    multiplier: Positive = 1,
    stride: Strides = (1,),
    pad: Pads = "valid",
    dilation: Strides = (1,),
    bias: Flag = True,
    init: Initializer = XAVIER,
    bias_init: Initializer = ZEROS,
) -> Tensor:
    """A depthwise convolution without a bias, then a conv with 1x1 windows that mixes the channels.

    D is (inputs * multiplier, 1, kernel), and W is (channels, inputs * multiplier, 1x1).

    Formula: f(x) = conv(depthwise(x, D), W) + b
    Source: Chollet 2017, Xception: deep learning with depthwise separable convolutions.
    Deeplearning4j: SeparableConvolution2D.
    Keras: SeparableConv1D and SeparableConv2D.
    PyTorch: two of Conv1d, 2d or 3d, the first with as many groups as channels.
    """
    at = _geometry(x, "separable", kernel, stride, dilation)
    each_alone = _filtered(x, "D", at.inputs * multiplier, init, at, pad, groups=at.inputs).named("filtered")
    one = (1,) * len(at.axes)
    pointwise = Geometry("separable", at.inputs * multiplier, each_alone.shape[2:], one, one, one)
    return _shifted(_filtered(each_alone, "W", channels, init, pointwise, "valid"), bias, bias_init)


@layer("locally_connected", image=True, example="locally_connected 3 2x2", aliases=("local",))
@along_steps
def locally_connected(
    x: Tensor,
    channels: Positive,
    kernel: Window,
    stride: Strides = (1,),
    pad: Pads = "valid",
    dilation: Strides = (1,),
    bias: Flag = True,
    init: Initializer = XAVIER,
    bias_init: Initializer = ZEROS,
) -> Tensor:
    """A conv whose filters have weights of their own at each place, over one or two axes.

    W is (channels, inputs * numbers of the kernel, places), places row by row; b has a number for each channel.

    Formula: f(x)[k, p] = b[k] + sum of W[k, q, p] * window(x, p)[q]
    Source: LeCun 1989, Generalization and network design strategies.
    Deeplearning4j: LocallyConnected1D and LocallyConnected2D, whose weight is (places, inputs, channels).
    Keras: LocallyConnected1D and LocallyConnected2D up to version 2, with a bias for each place too.
    PyTorch: has none; torch.nn.Unfold and a product for each place make one.
    """
    at = _geometry(x, "locally_connected", kernel, stride, dilation)
    if len(at.axes) > 2:
        message = f"locally_connected takes one or two axes behind the channels, but {net().previous} gives"
        raise WordError("shape-mismatch", f"{message} {show_shape(x.shape)}", "use conv, or reshape before it")
    around = at.margins(pad)
    found = places(at.axes, at.size, at.stride, at.dilation, around)
    seen = ops.unfold(x, size=at.size, stride=at.stride, dilation=at.dilation, pad=around).named("seen")
    numbers = at.inputs * math.prod(at.size)
    w = weight("W", (channels, numbers, math.prod(found)), init, (numbers, channels))
    z = ops.permute(w, axes=(2, 0, 1)) @ ops.permute(seen, axes=(2, 1, 0))
    z = ops.reshape(ops.permute(z, axes=(2, 1, 0)), shape=(x.shape[0], channels, *found))
    return _shifted(placed(z, True), bias, bias_init)
