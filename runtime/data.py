"""Reading examples: which files, which format, and every field's array checked against its type."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .binding import bind_columns, bound_names, unused
from .csv_file import MISSING, Columns, Table, open_table, read_columns
from .errors import Fault, did_you_mean, listed
from .fields import Array, Problem, Problems, check_counts, check_shape, conform, digest_of, label_ids, shown
from .files import head_of
from .idx_file import GZIP_MAGIC, is_gzipped_idx, is_idx, read_idx
from .image_file import is_image, read_image
from .image_folder import check_pairs, read_folder
from .metadata import DataSource, Field, Metadata
from .npz_file import NPY_MAGIC, ZIP_MAGIC, Header, npz_names, read_npy, read_npz


@dataclass(frozen=True)
class Examples:
    """Checked examples: an array a field, the first axis counting examples, stored as the field's kind is.

    `files` are those that were read, `notes` what the reader decided and the user may want to know.
    """

    arrays: Mapping[str, Array]
    count: int
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def pick(self, fields: Sequence[Field]) -> tuple[Array, ...]:
        """The arrays of some fields, in their order."""
        return tuple(self.arrays[f.name] for f in fields)

    def digest(self) -> str:
        """The SHA-256 of names, types, shapes and values."""
        return digest_of(self.arrays)


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
    return Examples(checked, check_counts(checked, dict.fromkeys(checked, "arrays")))


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
    for a FILE of the command line too. A FILE may be a folder of images. Without `need_targets` only inputs are read.
    Raises Fault.
    """
    said = metadata.data or DataSource(None)
    spec = DataSource(
        said.file,
        said.bind,
        said.header if header is None else header,
        said.delimiter if delimiter is None else delimiter,
        said.resize or resize,
    )
    reader = _Reader(metadata, need_targets, spec)
    single, by_name = _plan(metadata, sources, base or Path(), spec, need_targets)
    arrays, notes = reader.whole(single, by_name) if single is not None else ({}, [])
    for name, path in by_name.items():
        arrays[name] = reader.one(next(f for f in reader.fields if f.name == name), path)
    files = {f.name: str(by_name.get(f.name, single)) for f in reader.fields}
    check_pairs([path for path in dict.fromkeys([single, *by_name.values()]) if path is not None and path.is_dir()])
    ordered = {f.name: arrays[f.name] for f in reader.fields}
    return Examples(ordered, check_counts(ordered, files), tuple(dict.fromkeys(files.values())), tuple(notes))


def _plan(
    metadata: Metadata, sources: Sequence[str | Path], base: Path, spec: DataSource, need_targets: bool
) -> tuple[Path | None, dict[str, Path]]:
    """The file of several fields, and those of single ones."""
    fields = metadata.fields if need_targets else metadata.inputs
    if not sources:
        single = base / spec.file if spec.file else None
        by_name = {name: base / how["file"] for name, how in spec.bind.items() if "file" in how}
    else:
        split = [_split(metadata, source) for source in sources]
        named = [(name, path) for name, path in split if name is not None]
        plain = [path for name, path in split if name is None]
        if len(plain) > 1 or (plain and named):
            help = "give one FILE, or a NAME=FILE for every field"
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


@dataclass(frozen=True)
class _Format:
    """A file format by its first bytes."""

    name: str
    matches: bool


def _format(path: Path) -> str:
    if path.is_dir():
        return "folder"
    head = head_of(path)
    if head[:2] == GZIP_MAGIC and not is_gzipped_idx(path):
        raise Fault("data-format", "a gzip file is read only if it holds IDX", str(path), "unpack it first")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Fault("data-encoding", "it is UTF-16, not UTF-8", str(path), "save it as UTF-8")
    formats = (
        _Format("npz", head[:4] in ZIP_MAGIC),
        _Format("npy", head[:6] == NPY_MAGIC),
        _Format("idx", head[:2] == GZIP_MAGIC or is_idx(head)),
        _Format("image", is_image(head)),
        _Format("csv", b"\0" not in head),
    )
    found = next((format.name for format in formats if format.matches), None)
    if found is None:
        raise Fault("data-format", "it is neither .npz, .npy, IDX, PNG, JPEG nor CSV", str(path))
    return found


@dataclass(frozen=True)
class _Reader:
    """Reads files for one net."""

    metadata: Metadata
    need_targets: bool
    spec: DataSource

    @property
    def fields(self) -> tuple[Field, ...]:
        return self.metadata.fields if self.need_targets else self.metadata.inputs

    def whole(self, path: Path, elsewhere: Mapping[str, Path]) -> tuple[dict[str, Array], list[str]]:
        """The fields of a file that holds several, without those that have a file of their own."""
        fields = [f for f in self.fields if f.name not in elsewhere]
        kind = _format(path)
        if kind == "csv":
            return self._csv(path, fields, elsewhere)
        if kind == "folder":
            return read_folder(path, fields, self.spec.resize)
        if kind == "npz":
            return self._npz(path, fields)
        if len(fields) == 1:
            return {fields[0].name: self._array(fields[0], path, kind)}, []
        names = " ".join(f"--data {f.name}=FILE" for f in fields)
        message = f"it holds one array, but the net has {listed(f.name for f in fields)}"
        raise Fault("data-source", message, str(path), f"give each its file: `{names}`")

    def one(self, field: Field, path: Path) -> Array:
        """The array of a field that has a file of its own."""
        kind = _format(path)
        if kind == "folder":
            return read_folder(path, [field], self.spec.resize)[0][field.name]
        if kind == "npz":
            return self._npz(path, [field])[0][field.name]
        if kind == "csv":
            table = self._table(path, [field])
            names = table.names or ()
            dealt = (
                bind_columns(table, [field], [], {}) if field.name in names else {field.name: list(range(table.width))}
            )
            if len(dealt[field.name]) != field.width:
                bind_columns(table, [field], [], {field.name: {"span": [1, table.width]}})
            return _csv_arrays(table, [field], dealt)[field.name]
        return self._array(field, path, kind)

    def _array(self, field: Field, path: Path, kind: str) -> Array:
        def accept(_: str, header: Header) -> None:
            check_shape(field, header.shape, str(path))

        if kind == "image":
            return conform(field, read_image(path, field, self.spec.resize)[None], str(path), lambda _: str(path))
        array = read_idx(path) if kind == "idx" else read_npy(path, accept)
        return conform(field, array, str(path))

    def _npz(self, path: Path, fields: Sequence[Field]) -> tuple[dict[str, Array], list[str]]:
        by_name = {f.name: f for f in fields}
        names = npz_names(path)
        for f in fields:
            if f.name not in names:
                help = did_you_mean(f.name, names) or f"its entries are {listed(names) or 'none'}"
                raise Fault("data-missing", f"there is no entry {f.name}", str(path), help)

        def accept(name: str, header: Header) -> None:
            check_shape(by_name[name], header.shape, str(path))

        arrays = read_npz(path, accept, by_name)
        extra = [n for n in names if n not in [f.name for f in self.metadata.fields]]
        notes = [f"{path.name}: not used: {listed(extra)}"] if extra else []
        return {f.name: conform(f, arrays[f.name], str(path)) for f in fields}, notes

    def _table(self, path: Path, fields: Sequence[Field]) -> Table:
        names = {f.name for f in self.metadata.fields} | bound_names(self.spec.bind)
        labels = {label for f in fields for label in f.labels or ()}
        return open_table(path, names, labels, self.spec.header, self.spec.delimiter)

    def _csv(
        self, path: Path, fields: Sequence[Field], elsewhere: Mapping[str, Path]
    ) -> tuple[dict[str, Array], list[str]]:
        table = self._table(path, self.metadata.fields)
        bind = {name: how for name, how in self.spec.bind.items() if "file" not in how}
        inputs = [f for f in self.metadata.inputs if f.name not in elsewhere]
        targets = [f for f in self.metadata.targets if f.name not in elsewhere]
        try:
            dealt = bind_columns(table, inputs, targets, bind)
        except Fault:
            if self.need_targets:
                raise
            dealt = bind_columns(table, inputs, [], bind)
        extra = unused(table, dealt)
        notes = [f"{path.name}: {'the first line names the columns' if table.names else 'no header; line 1 is data'}"]
        notes += [f"{path.name}: not used: column {listed(extra)}"] if extra else []
        return _csv_arrays(table, fields, dealt), notes


def _csv_arrays(table: Table, fields: Sequence[Field], dealt: Mapping[str, list[int]]) -> dict[str, Array]:
    texts = {c for f in fields if f.rule.ids for c in dealt[f.name]}
    numbers = {c for f in fields if not f.rule.ids for c in dealt[f.name]}
    columns = read_columns(table, numbers, texts)
    return {f.name: _csv_field(table, columns, f, dealt[f.name]) for f in fields}


def _csv_field(table: Table, columns: Columns, field: Field, dealt: Sequence[int]) -> Array:
    if field.rule.ids:
        ids = [_csv_labels(table, columns, field, c) for c in dealt]
        return np.stack(ids, axis=1).reshape(-1, *field.shape)

    def place(index: tuple[int, ...]) -> str:
        flat = int(np.ravel_multi_index(index[1:], field.shape)) if field.shape else 0
        return f"{table.path}:{columns.lines[index[0]]}, {table.column(dealt[flat])}"

    values = np.stack([columns.numbers[c] for c in dealt], axis=1).reshape(-1, *field.shape)
    return conform(field, values, str(table.path), place)


def _csv_labels(table: Table, columns: Columns, field: Field, column: int) -> Array:
    codes, distinct = columns.texts[column]
    ids, wrong = label_ids(field, distinct)
    if wrong:
        bad = np.flatnonzero(ids[codes] < 0)
        problems = Problems()
        problems.add((_label_problem(table, columns, distinct, wrong, column, int(row)) for row in bad[:5]), len(bad))
        problems.raise_any()
    return ids[codes]


def _label_problem(
    table: Table,
    columns: Columns,
    distinct: Sequence[str],
    wrong: Mapping[int, tuple[str, str | None]],
    column: int,
    row: int,
) -> Problem:
    code = int(columns.texts[column][0][row])
    where = f"{table.path}:{columns.lines[row]}, {table.column(column)}"
    text = distinct[code]
    if text.lower() in MISSING:
        said = f"says {shown(text)}" if text else "is empty"
        return Problem("data-missing-value", where, f"the cell {said}", "fill missing values or remove their rows")
    return Problem("data-label", where, *wrong[code])
