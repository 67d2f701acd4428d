"""The data sentence: which file, and which of its columns are whose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from . import syntax
from .constants import NotConstantError
from .diagnostics import Report, did_you_mean, listed
from .net import Field
from .scope import Scope
from .syntax import Argument, Call, Expr, Items, Name, Number, Span, Text

BINDINGS = 'write y=label, x=age..income, x=[age, income], y=3 or y="labels.gz"'


def data_of(sentence: syntax.Data, fields: Mapping[str, Field], scope: Scope) -> dict[str, Any]:
    """The file, and what the options say of its columns, its images or its steps; faults go to the report."""
    report = scope.report
    _check_path(sentence.file, "data", report)
    found: dict[str, Any] = {"file": sentence.file.value, "bind": {}, "header": None}
    seen: set[str] = set()
    for option in sentence.options:
        key, place = option.key or "", option.key_place or option.place
        if key in seen:
            report.error("duplicate-option", f"{key} is given twice", place, "take one of them away")
        elif key in fields:
            found["bind"][key] = _binding(option.value, report)
        elif key in OPTIONS:
            found[key] = OPTIONS[key](option, scope)
        else:
            help = did_you_mean(key, [*fields, *OPTIONS]) or _known(fields)
            report.error("unknown-name", f"{key} is not an input or a target", place, help)
        seen.add(key)
    return found


def _known(fields: Mapping[str, Field]) -> str:
    return f"the spec declares {listed(fields)}" if fields else "declare it: input x: f32[4]"


def _flag(option: Argument, scope: Scope) -> bool | None:
    if isinstance(option.value, syntax.Boolean):
        return option.value.value
    message, help = f"{option.key} of data is true or false", f"write {option.key}=true"
    scope.report.error("bad-option", message, option.value.place, help)
    return None


def _delimiter(option: Argument, scope: Scope) -> str | None:
    if isinstance(option.value, Text) and len(option.value.value) == 1 and option.value.value not in '"\r\n ':
        return option.value.value
    help = 'write delimiter=";", or delimiter="\\t" for a tab'
    scope.report.error("bad-option", "delimiter of data is one character", option.value.place, help)
    return None


def _steps(option: Argument, scope: Scope) -> int | None:
    """A number of steps, which may be the name of a let."""
    try:
        value = scope.number(option.value)
    except NotConstantError:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    message = f"{option.key} of data is a whole number of steps, at least 1"
    scope.report.error("bad-option", message, option.value.place, f"as in {option.key}=1")
    return None


def _group(option: Argument, scope: Scope) -> str | int | None:
    if isinstance(option.value, Name | Number | Text):
        return _column(option.value, scope.report)
    message = "id of data is the column whose values tell which rows are one sequence"
    scope.report.error("bad-option", message, option.value.place, "as in id=patient, or id=1")
    return None


# What the sentence says beside the fields.
OPTIONS: Mapping[str, Callable[[Argument, Scope], Any]] = {
    "header": _flag,
    "delimiter": _delimiter,
    "resize": _flag,
    "id": _group,
    "horizon": _steps,
    "stride": _steps,
}


def _check_path(file: Text, subject: str, report: Report) -> None:
    path = file.value
    if path and "\0" not in path and "\\" not in path and not PurePosixPath(path).is_absolute():
        return
    message = f"the file of {subject} is named relative to the spec, with forward slashes"
    report.error("bad-path", message, file.place, "another place is named on the command line: --data FILE")


def _binding(value: Expr, report: Report) -> dict[str, Any]:
    match value:
        case Name() | Number():
            return {"column": _column(value, report)}
        case Span(first=Name() | Number() | Text() as first, last=Name() | Number() | Text() as last):
            return {"span": [_column(first, report), _column(last, report)]}
        case Items(items=items) if items and all(isinstance(i, Name | Number | Text) for i in items):
            return {"columns": [_column(i, report) for i in items]}
        case Text():
            _check_path(value, "a field", report)
            return {"file": value.value}
        case Call(word="shift", arguments=(Argument(key=None, value=Name() as source),)):
            return {"shift": source.id}
        case Call(word="shift"):
            report.error("bad-option", "shift takes the name of an input", value.place, "as in next=shift(text)")
        case _:
            report.error("bad-option", "this names no column, columns or file", value.place, BINDINGS)
    return {}


def _column(expr: Any, report: Report) -> str | int:
    match expr:
        case Name():
            return expr.id
        case Text():
            return expr.value
        case Number() if isinstance(expr.value, int) and expr.value >= 1:
            return expr.value
        case _:
            report.error("bad-option", f"{expr.text} is not the number of a column", expr.place, "they count from 1")
            return 1
