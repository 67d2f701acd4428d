"""What a link is called in headings and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .constants import Constant
from .syntax import Link, Name, Node

# A longer title says `[...]` for its lists.
LONGEST_TITLE = 40


def title(link: Link, shown: Mapping[str, Constant | None]) -> str:
    """The link as its spec writes it, with the values of constants for their names, and long lists left out."""
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


def _written(value: Constant) -> str:
    """A constant as the language writes it."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case tuple():
            return "x".join(map(str, value)) if all(isinstance(v, int) for v in value) else str(list(value))
        case _:
            return f"{value:g}" if isinstance(value, float) else str(value)
