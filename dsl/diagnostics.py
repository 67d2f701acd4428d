"""Diagnostics: a stable code, a message, a place with its caret, and what to do about it."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import zip_longest

from .codes import CODES
from .source import Place


@dataclass(frozen=True)
class Diagnostic:
    """One thing that is wrong with, or worth saying of, a spec; `where` is a place that lies in no spec.

    Where the place lies in a definition, `uses` are the places of its use, the innermost first, and `also` those of
    other uses of which the same is to be said.
    """

    code: str
    message: str
    place: Place | None = None
    help: str | None = None
    severity: str = "error"
    where: str | None = None
    uses: tuple[Place, ...] = ()
    also: tuple[Place, ...] = ()


class SpecError(Exception):
    """A spec that cannot be accepted, with every diagnostic found in it, in the order of the text."""

    def __init__(self, diagnostics: Iterable[Diagnostic]):
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(f"error[{d.code}]: {d.message}" for d in self.diagnostics))


class Report:
    """Collects diagnostics, so that all errors of a file are told at once."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []
        # Each diagnostic by itself as it was without its uses, and where else a definition is used.
        self._known: dict[Diagnostic, Diagnostic] = {}
        self._also: dict[Diagnostic, dict[Place, None]] = {}
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
        found = replace(diagnostic, uses=(*diagnostic.uses, *self._uses))
        # A fault of a definition is told once, with its first use, and the lines of others.
        told = self._known.setdefault(diagnostic, found)
        if told is found:
            self.diagnostics.append(found)
        else:
            self._also.setdefault(told, {}).update(dict.fromkeys(_apart(told.uses, found.uses)))

    @property
    def failed(self) -> bool:
        """Whether an error was added."""
        return any(d.severity == "error" for d in self.diagnostics)

    def ordered(self) -> list[Diagnostic]:
        """The diagnostics in the order of the text, a definition's at its use; those without a place last."""
        return sorted((replace(d, also=tuple(self._also.get(d, d.also))) for d in self.diagnostics), key=_position)

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


def _apart(told: tuple[Place, ...], found: tuple[Place, ...]) -> tuple[Place, ...]:
    """Where uses differ from those that are told, seen from outside; nothing where they are the same."""
    pairs = zip_longest(reversed(told), reversed(found))
    return tuple(other for use, other in pairs if other is not None and other != use)[:1]


def refuse(code: str, message: str, help: str | None = None) -> SpecError:
    """What to raise for a single error that has no place in a spec."""
    assert code in CODES, code
    return SpecError([Diagnostic(code, message, None, help)])


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The help that names the nearest known name, or None where none is near; capitals make no distance."""
    known = list(known)
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    near = [k for k in known if k.lower() == name.lower()] or near
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
        lines += _further(diagnostic.also)
    elif diagnostic.where:
        lines.append(f"  --> {diagnostic.where}")
    if diagnostic.help:
        lines.append(f"   = help: {diagnostic.help}")
    return "\n".join(lines)


def _further(also: tuple[Place, ...]) -> list[str]:
    """The lines of other uses, below the excerpts."""
    if not also:
        return []
    lines = list(dict.fromkeys(f"{use.source.name}:{use.line}:{use.column}" for use in also))
    more = f" and {len(lines) - USES_SHOWN} more places" if len(lines) > USES_SHOWN else ""
    return [f"  --> also used in {', '.join(lines[:USES_SHOWN])}{more}"]


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
        "also": [_place_json(use) for use in diagnostic.also],
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
