"""What each epoch came to, and the history.csv that says so."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from .files import os_faults, write_atomically

FILE = "history.csv"

# What a metric says: a number, or a table as lists of numbers.
Measure: TypeAlias = float | list[Any]


@dataclass(frozen=True)
class Record:
    """One epoch, counting from 1: the mean of each loss, and what `evaluate` says of the validation examples.

    A net that measures and holds nothing out has the metrics of its training examples in `training`. A metric that is a
    table, such as confusion, is a list of lists.
    """

    epoch: int
    losses: Mapping[str, float]
    validation: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    training: Mapping[str, Measure] = field(default_factory=dict[str, Measure])


def columns(record: Record) -> list[str]:
    """The header of history.csv."""
    return ["epoch", *record.losses, *record.training, *(f"val_{name}" for name in record.validation)]


def line(record: Record) -> str:
    """A record as a line: floats are written so that they read back as the same bits."""
    values = [*record.losses.values(), *record.training.values(), *record.validation.values()]
    return ",".join([str(record.epoch), *map(_cell, values)]) + "\n"


def numbers(measures: Mapping[str, Measure]) -> dict[str, float]:
    """The metrics that are numbers, which fit on a line."""
    return {name: value for name, value in measures.items() if not isinstance(value, list)}


def _cell(value: Measure) -> str:
    return f'"{value}"' if isinstance(value, list) else repr(float(value))


def rewrite(path: Path, records: Sequence[Record]) -> None:
    """Write the whole file, atomically."""
    text = io.StringIO()
    if records:
        text.write(",".join(columns(records[0])) + "\n")
        text.writelines(line(record) for record in records)
    write_atomically(path, lambda file: file.write(text.getvalue().encode()))


def append(path: Path, record: Record) -> None:
    """Add an epoch, with the header before the first."""
    with os_faults(path), path.open("a", encoding="utf-8", newline="") as file:
        file.write((",".join(columns(record)) + "\n" if file.tell() == 0 else "") + line(record))
