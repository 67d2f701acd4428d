"""CSV files: what parts the columns, whether a first line names them, and their cells as numbers or texts."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from .errors import Fault, plural
from .fields import SHOWN, Array, Problem, Problems, shown
from .files import LIMIT, os_faults

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "?"})
# Cells converted at a time: enough for NumPy to be worth it, few enough to stay in the caches.
CELLS = 1 << 18


@dataclass(frozen=True)
class Table:
    """The outside of a CSV file: `names` are those of its first line, None where that line is data."""

    path: Path
    delimiter: str
    width: int
    names: tuple[str, ...] | None

    def column(self, index: int) -> str:
        """A column as messages say it, counting from 1."""
        return f"column {index + 1}" + (f" ({self.names[index]})" if self.names else "")


@dataclass
class Columns:
    """The inside of a CSV file: `lines` says on which line each row begins."""

    lines: Array
    numbers: dict[int, Array]
    texts: dict[int, tuple[Array, list[str]]]


def open_table(
    path: Path, names: Collection[str], labels: Collection[str], header: bool | None, delimiter: str | None
) -> Table:
    """Look at the first line. `names` are fields and columns that the spec binds, `labels` those of classes.

    The first line names the columns if one of its cells is one of `names`. Otherwise it is data if a cell is a number
    or says NaN, NA or `?`, or if every cell that is not empty is one of `labels`; else it names the columns.
    `header` settles it by hand.
    """
    with os_faults(path):
        if path.stat().st_size > LIMIT:
            raise Fault("data-too-large", f"it is larger than {LIMIT:,} bytes", str(path))
    delimiter = delimiter or _sniff(path)
    row = next((row for _, row in _rows(path, delimiter)), None)
    if row is None:
        raise Fault("data-empty", "there is no example in it", str(path))
    first = [cell.strip() for cell in row]
    named = _is_header(first, names, labels) if header is None else header
    return Table(path, delimiter, len(first), tuple(first) if named else None)


def _is_header(cells: Sequence[str], names: Collection[str], labels: Collection[str]) -> bool:
    if any(cell in names for cell in cells):
        return True
    texts = [cell for cell in cells if cell]
    if any(_number(cell) is not None or cell.lower() in MISSING for cell in texts):
        return False
    return not all(cell in labels for cell in texts)


def _sniff(path: Path) -> str:
    """What parts the columns, by the first line that is not blank."""
    line = ""
    with os_faults(path), path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        while not line.strip(" \r\n"):
            line = file.readline(1 << 20)
            if not line:
                return ","
    outside = "".join(line.split('"')[::2])
    found = [delimiter for delimiter in DELIMITERS if delimiter in outside]
    if len(found) > 1:
        both = " and ".join(DELIMITERS[d] for d in found)
        message = f"the first line holds {both}, so it does not say which of them parts the columns"
        raise Fault(
            "data-delimiter",
            message,
            str(path),
            'name it, as in `data "f.csv" delimiter=";"`; numbers need a decimal point',
        )
    return found[0] if found else ","


def _rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not blank, with the line on which it begins."""
    if len(delimiter) != 1 or delimiter in '"\r\n ':
        raise Fault("data-delimiter", f"{delimiter!r} cannot part columns", str(path), "it is one character")
    with os_faults(path), path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=delimiter != "\t", strict=True)
        before = 0
        try:
            for row in reader:
                line, before = before + 1, reader.line_num
                if len(row) > 1 or (row and row[0].strip()):
                    yield line, row
        except csv.Error as error:
            raise Fault(
                "data-format", f"the quotes of a cell are wrong or never closed: {error}", f"{path}:{before + 1}"
            ) from None
        except UnicodeDecodeError:
            raise Fault("data-encoding", "it is not UTF-8", _undecodable(path), "save it as UTF-8") from None


def _undecodable(path: Path) -> str:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return f"{path}:{number}"
    return str(path)


@dataclass
class _Texts:
    """A column of texts: each row's code into the distinct texts."""

    known: dict[str, int] = field(default_factory=dict[str, int])
    codes: list[Array] = field(default_factory=list[Array])

    def add(self, cells: Sequence[str]) -> None:
        known = self.known
        codes = (known.setdefault(cell.strip(), len(known)) for cell in cells)
        self.codes.append(np.fromiter(codes, np.int64, len(cells)))


def read_columns(table: Table, numbers: Collection[int], texts: Collection[int]) -> Columns:
    """Read some columns as numbers and some as texts; every bad cell is told with its line and column."""
    problems = Problems()
    lines: list[Array] = []
    floats: dict[int, list[Array]] = {column: [] for column in numbers}
    words = {column: _Texts() for column in texts}
    for chunk_lines, rows in _chunks(table, problems):
        lines.append(np.array(chunk_lines, dtype=np.int64))
        cells = list(zip(*rows, strict=True))
        found: list[tuple[int, int, Problem]] = []
        for column, parts in floats.items():
            parts.append(_floats(table, column, cells[column], chunk_lines, found, problems))
        problems.add(problem for _, _, problem in sorted(found, key=lambda entry: entry[:2]))
        for column, word in words.items():
            word.add(cells[column])
    problems.raise_any()
    if not lines:
        raise Fault("data-empty", "there is no example in it", str(table.path))
    return Columns(
        np.concatenate(lines),
        {column: np.concatenate(parts) for column, parts in floats.items()},
        {column: (np.concatenate(word.codes), list(word.known)) for column, word in words.items()},
    )


def _chunks(table: Table, problems: Problems) -> Iterator[tuple[list[int], list[list[str]]]]:
    rows = _rows(table.path, table.delimiter)
    if table.names is not None:
        next(rows)
    size = max(1, CELLS // table.width)
    while chunk := list(islice(rows, size)):
        ragged = [(line, row) for line, row in chunk if len(row) != table.width]
        problems.add(
            Problem(
                "data-ragged",
                f"{table.path}:{line}",
                f"the row has {plural(len(row), 'cell')}, but the first has {table.width}",
                None
                if table.names is None or len(row) != table.width + 1
                else "a cell that holds a comma needs quotes",
            )
            for line, row in ragged
        )
        whole = [entry for entry in chunk if len(entry[1]) == table.width] if ragged else chunk
        if whole:
            yield [line for line, _ in whole], [row for _, row in whole]


def _floats(
    table: Table,
    column: int,
    cells: Sequence[str],
    lines: list[int],
    found: list[tuple[int, int, Problem]],
    problems: Problems,
) -> Array:
    """The cells as float64; the first bad ones go to `found`, the others are only counted."""
    text = "".join(cells)
    if text.isascii() and "_" not in text:
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            pass
        else:
            if np.isfinite(values).all():
                return values
    bad = [i for i, cell in enumerate(cells) if _number(cell.strip()) is None]
    for i in bad[:SHOWN]:
        what = Problem(*_what(cells[i].strip(), f"{table.path}:{lines[i]}, {table.column(column)}"))
        found.append((lines[i], column, what))
    problems.total += max(0, len(bad) - SHOWN)
    return np.zeros(len(cells))


def _number(cell: str) -> float | None:
    """The finite number that a cell says; None for anything else. Digits are ASCII and have no underscores."""
    if not cell.isascii() or "_" in cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def _what(cell: str, where: str) -> tuple[str, str, str, str | None]:
    if cell.lower() in MISSING:
        said = f"says {shown(cell)}" if cell else "is empty"
        return (
            "data-missing-value",
            where,
            f"the cell {said}",
            "fill missing values or remove their rows before training",
        )
    if cell.lower().lstrip("+-") in ("inf", "infinity"):
        return "data-value", where, f"{shown(cell)} is not finite", None
    help = "numbers have a decimal point" if "," in cell else None
    return "data-not-a-number", where, f"{shown(cell)} is not a number", help
