"""Each activation: from x and options to values."""

from __future__ import annotations

import math
from collections.abc import Callable

from .numbers import Array, each, erf, rows, sigmoid, softmax, tanh

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

ACTIVATIONS: dict[str, Callable[..., Array]] = {
    "identity": each(lambda x: x),
    "relu": each(lambda x: x if x > 0 else 0.0),
    "leakyrelu": each(lambda x, slope=0.01: x if x > 0 else slope * x),
    "elu": each(lambda x, alpha=1.0: x if x > 0 else alpha * (math.exp(x) - 1)),
    "selu": each(lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * (math.exp(x) - 1))),
    "gelu": each(lambda x: x * (1 + erf(x / math.sqrt(2))) / 2),
    "tanh": each(tanh),
    "sigmoid": each(sigmoid),
    "softplus": each(lambda x: math.log(1 + math.exp(x))),
    "softmax": rows(softmax),
}
