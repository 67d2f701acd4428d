"""Convolutions from their definition: sums of products over every place, filter, channel and number of a window."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

from .numbers import Array

# Each product that a convolution makes: the indices of x, of the filter and of the result that belong together.
Products = Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]


def places(sizes: tuple[int, ...], taps: tuple[int, ...], stride: Any, dilation: Any, pad: Any) -> tuple[int, ...]:
    """How often a window fits, found by laying it on one place after the other."""
    found: list[int] = []
    for n, k, s, d, (before, behind) in zip(sizes, taps, stride, dilation, pad, strict=True):
        starts = range(-before, n + behind, s)
        found.append(sum(start + d * (k - 1) < n + behind for start in starts))
    return tuple(found)


def products(x: Any, w: Any, stride: Any, dilation: Any, pad: Any, groups: int) -> Products:
    """Where the numbers of x and of the filters of shapes `x` and `w` meet."""
    count, outputs, share = x[0], w[0], w[0] // groups
    found = places(x[2:], w[2:], stride, dilation, pad)
    for n, o, c in product(range(count), range(outputs), range(w[1])):
        channel = o // share * w[1] + c
        for place, tap in product(np.ndindex(*found), np.ndindex(*w[2:])):
            at = [p * s + t * d - m[0] for p, s, t, d, m in zip(place, stride, tap, dilation, pad, strict=True)]
            if all(0 <= i < size for i, size in zip(at, x[2:], strict=True)):
                yield (n, channel, *at), (o, c, *tap), (n, o, *place)


def _summed(shape: tuple[int, ...], terms: Iterator[tuple[tuple[int, ...], float]]) -> Array:
    lists: dict[tuple[int, ...], list[float]] = {}
    for index, value in terms:
        lists.setdefault(index, []).append(value)
    return np.array([math.fsum(lists.get(i, ())) for i in np.ndindex(*shape)]).reshape(shape)


def conv(x: Array, w: Array, stride: Any, dilation: Any, pad: Any, groups: int = 1) -> Array:
    shape = (len(x), len(w), *places(x.shape[2:], w.shape[2:], stride, dilation, pad))
    met = products(x.shape, w.shape, stride, dilation, pad, groups)
    return _summed(shape, ((k, float(x[i] * w[j])) for i, j, k in met))


def conv_transpose(y: Array, w: Array, size: Any, stride: Any, dilation: Any, pad: Any, groups: int = 1) -> Array:
    shape = (len(y), groups * w.shape[1], *size)
    met = products(shape, w.shape, stride, dilation, pad, groups)
    return _summed(shape, ((i, float(y[k] * w[j])) for i, j, k in met))


def conv_input_grad(dy: Array, w: Array, x: Array, **attrs: Any) -> Array:
    return conv_transpose(dy, w, x.shape[2:], **attrs)


def turned(w: Array) -> Array:
    found = np.zeros((w.shape[1], w.shape[0], *w.shape[2:]))
    for o, c, *at in np.ndindex(*w.shape):
        found[c, o, *(n - 1 - i for n, i in zip(w.shape[2:], at, strict=True))] = w[o, c, *at]
    return found


def conv_weight_grad(x: Array, dy: Array, size: Any, stride: Any, dilation: Any, pad: Any, groups: int = 1) -> Array:
    shape = (dy.shape[1], x.shape[1] // groups, *size)
    met = products(x.shape, shape, stride, dilation, pad, groups)
    return _summed(shape, ((j, float(x[i] * dy[k])) for i, j, k in met))


def _windows(shape: Any, size: Any, stride: Any, dilation: Any, pad: Any) -> Iterator[tuple[Any, Any]]:
    """Which number of x (N, C, ...) each number of the columns is."""
    found = places(shape[2:], size, stride, dilation, pad)
    one_of_each = (shape[1], 1, *size)
    for i, (o, _, *tap), (n, _, *place) in products(shape, one_of_each, stride, dilation, pad, shape[1]):
        row = o * math.prod(size) + int(np.ravel_multi_index(tap, size))
        yield i, (n, row, int(np.ravel_multi_index(place, found)))


def unfold(x: Array, size: Any, stride: Any, dilation: Any, pad: Any) -> Array:
    found = places(x.shape[2:], size, stride, dilation, pad)
    seen = np.zeros((len(x), x.shape[1] * math.prod(size), math.prod(found)))
    for i, k in _windows(x.shape, size, stride, dilation, pad):
        seen[k] = x[i]
    return seen


def unfold_grad(dy: Array, shape: Any, size: Any, stride: Any, dilation: Any, pad: Any) -> Array:
    shape = (len(dy), *shape)
    return _summed(shape, ((i, float(dy[k])) for i, k in _windows(shape, size, stride, dilation, pad)))


# Layers ---------------------------------------------------------------------------------------------------------------


def geometry(x: Array, kernel: Any, stride: Any, dilation: Any) -> tuple[Any, Any, Any, Any]:
    """The sizes of x, and what a layer says of them, one number for each axis."""
    given = [n if isinstance(n, tuple) else (n,) * (x.ndim - 2) for n in (kernel, stride, dilation)]
    return (x.shape[2:], *given)


def margins(pad: Any, sizes: Any, kernel: Any, stride: Any, dilation: Any) -> Any:
    """What a layer adds around x: nothing, what its numbers say, or what the last place needs, more of it behind."""
    if pad == "valid":
        return ((0, 0),) * len(sizes)
    if pad == "causal":
        return ((dilation[0] * (kernel[0] - 1), 0),)
    if not isinstance(pad, str):
        each = pad if isinstance(pad, tuple) else (pad,) * len(sizes)
        return tuple(p if isinstance(p, tuple) else (p, p) for p in each)
    found: list[tuple[int, int]] = []
    for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
        last = max(range(0, n, s)) + d * (k - 1)
        missing = max(0, last + 1 - n)
        found.append((missing // 2, missing - missing // 2))
    return tuple(found)


def _shifted(z: Array, p: dict[str, Array], bias: bool) -> Array:
    return np.array([[image + b for image, b in zip(example, p["b"], strict=True)] for example in z]) if bias else z


def layer(
    x: Array, w: Array, kernel: Any, stride: Any = 1, pad: Any = "valid", dilation: Any = 1, groups: int = 1
) -> Array:
    sizes, kernel, stride, dilation = geometry(x, kernel, stride, dilation)
    assert w.shape[2:] == kernel
    return conv(x, w, stride, dilation, margins(pad, sizes, kernel, stride, dilation), groups)


def _deconv(
    x: Array,
    p: dict[str, Array],
    channels: int,
    kernel: Any,
    stride: Any = 1,
    pad: Any = "valid",
    dilation: Any = 1,
    groups: int = 1,
    output_pad: Any = 0,
    bias: bool = True,
    **starts: Any,
) -> Array:
    sizes, kernel, stride, dilation = geometry(x, kernel, stride, dilation)
    whole = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(sizes, stride, dilation, kernel, strict=True)]
    if pad == "same":
        found = tuple(n * s for n, s in zip(sizes, stride, strict=True))
        around = margins(pad, found, kernel, stride, dilation)
    else:
        around = margins(pad, sizes, kernel, stride, dilation)
        extra = output_pad if isinstance(output_pad, tuple) else (output_pad,) * len(sizes)
        found = tuple(n + e - sum(m) for n, e, m in zip(whole, extra, around, strict=True))
    assert p["W"].shape[1] == channels // groups
    return _shifted(conv_transpose(x, p["W"], found, stride, dilation, around, groups), p, bias)


def _conv(x: Array, p: dict[str, Array], channels: int, bias: bool = True, **options: Any) -> Array:
    assert len(p["W"]) == channels
    return _shifted(layer(x, p["W"], **_own(options)), p, bias)


def _own(options: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in options.items() if k not in ("init", "bias_init", "multiplier")}


def _depthwise(x: Array, p: dict[str, Array], bias: bool = True, **options: Any) -> Array:
    return _shifted(layer(x, p["W"], groups=x.shape[1], **_own(options)), p, bias)


def _separable(x: Array, p: dict[str, Array], channels: int, bias: bool = True, **options: Any) -> Array:
    between = layer(x, p["D"], groups=x.shape[1], **_own(options))
    return _shifted(layer(between, p["W"], kernel=1), p, bias)


def _locally_connected(
    x: Array,
    p: dict[str, Array],
    channels: int,
    kernel: Any,
    stride: Any = 1,
    pad: Any = "valid",
    dilation: Any = 1,
    bias: bool = True,
    **starts: Any,
) -> Array:
    sizes, kernel, stride, dilation = geometry(x, kernel, stride, dilation)
    around = margins(pad, sizes, kernel, stride, dilation)
    seen = unfold(x, kernel, stride, dilation, around)
    found = np.zeros((len(x), channels, seen.shape[2]))
    for n, k, q in np.ndindex(*found.shape):
        found[n, k, q] = math.fsum(w * v for w, v in zip(p["W"][k, :, q], seen[n, :, q], strict=True))
    return _shifted(found.reshape(len(x), channels, *places(sizes, kernel, stride, dilation, around)), p, bias)


LAYERS: dict[str, Callable[..., Array]] = {
    "conv": lambda x, p, other, **o: _conv(x, p, **o),
    "deconv": lambda x, p, other, **o: _deconv(x, p, **o),
    "depthwise": lambda x, p, other, **o: _depthwise(x, p, **o),
    "separable": lambda x, p, other, **o: _separable(x, p, **o),
    "locally_connected": lambda x, p, other, **o: _locally_connected(x, p, **o),
}
