"""Facts that records of primitives share: of what shape a result is, how much work it takes, and when."""

from __future__ import annotations

from .ir import Equation
from .types import Shape, Type, broadcast, count


def elementwise(*types: Type) -> Shape:
    """The shape of an elementwise result."""
    return broadcast(*(t.shape for t in types))


def elements(equation: Equation) -> int:
    """The number of elements of the first result, for one example."""
    return count(equation.results[0].type.shape)


def no_work(equation: Equation) -> int:
    """Of what moves numbers alone, the operations on them."""
    return 0


def always(equation: Equation) -> bool:
    """Of every use."""
    return True
