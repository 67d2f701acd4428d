"""Each updater: from weight, gradient, state (changed in place), the step from 1, and options to the next weight."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

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


def _momentum(w: Array, g: Array, s: State, t: int, lr: float, momentum: float = 0.9) -> Array:
    s["v"] = momentum * s.get("v", 0 * w) + g
    return w - lr * s["v"]


def _lion(
    w: Array,
    g: Array,
    s: State,
    t: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 0.0,
) -> Array:
    """Algorithm 2 of Chen et al."""
    c = beta1 * s.get("m", 0 * w) + (1 - beta1) * g
    s["m"] = beta2 * s.get("m", 0 * w) + (1 - beta2) * g
    return w - lr * ((c > 0) * 1.0 - (c < 0) * 1.0 + weight_decay * w)


def _adagrad(w: Array, g: Array, s: State, t: int, lr: float, eps: float = 1e-10) -> Array:
    s["s"] = s.get("s", 0 * w) + g * g
    return w - lr * g / (s["s"] ** 0.5 + eps)


def _adadelta(w: Array, g: Array, s: State, t: int, lr: float, rho: float = 0.9, eps: float = 1e-6) -> Array:
    """Algorithm 1 of Zeiler."""
    s["s"] = rho * s.get("s", 0 * w) + (1 - rho) * g * g
    delta = ((s.get("u", 0 * w) + eps) / (s["s"] + eps)) ** 0.5 * g
    s["u"] = rho * s.get("u", 0 * w) + (1 - rho) * delta * delta
    return w - lr * delta


def _rmsprop(
    w: Array,
    g: Array,
    s: State,
    t: int,
    lr: float,
    decay: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    centered: bool = False,
) -> Array:
    s["s"] = decay * s.get("s", 0 * w) + (1 - decay) * g * g
    power = s["s"]
    if centered:
        s["m"] = decay * s.get("m", 0 * w) + (1 - decay) * g
        power = power - s["m"] ** 2
    step = g / (power**0.5 + eps)
    if momentum:
        s["v"] = step = momentum * s.get("v", 0 * w) + step
    return w - lr * step


def _amsgrad(
    w: Array, g: Array, s: State, t: int, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
) -> Array:
    s["m"] = beta1 * s.get("m", 0 * w) + (1 - beta1) * g
    s["v"] = beta2 * s.get("v", 0 * w) + (1 - beta2) * g**2
    s["u"] = 0.5 * (s.get("u", 0 * w) + s["v"] + abs(s.get("u", 0 * w) - s["v"]))
    return w - lr * s["m"] / (1 - beta1**t) / ((s["u"] / (1 - beta2**t)) ** 0.5 + eps)


def _adamax(
    w: Array, g: Array, s: State, t: int, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
) -> Array:
    """Algorithm 2 of Kingma and Ba, with the eps of PyTorch."""
    s["m"] = beta1 * s.get("m", 0 * w) + (1 - beta1) * g
    old, new = beta2 * s.get("u", 0 * w), abs(g) + eps
    s["u"] = old * (old >= new) + new * (old < new)
    return w - lr / (1 - beta1**t) * s["m"] / s["u"]


def _nadam(
    w: Array,
    g: Array,
    s: State,
    t: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    momentum_decay: float = 4e-3,
) -> Array:
    """The algorithm in the manual of torch.optim.NAdam."""
    mu, following = (beta1 * (1 - 0.96 ** (k * momentum_decay) / 2) for k in (t, t + 1))
    s["product"] = s.get("product", np.ones(())) * mu
    s["m"] = beta1 * s.get("m", 0 * w) + (1 - beta1) * g
    s["v"] = beta2 * s.get("v", 0 * w) + (1 - beta2) * g**2
    m = following * s["m"] / (1 - s["product"] * following) + (1 - mu) * g / (1 - s["product"])
    return w - lr * m / ((s["v"] / (1 - beta2**t)) ** 0.5 + eps)


def _adabelief(
    w: Array, g: Array, s: State, t: int, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-16
) -> Array:
    """Algorithm 2 of Zhuang et al."""
    s["m"] = beta1 * s.get("m", 0 * w) + (1 - beta1) * g
    s["s"] = beta2 * s.get("s", 0 * w) + (1 - beta2) * (g - s["m"]) ** 2 + eps
    m, belief = s["m"] / (1 - beta1**t), s["s"] / (1 - beta2**t)
    return w - lr * m / (belief**0.5 + eps)


def _lamb(
    w: Array,
    g: Array,
    s: State,
    t: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
) -> Array:
    """Algorithm 2 of You et al., where phi is the identity."""
    s["m"] = beta1 * s.get("m", 0 * w) + (1 - beta1) * g
    s["v"] = beta2 * s.get("v", 0 * w) + (1 - beta2) * g**2
    r = s["m"] / (1 - beta1**t) / ((s["v"] / (1 - beta2**t)) ** 0.5 + eps) + weight_decay * w
    size, length = (math.sqrt(math.fsum(v * v for v in x.ravel().tolist())) for x in (w, r))
    return w - lr * (size / length if size and length else 1.0) * r


# From weight, gradient, state (changed in place), the step from 1, and options to the next weight.
UPDATERS: dict[str, Callable[..., Array]] = {
    "none": lambda w, g, s, t: w,
    "sgd": _sgd,
    "momentum": _momentum,
    "nesterovs": _nesterovs,
    "lion": _lion,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamw": _adamw,
    "amsgrad": _amsgrad,
    "adamax": _adamax,
    "nadam": _nadam,
    "adabelief": _adabelief,
    "lamb": _lamb,
}
# The default of lr; an updater without a rate is not here.
RATES = {
    "sgd": 1e-3,
    "momentum": 0.1,
    "nesterovs": 0.1,
    "lion": 1e-4,
    "adagrad": 1e-2,
    "adadelta": 1.0,
    "rmsprop": 1e-2,
    "adam": 1e-3,
    "adamw": 1e-3,
    "amsgrad": 1e-3,
    "adamax": 2e-3,
    "nadam": 2e-3,
    "adabelief": 1e-3,
    "lamb": 1e-3,
}
