"""Constant expressions of a spec: numbers, names of `let`, arithmetic and comparisons."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .diagnostics import Report, did_you_mean
from .syntax import Binary, Boolean, Expr, Items, Name, Number, Text, Unary, Window
from .words import WORDS

# Larger whole numbers have no use in a spec, and their arithmetic could take for ever.
LARGEST = 2**53
# The graphs compute in float32; a number outside of its range would become infinite, or 0.
LARGEST_REAL, SMALLEST_REAL = (float(getattr(np.finfo(np.float32), end)) for end in ("max", "tiny"))
HELP = "a constant is made of numbers, strings, true, false, lists, and arithmetic on numbers"

NOTHING: Mapping[str, str] = {}

Constant = int | float | bool | str | tuple[Any, ...]


class NotConstantError(Exception):
    """An expression that has no value at compile time; it has been reported."""


def _power(base: float, exponent: float) -> float:
    if isinstance(base, int) and isinstance(exponent, int) and 0 <= exponent <= 64 and abs(base) <= 2**16:
        return base**exponent
    value = float(base) ** exponent
    if isinstance(value, complex):
        raise ValueError("a root of a negative number")
    return value


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: a / b,
    "^": _power,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
}


def evaluate(
    expr: Expr, names: Mapping[str, Constant | None], report: Report, declared: Mapping[str, str] = NOTHING
) -> Constant:
    """The value of a constant expression; NotConstantError, after a diagnostic, where it has none.

    A name whose value is None is at fault itself, and was reported. `declared` says what other names are.
    """

    def value(inner: Expr) -> Constant:
        return evaluate(inner, names, report, declared)

    match expr:
        case Number():
            return checked(expr, lambda: expr.value, report)
        case Text() | Boolean():
            return expr.value
        case Window():
            return expr.sizes
        case Items():
            return tuple(value(item) for item in expr.items)
        case Name():
            return _named(expr, names, report, declared)
        case Unary():
            operand = value(expr.operand)
            return checked(expr, lambda: negate(expr.op, operand), report)
        case Binary():
            left, right = value(expr.left), value(expr.right)
            return checked(expr, lambda: combine(expr.op, left, right), report)
        case _:
            report.error("not-constant", "this is not a constant", expr.place, "write a number, or the name of a let")
            raise NotConstantError


def _named(expr: Name, names: Mapping[str, Constant | None], report: Report, declared: Mapping[str, str]) -> Constant:
    if expr.id not in names:
        if expr.id in declared:
            message, help = f"{expr.id} is {declared[expr.id]}, and a constant is needed here", "write a number"
            report.error("not-constant", message, expr.place, help)
        else:
            help = did_you_mean(expr.id, names) or f"declare it: let {expr.id} = 1"
            if expr.id in ("True", "False"):
                help = f"write {expr.id.lower()}"
            elif expr.id in ("t", "s", "time", "steps"):
                help += "; a number of steps that only run time knows has a capital letter, as in f32[T, 8]"
            elif any(word == expr.id for _, word in WORDS):
                help = f"{expr.id} is a word of its own; an arrow joins it to the word before: -> {expr.id}"
            report.error("unknown-name", f"{expr.id} is not the name of a let", expr.place, help)
        raise NotConstantError
    value = names[expr.id]
    if value is None:
        raise NotConstantError
    return value


def _number(value: Constant) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def negate(op: str, value: Constant) -> Constant:
    """What a unary operator makes of a constant; TypeError where it has no meaning."""
    if op == "not":
        return not value
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError("only a number has a negative")
    return -value


def combine(op: str, left: Constant, right: Constant) -> Constant:
    """What a binary operator makes of two constants; TypeError where it has no meaning."""
    if op not in OPERATORS:
        raise TypeError(f"{op} has no meaning between constants")
    if op in "+-*/^<=>=" and not (_number(left) and _number(right)):
        raise TypeError(f"{op} needs two numbers")
    return OPERATORS[op](left, right)


def checked(expr: Expr, compute: Callable[[], Constant], report: Report) -> Constant:
    """A computed constant; NotConstantError, after a diagnostic, where it has no value or is too large."""
    try:
        value = compute()
    except (TypeError, ValueError) as error:
        report.error("bad-constant", f"this has no value: {error}", expr.place, HELP)
        raise NotConstantError from None
    except ZeroDivisionError:
        report.error("bad-constant", "this has no value: it divides by zero", expr.place, "change the divisor")
        raise NotConstantError from None
    except OverflowError:
        value = math.inf
    if (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, int) and abs(value) > LARGEST):
        help = "whole numbers reach to 2^53, others to 1.8e308"
        report.error("bad-constant", "this number is too large", expr.place, help)
        raise NotConstantError
    return value
