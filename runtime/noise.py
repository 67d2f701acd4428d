"""Noise for a model that asks for it, drawn as the emitted file draws it: by a stream of the seed and the name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from .kinds import Array
from .metadata import Noise


def draw_noise(noises: Iterable[Noise], count: int, seed: int) -> dict[str, Array]:
    """The noise of so many examples, by name; the same seed gives the same numbers."""
    return {noise.name: _drawn(noise, (count, *noise.fixed), seed) for noise in noises}


def _drawn(noise: Noise, shape: tuple[int, ...], seed: int) -> Array:
    digest = hashlib.sha256(repr((seed, noise.name, "noise")).encode()).digest()
    rng = np.random.Generator(np.random.Philox(np.frombuffer(digest, np.uint32)))
    return rng.standard_normal(shape, np.float32) if noise.law == "normal" else rng.random(shape, np.float32)
