"""What a link is called in headings and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from .called import IN
from .constants import Constant
from .ir import Tensor
from .syntax import Link, Name, Node

# A longer title says `[...]` for its lists.
LONGEST_TITLE = 40


@dataclass(frozen=True)
class Given:
    """A value that a use of a block gives, by its name there."""

    name: str


Shown: TypeAlias = Mapping[str, "Constant | Given | None"]


def given_by(names: Mapping[str, Tensor | None], taken: Mapping[str, Tensor], shown: Shown) -> dict[str, Given]:
    """What the values that a block has taken are called around it; one that is its input there has no such name."""
    found: dict[str, Given] = {}
    for name, value in [(n, t.value) for n, t in names.items() if t is not None and n != IN]:
        around = shown.get(name)
        outer = around if isinstance(around, Given) else Given(name)
        found |= {own: outer for own, tensor in taken.items() if tensor.value is value}
    return found


def title(link: Link, shown: Shown) -> str:
    """The link as its spec writes it, with values of constants, and what a block was given, for their names.

    Long lists are left out.
    """
    place = link.place
    text = place.source.text[place.start : place.end]
    for name in sorted(_names(link), key=lambda n: -n.place.start):
        value = shown.get(name.id)
        if value is not None:
            start, end = name.place.start - place.start, name.place.end - place.start
            text = text[:start] + _written(value) + text[end:]
    text = " ".join(text.split())
    return re.sub(r"=\[.*?\](?= \w|$)", "=[...]", text) if len(text) > LONGEST_TITLE else text


def _names(node: Node) -> Iterator[Name]:
    if isinstance(node, Name):
        yield node
    for child in node.children():
        yield from _names(child)


def _written(value: Constant | Given) -> str:
    """A constant as the language writes it, or the name of a value."""
    match value:
        case Given():
            return value.name
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case tuple():
            return "x".join(map(str, value)) if all(isinstance(v, int) for v in value) else str(list(value))
        case _:
            return f"{value:g}" if isinstance(value, float) else str(value)
