"""Options that every layer with weights takes, whatever its word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .constraints import CONSTRAINTS
from .words import Kind, Option

PENALTY = Kind("scheduled", "a number of at least 0, or a schedule", 0)
DECAY = Kind("real", "a number of at least 0", 0)
SCALE = Kind("real", "a number above 0 (frozen=true is for 0)", 0, low_open=True)
SHARE = Kind("scheduled", "a number from 0 to below 1, or a schedule", 0, 1, high_open=True)
UNIVERSAL = {
    o.name: o
    for o in (
        Option("l1", PENALTY, 0.0, False, "adds l1 * sum(|w|) over the layer's matrices to the loss"),
        Option("l2", PENALTY, 0.0, False, "adds l2 / 2 * sum(w^2) over the layer's matrices to the loss"),
        Option("bias_l1", PENALTY, 0.0, False, "adds bias_l1 * sum(|b|) over what has one axis, such as biases"),
        Option("bias_l2", PENALTY, 0.0, False, "adds bias_l2 / 2 * sum(b^2) over what has one axis, such as biases"),
        Option("weight_decay", DECAY, None, False, "takes lr * weight_decay * w off the matrices in each step"),
        Option("bias_weight_decay", DECAY, None, False, "takes lr * bias_weight_decay * b off the biases in each step"),
        Option("dropconnect", SHARE, 0.0, False, "in training, sets this share of the matrices to 0, scaling the rest"),
        Option(
            "weight_noise", PENALTY, 0.0, False, "in training, adds normal numbers of this deviation to the matrices"
        ),
        Option("lr_scale", SCALE, None, False, "multiplies the updater's rate for the layer's weights and biases"),
        Option("frozen", Kind("flag", "true or false"), False, False, "keeps the layer's weights as they are"),
        *(constraint.option for constraint in CONSTRAINTS.values()),
        Option("name", Kind("identifier", "a name"), None, False, "stands in the names of the weights: W_enc, not W1"),
    )
}
# Those that act on what has one axis: biases, and the scales and shifts of a norm.
OF_BIASES = ("bias_l1", "bias_l2", "bias_weight_decay")
# Those that act on what has more axes.
OF_MATRICES = ("l1", "l2", "weight_decay", "dropconnect", "weight_noise", *CONSTRAINTS)
# Those that a weight that does not move has no use for; what l1 and l2 would add to a loss goes with what it moves.
OF_MOVING = ("l1", "l2", "bias_l1", "bias_l2", "lr_scale", "weight_decay", "bias_weight_decay", *CONSTRAINTS)


@dataclass(frozen=True)
class Held:
    """A weight as its layer's options see it; `own` are those that it has in their place."""

    axes: int
    frozen: bool
    own: tuple[str, ...] = ()


def idle(word: str, key: str, weights: Sequence[Held]) -> str:
    """Why an option does nothing to the weights that a word made; empty where it does something."""
    if not weights:
        return f"{word} has no weights"
    of_biases, of_matrices = key in OF_BIASES, key in OF_MATRICES
    concerned = [w for w in weights if (w.axes == 1 or not of_biases) and (w.axes > 1 or not of_matrices)]
    if not concerned:
        return f"{word} has no bias here" if of_biases else f"{word} has no weight of two axes or more"
    if all(key in w.own for w in concerned):
        return f"what it would act on says its own {key}"
    if key not in OF_MOVING or not all(w.frozen for w in concerned):
        return ""
    return f"{word} is frozen" if all(w.frozen for w in weights) else "what it would act on is frozen"
