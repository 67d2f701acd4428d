"""Curves over time, drawn in characters for a terminal and as an SVG file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from itertools import pairwise

# A chart in characters: its height in lines, of which one is in the middle, and what stands left of its curve.
LINES, MARGIN = 13, 11
# A chart of an SVG file, in pixels.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 240, 76, 24, 44, 44


@dataclass(frozen=True)
class Curve:
    """What is drawn: values at times, both rising in time, under a title."""

    title: str
    unit: str
    times: tuple[float, ...]
    values: tuple[float, ...]

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest value of the chart, which are never equal."""
        low, high = min(self.values), max(self.values)
        return (low, high) if high > low else (min(0.0, 2 * low), max(2 * high, 1.0 if high == 0 else 0.0))


# In characters --------------------------------------------------------------------------------------------------------


def text_chart(curve: Curve, width: int) -> list[str]:
    """The curve in lines of at most `width` characters, each character two dots high."""
    columns = max(20, width - MARGIN - 1)
    rows = 2 * LINES
    dots = _dots(curve, columns, rows)
    low, high = curve.ends
    labels = {0: high, LINES // 2: (low + high) / 2, LINES - 1: low}
    lines = [curve.title]
    for line in range(LINES):
        label = short(labels[line]) if line in labels else ""
        upper, lower = dots[rows - 1 - 2 * line], dots[rows - 2 - 2 * line]
        drawn = "".join(_CHARACTERS[bool(u), bool(d)] for u, d in zip(upper, lower, strict=True)).rstrip()
        lines.append(f"{label:>{MARGIN - 2}} {'┤' if label else '│'}{drawn}".rstrip())
    end = f"{short(curve.times[-1])} {curve.unit}"
    lines.append(f"{'':>{MARGIN - 1}}└{'─' * columns}")
    lines.append(f"{'':>{MARGIN}}{short(curve.times[0])}{end:>{columns - len(short(curve.times[0]))}}")
    return lines


_CHARACTERS = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}


def _dots(curve: Curve, columns: int, rows: int) -> list[list[bool]]:
    """Which dots the curve fills, the lowest row first; a column holds all that the curve passes in it."""
    first, last = curve.times[0], curve.times[-1]
    dots = [[False] * columns for _ in range(rows)]
    before = _row(curve, curve.values[0], rows)
    for time, value in zip(curve.times, curve.values, strict=True):
        column = min(int((time - first) / (last - first) * columns), columns - 1)
        row = _row(curve, value, rows)
        for between in range(min(row, before), max(row, before) + 1):
            dots[between][column] = True
        before = row
    return dots


def _row(curve: Curve, value: float, rows: int) -> int:
    low, high = curve.ends
    return round((value - low) / (high - low) * (rows - 1))


def short(number: float) -> str:
    """A number in four digits at most."""
    return f"{number:.4g}".replace("e-0", "e-").replace("e+0", "e+")


# As SVG ---------------------------------------------------------------------------------------------------------------


def svg(curves: Sequence[Curve]) -> str:
    """The curves one below the other, as the text of an SVG file."""
    height = HEIGHT * len(curves)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="sans-serif" font-size="12" fill="#333">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for index, curve in enumerate(curves):
        lines += [f'<g transform="translate(0 {HEIGHT * index})">', *_svg_chart(curve), "</g>"]
    return "\n".join([*lines, "</svg>", ""])


def _svg_chart(curve: Curve) -> list[str]:
    low, high = curve.ends
    first, last = curve.times[0], curve.times[-1]
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(time: float) -> float:
        return LEFT + (time - first) / (last - first) * (right - LEFT)

    def y(value: float) -> float:
        return floor - (value - low) / (high - low) * (floor - TOP)

    lines = [f'<text x="{LEFT}" y="24" font-size="14">{escape(curve.title)}</text>']
    for value in ticks(low, high):
        lines.append(f'<path d="M{LEFT} {y(value):.1f}H{right}" stroke="#ddd"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{short(value)}</text>')
    for time in ticks(first, last):
        lines.append(f'<path d="M{x(time):.1f} {floor}v5" stroke="#333"/>')
        lines.append(f'<text x="{x(time):.1f}" y="{floor + 18}" text-anchor="middle">{short(time)}</text>')
    lines.append(f'<path d="M{LEFT} {TOP}V{floor}H{right}" fill="none" stroke="#333"/>')
    lines.append(f'<text x="{right}" y="{floor + 34}" text-anchor="end">{curve.unit}</text>')
    points = " ".join(f"{x(t):.1f},{y(v):.1f}" for t, v in _thinned(curve))
    return [*lines, f'<polyline points="{points}" fill="none" stroke="#1668b0" stroke-width="2"/>']


def _thinned(curve: Curve) -> Iterable[tuple[float, float]]:
    """The points without those that lie on the straight line between their neighbours."""
    points = list(zip(curve.times, curve.values, strict=True))
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) if b[0] > a[0] else math.inf for a, b in pairwise(points)]
    inner = (p for p, before, after in zip(points[1:-1], slopes, slopes[1:], strict=False) if before != after)
    return [points[0], *inner, points[-1]]


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from low to high, some five of them."""
    rough = (high - low) / 5
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * n for n in (1, 2, 5, 10) if size * n >= rough)
    return [round(n * step, 12) for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
