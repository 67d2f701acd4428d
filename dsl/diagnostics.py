"""Diagnostics: a stable code, a message, a place with its caret, and what to do about it."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches

from .codes import CODES
from .source import Place


@dataclass(frozen=True)
class Diagnostic:
    """One thing that is wrong with, or worth saying of, a spec; `where` is a place that lies in no spec.

    Where the place lies in a definition, `uses` are the places of its use, the innermost first.
    """

    code: str
    message: str
    place: Place | None = None
    help: str | None = None
    severity: str = "error"
    where: str | None = None
    uses: tuple[Place, ...] = ()


class SpecError(Exception):
    """A spec that cannot be accepted, with every diagnostic found in it, in the order of the text."""

    def __init__(self, diagnostics: Iterable[Diagnostic]):
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(f"error[{d.code}]: {d.message}" for d in self.diagnostics))


class Report:
    """Collects diagnostics, so that all errors of a file are told at once."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._known: set[Diagnostic] = set()
        self._uses: tuple[Place, ...] = ()

    @contextmanager
    def used(self, *places: Place) -> Generator[None]:
        """What is added meanwhile lies in a definition that is used at these places, the innermost first."""
        with self.at((*places, *self._uses)):
            yield

    @contextmanager
    def at(self, uses: tuple[Place, ...]) -> Generator[None]:
        """What is added meanwhile has these uses, whatever is being run."""
        before, self._uses = self._uses, uses
        try:
            yield
        finally:
            self._uses = before

    def error(self, code: str, message: str, place: Place | None = None, help: str | None = None) -> None:
        """Add an error; `code` is a key of CODES."""
        self._add(Diagnostic(code, message, place, help))

    def warning(self, code: str, message: str, place: Place | None = None, help: str | None = None) -> None:
        """Add a warning, which does not stop a build."""
        self._add(Diagnostic(code, message, place, help, "warning"))

    def adopt(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Add diagnostics that were made elsewhere."""
        for diagnostic in diagnostics:
            self._add(diagnostic)

    def _add(self, diagnostic: Diagnostic) -> None:
        assert diagnostic.code in CODES, diagnostic.code
        # A fault of a definition is told once, with its first use.
        if diagnostic not in self._known:
            self._known.add(diagnostic)
            self.diagnostics.append(replace(diagnostic, uses=(*diagnostic.uses, *self._uses)))

    @property
    def failed(self) -> bool:
        """Whether an error was added."""
        return any(d.severity == "error" for d in self.diagnostics)

    def ordered(self) -> list[Diagnostic]:
        """The diagnostics in the order of the text, a definition's at its use; those without a place last."""
        return sorted(self.diagnostics, key=_position)

    def raise_errors(self) -> None:
        """Raise SpecError if an error was added."""
        if self.failed:
            raise SpecError(self.ordered())


def _position(diagnostic: Diagnostic) -> tuple[bool, int, int]:
    place = diagnostic.place
    if place is None:
        return True, 0, 0
    # In a file of its own, a definition stands where the spec uses it.
    outer = diagnostic.uses[-1] if diagnostic.uses and diagnostic.uses[-1].source is not place.source else place
    return False, outer.start, place.start


def refuse(code: str, message: str, help: str | None = None) -> SpecError:
    """What to raise for a single error that has no place in a spec."""
    assert code in CODES, code
    return SpecError([Diagnostic(code, message, None, help)])


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
        uses = diagnostic.uses
        shown = uses if len(uses) <= USES_SHOWN else uses[: USES_SHOWN - 1]
        lines += [line for use in shown for line in _excerpt(use, "used in ")]
        if len(shown) < len(uses):
            lines += [f"   ... and {len(uses) - USES_SHOWN} more uses", *_excerpt(uses[-1], "used in ")]
    elif diagnostic.where:
        lines.append(f"  --> {diagnostic.where}")
    if diagnostic.help:
        lines.append(f"   = help: {diagnostic.help}")
    return "\n".join(lines)


# Of more uses than these, the outermost and the innermost are shown.
USES_SHOWN = 4
# A line longer than this is shown as a window around the caret.
EXCERPT_WIDTH = 100


def _excerpt(place: Place, label: str = "") -> list[str]:
    line, column = place.source.position(place.start)
    text = place.source.line(line).replace("\t", " ")
    width = max(1, min(place.end - place.start, len(text) - column + 1))
    shown, offset = _window(text, column - 1)
    width = min(width, max(1, len(shown) - (column - 1 - offset)))
    number = str(line)
    margin = " " * len(number)
    return [
        f" {margin}--> {label}{place.source.name}:{line}:{column}",
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
    return {
        "severity": diagnostic.severity,
        "code": diagnostic.code,
        "message": diagnostic.message,
        "place": _place_json(diagnostic.place) if diagnostic.place else None,
        "uses": [_place_json(use) for use in diagnostic.uses],
        "where": diagnostic.where,
        "help": diagnostic.help,
    }


def _place_json(place: Place) -> dict[str, object]:
    end_line, end_column = place.source.position(place.end)
    return {
        "file": place.source.name,
        "line": place.line,
        "column": place.column,
        "end_line": end_line,
        "end_column": end_column,
    }
