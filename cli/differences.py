"""Comparing a graph's values with the file's: the error of each named value, its limit, and whether it says anything.

The file is run in float32 and in float64. The error of a value is max |a - exact| / max(1, max |exact|); a graph may
err by max(1e-5, 8 times the float32 file's own error). That hides what is small, so a value is compared once more on
its own scale, a weight by how far the step moves it: where the float32 file has max |a - exact| / max |exact| <= 1e-4,
the graph may have 1e-3, both besides what the rounding of the stored number takes, or 8 times the file's own. The
file's own error is the larger of two runs, the second with the last bit of each weight and of the examples changed,
since a single run may be right by luck. What is inf or nan in the file is so in the graph, and is told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np

from ..runtime.fields import Array

FLOOR = 1e-5
FACTOR = 8.0
RELATIVE = 1e-3
# Where the float32 file itself errs by more than this on a value's own scale, agreement with it says nothing.
CLEAR = 1e-4
# The rounding of a number to float32, in shares of it, and how much of a move it may be.
ROUNDING = 2.0**-24
LARGEST_ROUNDING = 1e-2
# How many numbers of a large array are looked at at once.
BLOCK = 1 << 18
# A gradient whose largest element is below this share of the loss says nothing.
FAINT = 1e-6

Status: TypeAlias = Literal["ok", "differs", "not finite", "not proven"]

# What is said of a value that the artifacts agree on, and of one that they do not.
ENDLESS = "it is inf or nan for examples that the types allow"
UNLIKE = f"{ENDLESS}, and not the same in the graph as in the file"


@dataclass(frozen=True)
class Difference:
    """The graph's error, the float32 file's own, and what the graph's may be."""

    error: float
    own: float
    limit: float

    @property
    def ok(self) -> bool:
        """Whether the graph is as near to the float64 file as it has to be."""
        return self.error <= self.limit

    @property
    def ratio(self) -> float:
        """The error in limits."""
        return self.error / self.limit if self.limit else math.inf if self.error else 0.0


EXACT = Difference(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Row:
    """One named value: the worst of its comparisons, by the limit and on its own scale."""

    name: str
    what: str
    compared: int
    difference: Difference
    relative: Difference | None
    status: Status
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was compared, said something, and agreed."""
        return self.status == "ok"

    @property
    def shown(self) -> Difference:
        """The comparison that failed, or the one by the limit."""
        return self.relative if self.relative and self.difference.ok and not self.relative.ok else self.difference


def fact(name: str, what: str, wrong: str) -> Row:
    """A row of something that is so or is not."""
    return Row(name, what, 1, EXACT, None, "differs" if wrong else "ok", wrong)


@dataclass(frozen=True)
class Values:
    """The same value from the graph, the float32 file and the float64 file; `start` is what a step began with.

    `beside` is the float32 file's for weights and examples in which the last bit is another: a single run may be right
    by luck. So may both be, where one number decides how far all are off: `around` is the file's largest error at
    points around this one, or what the graph's errors there differ by, looked at where the graph is beyond its limit.
    """

    graph: Array
    file: Array
    exact: Array
    start: Array | None = None
    beside: Array | None = None
    around: float = 0.0

    @cached_property
    def odd(self) -> Array | None:
        """Which elements are no finite numbers in the file, in one of its runs; None where all of them are."""
        runs = [run for run in (self.exact, self.file, self.beside) if run is not None]
        finite = [np.isfinite(run) for run in runs]
        return None if all(each.all() for each in finite) else ~np.logical_and.reduce(finite)

    @cached_property
    def finite(self) -> Values:
        """The same of the other elements alone."""
        if self.odd is None:
            return self
        kept = [None if a is None else a[~self.odd] for a in (self.graph, self.file, self.exact, self.start)]
        graph, file, exact, start = kept
        assert graph is not None and file is not None and exact is not None
        return Values(graph, file, exact, start, None if self.beside is None else self.beside[~self.odd], self.around)

    @property
    def alike(self) -> bool:
        """Whether the graph is inf or nan where the file is, wherever that does not hang on its last bits."""
        steady = np.ones(self.file.shape, bool) if self.beside is None else _same(self.file, self.beside)
        return bool(_same(self.graph, self.file)[steady].all())

    @cached_property
    def own(self) -> float:
        """The float32 file's own error."""
        beside = 0.0 if self.beside is None else _distance(self.beside, self.exact)
        return max(_distance(self.file, self.exact), beside, self.around)

    @cached_property
    def error(self) -> float:
        """The graph's error."""
        return _distance(self.graph, self.exact)

    @cached_property
    def size(self) -> float:
        """The largest magnitude of what the value should be."""
        return _distance(self.exact)

    @property
    def by_limit(self) -> Difference:
        """The comparison by the limit, where values below 1 count as 1."""
        scale = max(1.0, self.size)
        own = self.own / scale
        return Difference(self.error / scale, own, max(FLOOR, FACTOR * own))

    @cached_property
    def relative(self) -> Difference | None:
        """The comparison on the value's own scale; None where float32 does not show it."""
        scale = self.size if self.start is None else _distance(self.exact, self.start)
        rounding = ROUNDING * self.size / scale if scale else math.inf
        own = self.own / scale if scale else math.inf
        if rounding > LARGEST_ROUNDING or own > CLEAR + rounding:
            return None
        limit = max(RELATIVE + 2 * rounding, FACTOR * own)
        return Difference(self.error / scale, own, limit)

    @property
    def agree(self) -> bool:
        """Whether the graph is within its limits."""
        if _misfit(self):
            return False
        return self.finite.by_limit.ok and (self.finite.relative is None or self.finite.relative.ok)


@dataclass
class _Entry:
    what: str
    compared: int = 0
    differences: list[Difference] = field(default_factory=list[Difference])
    relatives: list[Difference] = field(default_factory=list[Difference])
    decided: set[Any] = field(default_factory=set[Any])
    signal: bool = False
    wrong: str = ""
    odd: bool = False
    silent: str = "it has no value that is finite"


class Ledger:
    """Gathers the comparisons of named values over many cases into one row each."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], _Entry] = {}

    def compare(self, name: str, what: str, values: Values, examples: bool = False, stretched: bool = False) -> None:
        """Compare a value in one more case; `examples` says that its first axis is the batch.

        Examples that were `stretched` far beyond usual ones say nothing where a value is not finite.
        """
        entry = self._entries.setdefault((name, what), _Entry(what))
        entry.compared += 1
        wrong = _misfit(values)
        if not wrong and values.odd is not None and not stretched:
            entry.odd, wrong = True, "" if values.alike else UNLIKE
        if wrong:
            entry.wrong = wrong
        elif values.odd is None or not values.odd.all():
            _measure(entry, values, examples)

    def silent(self, name: str, what: str, reason: str) -> None:
        """Note a case that says nothing about a value."""
        self._entries.setdefault((name, what), _Entry(what)).silent = reason

    def count(self, name: str, what: str, wrong: int, decided: list[Any]) -> None:
        """Count decisions that are not the file's among `decided`, those that a clear margin leaves no doubt of."""
        entry = self._entries.setdefault((name, what), _Entry(what, silent="no decision is clear, or all are the same"))
        entry.compared += 1
        entry.differences.append(Difference(float(wrong), 0.0, 0.0))
        entry.decided.update(decided)
        entry.signal = len(entry.decided) > 1
        if wrong:
            entry.wrong = f"{wrong} of {len(decided)} are not what the file's predictions say"

    @property
    def rows(self) -> list[Row]:
        """A row for each value, in the order of their first comparisons."""
        return [_row(name, entry) for (name, _), entry in self._entries.items()]


def _misfit(values: Values) -> str:
    """What is wrong before any number is compared."""
    given = np.dtype(np.float32) if values.start is None else values.start.dtype
    if values.file.dtype != given:
        return f"the file gives {values.file.dtype} where it was given {given}"
    if not values.graph.shape == values.file.shape == values.exact.shape:
        return f"the graph gives the shape {list(values.graph.shape)}, the file {list(values.exact.shape)}"
    return ""


def _measure(entry: _Entry, values: Values, examples: bool) -> None:
    relative = values.finite.relative
    entry.differences.append(values.finite.by_limit)
    if relative is not None:
        entry.relatives.append(relative)
    if entry.signal:
        return
    silent = _silence(values, examples)
    if relative is None:
        silent = silent or "it is, or moves by, less than float32 shows"
    entry.signal |= not silent
    entry.silent = silent or entry.silent


def _distance(a: Array, b: Array | None = None) -> float:
    """The largest difference of two arrays, or magnitude of one; infinite where something is not a number."""
    a, b = np.ravel(a), None if b is None else np.ravel(b)
    found = 0.0
    for i in range(0, a.size, BLOCK):
        part = a[i : i + BLOCK] if b is None else a[i : i + BLOCK] - b[i : i + BLOCK]
        found = np.maximum(found, np.max(np.abs(part)))
    return math.inf if np.isnan(found) else float(found)


def _same(a: Array, b: Array) -> Array:
    """Which elements are both finite, or the same of inf, -inf and nan."""
    return (np.isfinite(a) & np.isfinite(b)) | (a == b) | (np.isnan(a) & np.isnan(b))


def _silence(values: Values, examples: bool) -> str:
    """Why a value says nothing, so that two wrong computations would agree on it."""
    exact = values.exact
    if not exact.any():
        return "it is all zero"
    if exact.size > 1 and (exact == exact.flat[0]).all():
        return "its elements are all equal"
    if examples and (exact == exact[:1]).all():
        return "it is the same for every example"
    if values.start is not None and (exact == values.start).all():
        return "the step does not move it"
    return ""


def _row(name: str, entry: _Entry) -> Row:
    worst = max(entry.differences, key=lambda d: d.ratio, default=EXACT)
    relative = max(entry.relatives, key=lambda d: d.ratio, default=None)
    reason = entry.wrong
    if not reason and not (worst.ok and (relative is None or relative.ok)):
        reason = "the graph is further from the float64 file than its limit"
    status: Status = "differs" if reason else "not finite" if entry.odd else "ok" if entry.signal else "not proven"
    why = {"differs": reason, "not finite": ENDLESS, "ok": "", "not proven": entry.silent}[status]
    return Row(name, entry.what, entry.compared, worst, relative, status, why)


def short(number: float) -> str:
    """A limit in two digits, in one where it is round."""
    return f"{number:.1e}".replace(".0e", "e")
