"""Reads files for a net: which format each has, and every field's array checked against its type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .binding import bind_columns, bound_names, column_of, unused
from .csv_file import MISSING, Columns, Table, open_table, read_columns
from .errors import Fault, did_you_mean, listed
from .fields import Array, Problem, Problems, check_shape, conform, label_ids, shown
from .files import head_of
from .idx_file import GZIP_MAGIC, is_gzipped_idx, is_idx, read_idx
from .image_file import is_image, read_image
from .image_folder import read_folder
from .metadata import DataSource, Field, Metadata
from .npz_file import NPY_MAGIC, ZIP_MAGIC, Header, npz_names, read_npy, read_npz
from .series import sequences_of
from .text_file import is_text, read_text


@dataclass(frozen=True)
class _Format:
    """A file format by its first bytes."""

    name: str
    matches: bool


def format_of(path: Path) -> str:
    """The format of a file; Fault where it is none that is read."""
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
class Reader:
    """Reads files for one net; `ahead` says of one whose rows are steps whether its targets lie ahead of its inputs.

    `labels` are the symbols of the texts that were read, by field.
    """

    metadata: Metadata
    need_targets: bool
    spec: DataSource
    ahead: bool | None = None
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def fields(self) -> tuple[Field, ...]:
        """What is read."""
        return self.metadata.fields if self.need_targets else self.metadata.inputs

    def all(self, single: Path | None, by_name: Mapping[str, Path]) -> tuple[dict[str, Array], list[str]]:
        """The arrays of all fields, from a file that holds several and those that hold one, and what was decided."""
        arrays, notes = self.whole(single, by_name) if single is not None else ({}, [])
        for name, path in by_name.items():
            arrays[name] = self.one(next(f for f in self.fields if f.name == name), path)
        return {f.name: arrays[f.name] for f in self.fields}, notes

    def sequences(self, path: Path | None, count: int) -> list[Array]:
        """The rows of each sequence among so many: those with one value in the column `id`, or all."""
        if self.spec.id is None:
            return [np.arange(count)]
        if path is None or format_of(path) != "csv":
            message = f"id={self.spec.id} groups the rows of one CSV file, and this is none"
            raise Fault("data-binding", message, None if path is None else str(path))
        table = self._table(path, self.metadata.fields)
        column = column_of(table, "id", self.spec.id)
        return sequences_of(read_columns(table, [], [column]).texts[column][0])

    def whole(self, path: Path, elsewhere: Mapping[str, Path]) -> tuple[dict[str, Array], list[str]]:
        """The fields of a file that holds several, without those that have a file of their own."""
        fields = [f for f in self.fields if f.name not in elsewhere]
        kind = format_of(path)
        if kind == "csv" and self._is_text(path, fields):
            return {fields[0].name: self._text(path, fields[0])}, []
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
        kind = format_of(path)
        if kind == "folder":
            return read_folder(path, [field], self.spec.resize)[0][field.name]
        if kind == "csv" and self._is_text(path, [field]):
            return self._text(path, field)
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

    def _is_text(self, path: Path, fields: Sequence[Field]) -> bool:
        return self.ahead is not None and is_text(path, fields)

    def _text(self, path: Path, field: Field) -> Array:
        ids, self.labels[field.name] = read_text(path, field)
        return ids

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
        names = {f.name for f in self.metadata.fields} | bound_names(self.spec.bind) | {str(self.spec.id)}
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
            dealt = bind_columns(table, inputs, targets, bind, self.ahead, self.spec.id)
        except Fault:
            if self.need_targets:
                raise
            dealt = bind_columns(table, inputs, [], bind, self.ahead, self.spec.id)
        group = [] if self.spec.id is None else [column_of(table, "id", self.spec.id)]
        extra = unused(table, {**dealt, "id": group})
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
        flat = int(np.ravel_multi_index(index[1:], field.fixed)) if field.shape else 0
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
