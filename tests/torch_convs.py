"""What PyTorch computes for the layers whose filters slide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch_images import each, same, sides

F = torch.nn.functional


def _padded(x: Any, window: Any, stride: Any, dilation: Any, pad: Any) -> Any:
    """The image with its margins: PyTorch's own are the same on both sides."""
    reach = tuple(d * (k - 1) + 1 for k, d in zip(window, each(dilation, x), strict=True))
    if pad == "causal":
        return F.pad(x, (reach[0] - 1, 0))
    if isinstance(pad, str):
        pad = same(x, reach, each(stride, x)) if pad == "same" else 0
    return F.pad(x, sides(pad, x))


def _conv(x: Any, w: Any, b: Any, stride: Any = 1, pad: Any = "valid", dilation: Any = 1, groups: int = 1) -> Any:
    wide = _padded(x, w.shape[2:], stride, dilation, pad)
    return getattr(F, f"conv{x.ndim - 2}d")(wide, w, b, stride, 0, dilation, groups)


def _deconv(
    x: Any, w: Any, b: Any, stride: Any = 1, pad: Any = 0, dilation: Any = 1, groups: int = 1, output_pad: Any = 0
) -> Any:
    function = getattr(F, f"conv_transpose{x.ndim - 2}d")
    if isinstance(pad, int):
        return function(x, w, b, stride, pad, output_pad, groups, dilation)
    whole = function(x, w, None, stride, 0, output_pad, groups, dilation)
    if pad == "same":
        added = [n - s * m for n, s, m in zip(whole.shape[2:], each(stride, x), x.shape[2:], strict=True)]
        pad = tuple((n // 2, n - n // 2) if n > 0 else (0, n) for n in added)
    cut = F.pad(whole, [-side for side in sides(0 if pad == "valid" else pad, x)])
    return cut if b is None else cut + b.reshape(-1, *[1] * (x.ndim - 2))


def _local(x: Any, w: Any, b: Any, kernel: Any, stride: Any = 1, pad: Any = "valid", dilation: Any = 1) -> Any:
    """Of one axis PyTorch's Unfold makes an image of one row."""
    kernel, stride, dilation = each(kernel, x), each(stride, x), each(dilation, x)
    wide = _padded(x, kernel, stride, dilation, pad)
    if x.ndim == 3:
        wide, kernel, stride, dilation = wide[:, :, None], (1, *kernel), (1, *stride), (1, *dilation)
    found = torch.einsum("kqp,nqp->nkp", w, F.unfold(wide, kernel, dilation, 0, stride))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    places = [(n - r) // s + 1 for n, r, s in zip(wide.shape[2:], reach, stride, strict=True)][-(x.ndim - 2) :]
    value = found.reshape(*found.shape[:2], *places)
    return value if b is None else value + b.reshape(-1, *[1] * (x.ndim - 2))


def _options(options: dict[str, Any], *gone: str) -> dict[str, Any]:
    return {k: v for k, v in options.items() if k not in (*gone, "channels", "multiplier", "bias", "init", "bias_init")}


def _sliding(x: Any, p: Any, **options: Any) -> Any:
    return _conv(x, p["W1"], p.get("b1"), **_options(options, "kernel"))


def _separable(x: Any, p: Any, **options: Any) -> Any:
    between = _conv(x, p["D1"], None, groups=x.shape[1], **_options(options, "kernel"))
    return _conv(between, p["W1"], p.get("b1"))


LAYERS: dict[str, Callable[..., Any]] = {
    "conv": lambda x, p, other, **o: _sliding(x, p, **o),
    "deconv": lambda x, p, other, **o: _deconv(x, p["W1"], p.get("b1"), **_options(o, "kernel")),
    "depthwise": lambda x, p, other, **o: _sliding(x, p, groups=x.shape[1], **o),
    "separable": lambda x, p, other, **o: _separable(x, p, **o),
    "locally_connected": lambda x, p, other, **o: _local(x, p["W1"], p.get("b1"), **_options(o)),
}
