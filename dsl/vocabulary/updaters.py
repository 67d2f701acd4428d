"""Updaters: how a weight moves, from its gradient g and the updater's own state."""

from __future__ import annotations

from collections.abc import Callable

from .. import ops
from ..ir import Tensor
from ..words import Amount, Clock, Rate, Share, Small, Update, updater

State = Callable[[str], Tensor]

# pyright: reportArgumentType=false
# A default is a number; the formula gets it as a tensor with the setting's name.


@updater("sgd", example="sgd lr=0.1")
def sgd(w: Tensor, g: Tensor, state: State, clock: Clock, lr: Rate = 1e-3) -> Update:
    """Stochastic gradient descent: w - lr * g."""
    return Update(w - lr * g, {})


@updater("nesterovs", example="nesterovs lr=0.1 momentum=0.9")
def nesterovs(w: Tensor, g: Tensor, state: State, clock: Clock, lr: Rate = 0.1, momentum: Share = 0.9) -> Update:
    """Nesterov's momentum, as in PyTorch's SGD(nesterov=True): v = momentum * v + g; w - lr * (g + momentum * v)."""
    v = (momentum * state("v") + g).named("v")
    return Update(w - lr * (g + momentum * v), {"v": v})


def _adam_step(
    g: Tensor, state: State, clock: Clock, lr: Tensor, beta1: Tensor, beta2: Tensor, eps: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """What adam subtracts, in the order of Kingma and Ba's section 2, which saves a pass over the weights."""
    m = (beta1 * state("m") + (1 - beta1) * g).named("m")
    v = (beta2 * state("v") + (1 - beta2) * ops.square(g)).named("v")
    unbias = ops.sqrt(1 - beta2**clock.step).named("unbias")
    rate = (lr * unbias / (1 - beta1**clock.step)).named("rate")
    return rate * m / (ops.sqrt(v) + eps * unbias), {"m": m, "v": v}


@updater("adam", example="adam lr=1e-2")
def adam(
    w: Tensor,
    g: Tensor,
    state: State,
    clock: Clock,
    lr: Rate = 1e-3,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    eps: Small = 1e-8,
) -> Update:
    """Adaptive moments (Kingma and Ba 2015): w - lr * m / (sqrt(v) + eps), both moments freed of their start."""
    step, moments = _adam_step(g, state, clock, lr, beta1, beta2, eps)
    return Update(w - step, moments)


@updater("adamw", example="adamw lr=1e-2 weight_decay=1e-3")
def adamw(
    w: Tensor,
    g: Tensor,
    state: State,
    clock: Clock,
    lr: Rate = 1e-3,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    eps: Small = 1e-8,
    weight_decay: Amount = 1e-2,
) -> Update:
    """Adam, and weights that decay by lr * weight_decay, biases too (Loshchilov and Hutter 2019)."""
    step, moments = _adam_step(g, state, clock, lr, beta1, beta2, eps)
    return Update((1 - lr * weight_decay) * w - step, moments)


@updater("rmsprop", example="rmsprop lr=1e-2")
def rmsprop(
    w: Tensor, g: Tensor, state: State, clock: Clock, lr: Rate = 1e-2, decay: Share = 0.99, eps: Small = 1e-8
) -> Update:
    """A running root mean square (Hinton 2012): s = decay s + (1 - decay) g^2; w - lr g / (sqrt(s) + eps)."""
    s = (decay * state("s") + (1 - decay) * ops.square(g)).named("s")
    return Update(w - lr * g / (ops.sqrt(s) + eps), {"s": s})
