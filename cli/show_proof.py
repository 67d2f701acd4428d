"""What a proof looks like on a terminal: a table of the values, one of the gradients, and a line that sums up."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TypeVar

from .differences import Row, short
from .proof import Proof
from .show import table
from .slopes import Slope

# Beyond so many rows only the worst are shown.
MOST_ROWS = 12
MOST_SLOPES = 6
MOST_REASONS = 5

Each = TypeVar("Each", Row, Slope)


def render(proof: Proof, width: int = 80) -> list[str]:
    """The lines of a proof, none wider than `width`."""
    lines = _values(proof.rows, width)
    if proof.slopes:
        lines += ["", *_gradients(proof.slopes, width)]
    lines += [""] if lines else []
    lines += [line for note in proof.notes for line in _wrapped(f"note: {note}", width)]
    if proof.smaller:
        lines += _wrapped(f"in full with {proof.smaller.of}: {proof.smaller.summary}", width)
    lines += _reasons("DIFFERS", proof.differing, width)
    lines += _reasons("NOT FINITE", proof.endless, width)
    lines += _reasons("not proven", proof.unproven, width)
    return [*lines, *_wrapped(proof.summary, width)]


def _values(rows: Sequence[Row], width: int) -> list[str]:
    shown, rest = _worst([row for row in rows if row.difference.limit], MOST_ROWS, lambda row: row.shown.ratio)
    lines: list[tuple[str, ...]] = [("value", "compared", "difference", "float32", "limit", "")]
    for row in shown:
        d = row.shown
        scale = "" if d is row.difference else " of it"
        lines.append((row.name, row.what, f"{d.error:.1e}{scale}", f"{d.own:.1e}", short(d.limit), _mark(row)))
    return table(lines, "ll", width) + _more(rest)


def _gradients(slopes: Sequence[Slope], width: int) -> list[str]:
    shown, rest = _worst(slopes, MOST_SLOPES, lambda slope: slope.error)
    lines: list[tuple[str, ...]] = [("gradient", "numeric", "analytic", "relative", "moved", "")]
    for s in shown:
        lines.append((s.name, f"{s.numeric:.6e}", f"{s.analytic:.6e}", f"{s.error:.1e}", str(s.moved), _mark(s)))
    return table(lines, "lrrrr", width) + _more(rest)


def _worst(items: Sequence[Each], most: int, badness: Callable[[Each], float]) -> tuple[list[Each], int]:
    """All of few in their order, or the worst of many."""
    if len(items) <= most:
        return list(items), 0
    order = {"differs": 0, "not finite": 1, "not proven": 2, "ok": 3}
    ranked = sorted(items, key=lambda item: (order[item.status], -badness(item)))
    return ranked[: most - 1], len(items) - most + 1


def _mark(item: Row | Slope) -> str:
    return "" if item.ok else item.status


def _more(count: int) -> list[str]:
    return [f"... and {count:,} more, none of them worse"] if count else []


def _reasons(title: str, found: list[tuple[str, str]], width: int) -> list[str]:
    lines = [line for name, why in found[:MOST_REASONS] for line in _wrapped(f"{title}: {name}: {why}", width)]
    return lines + ([f"... and {len(found) - MOST_REASONS:,} more"] if len(found) > MOST_REASONS else [])


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ")
