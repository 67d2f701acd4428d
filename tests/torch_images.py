"""What PyTorch computes for the layers over images that have no weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

F = torch.nn.functional

Sizes = tuple[int, ...]


def each(sizes: Any, x: Any) -> Sizes:
    """An option's size for each axis behind the channels."""
    sizes = sizes if isinstance(sizes, tuple) else (sizes,)
    return sizes * (x.ndim - 2) if len(sizes) == 1 else sizes


def sides(pads: Any, x: Any) -> list[int]:
    """What torch's pad takes: the last axis first."""
    pads = pads if isinstance(pads, tuple) else ((pads, pads),)
    pairs = [pad if isinstance(pad, tuple) else (pad, pad) for pad in (pads * (x.ndim - 2) if len(pads) == 1 else pads)]
    return [side for pair in reversed(pairs) for side in pair]


def same(x: Any, size: Sizes, stride: Sizes) -> tuple[tuple[int, int], ...]:
    """What TensorFlow's SAME adds."""
    found = []
    for n, k, s in zip(x.shape[2:], size, stride, strict=True):
        added = max((-(-n // s) - 1) * s + k - n, 0)
        found.append((added // 2, added - added // 2))
    return tuple(found)


def pooling(name: str, margin: float = 0.0) -> Callable[..., Any]:
    """PyTorch's pooling over an image that has its margin already: its own padding is the same on both sides."""

    def pooled(x: Any, w: Any, other: Any, /, size: Any, stride: Any = None, pad: Any = "valid", **more: Any) -> Any:
        size, stride = each(size, x), each(stride or size, x)
        pad = {"valid": ((0, 0),), "same": same(x, size, stride)}.get(pad, pad) if isinstance(pad, str) else pad
        wide = F.pad(x, sides(pad, x), value=margin)
        if more.get("count_pad") is False:
            inside = F.pad(torch.ones_like(x), sides(pad, x))
            means = (getattr(F, f"{name}{x.ndim - 2}d")(v, size, stride) for v in (wide, inside))
            return next(means) / next(means)
        return POOLS[name](wide, size, stride, **{k: v for k, v in more.items() if k != "count_pad"})

    return pooled


def _native(name: str) -> Callable[..., Any]:
    return lambda x, size, stride: getattr(F, f"{name}{x.ndim - 2}d")(x, size, stride)


def lp_pool(x: Any, size: Sizes, stride: Sizes, p: float = 2.0) -> Any:
    """PyTorch's own, which raises to the power with the sign."""
    if x.ndim == 3:  # its window is a number
        return F.lp_pool1d(x.abs(), p, *size, *stride)
    return getattr(F, f"lp_pool{x.ndim - 2}d")(x.abs(), p, size, stride)


def sum_pool(x: Any, size: Sizes, stride: Sizes) -> Any:
    return _native("avg_pool")(x, size, stride) * torch.tensor(size).prod()


POOLS = {"max_pool": _native("max_pool"), "avg_pool": _native("avg_pool"), "sum_pool": sum_pool, "lp_pool": lp_pool}
MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def behind(x: Any) -> tuple[int, ...]:
    return tuple(range(2, x.ndim))


def grown(x: Any, p: Any, other: Any, factor: Any, mode: str = "nearest") -> Any:
    scale = tuple(map(float, each(factor, x)))
    if mode == "nearest":
        return F.interpolate(x, scale_factor=scale)
    return F.interpolate(x, scale_factor=scale, mode=MODES[x.ndim - 2], align_corners=False)


LAYERS: dict[str, Callable[..., Any]] = {
    "maxpool": pooling("max_pool", float("-inf")),
    "avgpool": pooling("avg_pool"),
    "sumpool": pooling("sum_pool"),
    "normpool": pooling("lp_pool"),
    "globalmaxpool": lambda x, p, other: torch.amax(x, behind(x)),
    "globalavgpool": lambda x, p, other: torch.mean(x, behind(x)),
    "globalsumpool": lambda x, p, other: torch.sum(x, behind(x)),
    "globalnormpool": lambda x, w, other, /, **o: torch.linalg.vector_norm(x, o.get("p", 2), behind(x)),
    "adaptive_avgpool": lambda x, p, other, size: getattr(F, f"adaptive_avg_pool{x.ndim - 2}d")(x, each(size, x)),
    "upsample": grown,
    "zeropad": lambda x, p, other, margin: F.pad(x, sides(margin, x)),
    "crop": lambda x, p, other, margin: F.pad(x, [-side for side in sides(margin, x)]),
    "space_to_depth": lambda x, p, other, block: F.pixel_unshuffle(x, block),
    "depth_to_space": lambda x, p, other, block: F.pixel_shuffle(x, block),
    # One beside the other.
    "space_to_batch": lambda x, p, other, block: x,
    "batch_to_space": lambda x, p, other, block: x,
}
