"""Updaters that move a weight against its gradient, with or without momentum."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..words import Clock, ScheduledAmount, ScheduledUnit, State, Update, updater


@updater("none", example="none")
def none(w: Tensor, g: Tensor, state: State, clock: Clock) -> Update:
    """Leaves every weight as it is, to look at a loss without training on it.

    Formula: w' = w
    Source: definition.
    Deeplearning4j: NoOp.
    Keras: has none; compile with trainable=False.
    PyTorch: has none; do not call step().
    """
    return Update(w, {})


@updater("sgd", example="sgd lr=0.1")
def sgd(w: Tensor, g: Tensor, state: State, clock: Clock, lr: ScheduledAmount = 1e-3) -> Update:
    """Stochastic gradient descent: a step against the gradient.

    Formula: w' = w - lr * g
    Source: Robbins and Monro 1951, A stochastic approximation method.
    Deeplearning4j: Sgd, lr 1e-3.
    Keras: SGD, lr 0.01.
    PyTorch: SGD, lr 1e-3.
    """
    return Update(w - lr * g, {})


@updater("momentum", example="momentum lr=0.1 momentum=0.9")
def momentum(
    w: Tensor, g: Tensor, state: State, clock: Clock, lr: ScheduledAmount = 0.1, momentum: ScheduledUnit = 0.9
) -> Update:
    """Momentum: gradients add up to a velocity, of which a share is lost at each step.

    Formula: v' = momentum * v + g; w' = w - lr * v'
    Source: Polyak 1964, Some methods of speeding up the convergence of iteration methods.
    Deeplearning4j: has none but nesterovs.
    Keras: SGD(momentum=), whose velocity holds lr, so that a schedule acts on it with delay.
    PyTorch: SGD(momentum=), lr 1e-3, momentum 0.
    """
    v = (momentum * state("v") + g).named("v")
    return Update(w - lr * v, {"v": v})


@updater("nesterovs", example="nesterovs lr=0.1 momentum=0.9")
def nesterovs(
    w: Tensor, g: Tensor, state: State, clock: Clock, lr: ScheduledAmount = 0.1, momentum: ScheduledUnit = 0.9
) -> Update:
    """Nesterov's momentum: the step is taken with the velocity that comes next.

    Formula: v' = momentum * v + g; w' = w - lr * (g + momentum * v')
    Source: Sutskever et al. 2013, On the importance of initialization and momentum in deep learning.
    Deeplearning4j: Nesterovs, lr 0.1, momentum 0.9, whose velocity holds lr.
    Keras: SGD(momentum=, nesterov=True), whose velocity holds lr.
    PyTorch: SGD(momentum=, nesterov=True), lr 1e-3, momentum 0.
    """
    v = (momentum * state("v") + g).named("v")
    return Update(w - lr * (g + momentum * v), {"v": v})


@updater("lion", example="lion lr=1e-3 weight_decay=0.1")
def lion(
    w: Tensor,
    g: Tensor,
    state: State,
    clock: Clock,
    lr: ScheduledAmount = 1e-4,
    beta1: ScheduledUnit = 0.9,
    beta2: ScheduledUnit = 0.99,
    weight_decay: ScheduledAmount = 0.0,
) -> Update:
    """Moves every number by the same size, in the direction of a momentum's sign.

    Formula: w' = w - lr * (sign(beta1 * m + (1 - beta1) * g) + weight_decay * w); m' = beta2 * m + (1 - beta2) * g
    Source: Chen et al. 2023, Symbolic discovery of optimization algorithms.
    Deeplearning4j: has none.
    Keras: Lion, lr 1e-3.
    PyTorch: has none.
    """
    before = state("m")
    direction = ops.sign(beta1 * before + (1 - beta1) * g)
    m = (beta2 * before + (1 - beta2) * g).named("m")
    return Update(decayed(w, lr, weight_decay) - lr * direction, {"m": m})


def decayed(w: Tensor, lr: ScheduledAmount, weight_decay: ScheduledAmount) -> Tensor:
    """The weight, less a share lr * weight_decay of itself; itself where that is the plain number 0."""
    return w if is_zero(weight_decay) else (1 - lr * weight_decay) * w


def is_zero(option: object) -> bool:
    """Whether an option is the plain number 0, so that what it stands for is left away."""
    return getattr(option, "number", None) == 0
