"""Breaks the lines of a page that long names made too long, as the page's style (ruff's) breaks them."""

from __future__ import annotations

import ast
import re

from .spelling import WIDTH

_ASSIGNMENT = re.compile(r"(?P<pad> *)(?P<head>[^=\"]+(?:\[\"[^\"]*\"\])? = )(?P<value>\S.*)")
# An entry of a dict, or an argument of a call that is given by its name.
_ENTRY = re.compile(r"(?P<pad> *)(?P<head>\"[^\"]*\": |\w+=)(?P<value>\S.*),")
_CLOSING = {")": "(", "]": "[", "}": "{"}


def folded(page: str) -> str:
    """The page with every statement in lines that fit."""
    start = page.index('"""', 3) + 3
    lines = [part for line in page[start:].split("\n") for part in fold(line)]
    return page[:start] + "\n".join(lines)


def fold(line: str) -> list[str]:
    """A line as the lines that it takes; a remark is dropped where the line would be too long with it."""
    if len(line) <= WIDTH or line.lstrip().startswith("#") or '"""' in line:
        return [line]
    bare = line.split("  # ")[0]
    if len(bare) <= WIDTH:
        return [bare]
    for pattern, tail in ((_ENTRY, ","), (_ASSIGNMENT, "")):
        found = pattern.fullmatch(bare)
        if found:
            return _statement(found["pad"], found["head"], found["value"], tail)
    return [line]


def _statement(pad: str, head: str, value: str, tail: str) -> list[str]:
    targets = head.removesuffix(" = ").split(", ")
    start = _open(value)
    first = value[: start + 1] if start is not None else f"{value.split('(')[0]}("
    if tail or len(targets) == 1 or len(f"{pad}{head}{first}") <= WIDTH:
        return _value(pad, head, value, tail)
    return [f"{pad}(", *(f"{pad}    {t}," for t in targets), *_value(pad, ") = ", value, tail)]


def _value(pad: str, head: str, value: str, tail: str) -> list[str]:
    """`head` and a value: broken within the brackets that end or begin it, or else set into brackets of its own."""
    if len(f"{pad}{head}{value}{tail}") <= WIDTH:
        return [f"{pad}{head}{value}{tail}"]
    picked = re.search(r"(?<=\))\[\d+\]$", value)
    # An index is broken, and not the call before it, where its bracket still fits behind that.
    if picked and not _operators(value) and len(f"{pad}{head}{value[: picked.start() + 1]}") > WIDTH:
        value, tail = value[: picked.start()], f"{picked.group()}{tail}"
    start = _open(value)
    if _operators(value) <= 1 and start is not None and len(f"{pad}{head}{value[: start + 1]}") <= WIDTH:
        inside = _inside(pad, value[start + 1 : -1], alone=_is_dict(value[start:]))
        return [f"{pad}{head}{value[: start + 1]}", *inside, f"{pad}{value[-1]}{tail}"]
    chained = _chained(value) if _operators(value) <= 1 else None
    if chained and len(f"{pad}{head}{value[: chained[0] + 1]}") <= WIDTH:
        start, end = chained
        return [f"{pad}{head}{value[: start + 1]}", *_inside(pad, value[start + 1 : end]), f"{pad}{value[end:]}{tail}"]
    end = _closed(value)
    if _operators(value) <= 1 and end is not None and len(f"{pad}{value[end:]}{tail}") <= WIDTH:
        return [f"{pad}{head}(", *_inside(pad, value[1:end]), f"{pad}{value[end:]}{tail}"]
    terms = _terms(value)
    if len(terms) == 2 and max(map(len, terms)) > WIDTH - len(pad) - 4 and None not in map(_open, terms):
        return _in_their_brackets(pad, head, terms, tail)
    inner = f"{pad}    {value}"
    # What has no operator to be parted at stays as it is.
    parts = [inner] if len(inner) <= WIDTH or len(terms) == 1 else _parted(value, f"{pad}    ")
    return [f"{pad}{head}(", *parts, f"{pad}){tail}"]


def _in_their_brackets(pad: str, head: str, terms: list[str], tail: str) -> list[str]:
    """Two calls with an operator between them, of which one is too long for a line: broken within their brackets."""
    lines = [f"{pad}{head}"]
    for term, end in zip(terms, ("", tail), strict=True):
        start = _open(term)
        assert start is not None
        before = f"{lines.pop()}{' ' * (term is terms[1])}"
        if len(f"{before}{term}{end}") <= WIDTH:
            lines.append(f"{before}{term}{end}")
        else:
            lines += [f"{before}{term[: start + 1]}", *_inside(pad, term[start + 1 : -1]), f"{pad}{term[-1]}{end}"]
    return lines


def _parted(value: str, pad: str) -> list[str]:
    """The operands of a value's weakest operators, each parted again where it does not fit."""
    lines: list[str] = []
    for part in _terms(value):
        sign = part[:2] if part[1:2] == " " else ""
        inner = _terms(part[len(sign) :])
        if len(f"{pad}{part}") <= WIDTH:
            lines.append(f"{pad}{part}")
        elif len(inner) > 1:
            lines += [f"{pad}{sign}{inner[0]}", *(f"{pad}{each}" for each in inner[1:])]
        else:
            lines += _value(pad, sign, inner[0], "") if _open(inner[0]) else [f"{pad}{part}"]
    return lines


def _inside(pad: str, text: str, alone: bool = False) -> list[str]:
    """What stands between brackets: on one line where it fits, else, or where each is `alone`, an item a line."""
    flat = f"{pad}    {text}"
    items = _split(text, ", ")
    if len(flat) <= WIDTH and not (alone and len(items) > 1):
        return [flat]
    if len(items) == 1 and _operators(text) and not text.endswith(","):
        return [f"{pad}    {part}" for part in _terms(text)]
    return [line for item in items for line in _value(f"{pad}    ", "", item, ",")]


def _is_dict(value: str) -> bool:
    """Whether a value in brackets is a dict, of which the formatter gives each entry its line."""
    return value[0] == "{" and " for " not in value


def _open(value: str) -> int | None:
    """Where the brackets open that end a value, unless they are empty."""
    if value[-1] not in _CLOSING or value[-2:] in ("()", "[]"):
        return None
    depth = 0
    for i in range(len(value) - 1, -1, -1):
        depth += (value[i] in ")]}") - (value[i] in "([{")
        if depth == 0:
            return i
    return None


def _chained(value: str) -> tuple[int, int] | None:
    """Where the first parenthesis opens and closes of a value that ends in two calls in a row: a * f(b)[0].g(c)."""
    found = re.search(
        r"[A-Za-z_]\w*(?P<call>\((?:[^()\"]|\"[^\"]*\")*\))(?:\[\d+\])?\.\w+\((?:[^()]|\([^()]*\))*\)$", value
    )
    return (found.start("call"), found.end("call") - 1) if found else None


def _closed(value: str) -> int | None:
    """Where the parenthesis closes that begins a value."""
    depth = 0
    for i, character in enumerate(value if value[0] == "(" else ""):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0:
            return i
    return None


def _operators(value: str) -> int:
    """How many operators of the weakest binding a value has outside of brackets."""
    return len(_terms(value)) - 1


def _terms(value: str) -> list[str]:
    """A value parted before each operator of the weakest binding outside of its brackets."""
    node = ast.parse(value, mode="eval").body
    for signs in ((" > ", " < ", " >= ", " <= ", " == "), (" + ", " - "), (" * ", " / ", " @ ")):
        parts = _split(value, *signs)
        if len(parts) > 1 and isinstance(node, ast.BinOp | ast.Compare):
            return parts
    return [value]


def _split(text: str, *separators: str) -> list[str]:
    """The pieces of a text between separators outside of brackets; a sign stays with what follows it."""
    pieces: list[str] = []
    depth = last = 0
    for i, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        for separator in separators:
            if depth == 0 and text.startswith(separator, i):
                pieces.append(text[last:i])
                last = i + (len(separator) if separator == ", " else 1)
    return [*pieces, text[last:]]
