"""Pooling and the transposed convolution for ONNX's reference runtime, which reads some of their attributes wrongly.

Of pooling it takes the pads of two axes in another order; pooling here is made of the plain numbers of tests/reference.
Of a transposed convolution it takes the wrong filters for all groups but one; here each group goes through it alone.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_conv_transpose import ConvTranspose as OfOneGroup
from reference import images

Array = np.ndarray[Any, Any]


def geometry(x: Array, kernel_shape: Any, strides: Any, pads: Any) -> tuple[Any, ...]:
    axes = len(kernel_shape)
    pads = [0] * 2 * axes if pads is None else pads
    return tuple(kernel_shape), tuple(strides), tuple(zip(pads[:axes], pads[axes:], strict=True))


class MaxPool(OpRun):
    op_domain: ClassVar[str] = ""

    def _run(self, x: Array, kernel_shape: Any = None, strides: Any = None, pads: Any = None, **others: Any) -> Any:
        window = geometry(x, kernel_shape, strides, pads)
        y = images.max_pool(x, *window).astype(x.dtype)
        rows = np.arange(x.size, dtype=float).reshape(x.shape)
        places = images.first_of_largest(x, rows, *window).astype(np.int64)
        return (y, places)[: len(self.onnx_node.output)]


class AveragePool(OpRun):
    op_domain: ClassVar[str] = ""

    def _run(self, x: Array, kernel_shape: Any = None, strides: Any = None, pads: Any = None, **others: Any) -> Any:
        assert others["count_include_pad"] == 1
        return (images.avg_pool(x, *geometry(x, kernel_shape, strides, pads)).astype(x.dtype),)


class ConvTranspose(OfOneGroup):
    def _run(self, x: Array, w: Array, group: int | None = None, **given: Any) -> Any:
        groups = zip(np.split(x, group or 1, axis=1), np.split(w, group or 1), strict=True)
        own = super()._run
        return (np.concatenate([own(*each, group=1, **given)[0] for each in groups], axis=1),)


POOLS = [MaxPool, AveragePool, ConvTranspose]
