"""Layers that act in training alone: they drop values, or add noise."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..words import Unit, layer, net


@layer("dropout", gives="dropped", example="dropout 20%")
def dropout(x: Tensor, rate: Unit) -> Tensor:
    """In training, sets a share `rate` of the values to 0 and scales the others by 1/(1 - rate).

    Srivastava et al. 2014. The number is the share dropped, as in Keras and PyTorch; in Deeplearning4j it is the
    share kept.
    """
    if not net().training or rate == 0:
        return x
    keep = (net().draw(x.shape) >= rate).named("keep")
    return ops.mask(x / (1 - rate), keep)
