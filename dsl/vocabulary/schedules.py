"""Schedules: how a setting changes as training goes on; t counts epochs, or steps with per=step."""

from __future__ import annotations

import math

from .. import ops
from ..ir import Tensor
from ..words import Amount, Small, WordError, schedule


@schedule("fixed", example="fixed(0.1)")
def fixed(t: Tensor, rate: Amount) -> Tensor:
    """The same value all along."""
    return rate


@schedule("step", example="step(0.1, every=5, factor=0.5)")
def step(t: Tensor, rate: Amount, every: Small, factor: Amount = 0.1) -> Tensor:  # pyright: ignore[reportArgumentType]
    """Multiplied by `factor` every so often: rate * factor^floor(t / every)."""
    return rate * factor ** ops.floor(t / every)


@schedule("exponential", example="exponential(0.1, factor=0.9)")
def exponential(t: Tensor, rate: Amount, factor: Amount = 0.95) -> Tensor:  # pyright: ignore[reportArgumentType]
    """Multiplied by `factor` over each epoch: rate * factor^t."""
    return rate * factor**t


@schedule("cosine", example="cosine(0.1, epochs=20, warmup=1)")
def cosine(t: Tensor, rate: Amount, epochs: Small, warmup: Amount = 0.0) -> Tensor:  # pyright: ignore[reportArgumentType]
    """Half a cosine from `rate` to 0 at t = epochs, after a straight rise from 0 over `warmup`.

    Loshchilov and Hutter 2016, without restarts.
    """
    if warmup.number >= epochs.number:
        raise WordError("bad-option", "cosine has no time left after its warm-up", "make epochs larger than warmup")
    if not warmup.number:
        return _half_cosine(rate, t / epochs)
    return ops.where(ops.less(t, warmup), rate * t / warmup, _half_cosine(rate, (t - warmup) / (epochs - warmup)))


def _half_cosine(rate: Tensor, turn: Tensor) -> Tensor:
    return rate * (0.5 * (1 + ops.cos(math.pi * ops.minimum(turn, 1))))
