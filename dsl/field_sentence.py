"""The sentences `input` and `target`: the kind of a type, its classes and its shape, checked by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from keyword import iskeyword

from . import syntax
from .constants import NotConstantError
from .diagnostics import Report, did_you_mean, listed
from .foreign import type_here
from .kinds import KINDS, FieldKind
from .net import Field
from .scope import Scope
from .syntax import Name, Number, Text, TypeNode
from .types import BATCH, LENGTH, WHOLE, Dim, Shape, count

# One example holds at most so many numbers an input or a layer, and a shape so many axes.
LARGEST_EXAMPLE = 2**28
MOST_AXES = 8
MOST_CLASSES = 2**20
MOST_STEPS = 2


def field_of(declaration: syntax.Declaration, scope: Scope) -> Field:
    """The field that a sentence declares; faults go to the report, and it is then what it can be taken for."""
    node, report = declaration.type, scope.report
    _check_kind(node, declaration.role, report)
    _check_noise(node, declaration.role, scope)
    known = node.kind if node.kind in KINDS else "f32"
    kind = KINDS[known]
    classes, labels = _classes(node, scope) if kind.named else (None, None)
    shape, place = _shape(node, kind, scope), declaration.name_place
    domain = kind.of(classes)
    return Field(declaration.name, declaration.role, known, shape, domain, classes, labels, declaration.doc, place)


def lengths_of(declaration: syntax.Declaration, field: Field, scope: Scope) -> list[Field]:
    """The inputs of the lengths of a field's examples, where its sentence says `lengths=true`.

    Of sentences of words, [S, T], one tells how many S each example has, and one how many T each of these.
    """
    wanted, report = False, scope.report
    for option in declaration.options:
        if option.key != "lengths" or declaration.role != "input":
            message = f"{declaration.role} has no option {option.key or 'without a name'}"
            help = "its only option is lengths" if declaration.role == "input" else "take it away"
            if option.key == "lengths":
                help = f"say it of the input over the same steps: it holds for what {declaration.name} has of them too"
            report.error("unknown-option", message, option.key_place or option.place, help)
            continue
        if not isinstance(option.value, syntax.Boolean):
            report.error("bad-option", "lengths is true or false", option.value.place, "as in lengths=true")
            continue
        wanted = option.value.value
        if wanted and not field.steps:
            message = f"{field.name} has no steps, whose number could differ from example to example"
            help = "a capital letter stands for a number of steps: f32[T, 8]"
            report.error("bad-option", message, option.place, help)
            wanted = False
    if not wanted:
        return []
    outer, *inner = [d for d in field.shape if isinstance(d, str)]
    doc = f"how many steps of {field.name} count; what follows them is padding"
    found = [Field(f"{field.name}_lengths", "input", "length", (), LENGTH, None, None, doc, field.place, outer)]
    for name in inner:
        own, doc = f"{field.name}_{name}_lengths", f"how many {name} of each {outer} of {field.name} count"
        found.append(Field(own, "input", "inner_length", (outer,), WHOLE, None, None, doc, field.place, name))
    return found


def check_inner(fields: Mapping[str, Field], report: Report) -> set[str]:
    """The fields that are reported because steps stand by themselves which are counted within others."""
    faulty: set[str] = set()
    for inner in [f for f in fields.values() if f.counts and f.shape]:
        name, both = inner.counts, (*inner.shape, inner.counts)
        for other in [f for f in fields.values() if name in f.shape and f.shape[:2] != both and not f.counts]:
            message = f"{other.name} has {name} by itself, and {inner.name} tells how many {name} each {both[0]} has"
            help = f"call its steps otherwise, by another capital letter; or declare it over [{both[0]}, {name}]"
            report.error("bad-type", message, other.place, help)
            faulty.add(other.name)
    return faulty


def _check_kind(node: TypeNode, role: str, report: Report) -> None:
    kind = KINDS.get(node.kind)
    written = [name for name, kind in KINDS.items() if kind.roles]
    if kind is None or not kind.roles:
        help = type_here(node.kind) or did_you_mean(node.kind, written) or f"there are {listed(written)}"
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


def _check_noise(node: TypeNode, role: str, scope: Scope) -> None:
    """Noise has sizes that are known, since it is drawn before the data are looked at."""
    for expr in node.shape or () if role == "noise" else ():
        if isinstance(expr, Name) and expr.id not in scope.constants and expr.id[0].isupper():
            message = f"{expr.id} is known only at run time, and noise has a known size"
            help = "as in normal[64]; repeat_like gives it at each step of a value"
            scope.report.error("bad-type", message, expr.place, help)


def _classes(node: TypeNode, scope: Scope) -> tuple[int | None, tuple[str, ...] | None]:
    fail, kind = scope.report.error, node.kind
    help = f'write {kind}(10), or {kind}("red", "green")'
    if not node.domain:
        what = {"class": "classes", "token": "symbols"}.get(kind, "categories")
        if node.shape:
            help = f"their number stands in parentheses: {kind}(10){'[T]' if kind == 'token' else ''}"
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
    if count(dims) > LARGEST_EXAMPLE or len(dims) > MOST_AXES:
        message = f"an example holds at most {LARGEST_EXAMPLE:,} numbers in at most {MOST_AXES} axes"
        scope.report.error("too-large", message, node.place, "make its sizes smaller")
        return (1,)
    if kind.named and node.shape and not node.domain:
        return ()  # which lacks its classes, and has told so
    if dims and not kind.named and isinstance(dims[-1], str):
        dims = (*dims, 1)  # one number a step
    if dims and isinstance(dims[-1], int) and dims[-1] < kind.least:
        message = f"{node.kind} needs at least {kind.least} numbers along its last axis"
        scope.report.error("bad-type", message, node.place, f"as in {node.kind}[5]")
    # One id an example is a number and not a list of one.
    return () if kind.named and dims == (1,) else dims or (1,)


def _sizes(node: TypeNode, scope: Scope) -> Shape:
    dims: list[Dim] = []
    first = next(iter(node.shape or ()), None)
    for expr in node.shape or ():
        if isinstance(expr, Name) and expr.id not in scope.constants and expr.id[0].isupper():
            dims += _named(expr, dims, scope)
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


def _named(expr: Name, before: list[Dim], scope: Scope) -> list[Dim]:
    """A dimension that is known only at run time; such ones come first, each once."""
    why = help = ""
    if expr.id == BATCH:
        why, help = f"{BATCH} is the number of examples, which a spec never writes", "call the steps T"
    elif iskeyword(expr.id):
        why, help = f"{expr.id} is a word of Python's and no name", "take it away: the batch axis is never written"
    elif expr.id in before:
        why, help = f"{expr.id} stands twice", "two lengths have two names"
    elif any(isinstance(d, int) for d in before):
        why, help = f"{expr.id} is known only at run time, and such a dimension comes first", "as in f32[T, 8]"
    elif len(before) == MOST_STEPS:
        why, help = f"at most {MOST_STEPS} dimensions are known only at run time", "as in token(5000)[S, T]"
    if why:
        scope.report.error("bad-type", why, expr.place, help)
        return []
    return [expr.id]
