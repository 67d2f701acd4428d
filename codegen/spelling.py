"""Python expressions in the style of the page, with the fewest parentheses that keep their order."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from ..dsl.ir import Equation

# The longest line of the page.
WIDTH = 88

_BINARY: dict[type[ast.operator], tuple[str, int]] = {
    ast.BitOr: ("|", 4),
    ast.BitAnd: ("&", 6),
    ast.Add: ("+", 8),
    ast.Sub: ("-", 8),
    ast.Mult: ("*", 9),
    ast.Div: ("/", 9),
    ast.FloorDiv: ("//", 9),
    ast.MatMult: ("@", 9),
    ast.Pow: ("**", 11),
}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Gt: ">",
    ast.Lt: "<",
    ast.GtE: ">=",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_UNARY: dict[type[ast.unaryop], str] = {ast.USub: "-", ast.Not: "not "}
CONDITIONAL, COMPARISON, PRODUCT, UNARY, POWER, ATOM = 1, 3, 9, 10, 11, 20

# NumPy functions of a single number that the host computes with the standard library.
_HOST = {"sqrt", "exp", "log", "cos", "sin", "floor", "tanh", "expm1", "log1p"}
_HOST_CALLS = {"minimum": "min", "maximum": "max", "abs": "abs"}
# Those that Python has not; a number of NumPy's own would not take the precision of an array beside it.
_HOST_NUMPY = {"sign", "logaddexp", "clip", "heaviside"}


def spell(node: ast.expr, level: int = 0) -> str:
    """The text of an expression, in parentheses where it binds weaker than `level`."""
    text, own = _spell(node)
    return f"({text})" if own < level else text


def _spell(node: ast.expr) -> tuple[str, int]:
    match node:
        case ast.Name():
            return node.id, ATOM
        case ast.Constant():
            return _constant(node.value)
        case ast.JoinedStr():
            return _joined(node), ATOM
        case ast.BinOp():
            return _binary(node)
        case ast.UnaryOp():
            # A power binds stronger than the sign before it, and stands in parentheses all the same.
            level = ATOM if isinstance(node.op, ast.USub) and _is_power(node.operand) else UNARY
            return f"{_UNARY[type(node.op)]}{spell(node.operand, level)}", UNARY
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return f"{spell(left, COMPARISON + 1)} {_COMPARE[type(op)]} {spell(right, COMPARISON + 1)}", COMPARISON
        case ast.IfExp():
            parts = spell(node.body, 2), spell(node.test, 2), spell(node.orelse, CONDITIONAL)
            return "{} if {} else {}".format(*parts), CONDITIONAL
        case ast.Attribute():
            return f"{spell(node.value, ATOM)}.{node.attr}", ATOM
        case ast.Call():
            given = [*(spell(a) for a in node.args), *(f"{k.arg}={spell(k.value)}" for k in node.keywords)]
            return f"{spell(node.func, ATOM)}({', '.join(given)})", ATOM
        case ast.Subscript():
            return f"{spell(node.value, ATOM)}[{_index(node.slice)}]", ATOM
        case ast.Tuple():
            inner = ", ".join(spell(e) for e in node.elts)
            return f"({inner}{',' if len(node.elts) == 1 else ''})", ATOM
        case ast.Starred():
            return f"*{spell(node.value)}", ATOM
        case ast.List():
            return f"[{', '.join(spell(e) for e in node.elts)}]", ATOM
        case _:
            raise AssertionError(f"no spelling for {ast.dump(node)}")


def _is_power(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)


def _constant(value: Any) -> tuple[str, int]:
    if isinstance(value, str):
        return quote(value), ATOM
    return digits(value), UNARY if isinstance(value, int | float) and value < 0 else ATOM


def _joined(node: ast.JoinedStr) -> str:
    """A string with names of the page in it."""
    parts = [f"{{{spell(v.value)}}}" if isinstance(v, ast.FormattedValue) else _text_of(v) for v in node.values]
    return f'f"{"".join(parts)}"'


def _text_of(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant)
    return str(node.value)


def digits(value: float) -> str:
    """A number as the page writes it."""
    return repr(value).replace("e+", "e")


def quote(text: str) -> str:
    """A string literal in double quotes, with every character escaped that could end it."""
    escaped = "".join(_escape(c) for c in text)
    return f'"{escaped}"'


def _escape(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def _binary(node: ast.BinOp) -> tuple[str, int]:
    sign, level = _BINARY[type(node.op)]
    if isinstance(node.op, ast.Pow):
        left, right = spell(node.left, POWER + 1), spell(node.right, UNARY)
        gap = "" if _simple(node.left) and _simple(node.right) else " "
        return f"{left}{gap}**{gap}{right}", level
    return f"{spell(node.left, level)} {sign} {spell(node.right, level + 1)}", level


def _simple(node: ast.expr) -> bool:
    """Whether the page's style sets no blanks around ** beside it."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.operand, ast.Name | ast.Constant)
    if isinstance(node, ast.Attribute):
        return _simple(node.value)
    # A name may be an item of the page's, such as drops["lr"].
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isidentifier())


def _index(node: ast.expr) -> str:
    if isinstance(node, ast.Slice):
        step = f":{spell(node.step)}" if node.step else ""
        return f"{spell(node.lower) if node.lower else ''}:{spell(node.upper) if node.upper else ''}{step}"
    if isinstance(node, ast.Tuple):
        return ", ".join(_index(e) for e in node.elts)
    return spell(node)


# Templates ------------------------------------------------------------------------------------------------------------


@cache
def _parse(template: str) -> ast.expr:
    return ast.parse(template, mode="eval").body


def _fill(node: ast.expr, parts: dict[str, ast.expr], host: bool) -> ast.expr:
    """A copy of a template with its names replaced."""
    if isinstance(node, ast.Name):
        return parts.get(node.id, node)
    fields = {name: _filled(value, parts, host) for name, value in ast.iter_fields(node)}
    copy = type(node)(**fields)
    return _on_host(copy) if host and isinstance(copy, ast.Call) else copy


def _filled(value: Any, parts: dict[str, ast.expr], host: bool) -> Any:
    if isinstance(value, list):
        return [_filled(v, parts, host) for v in cast("list[Any]", value)]
    if isinstance(value, ast.keyword):
        return ast.keyword(value.arg, _fill(value.value, parts, host))
    return _fill(value, parts, host) if isinstance(value, ast.expr) else value


def _on_host(call: ast.Call) -> ast.expr:
    """A NumPy call on a single number, as Python computes it."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if name in _HOST:
        return ast.Call(ast.Attribute(ast.Name("math"), name), call.args, [])
    if name in _HOST_CALLS:
        return ast.Call(ast.Name(_HOST_CALLS[name]), call.args, [])
    if name in _HOST_NUMPY:
        return ast.Call(ast.Name("float"), [call], [])
    if name == "where":
        condition, x, y = call.args
        return ast.IfExp(condition, x, y)
    return ast.BinOp(call.args[0], ast.Pow(), ast.Constant(2)) if name == "square" else call


def expression(equation: Equation, args: list[ast.expr], explicit: frozenset[str] = frozenset()) -> ast.expr:
    """An equation as a Python expression over the expressions of its arguments.

    The options `explicit` of its kernel are given also where they are as usual.
    """
    op, attrs = equation.op, equation.attrs
    if op.name == "constant":
        return ast.Name(attrs["name"]) if attrs["name"] else number(attrs["number"])
    assert op.numpy is not None, f"{op.name} has no spelling"
    template = op.numpy if isinstance(op.numpy, str) else op.numpy(*(a.type for a in equation.args), **attrs)
    parts: dict[str, ast.expr] = {k: ast.Constant(v) for k, v in attrs.items() if isinstance(v, int | float | str)}
    names = list(op.arguments)
    if names and names[-1].startswith("*"):
        stem = names.pop()[1:]
        names += [f"{stem}{i}" for i in range(len(args) - len(names))]
    parts.update(zip(names, args, strict=True))
    result = equation.results[0].type
    filled = _fill(_parse(template), parts, host=result.dtype == "f64" and not result.shape)
    if explicit and op.kernels:
        _give(filled, inspect.signature(op.kernels[-1]).parameters, explicit)
    return filled


def _give(call: ast.expr, usual: Mapping[str, inspect.Parameter], explicit: frozenset[str]) -> None:
    """Give options to a call of a kernel that it leaves as they are usual, in the kernel's order."""
    while not isinstance(call, ast.Call):
        assert isinstance(call, ast.Subscript)
        call = call.value
    given = {keyword.arg: keyword for keyword in call.keywords}
    added = {n: ast.keyword(n, ast.Constant(usual[n].default)) for n in usual if n in explicit and n not in given}
    call.keywords = sorted([*call.keywords, *added.values()], key=lambda keyword: [*usual].index(str(keyword.arg)))


def number(value: float) -> ast.expr:
    """A literal; a whole number is written without a point."""
    if value == math.pi:
        return ast.Attribute(ast.Name("math"), "pi")
    if math.isinf(value):
        infinity = ast.Attribute(ast.Name("np"), "inf")
        return ast.UnaryOp(ast.USub(), infinity) if value < 0 else infinity
    whole = float(value).is_integer() and abs(value) < 1e15
    magnitude = ast.Constant(int(abs(value)) if whole else abs(value))
    return ast.UnaryOp(ast.USub(), magnitude) if value < 0 else magnitude


# Statements -----------------------------------------------------------------------------------------------------------


def gathered(name: str, items: list[tuple[str, str]], indent: str = "    ") -> list[str]:
    """Assignments that gather items, (key, value), in a dict, in rows that fit; without a key, the value is a dict.

    What a call gives has a row of its own.
    """
    rows: list[list[tuple[str, str]]] = []
    for item in items:
        fits = rows and len(_row(indent, name, "|=", [*rows[-1], item])) <= WIDTH
        alone = any(not key and value.endswith(")") for key, value in (item, *rows[-1][-1:])) if rows else False
        if fits and not alone:
            rows[-1].append(item)
        else:
            rows.append([item])
    if not rows or len(_row(indent, name, "=", rows[0])) > WIDTH:
        rows.insert(0, [])
    return [_row(indent, name, "|=" if i else "=", row) for i, row in enumerate(rows)]


@dataclass(frozen=True)
class Part:
    """A part of what a function returns: written where it is returned, or by lines before that, under a name."""

    text: str
    lines: list[str]
    name: str


def returning(parts: list[Part]) -> list[str]:
    """The return of parts; where they do not fit on its line, some have their names there, the longest first."""
    texts = [part.text for part in parts]
    named = [part.name for part in parts]
    while len(last := f"    return {', '.join(texts)}") > WIDTH and texts != named:
        i = max(range(len(parts)), key=lambda i: len(texts[i]) - len(named[i]))
        texts[i] = named[i]
    before = [line for part, text in zip(parts, texts, strict=True) if text != part.text for line in part.lines]
    fits = len(last) <= WIDTH or len(texts) == 1
    return [*before, *([last] if fits else wrap("return (", texts, ")", 4))]


def _row(indent: str, name: str, sign: str, row: list[tuple[str, str]]) -> str:
    if sign == "|=" and len(row) == 1:
        key, value = row[0]
        return f"{indent}{name}[{key}] = {value}" if key else f"{indent}{name} |= {value}"
    return f"{indent}{name} {sign} {a_dict_of(row)}"


def a_dict_of(items: list[tuple[str, str]]) -> str:
    """A dict of items on one line."""
    return f"{{{', '.join(f'{key}: {value}' if key else f'**{value}' for key, value in items)}}}"


def wrap(head: str, items: list[str], tail: str, indent: int = 0) -> list[str]:
    """`head` + items + `tail` on one line, or the items indented on one line, or one item a line."""
    pad = " " * indent
    flat = f"{pad}{head}{', '.join(items)}{tail}"
    if len(flat) <= WIDTH or not items:
        return [flat]
    inner = f"{pad}    {', '.join(items)}"
    # The formatter keeps the arguments of a call together, and gives each item of a tuple, list or dict its line.
    if len(inner) <= WIDTH and head[-1:] == "(" and (head[-2:-1].isalnum() or head[-2:-1] == "_"):
        return [f"{pad}{head}", inner, f"{pad}{tail}"]
    return [f"{pad}{head}", *(f"{pad}    {item}," for item in items), f"{pad}{tail}"]
