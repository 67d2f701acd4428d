"""PyTorch's norms, in training, of x (N, 6), or for instancenorm (N, 2, 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

F = torch.nn.functional


def affine(p: Any) -> tuple[Any, Any]:
    """Gamma and beta, where the layer has them."""
    return p.get("gamma1"), p.get("beta1")


LAYERS: dict[str, Callable[..., Any]] = {
    "batchnorm": lambda x, p, other, eps=1e-5, **o: F.batch_norm(x, None, None, *affine(p), True, eps=eps),
    "layernorm": lambda x, p, other, eps=1e-5, **o: F.layer_norm(x, (6,), *affine(p), eps),
    # PyTorch's own fails on the way back of a beta without a gamma.
    "groupnorm": lambda x, p, other, groups, eps=1e-5, **o: (
        F.group_norm(x, groups, eps=eps) * p.get("gamma1", 1) + p.get("beta1", 0)
    ),
    "instancenorm": lambda x, p, other, eps=1e-5, **o: F.instance_norm(
        x.reshape(-1, 2, 3), None, None, *affine(p), eps=eps
    ),
    "rmsnorm": lambda x, p, other, eps=1e-5, **o: F.rms_norm(x, (6,), affine(p)[0], eps),
    "lrn": lambda x, p, other, size=5, alpha=1e-4, beta=0.75, k=1.0: F.local_response_norm(
        x[:, :, None], size, alpha, beta, k
    )[:, :, 0],
}
