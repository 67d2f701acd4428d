"""Layers for the columns of tables."""

from __future__ import annotations

from typing import Annotated

from .. import ops
from ..context import Learn, net, weight
from ..ir import OPS, Tensor
from ..ops.steps import chosen
from ..padding import rows_that_count
from ..types import BATCH, rows
from ..words import Initializer, Kind, Positive, WordError, layer
from .axes import along, by_features, placed
from .fan_initializers import XAVIER

Per = Annotated[str, Kind("choice", "element or channel")]
Bag = Annotated[str | None, Kind("choice", "sum or mean")]
Padding = Annotated[int | None, Kind("whole", "a whole number of at least 0", 0)]


def _seen(x: Tensor, per: str) -> tuple[int, ...]:
    """The axes over which statistics are taken: the rows and their steps, and for those of channels all but theirs."""
    named = tuple(axis for axis, size in enumerate(x.shape) if isinstance(size, str))
    return tuple(axis for axis in range(len(x.shape)) if axis != x.axis) if per == "channel" else named


def _wide(x: Tensor) -> Tensor:
    """The values that statistics are taken of, in float64; of steps those that count, as rows."""
    if net().padded(x):
        x = placed(_counted(x), False)
    return placed(ops.cast(x, dtype="f64").named("wide"), x.axis == 1)


def _counted(x: Tensor) -> Tensor:
    """The steps that count, below one another."""
    if x.shape[0] != BATCH:
        message = f"{net().word} learns from all steps that count, and here each is an example of its own"
        raise WordError("shape-mismatch", message, f"put {net().word} before time_distributed, where it does the same")
    masks = {axis: net().mask(x, axis) for axis, size in enumerate(x.shape) if axis and isinstance(size, str)}
    keeps = {axis: keep for axis, keep in masks.items() if keep is not None}
    steps = max(keeps)
    keep = rows_that_count(x, steps, keeps)
    assert keep is not None
    return chosen(ops.reshape(x, shape=(rows(x.shape[: steps + 1], 0), *x.shape[steps + 1 :])), keep)


def _scaled(x: Tensor, per: str, defaults: dict[str, float], learn: Learn) -> Tensor:
    """The value without the first statistic, divided by the second, both learned from the training rows."""
    shape = x.shape[x.axis : x.axis + 1] if per == "channel" else tuple(d for d in x.shape if isinstance(d, int))
    zero, unit = net().learned(x, defaults, shape, learn)
    return _by_channel(x, zero, unit) if per == "channel" else (x - zero) / unit


@by_features
def _by_channel(x: Tensor, zero: Tensor, unit: Tensor) -> Tensor:
    return (x - along(zero, x)) / along(unit, x)


@layer("standardize", gives="standard", example="standardize")
def standardize(x: Tensor, per: Per = "element") -> Tensor:
    """Bring every element to mean 0 and deviation 1, as learned from the training rows; exported with the model.

    The deviation is that of the population, and 1 of a constant element. With per=channel the statistics are those of
    each channel of an image, taken over all its pixels, or of each feature over all steps. Steps of a number that only
    run time knows have one mean and deviation for all of them, to which those that are padding do not count.

    Formula: f(x) = (x - mean) / deviation
    Source: definition.
    Deeplearning4j: NormalizerStandardize, a preprocessor beside the net (ND4J), which takes images by channel.
    Keras: Normalization, adapted to data, whose axis says per what and whose smallest deviation is 1e-7.
    PyTorch: torchvision.transforms.Normalize, by channel, with given numbers.
    """

    def moments(x: Tensor) -> dict[str, Tensor]:
        wide = _wide(x)
        axes = _seen(wide, per)
        mean = ops.mean(wide, axes=axes, keepdims=False).named("mean")
        off = wide - (along(mean, wide) if per == "channel" else mean)
        deviation = ops.sqrt(ops.mean(ops.square(off), axes=axes, keepdims=False))
        return {"mean": mean, "deviation": ops.where(_width(wide, axes) <= 0, 1, deviation)}

    return _scaled(x, per, {"mean": 0.0, "deviation": 1.0}, moments)


@layer("rescale", gives="scaled", example="rescale")
def rescale(x: Tensor, per: Per = "element") -> Tensor:
    """Bring every element of the training rows to 0..1, as learned from them; exported with the model.

    A constant element becomes 0, and other rows may go beyond 0..1. With per=channel the ends are those of each channel
    of an image, or of each feature over all steps. Steps of a number that only run time knows have one pair of ends for
    all of them, to which those that are padding do not count.

    Formula: f(x) = (x - lowest) / (highest - lowest)
    Source: definition.
    Deeplearning4j: NormalizerMinMaxScaler, a preprocessor beside the net (ND4J).
    Keras: has none.
    PyTorch: has none.
    """

    def ends(x: Tensor) -> dict[str, Tensor]:
        wide = _wide(x)
        axes = _seen(wide, per)
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
def embedding(
    x: Tensor, units: Positive, padding: Padding = None, bag: Bag = None, init: Initializer = XAVIER
) -> Tensor:
    """A trained vector for each class of a category; [k] ids give [k, units].

    It is onehot -> dense without a bias. padding= names an id that gives zeros and is not trained; it marks nothing as
    padding, which lengths=true of the input does. bag=sum and bag=mean give [units]: the sum or mean of the vectors of
    all ids that are no padding, of neither kind; the mean of none is 0.

    Formula: f(x) = W[x], with W (classes, units); bag=sum has f(x) = sum(W[x]), bag=mean has f(x) = mean(W[x])
    Source: Bengio et al. 2003, A neural probabilistic language model.
    Deeplearning4j: EmbeddingLayer and EmbeddingSequenceLayer, which may have a bias and an activation.
    Keras: Embedding, whose first values are uniform in -0.05..0.05; mask_zero takes the id 0 for padding.
    PyTorch: Embedding, whose first values are normal with deviation 1, and whose padding_idx gives its row as it is;
    EmbeddingBag, mode="mean".
    """
    _check_bag(x, padding, bag)
    vectors = ops.gather(weight("W", (_classes(x), units), init), x).named("vectors")
    keep = _counted_ids(x, padding, bag)
    if keep is not None:
        vectors = ops.mask(vectors, ops.expand_dims(keep, axis=len(x.shape)))
    if bag is None:
        return placed(vectors, False)
    total = ops.total(vectors, axes=(len(x.shape) - 1,), keepdims=False)
    if bag == "sum":
        return total
    if keep is None:
        return ops.mean(vectors, axes=(len(x.shape) - 1,), keepdims=False)
    count = ops.total(ops.cast(keep, dtype="f32"), axes=(len(x.shape) - 1,), keepdims=True)
    return total / ops.maximum(count, 1).named("count")


def _check_bag(x: Tensor, padding: int | None, bag: str | None) -> None:
    if padding is not None and padding >= _classes(x):
        message = f"padding={padding} of embedding is no id: they go from 0 to {_classes(x) - 1}"
        raise WordError("bad-option", message, "name one of them")
    if bag is not None and len(x.shape) == 1:
        message = f"bag={bag} of embedding takes several ids together, and {net().previous} gives one"
        raise WordError("bad-option", message, "take bag away")


def _counted_ids(x: Tensor, padding: int | None, bag: str | None) -> Tensor | None:
    """Which ids count; None where all do."""
    keep = None if padding is None else OPS["not_equal"](x, padding)
    mask = net().mask(x, len(x.shape) - 1) if bag else None
    return ops.logical_and(keep, mask) if keep is not None and mask is not None else mask if keep is None else keep


def _classes(ids: Tensor) -> int:
    return int(ids.type.domain.high) + 1
