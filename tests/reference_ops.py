"""ONNX's interpreter, with plain operators from their specification in the place of those of its own that are wrong.

Its own LogSoftmax is the logarithm of a softmax, which is -inf far below the largest; GatherElements wants indices that
are as long as the data along the other axes; MaxPool and AveragePool take the pads of two axes in another order, and
know none of one or three; ConvTranspose takes the wrong filters for all groups but one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

Array = np.ndarray[Any, Any]


class Plain(OpRun):
    """An operator of ONNX's own domain."""

    op_domain: ClassVar[str] = ""


class LogSoftmax(Plain):
    def _run(self, x: Array, axis: int = -1) -> tuple[Array]:
        z = x - x.max(axis=axis, keepdims=True)
        return (z - np.log(np.exp(z).sum(axis=axis, keepdims=True)),)


class GatherElements(Plain):
    def _run(self, data: Array, indices: Array, axis: int = 0) -> tuple[Array]:
        places = list(np.indices(indices.shape))
        places[axis] = indices
        return (data[tuple(places)],)


# What slides ----------------------------------------------------------------------------------------------------------


def with_margins(x: Array, pads: Any, value: float = 0.0) -> Array:
    """Margins around the axes behind the channels; ONNX lists those before all axes, and then those behind."""
    pads = np.reshape(pads or [0] * 2 * (x.ndim - 2), (2, -1)).T
    return np.pad(x, [(0, 0), (0, 0), *map(tuple, pads)], constant_values=value)


def in_windows(x: Array, size: Any, strides: Any, dilations: Any) -> Iterator[tuple[tuple[int, ...], Array]]:
    """For each place in a window, the view of what stands there in all windows."""
    ones = [1] * len(size)
    axes = list(zip(x.shape[2:], size, strides or ones, dilations or ones, strict=True))
    # As many windows as fit.
    last = [(n - d * (k - 1) - 1) // s * s for n, k, s, d in axes]
    for place in np.ndindex(*size):
        spans = [slice(i * d, i * d + end + 1, s) for i, end, (_, _, s, d) in zip(place, last, axes, strict=True)]
        yield place, x[(..., *spans)]


class MaxPool(Plain):
    def _run(
        self, x: Array, kernel_shape: Any = None, strides: Any = None, pads: Any = None, dilations: Any = None, **_: Any
    ) -> tuple[Array, ...]:
        """The largest of each window, and its place in all of x as one row: the first, where there are several."""
        row = np.arange(x.size).reshape(x.shape)
        numbers, places = (
            np.stack([part for _, part in in_windows(with_margins(a, pads, value), kernel_shape, strides, dilations)])
            for a, value in ((x, -np.inf), (row, -1))
        )
        first = numbers.argmax(axis=0)[None]
        found = (np.take_along_axis(a, first, axis=0)[0] for a in (numbers, places))
        return tuple(found)[: len(self.onnx_node.output)]


class AveragePool(Plain):
    def _run(
        self,
        x: Array,
        kernel_shape: Any = None,
        strides: Any = None,
        pads: Any = None,
        dilations: Any = None,
        count_include_pad: int = 0,
        **_: Any,
    ) -> tuple[Array]:
        inside = np.ones(x.shape)
        total, count = (
            sum(part for _, part in in_windows(with_margins(a, pads, value), kernel_shape, strides, dilations))
            for a, value in ((x, 0.0), (inside, float(count_include_pad)))
        )
        return ((total / count).astype(x.dtype),)


class ConvTranspose(Plain):
    def _run(
        self,
        x: Array,
        w: Array,
        b: Array | None = None,
        group: int = 1,
        strides: Any = None,
        dilations: Any = None,
        pads: Any = None,
        output_padding: Any = None,
        **_: Any,
    ) -> tuple[Array]:
        """Each number of x adds its filter where a convolution would look for it."""
        ones, size = [1] * (x.ndim - 2), w.shape[2:]
        margins = np.reshape(pads or [0] * 2 * len(ones), (2, -1))
        axes = zip(
            x.shape[2:], size, strides or ones, dilations or ones, output_padding or [0 for _ in ones], strict=True
        )
        whole = [s * (n - 1) + d * (k - 1) + 1 + more for n, k, s, d, more in axes]
        y = np.zeros((len(x), group * w.shape[1], *whole), x.dtype)
        for xs, ws, ys in zip(np.split(x, group, axis=1), np.split(w, group), np.split(y, group, axis=1), strict=True):
            for place, part in in_windows(ys, size, strides, dilations):
                # What lies behind the last window of an output that is padded stays as it is.
                part[(..., *map(slice, x.shape[2:]))] += np.einsum("nc...,co->no...", xs, ws[(..., *place)])
        inner = [slice(before, n - behind) for n, before, behind in zip(whole, *margins, strict=True)]
        return (y[(..., *inner)] + (0 if b is None else b.reshape(-1, *ones)),)


OPERATORS: list[type[Plain]] = [LogSoftmax, GatherElements, MaxPool, AveragePool, ConvTranspose]


def interpreted(model: ModelProto) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """What gives the outputs of a graph by name; of what it is fed it takes the graph's inputs."""
    evaluator = ReferenceEvaluator(model, new_ops=list(OPERATORS))
    names = [output.name for output in model.graph.output]
    wanted = {i.name for i in model.graph.input}

    def run(feeds: Mapping[str, Any]) -> dict[str, Any]:
        with np.errstate(all="ignore"):
            found: Any = evaluator.run(None, {n: np.asarray(a) for n, a in feeds.items() if n in wanted})
        return dict(zip(names, found, strict=True))

    return run
