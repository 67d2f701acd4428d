"""Numbers of steps that follow from another one: a window that slides over T steps finds (T + c) // m places."""

from __future__ import annotations

import re
from typing import NamedTuple

from .types import Dim

_NAME = re.compile(r"\(?(?P<base>[A-Za-z_]\w*)(?P<plus>[+-]\d+)?\)?(//(?P<over>\d+))?")


class Steps(NamedTuple):
    """The number of steps (base + plus) // over, whose base is known at run time."""

    base: str
    plus: int = 0
    over: int = 1

    @property
    def name(self) -> str:
        """The name of such a dimension, `T`, `T-2`, `T//2` or `(T-3)//4`; equal numbers have equal names."""
        moved = f"{self.base}{self.plus:+}" if self.plus else self.base
        return moved if self.over == 1 else f"({moved})//{self.over}" if self.plus else f"{moved}//{self.over}"

    def windows(self, added: int, reach: int, stride: int) -> Steps:
        """How many places a window finds in these steps and what margins add to them.

        A floor of a floor is one: ((T + a) // s + b) // t = (T + a + s * b) // (s * t).
        """
        return Steps(self.base, self.plus + self.over * (added - reach + stride), self.over * stride)

    def of(self, size: int) -> int:
        """The number where the base has a size."""
        return (size + self.plus) // self.over

    def least(self, number: int = 1) -> int:
        """The smallest size of the base with which there are so many."""
        return number * self.over - self.plus

    def most(self, number: int) -> int:
        """The largest size of the base with which there are no more than so many."""
        return self.least(number + 1) - 1


def derived(dim: Dim) -> Steps | None:
    """What a dimension that is known only at run time stands for; None of a size, and of what is no number of steps."""
    found = _NAME.fullmatch(str(dim))
    return Steps(found["base"], int(found["plus"] or 0), int(found["over"] or 1)) if found else None


def base_of(dim: Dim) -> Dim:
    """The dimension that a number of steps follows from; any other is itself."""
    found = derived(dim)
    return found.base if found else dim


def factors(name: str) -> list[str]:
    """The dimensions whose product an axis counts: those of `N*(T-2)` are `N` and `T-2`."""
    return [part[1:-1] if part[:1] == "(" and part[-1:] == ")" else part for part in name.split("*")]


def spaced(name: str) -> str:
    """The name of a dimension as code: `(T - 3) // 4`."""
    return re.sub(r"(//|[+-])", r" \1 ", name)
