"""What training does to a weight before its layer sees it: some of it is dropped, or noise is added to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .context import Law
from .ir import Tensor
from .ops import mask
from .types import Shape

Draw = Callable[[str, Shape, Law], Tensor]


def disturbed(w: Tensor, options: Mapping[str, Tensor | float | None], draw: Draw) -> Tensor:
    """The weight with a share of its numbers dropped and the others scaled up, then with normal noise.

    Wan et al. 2013, Regularization of neural networks using DropConnect.
    """
    name, shape = w.value.hint, w.shape
    rate, deviation = options.get("dropconnect"), options.get("weight_noise")
    if rate is not None:
        keep = (draw(f"dropconnect_{name}", shape, "uniform") >= rate).named("keep")
        w = mask(w / (1 - rate), keep).named(f"{name}_dropped")
    if deviation is not None:
        w = (w + deviation * draw(f"noise_{name}", shape, "normal")).named(f"{name}_noisy")
    return w
