"""Uses of blocks that compute the same in training and in prediction, but for what normalises by running statistics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..dsl.ir import OPS, Equation, Op
from ..dsl.types import Type
from .blocks import Way
from .calls import CALL, DRAWS, P

Key = tuple[Any, ...]


def _told(op: Op) -> Op:
    """The op as it stands in the function of a block, whose parameter `train` tells what it does."""
    assert callable(op.numpy)
    spelled = op.numpy

    def spell(*types: Type, **attrs: Any) -> str:
        return spelled(*types, **attrs).replace("var", "var, train", 1)

    return replace(op, numpy=spell)


# What stands in training for what another op does in prediction, with the attributes of that, and the op for either.
IN_PREDICTION = {"batchnorm": ("batchnorm_predict", ("eps",))}
EITHER = {name: _told(OPS[name]) for name in IN_PREDICTION}


def either(on: Way) -> Way:
    """A way of training that serves prediction too: by `train`, where that is not the same."""
    equations = [_either(e) for e in on.program.equations]
    told = any(new is not old for new, old in zip(equations, on.program.equations, strict=True))
    return replace(on, program=on.program.with_equations(equations), serves=True, told=told)


def _either(equation: Equation) -> Equation:
    if equation.op is CALL:
        told = equation.attrs["told"]
        return replace(equation, attrs={**equation.attrs, "mode": "train"}) if told else equation
    op = EITHER.get(equation.op.name)
    return replace(equation, op=op) if op else equation


def by_batches(on: Way) -> bool:
    """Whether a way normalises by the batch, as training does also where nothing goes back."""
    return any(
        e.op.name in IN_PREDICTION or (e.op is CALL and e.attrs["told"] and not e.attrs["mode"])
        for e in on.program.equations
    )


def computes(on: Way, resting: Way) -> bool:
    """Whether a way of training computes what another of prediction does, but for what `train` tells."""
    numbers: dict[Key, int] = {}
    return _computed(on, numbers) == _computed(resting, numbers)


def _computed(way: Way, numbers: dict[Key, int]) -> list[int]:
    """Numbers that tell how what a way gives is computed: the same for the same, by what has a number already."""

    def number(*key: Any) -> int:
        return numbers.setdefault(key, len(numbers))

    known = {P: number("p"), DRAWS: number("draws")}
    known |= {way.copies[value]: number("takes", i) for i, value in enumerate(way.takes)}
    known |= {copy: number("array", source) for copy, source in way.sources.items()}
    for equation in way.program.equations:
        name, kept = IN_PREDICTION.get(equation.op.name, (equation.op.name, equation.attrs))
        kept = ("function", "use", "numbers") if equation.op is CALL else kept
        attrs = [(key, repr(equation.attrs[key])) for key in sorted(kept)]
        args = [known[a] for a in equation.args]
        known |= {v: number(name, *attrs, *args, i) for i, v in enumerate(equation.results)}
    return [known[way.program.results[f"give{i}"]] for i in range(len(way.gives))]
