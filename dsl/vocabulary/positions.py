"""Layers that tell steps from one another by their places."""

from __future__ import annotations

from .. import ops
from ..context import net, weight
from ..ir import Tensor
from ..types import show_shape
from ..words import Initializer, Positive, WordError, layer
from .attention import need_steps
from .axes import placed
from .fan_initializers import XAVIER


@layer("positions", example="positions", gives="placed", aliases=("positional_encoding",))
def positions(x: Tensor) -> Tensor:
    """Add to each step its place, as sines and cosines of waves that lengthen along the features.

    Features stand in pairs, a sine and a cosine; the waves grow from 2 pi to nearly 10,000 times 2 pi steps. Steps may
    be more than in training.

    Formula: f(x)[t, j] = x[t, j] + sin(t / 10000^(j / k)) for even j, + cos(t / 10000^((j - 1) / k)) for odd j, of k
    features, with t counting from 0
    Source: Vaswani et al. 2017, Attention is all you need.
    Deeplearning4j: has none.
    Keras: has none; KerasHub has SinePositionEncoding.
    PyTorch: has none.
    """
    need_steps(x, "positions")
    return placed(x + ops.sine_positions(x), False)


@layer("learned_positions", example="learned_positions 8", gives="placed", aliases=("position_embedding",))
def learned_positions(x: Tensor, longest: Positive, init: Initializer = XAVIER) -> Tensor:
    """Add to each step a trained vector for its place, of which there are as many as the longest example has steps.

    W is (longest, features). Data with more steps are refused.

    Formula: f(x)[t] = x[t] + W[t], with t counting from 0
    Source: Gehring et al. 2017, Convolutional sequence to sequence learning.
    Deeplearning4j: has none.
    Keras: has none; KerasHub has PositionEmbedding.
    PyTorch: has none; Embedding of torch.arange.
    """
    need_steps(x, "learned_positions")
    steps = x.shape[-2]
    if isinstance(steps, int) and steps > longest:
        message = f"learned_positions has {longest} places, but {net().previous} gives {show_shape(x.shape)}"
        raise WordError("bad-option", message, f"write learned_positions {steps}")
    table = weight("W", (longest, x.features), init)
    return placed(x + ops.rows_for(table, x), False)
