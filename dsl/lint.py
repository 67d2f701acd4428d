"""What is not wrong with a net as such, but does nothing or cannot be trained as it is written."""

from __future__ import annotations

import re
from collections import Counter

from .ir import Equation, Value
from .net import WeightInfo
from .resolve import Spec
from .section import Section
from .structure import Lowering
from .types import BATCH, Shape


def lint(spec: Spec, training: Lowering) -> None:
    """Look over the chains of a net in training."""
    _biases(spec, training)
    _batches_of_one(spec, training)


def _biases(spec: Spec, training: Lowering) -> None:
    """Warn of biases that the norm behind them takes away again: their gradients are zero."""
    equations = training.builder.equations
    producers = {value: e for e in equations for value in e.results}
    uses = Counter(a for e in equations for a in e.args)
    uses.update(t.value for t in training.outputs.values() if t is not None)
    names = {i.value: i.name for i in training.builder.inputs if i.role == "weight"}
    for equation in [e for e in equations if _centres(e)]:
        added = producers.get(equation.args[0])
        if added is None or added.op.name != "add" or uses[equation.args[0]] > 1:
            continue
        for bias in filter(None, (_vector(arg, producers, len(added.result.type.shape)) for arg in added.args)):
            if bias not in names:
                continue
            _warn(spec, training, training.weights[names[bias]], _word(equation.section))


def _warn(spec: Spec, training: Lowering, info: WeightInfo, norm: str) -> None:
    """Warn of a bias by its own name, so that a definition's is told once, however often it is used."""
    own = info.name.removeprefix(info.section.named("")).removesuffix(info.section.suffix)
    word = _word(info.section)
    message = f"{'the bias' if own == 'b' else own} of {word} does nothing, since {norm} takes away what it adds"
    layer = spec.scope.linked(word)
    help = "leave the bias away: bias=false" if layer and "bias" in layer.options else f"take it out of {word}"
    with training.report.at(info.section.uses[::-1]):
        training.report.warning("useless-bias", message, info.place, help)


def _word(section: Section | None) -> str:
    """The word of a layer, with which its title begins."""
    found = re.match(r"\w+", section.title) if section else None
    return found[0] if found else ""


def _centres(equation: Equation) -> bool:
    rank = equation.args[0].type.rank if equation.args else 0
    places = tuple(range(2, rank))
    return equation.op.name == "batchnorm" or (equation.op.name == "normalize" and equation.attrs["axes"] == places)


def _vector(value: Value, producers: dict[Value, Equation], rank: int) -> Value | None:
    """The numbers of which each is added to a channel, the axis behind the batch."""
    shaped = producers.get(value)
    if rank == 2:
        return value
    ones: Shape = (1,) * (rank - 2)
    return shaped.args[0] if shaped and shaped.op.name == "reshape" and value.type.shape[1:] == ones else None


def _batches_of_one(spec: Spec, training: Lowering) -> None:
    """Report batchnorm that never has more than one value of a feature: it gives beta, whatever it is given."""
    if spec.train["batch"] != 1:
        return
    for equation in training.builder.equations:
        examples, _, *places = equation.args[0].type.shape if equation.op.name == "batchnorm" else (None, None)
        if examples == BATCH and all(size == 1 for size in places):
            message = "batchnorm has one value of each feature in a batch of 1, and gives beta whatever that is"
            help = "train with a larger batch, or take batchnorm away"
            place = spec.train_places.get("batch", equation.origin[-1])
            training.report.error("nothing-to-train", message, place, help)
            return
