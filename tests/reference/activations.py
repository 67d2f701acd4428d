"""Each activation: from x and options to values."""

from __future__ import annotations

import math
from collections.abc import Callable

from .numbers import Array, each, erf, log_softmax, rows, sigmoid, softmax, tanh

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def _rational_tanh(x: float) -> float:
    y = abs(2 * x / 3)
    return math.copysign(1.7159 * (1 - 1 / (1 + y + y**2 + 1.41645 * y**4)), x)


def _gelu(x: float, approximate: bool = False) -> float:
    if approximate:
        return x * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))) / 2
    return x * (1 + erf(x / math.sqrt(2))) / 2


def _logsigmoid(x: float) -> float:
    return -math.log(1 + math.exp(-x))


ACTIVATIONS: dict[str, Callable[..., Array]] = {
    "identity": each(lambda x: x),
    "cube": each(lambda x: x * x * x),
    "step": each(lambda x: 1.0 if x > 0 else 0.0),
    "relu": each(lambda x: x if x > 0 else 0.0),
    "relu6": each(lambda x: 0.0 if x < 0 else 6.0 if x > 6 else x),
    "leakyrelu": each(lambda x, slope=0.01: x if x > 0 else slope * x),
    "thresholdedrelu": each(lambda x, theta=1.0: x if x > theta else 0.0),
    "crelu": rows(lambda x: [v if v > 0 else 0.0 for v in (*x, *(-v for v in x))]),
    "elu": each(lambda x, alpha=1.0: x if x > 0 else alpha * (math.exp(x) - 1)),
    "celu": each(lambda x, alpha=1.0: x if x > 0 else alpha * (math.exp(x / alpha) - 1)),
    "selu": each(lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * (math.exp(x) - 1))),
    "gelu": each(_gelu),
    "swish": each(lambda x, beta=1.0: x * sigmoid(beta * x)),
    "hardswish": each(lambda x: 0.0 if x < -3 else x if x > 3 else x * (x + 3) / 6),
    "mish": each(lambda x: x * tanh(math.log(1 + math.exp(x)))),
    "softplus": each(lambda x: math.log(1 + math.exp(x))),
    "tanh": each(tanh),
    "hardtanh": each(lambda x: -1.0 if x < -1 else 1.0 if x > 1 else x),
    "rectifiedtanh": each(lambda x: tanh(x) if x > 0 else 0.0),
    "rationaltanh": each(_rational_tanh),
    "softsign": each(lambda x: x / (1 - x) if x < 0 else x / (1 + x)),
    "sigmoid": each(sigmoid),
    "hardsigmoid": each(lambda x, slope=1 / 6: sorted([0.0, slope * x + 0.5, 1.0])[1]),
    "logsigmoid": each(_logsigmoid),
    "softmax": rows(softmax),
    "logsoftmax": rows(log_softmax),
    "glu": rows(lambda x: [a * sigmoid(b) for a, b in zip(x[: len(x) // 2], x[len(x) // 2 :], strict=True)]),
}
