"""`netc run`: an exported model on data, its predictions as CSV or arrays; or going on with a text or a series."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import show
from .options import json_option, provider_option, resize_option

if TYPE_CHECKING:
    from ..runtime import Prediction, Session

# Rows that go through the model at once.
SLICE = 4096


@dataclass(frozen=True)
class Answer:
    """What is told: columns for people, arrays for programs, and what they are in a few words."""

    columns: dict[str, list[Any]]
    arrays: dict[str, Any]
    told: str


@click.command("run")
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.onnx")
@click.option("--data", "sources", multiple=True, metavar="[NAME=]FILE", help="What to predict on.")
@resize_option
@click.option("--count", type=click.IntRange(1), help="How many examples of a model that takes noise alone [1].")
@click.option("--text", metavar="TEXT", help="The beginning of a text, with which a character model goes on.")
@click.option("--length", type=click.IntRange(0), metavar="N", help="How many characters --text gets [200].")
@click.option("--temperature", type=float, help="How boldly they are drawn; 0 takes the most probable [1].")
@click.option("--steps", type=click.IntRange(1), metavar="N", help="How many steps a series model adds to --data.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The seed of what is drawn.")
@provider_option
@click.option("-o", "out", type=click.Path(path_type=Path), help="A .csv or .npz for the predictions, .txt for a text.")
@json_option
def command(
    model: Path,
    sources: tuple[str, ...],
    resize: bool,
    count: int | None,
    text: str | None,
    length: int | None,
    temperature: float | None,
    steps: int | None,
    seed: int,
    provider: Any,
    threads: int | None,
    out: Path | None,
    as_object: bool,
) -> None:
    """Run an exported model on data and print its predictions as CSV.

    With --text a character model goes on with a text, and with --steps a series model with the series of --data.
    """
    from ..runtime import Fault, Session

    _check_options(sources, count, text, length, temperature, steps)
    endings = (".csv", ".npz") if text is None else (".txt",)
    if out is not None and out.suffix not in endings:
        raise click.BadParameter(f"the file ends in {' or '.join(endings)}", param_hint="-o")
    if model.suffix == ".net":
        help = f"netc build {model} writes its model"
        raise Fault("model-unreadable", "this is a spec, and run takes an exported model", str(model), help)
    session = Session(model, provider, threads)
    if text is not None:
        _write_on(session, text, 200 if length is None else length, temperature, seed, out, as_object)
    elif steps is not None:
        _tell(session, _forecast(session, sources, steps), out, as_object)
    else:
        _tell(session, _predict(session, sources, resize, count, seed), out, as_object)


def _check_options(
    sources: tuple[str, ...],
    count: int | None,
    text: str | None,
    length: int | None,
    temperature: float | None,
    steps: int | None,
) -> None:
    """Refuse options that do not go together."""
    if text is None and (length is not None or temperature is not None):
        raise click.UsageError("--length and --temperature are of a text that is gone on with: --text TEXT.")
    if text is not None and (sources or count is not None or steps is not None):
        raise click.UsageError("--text stands in the place of --data, --count and --steps.")
    if steps is not None and not sources:
        raise click.UsageError("--steps goes on with a series: --data FILE.")
    if temperature is not None and not (math.isfinite(temperature) and temperature >= 0):
        raise click.BadParameter("it is 0 or a number above", param_hint="--temperature")


# Texts and forecasts --------------------------------------------------------------------------------------------------


def _write_on(
    session: Session, text: str, length: int, temperature: float | None, seed: int, out: Path | None, as_object: bool
) -> None:
    from ..runtime import write_on
    from ..runtime.files import write_atomically

    found = write_on(session, text, length, 1.0 if temperature is None else temperature, seed)
    if as_object:
        show.report({"ok": True, "provider": session.provider, "reason": session.provider_reason, "text": found})
    if out is not None:
        write_atomically(out, lambda file: file.write(found.encode()))
    elif not as_object:
        sys.stdout.write(found + "\n")


def _forecast(session: Session, sources: tuple[str, ...], steps: int) -> Answer:
    """The next steps of each sequence in the data, which are numbered where there are several."""
    import numpy as np

    from ..runtime import forecast
    from .table import numbered

    output, found = forecast(session, sources, steps)
    values = np.concatenate(found)
    width = values.shape[1]
    named = {numbered(output.name, i, width): values[:, i].tolist() for i in range(width)}
    places = {"sequence": np.repeat(np.arange(len(found)), steps).tolist()} if len(found) > 1 else {}
    places["step"] = list(range(1, steps + 1)) * len(found)
    arrays = {output.name: np.stack(found)}
    return Answer(places | named, arrays, f"{steps} steps")


# Predictions ----------------------------------------------------------------------------------------------------------


def _predict(session: Session, sources: tuple[str, ...], resize: bool, count: int | None, seed: int) -> Answer:
    import numpy as np

    from .table import columns_of

    given, count, notes = _given(session, sources, resize, count, seed)
    results = _run(session, given, count)
    lengths = {(*f.shape, f.counts): given[f.name] for f in session.inputs if f.counts}
    arrays: dict[str, Any] = {}
    for name, prediction in results.items():
        arrays[name] = prediction.values
        if prediction.ids is not None:
            arrays[f"{name}_ids"] = prediction.ids
        if prediction.labels is not None:
            arrays[f"{name}_labels"] = np.array(prediction.labels)
    for note in notes if session.metadata.window else ():
        click.echo(note, err=True)
    return Answer(columns_of(session, results, lengths), arrays, f"{count} rows")


def _given(
    session: Session, sources: tuple[str, ...], resize: bool, count: int | None, seed: int
) -> tuple[dict[str, Any], int, tuple[str, ...]]:
    """What the model takes, how many examples, and notes: from the data, and noise drawn where the data have none."""
    from ..runtime import read

    if not sources and not session.inputs:
        count = count or 1
        return session.noise(count, seed), count, ()
    if count is not None:
        raise click.BadParameter("the data say how many examples there are", param_hint="--count")
    if not sources:
        raise click.UsageError("Missing option '--data'.")
    metadata = session.metadata
    held = [n for n in session.noises if not session.inputs or _holds(sources, n.name)]
    metadata = replace(metadata, inputs=(*metadata.inputs, *held))
    examples = read(metadata, sources, None, need_targets=False, resize=resize)
    arrays = session.noise(examples.count, seed) | {f.name: examples.arrays[f.name] for f in metadata.inputs}
    return arrays, examples.count, examples.notes


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


def _tell(session: Session, answer: Answer, out: Path | None, as_object: bool) -> None:
    """Print an answer, or write it."""
    from .table import csv_of

    if as_object:
        reason = session.provider_reason
        show.report({"ok": True, "provider": session.provider, "reason": reason, "predictions": answer.columns})
    if out is not None:
        _write(out, answer)
    elif not as_object:
        sys.stdout.write(csv_of(answer.columns))
    if not as_object:
        where = f" -> {out}" if out else ""
        click.echo(f"{answer.told} on {session.provider}: {session.provider_reason}{where}", err=True)


def _write(out: Path, answer: Answer) -> None:
    from ..runtime.files import write_atomically
    from .table import csv_of

    if out.suffix == ".csv":
        write_atomically(out, lambda file: file.write(csv_of(answer.columns).encode()))
        return
    import numpy as np

    write_atomically(out, lambda file: np.savez(file, **answer.arrays))
