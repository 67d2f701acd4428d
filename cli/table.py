"""Predictions as a table: the columns that `netc run` prints, a row for each example or for each of its steps."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..runtime import Fault

if TYPE_CHECKING:
    from ..runtime import Output, Prediction, Session

Columns = dict[str, list[Any]]
# Those that inputs tell, by the steps that they count, and before them those within which they do: ("S", "T").
Lengths = Mapping[tuple[int | str, ...], Any]


def columns_of(session: Session, results: Mapping[str, Prediction], lengths: Lengths) -> Columns:
    """The decision of each prediction, then the numbers it rests on.

    Where predictions have steps there is a row for each that counts, which says of which example it is.
    """
    outputs = {o.name: o for o in session.outputs if o.name in results}
    axes = {name: _axes(output) for name, output in outputs.items()}
    rows = {results[name].values.shape[: 1 + number] for name, number in axes.items() if number}
    if len(rows) > 1:
        message = "the predictions have different numbers of steps, so that no row could hold them all"
        raise Fault("data-series", message, None, "write them as arrays: -o predictions.npz")
    columns: Columns = {}
    for name, output in outputs.items():
        lead = next(iter(rows), results[name].values.shape[:1])
        columns |= _columns(output, results[name], axes[name], lead)
    return columns if not rows else _numbered_rows(columns, rows.pop(), outputs, axes, lengths)


def csv_of(columns: Columns) -> str:
    """The columns as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(v) for v in row] for row in zip(*columns.values(), strict=True))
    return text.getvalue()


def numbered(name: str, index: int, count: int) -> str:
    """The name of one of several columns."""
    return name if count == 1 else f"{name}_{index}"


def _axes(output: Output) -> int:
    """How many axes behind the batch's count steps: those of labels, or those that only run time knows."""
    return len(output.shape) - 1 if output.kind == "class" else sum(isinstance(d, str) for d in output.shape)


def _columns(output: Output, found: Prediction, axes: int, lead: tuple[int, ...]) -> Columns:
    """The columns of one output, repeated where others have steps and it has none."""
    name, count = output.name, int(np.prod(lead[1:])) if not axes else 1
    batch = 1 + axes

    def flat(values: Any) -> Any:
        rows = np.asarray(values).reshape(int(np.prod(np.shape(values)[:batch])), -1)
        return np.repeat(rows, count, axis=0)

    values = flat(found.values)
    known: list[Any] = list(output.labels or range(values.shape[1]))
    columns: Columns = {}
    if found.ids is not None:
        ids = flat(found.ids)
        columns |= {numbered(name, i, ids.shape[1]): ids[:, i].tolist() for i in range(ids.shape[1])}
    if found.labels is not None:
        columns[name] = flat(found.labels)[:, 0].tolist()
    chance = "p_" if found.ids is not None else ""
    each = [f"p_{name}_{_visible(str(label))}" for label in known] if values.shape[1] > 1 and chance else []
    names = each or [f"{chance}{numbered(name, i, values.shape[1])}" for i in range(values.shape[1])]
    return columns | {column: values[:, i].tolist() for i, column in enumerate(names)}


def _numbered_rows(
    columns: Columns,
    shape: tuple[int, ...],
    outputs: Mapping[str, Output],
    axes: Mapping[str, int],
    lengths: Lengths,
) -> Columns:
    """The columns behind those that number examples and steps, without the rows of padding."""
    places = np.indices(shape).reshape(len(shape), -1)
    steps = next(outputs[name].shape for name, number in axes.items() if number)
    keep = np.ones(places.shape[1], bool)
    for axis in range(1, len(shape)) if lengths else ():
        keep &= places[axis] < _counted(steps[:axis], places, lengths)
    names = ["example", *(numbered("step", i, len(shape) - 1) for i in range(len(shape) - 1))]
    first = {_free(name, columns): place[keep].tolist() for name, place in zip(names, places, strict=True)}
    which = np.flatnonzero(keep)
    return first | {name: [values[i] for i in which] for name, values in columns.items()}


def _counted(steps: tuple[Any, ...], places: Any, lengths: Lengths) -> Any:
    """How many steps count along the last of some dimensions at each place; infinitely many where no input tells it."""
    from ..dsl.derived_steps import derived

    *outer, last = steps
    if (found := derived(last)) is None:
        return np.inf
    told = [lengths[own] for own in {(found.base,), (*outer, found.base)} & lengths.keys()]
    at = [np.asarray(each)[tuple(places[: each.ndim])] for each in map(np.asarray, told)]
    return found.of(np.min(at, axis=0)) if at else np.inf


def _free(name: str, columns: Columns) -> str:
    return name if name not in columns else _free(f"{name}_", columns)


def _visible(label: str) -> str:
    """A label as the name of a column, such as a newline's."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in label)


def _cell(value: Any) -> Any:
    return f"{value:.7g}" if isinstance(value, float) else value
