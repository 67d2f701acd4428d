"""What slides a window over images, or gives them another size, from its definition in plain numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

from .numbers import Array

Sizes = tuple[int, ...]
Margins = tuple[tuple[int, int], ...]
Place = tuple[int, ...]


def windows(sizes: Sizes, size: Sizes, stride: Sizes, pad: Margins) -> Iterator[tuple[Place, list[Place]]]:
    """Each window's place among the windows, and the pixels that lie in it; those of a margin have no place."""
    axes = list(zip(sizes, size, stride, pad, strict=True))
    for place in product(*(range((n + sum(p) - k) // s + 1) for n, k, s, p in axes)):
        spans = [range(i * s - p[0], i * s - p[0] + k) for i, (_, k, s, p) in zip(place, axes, strict=True)]
        yield place, [at for at in product(*spans) if all(0 <= a < n for a, n in zip(at, sizes, strict=True))]


def pooled(x: Array, size: Sizes, stride: Sizes, pad: Margins, of: Callable[[list[float], int], float]) -> Array:
    """A function of the numbers of each window, and of how many places the window has."""
    found: dict[Place, float] = {}
    for n, c in product(*map(range, x.shape[:2])):
        for place, pixels in windows(x.shape[2:], size, stride, pad):
            found[(n, c, *place)] = of([float(x[(n, c, *at)]) for at in pixels], math.prod(size))
    return listed(found)


def listed(found: dict[Place, float]) -> Array:
    """An array of numbers by place."""
    array = np.zeros([1 + max(at) for at in zip(*found, strict=True)])
    for at, value in found.items():
        array[at] = value
    return array


def max_pool(x: Array, size: Sizes, stride: Sizes, pad: Margins) -> Array:
    return pooled(x, size, stride, pad, lambda numbers, places: sorted(numbers)[-1])


def avg_pool(x: Array, size: Sizes, stride: Sizes, pad: Margins) -> Array:
    return pooled(x, size, stride, pad, lambda numbers, places: math.fsum(numbers) / places)


def window_shares(x: Array, size: Sizes, stride: Sizes, pad: Margins) -> Array:
    return pooled(x[:1, :1], size, stride, pad, lambda numbers, places: len(numbers) / places)


def first_of_largest(x: Array, of: Array, size: Sizes, stride: Sizes, pad: Margins) -> Array:
    """What another array holds where the first of the largest numbers of each window stands."""
    found: dict[Place, float] = {}
    for n, c in product(*map(range, x.shape[:2])):
        for place, pixels in windows(x.shape[2:], size, stride, pad):
            found[(n, c, *place)] = of[(n, c, *max(pixels, key=lambda at: x[(n, c, *at)]))]
    return listed(found)


def max_pool_grad(dy: Array, x: Array, y: Array, size: Sizes, stride: Sizes, pad: Margins) -> Array:
    rows = np.arange(x.size, dtype=float).reshape(x.shape)
    dx = np.zeros(x.size)
    for place, share in zip(first_of_largest(x, rows, size, stride, pad).ravel(), dy.ravel(), strict=True):
        dx[int(place)] += share
    return dx.reshape(x.shape)


def avg_pool_grad(dy: Array, shape: Sizes, size: Sizes, stride: Sizes, pad: Margins) -> Array:
    dx = np.zeros((*dy.shape[:2], *shape))
    for place, pixels in windows(shape, size, stride, pad):
        for at in pixels:
            dx[(..., *at)] += dy[(..., *place)] / math.prod(size)
    return dx


def moved(x: Array, sizes: Sizes, source: Callable[[Place], Place]) -> Array:
    """Images of other sizes, each pixel from a place of the given ones, or 0 where there is none."""
    found = np.zeros((*x.shape[:2], *sizes))
    for at in product(*map(range, sizes)):
        there = source(at)
        if all(0 <= i < n for i, n in zip(there, x.shape[2:], strict=True)):
            found[(..., *at)] = x[(..., *there)]
    return found


def zero_pad(x: Array, pad: Margins) -> Array:
    sizes = tuple(n + sum(p) for n, p in zip(x.shape[2:], pad, strict=True))
    return moved(x, sizes, lambda at: tuple(i - p[0] for i, p in zip(at, pad, strict=True)))


def crop(x: Array, pad: Margins) -> Array:
    sizes = tuple(n - sum(p) for n, p in zip(x.shape[2:], pad, strict=True))
    return moved(x, sizes, lambda at: tuple(i + p[0] for i, p in zip(at, pad, strict=True)))


def upsample(x: Array, factors: Sizes) -> Array:
    sizes = tuple(n * f for n, f in zip(x.shape[2:], factors, strict=True))
    return moved(x, sizes, lambda at: tuple(i // f for i, f in zip(at, factors, strict=True)))


def interpolation(given: int, wanted: int) -> Array:
    """The middles of the wanted pixels, each between the middles of the two nearest given ones."""
    shares = np.zeros((given, wanted))
    for j in range(wanted):
        at = min(max((j + 0.5) * given / wanted - 0.5, 0.0), given - 1.0)
        low = min(int(at), given - 1)
        shares[low, j] += 1 - (at - low)
        shares[min(low + 1, given - 1), j] += at - low
    return shares


def averaging(given: int, wanted: int) -> Array:
    """Windows from the pixel in which a wanted one begins to that in which it ends."""
    shares = np.zeros((given, wanted))
    for j in range(wanted):
        pixels = range(math.floor(j * given / wanted), math.ceil((j + 1) * given / wanted))
        shares[pixels.start : pixels.stop, j] = 1 / len(pixels)
    return shares


def matmul(a: Array, b: Array) -> Array:
    return np.array([[math.fsum(x * y for x, y in zip(r, c, strict=True)) for c in b.T] for r in a])


def weighted(x: Array, shares: Array, axis: int, back: bool = False) -> Array:
    shares = np.array([list(column) for column in zip(*shares.tolist(), strict=True)]) if back else shares
    turned = x.swapaxes(axis, -1)
    rows = matmul(turned.reshape(-1, len(shares)), shares)
    return rows.reshape(*turned.shape[:-1], -1).swapaxes(axis, -1)


OPS: dict[str, Callable[..., Any]] = {
    "max_pool": max_pool,
    "max_pool_grad": max_pool_grad,
    "avg_pool": avg_pool,
    "avg_pool_grad": avg_pool_grad,
    "avg_pool_input_grad": lambda dy, x, **window: avg_pool_grad(dy, x.shape[2:], **window),
    "window_shares": window_shares,
    "zero_pad": zero_pad,
    "crop": crop,
    "upsample": upsample,
    "interpolation": lambda like, given, wanted: interpolation(given, wanted),
    "averaging": lambda like, given, wanted: averaging(given, wanted),
    "weighted": weighted,
}


# Layers ---------------------------------------------------------------------------------------------------------------


def layer(of: Callable[..., float]) -> Callable[..., Array]:
    """A layer that takes a function of the numbers of each window, and of how many places it has."""

    def over(x: Array, w: Any, other: Any, /, size: Sizes, stride: Sizes = (), pad: Margins = (), **more: Any) -> Array:
        window = size, stride or size, pad or ((0, 0),) * len(size)
        return pooled(x, *window, lambda numbers, places: of(numbers, places, **more))

    return over


def whole(of: Callable[..., float]) -> Callable[..., Array]:
    """A layer that takes a function of all numbers of each channel."""
    return lambda x, w, other, /, **more: np.array([[of(c.ravel().tolist(), 0, **more) for c in n] for n in x])


def average(numbers: list[float], places: int, count_pad: bool = True) -> float:
    return math.fsum(numbers) / (places if count_pad else len(numbers))


def norm(numbers: list[float], places: int, p: float = 2.0) -> float:
    return math.fsum(abs(v) ** p for v in numbers) ** (1 / p)


def resized(x: Array, sizes: Sizes, shares: Callable[[int, int], Array]) -> Array:
    for axis, (given, wanted) in enumerate(zip(x.shape[2:], sizes, strict=True), 2):
        x = weighted(x, shares(given, wanted), axis)
    return x


def grown(x: Array, factor: Sizes, mode: str = "nearest") -> Array:
    factor = factor if isinstance(factor, tuple) else (factor,) * (x.ndim - 2)
    if mode == "nearest":
        return upsample(x, factor)
    return resized(x, tuple(n * f for n, f in zip(x.shape[2:], factor, strict=True)), interpolation)


def around(x: Array, margin: Any) -> Margins:
    return margin if isinstance(margin, tuple) else ((margin, margin),) * (x.ndim - 2)


def deep(x: Array, block: int) -> Array:
    found: dict[Place, float] = {}
    for n, c, i, j in np.ndindex(x.shape):
        found[n, c * block**2 + i % block * block + j % block, i // block, j // block] = x[n, c, i, j]
    return listed(found)


def shallow(x: Array, block: int) -> Array:
    found: dict[Place, float] = {}
    for n, c, i, j in np.ndindex(x.shape):
        at, place = divmod(c, block**2)
        found[n, at, i * block + place // block, j * block + place % block] = x[n, c, i, j]
    return listed(found)


LAYERS: dict[str, Callable[..., Array]] = {
    "maxpool": layer(lambda numbers, places: sorted(numbers)[-1]),
    "avgpool": layer(average),
    "sumpool": layer(lambda numbers, places: math.fsum(numbers)),
    "normpool": layer(norm),
    "globalmaxpool": whole(lambda numbers, places: sorted(numbers)[-1]),
    "globalavgpool": whole(lambda numbers, places: math.fsum(numbers) / len(numbers)),
    "globalsumpool": whole(lambda numbers, places: math.fsum(numbers)),
    "globalnormpool": whole(norm),
    "adaptive_avgpool": lambda x, p, other, size: resized(x, size, averaging),
    "upsample": lambda x, p, other, **o: grown(x, **o),
    "zeropad": lambda x, p, other, margin: zero_pad(x, around(x, margin)),
    "crop": lambda x, p, other, margin: crop(x, around(x, margin)),
    "space_to_depth": lambda x, p, other, block: deep(x, block),
    "depth_to_space": lambda x, p, other, block: shallow(x, block),
    # One beside the other; what stands between them is judged in test_pieces.
    "space_to_batch": lambda x, p, other, block: x,
    "batch_to_space": lambda x, p, other, block: x,
}
