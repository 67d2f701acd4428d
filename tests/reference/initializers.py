"""Each initializer: mean and variance from shape (in, out) and options, and the fourth moments of its law."""

from __future__ import annotations

import math
from collections.abc import Callable

# What is left of the normal law between -2 and 2: its second and its fourth moment.
_INSIDE, _DENSITY = math.erf(math.sqrt(2)), math.exp(-2) / math.sqrt(2 * math.pi)
TRUNCATED = 1 - 4 * _DENSITY / _INSIDE
TRUNCATED_FOURTH = 3 - 28 * _DENSITY / _INSIDE


def _normal(i: int, o: int, mean: float = 0.0, deviation: float | None = None) -> tuple[float, float]:
    return mean, 1 / i if deviation is None else deviation**2


def _truncated(i: int, o: int, mean: float = 0.0, deviation: float | None = None) -> tuple[float, float]:
    return mean, TRUNCATED * _normal(i, o, mean, deviation)[1]


def _uniform(i: int, o: int, low: float | None = None, high: float | None = None) -> tuple[float, float]:
    if low is None or high is None:
        return 0.0, 1 / (3 * i)
    return (low + high) / 2, (high - low) ** 2 / 12


def _lognormal(i: int, o: int, mean: float = 0.0, deviation: float = 1.0) -> tuple[float, float]:
    wide = math.exp(deviation**2)
    return math.exp(mean) * math.sqrt(wide), (wide - 1) * wide * math.exp(2 * mean)


MOMENTS: dict[str, Callable[..., tuple[float, float]]] = {
    "zeros": lambda i, o: (0.0, 0.0),
    "ones": lambda i, o: (1.0, 0.0),
    "constant": lambda i, o, value: (value, 0.0),
    "identity": lambda i, o, gain=1.0: (gain / i, gain**2 * (1 / i - 1 / i**2)),
    "orthogonal": lambda i, o, gain=1.0: (0.0, gain**2 / max(i, o)),
    "normal": _normal,
    "truncated_normal": _truncated,
    "lognormal": _lognormal,
    "uniform": _uniform,
    "binomial": lambda i, o, trials, chance=0.5: (trials * chance, trials * chance * (1 - chance)),
    "xavier": lambda i, o: (0.0, 2 / (i + o)),
    "xavier_uniform": lambda i, o: (0.0, 2 / (i + o)),
    "xavier_legacy": lambda i, o: (0.0, 1 / (i + o)),
    "sigmoid_uniform": lambda i, o: (0.0, 32 / (i + o)),
    "he": lambda i, o: (0.0, 2 / i),
    "he_uniform": lambda i, o: (0.0, 2 / i),
    "lecun": lambda i, o: (0.0, 1 / i),
    "lecun_uniform": lambda i, o: (0.0, 1 / i),
    "var_scaling_normal_fan_in": lambda i, o, scale=1.0: (0.0, scale / i),
    "var_scaling_normal_fan_out": lambda i, o, scale=1.0: (0.0, scale / o),
    "var_scaling_normal_fan_avg": lambda i, o, scale=1.0: (0.0, scale / ((i + o) / 2)),
    "var_scaling_uniform_fan_in": lambda i, o, scale=1.0: (0.0, scale / i),
    "var_scaling_uniform_fan_out": lambda i, o, scale=1.0: (0.0, scale / o),
    "var_scaling_uniform_fan_avg": lambda i, o, scale=1.0: (0.0, scale / ((i + o) / 2)),
}


def lognormal_kurtosis(deviation: float = 1.0) -> float:
    wide = math.exp(deviation**2)
    return wide**4 + 2 * wide**3 + 3 * wide**2 - 3


# Fourth moment over squared variance; of normal numbers it is 3.
KURTOSIS: dict[str, Callable[..., float]] = {
    "uniform": lambda **options: 9 / 5,
    "truncated_normal": lambda **options: TRUNCATED_FOURTH / TRUNCATED**2,
    "lognormal": lambda mean=0.0, deviation=1.0: lognormal_kurtosis(deviation),
    "binomial": lambda trials, chance=0.5: 3 + (1 / (chance * (1 - chance)) - 6) / trials,
}
