"""What PyTorch computes for the layers that change images at random, from the draws of a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch_images import each, sides

F = torch.nn.functional


def places(draws: Any, counts: Any) -> Any:
    """A whole number below the count of each axis."""
    return torch.floor(draws.double() * torch.tensor(counts, dtype=torch.float64)).long()


def cut(x: Any, draws: Any, size: Any, pad: Any) -> Any:
    """A window of each image at the place that its draws say."""
    size = each(size, x)
    x = F.pad(x, sides(tuple(each(pad, x)), x))
    corners = places(draws, [n - s + 1 for n, s in zip(x.shape[2:], size, strict=True)])
    found = []
    for image, corner in zip(x, corners.tolist(), strict=True):
        for axis, (start, length) in enumerate(zip(corner, size, strict=True), 1):
            image = image.narrow(axis, start, length)
        found.append(image)
    return torch.stack(found)


def cutout(x: Any, p: Any, other: Any, size: Any) -> Any:
    sizes, inside = x.shape[2:], torch.tensor(True)
    middles = places(p["cutout1"], sizes)
    for axis, (n, s) in enumerate(zip(sizes, each(size, x), strict=True)):
        ahead = torch.arange(n) - (middles[:, axis : axis + 1] - s // 2)
        shape = [1] * x.ndim
        shape[0], shape[axis + 2] = len(x), n
        inside = inside & ((ahead >= 0) & (ahead < s)).reshape(shape)
    return x.masked_fill(inside, 0)


def flip(x: Any, p: Any, other: Any, axis: int | None = None) -> Any:
    return torch.where(p["flip1"] < 0.5, x.flip(-1 if axis is None else axis + 1), x)


LAYERS: dict[str, Callable[..., Any]] = {
    "flip": flip,
    "random_shift": lambda x, p, other, pixels: cut(x, p["random_shift1"], x.shape[2:], pixels),
    "random_crop": lambda x, p, other, size, pad=0: cut(x, p["random_crop1"], size, pad),
    "cutout": cutout,
}
