"""What the parser does as it recognises each rule of grammars/net.lark: make the node of the tree."""

# A method's name is its rule's in the grammar, which says more than a docstring could.
# ruff: noqa: D102

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, cast

from . import syntax as s
from .diagnostics import Report
from .source import Place, Source

# The longest literal, in characters.
NUMBER_LIMIT = 40

_ESCAPES = {"\\": "\\", '"': '"', "n": "\n", "t": "\t"}


class Token(Protocol):
    """What the lexer gives: a piece of the text, which is a str, with its kind and its offsets."""

    type: str
    start_pos: int
    end_pos: int


@dataclass(frozen=True)
class _Body(s.Node):
    """The sentences between two braces."""

    sentences: tuple[s.Sentence, ...]


Child = Token | s.Node
Children = Sequence[Child]
N = TypeVar("N", bound=s.Node)


class Builder:
    """Makes the nodes of a text; each public method has the name of a rule and takes all that the rule matched."""

    def __init__(self) -> None:
        self.begin(Source("", ""), {}, Report())

    def begin(self, source: Source, docs: dict[int, str], report: Report) -> None:
        """Turn to another text, with the doc comments of its sentences by offset; what is wrong goes to the report."""
        self._source, self._docs, self._report = source, docs, report

    # The file and its sentences ---------------------------------------------------------------------------------------

    def start(self, c: Children) -> s.Tree:
        return s.Tree(_all(s.Sentence, c))

    def header(self, c: Children) -> s.Header:
        return s.Header(*self._named(c))

    def let(self, c: Children) -> s.Let:
        return s.Let(*self._named(c), _expr(c[3]))

    def declaration(self, c: Children) -> s.Declaration:
        return s.Declaration(*self._named(c), str(c[0]), cast(s.TypeNode, c[3]), _all(s.Argument, c))

    def chain(self, c: Children) -> s.Chain:
        place, doc = self._sentence(c)
        name, name_place = (None, None) if isinstance(c[0], s.Node) else (str(c[0]), self._place(c[:1]))
        return s.Chain(place, doc, name, name_place, _all(s.Link, c))

    def output(self, c: Children) -> s.Output:
        return s.Output(*self._named(c), next(iter(_all(s.Chain, c)), None))

    def threshold(self, c: Children) -> s.Threshold:
        return s.Threshold(*self._named(c), _expr(c[2]))

    def loss(self, c: Children) -> s.Loss:
        place, doc = self._sentence(c)
        name, name_place = (None, None) if isinstance(c[1], s.Node) else (str(c[1]), self._place(c[1:2]))
        value, *trains = (child for child in c if isinstance(child, s.Node))
        updater = trains.pop() if _kind(c[-2]) == "WITH" else None
        return s.Loss(place, doc, name, name_place, _expr(value), _all(s.Name, trains), cast(s.Expr | None, updater))

    def updater(self, c: Children) -> s.Updater:
        return s.Updater(*self._sentence(c), cast(s.Link, c[1]))

    def metric(self, c: Children) -> s.Metric:
        return s.Metric(*self._sentence(c), _exprs(c))

    def train(self, c: Children) -> s.Train:
        return s.Train(*self._sentence(c), _all(s.Argument, c))

    def data(self, c: Children) -> s.Data:
        return s.Data(*self._sentence(c), self.text(c[1:2]), _all(s.Argument, c))

    def targets(self, c: Children) -> s.Targets:
        return s.Targets(*self._sentence(c), _all(s.Name, c))

    def library(self, c: Children) -> s.Import:
        return s.Import(*self._sentence(c), self.text(c[1:2]))

    def part(self, c: Children) -> s.Part:
        return s.Part(*self._named(c), _bodies(c)[0])

    def definition(self, c: Children) -> s.Definition:
        last = c[-1]
        body, value = (last.sentences, None) if isinstance(last, _Body) else ((), _expr(last))
        return s.Definition(*self._named(c, 2), str(c[1]), _all(s.Parameter, c), value, body)

    def repeat(self, c: Children) -> s.Repeat:
        return s.Repeat(*self._sentence(c), _expr(c[1]), _bodies(c)[0])

    def branch(self, c: Children) -> s.If:
        body, *orelse = _bodies(c)
        return s.If(*self._sentence(c), _expr(c[1]), body, orelse[0] if orelse else ())

    # Formulas of a body -----------------------------------------------------------------------------------------------

    def assign(self, c: Children) -> s.Assign:
        return s.Assign(*self._named(c, 0), _expr(c[2]))

    def weight(self, c: Children) -> s.Weight:
        end = next(i for i, child in enumerate(c) if _kind(child) == "RSQB")
        return s.Weight(*self._named(c), _exprs(c[:end]), _all(s.Argument, c))

    def state(self, c: Children) -> s.State:
        return s.State(*self._named(c), _expr(c[3]))

    # `return` is a word of Python's, so the rule is called otherwise.
    def result(self, c: Children) -> s.Return:
        return s.Return(*self._sentence(c), _expr(c[1]))

    # Parts of sentences -----------------------------------------------------------------------------------------------

    def body(self, c: Children) -> _Body:
        return _Body(self._place(c), _all(s.Sentence, c))

    def link(self, c: Children) -> s.Link:
        return s.Link(self._place(c), str(c[0]), _all(s.Argument, c), self._place(c[:1]))

    def argument(self, c: Children) -> s.Argument:
        return s.Argument(self._place(c), None, _expr(c[0]))

    def option(self, c: Children) -> s.Argument:
        return s.Argument(self._place(c), str(c[0]), _expr(c[2]), self._place(c[:1]))

    def type(self, c: Children) -> s.TypeNode:
        index = next((i for i, child in enumerate(c) if _kind(child) == "INDEX"), None)
        shape = None if index is None else _exprs(c[index:])
        return s.TypeNode(self._place(c), str(c[0]), _exprs(c[:index]), shape)

    def parameter(self, c: Children) -> s.Parameter:
        return s.Parameter(self._place(c), str(c[0]), _expr(c[2]) if len(c) > 1 else None)

    # Expressions ------------------------------------------------------------------------------------------------------

    def name(self, c: Children) -> s.Name:
        return s.Name(self._place(c), str(c[0]))

    def number(self, c: Children) -> s.Number:
        text = str(c[0])
        return s.Number(place := self._place(c), self._value(text, place), text)

    def window(self, c: Children) -> s.Window:
        place, text = self._place(c), str(c[0])
        sizes = text.split("x") if self._is_short(text, place) else ("1", "1")
        return s.Window(place, tuple(map(int, sizes)))

    def text(self, c: Children) -> s.Text:
        return s.Text(self._place(c), self._unescape(str(c[0])[1:-1], cast(Token, c[0]).start_pos + 1))

    def boolean(self, c: Children) -> s.Boolean:
        return s.Boolean(self._place(c), str(c[0]) == "true")

    def call(self, c: Children) -> s.Call:
        return s.Call(self._place(c), str(c[0]), _all(s.Argument, c), self._place(c[:1]))

    def items(self, c: Children) -> s.Items:
        return s.Items(self._place(c), _exprs(c))

    def group(self, c: Children) -> s.Expr:
        return replace(_expr(c[1]), place=self._place(c))

    def span(self, c: Children) -> s.Span:
        return s.Span(self._place(c), _expr(c[0]), _expr(c[2]))

    def field(self, c: Children) -> s.Field:
        value = self.name(c[:1]) if not isinstance(c[0], s.Node) else _expr(c[0])
        return s.Field(self._place(c), value, str(c[2]))

    def binary(self, c: Children) -> s.Binary:
        return s.Binary(self._place(c), str(c[1]), _expr(c[0]), _expr(c[2]))

    def unary(self, c: Children) -> s.Expr:
        operand = c[1] if isinstance(c[1], s.Node) else self.number(c[1:])
        place = self._place(c)
        if str(c[0]) == "-" and isinstance(operand, s.Number) and not operand.text.startswith("-"):
            return s.Number(place, -operand.value, "-" + operand.text)
        return s.Unary(place, str(c[0]), _expr(operand))

    # Help -------------------------------------------------------------------------------------------------------------

    def _place(self, children: Children) -> Place:
        first, last = children[0], children[-1]
        start = first.place.start if isinstance(first, s.Node) else first.start_pos
        end = last.place.end if isinstance(last, s.Node) else last.end_pos
        return Place(self._source, start, end)

    def _sentence(self, children: Children) -> tuple[Place, str]:
        place = self._place(children)
        return place, self._docs.get(place.start, "")

    def _named(self, children: Children, at: int = 1) -> tuple[Place, str, str, Place]:
        return *self._sentence(children), str(children[at]), self._place(children[at : at + 1])

    def _value(self, text: str, place: Place) -> int | float:
        if not self._is_short(text.lstrip("-"), place):
            return 1
        if text.lstrip("-").isdigit():
            return int(text)
        value = float(text[:-1] + "e-2" if text.endswith("%") else text)
        if math.isinf(value):
            self._report.error("bad-number", f"{text} is too large for a 64-bit float", place)
        elif value == 0 and text.lower().partition("e")[0].strip("-0.%"):
            self._report.error("bad-number", f"{text} is too small for a 64-bit float", place)
        return value

    def _is_short(self, text: str, place: Place) -> bool:
        if len(text) > NUMBER_LIMIT:
            self._report.error("bad-number", f"a number has at most {NUMBER_LIMIT} characters", place)
        return len(text) <= NUMBER_LIMIT

    def _unescape(self, text: str, start: int) -> str:
        if "\\" not in text:
            return text
        pieces: list[str] = []
        characters = iter(enumerate(text, start))
        for at, character in characters:
            if character == "\\":
                _, escaped = next(characters)
                if escaped not in _ESCAPES:
                    self._bad_escape(at, escaped)
                character = _ESCAPES.get(escaped, escaped)
            pieces.append(character)
        return "".join(pieces)

    def _bad_escape(self, at: int, escaped: str) -> None:
        place = Place(self._source, at, at + 2)
        message = f"\\{escaped} is not an escape of a string"
        self._report.error("bad-escape", message, place, 'write \\\\ for a backslash; the others are \\" \\n \\t')


def _kind(child: Child) -> str | None:
    return None if isinstance(child, s.Node) else child.type


def _all(kind: type[N], children: Sequence[object]) -> tuple[N, ...]:
    return tuple(child for child in children if isinstance(child, kind))


def _expr(child: Child) -> s.Expr:
    return cast(s.Expr, child)


def _exprs(children: Children) -> tuple[s.Expr, ...]:
    return tuple(_expr(child) for child in children if isinstance(child, s.Node))


def _bodies(children: Children) -> list[tuple[s.Sentence, ...]]:
    return [child.sentences for child in children if isinstance(child, _Body)]
