"""Each updater: from weight, gradient, state (changed in place), the step from 1, and options to the next weight."""

from __future__ import annotations

from collections.abc import Callable

from .numbers import Array

State = dict[str, Array]


def _sgd(w: Array, g: Array, s: State, t: int, lr: float) -> Array:
    return w - lr * g


def _nesterovs(w: Array, g: Array, s: State, t: int, lr: float, momentum: float = 0.9) -> Array:
    s["v"] = momentum * s.get("v", 0 * w) + g
    return w - lr * g - lr * momentum * s["v"]


def _adam(
    w: Array, g: Array, s: State, t: int, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
) -> Array:
    """Algorithm 1 of Kingma and Ba, as it is written there."""
    s["m"] = beta1 * s.get("m", 0 * w) + (1 - beta1) * g
    s["v"] = beta2 * s.get("v", 0 * w) + (1 - beta2) * g**2
    m, v = s["m"] / (1 - beta1**t), s["v"] / (1 - beta2**t)
    return w - lr * m / (v**0.5 + eps)


def _adamw(w: Array, g: Array, s: State, t: int, lr: float, weight_decay: float = 0.01, **betas: float) -> Array:
    return _adam(w, g, s, t, lr, **betas) - lr * weight_decay * w


def _rmsprop(w: Array, g: Array, s: State, t: int, lr: float, decay: float = 0.99, eps: float = 1e-8) -> Array:
    s["s"] = decay * s.get("s", 0 * w) + (1 - decay) * g * g
    return w - lr * g / (s["s"] ** 0.5 + eps)


# From weight, gradient, state (changed in place), the step from 1, and options to the next weight.
UPDATERS: dict[str, Callable[..., Array]] = {
    "sgd": _sgd,
    "nesterovs": _nesterovs,
    "adam": _adam,
    "adamw": _adamw,
    "rmsprop": _rmsprop,
}
RATES = {"sgd": 1e-3, "nesterovs": 0.1, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-2}
