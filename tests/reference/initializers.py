"""Each initializer: mean and variance from shape (in, out) and options."""

from __future__ import annotations

from collections.abc import Callable

MOMENTS: dict[str, Callable[..., tuple[float, float]]] = {
    "zeros": lambda i, o: (0.0, 0.0),
    "ones": lambda i, o: (1.0, 0.0),
    "constant": lambda i, o, value: (value, 0.0),
    "normal": lambda i, o, mean=0.0, deviation=None: (mean, 1 / i if deviation is None else deviation**2),
    "uniform": lambda i, o, low=None, high=None: (
        (0.0, 1 / (3 * i)) if low is None else ((low + high) / 2, (high - low) ** 2 / 12)
    ),
    "xavier": lambda i, o: (0.0, 2 / (i + o)),
    "he": lambda i, o: (0.0, 2 / i),
    "lecun": lambda i, o: (0.0, 1 / i),
    "orthogonal": lambda i, o, gain=1.0: (0.0, gain**2 / max(i, o)),
}
