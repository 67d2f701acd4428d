"""What PyTorch computes for each family of layers over images and norms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch_attention
import torch_augment
import torch_convs
import torch_images
import torch_norms
import torch_recurrent

LAYERS: dict[str, Callable[..., Any]] = {
    **torch_attention.LAYERS,
    **torch_recurrent.LAYERS,
    **torch_images.LAYERS,
    **torch_norms.LAYERS,
    **torch_convs.LAYERS,
    **torch_augment.LAYERS,
}
