"""Norms: over the batch with running statistics, over the features or channels of an example, and over neighbours."""

from __future__ import annotations

import math
from typing import Annotated

from .. import ops
from ..context import net, weight
from ..ir import Tensor
from ..ops.recurrence import each_step
from ..ops.reshape import reshape_like
from ..padding import rows_that_count
from ..types import BATCH, show_shape
from ..words import Flag, Initializer, Kind, Positive, PositiveReal, WordError, layer
from .axes import along, by_features, need_channels_first, over_time, placed
from .initializers import ONES, ZEROS

Eps = Annotated[float, Kind("real", "a number of at least 1e-12", 1e-12)]
Share = Annotated[float, Kind("real", "a number above 0, of at most 1", 0, 1, low_open=True)]

# What batchnorm keeps, and what it is before the first step.
RUNNING = {"mean": 0.0, "var": 1.0}


def led(x: Tensor) -> Tensor:
    """The value with its channels on the first axis of an example, where they stand unless it is a sequence."""
    if not over_time(x):
        need_channels_first(x, net().word)
        return x
    last = len(x.shape) - 1
    return placed(ops.permute(x, axes=(0, last, *range(1, last))), True)


def led_back(y: Tensor, like: Tensor) -> Tensor:
    """The value with its channels where those of another stand."""
    if len(y.shape) == 2:
        return y
    if not over_time(like):
        return placed(y, True)
    return placed(ops.permute(y, axes=(0, *range(2, len(y.shape)), 1)), False)


def affine(normal: Tensor, scale: bool, shift: bool, gamma_init: Initializer, beta_init: Initializer) -> Tensor:
    """Times gamma and plus beta, each with a number for each feature, where they are wanted."""
    size = (normal.features,)
    if scale:
        normal = normal * along(weight("gamma", size, gamma_init), normal)
    return normal + along(weight("beta", size, beta_init), normal) if shift else normal


@layer("batchnorm", example="batchnorm", aliases=("batch_norm", "batchnormalization"))
def batchnorm(
    x: Tensor,
    momentum: Share = 0.1,
    eps: Eps = 1e-5,
    scale: Flag = True,
    shift: Flag = True,
    gamma_init: Initializer = ONES,
    beta_init: Initializer = ZEROS,
) -> Tensor:
    """Bring every feature, or channel, to mean 0 and variance 1 over the batch; in prediction by running statistics.

    A step of training moves the running mean and variance towards those of its batch, the variance times n / (n - 1)
    for n values. A batch with one value of each feature gives beta, and leaves the running statistics as they are.
    With frozen=true gamma, beta and the running statistics stay as they are, and training normalises by them too.
    scale=false leaves gamma out, shift=false beta. A bias right before it does nothing: bias=false.

    Formula: f(x) = gamma * (x - mean) / sqrt(variance + eps) + beta
    Source: Ioffe and Szegedy 2015, Batch normalization: accelerating deep network training.
    Deeplearning4j: BatchNormalization, decay = 0.9 for momentum = 0.1; lockGammaBeta is scale=false shift=false.
    Keras: BatchNormalization, momentum = 0.99 for 0.01 here, eps = 1e-3; its variance is not times n / (n - 1).
    PyTorch: BatchNorm1d, 2d and 3d, which refuse a batch with one value of each feature.
    """
    keep = steps_that_count(x) if net().learning else None
    value = led(x) if keep is None else ops.steps.chosen(each_step(x), keep).named("rows")
    size = (value.shape[1],)
    gamma = weight("gamma", size, gamma_init) if scale else x.builder.constant(1.0)
    beta = weight("beta", size, beta_init) if shift else x.builder.constant(0.0)
    mean, var = net().running(RUNNING, size)
    if not net().learning:
        return led_back(ops.batchnorm_predict(value, gamma, beta, mean, var, eps=eps), x)
    y, stats, *after = ops.batchnorm(value, gamma, beta, mean, var, eps=eps, momentum=momentum)
    stats.named("stats".join(mean.value.hint.rsplit("mean", 1)))
    net().move(dict(zip(RUNNING, after, strict=True)))
    return led_back(y, x) if keep is None else placed(reshape_like(ops.steps.put_back(y, keep), x), False)


def steps_that_count(x: Tensor) -> Tensor | None:
    """Which steps of all examples count, below one another; None where all do."""
    if not net().padded(x):
        return None
    if not over_time(x) or x.shape[0] != BATCH:
        message = f"{net().word} takes its statistics over steps, and lengths=true says that some are padding"
        help = f"{net().word} without time_distributed leaves these out; layernorm and rmsnorm see each step by itself"
        raise WordError("shape-mismatch", message, help)
    masks = {axis: net().mask(x, axis) for axis in range(1, len(x.shape) - 1)}
    keep = rows_that_count(x, len(masks), {axis: mask for axis, mask in masks.items() if mask is not None})
    return keep and keep.named("kept")


def need_known(x: Tensor) -> None:
    """Raise where an example would be normalised over steps whose number is known only at run time."""
    if any(isinstance(d, str) for d in x.shape[1:]):
        message = f"{net().word} normalises over all places of an example, and {net().previous} gives"
        message += f" {show_shape(x.shape)}, whose number is known only at run time"
        raise WordError("shape-mismatch", message, "take layernorm or rmsnorm, which see each step by itself")


def need_several(x: Tensor, count: int, what: str) -> None:
    """Raise where a norm would be taken of one number, which it would always make 0."""
    if count < 2:
        message = f"{net().word} normalises over {what}, of which {net().previous} gives one: {show_shape(x.shape)}"
        raise WordError("shape-mismatch", message, f"take {net().word} away, or give it a value with more")


@layer("layernorm", example="layernorm", aliases=("layer_norm",))
@by_features
def layernorm(
    x: Tensor,
    eps: Eps = 1e-5,
    scale: Flag = True,
    shift: Flag = True,
    gamma_init: Initializer = ONES,
    beta_init: Initializer = ZEROS,
) -> Tensor:
    """Bring the features of each example to mean 0 and variance 1; of an image, the channels of each place.

    Over the channels and places together it is groupnorm 1.

    Formula: f(x) = gamma * (x - mean) / sqrt(variance + eps) + beta, with gamma and beta (features)
    Source: Ba et al. 2016, Layer normalization.
    Deeplearning4j: has none as a layer; DenseLayer has it as an option, hasLayerNorm.
    Keras: LayerNormalization, eps = 1e-3, over the last axis.
    PyTorch: LayerNorm(features), over the last axes, whose gamma and beta have the shape of what it normalises.
    """
    need_several(x, x.features, "features")
    normal, deviation = ops.normalize(x, axes=(x.axis,), eps=eps)
    return affine(_named(normal, deviation), scale, shift, gamma_init, beta_init)


@layer("groupnorm", example="groupnorm 2", aliases=("group_norm",))
def groupnorm(
    x: Tensor,
    groups: Positive,
    eps: Eps = 1e-5,
    scale: Flag = True,
    shift: Flag = True,
    gamma_init: Initializer = ONES,
    beta_init: Initializer = ZEROS,
) -> Tensor:
    """Bring each group of channels of an example, with all its places, to mean 0 and variance 1.

    Formula: f(x) = gamma * (x - mean) / sqrt(variance + eps) + beta, with gamma and beta (channels)
    Source: Wu and He 2018, Group normalization.
    Deeplearning4j: has none.
    Keras: GroupNormalization, groups = 32, eps = 1e-3.
    PyTorch: GroupNorm.
    """
    need_known(x)
    value = led(x)
    channels = value.shape[1]
    assert isinstance(channels, int)
    if channels % groups:
        message = f"groupnorm makes {groups} groups, but {net().previous} gives {channels} channels"
        raise WordError("shape-mismatch", message, "the number of channels is a multiple of the groups")
    size = math.prod(d for d in value.shape[1:] if isinstance(d, int)) // groups
    need_several(x, size, "the numbers of a group")
    parted = ops.reshape(value, shape=(value.shape[0], groups, size))
    normal, deviation = ops.normalize(parted, axes=(2,), eps=eps)
    normal = ops.reshape(_named(normal, deviation), shape=value.shape)
    return affine(led_back(normal, x), scale, shift, gamma_init, beta_init)


@layer("instancenorm", example="instancenorm", aliases=("instance_norm",))
def instancenorm(
    x: Tensor,
    eps: Eps = 1e-5,
    scale: Flag = True,
    shift: Flag = True,
    gamma_init: Initializer = ONES,
    beta_init: Initializer = ZEROS,
) -> Tensor:
    """Bring the places of each channel of an example to mean 0 and variance 1.

    A bias right before it does nothing: bias=false.

    Formula: f(x) = gamma * (x - mean) / sqrt(variance + eps) + beta, with gamma and beta (channels)
    Source: Ulyanov et al. 2016, Instance normalization: the missing ingredient for fast stylization.
    Deeplearning4j: has none.
    Keras: GroupNormalization(groups=-1), eps = 1e-3.
    PyTorch: InstanceNorm1d, 2d and 3d, which have neither gamma nor beta unless told.
    """
    need_known(x)
    value = led(x)
    if len(value.shape) < 3:
        message = f"instancenorm needs channels with places, but {net().previous} gives {show_shape(x.shape)}"
        raise WordError("shape-mismatch", message, "for features there are batchnorm and layernorm")
    need_several(x, math.prod(d for d in value.shape[2:] if isinstance(d, int)), "the places of a channel")
    normal, deviation = ops.normalize(value, axes=tuple(range(2, len(value.shape))), eps=eps)
    return affine(led_back(_named(normal, deviation), x), scale, shift, gamma_init, beta_init)


def _named(normal: Tensor, deviation: Tensor) -> Tensor:
    deviation.named("deviation")
    return normal.named("normal")


@layer("rmsnorm", example="rmsnorm", aliases=("rms_norm",))
@by_features
def rmsnorm(x: Tensor, eps: Eps = 1e-5, scale: Flag = True, gamma_init: Initializer = ONES) -> Tensor:
    """Bring the features of each example to a mean square of 1; of an image, the channels of each place.

    Formula: f(x) = gamma * x / sqrt(mean(x^2) + eps), with gamma (features)
    Source: Zhang and Sennrich 2019, Root mean square layer normalization.
    Deeplearning4j: has none.
    Keras: RMSNormalization, eps = 1e-6.
    PyTorch: RMSNorm, whose eps is the precision of its numbers unless told.
    """
    squares = ops.mean(ops.square(x), axes=(x.axis,), keepdims=True)
    normal = (x / ops.sqrt(squares + eps).named("size")).named("normal")
    return affine(normal, scale, False, gamma_init, ZEROS)


@layer("lrn", example="lrn", aliases=("local_response_normalization",))
def lrn(
    x: Tensor, size: Positive = 5, alpha: PositiveReal = 1e-4, beta: PositiveReal = 0.75, k: PositiveReal = 1.0
) -> Tensor:
    """Divide each value by how large those of its channel and the nearest ones, `size` in all, are at its place.

    Formula: f(x) = x / (k + alpha / size * sum(x^2))^beta, the sum over the channels at most size // 2 away
    Source: Krizhevsky et al. 2012, ImageNet classification with deep convolutional neural networks, which has k = 2,
    size = 5, beta = 0.75, and alpha = 1e-4 of the sum, not of the mean: alpha=5e-4 here.
    Deeplearning4j: LocalResponseNormalization, k = 2, n = 5, alpha = 1e-4, beta = 0.75; alpha is of the sum.
    Keras: has none.
    PyTorch: LocalResponseNorm, which needs a size and takes even ones.
    """
    if size % 2 == 0:
        message = f"lrn looks at as many channels on either side, so its size is odd, and not {size}"
        raise WordError("bad-option", message, f"choose {size - 1} or {size + 1}")
    value = led(x)
    sums = ops.neighbours(ops.square(value), size=size).named("sums")
    return led_back(value / (k + alpha / size * sums) ** beta, x)
