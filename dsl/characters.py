"""Characters that a spec may not hold, and what to write in their place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from .diagnostics import Diagnostic
from .source import Place, Source

# Controls, bidirectional marks, line separators of other systems, lone surrogates: refused in comments and strings too.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
    "|(?<!^)\ufeff|\r(?!\n)"
)

_INSTEAD = {
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d",
    '"': "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u2032\u2033\uff02\uff07",
    "->": "\u2192\u21a6\u27f6\u21d2",
    "*": "\u00b7\u22c5\u2217\u2062",
    "<=": "\u2264",
    ">=": "\u2265",
    "!=": "\u2260",
    "..": "\u2026",
    "a blank": "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "x in a window, or *": "\u00d7",
    "/": "\u00f7\u2215\u2044",
    "^2": "\u00b2",
    "^3": "\u00b3",
}
_HELP = {character: f"write {ascii}" for ascii, characters in _INSTEAD.items() for character in characters}
_LETTERS = re.compile(r"[^\W\d_]")


def forbidden(source: Source) -> Iterator[Diagnostic]:
    """The characters that stand nowhere in a spec, whether in a comment or in a sentence."""
    for match in _FORBIDDEN.finditer(source.text):
        character = match.group()
        place = Place(source, match.start(), match.end())
        help = "end the line with a newline" if character == "\r" else "remove it"
        yield Diagnostic("bad-character", f"{describe(character)} may not stand in a spec", place, help)


def foreign(source: Source, start: int, text: str) -> Iterator[Diagnostic]:
    """The complaint about a run of characters that stand outside comments and strings."""
    character = text[0]
    if _FORBIDDEN.match(source.text, start):
        return
    if character in _HELP:
        place = Place(source, start, start + 1)
        yield Diagnostic("bad-character", f"{describe(character)} is not part of the language", place, _HELP[character])
    elif _LETTERS.match(character):
        place = Place(source, start, start + len(text))
        message = f"{describe(character)} cannot be part of a name"
        yield Diagnostic("bad-character", message, place, "names are written with the letters a to z, digits and _")
    else:
        place = Place(source, start, start + 1)
        message = f"{describe(character)} may stand only in a string or a comment"
        yield Diagnostic("bad-character", message, place)


def describe(character: str) -> str:
    """A character as a reader can tell it: itself if it shows, its number and its name."""
    name = unicodedata.name(character, "a control character").lower()
    number = f"U+{ord(character):04X}"
    return f"{character} ({number}, {name})" if character.isprintable() else f"{number} ({name})"
