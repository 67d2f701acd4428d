"""What each epoch came to, and the history.csv that says so."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .files import os_faults, write_atomically

FILE = "history.csv"


@dataclass(frozen=True)
class Record:
    """One epoch, counting from 1: its mean loss, and what `evaluate` says of the validation examples.

    A net that measures and holds nothing out has the metrics of its training examples in `training`.
    """

    epoch: int
    loss: float
    validation: Mapping[str, float] = field(default_factory=dict[str, float])
    training: Mapping[str, float] = field(default_factory=dict[str, float])


def columns(record: Record) -> list[str]:
    """The header of history.csv."""
    return ["epoch", "loss", *record.training, *(f"val_{name}" for name in record.validation)]


def line(record: Record) -> str:
    """A record as a line: floats are written so that they read back as the same bits."""
    values = [record.loss, *record.training.values(), *record.validation.values()]
    return ",".join([str(record.epoch), *(repr(float(value)) for value in values)]) + "\n"


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
