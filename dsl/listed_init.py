"""First weights that a spec lists, or takes from an archive."""

from __future__ import annotations

from typing import Any

import numpy as np

from .archive import read_entry
from .constants import LARGEST_REAL, Constant
from .ir import Tensor
from .ops import literal
from .scope import Use
from .syntax import Call, Text
from .words import Fresh, Init, WordError

# Numbers that a spec may list, or take from an archive, for one weight: they are printed into the trainer.
LARGEST_LITERAL = 65_536

# What helps where a list has another shape than its weight, by the number of the weight's axes.
HELP = {
    1: "list as many numbers",
    2: "W of dense has a row for each input, and in it a number for each unit",
}


def nested(use: Use, values: tuple[Any, ...]) -> Any:
    """Lists in lists as an array."""

    def check(value: Constant) -> Any:
        if isinstance(value, tuple):
            return [check(v) for v in value]
        if isinstance(value, bool | str):
            raise use.scope.fail(
                "bad-option", "a weight's values are numbers", use.expr.place, "as in [[1, 2], [3, 4]]"
            )
        return value

    try:
        return np.array(check(values), dtype=np.float64)
    except ValueError:
        message = "the rows of this list differ in length"
        raise use.scope.fail("bad-option", message, use.expr.place, "give every row as many numbers") from None


def listed_init(use: Use, values: Any) -> Init:
    """An initializer that sets the listed numbers, which must have the weight's shape."""
    if values.size > LARGEST_LITERAL:
        message = f"{values.size:,} numbers are too many to print into the trainer; the limit is {LARGEST_LITERAL:,}"
        raise use.scope.fail("too-large", message, use.expr.place, "start the training from them: --weights FILE")
    if np.any(np.abs(values) > LARGEST_REAL):
        help = f"sizes go to {LARGEST_REAL:.2g}"
        raise use.scope.fail("bad-option", "a weight's values fit 32 bits", use.expr.place, help)

    def make(w: Fresh) -> Tensor:
        if values.shape != w.shape:
            message = f"{w.name} has shape {list(w.shape)}, but its list has {list(values.shape)}"
            help = HELP.get(len(w.shape), "nest its lists as deep as its shape is long")
            raise WordError("shape-mismatch", message, help)
        name = f"{w.name}_VALUES"
        return w.builder.emit(literal, values=values, shape=w.shape, name=name)

    return Init("listed", make)


def archived_init(use: Use, expr: Call) -> Init:
    """An initializer that sets the numbers of an entry of an .npz file."""
    texts = [a.value.value for a in expr.arguments if isinstance(a.value, Text) and a.key is None]
    if len(texts) != 2 or len(expr.arguments) != 2:
        help = 'as in npz("weights.npz", "W1")'
        raise use.scope.fail(
            "bad-option", "npz takes a file and the name of an entry, both in quotes", expr.place, help
        )
    try:
        values = read_entry(use.scope.folder, *texts)
    except ValueError as error:
        help = "the archive lies beside the spec, or below its folder"
        raise use.scope.fail("bad-archive", str(error), expr.place, help) from None
    return listed_init(use, values)
