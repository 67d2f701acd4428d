"""Constraints: what a layer's weights satisfy after every step, whatever its word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .ir import Op, Tensor
from .ops.constraints import max_norm, min_max_norm, non_negative, unit_norm
from .words import Kind, Option, WordError


@dataclass(frozen=True)
class Constraint:
    """One of them: the option that asks for it, its primitive, and the attributes for the option's value."""

    option: Option
    op: Op
    attrs: Callable[[Any], dict[str, Any]]


def _flagged(name: str, op: Op, about: str) -> Constraint:
    return Constraint(Option(name, Kind("flag", "true or false"), False, False, about), op, lambda value: {})


_NORM = Kind("real", "a number above 0", 0, low_open=True)
_NORMS = Kind("numbers", "a list of the lowest and the highest norm, such as [0.5, 2]", 0)
# In the order in which they act: scaling a weight keeps its signs.
CONSTRAINTS: Mapping[str, Constraint] = {
    c.option.name: c
    for c in (
        _flagged("non_negative", non_negative, "after each step, sets what is negative in the matrices to 0"),
        Constraint(
            Option(
                "max_norm",
                _NORM,
                None,
                False,
                "after each step, scales down the weights of an output whose norm is larger",
            ),
            max_norm,
            lambda limit: {"limit": limit},
        ),
        Constraint(
            Option(
                "min_max_norm",
                _NORMS,
                None,
                False,
                "after each step, scales the weights of each output to a norm between these",
            ),
            min_max_norm,
            lambda ends: dict(zip(("low", "high"), ends, strict=True)),
        ),
        _flagged("unit_norm", unit_norm, "after each step, gives the weights of each output the norm 1"),
    )
}


def asked_for(options: Mapping[str, Any]) -> dict[str, Any]:
    """The constraints among the options of a layer, with their values; WordError where they cannot be met together."""
    found = {name: options[name] for name in CONSTRAINTS if options[name]}
    norms = [name for name in found if name != "non_negative"]
    if len(norms) > 1:
        raise WordError("bad-option", f"{norms[0]} and {norms[1]} both set the norm of the weights", "keep one of them")
    ends = found.get("min_max_norm", (1.0, 1.0))
    if len(ends) != 2 or not ends[0] <= ends[1] or not ends[1]:
        raise WordError(
            "bad-option", "min_max_norm lists the lowest norm and the highest", "as in min_max_norm=[0.5, 2]"
        )
    return found


def constrained(w: Tensor, asked: Mapping[str, Any]) -> Tensor:
    """A weight brought back within what its layer asks for."""
    for name, value in asked.items():
        w = CONSTRAINTS[name].op(w, **CONSTRAINTS[name].attrs(value))
    return w
