"""From a syntax tree to its canonical text, which parses to the same tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import singledispatch

from . import syntax as s

_INDENT = "    "
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"})

# How tightly an operator binds, and how tightly its operands must: what binds less stands in parentheses.
_ATOM = 9
_MINUS = 7
_BINDING = {
    "or": (1, 1, 2),
    "and": (2, 2, 3),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), (4, 5, 5)),
    **dict.fromkeys("+-", (5, 5, 6)),
    **dict.fromkeys("*/@", (6, 6, _MINUS)),
    "^": (8, _ATOM, _MINUS),
}
_UNARY = {"-": _MINUS, "not": 3}

# A word that begins sentences is called with parentheses where it begins one.
_KEYWORDS = frozenset(
    ("net", "let", "input", "target", "noise", "output", "threshold", "loss", "updater", "metric", "train", "data")
    + ("targets", "part", "def", "repeat", "if", "import")
)


def unparse(tree: s.Tree) -> str:
    """The canonical text of a tree."""
    return "".join(f"{line}\n" for line in _lines(tree.sentences))


# Sentences ------------------------------------------------------------------------------------------------------------


def _lines(sentences: Iterable[s.Sentence], indent: str = "") -> Iterator[str]:
    for sentence in sentences:
        if sentence.doc:
            yield from (f"{indent}## {line}".rstrip() for line in sentence.doc.split("\n"))
        yield from (indent + line for line in _sentence(sentence).split("\n"))


@singledispatch
def _sentence(sentence: s.Sentence) -> str:
    raise AssertionError(f"no printing of {sentence}")


@_sentence.register
def _(sentence: s.Header) -> str:
    return f"net {sentence.name}"


@_sentence.register
def _(sentence: s.Let) -> str:
    return f"let {sentence.name} = {_expr(sentence.value)}"


@_sentence.register
def _(sentence: s.Declaration) -> str:
    return _spaced(f"{sentence.role} {sentence.name}: {_type(sentence.type)}", sentence.options)


@_sentence.register
def _(sentence: s.Chain) -> str:
    if sentence.name is not None:
        return f"{sentence.name} = {_links(sentence.links)}"
    first = sentence.links[0]
    if first.word in _KEYWORDS and (first.arguments or len(sentence.links) == 1):
        return " -> ".join([_called(first.word, first.arguments), *map(_link, sentence.links[1:])])
    return _links(sentence.links)


@_sentence.register
def _(sentence: s.Output) -> str:
    return f"output {sentence.name}" + (f" = {_links(sentence.chain.links)}" if sentence.chain else "")


@_sentence.register
def _(sentence: s.Threshold) -> str:
    return f"threshold {sentence.name} {_operand(sentence.value)}"


@_sentence.register
def _(sentence: s.Loss) -> str:
    name = f"{sentence.name} = " if sentence.name is not None else ""
    trains = f" trains {', '.join(part.id for part in sentence.trains)}" if sentence.trains else ""
    updater = f" with {_expr(sentence.updater)}" if sentence.updater else ""
    return f"loss {name}{_compared(sentence.value)}{trains}{updater}"


def _compared(value: s.Expr) -> str:
    """What a loss compares: a word with its options is written without parentheses."""
    if not isinstance(value, s.Call) or not value.arguments:
        return _expr(value)
    if any(argument.key is None or isinstance(argument.value, s.Span) for argument in value.arguments):
        return _expr(value)
    options = (f"{argument.key}={_setting(argument.value)}" for argument in value.arguments)
    return " ".join([value.word, *options])


def _setting(value: s.Expr) -> str:
    return value.text if isinstance(value, s.Number) else _expr(value, _ATOM)


@_sentence.register
def _(sentence: s.Updater) -> str:
    return f"updater {_link(sentence.link)}"


@_sentence.register
def _(sentence: s.Metric) -> str:
    return " ".join(["metric", *map(_expr, sentence.items)])


@_sentence.register
def _(sentence: s.Train) -> str:
    return _spaced("train", sentence.options)


@_sentence.register
def _(sentence: s.Data) -> str:
    return _spaced(f"data {_expr(sentence.file)}", sentence.options)


@_sentence.register
def _(sentence: s.Targets) -> str:
    return " ".join(["targets", *map(_expr, sentence.names)])


@_sentence.register
def _(sentence: s.Import) -> str:
    return f"import {_expr(sentence.file)}"


@_sentence.register
def _(sentence: s.Part) -> str:
    return f"part {sentence.name} {_body(sentence.body)}"


@_sentence.register
def _(sentence: s.Definition) -> str:
    head = f"def {sentence.kind} {sentence.name}({', '.join(map(_parameter, sentence.parameters))})"
    return f"{head} = {_expr(sentence.value)}" if sentence.value is not None else f"{head} {_body(sentence.body)}"


@_sentence.register
def _(sentence: s.Repeat) -> str:
    return f"repeat {_expr(sentence.count)} {_body(sentence.body)}"


@_sentence.register
def _(sentence: s.If) -> str:
    orelse = f" else {_body(sentence.orelse)}" if sentence.orelse else ""
    return f"if {_expr(sentence.condition)} {_body(sentence.body)}{orelse}"


@_sentence.register
def _(sentence: s.Assign) -> str:
    return f"{sentence.name} = {_expr(sentence.value)}"


@_sentence.register
def _(sentence: s.Weight) -> str:
    return _spaced(f"weight {sentence.name}: [{_listed(sentence.shape)}]", sentence.options)


@_sentence.register
def _(sentence: s.State) -> str:
    return f"state {sentence.name} = {_expr(sentence.value)}"


@_sentence.register
def _(sentence: s.Return) -> str:
    return f"return {_expr(sentence.value)}"


# Parts of sentences ---------------------------------------------------------------------------------------------------


def _body(sentences: tuple[s.Sentence, ...]) -> str:
    return "\n".join(["{", *_lines(sentences, _INDENT), "}"])


def _links(links: tuple[s.Link, ...]) -> str:
    return " -> ".join(map(_link, links))


def _link(link: s.Link) -> str:
    return _spaced(link.word, link.arguments)


def _spaced(head: str, arguments: tuple[s.Argument, ...]) -> str:
    return " ".join([head, *(_key(argument) + _operand(argument.value) for argument in arguments)])


def _key(argument: s.Argument) -> str:
    return "" if argument.key is None else f"{argument.key}="


def _parameter(parameter: s.Parameter) -> str:
    return parameter.name if parameter.default is None else f"{parameter.name}={_expr(parameter.default)}"


def _type(node: s.TypeNode) -> str:
    domain = f"({_listed(node.domain)})" if node.domain else ""
    shape = f"[{_listed(node.shape)}]" if node.shape is not None else ""
    return node.kind + domain + shape


# Expressions ----------------------------------------------------------------------------------------------------------


def _expr(node: s.Expr, binding: int = 0) -> str:
    """An expression, in parentheses where it binds less tightly than its place demands."""
    text, own = _bound(node)
    return f"({text})" if own < binding else text


def _operand(node: s.Expr) -> str:
    """An expression that stands between blanks: one with operators, or a field of what is not a name, is grouped."""
    simple = isinstance(node, s.Number) or (_bound(node)[1] == _ATOM and _is_path(node))
    return _expr(node) if simple else f"({_expr(node)})"


def _is_path(node: s.Expr) -> bool:
    return not isinstance(node, s.Field) or isinstance(_root(node), s.Name)


def _root(node: s.Expr) -> s.Expr:
    while isinstance(node, s.Field):
        node = node.value
    return node


def _bound(node: s.Expr) -> tuple[str, int]:
    """The text of an expression, and how tightly it binds."""
    match node:
        case s.Number():
            return node.text, _MINUS if node.text.startswith("-") else _ATOM
        case s.Unary():
            binding = _UNARY[node.op]
            return ("not " if node.op == "not" else node.op) + _expr(node.operand, binding), binding
        case s.Binary():
            binding, left, right = _BINDING[node.op]
            operator = node.op if node.op == "^" else f" {node.op} "
            return _expr(node.left, left) + operator + _expr(node.right, right), binding
        case _:
            return _atom(node), _ATOM


def _atom(node: s.Text | s.Boolean | s.Name | s.Window | s.Items | s.Call | s.Field | s.Span) -> str:
    match node:
        case s.Text():
            return f'"{node.value.translate(_ESCAPED)}"'
        case s.Boolean():
            return str(node.value).lower()
        case s.Name():
            return node.id
        case s.Window():
            return "x".join(map(str, node.sizes))
        case s.Items():
            return f"[{_listed(node.items)}]"
        case s.Call():
            return _called(node.word, node.arguments)
        case s.Field():
            return f"{_owner(node.value)}.{node.name}"
        case s.Span():
            return f"{_expr(node.first)}..{_expr(node.last)}"


def _owner(node: s.Expr) -> str:
    text = _expr(node)
    return text if isinstance(node, s.Name | s.Call | s.Field) else f"({text})"


def _called(word: str, arguments: tuple[s.Argument, ...]) -> str:
    return f"{word}({', '.join(_key(argument) + _expr(argument.value) for argument in arguments)})"


def _listed(nodes: tuple[s.Expr, ...]) -> str:
    return ", ".join(map(_expr, nodes))
