"""Which columns of a CSV file belong to which field of the net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from .csv_file import Table
from .errors import Fault, did_you_mean, listed, plural
from .metadata import Field

Bind = Mapping[str, Mapping[str, Any]]


def bind_columns(
    table: Table,
    inputs: Sequence[Field],
    targets: Sequence[Field],
    bind: Bind,
    ahead: bool | None = None,
    group: str | int | None = None,
) -> dict[str, list[int]]:
    """The columns, counting from 0, of every field.

    A field that `bind` deals takes those columns; one whose name is a column's takes it. Of what is left: a single
    field takes the columns that are left; a single input and a single target take the rest and the last column. Where
    the rows are steps, targets that lie `ahead` may have columns that are an input's too; the column `group` is none's.
    """
    fields = [*inputs, *targets]
    dealt = {f.name: _by_hand(table, f, bind[f.name]) for f in fields if f.name in bind}
    dealt |= {f.name: [_named(table, f.name)] for f in fields if f.name not in dealt and f.name in (table.names or ())}
    _check_widths(table, fields, dealt)
    help = None if ahead is None else "horizon=1 makes a target the next step, which may be an input's column"
    for own in (inputs, targets) if ahead else (fields,):
        _check_overlap(table, {f.name: dealt[f.name] for f in own if f.name in dealt}, help)
    taken = {column for columns in dealt.values() for column in columns}
    taken |= {column_of(table, "id", group)} if group is not None else set()
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
        return [column_of(table, field.name, c) for c in cast("Sequence[Any]", how["columns"])]
    if "span" in how:
        first, last = (column_of(table, field.name, c) for c in cast("Sequence[Any]", how["span"]))
        if last < first:
            message = f"{field.name}: the span ends at {_name(table, last)} before it begins at {_name(table, first)}"
            raise Fault("data-binding", message, str(table.path))
        return list(range(first, last + 1))
    if "column" in how:
        return [column_of(table, field.name, how["column"])]
    raise Fault("data-binding", f"{field.name}: {dict(how)} names no column", str(table.path))


def column_of(table: Table, whose: str, column: object) -> int:
    """A column by its name or its number; `whose` it is stands before what is wrong with it."""
    if isinstance(column, str):
        return _named(table, column, whose)
    if type(column) is int and 1 <= column <= table.width:
        return column - 1
    message = f"{whose}: there is no column {column}; they go from 1 to {table.width}"
    raise Fault("data-binding", message, str(table.path))


def _named(table: Table, name: str, whose: str = "") -> int:
    names = table.names or ()
    found = [i for i, other in enumerate(names) if other == name]
    if len(found) == 1:
        return found[0]
    whose = f"{whose}: " if whose else ""
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


def _check_overlap(table: Table, dealt: Mapping[str, list[int]], help: str | None) -> None:
    owners: dict[int, str] = {}
    for name, columns in dealt.items():
        for column in columns:
            if column in owners:
                whose = name if owners[column] == name else f"{owners[column]} and {name}"
                message = f"column {_name(table, column)} is given twice, to {whose}"
                raise Fault("data-binding", message, str(table.path), help)
            owners[column] = name


def _undealt(table: Table, left: Sequence[Field], rest: Sequence[int]) -> Fault:
    names = listed(f"{f.name} ({f.text})" for f in left)
    columns = listed(_name(table, c) for c in rest) or "none"
    message = f"it is not clear which columns belong to {names}; these are left: {columns}"
    first, example = rest[0] + 1 if rest else 1, ""
    for field in left[:2]:
        last = first + field.width - 1
        example += f" {field.name}={first if last == first else f'{first}..{last}'}"
        first = last + 1
    return Fault(
        "data-binding", message, str(table.path), f'deal them by hand, as in `data "{table.path.name}"{example}`'
    )


def _columns_told(table: Table) -> str:
    if table.names:
        return f"the columns are {listed(table.names)}"
    return f"it has {plural(table.width, 'column')} without names, numbered from 1"
