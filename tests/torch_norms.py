"""PyTorch's norms, in training: of features, or of images whose channels stand first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

F = torch.nn.functional


def affine(p: Any) -> tuple[Any, Any]:
    """Gamma and beta, where the layer has them."""
    return p.get("gamma1"), p.get("beta1")


def along(v: Any, x: Any) -> Any:
    """A vector with a number for each channel, as it is multiplied with images."""
    return v.reshape(-1, *[1] * (x.ndim - 2))


def group_norm(x: Any, p: Any, groups: int, eps: float) -> Any:
    """PyTorch's own fails on the way back of a beta without a gamma."""
    normal, (gamma, beta) = F.group_norm(x, groups, eps=eps), affine(p)
    normal = normal if gamma is None else normal * along(gamma, x)
    return normal if beta is None else normal + along(beta, x)


def over_channels(norm: Callable[..., Any]) -> Callable[..., Any]:
    """A norm of the last axis, taken of the channels of each place."""

    def normed(x: Any, p: Any, other: Any, eps: float = 1e-5, **options: Any) -> Any:
        channels = x.movedim(1, -1)
        return norm(channels, channels.shape[-1:], *affine(p), eps).movedim(-1, 1)

    return normed


def response_norm(x: Any, p: Any, other: Any, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
    """PyTorch's own, which needs places."""
    return F.local_response_norm(x[..., None], size, alpha, beta, k)[..., 0]


LAYERS: dict[str, Callable[..., Any]] = {
    "batchnorm": lambda x, p, other, eps=1e-5, **o: F.batch_norm(x, None, None, *affine(p), True, eps=eps),
    "layernorm": over_channels(F.layer_norm),
    "groupnorm": lambda x, p, other, groups, eps=1e-5, **o: group_norm(x, p, groups, eps),
    # Of features alone the test of every word makes two channels.
    "instancenorm": lambda x, p, other, eps=1e-5, **o: F.instance_norm(
        x if x.ndim > 2 else x.reshape(-1, 2, 3), None, None, *affine(p), eps=eps
    ),
    "rmsnorm": over_channels(lambda x, size, gamma, beta, eps: F.rms_norm(x, size, gamma, eps)),
    "lrn": response_norm,
}
