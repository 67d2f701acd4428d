"""Independent float64 references: what each primitive and each word computes, from its definition in plain numbers.

Nothing here imports the project. Elementwise functions go through Python's own numbers, sums through `math.fsum`.
"""

from .activations import ACTIVATIONS
from .initializers import KURTOSIS, MOMENTS, TRUNCATED
from .layers import LAYERS
from .losses import LOSSES
from .metrics import METRICS
from .numbers import each, mean, reduced, rows
from .ops import OPS, clip_by_norm, matmul
from .schedules import SCHEDULES
from .solvers import SOLVERS
from .updaters import RATES, UPDATERS

__all__ = [
    "ACTIVATIONS",
    "KURTOSIS",
    "LAYERS",
    "LOSSES",
    "METRICS",
    "MOMENTS",
    "OPS",
    "RATES",
    "SCHEDULES",
    "SOLVERS",
    "TRUNCATED",
    "UPDATERS",
    "clip_by_norm",
    "each",
    "matmul",
    "mean",
    "reduced",
    "rows",
]
