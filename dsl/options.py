"""Arguments of a use, bound to the options that a word or a sentence declares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .archive import read_entry
from .constants import Constant, NotConstantError, evaluate
from .diagnostics import Report, did_you_mean, listed
from .ir import Tensor
from .ops import literal
from .source import Place
from .syntax import Argument, Call, Expr, Items, Name, Number, Text, Unary
from .words import WORDS, Fresh, Init, Kind, Option, Word, WordError, find, names

# Numbers that a spec may list, or take from an archive, for one weight: they are printed into the trainer.
LARGEST_LITERAL = 65_536


@dataclass
class Scope:
    """What the arguments of a spec may name, and where their faults are reported."""

    constants: Mapping[str, Constant]
    report: Report
    folder: str | None = None
    literals: dict[str, Any] = field(default_factory=lambda: {})

    def number(self, expr: Expr) -> Constant:
        """The value of a constant expression."""
        return evaluate(expr, self.constants, self.report)

    def fail(self, code: str, message: str, place: Place, help: str | None = None) -> NotConstantError:
        """Report an error and return what to raise."""
        self.report.error(code, message, place, help)
        return NotConstantError()


@dataclass(frozen=True)
class Rate:
    """A rate of an updater: a number, or a schedule with its options."""

    number: float | None
    word: Word | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: {})
    place: Place | None = None


def bind(
    subject: str,
    table: Mapping[str, Option],
    arguments: Iterable[Argument],
    place: Place,
    scope: Scope,
) -> dict[str, Any]:
    """The options of a use, with defaults; NotConstantError, after every diagnostic, where one does not fit."""
    given: dict[str, Argument] = {}
    positional = [name for name in table if not name.startswith("_")]
    failed = False
    for argument in arguments:
        key = argument.key or (positional[len(given)] if len(given) < len(positional) else None)
        failed |= not _accept(subject, table, argument, key, given, scope)
    for option in table.values():
        if option.required and option.name not in given and not failed:
            message = f"{subject} needs {option.name}: {option.kind.description}"
            scope.report.error("missing-option", message, place)
            failed = True
    values = {name: option.default for name, option in table.items()}
    for name, argument in given.items():
        try:
            values[name] = convert(table[name], argument.value, subject, scope)
        except NotConstantError:
            failed = True
    if failed:
        raise NotConstantError
    return values


def _accept(
    subject: str,
    table: Mapping[str, Option],
    argument: Argument,
    key: str | None,
    given: dict[str, Argument],
    scope: Scope,
) -> bool:
    place = argument.key_place or argument.place
    if key is None:
        takes = f"takes {listed(table)}" if table else "takes no options"
        scope.report.error("too-many-options", f"{subject} {takes}; this is one too many", place)
        return False
    if key not in table:
        help = did_you_mean(key, table) or (f"it takes {listed(table)}" if table else f"{subject} takes no options")
        scope.report.error("unknown-option", f"{subject} has no option {key}", place, help)
        return False
    if key in given:
        scope.report.error("duplicate-option", f"{key} is given twice", place, "take one of them away")
        return False
    given[key] = argument
    return True


def convert(option: Option, expr: Expr, subject: str, scope: Scope) -> Any:
    """An argument's value as its option wants it."""
    return FORMS[option.kind.form](_Use(option, expr, subject, scope))


@dataclass(frozen=True)
class _Use:
    option: Option
    expr: Expr
    subject: str
    scope: Scope

    def fail(self, found: str | None = None) -> NotConstantError:
        found = found or f"this is {_describe(self.expr)}"
        message = f"{self.option.name} of {self.subject} is {self.option.kind.description}; {found}"
        return self.scope.fail("bad-option", message, self.expr.place)

    def constant(self) -> Constant:
        return self.scope.number(self.expr)


def _describe(expr: Expr) -> str:
    match expr:
        case Number():
            return expr.text
        case Text():
            return "a string"
        case Name():
            return f"the name {expr.id}"
        case Call():
            return f"the call {expr.word}(...)"
        case _:
            return "something else"


def _real(use: _Use) -> float:
    value = use.constant()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise use.fail()
    if not use.option.kind.holds(value):
        raise use.fail(f"{value:g} is not")
    return float(value)


def _whole(use: _Use) -> int:
    value = _real(use)
    if not value.is_integer():
        raise use.fail(f"{value:g} is not")
    return int(value)


def _flag(use: _Use) -> bool:
    value = use.constant()
    if not isinstance(value, bool):
        raise use.fail()
    return value


def _sizes(use: _Use) -> tuple[int, ...]:
    value = use.constant()
    items: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
    sizes = tuple(v for v in items if isinstance(v, int) and not isinstance(v, bool) and v >= 1)
    if not items or len(sizes) < len(items):
        raise use.fail("each size is a whole number of at least 1")
    return sizes


def _identifier(use: _Use) -> str:
    if not isinstance(use.expr, Name):
        raise use.fail()
    return use.expr.id


def _unit(use: _Use) -> str:
    name = _identifier(use)
    if name not in ("epoch", "step"):
        raise use.fail()
    return name


def _rate(use: _Use) -> Rate:
    if not isinstance(use.expr, Call):
        return Rate(_real(use))
    word = word_or_fail("schedule", use.expr.word, use.expr.word_place, use.scope)
    table = {**word.options, "per": PER}
    options = bind(word.name, table, use.expr.arguments, use.expr.place, use.scope)
    return Rate(None, word, options, use.expr.place)


def _init(use: _Use) -> Init:
    expr = use.expr
    if isinstance(expr, Items):
        return _listed_init(use, np.array(_nested(use, expr), dtype=np.float64))
    if isinstance(expr, Call) and expr.word == "npz":
        return _archived_init(use, expr)
    if isinstance(expr, Number | Unary) or (isinstance(expr, Name) and expr.id in use.scope.constants):
        word, options = find("init", "constant"), {"value": _real(use)}
        assert word is not None
    elif isinstance(expr, Name):
        word, options = word_or_fail("init", expr.id, expr.place, use.scope), {}
        options = bind(word.name, word.options, (), expr.place, use.scope)
    elif isinstance(expr, Call):
        word = word_or_fail("init", expr.word, expr.word_place, use.scope)
        options = bind(word.name, word.options, expr.arguments, expr.place, use.scope)
    else:
        raise use.fail()
    return Init(word.name, lambda w: word.function(w, **options))


def _nested(use: _Use, expr: Items) -> Any:
    values = use.constant()

    def check(value: Constant) -> Any:
        if isinstance(value, tuple):
            return [check(v) for v in value]
        if isinstance(value, bool | str):
            raise use.scope.fail("bad-option", "a weight's values are numbers", expr.place)
        return value

    nested = check(values)
    try:
        np.array(nested, dtype=np.float64)
    except ValueError:
        message = "the rows of this list differ in length"
        raise use.scope.fail("bad-option", message, expr.place, "give every row as many numbers") from None
    return nested


def _listed_init(use: _Use, values: Any) -> Init:
    """An initializer that sets the listed numbers, which must have the weight's shape."""
    if values.size > LARGEST_LITERAL:
        message = f"{values.size:,} numbers are too many to print into the trainer; the limit is {LARGEST_LITERAL:,}"
        raise use.scope.fail("bad-option", message, use.expr.place, "start the training from them: --weights FILE")

    def make(w: Fresh) -> Tensor:
        if values.shape != w.shape:
            raise WordError(
                "shape-mismatch", f"{w.name} has shape {list(w.shape)}, but its list has {list(values.shape)}"
            )
        name = f"{w.name}_VALUES"
        return w.builder.emit(literal, values=values, shape=w.shape, name=name)

    return Init("listed", make)


def _archived_init(use: _Use, expr: Call) -> Init:
    texts = [a.value.value for a in expr.arguments if isinstance(a.value, Text) and a.key is None]
    if len(texts) != 2 or len(expr.arguments) != 2:
        raise use.scope.fail("bad-option", 'an archive is named so: npz("weights.npz", "W1")', expr.place)
    try:
        values = read_entry(use.scope.folder, *texts)
    except ValueError as error:
        raise use.scope.fail("bad-archive", str(error), expr.place) from None
    return _listed_init(use, values)


def word_or_fail(kind: str, name: str, place: Place, scope: Scope) -> Word:
    """The word of a kind; NotConstantError after a diagnostic where there is none."""
    word = find(kind, name)
    if word is None:
        article = "an" if kind[0] in "aeiou" else "a"
        other = sorted({k for k, n in WORDS if n == name})
        help = did_you_mean(name, names(kind)) or f"there are {listed(names(kind))}"
        message = f"{name} is not the name of {article} {kind}" + (f"; it is one of {listed(other)}" if other else "")
        raise scope.fail("unknown-word", message, place, help)
    return word


FORMS: dict[str, Callable[[_Use], Any]] = {
    "real": _real,
    "whole": _whole,
    "flag": _flag,
    "sizes": _sizes,
    "identifier": _identifier,
    "unit": _unit,
    "setting": _real,
    "rate": _rate,
    "init": _init,
}
PER = Option("per", Kind("unit", "epoch or step"), "epoch", required=False)
