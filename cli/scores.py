"""What a finished run says of its metrics: numbers in a line, tables of counts, and the thresholds that were tuned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ..dsl import Net
from . import show

Table = list[list[int]]
WIDTH = 80


def agree(served: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Whether two reports, or two sets of predictions, are those of one model up to rounding."""
    import numpy as np

    pairs = [(np.asarray(served[name]), np.asarray(value)) for name, value in own.items()]
    return all(np.all(np.abs(a - b) <= 1e-4 * np.maximum(1.0, np.abs(b))) for a, b in pairs)


def numbers(metrics: Mapping[str, Any]) -> str:
    """The metrics that are numbers, in a line."""
    said = {name: value for name, value in metrics.items() if not isinstance(value, list)}
    return ", ".join(f"{name} {value:.4f}" for name, value in said.items())


def thresholds(outputs: Any) -> list[str]:
    """A line for each threshold that was tuned, from what the exported model says of its outputs."""
    lines: list[str] = []
    for output in [o for o in outputs if o.threshold and o.threshold["kind"] == "tuned"]:
        values = cast("list[Any]", output.threshold["value"])
        said = ", ".join(f"{value:.4g}" for value in _flat(values))
        lines.append(f"{output.of} is decided from {said} on, where {output.threshold['metric']} is best")
    return lines


def _flat(values: list[Any]) -> list[float]:
    parts = [_flat(cast("list[Any]", each)) if isinstance(each, list) else [each] for each in values]
    return [number for part in parts for number in part]


def tables(net: Net, metrics: Mapping[str, Any]) -> list[str]:
    """The tables of counts, a row for each true class; one that does not fit is only told of."""
    lines: list[str] = []
    for name, value in metrics.items():
        if isinstance(value, list):
            for title, table in _each(name, cast("list[Any]", value)):
                lines += ["", *_table(title, table, _labels(net, name, len(table)))]
    return lines


def _each(name: str, value: list[Any]) -> list[tuple[str, Table]]:
    """The tables of a metric: one, or one for each column of a target."""
    parts = cast("list[list[Any]]", value)
    if not isinstance(parts[0][0], list):
        return [(name, parts)]
    return [each for i, part in enumerate(parts) for each in _each(f"{name}_{i}", part)]


def _labels(net: Net, name: str, count: int) -> list[str]:
    """What the classes are called of the target that a metric looks at."""
    fitting = [f for f in net.targets if len(net.targets) == 1 or name.endswith(f"_{f.name}")]
    labels = max(fitting, key=lambda f: len(f.name)).labels if fitting else None
    return list(labels or map(str, range(count)))


def _table(title: str, table: Table, labels: list[str]) -> list[str]:
    heading = f"{title}: true by row, decided by column"
    digits = max(len(f"{n}") for row in table for n in row)
    room = (WIDTH - max(8, min(16, max(map(len, labels))))) // len(labels) - 2
    if room < digits:
        return [f"{title}: a table of {len(labels)} classes, too wide for a page; history.csv and --json have it"]
    short = [label if len(label) <= room else label[:room] for label in labels]
    rows = [("", *short), *((label[:16], *map(str, row)) for label, row in zip(labels, table, strict=True))]
    return [heading, *show.table(rows, right="l" + "r" * len(labels), width=WIDTH)]
