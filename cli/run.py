"""`netc run`: an exported model on data, its predictions as CSV or arrays."""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import show
from .options import json_option, provider_option, resize_option

if TYPE_CHECKING:
    from ..runtime import Prediction, Session

# Rows that go through the model at once.
SLICE = 4096


@click.command("run")
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.onnx")
@click.option("--data", "sources", multiple=True, metavar="[NAME=]FILE", help="What to predict on.")
@resize_option
@click.option("--count", type=click.IntRange(1), help="How many examples of a model that takes noise alone [1].")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The seed of noise.")
@provider_option
@click.option("-o", "out", type=click.Path(path_type=Path), help="A .csv or .npz for the predictions.")
@json_option
def command(
    model: Path,
    sources: tuple[str, ...],
    resize: bool,
    count: int | None,
    seed: int,
    provider: Any,
    threads: int | None,
    out: Path | None,
    as_object: bool,
) -> None:
    """Run an exported model on data and print its predictions as CSV."""
    from ..runtime import Fault, Session

    if out is not None and out.suffix not in (".csv", ".npz"):
        raise click.BadParameter("the file ends in .csv or .npz", param_hint="-o")
    if model.suffix == ".net":
        help = f"netc build {model} writes its model"
        raise Fault("model-unreadable", "this is a spec, and run takes an exported model", str(model), help)
    session = Session(model, provider, threads)
    arrays, count = _given(session, sources, resize, count, seed)
    results = _run(session, arrays, count)
    columns = _columns(session, results)
    if as_object:
        said = {name: list(values) for name, values in columns.items()}
        show.report({"ok": True, "provider": session.provider, "reason": session.provider_reason, "predictions": said})
    if out is not None:
        _write(out, results, columns)
    elif not as_object:
        sys.stdout.write(_csv(columns))
    if not as_object:
        where = f" -> {out}" if out else ""
        click.echo(f"{count} rows on {session.provider}: {session.provider_reason}{where}", err=True)


def _given(
    session: Session, sources: tuple[str, ...], resize: bool, count: int | None, seed: int
) -> tuple[dict[str, Any], int]:
    """What the model takes, and how many examples: from the data, and noise drawn where the data have none."""
    from ..runtime import read

    if not sources and not session.inputs:
        count = count or 1
        return session.noise(count, seed), count
    if count is not None:
        raise click.BadParameter("the data say how many examples there are", param_hint="--count")
    if not sources:
        raise click.UsageError("Missing option '--data'.")
    metadata = session.metadata
    held = [n for n in session.noises if not session.inputs or _holds(sources, n.name)]
    metadata = replace(metadata, inputs=(*metadata.inputs, *held))
    examples = read(metadata, sources, None, need_targets=False, resize=resize)
    arrays = session.noise(examples.count, seed) | {f.name: examples.arrays[f.name] for f in metadata.inputs}
    return arrays, examples.count


def _holds(sources: tuple[str, ...], name: str) -> bool:
    """Whether the data have an array of a name: a file for it, or an archive with an entry of it."""
    from ..runtime.files import head_of
    from ..runtime.npz_file import ZIP_MAGIC, npz_names

    if any(source.startswith(f"{name}=") for source in sources):
        return True
    archives = [path for path in map(Path, sources) if path.is_file() and head_of(path)[:4] in ZIP_MAGIC]
    return any(name in npz_names(path) for path in archives)


def _run(session: Session, arrays: dict[str, Any], count: int) -> dict[str, Prediction]:
    """The predictions of all rows, a slice at a time."""
    import numpy as np

    from ..runtime import Prediction

    starts = range(0, max(count, 1), SLICE)
    parts = [session.predict(**{name: a[i : i + SLICE] for name, a in arrays.items()}) for i in starts]
    joined: dict[str, Prediction] = {}
    for name, first in parts[0].items():
        values = np.concatenate([part[name].values for part in parts])
        found = [ids for part in parts if (ids := part[name].ids) is not None]
        ids = np.concatenate(found) if found else None
        labels = None if first.labels is None else [s for part in parts for s in part[name].labels or ()]
        joined[name] = Prediction(values, ids, labels)
    return joined


def _columns(session: Session, results: dict[str, Prediction]) -> dict[str, list[Any]]:
    """The predictions as columns: the decision first, then the numbers it rests on."""
    columns: dict[str, list[Any]] = {}
    labels = {output.name: output.labels for output in session.outputs}
    for name, prediction in results.items():
        flat = prediction.values.reshape(len(prediction.values), -1)
        known: list[Any] = list(labels.get(name) or range(flat.shape[1]))
        if prediction.ids is not None:
            ids = prediction.ids.reshape(len(flat), -1)
            columns |= {_numbered(name, i, ids.shape[1]): ids[:, i].tolist() for i in range(ids.shape[1])}
        if prediction.labels is not None:
            columns[name] = prediction.labels
        chance = "p_" if prediction.ids is not None else ""
        each = [f"p_{name}_{label}" for label in known] if flat.shape[1] > 1 and chance else []
        numbers = each or [f"{chance}{_numbered(name, i, flat.shape[1])}" for i in range(flat.shape[1])]
        columns |= {column: flat[:, i].tolist() for i, column in enumerate(numbers)}
    return columns


def _numbered(name: str, index: int, count: int) -> str:
    return name if count == 1 else f"{name}_{index}"


def _csv(columns: dict[str, list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(v) for v in row] for row in zip(*columns.values(), strict=True))
    return text.getvalue()


def _cell(value: Any) -> Any:
    return f"{value:.7g}" if isinstance(value, float) else value


def _write(out: Path, results: dict[str, Prediction], columns: dict[str, list[Any]]) -> None:
    from ..runtime.files import write_atomically

    if out.suffix == ".csv":
        write_atomically(out, lambda file: file.write(_csv(columns).encode()))
        return
    import numpy as np

    arrays: dict[str, Any] = {}
    for name, prediction in results.items():
        arrays[name] = prediction.values
        if prediction.ids is not None:
            arrays[f"{name}_ids"] = prediction.ids
        if prediction.labels is not None:
            arrays[f"{name}_labels"] = np.array(prediction.labels)
    write_atomically(out, lambda file: np.savez(file, **arrays))
