"""Plain text: the characters of a file as the ids of an alphabet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .errors import Fault, plural
from .fields import Array, Problem, Problems, shown
from .files import LIMIT, os_faults
from .metadata import Field

# Files of these endings are tables, whatever a field says.
TABLES = (".csv", ".tsv")


def is_text(path: Path, fields: Sequence[Field]) -> bool:
    """Whether a file of characters is text: for a field of tokens alone, and not by its name a table."""
    return [f.kind for f in fields] == ["token"] and not fields[0].shape and path.suffix.lower() not in TABLES


def read_text(path: Path, field: Field) -> tuple[Array, tuple[str, ...]]:
    """The ids of a file's characters, and the alphabet: the field's labels, or the distinct characters in order.

    Nothing is changed on the way: ends of lines and blanks are characters. Raises Fault: `data-alphabet`, `data-label`,
    `data-encoding` …
    """
    with os_faults(path):
        if path.stat().st_size > LIMIT:
            raise Fault("data-too-large", f"it is larger than {LIMIT:,} bytes", str(path))
        data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Fault("data-encoding", "it is not UTF-8", f"{path}:{line}", "save it as UTF-8") from None
    if not text:
        raise Fault("data-empty", "there is no character in it", str(path))
    return encoded(text, field, str(path))


def encoded(text: str, field: Field, source: str) -> tuple[Array, tuple[str, ...]]:
    """The ids of a text's characters, and the alphabet."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    distinct, codes = np.unique(points, return_inverse=True)
    found = tuple(map(chr, distinct))
    alphabet = _alphabet(field, found, source)
    known = {character: i for i, character in enumerate(alphabet)}
    ids = np.array([known.get(character, -1) for character in found], dtype=np.int64)[codes]
    bad = np.flatnonzero(ids < 0)
    problems = Problems()
    problems.add((_stranger(text, int(at), field, source) for at in bad[:5]), len(bad))
    problems.raise_any()
    return ids, alphabet


def _alphabet(field: Field, found: tuple[str, ...], source: str) -> tuple[str, ...]:
    if field.labels is None:
        if len(found) != field.classes:
            message = f"{field.name} is token({field.classes}), but the text has {plural(len(found), 'character')}"
            help = f"declare token({len(found)}), and class({len(found)}) where a target is its next step"
            raise Fault("data-alphabet", f"{message} that differ", source, help)
        return found
    long = next((label for label in field.labels if len(label) != 1), None)
    if long is not None:
        message = f"{field.name} has the label {shown(long)}, but the symbols of a text are single characters"
        raise Fault("data-alphabet", message, source, "name one character a label")
    return field.labels


def _stranger(text: str, at: int, field: Field, source: str) -> Problem:
    """A character that the alphabet does not have."""
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return Problem("data-label", f"{source}:{line}:{column}", f"{text[at]!r} is no symbol of {field.name}")
