"""Updaters whose rate adapts to each number of a weight, by the size of the gradients that it has seen."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..words import Clock, Flag, ScheduledAmount, ScheduledPositive, ScheduledUnit, State, Update, updater
from .updaters import is_zero


@updater("adagrad", example="adagrad lr=0.1")
def adagrad(
    w: Tensor,
    g: Tensor,
    state: State,
    clock: Clock,
    lr: ScheduledAmount = 1e-2,
    eps: ScheduledPositive = 1e-10,
) -> Update:
    """Divides by the root of the sum of all squared gradients so far.

    Formula: s' = s + g^2; w' = w - lr * g / (sqrt(s') + eps)
    Source: Duchi et al. 2011, Adaptive subgradient methods for online learning and stochastic optimization.
    Deeplearning4j: AdaGrad, lr 0.1, eps 1e-6.
    Keras: Adagrad, lr 1e-3, whose sum begins with 0.1 and whose eps 1e-7 is within the root.
    PyTorch: Adagrad, lr 1e-2; its lr_decay is here lr=inverse(0.01, gamma=c, per=step), from step 1 instead of 0.
    """
    s = (state("s") + ops.square(g)).named("s")
    return Update(w - lr * g / (ops.sqrt(s) + eps), {"s": s})


@updater("adadelta", example="adadelta lr=0.5")
def adadelta(
    w: Tensor,
    g: Tensor,
    state: State,
    clock: Clock,
    lr: ScheduledAmount = 1.0,
    rho: ScheduledUnit = 0.9,
    eps: ScheduledPositive = 1e-6,
) -> Update:
    """The step has the size of former steps, beside the size of the gradients; so it needs no rate.

    Formula: s' = rho * s + (1 - rho) * g^2; d = g * sqrt(u + eps) / sqrt(s' + eps); u' = rho * u + (1 - rho) * d^2;
    w' = w - lr * d
    Source: Zeiler 2012, ADADELTA: an adaptive learning rate method.
    Deeplearning4j: AdaDelta, rho 0.95, eps 1e-6, without a rate.
    Keras: Adadelta, lr 1e-3, rho 0.95, eps 1e-7.
    PyTorch: Adadelta, lr 1, rho 0.9, eps 1e-6.
    """
    s = (rho * state("s") + (1 - rho) * ops.square(g)).named("s")
    before = state("u")
    delta = (g * ops.sqrt(before + eps) / ops.sqrt(s + eps)).named("delta")
    u = (rho * before + (1 - rho) * ops.square(delta)).named("u")
    return Update(w - lr * delta, {"s": s, "u": u})


@updater("rmsprop", example="rmsprop lr=1e-2")
def rmsprop(
    w: Tensor,
    g: Tensor,
    state: State,
    clock: Clock,
    lr: ScheduledAmount = 1e-2,
    decay: ScheduledUnit = 0.99,
    eps: ScheduledPositive = 1e-8,
    momentum: ScheduledUnit = 0.0,
    centered: Flag = False,
) -> Update:
    """Divides by a running root mean square of the gradients, less their running mean where it is `centered`.

    Formula: s' = decay * s + (1 - decay) * g^2; d = g / (sqrt(s') + eps); w' = w - lr * d; with momentum
    v' = momentum * v + d and w' = w - lr * v'; centered, m' = decay * m + (1 - decay) * g and s' - m'^2 under the root
    Source: Tieleman and Hinton 2012, Lecture 6.5 of Neural Networks for Machine Learning.
    Deeplearning4j: RmsProp, lr 0.1, rmsDecay 0.95, eps 1e-8.
    Keras: RMSprop, lr 1e-3, rho 0.9, eps 1e-7 within the root.
    PyTorch: RMSprop, lr 1e-2, alpha 0.99.
    """
    s = (decay * state("s") + (1 - decay) * ops.square(g)).named("s")
    kept, power = {"s": s}, s
    if centered:
        kept["m"] = m = (decay * state("m") + (1 - decay) * g).named("m")
        power = ops.maximum(s - ops.square(m), 0)  # rounding may leave less than 0
    step = g / (ops.sqrt(power) + eps)
    if not is_zero(momentum):
        kept["v"] = step = (momentum * state("v") + step).named("v")
    return Update(w - lr * step, kept)
