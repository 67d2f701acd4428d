"""Which columns of a CSV file belong to which field of the net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from .csv_file import Table
from .errors import Fault, did_you_mean, listed, plural
from .metadata import Field

Bind = Mapping[str, Mapping[str, Any]]


def bind_columns(table: Table, inputs: Sequence[Field], targets: Sequence[Field], bind: Bind) -> dict[str, list[int]]:
    """The columns, counting from 0, of every field.

    A field that `bind` deals takes those columns; one whose name is a column's takes it. Of what is left: a single
    field takes the columns that are left; a single input and a single target take the rest and the last column.
    """
    fields = [*inputs, *targets]
    dealt = {f.name: _by_hand(table, f, bind[f.name]) for f in fields if f.name in bind}
    dealt |= {f.name: [_named(table, f.name)] for f in fields if f.name not in dealt and f.name in (table.names or ())}
    _check_widths(table, fields, dealt)
    _check_overlap(table, dealt)
    taken = {column for columns in dealt.values() for column in columns}
    rest = [column for column in range(table.width) if column not in taken]
    left = [f for f in fields if f.name not in dealt]
    target = left[-1] if len(left) == 2 and left[0] in inputs and left[1] in targets and rest else None
    if target is not None and target.width == 1:
        dealt |= {target.name: rest[-1:], left[0].name: rest[:-1]}
    elif len(left) == 1:
        dealt[left[0].name] = rest
    elif left:
        raise _undealt(table, left, rest)
    _check_widths(table, fields, dealt)
    return {f.name: dealt[f.name] for f in fields}


def unused(table: Table, dealt: Mapping[str, list[int]]) -> list[str]:
    """The columns that no field takes."""
    taken = {column for columns in dealt.values() for column in columns}
    return [_name(table, column) for column in range(table.width) if column not in taken]


def bound_names(bind: Bind) -> set[str]:
    """The names of columns that a bind mentions."""
    values = [value for how in bind.values() for value in how.values()]
    flat = [c for value in values for c in (cast("list[Any]", value) if isinstance(value, list) else [value])]
    return {c for c in flat if isinstance(c, str)}


def _by_hand(table: Table, field: Field, how: Mapping[str, Any]) -> list[int]:
    if "columns" in how:
        return [_index(table, field, c) for c in cast("Sequence[Any]", how["columns"])]
    if "span" in how:
        first, last = (_index(table, field, c) for c in cast("Sequence[Any]", how["span"]))
        if last < first:
            message = f"{field.name}: the span ends at {_name(table, last)} before it begins at {_name(table, first)}"
            raise Fault("data-binding", message, str(table.path))
        return list(range(first, last + 1))
    if "column" in how:
        return [_index(table, field, how["column"])]
    raise Fault("data-binding", f"{field.name}: {dict(how)} names no column", str(table.path))


def _index(table: Table, field: Field, column: object) -> int:
    if isinstance(column, str):
        return _named(table, column, field)
    if type(column) is int and 1 <= column <= table.width:
        return column - 1
    message = f"{field.name}: there is no column {column}; they go from 1 to {table.width}"
    raise Fault("data-binding", message, str(table.path))


def _named(table: Table, name: str, field: Field | None = None) -> int:
    names = table.names or ()
    found = [i for i, other in enumerate(names) if other == name]
    if len(found) == 1:
        return found[0]
    whose = f"{field.name}: " if field else ""
    if found:
        message = f"{whose}{plural(len(found), 'column')} are called {name}"
        raise Fault("data-binding", message, str(table.path), "say which by its number, counting from 1")
    if not names:
        message = f"{whose}the columns have no names, so {name} is none of them"
        raise Fault("data-binding", message, str(table.path), f"they are numbered from 1 to {table.width}")
    help = did_you_mean(name, names) or f"the columns are {listed(names)}"
    raise Fault("data-binding", f"{whose}there is no column {name}", str(table.path), help)


def _name(table: Table, column: int) -> str:
    return table.names[column] if table.names else str(column + 1)


def _check_widths(table: Table, fields: Sequence[Field], dealt: Mapping[str, list[int]]) -> None:
    for field in fields:
        columns = dealt.get(field.name)
        if columns is not None and len(columns) != field.width:
            got = listed(_name(table, c) for c in columns) or "none"
            message = (
                f"{field.name}: {field.text} takes {plural(field.width, 'column')}, but gets {len(columns)}: {got}"
            )
            raise Fault("data-binding", message, str(table.path), _columns_told(table))


def _check_overlap(table: Table, dealt: Mapping[str, list[int]]) -> None:
    owners: dict[int, str] = {}
    for name, columns in dealt.items():
        for column in columns:
            if column in owners:
                whose = name if owners[column] == name else f"{owners[column]} and {name}"
                message = f"column {_name(table, column)} is given twice, to {whose}"
                raise Fault("data-binding", message, str(table.path))
            owners[column] = name


def _undealt(table: Table, left: Sequence[Field], rest: Sequence[int]) -> Fault:
    names = listed(f"{f.name} ({f.text})" for f in left)
    columns = listed(_name(table, c) for c in rest) or "none"
    message = f"it is not clear which columns belong to {names}; these are left: {columns}"
    example = " ".join(f"{f.name}={'1' if f.width == 1 else f'1..{f.width}'}" for f in left[:2])
    return Fault(
        "data-binding", message, str(table.path), f'deal them by hand, as in `data "{table.path.name}" {example}`'
    )


def _columns_told(table: Table) -> str:
    if table.names:
        return f"the columns are {listed(table.names)}"
    return f"it has {plural(table.width, 'column')} without names, numbered from 1"
