"""Arguments of a use, bound to the options that a word or a sentence declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .archive import read_entry
from .constants import LARGEST, NOTHING, Constant, NotConstantError, evaluate
from .declared import a_kind, unsafe
from .diagnostics import Report, did_you_mean, listed
from .ir import Tensor
from .ops import literal
from .source import Place
from .syntax import Argument, Binary, Boolean, Call, Expr, Items, Name, Number, Text, Unary, Window
from .words import WORDS, Fresh, Init, Kind, Option, Scheduled, Word, WordError, find, names

# Numbers that a spec may list, or take from an archive, for one weight: they are printed into the trainer.
LARGEST_LITERAL = 65_536
# Numbers that a spec may list for a schedule.
LONGEST_LIST = 100

# The graphs compute in float32; a number outside of its range would become infinite, or 0.
LARGEST_REAL, SMALLEST_REAL = (float(getattr(np.finfo(np.float32), end)) for end in ("max", "tiny"))


@dataclass
class Scope:
    """What the arguments of a spec may name, and where their faults are reported."""

    constants: Mapping[str, Constant | None]
    report: Report
    folder: str | None = None
    # What each name is that is no constant.
    declared: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    # The words that the spec itself defines, by kind and name.
    words: dict[tuple[str, str], Word] = field(default_factory=lambda: {})

    def find(self, kind: str, name: str) -> Word | None:
        """The word of a kind: the spec's own, or the vocabulary's."""
        return self.words.get((kind, name)) or find(kind, name)

    def linked(self, name: str) -> Word | None:
        """The layer or activation of a name: the spec's own, whichever it is, or the vocabulary's."""
        own = self.words.get(("layer", name)) or self.words.get(("activation", name))
        return own or find("layer", name) or find("activation", name)

    def names(self, kind: str) -> list[str]:
        """The names of all words of a kind, the spec's own first."""
        return [*dict.fromkeys([*(name for k, name in self.words if k == kind), *names(kind)])]

    def number(self, expr: Expr) -> Constant:
        """The value of a constant expression."""
        return evaluate(expr, self.constants, self.report, self.declared)

    def fail(self, code: str, message: str, place: Place, help: str | None = None) -> NotConstantError:
        """Report an error and return what to raise."""
        self.report.error(code, message, place, help)
        return NotConstantError()


def bind(
    subject: str,
    table: Mapping[str, Option],
    arguments: Iterable[Argument],
    place: Place,
    scope: Scope,
    keyed: Mapping[str, Option] | None = None,
    example: str = "",
    beside: str = "",
) -> dict[str, Any]:
    """The options of a use, with defaults; NotConstantError, after every diagnostic, where one does not fit.

    Positional arguments fill the options of `table`; those of `keyed` have names; `beside` is what else the word takes.
    """
    every = {**table, **(keyed or {})}
    given: dict[str, Argument] = {}
    order = list(table)
    failed = False
    for argument in arguments:
        key = argument.key or next((name for name in order if name not in given), None)
        if key is None:
            takes = f"takes {listed(order)}" if order else beside or "takes no value"
            message = f"{subject} {takes}; this is one too many"
            scope.report.error("too-many-options", message, argument.place, "take it away")
            failed = True
            break
        failed |= not _accept(subject, every, argument, key, given, scope)
    for option in every.values():
        if option.required and option.name not in given and not failed:
            message = f"{subject} needs {option.name}: {option.kind.description}"
            help = f"as in: {example}" if example else f"give it {option.name}="
            scope.report.error("missing-option", message, place, help)
            failed = True
    values = {name: option.default for name, option in every.items()}
    for name, argument in given.items():
        try:
            values[name] = convert(every[name], argument.value, subject, scope)
        except NotConstantError:
            failed = True
    if failed:
        raise NotConstantError
    return values


def _accept(
    subject: str,
    table: Mapping[str, Option],
    argument: Argument,
    key: str,
    given: dict[str, Argument],
    scope: Scope,
) -> bool:
    place = argument.key_place or argument.place
    if key not in table:
        help = did_you_mean(key, table) or (f"it takes {listed(table)}" if table else f"{subject} takes no options")
        scope.report.error("unknown-option", f"{subject} has no option {key}", place, help)
        return False
    if key in given:
        first = "" if given[key].key else f", first as {_describe(given[key].value)} without its name"
        scope.report.error("duplicate-option", f"{key} is given twice{first}", place, "take one of them away")
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

    def fail(self, found: str | None = None, help: str | None = None) -> NotConstantError:
        found = found or _found(self.expr, self.scope.constants)
        message = f"{self.option.name} of {self.subject} is {self.option.kind.description}; {found}"
        return self.scope.fail("bad-option", message, self.expr.place, help)

    def constant(self) -> Constant:
        if isinstance(self.expr, Call):
            raise self.fail()
        return self.scope.number(self.expr)


def _found(expr: Expr, constants: Mapping[str, Constant | None]) -> str:
    if isinstance(expr, Name) and expr.id in constants:
        value = constants[expr.id]
        return f"{expr.id} is {str(value).lower() if isinstance(value, bool) else repr(value)}"
    return f"this is {_describe(expr)}"


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
        case Items():
            return "a list"
        case Window():
            return f"the window {'x'.join(map(str, expr.sizes))}"
        case Boolean():
            return str(expr.value).lower()
        case _:
            return "an expression"


def _real(use: _Use) -> float:
    return _fitting(use, use.constant())


def _fitting(use: _Use, constant: Constant) -> float:
    """A number within the option's bounds and float32's."""
    value = _within(use, constant)
    if value and not SMALLEST_REAL <= abs(value) <= LARGEST_REAL:
        raise use.fail(f"{value:g} does not fit 32 bits", f"sizes go from {SMALLEST_REAL:.2g} to {LARGEST_REAL:.2g}")
    return float(value)


def _number(use: _Use) -> int | float:
    """A number; a whole one is int."""
    value = _real(use)
    return int(value) if value.is_integer() and abs(value) <= LARGEST else value


def _scalar(use: _Use) -> int | float | bool:
    value = use.constant()
    return value if isinstance(value, bool) else _number(use)


def _within(use: _Use, value: Constant) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise use.fail()
    kind = use.option.kind
    if not kind.holds(value):
        percent = kind.high == 1 and 1 < value <= 100 and kind.holds(value / 100)
        raise use.fail(f"{value:g} is not", f"write {value:g}% if that is meant" if percent else None)
    return value


def _whole(use: _Use) -> int:
    value = _within(use, use.constant())
    if not float(value).is_integer():
        raise use.fail(f"{value:g} is not")
    if abs(value) > LARGEST:
        raise use.fail(f"{value:g} is too large", "whole numbers reach to 2^53")
    return int(value)


def _weights(use: _Use) -> tuple[float, ...]:
    """A list of numbers above 0."""
    if isinstance(use.expr, Name) and use.expr.id == "balanced" and "balanced" not in use.scope.constants:
        raise use.fail(help="write them out: n / (k * m) for a class that m of the n examples have, of k classes")
    value = use.constant()
    items: tuple[Any, ...] = value if isinstance(value, tuple) else ()
    numbers = [v for v in items if isinstance(v, int | float) and not isinstance(v, bool)]
    if not items or len(numbers) < len(items):
        raise use.fail(help="as in [1, 5]")
    if not all(SMALLEST_REAL <= number <= LARGEST_REAL for number in numbers):
        raise use.fail("each is above 0, and fits 32 bits", "as in [1, 5]")
    return tuple(map(float, numbers))


def _flag(use: _Use) -> bool:
    value = use.constant()
    if not isinstance(value, bool):
        raise use.fail()
    return value


def _sizes(use: _Use) -> tuple[int, ...]:
    value = use.constant()
    items: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
    low = use.option.kind.low
    sizes = tuple(v for v in items if isinstance(v, int) and not isinstance(v, bool) and v >= low)
    if not items or len(sizes) < len(items):
        raise use.fail(f"each is a whole number of at least {low:g}")
    return sizes


def _identifier(use: _Use) -> str:
    if not isinstance(use.expr, Name):
        raise use.fail()
    why = unsafe(use.expr.id)
    if why:
        raise use.scope.fail("unsafe-name", f"{why}; the artifacts use the name", use.expr.place, "choose another")
    return use.expr.id


def _choice(use: _Use) -> str:
    """One of the words that the description lists."""
    if not isinstance(use.expr, Name) or use.expr.id not in re.split(", | or ", use.option.kind.description):
        raise use.fail()
    return use.expr.id


def _scheduled(use: _Use) -> float | Scheduled:
    if not isinstance(use.expr, Call):
        return _real(use)
    word = word_or_fail("schedule", use.expr.word, use.expr.word_place, use.scope)
    place = use.expr.place
    shared = {name: option for name, option in OF_SCHEDULES.items() if name not in word.options}
    options = bind(word.name, word.options, use.expr.arguments, place, use.scope, shared, word.example)
    per, warmup = (options[name] if name in shared else option.default for name, option in OF_SCHEDULES.items())
    return Scheduled(word, {name: options[name] for name in word.options}, place, per, warmup)


def _numbers(use: _Use) -> tuple[float, ...]:
    """A list of numbers; each is checked as a single one would be."""
    values = use.constant()
    if not isinstance(values, tuple):
        raise use.fail()
    if not 1 <= len(values) <= LONGEST_LIST:
        raise use.fail(f"this one has {len(values)}", f"list from 1 to {LONGEST_LIST}")
    return tuple(_fitting(use, value) for value in values)


def _init(use: _Use) -> Init:
    expr, scope = use.expr, use.scope
    if isinstance(expr, Call) and expr.word == "npz":
        return _archived_init(use, expr)
    if isinstance(expr, Items | Number | Unary | Binary) or (isinstance(expr, Name) and expr.id in scope.constants):
        value = scope.number(expr)
        if isinstance(value, tuple):
            return _listed_init(use, _nested(use, value))
        word, options = find("init", "constant"), {"value": _real(use)}
        assert word is not None
        return Init(word.name, lambda w: word.function(w, **options))
    if isinstance(expr, Name):
        name, place, arguments = expr.id, expr.place, ()
    elif isinstance(expr, Call):
        name, place, arguments = expr.word, expr.word_place, expr.arguments
    else:
        raise use.fail()
    word = word_or_fail("init", name, place, scope)
    options = bind(word.name, word.options, arguments, expr.place, scope, None, word.example)
    return Init(word.name, lambda w: word.function(w, **options))


def _nested(use: _Use, values: tuple[Any, ...]) -> Any:
    def check(value: Constant) -> Any:
        if isinstance(value, tuple):
            return [check(v) for v in value]
        if isinstance(value, bool | str):
            raise use.scope.fail(
                "bad-option", "a weight's values are numbers", use.expr.place, "as in [[1, 2], [3, 4]]"
            )
        return value

    try:
        return np.array(check(values), dtype=np.float64)
    except ValueError:
        message = "the rows of this list differ in length"
        raise use.scope.fail("bad-option", message, use.expr.place, "give every row as many numbers") from None


def _listed_init(use: _Use, values: Any) -> Init:
    """An initializer that sets the listed numbers, which must have the weight's shape."""
    if values.size > LARGEST_LITERAL:
        message = f"{values.size:,} numbers are too many to print into the trainer; the limit is {LARGEST_LITERAL:,}"
        raise use.scope.fail("too-large", message, use.expr.place, "start the training from them: --weights FILE")
    if np.any(np.abs(values) > LARGEST_REAL):
        help = f"sizes go to {LARGEST_REAL:.2g}"
        raise use.scope.fail("bad-option", "a weight's values fit 32 bits", use.expr.place, help)

    def make(w: Fresh) -> Tensor:
        if values.shape != w.shape:
            message = f"{w.name} has shape {list(w.shape)}, but its list has {list(values.shape)}"
            help = (
                "W of dense has a row for each input, and in it a number for each unit" if len(w.shape) == 2 else None
            )
            raise WordError("shape-mismatch", message, help or f"list {w.shape[0]} numbers")
        name = f"{w.name}_VALUES"
        return w.builder.emit(literal, values=values, shape=w.shape, name=name)

    return Init("listed", make)


def _archived_init(use: _Use, expr: Call) -> Init:
    texts = [a.value.value for a in expr.arguments if isinstance(a.value, Text) and a.key is None]
    if len(texts) != 2 or len(expr.arguments) != 2:
        help = 'as in npz("weights.npz", "W1")'
        raise use.scope.fail(
            "bad-option", "npz takes a file and the name of an entry, both in quotes", expr.place, help
        )
    try:
        values = read_entry(use.scope.folder, *texts)
    except ValueError as error:
        help = "the archive lies beside the spec, or below its folder"
        raise use.scope.fail("bad-archive", str(error), expr.place, help) from None
    return _listed_init(use, values)


def word_or_fail(kind: str, name: str, place: Place, scope: Scope, also: str = "") -> Word:
    """The word of a kind, or of one that may `also` stand there; NotConstantError after a diagnostic where none is."""
    word = scope.find(kind, name) or scope.find(also, name)
    if word is None:
        other = [a_kind(k) for k in sorted({k for k, _ in WORDS}) if scope.find(k, name)]
        known = [*scope.names(kind), *scope.names(also)]
        help = did_you_mean(name, known) or f"there are {listed(known)}"
        message = f"{name} is not the name of {a_kind(kind)}" + (f"; it is that of {listed(other)}" if other else "")
        raise scope.fail("unknown-word", message, place, help)
    return word


FORMS: dict[str, Callable[[_Use], Any]] = {
    "real": _real,
    "number": _number,
    "scalar": _scalar,
    "whole": _whole,
    "flag": _flag,
    "sizes": _sizes,
    "weights": _weights,
    "identifier": _identifier,
    "choice": _choice,
    "setting": _real,
    "scheduled": _scheduled,
    "numbers": _numbers,
    "init": _init,
    "constant": _Use.constant,
}
# Options that every schedule takes by name, unless it has one of the same name.
OF_SCHEDULES = {
    "per": Option("per", Kind("choice", "epoch or step"), "epoch", False, "what t counts"),
    "warmup": Option("warmup", Kind("real", "a number of at least 0", 0), 0.0, False, "up to which t it grows"),
}
