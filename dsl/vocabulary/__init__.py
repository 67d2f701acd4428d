"""The words, one file a family; importing this package registers them all."""

from . import activations, combine, initializers, layers, losses, metrics, noise, schedules, tables, updaters

__all__ = [
    "activations",
    "combine",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "noise",
    "schedules",
    "tables",
    "updaters",
]
