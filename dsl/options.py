"""Arguments of a use, bound to the options that a word or a sentence declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .constants import LARGEST, LARGEST_REAL, SMALLEST_REAL, Constant, NotConstantError
from .declared import a_kind, unsafe
from .diagnostics import did_you_mean, listed
from .foreign import option_here, word_here
from .listed_init import archived_init, listed_init, nested
from .scope import Scope, Use, described
from .source import Place
from .syntax import Argument, Binary, Call, Expr, Items, Name, Number, Unary
from .windows import pads, window
from .words import WORDS, Init, Kind, Option, Scheduled, Word, find

# How truth values are written elsewhere.
TRUTHS = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
# Forms of options that take a list.
LISTS = ("sizes", "weights", "numbers", "window", "pads")
# Numbers that a spec may list for a schedule.
LONGEST_LIST = 100


def bind(
    subject: str,
    table: Mapping[str, Option],
    arguments: Iterable[Argument],
    place: Place,
    scope: Scope,
    keyed: Mapping[str, Option] | None = None,
    example: str = "",
    beside: str = "",
    untold: Iterable[str] = (),
) -> dict[str, Any]:
    """The options of a use, with defaults; NotConstantError, after every diagnostic, where one does not fit.

    Positional arguments fill the options of `table`; those of `keyed` have names; `beside` is what else the word takes.
    No help offers those of `untold`, which would do nothing.
    """
    arguments, every = list(arguments), {**table, **(keyed or {})}
    given: dict[str, Argument] = {}
    order = list(table)
    failed = False
    for argument in arguments:
        key = argument.key or next((name for name in order if name not in given), None)
        if key is None:
            takes = f"takes {listed(order)}" if order else beside or "takes no value"
            message = f"{subject} {takes}; this is one too many"
            scope.report.error("too-many-options", message, argument.place, _in_brackets(table, arguments))
            failed = True
            break
        failed |= not _accept(subject, every, argument, key, given, scope, untold)
    for option in every.values():
        if option.required and option.name not in given and not failed:
            message = f"{subject} needs {option.name}: {option.kind.description}"
            help = f"as in: {example}" if example else f"give it {option.name}="
            scope.report.error("missing-option", message, place, help)
            failed = True
    values = {name: option.default for name, option in every.items()}
    for name, argument in given.items():
        try:
            shown = "" if argument.key else example
            values[name] = convert(every[name], argument.value, subject, scope, shown)
        except NotConstantError:
            failed = True
    if failed:
        raise NotConstantError
    return values


def _in_brackets(table: Mapping[str, Option], arguments: Iterable[Argument]) -> str:
    """The help where too many values stand side by side: they may be meant as the list that the last option takes."""
    given = [argument.value for argument in arguments if argument.key is None][max(0, len(table) - 1) :]
    listing = bool(table) and [*table.values()][-1].kind.form in LISTS
    if not listing or not all(isinstance(value, Number) for value in given):
        return "take it away"
    return f"a list stands in brackets: [{', '.join(map(described, given))}]"


def _accept(
    subject: str,
    table: Mapping[str, Option],
    argument: Argument,
    key: str,
    given: dict[str, Argument],
    scope: Scope,
    untold: Iterable[str],
) -> bool:
    place = argument.key_place or argument.place
    if key not in table:
        told = {name: option for name, option in table.items() if name not in untold}
        takes = f"it takes {listed(told)}" if told else f"{subject} takes no options"
        help = option_here(argument, subject, told) or did_you_mean(key, told) or takes
        scope.report.error("unknown-option", f"{subject} has no option {key}", place, help)
        return False
    if key in given:
        first = "" if given[key].key else f", first as {described(given[key].value)} without its name"
        scope.report.error("duplicate-option", f"{key} is given twice{first}", place, "take one of them away")
        return False
    given[key] = argument
    return True


def convert(option: Option, expr: Expr, subject: str, scope: Scope, example: str = "") -> Any:
    """An argument's value as its option wants it; `example` is a use, where the order of arguments may be at fault."""
    return FORMS[option.kind.form](Use(option, expr, subject, scope, example))


def _real(use: Use) -> float:
    return _fitting(use, use.constant())


def _fitting(use: Use, constant: Constant) -> float:
    """A number within the option's bounds and float32's."""
    value = _within(use, constant)
    if value and not SMALLEST_REAL <= abs(value) <= LARGEST_REAL:
        raise use.fail(f"{value:g} does not fit 32 bits", f"sizes go from {SMALLEST_REAL:.2g} to {LARGEST_REAL:.2g}")
    return float(value)


def _number(use: Use) -> int | float:
    """A number; a whole one is int."""
    value = _real(use)
    return int(value) if value.is_integer() and abs(value) <= LARGEST else value


def _scalar(use: Use) -> int | float | bool:
    value = use.constant()
    return value if isinstance(value, bool) else _number(use)


def _within(use: Use, value: Constant) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise use.fail()
    kind = use.option.kind
    if not kind.holds(value):
        percent = kind.high == 1 and 1 < value <= 100 and kind.holds(value / 100)
        raise use.fail(f"{value:g} is not", f"write {value:g}% if that is meant" if percent else None)
    return value


def _whole(use: Use) -> int:
    value = _within(use, use.constant())
    if not float(value).is_integer():
        raise use.fail(f"{value:g} is not")
    if abs(value) > LARGEST:
        raise use.fail(f"{value:g} is too large", "whole numbers reach to 2^53")
    return int(value)


def _weights(use: Use) -> tuple[float, ...]:
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


def _flag(use: Use) -> bool:
    if isinstance(use.expr, Name) and use.expr.id not in use.scope.constants:
        meant = TRUTHS.get(use.expr.id.lower())
        raise use.fail(help=f"write {use.option.name}={meant}" if meant else None)
    value = use.constant()
    if not isinstance(value, bool):
        raise use.fail()
    return value


def _sizes(use: Use) -> tuple[int, ...]:
    value = use.constant()
    items: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
    low = use.option.kind.low
    sizes = tuple(v for v in items if isinstance(v, int) and not isinstance(v, bool) and v >= low)
    if not items or len(sizes) < len(items):
        flat = "flatten makes one axis of all" if items == (-1,) else None
        raise use.fail(f"each is a whole number of at least {low:g}", flat)
    return sizes


def _identifier(use: Use) -> str:
    if not isinstance(use.expr, Name):
        raise use.fail()
    why = unsafe(use.expr.id)
    if why:
        raise use.scope.fail("unsafe-name", f"{why}; the artifacts use the name", use.expr.place, "choose another")
    return use.expr.id


def _value(use: Use) -> Any:
    """A value of the net has been found before; what comes here is no name, or was not given by its key."""
    raise use.fail(help=f"as in: {use.option.name}=a, where a = ...")


def _choice(use: Use) -> str:
    """One of the words that the description lists."""
    if not isinstance(use.expr, Name) or use.expr.id not in re.split(", | or ", use.option.kind.description):
        raise use.fail()
    return use.expr.id


def _scheduled(use: Use) -> float | Scheduled:
    if isinstance(use.expr, Name) and use.expr.id not in use.scope.constants:
        bare = use.scope.find("schedule", use.expr.id)
        if bare:
            raise use.fail(f"{bare.name} lacks its parentheses", f"as in {use.option.name}={bare.example}")
    if not isinstance(use.expr, Call):
        return _real(use)
    word = word_or_fail("schedule", use.expr.word, use.expr.word_place, use.scope)
    place = use.expr.place
    shared = {name: option for name, option in OF_SCHEDULES.items() if name not in word.options}
    options = bind(word.name, word.options, use.expr.arguments, place, use.scope, shared, word.example)
    per, warmup = (options[name] if name in shared else option.default for name, option in OF_SCHEDULES.items())
    return Scheduled(word, {name: options[name] for name in word.options}, place, per, warmup)


def _numbers(use: Use) -> tuple[float, ...]:
    """A list of numbers; each is checked as a single one would be."""
    values = use.constant()
    if not isinstance(values, tuple):
        raise use.fail()
    if not 1 <= len(values) <= LONGEST_LIST:
        raise use.fail(f"this one has {len(values)}", f"list from 1 to {LONGEST_LIST}")
    return tuple(_fitting(use, value) for value in values)


def _init(use: Use) -> Init:
    expr, scope = use.expr, use.scope
    if isinstance(expr, Call) and expr.word == "npz":
        return archived_init(use, expr)
    if isinstance(expr, Items | Number | Unary | Binary) or (isinstance(expr, Name) and expr.id in scope.constants):
        value = scope.number(expr)
        if isinstance(value, tuple):
            return listed_init(use, nested(use, value))
        word, options = find("init", "constant"), {"value": _real(use)}
        assert word is not None
        return Init(word.name, lambda w: word.function(w, **options))
    if isinstance(expr, Name) and expr.id in scope.declared and not scope.find("init", expr.id):
        raise use.fail()
    if isinstance(expr, Name):
        name, place, arguments = expr.id, expr.place, ()
    elif isinstance(expr, Call):
        name, place, arguments = expr.word, expr.word_place, expr.arguments
    else:
        raise use.fail()
    word = word_or_fail("init", name, place, scope)
    options = bind(word.name, word.options, arguments, expr.place, scope, None, word.example)
    return Init(word.name, lambda w: word.function(w, **options))


def word_or_fail(kind: str, name: str, place: Place, scope: Scope, also: str = "") -> Word:
    """The word of a kind, or of one that may `also` stand there; NotConstantError after a diagnostic where none is."""
    word = scope.find(kind, name) or scope.find(also, name)
    if word is None:
        other = [a_kind(k) for k in sorted({k for k, _ in WORDS}) if scope.find(k, name)]
        known, here = [*scope.names(kind), *scope.names(also)], word_here(name, kind, also)
        help = f"here it is called {here}" if here else did_you_mean(name, known) or f"there are {listed(known)}"
        message = f"{name} is not the name of {a_kind(kind)}" + (f"; it is that of {listed(other)}" if other else "")
        raise scope.fail("unknown-word", message, place, help)
    return word


FORMS: dict[str, Callable[[Use], Any]] = {
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
    "window": window,
    "pads": pads,
    "init": _init,
    "value": _value,
    "given": Use.given,
}
# Options that every schedule takes by name, unless it has one of the same name.
OF_SCHEDULES = {
    "per": Option(
        "per", Kind("choice", "epoch or step"), "epoch", False, "what t counts: epochs from 0, or steps from 1"
    ),
    "warmup": Option("warmup", Kind("real", "a number of at least 0", 0), 0.0, False, "up to which t it grows"),
}
