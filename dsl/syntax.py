"""The syntax tree: what a .net file says, before any word has a meaning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, cast

from .source import Place


@dataclass(frozen=True)
class Node:
    """A part of the tree and its place in the text."""

    place: Place

    def children(self) -> Iterator[Node]:
        """The nodes directly below this one, in the order of the text."""
        for field in fields(self):
            yield from _nodes(getattr(self, field.name))


def _nodes(value: Any) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif isinstance(value, tuple):
        for item in cast("tuple[Any, ...]", value):
            yield from _nodes(item)


# Expressions ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number(Node):
    """`10`, `1e-3`, `10%`; whole literals are int. `text` is the literal as written."""

    value: int | float
    text: str


@dataclass(frozen=True)
class Text(Node):
    """A string literal, without its quotes and escapes."""

    value: str


@dataclass(frozen=True)
class Boolean(Node):
    """`true` or `false`."""

    value: bool


@dataclass(frozen=True)
class Name(Node):
    """An identifier used as a value."""

    id: str


@dataclass(frozen=True)
class Window(Node):
    """`3x3`, `5x5x5`."""

    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Items(Node):
    """A list in brackets."""

    items: tuple[Expr, ...]


@dataclass(frozen=True)
class Unary(Node):
    """`-x`, or `not x`."""

    op: str
    operand: Expr


@dataclass(frozen=True)
class Binary(Node):
    """`+ - * / ^ @`, the comparisons, `and` and `or`."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Call(Node):
    """`word(argument, key=value)`; `word_place` is the word's alone."""

    word: str
    arguments: tuple[Argument, ...]
    word_place: Place


@dataclass(frozen=True)
class Field(Node):
    """`in.features`."""

    value: Expr
    name: str


@dataclass(frozen=True)
class Span(Node):
    """`age..income`, columns from the first to the last; names or numbers."""

    first: Expr
    last: Expr


Expr = Number | Text | Boolean | Name | Window | Items | Unary | Binary | Call | Field | Span


@dataclass(frozen=True)
class Argument(Node):
    """A positional value, or `key=value`; `key_place` is the place of the key where there is one."""

    key: str | None
    value: Expr
    key_place: Place | None = None


@dataclass(frozen=True)
class TypeNode(Node):
    """`KIND(domain)[shape]`; `shape` is None where there are no brackets."""

    kind: str
    domain: tuple[Expr, ...]
    shape: tuple[Expr, ...] | None


@dataclass(frozen=True)
class Link(Node):
    """One word of a chain with its arguments; a lone name may prove to be a source."""

    word: str
    arguments: tuple[Argument, ...]
    word_place: Place


@dataclass(frozen=True)
class Parameter(Node):
    """A parameter of a definition, with its default where it has one."""

    name: str
    default: Expr | None


# Sentences ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sentence(Node):
    """One line of the language; `doc` is the text of the `##` comment above it."""

    doc: str


@dataclass(frozen=True)
class Named(Sentence):
    """A sentence that declares a name."""

    name: str
    name_place: Place


@dataclass(frozen=True)
class Header(Named):
    """`net NAME`."""


@dataclass(frozen=True)
class Let(Named):
    """`let NAME = EXPR`."""

    value: Expr


@dataclass(frozen=True)
class Declaration(Named):
    """`input|target|noise NAME: TYPE KEY=VALUE…`; `role` is the keyword."""

    role: str
    type: TypeNode
    options: tuple[Argument, ...]


@dataclass(frozen=True)
class Chain(Sentence):
    """`[NAME =] [SOURCE ->] WORD ARG… {-> WORD ARG…}`."""

    name: str | None
    name_place: Place | None
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Output(Named):
    """`output NAME [= chain]`."""

    chain: Chain | None


@dataclass(frozen=True)
class Threshold(Named):
    """`threshold NAME VALUE`."""

    value: Expr


@dataclass(frozen=True)
class Loss(Sentence):
    """`loss [NAME =] (WORD KEY=VALUE… | EXPR) [trains PART {, PART}] [with UPDATER]`.

    A word with options is a Call with `options` as its arguments; a bare word is a Name.
    """

    name: str | None
    name_place: Place | None
    value: Expr
    trains: tuple[Name, ...]
    updater: Expr | None


@dataclass(frozen=True)
class Updater(Sentence):
    """`updater WORD ARG…`."""

    link: Link


@dataclass(frozen=True)
class Metric(Sentence):
    """`metric WORD…` or `metric f1(kind, k)`."""

    items: tuple[Expr, ...]


@dataclass(frozen=True)
class Train(Sentence):
    """`train KEY=VALUE…`."""

    options: tuple[Argument, ...]


@dataclass(frozen=True)
class Data(Sentence):
    """`data "FILE" KEY=VALUE…`."""

    file: Text
    options: tuple[Argument, ...]


@dataclass(frozen=True)
class Targets(Sentence):
    """`targets WORD…`."""

    names: tuple[Name, ...]


@dataclass(frozen=True)
class Import(Sentence):
    """`import "common.net"`."""

    file: Text


@dataclass(frozen=True)
class Part(Named):
    """`part NAME { … }`."""

    body: tuple[Sentence, ...]


@dataclass(frozen=True)
class Definition(Named):
    """`def KIND NAME(PARAM…)` with a formula, or with a body of chains (block) or formulas (layer, cell, updater)."""

    kind: str
    parameters: tuple[Parameter, ...]
    value: Expr | None
    body: tuple[Sentence, ...]


@dataclass(frozen=True)
class Repeat(Sentence):
    """`repeat N { … }`."""

    count: Expr
    body: tuple[Sentence, ...]


@dataclass(frozen=True)
class If(Sentence):
    """`if COND { … } else { … }`, of chains or of formulas."""

    condition: Expr
    body: tuple[Sentence, ...]
    orelse: tuple[Sentence, ...]


# Formulas, the bodies of `def layer`, `def cell` and `def updater` ----------------------------------------------------


@dataclass(frozen=True)
class Assign(Named):
    """`NAME = EXPR`."""

    value: Expr


@dataclass(frozen=True)
class Weight(Named):
    """`weight NAME: [SHAPE] KEY=VALUE…`."""

    shape: tuple[Expr, ...]
    options: tuple[Argument, ...]


@dataclass(frozen=True)
class State(Named):
    """`state NAME = EXPR`."""

    value: Expr


@dataclass(frozen=True)
class Return(Sentence):
    """`return EXPR`."""

    value: Expr


@dataclass(frozen=True)
class Tree:
    """A whole file."""

    sentences: tuple[Sentence, ...]
