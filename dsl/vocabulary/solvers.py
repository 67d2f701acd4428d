"""Full-batch solvers: all weights as one vector, moved along a direction to where the loss of every row is lower."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false
# They run on the host alone; kernels are printed as they stand, without types. A kernel takes the loss and its gradient
# as a function of the weights, the weights and what it remembers, and gives the next weights and the loss before them.

from __future__ import annotations

from typing import Any

import numpy as np

from ..words import Positive, solver

# The shapes of what a solver remembers; the number of weights may be its name on the page.
Shapes = dict[str, tuple[Any, ...]]


def line_search(function, w, loss, gradient, direction, size):
    """Return where the loss falls enough along a direction, after Armijo 1966."""
    slope = min(0.0, gradient @ direction)
    for _ in range(40):
        point = w + size * direction
        value, slopes = function(point)
        if value <= loss + 1e-4 * size * slope:
            return value, point, slopes, size
        size /= 2
    return loss, w, gradient, 0.0  # nothing lower can be told from rounding


def parabola_search(function, w, loss, gradient, direction, size):
    """Return the lower of a line search's end and the bottom of a parabola to it."""
    first = line_search(function, w, loss, gradient, direction, size)
    _, _, slopes, size = first
    bend = (slopes - gradient) @ direction
    if bend <= 0:
        return first
    size *= min(10.0, -gradient @ direction / bend)
    second = line_search(function, w, loss, gradient, direction, size)
    return second if second[0] < first[0] else first


def first_size(gradient):
    """Return the length of a first step that moves the weights by at most 1."""
    return 1 / max(1.0, np.linalg.norm(gradient))


def line_gradient_descent_kernel(function, w, memory):
    """Move down the gradient as far as a line search says (Armijo 1966)."""
    loss, gradient = function(w)
    size = 2 * memory["size"][0] or first_size(gradient)
    _, w, _, size = line_search(function, w, loss, gradient, -gradient, size)
    memory["size"][0] = size
    return w, loss


@solver(
    "line_gradient_descent",
    example="line_gradient_descent",
    kernels=(line_search, first_size, line_gradient_descent_kernel),
)
def line_gradient_descent(weights: Any) -> Shapes:
    """Gradient descent over all rows at once, with a line search for the size of each step.

    A spec with it says `targets numpy inference`, since no graph of one step can look for the length of the step.

    Formula: w' = w - a * g, where a is halved until loss(w') <= loss(w) - 1e-4 * a * g.g
    Source: Armijo 1966, Minimization of functions having Lipschitz continuous first partial derivatives.
    Deeplearning4j: LINE_GRADIENT_DESCENT, an optimization algorithm.
    Keras: has none.
    PyTorch: has none.
    """
    return {"size": (1,)}


def conjugate_gradient_kernel(function, w, memory):
    """Move along the gradient and the last direction (Nocedal and Wright 2006, PR+)."""
    loss, gradient = function(w)
    before = memory["gradient"]
    turn = gradient @ (gradient - before) / ((before @ before) or np.inf)
    direction = max(0.0, turn) * memory["direction"] - gradient
    if gradient @ direction >= 0:  # not downwards: begin anew
        direction = -gradient
    size = memory["size"][0] or first_size(gradient)
    _, w, _, size = parabola_search(function, w, loss, gradient, direction, size)
    memory["gradient"][:], memory["direction"][:] = gradient, direction
    memory["size"][0] = size
    return w, loss


@solver(
    "conjugate_gradient",
    example="conjugate_gradient",
    kernels=(line_search, parabola_search, first_size, conjugate_gradient_kernel),
)
def conjugate_gradient(weights: Any) -> Shapes:
    """Nonlinear conjugate gradients over all rows at once, which keep what the last direction has gained.

    A spec with it says `targets numpy inference`, since no graph of one step can look for the length of the step.

    Formula: d' = -g + max(0, g.(g - g0) / (g0.g0)) * d, where g0 is the gradient before; w' = w + a * d', a by line
    search from the lowest point of a parabola along d'
    Source: Polak and Ribière 1969, Note sur la convergence de méthodes de directions conjuguées; Nocedal and Wright
    2006, Numerical optimization, algorithm 5.4 with PR+.
    Deeplearning4j: CONJUGATE_GRADIENT, an optimization algorithm.
    Keras: has none.
    PyTorch: has none.
    """
    return {"gradient": (weights,), "direction": (weights,), "size": (1,)}


def lbfgs_kernel(function, w, memory):
    """Move to where past steps put the minimum (Nocedal and Wright 2006, 7.4, 7.5)."""
    loss, gradient = function(w)
    steps, changes = memory["steps"], memory["changes"]
    curved = np.sum(steps * changes, axis=1)  # 0 where nothing is remembered yet
    known = np.flatnonzero(curved > 0)
    direction, parts = -gradient, np.zeros(len(steps))
    for i in known[::-1]:
        parts[i] = steps[i] @ direction / curved[i]
        direction -= parts[i] * changes[i]
    if len(known):
        direction *= curved[-1] / (changes[-1] @ changes[-1])
    for i in known:
        direction += (parts[i] - changes[i] @ direction / curved[i]) * steps[i]
    size = 1.0 if len(known) else first_size(gradient)
    _, point, slopes, size = line_search(function, w, loss, gradient, direction, size)
    step, change = point - w, slopes - gradient
    if not size:  # the curvature leads nowhere: forget it
        steps[:] = changes[:] = 0
    elif step @ change > 0:
        steps[:] = np.vstack([steps[1:], step])
        changes[:] = np.vstack([changes[1:], change])
    return point, loss


@solver("lbfgs", example="lbfgs history=10", kernels=(line_search, first_size, lbfgs_kernel))
def lbfgs(weights: Any, history: Positive = 10) -> Shapes:
    """L-BFGS over all rows at once: Newton's method with a curvature that is told from the last steps.

    A spec with it says `targets numpy inference`, since no graph of one step can look for the length of the step.

    Formula: w' = w - a * H * g, a by line search, H from the last `history` steps and changes of the gradient
    Source: Liu and Nocedal 1989, On the limited memory BFGS method for large scale optimization; Nocedal and
    Wright 2006, Numerical optimization, algorithms 7.4 and 7.5.
    Deeplearning4j: LBFGS, an optimization algorithm.
    Keras: has none.
    PyTorch: LBFGS, history_size 100, lr 1, without a line search unless told; it takes a closure.
    """
    return {"steps": (history, weights), "changes": (history, weights)}
