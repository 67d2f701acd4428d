"""Calls of the page's own functions of blocks, as equations that stand for the use of a block."""

from __future__ import annotations

from ..dsl.ir import Op, Value
from ..dsl.types import Type
from .spelling import quote

_OBJECT = Type("f32", ())
# What every such function takes besides values, under the names that it has on the page.
P, DRAWS = Value(_OBJECT, "p"), Value(_OBJECT, "draws")


def a_tuple(hint: str) -> Value:
    """What a call keeps for the way back."""
    return Value(Type("tuple", ()), hint)


def a_dict(hint: str) -> Value:
    """Arrays by name that a call returns."""
    return Value(Type("dict", ()), hint)


def is_dict(value: Value) -> bool:
    """Whether a value is such a dict."""
    return value.type.dtype == "dict"


def _spelling(*xs: Type, function: str, use: str, inside: bool, numbers: tuple[str, ...]) -> str:
    name = f'f"{{name}}_{use}"' if inside else quote(use)
    given = [f"xs{i}" for i in range(len(xs))]
    return f"{function}({', '.join([given[0], name, *given[1:], *numbers])})"


def _types(*xs: Type, function: str, use: str, inside: bool, numbers: tuple[str, ...]) -> tuple[Type, ...]:
    return xs


# The arguments are p and what else the function takes; `use` stands before the names of its arrays, and, where the
# call is `inside` the function of another use, behind the name of that; `numbers` come last.
CALL = Op("call", _types, numpy=_spelling)
