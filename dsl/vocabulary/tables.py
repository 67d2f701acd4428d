"""Layers for the columns of tables."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..words import layer, net


@layer("standardize", gives="standard", example="standardize")
def standardize(x: Tensor) -> Tensor:
    """(x - mean) / deviation by feature, learned from the training rows and exported with the model.

    The deviation is that of the population; a constant feature has deviation 1.
    """
    mean, deviation = net().learned(x, {"mean": 0.0, "deviation": 1.0}, _moments)
    return (x - mean) / deviation


def _moments(x: Tensor) -> dict[str, Tensor]:
    wide = ops.cast(x, dtype="f64").named("wide")
    mean = ops.mean(wide, axes=(0,), keepdims=False).named("mean")
    deviation = ops.sqrt(ops.mean(ops.square(wide - mean), axes=(0,), keepdims=False))
    constant = ops.spread(wide, axis=0) <= 0
    return {"mean": mean, "deviation": ops.where(constant, 1, deviation)}
