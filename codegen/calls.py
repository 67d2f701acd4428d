"""Calls of the page's own functions of blocks, as equations that stand for the use of a block."""

# pyright: reportUnknownParameterType=false, reportMissingParameterType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# A function that is printed as it stands has no types.

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..dsl.ir import Op, Value
from ..dsl.types import Type
from .spelling import Part, a_dict_of, gathered, quote, wrap

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


def _spelling(
    *xs: Type, function: str, use: str, inside: bool, numbers: tuple[str, ...], told: bool, mode: str, picked: int
) -> str:
    name = f'f"{{name}}_{use}"' if inside else quote(use)
    given = [f"xs{i}" for i in range(len(xs))]
    call = f"{function}({', '.join([given[0], name, *given[1:], *numbers, *([mode] if mode else [])])})"
    return call + ("" if not picked else "[0]" if picked == 1 else f"[:{picked}]")


def _types(
    *xs: Type, function: str, use: str, inside: bool, numbers: tuple[str, ...], told: bool, mode: str, picked: int
) -> tuple[Type, ...]:
    return xs


# The arguments are p and what else the function takes; `use` stands before the names of its arrays, and, where the
# call is `inside` the function of another use, behind the name of that; then come `numbers`, and the `mode` for one
# that is `told` whether it trains. Of what it returns the first are `picked`, all for 0.
CALL = Op("call", _types, numpy=_spelling)


def named(name, arrays):
    """Return arrays of a block under their names in the net."""
    return {f"{name}_{own}": array for own, array in arrays.items()}


HELPERS: tuple[Callable[..., object], ...] = (named,)


def own_arrays(called: str, own: Mapping[str, str], more: Iterable[str] = ()) -> Part:
    """Arrays of a block by their names within it, and the dicts of blocks in it, as a part of what it returns."""
    items = [(quote(name), text) for name, text in own.items()]
    flat, short = (
        " | ".join([*([f"named(name, {text})"] if items else []), *dict.fromkeys(more)])
        for text in (a_dict_of(items), called)
    )
    return Part(flat, gathered(called, items) if items else [], short)


def kept(texts: list[str]) -> Part:
    """What a block keeps for its way back, as a part of what it returns."""
    end = ",)" if len(texts) == 1 else ")"
    return Part(f"({', '.join(texts)}{end}", wrap("saved = (", texts, end, 4), "saved")
