"""Adam and its kin: two moments of the gradient, freed of their start at 0."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..words import Clock, ScheduledAmount, ScheduledPositive, ScheduledUnit, State, Update, updater
from .updaters import is_zero


def _first_moment(g: Tensor, state: State, beta1: ScheduledUnit) -> Tensor:
    return (beta1 * state("m") + (1 - beta1) * g).named("m")


def _second_moment(g: Tensor, state: State, beta2: ScheduledUnit) -> Tensor:
    return (beta2 * state("v") + (1 - beta2) * ops.square(g)).named("v")


def _adam_step(
    m: Tensor,
    v: Tensor,
    clock: Clock,
    lr: ScheduledAmount,
    beta1: ScheduledUnit,
    beta2: ScheduledUnit,
    eps: ScheduledPositive,
) -> Tensor:
    """What adam subtracts, in the order of Kingma and Ba's section 2, which saves a pass over the weights."""
    unbias = ops.sqrt(1 - beta2**clock.step).named("unbias")
    rate = (lr * unbias / (1 - beta1**clock.step)).named("rate")
    return rate * m / (ops.sqrt(v) + eps * unbias)


@updater("adam", example="adam lr=1e-2")
def adam(
    w: Tensor,
    g: Tensor,
    state: State,
    clock: Clock,
    lr: ScheduledAmount = 1e-3,
    beta1: ScheduledUnit = 0.9,
    beta2: ScheduledUnit = 0.999,
    eps: ScheduledPositive = 1e-8,
) -> Update:
    """Adaptive moments: a running mean of the gradient over a running root mean square of it.

    Formula: m' = beta1 * m + (1 - beta1) * g; v' = beta2 * v + (1 - beta2) * g^2;
    w' = w - lr * (m' / (1 - beta1^t)) / (sqrt(v' / (1 - beta2^t)) + eps)
    Source: Kingma and Ba 2015, Adam: a method for stochastic optimization.
    Deeplearning4j: Adam, lr 1e-3, eps 1e-8, which adds eps before the second moment is freed of its start.
    Keras: Adam, lr 1e-3, eps 1e-7, which adds eps before the second moment is freed of its start.
    PyTorch: Adam, lr 1e-3, eps 1e-8.
    """
    m, v = _first_moment(g, state, beta1), _second_moment(g, state, beta2)
    return Update(w - _adam_step(m, v, clock, lr, beta1, beta2, eps), {"m": m, "v": v})


@updater("adamw", example="adamw lr=1e-2 weight_decay=1e-3")
def adamw(
    w: Tensor,
    g: Tensor,
    state: State,
    clock: Clock,
    lr: ScheduledAmount = 1e-3,
    beta1: ScheduledUnit = 0.9,
    beta2: ScheduledUnit = 0.999,
    eps: ScheduledPositive = 1e-8,
    weight_decay: ScheduledAmount = 1e-2,
) -> Update:
    """Adam, and weights that decay by lr * weight_decay, biases too.

    Formula: w' = (1 - lr * weight_decay) * w - what adam subtracts
    Source: Loshchilov and Hutter 2019, Decoupled weight decay regularization.
    Deeplearning4j: has none; WeightDecay beside Adam, which is weight_decay= of a layer here.
    Keras: AdamW, lr 1e-3, weight_decay 4e-3.
    PyTorch: AdamW, lr 1e-3, weight_decay 1e-2.
    """
    m, v = _first_moment(g, state, beta1), _second_moment(g, state, beta2)
    step = _adam_step(m, v, clock, lr, beta1, beta2, eps)
    return Update((1 - lr * weight_decay) * w - step, {"m": m, "v": v})


@updater("amsgrad", example="amsgrad lr=1e-2")
def amsgrad(
    w: Tensor,
    g: Tensor,
    state: State,
    clock: Clock,
    lr: ScheduledAmount = 1e-3,
    beta1: ScheduledUnit = 0.9,
    beta2: ScheduledUnit = 0.999,
    eps: ScheduledPositive = 1e-8,
) -> Update:
    """Adam with the largest second moment so far, so that no rate grows again.

    Formula: as adam, with u' = max(u, v') in the place of v'
    Source: Reddi et al. 2018, On the convergence of Adam and beyond.
    Deeplearning4j: AMSGrad, lr 1e-3, eps 1e-8.
    Keras: Adam(amsgrad=True), eps 1e-7.
    PyTorch: Adam(amsgrad=True), lr 1e-3, eps 1e-8.
    """
    m, v = _first_moment(g, state, beta1), _second_moment(g, state, beta2)
    u = ops.maximum(state("u"), v).named("u")
    return Update(w - _adam_step(m, u, clock, lr, beta1, beta2, eps), {"m": m, "v": v, "u": u})


@updater("adamax", example="adamax lr=1e-2")
def adamax(
    w: Tensor,
    g: Tensor,
    state: State,
    clock: Clock,
    lr: ScheduledAmount = 2e-3,
    beta1: ScheduledUnit = 0.9,
    beta2: ScheduledUnit = 0.999,
    eps: ScheduledPositive = 1e-8,
) -> Update:
    """Adam with the largest of the fading gradients in the place of their root mean square.

    Formula: m' = beta1 * m + (1 - beta1) * g; u' = max(beta2 * u, |g| + eps); w' = w - lr / (1 - beta1^t) * m' / u'
    Source: Kingma and Ba 2015, Adam: a method for stochastic optimization, section 7.1.
    Deeplearning4j: AdaMax, lr 1e-3, eps 1e-8.
    Keras: Adamax, lr 1e-3, which adds eps 1e-7 to u'.
    PyTorch: Adamax, lr 2e-3, eps 1e-8.
    """
    m = _first_moment(g, state, beta1)
    u = ops.maximum(beta2 * state("u"), ops.absolute(g) + eps).named("u")
    rate = (lr / (1 - beta1**clock.step)).named("rate")
    return Update(w - rate * m / u, {"m": m, "u": u})


@updater("nadam", example="nadam lr=1e-2")
def nadam(
    w: Tensor,
    g: Tensor,
    state: State,
    clock: Clock,
    lr: ScheduledAmount = 2e-3,
    beta1: ScheduledUnit = 0.9,
    beta2: ScheduledUnit = 0.999,
    eps: ScheduledPositive = 1e-8,
    momentum_decay: ScheduledAmount = 4e-3,
) -> Update:
    """Adam with Nesterov's momentum, which grows from half of beta1 up to it.

    Formula: mu(t) = beta1 * (1 - 0.96^(t * momentum_decay) / 2); product' = product * mu(t); m and v as in adam;
    w' = w - lr * ((1 - mu(t)) / (1 - product') * g + mu(t + 1) / (1 - product' * mu(t + 1)) * m') / (sqrt(v' /
    (1 - beta2^t)) + eps)
    Source: Dozat 2016, Incorporating Nesterov momentum into Adam.
    Deeplearning4j: Nadam, lr 1e-3, whose momentum stays beta1 and whose second moment keeps its start.
    Keras: Nadam, lr 1e-3, eps 1e-7, whose momentum grows by 0.96^t, as with momentum_decay=1.
    PyTorch: NAdam, lr 2e-3, momentum_decay 4e-3.
    """
    t = clock.step
    mu = (beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))).named("mu")
    following = (beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))).named("next_mu")
    product = (state("product", first=1.0, scalar=True) * mu).named("product")
    m, v = _first_moment(g, state, beta1), _second_moment(g, state, beta2)
    root = ops.sqrt(v) / ops.sqrt(1 - beta2**t).named("unbias") + eps
    of_gradient = (lr * (1 - mu) / (1 - product)).named("rate")
    of_momentum = (lr * following / (1 - product * following)).named("momentum")
    return Update(w - (of_gradient * g + of_momentum * m) / root, {"m": m, "v": v, "product": product})


@updater("adabelief", example="adabelief lr=1e-2")
def adabelief(
    w: Tensor,
    g: Tensor,
    state: State,
    clock: Clock,
    lr: ScheduledAmount = 1e-3,
    beta1: ScheduledUnit = 0.9,
    beta2: ScheduledUnit = 0.999,
    eps: ScheduledPositive = 1e-16,
) -> Update:
    """Adam by how far gradients are from what was expected: where they keep their course the step is long.

    Formula: m as in adam; s' = beta2 * s + (1 - beta2) * (g - m')^2 + eps;
    w' = w - lr * (m' / (1 - beta1^t)) / (sqrt(s' / (1 - beta2^t)) + eps)
    Source: Zhuang et al. 2020, AdaBelief optimizer: adapting stepsizes by the belief in observed gradients.
    Deeplearning4j: AdaBelief, lr 1e-3, eps 1e-14.
    Keras: has none.
    PyTorch: has none; the authors' package has eps 1e-16.
    """
    m = _first_moment(g, state, beta1)
    s = (beta2 * state("s") + (1 - beta2) * ops.square(g - m) + eps).named("s")
    return Update(w - _adam_step(m, s, clock, lr, beta1, beta2, eps), {"m": m, "s": s})


@updater("lamb", example="lamb lr=1e-2 weight_decay=0.01")
def lamb(
    w: Tensor,
    g: Tensor,
    state: State,
    clock: Clock,
    lr: ScheduledAmount = 1e-3,
    beta1: ScheduledUnit = 0.9,
    beta2: ScheduledUnit = 0.999,
    eps: ScheduledPositive = 1e-6,
    weight_decay: ScheduledAmount = 0.0,
) -> Update:
    """Adam's direction at the length of the weight, so that each array moves by the same share of itself.

    Formula: r = (m' / (1 - beta1^t)) / (sqrt(v' / (1 - beta2^t)) + eps) + weight_decay * w, m and v as in adam;
    w' = w - lr * (|w| / |r|) * r, with norms over the whole array; where one of them is 0 their quotient is 1
    Source: You et al. 2020, Large batch optimization for deep learning: training BERT in 76 minutes.
    Deeplearning4j: has none.
    Keras: Lamb, lr 1e-3, eps 1e-7.
    PyTorch: has none.
    """
    m, v = _first_moment(g, state, beta1), _second_moment(g, state, beta2)
    r = _adam_step(m, v, clock, 1.0, beta1, beta2, eps)
    r = (r if is_zero(weight_decay) else r + weight_decay * w).named("r")
    size, length = (_norm(x).named(n) for x, n in ((w, "size"), (r, "length")))
    known = ops.logical_and(size > 0, length > 0)
    trust = ops.where(known, size / ops.where(known, length, 1), 1).named("trust")
    return Update(w - lr * trust * r, {"m": m, "v": v})


def _norm(x: Tensor) -> Tensor:
    return ops.sqrt(ops.total(ops.square(x), axes=None, keepdims=False))
