"""Diagnostics: a stable code, a message, a place with its caret, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from .source import Place


@dataclass(frozen=True)
class Diagnostic:
    """One thing that is wrong with, or worth saying of, a spec."""

    code: str
    message: str
    place: Place | None = None
    help: str | None = None
    severity: str = "error"


class SpecError(Exception):
    """A spec that cannot be accepted, with every diagnostic found in it, in the order of the text."""

    def __init__(self, diagnostics: Iterable[Diagnostic]):
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(f"error[{d.code}]: {d.message}" for d in self.diagnostics))


class Report:
    """Collects diagnostics, so that all errors of a file are told at once."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    def error(self, code: str, message: str, place: Place | None = None, help: str | None = None) -> None:
        """Add an error; `code` is a key of CODES."""
        self._add(Diagnostic(code, message, place, help))

    def warning(self, code: str, message: str, place: Place | None = None, help: str | None = None) -> None:
        """Add a warning, which does not stop a build."""
        self._add(Diagnostic(code, message, place, help, "warning"))

    def _add(self, diagnostic: Diagnostic) -> None:
        if diagnostic not in self.diagnostics:
            self.diagnostics.append(diagnostic)

    @property
    def failed(self) -> bool:
        """Whether an error was added."""
        return any(d.severity == "error" for d in self.diagnostics)

    def ordered(self) -> list[Diagnostic]:
        """The diagnostics in the order of the text; those without a place last."""
        return sorted(self.diagnostics, key=lambda d: (d.place is None, d.place.start if d.place else 0))

    def raise_errors(self) -> None:
        """Raise SpecError if an error was added."""
        if self.failed:
            raise SpecError(self.ordered())


# Every code and what it means; `netc` prints it, and each has a page of examples in tests/diagnostics.
CODES: dict[str, str] = {
    # What parse says.
    "argument-syntax": (
        "Arguments stand after their word, parted by blanks: positional ones first, then options as "
        "key=value. Two arguments do not touch, and a span of columns is first..last."
    ),
    "bad-character": (
        "A character that no spec may hold, or that stands only in strings and comments. Names, numbers and "
        "operators are ASCII; control and bidirectional characters are refused everywhere, since they make a "
        "text look like another."
    ),
    "bad-escape": 'In a string a backslash begins one of the escapes \\\\ \\" \\n \\t, and nothing else.',
    "bad-number": (
        "A number is written 10, 0.5, 1e-3 or 10%, a window 3x3. It has at most 40 characters and fits a 64-bit float."
    ),
    "bare-arithmetic": (
        "Blanks part the arguments of a word, so arithmetic of an argument stands in parentheses: dense "
        "(2*k+1). A chain has no operators: values are combined by words such as add, and formulas stand in "
        "def."
    ),
    "body-syntax": (
        "part, def, repeat and if have a body in braces that holds at least one sentence; else stands on the "
        "line of the } before it; the parameters of a def are names, some with a default."
    ),
    "broken-chain": (
        "A chain is words joined by ->, each with its arguments: dense 16 -> relu. It neither begins nor ends "
        "with an arrow, and NAME = before it names its value."
    ),
    "call-syntax": (
        "The parenthesis of a call touches its word, and commas part what is in it: step(0.1, every=30). A "
        "parenthesis after a blank groups an expression."
    ),
    "equals": "= gives a name its value; == compares. Comparisons do not chain: a < b and b < c.",
    "expression-syntax": (
        "An expression joins values by + - * / ^ @, comparisons, and, or and not. Every operator has a value "
        "on both sides, but for - and not, which stand before one."
    ),
    "formula-syntax": (
        "The body of def layer, def cell and def updater holds formulas: NAME = EXPR, weight NAME: [SHAPE], "
        "state NAME = EXPR, return EXPR and if."
    ),
    "incomplete-sentence": "A sentence lacks something that its first word needs, or holds more than it takes.",
    "loss-syntax": (
        "A loss is a word with options, or an expression over outputs and targets; then trains and the parts "
        "that it moves, parted by commas; then with and an updater, whose options stand in parentheses."
    ),
    "quotes": "Strings stand between double quotes. Words and names have none.",
    "reserved-word": (
        "true, false, and, or, not and else have their meaning wherever they stand, so nothing can be named so."
    ),
    "sentence-end": "A sentence ends with its line; nothing else ends it, and a new one begins on a new line.",
    "sentence-start": "A sentence begins with a word, be it one of the language's, such as input, or a layer.",
    "stray-doc": (
        "A doc comment (##) belongs to the sentence below it. One at the end of a line, inside a sentence or "
        "below the last one belongs to nothing."
    ),
    "syntax": "The text is no sentence of the language. The help lists what could stand at that place.",
    "too-deep": "Brackets nest at most 50 deep, and a sentence at most 100 levels of operators, calls and bodies.",
    "too-long": "A spec has at most 1,048,576 characters, and 50,000 words, numbers, strings and signs.",
    "type-syntax": (
        "A name is declared with a colon and a type: input x: f32[4]. A type is a word, then which values in "
        "parentheses and how many in brackets, both touching what stands before."
    ),
    "unclosed-string": "A string ends on the line on which it begins.",
    "unmatched-bracket": (
        "Every ( [ { is closed by its own ) ] }, and nothing else is closed. Where a bracket stays open, the "
        "rest of the file is not read."
    ),
    "unwanted-comma": (
        "Commas stand only inside parentheses and brackets, and between the names after trains. Layers are "
        "joined by ->, arguments parted by blanks."
    ),
}


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The help that names the nearest known name, or None where none is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else None


def listed(names: Iterable[str]) -> str:
    """Names as prose: `a, b and c`."""
    names = list(names)
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def render(diagnostic: Diagnostic) -> str:
    """The diagnostic as plain text, in the five parts that it always has."""
    lines = [f"{diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}"]
    if diagnostic.place is not None:
        lines += _excerpt(diagnostic.place)
    if diagnostic.help:
        lines.append(f"   = help: {diagnostic.help}")
    return "\n".join(lines)


# A line longer than this is shown as a window around the caret.
EXCERPT_WIDTH = 100


def _excerpt(place: Place) -> list[str]:
    line, column = place.source.position(place.start)
    text = place.source.line(line).replace("\t", " ")
    width = max(1, min(place.end - place.start, len(text) - column + 1))
    shown, offset = _window(text, column - 1)
    width = min(width, max(1, len(shown) - (column - 1 - offset)))
    number = str(line)
    margin = " " * len(number)
    return [
        f" {margin}--> {place.source.name}:{line}:{column}",
        f" {margin} |",
        f" {number} | {shown}",
        f" {margin} | {' ' * (column - 1 - offset)}{'^' * width}",
    ]


def _window(text: str, column: int) -> tuple[str, int]:
    """The part of a line to show, with every unprintable character replaced, and the offset at which it starts."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(clean) <= EXCERPT_WIDTH:
        return clean, 0
    start = max(0, column - EXCERPT_WIDTH // 2)
    return clean[start : start + EXCERPT_WIDTH], start


def as_json(diagnostic: Diagnostic) -> dict[str, object]:
    """The diagnostic for programs: line and column count from 1."""
    place = diagnostic.place
    where = None
    if place is not None:
        end_line, end_column = place.source.position(place.end)
        where = {
            "file": place.source.name,
            "line": place.line,
            "column": place.column,
            "end_line": end_line,
            "end_column": end_column,
        }
    return {
        "severity": diagnostic.severity,
        "code": diagnostic.code,
        "message": diagnostic.message,
        "place": where,
        "help": diagnostic.help,
    }
