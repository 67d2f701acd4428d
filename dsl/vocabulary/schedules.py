"""Schedules: how a setting changes as training goes on; t counts epochs, or steps with per=step."""

# pyright: reportArgumentType=false
# A default is a number; the formula gets it as a tensor with the setting's name.

from __future__ import annotations

import math
from itertools import pairwise

from .. import ops
from ..ir import Tensor
from ..words import (
    Amount,
    Flag,
    Growth,
    Index,
    NonNegative,
    Shrinking,
    Signed,
    Small,
    Times,
    Unit,
    Values,
    WordError,
    schedule,
)

# Added to a number of restarts before it is cut to a whole one, so that none is missed by the rounding of logarithms.
NUDGE = 1e-9


@schedule("fixed", example="fixed(0.1)")
def fixed(t: Tensor, rate: Amount) -> Tensor:
    """The same value all along.

    Formula: s(t) = rate
    Source: definition.
    Deeplearning4j: FixedSchedule.
    Keras: a number in the place of the schedule.
    PyTorch: a number; its ConstantLR is another thing, a factor until a given epoch.
    """
    return rate


@schedule("step", example="step(0.1, every=5, factor=0.5)")
def step(t: Tensor, rate: Amount, every: Small, factor: Amount = 0.1) -> Tensor:
    """Multiplied by `factor` every so often.

    Formula: s(t) = rate * factor^floor(t / every)
    Source: definition.
    Deeplearning4j: StepSchedule(initialValue, decayRate, step).
    Keras: ExponentialDecay with staircase=True.
    PyTorch: StepLR(step_size, gamma=0.1).
    """
    return rate * factor ** ops.floor(t / every)


@schedule("exponential", example="exponential(0.1, factor=0.9)")
def exponential(t: Tensor, rate: Amount, factor: Amount = 0.95) -> Tensor:
    """Multiplied by `factor` over each epoch, in a smooth curve.

    Formula: s(t) = rate * factor^t
    Source: definition.
    Deeplearning4j: ExponentialSchedule(initialValue, gamma).
    Keras: ExponentialDecay(initial_learning_rate, decay_steps, decay_rate), by decay_steps.
    PyTorch: ExponentialLR(gamma), which knows whole epochs alone.
    """
    return rate * factor**t


@schedule("inverse", example="inverse(0.1, gamma=0.5)")
def inverse(t: Tensor, rate: Amount, gamma: Amount, power: Amount = 1.0) -> Tensor:
    """Divided by a power of what grows evenly with t.

    Formula: s(t) = rate / (1 + gamma * t)^power
    Source: definition; the rate of Robbins and Monro 1951, A stochastic approximation method, where power is 1.
    Deeplearning4j: InverseSchedule(initialValue, gamma, power).
    Keras: InverseTimeDecay(initial_learning_rate, decay_steps, decay_rate), with power 1.
    PyTorch: has none; LambdaLR computes it.
    """
    return rate / (1 + gamma * t) ** power


@schedule("poly", example="poly(0.1, epochs=20, power=2)")
def poly(t: Tensor, rate: Amount, epochs: Small, power: Amount = 1.0) -> Tensor:
    """Down from `rate` to 0 at t = epochs, as a power of what is left.

    Formula: s(t) = rate * (1 - min(t / epochs, 1))^power
    Source: definition.
    Deeplearning4j: PolySchedule(initialValue, power, maxIter), which computes (1 + t / maxIter)^power and so grows, a
    known defect.
    Keras: PolynomialDecay with end_learning_rate=0.
    PyTorch: PolynomialLR(total_iters, power).
    """
    return rate * (1 - ops.minimum(t / epochs, 1)) ** power


@schedule("sigmoid", example="sigmoid(0.1, gamma=-0.5, middle=10)")
def sigmoid(t: Tensor, rate: Amount, gamma: Signed, middle: Amount) -> Tensor:
    """Along an S, half of `rate` at t = middle: up to `rate` where gamma is above 0, down from it where gamma is below.

    Formula: s(t) = rate / (1 + exp(-gamma * (t - middle)))
    Source: definition.
    Deeplearning4j: SigmoidSchedule(initialValue, gamma, stepSize), where stepSize is the middle.
    Keras: has none.
    PyTorch: has none; LambdaLR computes it.
    """
    # Through tanh, since exp overflows.
    return rate * (0.5 + 0.5 * ops.tanh(0.5 * gamma * (t - middle)))


@schedule("map", example="map([0, 5, 10], [0.1, 0.05, 0.01])")
def at_times(t: Tensor, at: Times, rate: Values) -> Tensor:
    """One of the values of a list from its time to the next: of [0, 5, 10] the first holds before 5, the last from 10.

    Formula: s(t) = rate[k] for the largest k with at[k] <= t
    Source: definition.
    Deeplearning4j: MapSchedule, from whole epochs or steps to values.
    Keras: PiecewiseConstantDecay(boundaries, values), whose boundaries lack the 0 and belong to the value before.
    PyTorch: MultiStepLR(milestones), for values that differ by one factor.
    """
    if len(at.numbers) != len(rate.numbers):
        what = f"{len(at.numbers)} times and {len(rate.numbers)} values"
        raise WordError("bad-option", f"map has {what}", "give it a value for each time")
    if at.numbers[0] != 0 or any(a >= b for a, b in pairwise(at.numbers)):
        raise WordError("bad-option", "the times of map rise from 0", "as in map([0, 5, 10], [0.1, 0.05, 0.01])")
    return ops.stairs(t, at=at.numbers, values=rate.numbers, name=rate.name)


@schedule("ramp", example="ramp(0.01, 0.1, epochs=5)")
def ramp(t: Tensor, rate: Amount, end: Amount, epochs: Small) -> Tensor:
    """Straight from `rate` to `end` at t = epochs, where it stays.

    Formula: s(t) = rate + (end - rate) * min(t / epochs, 1)
    Source: definition.
    Deeplearning4j: has none; its RampSchedule raises another schedule over its first steps, as warmup= does here.
    Keras: PolynomialDecay with power=1.
    PyTorch: LinearLR(start_factor, end_factor, total_iters).
    """
    return rate + (end - rate) * ops.minimum(t / epochs, 1)


@schedule("cycle", example="cycle(0.01, 0.1, epochs=10, anneal=2)")
def cycle(t: Tensor, rate: Amount, peak: Amount, epochs: Small, anneal: Amount = 0.0, factor: Amount = 0.1) -> Tensor:
    """Straight up from `rate` to `peak` and down again, then multiplied by `factor` over each epoch of `anneal`; again.

    Formula: with u = t mod epochs and h = (epochs - anneal) / 2, s(t) = rate + (peak - rate) * (1 - |u - h| / h) for
    u < 2h, rate * factor^(u - 2h) after it
    Source: Smith 2017, Cyclical learning rates for training neural networks; Smith 2018, arXiv:1803.09820 (1cycle).
    Deeplearning4j: CycleSchedule(initialLearningRate, maxLearningRate, cycleLength, annealingLength, annealingDecay).
    Keras: has none.
    PyTorch: CyclicLR without annealing; OneCycleLR, whose annealing is a cosine.
    """
    if anneal.number >= epochs.number:
        raise WordError("bad-option", "cycle has no time left beside its annealing", "make epochs larger than anneal")
    u = t - epochs * ops.floor(t / epochs)
    half = (epochs - anneal) / 2
    rise = rate + (peak - rate) * (1 - ops.absolute(u - half) / half)
    return ops.where(ops.less(u, 2 * half), rise, rate * factor ** (u - 2 * half)) if anneal.number else rise


@schedule("cosine", example="cosine(0.1, epochs=20, warmup=1)")
def cosine(
    t: Tensor,
    rate: Amount,
    epochs: Small,
    warmup: Amount = 0.0,
    low: Amount = 0.0,
    restarts: Flag = False,
    mult: Growth = 1.0,
) -> Tensor:
    """Half a cosine from `rate` to `low` at t = epochs; with `restarts` it begins again, each time `mult` times longer.

    Formula: s(t) = rate * t / warmup for t < warmup, after it low + (rate - low) * (1 + cos(pi * u)) / 2 with
    u = min((t - warmup) / (epochs - warmup), 1); with restarts u is the share of the period that has passed, and the
    first period ends at t = epochs
    Source: Loshchilov and Hutter 2017, SGDR: stochastic gradient descent with warm restarts.
    Deeplearning4j: has none.
    Keras: CosineDecay(initial_learning_rate, decay_steps, alpha); CosineDecayRestarts.
    PyTorch: CosineAnnealingLR(T_max, eta_min), which rises again after T_max; CosineAnnealingWarmRestarts.
    """
    if warmup.number >= epochs.number:
        raise WordError("bad-option", "cosine has no time left after its warm-up", "make epochs larger than warmup")
    if mult.number != 1 and not restarts:
        raise WordError("bad-option", "mult of cosine does nothing without restarts", "add restarts=true")
    if not warmup.number:
        return _half_cosine(rate, low, t / epochs, restarts, mult)
    fall = _half_cosine(rate, low, (t - warmup) / (epochs - warmup), restarts, mult)
    return ops.where(ops.less(t, warmup), rate * t / warmup, fall)


def _half_cosine(rate: Amount, low: Amount, turn: Tensor, restarts: bool, mult: Growth) -> Tensor:
    """At 0 `rate`; `turn` counts in first periods."""
    turn = _passed(turn, mult) if restarts else ops.minimum(turn, 1)
    share = 0.5 * (1 + ops.cos(math.pi * turn))
    return low + (rate - low) * share if low.number else rate * share


def _passed(turn: Tensor, mult: Growth) -> Tensor:
    """The share of its period that has passed, where each period is `mult` times as long as the one before."""
    if mult.number == 1:
        return turn - ops.floor(turn)
    # Before a warm-up has ended turn is below 0, where its logarithm would not be a number.
    grown = ops.maximum(1 + (mult - 1) * turn, 1)
    length = mult ** ops.floor(ops.log(grown) / ops.log(mult) + NUDGE)
    return (grown / length - 1) / (mult - 1)


@schedule("plateau", example="plateau(0.1, factor=0.5, patience=2)", watches=True)
def plateau(
    t: Tensor,
    rate: Amount,
    factor: Shrinking = 0.1,
    patience: Index = 10,
    threshold: Unit = 1e-4,
    min_delta: NonNegative = 0.0,
    cooldown: Index = 0,
    low: Amount = 0.0,
    eps: NonNegative = 1e-8,
) -> Tensor:
    """Multiplied by `factor` each time the loss has not improved for more than `patience` epochs.

    The loss is that of the validation rows, or of training where none are held out, at the end of each epoch. It has
    improved where it is below best * (1 - threshold) - min_delta; for one that may be negative take threshold=0. In the
    `cooldown` epochs after a fall none counts, and a fall by no more than `eps` is not made.

    Formula: s = max(rate * factor^n, low), where n counts the falls
    Source: definition.
    Deeplearning4j: has none.
    Keras: ReduceLROnPlateau, whose min_delta is absolute, 1e-4, and which falls after `patience` epochs, one earlier.
    PyTorch: ReduceLROnPlateau, with the same defaults; min_lr is low, and threshold_mode="abs" is threshold=0 and
    min_delta.
    """
    if low.number > rate.number:
        raise WordError("bad-option", "plateau begins below its low", "give a rate of at least low")
    return ops.maximum(rate * factor**t, low) if low.number else rate * factor**t
