"""Syntax trees without places, and random ones."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from netc.dsl import syntax as s
from netc.dsl.source import Place, Source

HERE = Place(Source("", ""), 0, 0)


def bare(node: Any) -> Any:
    """A tree as nested tuples, with every fact of its nodes but places."""
    if isinstance(node, tuple):
        return tuple(map(bare, node))
    if is_dataclass(node):
        named = [(field.name, getattr(node, field.name)) for field in fields(node)]
        return (type(node).__name__, *((name, bare(value)) for name, value in named if not name.endswith("place")))
    return type(node).__name__, node


RESERVED = {"true", "false", "and", "or", "not", "else"}
KEYWORDS = [
    "input",
    "target",
    "loss",
    "net",
    "trains",
    "with",
    "if",
    "repeat",
    "in",
    "weight",
    "return",
    "def",
    "metric",
]
NAMES = st.sampled_from(["a", "b", "dense", "x3", "W", "_", "e1", *KEYWORDS]) | st.from_regex(
    r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True
).filter(lambda name: name not in RESERVED)
FIRST_WORDS = NAMES.filter(lambda name: name not in ("if", "repeat", "return"))
CHARACTERS = st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co"))


def number(text: str) -> s.Number:
    digits, percent, _ = text.partition("%")
    value = float(Decimal(digits) / 100) if percent else float(digits)
    return s.Number(HERE, int(text) if text.lstrip("-").isdigit() else value, text)


DIGITS = st.from_regex(r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,4})?(%|[eE][+-]?[0-9]{1,2})?", fullmatch=True)
POSITIVE = DIGITS.map(number)
NUMBERS = POSITIVE | DIGITS.map(lambda text: number("-" + text))
TEXTS = st.builds(s.Text, st.just(HERE), st.text(CHARACTERS | st.sampled_from('"\\\n\t#->{(')))
NAME_NODES = st.builds(s.Name, st.just(HERE), NAMES)
ENDS = NAME_NODES | POSITIVE | TEXTS
SPANS = st.builds(s.Span, st.just(HERE), ENDS, ENDS)
LEAVES = st.one_of(
    NAME_NODES,
    NUMBERS,
    TEXTS,
    st.builds(s.Boolean, st.just(HERE), st.booleans()),
    st.builds(s.Window, st.just(HERE), st.lists(st.integers(0, 99), min_size=2, max_size=3).map(tuple)),
)


def tuples(items: st.SearchStrategy[Any], least: int = 0, most: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(items, min_size=least, max_size=most).map(tuple)


def arguments(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    positional = tuples(st.builds(s.Argument, st.just(HERE), st.none(), values), most=2)
    return st.tuples(positional, options(values)).map(lambda parts: parts[0] + parts[1])


def options(values: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[Any]:
    return tuples(st.builds(s.Argument, st.just(HERE), NAMES, values | SPANS, st.just(HERE)), least, 2)


def calls(values: st.SearchStrategy[Any]) -> st.SearchStrategy[s.Call]:
    return st.builds(s.Call, st.just(HERE), NAMES, arguments(values), st.just(HERE))


def is_signed_literal(node: s.Unary) -> bool:
    """Whether a minus stands before a literal, which reads as one negative literal."""
    return node.op == "-" and isinstance(node.operand, s.Number) and not node.operand.text.startswith("-")


def compound(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    operators = st.sampled_from(["+", "-", "*", "/", "^", "@", "==", "!=", "<", "<=", ">", ">=", "and", "or"])
    return st.one_of(
        st.builds(s.Binary, st.just(HERE), operators, values, values),
        st.builds(s.Unary, st.just(HERE), st.sampled_from(["-", "not"]), values).filter(
            lambda n: not is_signed_literal(n)
        ),
        calls(values),
        st.builds(s.Field, st.just(HERE), values, NAMES),
        st.builds(s.Items, st.just(HERE), tuples(values)),
    )


EXPRESSIONS = st.recursive(LEAVES, compound, max_leaves=8)
DOCS = st.just("") | st.lists(st.text(CHARACTERS).map(str.rstrip), min_size=1, max_size=3).map("\n".join)
START = (st.just(HERE), DOCS)
NAMED = (*START, NAMES, st.just(HERE))
ARGUMENTS, OPTIONS = arguments(EXPRESSIONS), options(EXPRESSIONS)
LINKS = st.builds(s.Link, st.just(HERE), NAMES, ARGUMENTS, st.just(HERE))
FIRST_LINKS = st.builds(s.Link, st.just(HERE), FIRST_WORDS, ARGUMENTS, st.just(HERE))
UNNAMED = st.tuples(FIRST_LINKS, tuples(LINKS, most=2)).map(lambda parts: (parts[0], *parts[1]))
CHAINS = st.builds(s.Chain, *START, st.none(), st.none(), UNNAMED) | st.builds(
    s.Chain, *START, NAMES, st.just(HERE), tuples(LINKS, 1)
)
INNER_CHAINS = st.builds(s.Chain, st.just(HERE), st.just(""), st.none(), st.none(), tuples(LINKS, 1))
TYPES = st.builds(s.TypeNode, st.just(HERE), NAMES, tuples(EXPRESSIONS), st.none() | tuples(EXPRESSIONS, 1))
PARAMETERS = tuples(st.builds(s.Parameter, st.just(HERE), NAMES, st.none() | EXPRESSIONS))
METHODS = NAME_NODES | calls(EXPRESSIONS)
WORDED = st.builds(s.Call, st.just(HERE), NAMES, options(EXPRESSIONS, 1), st.just(HERE))
FORMULA_WORDS = st.sampled_from(["activation", "loss", "metric", "init", "schedule"])
BODY_WORDS = st.sampled_from(["layer", "cell", "updater"])


def with_bodies(sentences: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    body = tuples(sentences, 1)
    return st.builds(s.If, *START, EXPRESSIONS, body, st.just(()) | body)


STEPS = st.recursive(
    CHAINS, lambda steps: with_bodies(steps) | st.builds(s.Repeat, *START, EXPRESSIONS, tuples(steps, 1)), max_leaves=4
)
FORMULAS = st.recursive(
    st.one_of(
        st.builds(s.Assign, *NAMED, EXPRESSIONS),
        st.builds(s.Weight, *NAMED, tuples(EXPRESSIONS, 1), OPTIONS),
        st.builds(s.State, *NAMED, EXPRESSIONS),
        st.builds(s.Return, *START, EXPRESSIONS),
    ),
    with_bodies,
    max_leaves=4,
)
SENTENCES = st.one_of(
    st.builds(s.Header, *NAMED),
    st.builds(s.Let, *NAMED, EXPRESSIONS),
    st.builds(s.Declaration, *NAMED, st.sampled_from(["input", "target", "noise"]), TYPES, OPTIONS),
    STEPS,
    st.builds(s.Output, *NAMED, st.none() | INNER_CHAINS),
    st.builds(s.Threshold, *NAMED, EXPRESSIONS),
    st.builds(
        s.Loss,
        *START,
        st.none() | NAMES,
        st.just(HERE),
        EXPRESSIONS | WORDED,
        tuples(NAME_NODES),
        st.none() | METHODS,
    ),
    st.builds(s.Updater, *START, LINKS),
    st.builds(s.Metric, *START, tuples(METHODS, 1)),
    st.builds(s.Train, *START, options(EXPRESSIONS, 1)),
    st.builds(s.Data, *START, TEXTS, OPTIONS),
    st.builds(s.Targets, *START, tuples(NAME_NODES, 1)),
    st.builds(s.Import, *START, TEXTS),
    st.builds(s.Part, *NAMED, tuples(STEPS, 1)),
    st.builds(s.Definition, *NAMED, st.just("block"), PARAMETERS, st.none(), tuples(STEPS, 1)),
    st.builds(s.Definition, *NAMED, FORMULA_WORDS, PARAMETERS, EXPRESSIONS, st.just(())),
    st.builds(s.Definition, *NAMED, BODY_WORDS, PARAMETERS, st.none(), tuples(FORMULAS, 1)),
)
TREES = st.builds(s.Tree, tuples(SENTENCES, most=4))
