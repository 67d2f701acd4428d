"""Layers for the columns of tables."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..words import Initializer, Positive, layer, net, weight
from .fan_initializers import XAVIER


@layer("standardize", gives="standard", example="standardize")
def standardize(x: Tensor) -> Tensor:
    """Bring every feature to mean 0 and deviation 1, as learned from the training rows; exported with the model.

    The deviation is that of the population, and 1 of a constant feature.

    Formula: f(x) = (x - mean) / deviation
    Source: definition.
    Deeplearning4j: NormalizerStandardize, a preprocessor beside the net (ND4J).
    Keras: Normalization, adapted to data, whose smallest deviation is 1e-7.
    PyTorch: has none.
    """
    mean, deviation = net().learned(x, {"mean": 0.0, "deviation": 1.0}, _moments)
    return (x - mean) / deviation


def _moments(x: Tensor) -> dict[str, Tensor]:
    wide = ops.cast(x, dtype="f64").named("wide")
    mean = ops.mean(wide, axes=(0,), keepdims=False).named("mean")
    deviation = ops.sqrt(ops.mean(ops.square(wide - mean), axes=(0,), keepdims=False))
    constant = ops.spread(wide, axis=0) <= 0
    return {"mean": mean, "deviation": ops.where(constant, 1, deviation)}


@layer("rescale", gives="scaled", example="rescale")
def rescale(x: Tensor) -> Tensor:
    """Bring every feature of the training rows to 0..1, as learned from them; exported with the model.

    A constant feature becomes 0, and other rows may go beyond 0..1.

    Formula: f(x) = (x - lowest) / (highest - lowest)
    Source: definition.
    Deeplearning4j: NormalizerMinMaxScaler, a preprocessor beside the net (ND4J).
    Keras: has none.
    PyTorch: has none.
    """
    lowest, width = net().learned(x, {"lowest": 0.0, "width": 1.0}, _range)
    return (x - lowest) / width


def _range(x: Tensor) -> dict[str, Tensor]:
    wide = ops.cast(x, dtype="f64").named("wide")
    width = ops.spread(wide, axis=0).named("width")
    return {"lowest": ops.amin(wide, axes=(0,), keepdims=False), "width": ops.where(width > 0, width, 1)}


@layer("onehot", ids=True, gives="hot", example="onehot")
def onehot(x: Tensor) -> Tensor:
    """The ids of a category as numbers: 1 at the place of the id, 0 elsewhere, along a new last axis.

    Formula: f(x)[j] = 1 where j = x, else 0
    Source: definition.
    Deeplearning4j: has none; DataVec's TransformProcess.categoricalToOneHot prepares the data so.
    Keras: CategoryEncoding(output_mode="one_hot").
    PyTorch: torch.nn.functional.one_hot, which gives whole numbers.
    """
    return ops.onehot(x, classes=_classes(x))


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
    return ops.gather(weight("W", (_classes(x), units), init), x)


def _classes(ids: Tensor) -> int:
    return int(ids.type.domain.high) + 1
