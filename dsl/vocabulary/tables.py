"""Layers for the columns of tables."""

from __future__ import annotations

from typing import Annotated

from .. import ops
from ..ir import Tensor
from ..words import Initializer, Kind, Learn, Positive, layer, net, weight
from .axes import along, placed
from .fan_initializers import XAVIER

Per = Annotated[str, Kind("choice", "element or channel")]


def _seen(x: Tensor, per: str) -> tuple[int, ...]:
    """The axes over which statistics are taken: the rows, and for those of channels all axes but theirs."""
    return tuple(axis for axis in range(len(x.shape)) if axis != x.axis) if per == "channel" else (0,)


def _scaled(x: Tensor, per: str, defaults: dict[str, float], learn: Learn) -> Tensor:
    """The value without the first statistic, divided by the second, both learned from the training rows."""
    shape = x.shape[x.axis : x.axis + 1] if per == "channel" else x.shape[1:]
    zero, unit = net().learned(x, defaults, shape, learn)
    return (x - along(zero, x)) / along(unit, x) if per == "channel" else (x - zero) / unit


@layer("standardize", gives="standard", example="standardize")
def standardize(x: Tensor, per: Per = "element") -> Tensor:
    """Bring every element to mean 0 and deviation 1, as learned from the training rows; exported with the model.

    The deviation is that of the population, and 1 of a constant element. With per=channel the statistics are those of
    each channel of an image, taken over all its pixels, or of each feature over all steps.

    Formula: f(x) = (x - mean) / deviation
    Source: definition.
    Deeplearning4j: NormalizerStandardize, a preprocessor beside the net (ND4J), which takes images by channel.
    Keras: Normalization, adapted to data, whose axis says per what and whose smallest deviation is 1e-7.
    PyTorch: torchvision.transforms.Normalize, by channel, with given numbers.
    """

    def moments(x: Tensor) -> dict[str, Tensor]:
        axes = _seen(x, per)
        wide = ops.cast(x, dtype="f64").named("wide")
        mean = ops.mean(wide, axes=axes, keepdims=False).named("mean")
        off = wide - (along(mean, x) if len(axes) > 1 else mean)
        deviation = ops.sqrt(ops.mean(ops.square(off), axes=axes, keepdims=False))
        return {"mean": mean, "deviation": ops.where(_width(wide, axes) <= 0, 1, deviation)}

    return _scaled(x, per, {"mean": 0.0, "deviation": 1.0}, moments)


@layer("rescale", gives="scaled", example="rescale")
def rescale(x: Tensor, per: Per = "element") -> Tensor:
    """Bring every element of the training rows to 0..1, as learned from them; exported with the model.

    A constant element becomes 0, and other rows may go beyond 0..1. With per=channel the ends are those of each channel
    of an image, or of each feature over all steps.

    Formula: f(x) = (x - lowest) / (highest - lowest)
    Source: definition.
    Deeplearning4j: NormalizerMinMaxScaler, a preprocessor beside the net (ND4J).
    Keras: has none.
    PyTorch: has none.
    """

    def ends(x: Tensor) -> dict[str, Tensor]:
        axes = _seen(x, per)
        wide = ops.cast(x, dtype="f64").named("wide")
        width = _width(wide, axes).named("width")
        return {"lowest": ops.amin(wide, axes=axes, keepdims=False), "width": ops.where(width > 0, width, 1)}

    return _scaled(x, per, {"lowest": 0.0, "width": 1.0}, ends)


def _width(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """How far the values lie apart."""
    if axes == (0,):
        return ops.spread(x, axis=0)
    return ops.reduce.amax(x, axes=axes, keepdims=False) - ops.amin(x, axes=axes, keepdims=False)


@layer("onehot", ids=True, gives="hot", example="onehot")
def onehot(x: Tensor) -> Tensor:
    """The ids of a category as numbers: 1 at the place of the id, 0 elsewhere, along a new last axis.

    Formula: f(x)[j] = 1 where j = x, else 0
    Source: definition.
    Deeplearning4j: has none; DataVec's TransformProcess.categoricalToOneHot prepares the data so.
    Keras: CategoryEncoding(output_mode="one_hot").
    PyTorch: torch.nn.functional.one_hot, which gives whole numbers.
    """
    return placed(ops.onehot(x, classes=_classes(x)), False)


@layer("embedding", ids=True, example="embedding 8")
def embedding(x: Tensor, units: Positive, init: Initializer = XAVIER) -> Tensor:
    """A trained vector for each class of a category; [k] ids give [k, units].

    It is onehot -> dense without a bias.

    Formula: f(x) = W[x], with W (classes, units)
    Source: Bengio et al. 2003, A neural probabilistic language model.
    Deeplearning4j: EmbeddingLayer, which may have a bias and an activation.
    Keras: Embedding, whose first values are uniform in -0.05..0.05.
    PyTorch: Embedding, whose first values are normal with deviation 1.
    """
    return placed(ops.gather(weight("W", (_classes(x), units), init), x), False)


def _classes(ids: Tensor) -> int:
    return int(ids.type.domain.high) + 1
