"""What the commands print: diagnostics, tables, and JSON for programs."""

from __future__ import annotations

import json
import math
import sys
import textwrap
from collections.abc import Iterable
from typing import Any, cast

import click

from ..dsl.diagnostics import Diagnostic, as_json, render

COLOURS = {"error": "red", "warning": "yellow"}
# Prose and tables are as wide as this, whatever the terminal.
WIDTH = 80


def diagnostics(found: Iterable[Diagnostic]) -> None:
    """Print diagnostics to standard error, in colour on a terminal."""
    for i, diagnostic in enumerate(found):
        head, *rest = render(diagnostic).split("\n")
        severity, _, message = head.partition(":")
        styled = click.style(severity, fg=COLOURS[diagnostic.severity], bold=True) + click.style(
            f":{message}", bold=True
        )
        click.echo(
            "\n" * bool(i) + "\n".join([styled, *(_coloured(line, diagnostic.severity) for line in rest)]), err=True
        )


def _coloured(line: str, severity: str) -> str:
    if set(line.strip()) <= set("|^ ") and "^" in line:
        return click.style(line, fg=COLOURS[severity], bold=True)
    return line


def failure(found: Iterable[Diagnostic], as_object: bool) -> None:
    """Print what is wrong, for a person or as the JSON that the command would have printed."""
    if as_object:
        report({"ok": False, "diagnostics": [as_json(d) for d in found]})
    else:
        diagnostics(found)


def report(result: dict[str, Any]) -> None:
    """Print a result as JSON on standard output, where a number that is not finite is null."""
    json.dump(_finite(result), sys.stdout, indent=2, default=str, allow_nan=False)
    sys.stdout.write("\n")
    sys.stdout.flush()  # where a reader that went away is noticed and told, not at exit


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in cast("Iterable[Any]", value)]
    return value


def table(rows: list[tuple[str, ...]], right: str = "", width: int = WIDTH) -> list[str]:
    """Rows in aligned columns, the first row the heading; `right` has an r for each column that is set to the right.

    The first column gives way where the line would be wider than `width`.
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rest = sum(widths[1:]) + 2 * (len(widths) - 1)
    widths[0] = max(8, min(widths[0], width - rest))
    return [_line(row, widths, right) for row in rows]


def _line(row: tuple[str, ...], widths: list[int], right: str) -> str:
    cells: list[str] = []
    for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
        text = cell if len(cell) <= width else f"{cell[: width - 3]}..."
        cells.append(text.rjust(width) if right[i : i + 1] == "r" else text.ljust(width))
    return "  ".join(cells).rstrip()


def entry(name: str, text: str, column: int) -> list[str]:
    """A name, and from a column on a text, which begins on a line of its own where the name is long."""
    lines = textwrap.wrap(text, WIDTH - column) or [""]
    head = [f"  {name}"] if len(name) + 4 > column else []
    first = f"{'' if head else f'  {name}':<{column}}{lines[0]}".rstrip()
    return [*head, first, *(" " * column + line for line in lines[1:])]


def amount(number: float, unit: str = "") -> str:
    """A number with a metric prefix: 1.2 k, 3.4 M."""
    for prefix in ("", "k", "M", "G"):
        if number < 1000:
            return f"{_three_digits(number)} {prefix}{unit}".strip()
        number /= 1000
    return f"{_three_digits(number)} T{unit}"


def size(count: float) -> str:
    """Bytes with a binary prefix."""
    for prefix in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{_three_digits(count)} {prefix}"
        count /= 1024
    return f"{_three_digits(count)} GiB"


def _three_digits(number: float) -> str:
    """At least three digits, never an exponent."""
    return f"{number:.0f}" if number >= 99.95 else f"{number:.3g}"
