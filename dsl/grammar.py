"""The only place that knows Lark: builds the parser of grammars/net.lark once, and drives it through a text."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from .. import grammars
from .build import Builder
from .diagnostics import Report
from .layout import HOLE, Layout
from .source import Source
from .syntax import Tree

END = "$END"

# After so many faulty sentences a text is read no further.
RECOVERY_LIMIT = 10

BRACKETS = frozenset(("CALL", "LPAR", "_open", "LSQB", "INDEX"))
_OPENING = BRACKETS | {"LBRACE"}
_CLOSING = frozenset(("RPAR", "RSQB", "RBRACE"))
_SENTENCES = (
    ("NET", "LET", "ROLE", "OUTPUT", "THRESHOLD", "LOSS", "UPDATER", "METRIC", "TRAIN", "DATA", "TARGETS")
    + ("PART", "DEF", "REPEAT", "IF", "IMPORT", "WEIGHT", "STATE", "RETURN")
)  # fmt: skip
_CONTEXTS = _OPENING.union(_SENTENCES)

# What the lexer has no token for, by what a reader would call it.
_UNLEXED = {
    "HOLE": re.compile(HOLE),
    "DIGITS": re.compile(r"\.?[0-9][A-Za-z0-9_.%]*"),
    "TOUCHING": re.compile(r'["(\[]'),
    "PERIOD": re.compile(r"\."),
    "QUOTE": re.compile("['`]"),
    "SEMICOLON": re.compile(";"),
    "LOGIC": re.compile(r"&&?|\|\|?|!"),
    "PERCENT": re.compile("%"),
    "OTHER": re.compile(".", re.DOTALL),
}


@dataclass(frozen=True)
class Fault:
    """Where the parser could not go on: its state, the kind of token that it found there, and the token's range.

    `context` is the kind of the innermost open bracket, or of the keyword that begins the sentence; `word` tells if
    the token is written as a name is; `accepts` gives the kinds of tokens that could have stood there.
    """

    state: int
    context: str
    found: str
    start: int
    end: int
    word: bool
    accepts: Callable[[], frozenset[str]]


def grammar_text() -> str:
    """The grammar as it is written."""
    return Path(grammars.__path__[0], "net.lark").read_text("utf-8")


@cache
def machine() -> Machine:
    """The parser of this process."""
    return Machine()


class Machine:
    """A parser that goes on after a faulty sentence."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._builder = Builder()
        self._lark = build_lark(self._builder)

    def run(self, source: Source, layout: Layout, report: Report) -> tuple[Tree | None, list[Fault]]:
        """The tree of a text, or None and its faults; what is wrong with numbers and strings goes to the report."""
        with self._lock:
            self._builder.begin(source, layout.docs, report)
            run = _Run(self._lark, layout)
            return run.run(), run.faults


def build_lark(builder: Builder, *, strict: bool = False) -> Any:
    """Lark's parser; strict, it refuses conflicts and terminals that collide, which is a test's business and slow."""
    from lark import Lark, lexer

    has_interegular = lexer.has_interegular
    lexer.has_interegular = strict
    try:
        return Lark(
            grammar_text(),
            parser="lalr",
            lexer="contextual",
            transformer=builder,
            keep_all_tokens=True,
            maybe_placeholders=False,
            strict=strict,
        )
    finally:
        lexer.has_interegular = has_interegular


class _Run:
    """One text on its way through the parser."""

    def __init__(self, lark: Any, layout: Layout) -> None:
        self._layout = layout
        self._cursor: Any = lark.parse_interactive(layout.text)
        self._states: dict[int, dict[str, Any]] = self._cursor.parser_state.parse_conf.states
        self.faults: list[Fault] = []
        self._failed = False
        self._furthest = -1
        self._recoveries = 0

    def run(self) -> Tree | None:
        from lark.exceptions import UnexpectedInput

        while True:
            try:
                for _ in self._cursor.iter_parse():
                    pass
                tree = self._cursor.feed_eof()
                return None if self._failed else tree
            except UnexpectedInput as error:
                self._failed = True
                if not self._recover(self._fault(error)):
                    return None

    def _fault(self, error: Any) -> Fault:
        state = self._cursor.parser_state.position
        token = getattr(error, "token", None)
        if token is None:
            start = error.pos_in_stream
            found, end = _unlexed(self._layout.text, start)
        elif token.type == END:
            found, start = END, len(self._layout.text.rstrip(" "))
            end = start
        else:
            found, start, end = token.type, token.start_pos, token.end_pos
        word = self._layout.text[start:end].isidentifier()
        cursor = self._cursor.copy(deepcopy_values=False)
        return Fault(state, self._context(), found, start, end, word, lambda: frozenset(cursor.accepts()))

    def _context(self) -> str:
        closed = 0
        for value in reversed(self._cursor.parser_state.value_stack):
            kind = getattr(value, "type", None) or getattr(value, "data", None)
            closed += kind in _CLOSING
            if kind in _CONTEXTS:
                if not closed:
                    return "" if kind == "LBRACE" else kind
                closed -= kind in _OPENING
        return ""

    def _recover(self, fault: Fault) -> bool:
        """Put FAULT for the sentence in which the fault is, and go on at its end; False where that cannot be done."""
        self._recoveries += 1
        if fault.start <= self._furthest or self._recoveries > RECOVERY_LIMIT or self._is_cut(fault):
            return False
        self._furthest = fault.start
        end = self._sentence_end(fault.start)
        # One error a sentence: what was refused before the parser came says why the rest does not fit.
        if HOLE not in self._layout.text[fault.start : end]:
            self.faults.append(fault)
        if end is not None:
            self._skip_to(end)
        return end is not None

    def _is_cut(self, fault: Fault) -> bool:
        """Whether the text ends where it does only because it is read no further."""
        last = self._layout.text[: fault.start].rstrip(" ")[-1:]
        return fault.found == END and not self._layout.complete and last in ("", "\n", "{")

    def _sentence_end(self, start: int) -> int | None:
        marks, depth = self._layout.marks, 0
        for i in range(bisect_left(marks, (start, "")), len(marks)):
            offset, mark = marks[i]
            if depth == 0 and mark != "{":
                return offset
            depth += (mark == "{") - (mark == "}")
        return None

    def _skip_to(self, offset: int) -> None:
        from lark import Token

        parser = self._cursor.parser_state
        while "FAULT" not in self._states[parser.position]:
            parser.state_stack.pop()
            parser.value_stack.pop()
        self._cursor.feed_token(Token("FAULT", ""))
        self._cursor.lexer_thread.state.line_ctr.char_pos = offset


def _unlexed(text: str, start: int) -> tuple[str, int]:
    found = ((kind, match.end()) for kind, pattern in _UNLEXED.items() if (match := pattern.match(text, start)))
    return next(found)
