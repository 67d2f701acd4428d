"""The kinds of types: what the values of each are, how they are stored, and where each may stand, in one table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from .types import BINARY, LENGTH, PIXEL, POSITIVE, PROBABILITIES, REAL, UNIT, WHOLE, Domain

BOTH = ("input", "target")


@dataclass(frozen=True)
class FieldKind:
    """What a kind says of a field.

    `dtype` is that of the artifacts' arrays, `roles` say where the kind may stand and `instead` what is written
    elsewhere; one without roles is not written. A kind that is `named` has its classes or their labels in parentheses,
    and its values are ids. The last axis holds at least `least` values. `about` says what the values are.
    """

    domain: Domain
    about: str
    dtype: str = "f32"
    roles: tuple[str, ...] = BOTH
    instead: str = ""
    named: bool = False
    least: int = 1

    def of(self, classes: int | None) -> Domain:
        """The domain of its values, with the number of classes where it has such."""
        return Domain(0.0, classes - 1.0, False, False, whole=True) if classes else self.domain


# In the order in which messages list them.
KINDS: Mapping[str, FieldKind] = {
    "class": FieldKind(
        BINARY,
        "one of several classes: a label, or its id, which counts from 0",
        "i64",
        ("target",),
        "an input of classes is a category: category(3)",
        named=True,
    ),
    "binary": FieldKind(BINARY, "0 or 1"),
    "simplex": FieldKind(PROBABILITIES, "shares that sum to 1 along the last axis", least=2),
    "unit": FieldKind(UNIT, "numbers from 0 to 1"),
    "count": FieldKind(WHOLE, "whole numbers from 0 on"),
    "positive": FieldKind(POSITIVE, "numbers above 0"),
    "f32": FieldKind(REAL, "finite numbers"),
    "u8": FieldKind(
        PIXEL,
        "whole numbers from 0 to 255, as image files hold them",
        "u8",
        ("input",),
        "a target of such numbers is a count: count[784]",
    ),
    "category": FieldKind(
        BINARY,
        "a label of an alphabet, or its id, which counts from 0",
        "i64",
        ("input",),
        "a target of classes is a class: class(3)",
        named=True,
    ),
    "token": FieldKind(
        BINARY,
        "a symbol of an alphabet, or its id, which counts from 0",
        "i64",
        ("input",),
        "a target of symbols is a class: class(65)[T]",
        named=True,
    ),
    "length": FieldKind(LENGTH, "how many steps of an example count, the rest being padding", "i64", ()),
    "inner_length": FieldKind(WHOLE, "how many steps within each step count, 0 where that is padding", "i64", ()),
    "normal": FieldKind(
        REAL,
        "standard normal numbers, drawn anew at each step",
        roles=("noise",),
        instead="an input of such numbers is f32: f32[64]",
    ),
    "uniform": FieldKind(
        UNIT,
        "numbers from 0 to below 1, drawn anew at each step",
        roles=("noise",),
        instead="an input of such numbers is unit: unit[64]",
    ),
}
# What a noise is drawn from.
LAWS = ("normal", "uniform")
# What the kinds of target hold that are numbers.
NUMBERS: Mapping[str, Domain] = {
    name: kind.domain for name, kind in KINDS.items() if "target" in kind.roles and not kind.named
}


def of_lengths(name: str, domain: Domain) -> tuple[str, str] | None:
    """What is said, and the help, where whole numbers in the place of a value are lengths; None of ids, which end."""
    if math.isfinite(domain.high):
        return None
    message = f"{name} holds lengths, which count steps and say what is padding"
    return message, "declare a number to compute with as an input of its own: input n: count"
