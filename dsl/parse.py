"""From the text of a .net file to its syntax tree, or to all the syntax errors in it."""

from __future__ import annotations

import re
from itertools import islice
from typing import NoReturn

from .diagnostics import Diagnostic, Report, SpecError
from .layout import lay_out
from .source import Place, Source
from .syntax import Node, Tree

# The largest text, in characters and in words and signs, and the most levels of nodes that a sentence may have.
SIZE_LIMIT = 1 << 20
COUNT_LIMIT = 50_000
DEPTH_LIMIT = 100

# How many errors of a text are told.
ERROR_LIMIT = 10

_PIECE = re.compile(r'"(?:[^"\\\n]|\\.)*"|[0-9][A-Za-z0-9_.]*|[A-Za-z_][A-Za-z0-9_]*|[^ ]')


def parse(source: Source) -> Tree:
    """The tree of a text; raises SpecError with the syntax errors of all its sentences, in the order of the text."""
    from .grammar import machine

    _refuse_size(source)
    layout = lay_out(source)
    _refuse_count(source, layout.text)
    report = Report()
    report.diagnostics += layout.diagnostics[:ERROR_LIMIT]
    tree, faults = machine().run(source, layout, report)
    if faults:
        from .syntax_explain import explain

        report.diagnostics += (explain(source, layout.text, fault) for fault in faults)
    if tree is not None:
        _refuse_depth(tree, report)
    if report.failed or tree is None:
        raise SpecError(report.ordered()[:ERROR_LIMIT])
    return tree


def _refuse_size(source: Source) -> None:
    if len(source.text) > SIZE_LIMIT:
        _refuse(source, 0, f"a spec has at most {SIZE_LIMIT} characters, and this one has {len(source.text)}")


def _refuse_count(source: Source, laid_out: str) -> None:
    beyond = next(islice(_PIECE.finditer(laid_out), COUNT_LIMIT, None), None)
    if beyond is not None:
        _refuse(source, beyond.start(), f"a spec has at most {COUNT_LIMIT} words, numbers, strings and signs")


def _refuse(source: Source, offset: int, message: str) -> NoReturn:
    raise SpecError([Diagnostic("too-long", message, Place(source, offset, offset), "read large weights from a file")])


def _refuse_depth(tree: Tree, report: Report) -> None:
    """Report each sentence with a node below DEPTH_LIMIT levels: who reads the tree may recurse."""
    for sentence in tree.sentences:
        level: list[Node] = [sentence]
        for _ in range(DEPTH_LIMIT):
            level = [child for node in level for child in node.children()]
            if not level:
                break
        else:
            message = f"this is nested deeper than {DEPTH_LIMIT} levels"
            report.error("too-deep", message, level[0].place, "name a part of it in a sentence of its own")
