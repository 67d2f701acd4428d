"""The words, one file a family; importing this package registers them all."""

from . import activations, initializers, layers, losses, metrics, schedules, updaters

__all__ = ["activations", "initializers", "layers", "losses", "metrics", "schedules", "updaters"]
