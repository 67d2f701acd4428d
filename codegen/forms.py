"""Texts that differ in numbers alone: the form they share, and the numbers as parameters of one function."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# A number that stands by itself, and not in a name; and one that is given by name, behind another argument.
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])")
_GIVEN = re.compile(rf", (\w+)={_NUMBER.pattern}")
_LETTERS = "nmkjihabcdefg"


@dataclass(frozen=True)
class Parameter:
    """What stands for a number in which texts differ, and the places among the numbers where it is the same one."""

    name: str
    places: tuple[int, ...]


def form(text: str) -> str:
    """What texts that differ in numbers alone have in common."""
    return _NUMBER.sub("0", text)


def bare(text: str) -> str:
    """What texts have in common that differ in numbers, and in which of them are given by name."""
    return form(_GIVEN.sub("", text))


def unlike(texts: Sequence[str]) -> frozenset[str]:
    """The names by which not all of these texts give as many numbers."""
    counts = [Counter(_GIVEN.findall(text)) for text in texts]
    return frozenset(name for count in counts for name in count if any(c[name] != count[name] for c in counts))


def numbers(text: str) -> list[str]:
    """The numbers of a text."""
    return _NUMBER.findall(text)


def parameters(texts: Sequence[str]) -> list[Parameter] | None:
    """The numbers in which texts of one form differ; None where there are too many for a function to take.

    One that is given by name, as in `groups=32`, is called so, others by letters.
    """
    found: dict[tuple[str, ...], list[int]] = {}
    for place, column in enumerate(zip(*map(numbers, texts), strict=True)):
        if len(set(column)) > 1:
            found.setdefault(column, []).append(place)
    if len(found) > len(_LETTERS):
        return None
    letters = iter(_LETTERS)
    taken: set[str] = set()
    result: list[Parameter] = []
    for places in found.values():
        name = next((n for n in _keywords(texts[0], places) if n not in taken), "") or next(letters)
        taken.add(name)
        result.append(Parameter(name, tuple(places)))
    return result


def serves(text: str, given: Sequence[Parameter], other: str) -> bool:
    """Whether a text with parameters is also another one of its form."""
    free = {place for each in given for place in each.places}
    fixed = [[n for i, n in enumerate(numbers(each)) if i not in free] for each in (text, other)]
    own = numbers(other)
    return fixed[0] == fixed[1] and all(len({own[place] for place in each.places}) == 1 for each in given)


def _keywords(text: str, places: list[int]) -> Iterator[str]:
    ends = [text[: found.start()] for found in _NUMBER.finditer(text)]
    for place in places:
        keyword = re.search(r"(\w+)=$", ends[place])
        if keyword:
            yield keyword.group(1)


def generalised(text: str, given: Sequence[Parameter]) -> str:
    """The text with its parameters in the place of numbers."""
    names = {place: each.name for each in given for place in each.places}
    places = iter(range(len(numbers(text))))
    return _NUMBER.sub(lambda found: names.get(next(places), found.group()), text)


def arguments(text: str, given: Sequence[Parameter]) -> list[str]:
    """What a text has in the place of parameters."""
    own = numbers(text)
    return [own[each.places[0]] for each in given]
