"""Reading examples: which files hold them, and what is cut out of those that hold series."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from .errors import Fault, did_you_mean, listed, plural
from .fields import Array, check_counts, conform, digest_of, expected, fits
from .idx_file import read_idx
from .image_folder import check_pairs
from .metadata import DataSource, Field, Metadata
from .npz_file import npz_shape, read_npy
from .reader import Reader, format_of
from .series import Series
from .steps import check_steps


@dataclass(frozen=True)
class Examples:
    """Checked examples: an array a field, the first axis counting examples, stored as the field's kind is.

    `files` are those that were read, `notes` what the reader decided and the user may want to know, `labels` the
    symbols that a text gives to the ids of fields.
    """

    arrays: Mapping[str, Array]
    count: int
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def pick(self, fields: Sequence[Field]) -> tuple[Array, ...]:
        """The arrays of some fields, in their order."""
        return tuple(self.arrays[f.name] for f in fields)

    def digest(self) -> str:
        """The SHA-256 of names, types, shapes and values, and of what the ids of a text stand for."""
        symbols = {f"labels/{name}": np.array(labels) for name, labels in self.labels.items()}
        return digest_of({**self.arrays, **symbols})


@dataclass(frozen=True)
class Steps:
    """Series as they were read: arrays whose first axis counts steps, and the rows of each sequence among them."""

    series: Series
    arrays: Mapping[str, Array]
    sequences: Sequence[Array]
    files: tuple[str, ...]
    notes: tuple[str, ...]
    labels: Mapping[str, tuple[str, ...]]

    def examples(self) -> Examples:
        """The examples that are cut out of them."""
        arrays = self.series.cut(self.arrays, self.sequences, listed(self.files))
        count = len(next(iter(arrays.values())))
        labels = {f.name: self.series.shifted.get(f.name, f.name) for f in self.series.fields}
        known = {name: self.labels[source] for name, source in labels.items() if source in self.labels}
        return Examples(arrays, count, self.files, (*self.notes, self._told(count)), known)

    def _told(self, count: int) -> str:
        if not self.series.window:
            return plural(count, "sequence")
        left = self.series.left_out(np.array([len(rows) for rows in self.sequences]))
        more = f"; {plural(left, 'step')} at the end in none of them" if left else ""
        return f"{plural(count, 'window')} of {plural(self.series.window, 'step')}{more}"


def examples_of(metadata: Metadata, arrays: Mapping[str, Array], need_targets: bool = True) -> Examples:
    """Examples from arrays in memory, checked as files are."""
    fields = metadata.fields if need_targets else metadata.inputs
    for name in arrays:
        if name not in [f.name for f in metadata.fields]:
            raise Fault(
                "data-missing", f"the net has no field {name}", None, did_you_mean(name, [f.name for f in fields])
            )
    for f in fields:
        if f.name not in arrays:
            raise Fault("data-missing", f"{f.name} is missing")
    checked = {f.name: conform(f, np.asarray(arrays[f.name]), "arrays") for f in fields}
    sources = dict.fromkeys(checked, "arrays")
    found = Examples(checked, check_counts(checked, sources))
    check_steps(fields, checked, sources)
    return found


def read(
    metadata: Metadata,
    sources: Sequence[str | Path] = (),
    base: Path | None = None,
    *,
    need_targets: bool = True,
    header: bool | None = None,
    delimiter: str | None = None,
    resize: bool = False,
) -> Examples:
    """Read and check the examples of a net.

    `sources` are the command line's, one FILE or a NAME=FILE for every field; without them the `data` sentence of the
    spec says where they are, relative to `base`, the spec's folder. Its `bind`, `header`, `delimiter` and `resize` hold
    for a FILE of the command line too. A FILE may be a folder of images, or hold series, which become the examples of
    a net over time. Without `need_targets` only inputs are read. Raises Fault.
    """
    said = metadata.data or DataSource(None)
    spec = replace(
        said,
        header=said.header if header is None else header,
        delimiter=said.delimiter if delimiter is None else delimiter,
        resize=said.resize or resize,
    )
    series = Series.of(metadata, need_targets)
    if series is not None and (steps := _steps(metadata, series, sources, base or Path(), spec, need_targets)):
        found = steps.examples()
        check_steps(series.fields, found.arrays, dict.fromkeys(found.arrays, listed(steps.files)))
        return found
    reader = Reader(metadata, need_targets, spec)
    single, by_name = _plan(metadata, sources, base or Path(), spec, need_targets)
    arrays, notes = reader.all(single, by_name)
    files = {f.name: str(by_name.get(f.name, single)) for f in reader.fields}
    check_pairs([path for path in dict.fromkeys([single, *by_name.values()]) if path is not None and path.is_dir()])
    count = check_counts(arrays, files)
    check_steps(reader.fields, arrays, files)
    return Examples(arrays, count, tuple(dict.fromkeys(files.values())), tuple(notes))


def read_steps(metadata: Metadata, sources: Sequence[str | Path]) -> Steps | None:
    """The series of a net's inputs as they are in files, uncut; None where these hold examples. Raises Fault."""
    series = Series.of(metadata, need_targets=False)
    spec = metadata.data or DataSource(None)
    return None if series is None else _steps(metadata, series, sources, Path(), spec, need_targets=False)


def _steps(
    metadata: Metadata,
    series: Series,
    sources: Sequence[str | Path],
    base: Path,
    spec: DataSource,
    need_targets: bool,
) -> Steps | None:
    """The series in the files of a net over time; None where these hold examples, as arrays may."""
    spec = replace(spec, bind={name: how for name, how in spec.bind.items() if "shift" not in how})
    reader = Reader(series.steps(metadata), need_targets, spec, bool(series.reach))
    single, by_name = _plan(reader.metadata, sources, base, spec, need_targets)
    first = next(f for f in metadata.inputs if series.over_time(f))
    path = by_name.get(first.name, single)
    if path is None or not _holds_steps(path, first, series):
        return None
    for each in [f for f in reader.fields if f.steps]:
        message = f"{each.name} holds several {each.steps[0]} in each step, and a table or a text has one row a step"
        whole = next(f for f in metadata.fields if f.name == each.name)
        raise Fault("data-series", message, str(path), f"give an archive .npz with an array {expected(whole)}")
    arrays, notes = reader.all(single, by_name)
    files = {f.name: str(by_name.get(f.name, single)) for f in reader.fields}
    count = check_counts(arrays, files)
    sequences = reader.sequences(single, count)
    return Steps(series, arrays, sequences, tuple(dict.fromkeys(files.values())), tuple(notes), reader.labels)


def _holds_steps(path: Path, field: Field, series: Series) -> bool:
    """Whether a file holds steps of a field, and not examples: text and tables do, and arrays of a step's shape."""
    kind = format_of(path)
    if kind in ("folder", "image") or (kind != "csv" and not series.window):
        return False
    readers = {"npz": lambda: npz_shape(path, field.name), "npy": lambda: read_npy(path).shape}
    shape = kind != "csv" and readers.get(kind, lambda: read_idx(path).shape)()
    return kind == "csv" or (isinstance(shape, tuple) and fits(series.step(field), shape))


def _plan(
    metadata: Metadata, sources: Sequence[str | Path], base: Path, spec: DataSource, need_targets: bool
) -> tuple[Path | None, dict[str, Path]]:
    """The file of several fields, and those of single ones."""
    fields = metadata.fields if need_targets else metadata.inputs
    if not sources:
        single = base / spec.file if spec.file else None
        by_name = {name: _own_file(base, name, how["file"]) for name, how in spec.bind.items() if "file" in how}
    else:
        split = [_split(metadata, source) for source in sources]
        named = [(name, path) for name, path in split if name is not None]
        plain = [path for name, path in split if name is None]
        if len(plain) > 1 or (plain and {f.name for f in fields} <= dict(named).keys()):
            help = "give one FILE, and a NAME=FILE for each field that is not in it"
            raise Fault("data-source", f"{listed(map(str, sources))} do not go together", None, help)
        single = plain[0] if plain else None
        by_name = dict(named)
        if len(by_name) < len(named):
            raise Fault("data-source", f"a field has two files: {listed(map(str, sources))}")
    by_name = {f.name: by_name[f.name] for f in fields if f.name in by_name}
    if single is None and len(by_name) < len(fields):
        without = listed(f.name for f in fields if f.name not in by_name)
        help = 'name a file with `--data FILE`, or in the spec: `data "FILE"`'
        raise Fault("data-source", f"nothing says where the examples of {without} are", None, help)
    return single if len(by_name) < len(fields) else None, by_name


def _own_file(base: Path, name: str, file: str) -> Path:
    """The file that the spec gives to a single field, as long as no column may be meant."""
    path = base / file
    if path.suffix or path.exists():
        return path
    raise Fault("file-missing", "there is no such file", str(path), f'a column of this name is {name}=["{file}"]')


def _split(metadata: Metadata, source: str | Path) -> tuple[str | None, Path]:
    """A NAME=FILE in its parts; a FILE has no name."""
    name, equals, file = str(source).partition("=")
    if isinstance(source, Path) or not equals or not re.fullmatch(r"[A-Za-z_]\w*", name):
        return None, Path(source)
    names = [f.name for f in metadata.fields]
    if name in names:
        return name, Path(file)
    if Path(source).exists():
        return None, Path(source)
    help = did_you_mean(name, names) or f"the fields are {listed(names)}"
    raise Fault("data-source", f"the net has no input or target {name}", str(source), help)
