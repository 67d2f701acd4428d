"""The sizes that tests give to dimensions which are known only at run time."""

from __future__ import annotations

import math
from collections.abc import Mapping

from netc.dsl.derived_steps import derived, factors
from netc.dsl.types import Shape, pieces

# The size of the batch in every test, which is the size of no other axis.
N = 5
SIZES = {"N": N, "T": 3, "S": 2, "L": 2}


def sizes(shape: Shape, steps: Mapping[str, int] = SIZES) -> tuple[int, ...]:
    """A shape with sizes; `N*T` is an axis of the steps of all examples, and `2*L+1` of labels between blanks."""
    return tuple(_blanks(str(d)) or math.prod(_size(part, steps) for part in factors(str(d))) for d in shape)


def _blanks(dim: str) -> int:
    """The size of an axis of labels between blanks, such as `2*L+1`; 0 of any other."""
    labels = dim.removeprefix("2*").removesuffix("+1")
    return 2 * SIZES[labels] + 1 if dim == f"2*{labels}+1" else 0


def _size(part: str, known: Mapping[str, int]) -> int:
    steps = derived(part)
    if steps and steps.base in known:
        return steps.of(known[steps.base])
    return int(part) if part.isdigit() else N * pieces(part)
