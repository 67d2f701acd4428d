"""The data sentence: which file, and which of its columns are whose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from . import syntax
from .diagnostics import Report, did_you_mean, listed
from .net import Field
from .syntax import Argument, Call, Expr, Items, Name, Number, Span, Text

BINDINGS = 'write y=label, x=age..income, x=[age, income], y=3 or y="labels.gz"'


def data_of(sentence: syntax.Data, fields: Mapping[str, Field], report: Report) -> dict[str, Any]:
    """The file, and what the options say of its columns or of its images; faults go to the report."""
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
            found[key] = OPTIONS[key](option, report)
        else:
            help = did_you_mean(key, [*fields, *OPTIONS]) or _known(fields)
            report.error("unknown-name", f"{key} is not an input or a target", place, help)
        seen.add(key)
    return found


def _known(fields: Mapping[str, Field]) -> str:
    return f"the spec declares {listed(fields)}" if fields else "declare it: input x: f32[4]"


def _flag(option: Argument, report: Report) -> bool | None:
    if isinstance(option.value, syntax.Boolean):
        return option.value.value
    message, help = f"{option.key} of data is true or false", f"write {option.key}=true"
    report.error("bad-option", message, option.value.place, help)
    return None


def _delimiter(option: Argument, report: Report) -> str | None:
    if isinstance(option.value, Text) and len(option.value.value) == 1 and option.value.value not in '"\r\n ':
        return option.value.value
    help = 'write delimiter=";", or delimiter="\\t" for a tab'
    report.error("bad-option", "delimiter of data is one character", option.value.place, help)
    return None


# What the sentence says beside the fields.
OPTIONS: Mapping[str, Callable[[Argument, Report], Any]] = {"header": _flag, "delimiter": _delimiter, "resize": _flag}


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
        case Call(word="shift"):
            help = "leave it out: each row is an example of its own"
            report.error("not-yet", "this version of netc has no shifted inputs", value.place, help)
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
