"""Syntax errors by example: what is said where the parser stops as it stops in one of a row's malformed texts.

The tables are written so:

    code: what is wrong
      = what to do
        a malformed text ¦ another one

In a message {found} is what stands there, {word} the word before it, {term} the arithmetic around it. In an example
§ is every form of a value, ¶ every one that is no name, ° every operator of arithmetic and \\n a newline. A row whose
code is followed by `anything` also answers for what its examples do not show at the same point of a sentence; one with
`anywhere` for what its examples show at any point.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from . import mistakes_in_chains, mistakes_in_sentences

_LITERALS = ("3", "3x3", '"s"', "true", "[1]", "(n)")
_FORMS = {"§": ("n", "f(n)", *_LITERALS), "¶": _LITERALS, "°": tuple("+-*/^@"), "\\n": ("\n",)}


@dataclass(frozen=True)
class Row:
    """A mistake: its code, what is said of it, and malformed texts in which the parser stops for it."""

    code: str
    message: str
    help: str | None
    examples: tuple[str, ...]
    reach: str = ""


def _rows(table: str) -> Iterator[Row]:
    rows: list[list[str]] = []
    for line in table.strip().splitlines():
        if line.startswith(" "):
            rows[-1].append(line.strip())
        else:
            rows.append([line])
    return map(_row, rows)


def _row(lines: list[str]) -> Row:
    head, *rest = lines
    code, _, message = head.partition(": ")
    code, _, reach = code.partition(", ")
    help = rest.pop(0).removeprefix("= ") if rest[0].startswith("= ") else None
    examples = [example for line in rest for text in line.split(" ¦ ") for example in _written_out(text)]
    return Row(code, message, help, tuple(examples), reach)


def _written_out(text: str) -> list[str]:
    texts = [text]
    for mark, forms in _FORMS.items():
        texts = [text.replace(mark, form) for text in texts for form in (forms if mark in text else [mark])]
    return texts


SYNTAX_ERRORS = (*_rows(mistakes_in_chains.TABLE), *_rows(mistakes_in_sentences.TABLE))

# For a word such as true or not where a name is wanted, unless an example shows that very thing.
RESERVED = Row("reserved-word", "{found} is a word of expressions and no name", "choose another name", ())
