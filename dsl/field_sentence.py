"""The sentences `input` and `target`: the kind of a type, its classes and its shape, checked by themselves."""

from __future__ import annotations

import math

from . import syntax
from .constants import NotConstantError
from .diagnostics import Report, did_you_mean, listed
from .foreign import type_here
from .kinds import KINDS, FieldKind
from .net import Field
from .scope import Scope
from .syntax import Name, Number, Text, TypeNode
from .types import Shape

# One example holds at most so many numbers an input or a layer, and a shape so many axes.
LARGEST_EXAMPLE = 2**28
MOST_AXES = 8
MOST_CLASSES = 2**20

LATER_KINDS = ("token",)
# What a first size is called that is meant as that of the batch.
BATCHES = ("None", "N", "B", "Batch", "BATCH")


def field_of(declaration: syntax.Declaration, scope: Scope) -> Field:
    """The field that a sentence declares; faults go to the report, and it is then what it can be taken for."""
    node, report = declaration.type, scope.report
    for option in declaration.options:
        if option.key == "lengths":
            report.error("not-yet", "this version of netc has no inputs over time", option.place, "take lengths away")
        else:
            message = f"{declaration.role} has no option {option.key}"
            report.error("unknown-option", message, option.key_place or option.place, "its only option is lengths")
    _check_kind(node, declaration.role, report)
    known = node.kind if node.kind in KINDS else "f32"
    kind = KINDS[known]
    classes, labels = _classes(node, scope) if kind.named else (None, None)
    shape, place = _shape(node, kind, scope), declaration.name_place
    domain = kind.of(classes)
    return Field(declaration.name, declaration.role, known, shape, domain, classes, labels, declaration.doc, place)


def _check_kind(node: TypeNode, role: str, report: Report) -> None:
    kind = KINDS.get(node.kind)
    if node.kind in LATER_KINDS:
        message = f"this version of netc has no type {node.kind}"
        report.error("not-yet", message, node.place, f"there are {listed(KINDS)}")
    elif kind is None:
        help = type_here(node.kind) or did_you_mean(node.kind, KINDS) or f"there are {listed(KINDS)}"
        report.error("unknown-type", f"{node.kind} is not a type", node.place, help)
    elif role == "noise" and role not in kind.roles:
        help = f"write normal{'[4]' if node.shape is None else ''}, or declare an input"
        report.error("bad-type", f"a noise is normal or uniform, and not {node.kind}", node.place, help)
    elif role not in kind.roles:
        report.error("bad-type", f"{node.kind} is a type of {kind.roles[0]}s alone", node.place, kind.instead)
    elif not kind.named and node.domain:
        numbers = all(isinstance(expr, Number) for expr in node.domain) and node.shape is None
        sizes = ", ".join(expr.text for expr in node.domain if isinstance(expr, Number))
        help = f"sizes stand in brackets: {node.kind}[{sizes}]" if numbers else "write it without"
        report.error("bad-type", f"{node.kind} takes no domain in parentheses", node.place, help)


def _classes(node: TypeNode, scope: Scope) -> tuple[int | None, tuple[str, ...] | None]:
    fail, kind = scope.report.error, node.kind
    help = f'write {kind}(10), or {kind}("red", "green")'
    if not node.domain:
        what = "classes" if kind == "class" else "categories"
        if node.shape:
            help = f"their number stands in parentheses: {kind}(10)"
        fail("bad-type", f"{kind} needs the number of {what} or their labels", node.place, help)
        return None, None
    if all(isinstance(e, Text) for e in node.domain):
        labels = tuple(e.value for e in node.domain if isinstance(e, Text))
        if len(set(labels)) < len(labels) or len(labels) < 2 or not all(labels):
            fail("bad-type", f"{kind} needs at least two labels, each different and none empty", node.place, help)
            return None, None
        return len(labels), labels
    first, *more = node.domain
    try:
        number = scope.number(first)
    except NotConstantError:
        return None, None
    if more or not isinstance(number, int) or isinstance(number, bool) or not 2 <= number <= MOST_CLASSES:
        fail("bad-type", "the number of classes is a whole number from 2 to 2^20", first.place, help)
        return None, None
    return number, None


def _shape(node: TypeNode, kind: FieldKind, scope: Scope) -> Shape:
    dims = _sizes(node, scope) if node.shape is not None else (1,)
    if math.prod(dims) > LARGEST_EXAMPLE or len(dims) > MOST_AXES:
        message = f"an example holds at most {LARGEST_EXAMPLE:,} numbers in at most {MOST_AXES} axes"
        scope.report.error("too-large", message, node.place, "make its sizes smaller")
        return (1,)
    if kind.single and node.shape and not node.domain:
        return ()  # which lacks its classes, and has told so
    if kind.single and node.shape:
        message = "this version of netc has one label an example"
        scope.report.error("not-yet", message, node.place, f"write {node.kind}(...) without brackets")
        return ()
    if dims and dims[-1] < kind.least:
        message = f"{node.kind} needs at least {kind.least} numbers along its last axis"
        scope.report.error("bad-type", message, node.place, f"as in {node.kind}[5]")
    # One id an example is a number and not a list of one.
    return () if kind.named and dims == (1,) else dims or (1,)


def _sizes(node: TypeNode, scope: Scope) -> tuple[int, ...]:
    dims: list[int] = []
    first = next(iter(node.shape or ()), None)
    for expr in node.shape or ():
        if isinstance(expr, Name) and expr.id not in scope.constants and expr.id[0].isupper():
            message = f"this version of netc has no dimensions that are known only at run time, such as {expr.id}"
            batch = expr is first and expr.id in BATCHES
            help = "take it away: the batch axis is never written" if batch else "write a number, or the name of a let"
            scope.report.error("not-yet", message, expr.place, help)
            continue
        try:
            value = scope.number(expr)
        except NotConstantError:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            batch = expr is first and value == -1
            help = "take it away: the batch axis is never written" if batch else "as in f32[4], or f32[1, 28, 28]"
            scope.report.error("bad-type", "a size is a whole number of at least 1", expr.place, help)
        else:
            dims.append(value)
    return tuple(dims)
