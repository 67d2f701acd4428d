"""From the place where the parser stopped to a diagnostic, by the table of examples."""

from __future__ import annotations

import re
from functools import cache

from .diagnostics import Diagnostic, Report
from .grammar import BRACKETS, END, Fault, machine
from .layout import lay_out
from .source import Place, Source
from .syntax_errors import RESERVED, SYNTAX_ERRORS, Row

_RESERVED = {"BOOLEAN", "AND", "OR", "NOT", "ELSE"}

# What can stand at a point of a sentence, in the order in which it is worth telling.
_TERMS = {
    "NAME": "a name",
    "NUMBER": "a value",
    "COLON": ":",
    "EQUAL": "=",
    "LBRACE": "{",
    "CALL": "(",
    "LPAR": "(",
    "RPAR": ")",
    "RSQB": "]",
    "COMMA": ",",
    "ARROW": "->",
    "PLUS": "an operator",
    "STRING": "a string",
    "_NL": "the end of the sentence",
    "RBRACE": "}",
}

# A state of the parser, the context and what was found; None where one does not matter.
Key = tuple[int | None, str | None, str | None]

# Longer pieces of a text are not repeated in a message, and a text is looked at no further around a fault.
_SHOWN = 30
_NEAR = 200


def explain(source: Source, text: str, fault: Fault) -> Diagnostic:
    """What is wrong where the parser stopped in a laid-out text, and what to do about it."""
    place = Place(source, fault.start, max(fault.end, fault.start))
    row = find_row(fault)
    if row is None:
        return _unforeseen(text, fault, place)
    words = {"found": _found(text, fault), "word": _word_before(text, fault.start), "term": _term(text, fault.start)}
    message, help = (re.sub(r"\{(\w+)\}", lambda m: words[m[1]], line or "") for line in (row.message, row.help))
    return Diagnostic(row.code, message, place, help or None)


def find_row(fault: Fault) -> Row | None:
    """The row that speaks of a fault: if there is one, with an example in the same brackets or kind of sentence."""
    rows, (exact, *others) = _index(), _keys(fault)
    if exact not in rows and fault.found in _RESERVED and "NAME" in fault.accepts():
        return RESERVED
    return next(filter(None, map(rows.get, (exact, *others))), None)


def faults_of(text: str) -> list[Fault]:
    """The faults of a text."""
    source = Source("", text)
    return machine().run(source, lay_out(source), Report())[1]


@cache
def _index() -> dict[Key, Row]:
    """The rows by what their examples are looked up by; the first row keeps a key that a later one has too."""
    rows: dict[Key, Row] = {}
    for row in SYNTAX_ERRORS:
        for text in row.examples:
            fault = faults_of(text)[0]
            exact, anywhere, plain, wide = _keys(fault)
            # What an example in brackets shows says nothing of the same point of a sentence without them.
            near = [exact] if fault.context in BRACKETS else [exact, plain]
            for key in {"anywhere": [anywhere], "anything": [*near, wide]}.get(row.reach, near):
                rows.setdefault(key, row)
    return rows


def _keys(fault: Fault) -> tuple[Key, ...]:
    """What a fault is looked up by, the most telling first."""
    state, context, found = fault.state, fault.context, _kind(fault)
    return (state, context, found), (None, None, found), (state, None, found), (state, context, None)


def _kind(fault: Fault) -> str:
    """What was found, where every word that is no operator or value counts as a name."""
    ends_loss = fault.context == "LOSS" and fault.found in ("TRAINS", "WITH")
    return fault.found if fault.found in _RESERVED or ends_loss or not fault.word else "NAME"


def _unforeseen(text: str, fault: Fault, place: Place) -> Diagnostic:
    accepts = fault.accepts()
    terms = list(dict.fromkeys(term for token, term in _TERMS.items() if token in accepts))
    expected = " or ".join(filter(None, [", ".join(terms[:-1]), *terms[-1:]]))
    ends = fault.found in (END, "_NL")
    message = "the sentence is not complete" if ends else f"{_found(text, fault)} cannot stand here"
    return Diagnostic("syntax", message, place, f"here could be {expected}" if terms else None)


def _found(text: str, fault: Fault) -> str:
    if fault.found == END:
        return "the end of the file"
    if fault.found == "_NL":
        return "the end of the line"
    shown = text[fault.start : fault.end]
    return shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"


def _word_before(text: str, end: int) -> str:
    """The last word or operator before an offset, on the same line."""
    start = max(text.rfind("\n", 0, end) + 1, end - _NEAR)
    words: list[str] = re.findall(r"[A-Za-z_][A-Za-z0-9_]*|[-+*/@^<>=!]+", text[start:end])
    return next((word for word in reversed(words) if word != "="), "")


def _term(text: str, offset: int) -> str:
    """The arithmetic around an operator: from the blank or = before its left side to the blank after its right."""
    if re.compile(r"(?<=[ =])-[^ ]").match(text, offset):
        return text[offset : offset + 1 + _edge(text[offset + 1 : offset + _NEAR], "([", ")]", " ,\n")]
    first = max(0, offset - _NEAR)
    left = text[first:offset].rstrip()
    start = first + len(left) - _edge(left[::-1], ")]", "([", " =,\n")
    operator = re.compile(r"[-+*/@^<>=!]+ *").match(text, offset)
    right = operator.end() if operator else offset
    end = right + _edge(text[right : right + _NEAR], "([", ")]", " ,\n")
    return text[start:end]


def _edge(text: str, opens: str, closes: str, ends: str) -> int:
    """How far a text goes on before it ends, where what is in brackets does not end it."""
    depth = 0
    for i, character in enumerate(text):
        if depth == 0 and (character in ends or character in closes):
            return i
        depth += (character in opens) - (character in closes)
    return len(text)
