"""Short kernels for what most nets over images do: square windows and even margins, without dilation or groups."""

# pyright: reportAttributeAccessIssue=false, reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false
# Kernels are printed as they stand, without types.

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir import Equation


def columns(x, size, stride, pad=0, value=0.0):
    """Return what a window sees at each place, (N, C, *size, *places), as a view."""
    if pad:
        margins = (0, 0), (0, 0), (pad, pad), (pad, pad)
        x = np.pad(x, margins, constant_values=value)
    seen = np.lib.stride_tricks.sliding_window_view(x, size, (2, 3), writeable=True)
    return seen[:, :, ::stride, ::stride].transpose(0, 1, 4, 5, 2, 3)


def blocks(seen):
    """Return slices of the batch so short that what they see stays in the cache."""
    rows = max(1, 2**18 // math.prod(seen.shape[1:]))
    return [slice(start, start + rows) for start in range(0, len(seen), rows)]


def conv_kernel(x, w, stride=1, pad=0):
    """Return what filters w (out, C, ...) find at each place of x (N, C, H, W)."""
    seen = columns(x, w.shape[2:], stride, pad)
    filters, places = w.reshape(len(w), -1), seen.shape[4:]
    y = np.empty((len(x), len(w), math.prod(places)), np.result_type(x, w))
    for rows in blocks(seen):
        # a column for each place, so that one product of matrices finds all
        below = seen[rows].reshape(-1, filters.shape[1], y.shape[2])
        np.matmul(filters, below, out=y[rows])
    return y.reshape(len(x), len(w), *places)


def conv_transpose_kernel(y, w, size, stride=1, pad=0):
    """Return x (N, C, *size) to which y adds its filters where conv would see them."""
    height, width = size
    x = np.zeros((len(y), w.shape[1], height + 2 * pad, width + 2 * pad), y.dtype)
    seen = columns(x, w.shape[2:], stride)
    for rows in blocks(seen):
        found = y[rows].reshape(-1, len(w), math.prod(y.shape[2:]))
        parts = (w.reshape(len(w), -1).T @ found).reshape(seen[rows].shape)
        for i, j in np.ndindex(w.shape[2:]):
            seen[rows, :, i, j] += parts[:, :, i, j]
    return x[:, :, pad : pad + height, pad : pad + width]


def conv_weight_grad_kernel(x, dy, size, stride=1, pad=0):
    """Return the gradient of the filters of conv, each of a size."""
    seen = columns(x, size, stride, pad)
    # one product of matrices sums over examples and places
    axes = (0, 4, 5), (0, 2, 3)
    dw = sum(np.tensordot(seen[rows], dy[rows], axes) for rows in blocks(seen))
    return dw.transpose(3, 0, 1, 2)


def max_pool_kernel(x, size, stride, pad=0):
    """Return the largest number of each window; a margin never is."""
    seen = columns(x, (size, size), stride, pad, -np.inf)
    return np.maximum.reduce([seen[:, :, i, j] for i, j in np.ndindex(size, size)])


def max_pool_grad_kernel(dy, x, y, size, stride, pad=0):
    """Return the gradient of x: each window's goes to the first of its largest."""
    seen, left = columns(x, (size, size), stride, pad, -np.inf), dy.copy()
    height, width = x.shape[2:]
    dx = np.zeros((*x.shape[:2], height + 2 * pad, width + 2 * pad), x.dtype)
    dseen = columns(dx, (size, size), stride)
    for i, j in np.ndindex(size, size):
        share = left * (seen[:, :, i, j] == y)
        dseen[:, :, i, j] += share
        left -= share
    return dx[:, :, pad : pad + height, pad : pad + width]


def avg_pool_kernel(x, size, stride, pad=0):
    """Return the mean of each window; a margin counts as zeros."""
    seen = columns(x, (size, size), stride, pad)
    return sum(seen[:, :, i, j] for i, j in np.ndindex(size, size)) / size**2


def avg_pool_grad_kernel(dy, shape, size, stride, pad=0):
    """Return the gradient of images of a shape: each window's in equal shares."""
    height, width = shape
    dx = np.zeros((*dy.shape[:2], height + 2 * pad, width + 2 * pad), dy.dtype)
    dseen = columns(dx, (size, size), stride)
    for i, j in np.ndindex(size, size):
        dseen[:, :, i, j] += dy / size**2
    return dx[:, :, pad : pad + height, pad : pad + width]


def _alike(eq: Equation) -> bool:
    """Whether images have two axes, which are treated alike, one filter sees all channels, and none leaps."""
    attrs: dict[str, Any] = {"dilation": (1, 1), "groups": 1, **eq.attrs}
    margins = {width for pad in attrs["pad"] for width in pad}
    alike = len(margins) == len(set(attrs["stride"])) == 1
    return alike and len(attrs["stride"]) == 2 and attrs["dilation"] == (1, 1) and attrs["groups"] == 1


def _square(eq: Equation) -> bool:
    return _alike(eq) and len(set(eq.attrs["size"])) == 1


CONV = (_alike, (columns, blocks, conv_kernel))
CONV_TRANSPOSE = (_alike, (columns, blocks, conv_transpose_kernel))
CONV_WEIGHT_GRAD = (_alike, (columns, blocks, conv_weight_grad_kernel))
MAX_POOL = (_square, (columns, max_pool_kernel))
MAX_POOL_GRAD = (_square, (columns, max_pool_grad_kernel))
AVG_POOL = (_square, (columns, avg_pool_kernel))
AVG_POOL_GRAD = (_square, (columns, avg_pool_grad_kernel))
