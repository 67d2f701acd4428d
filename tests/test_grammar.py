"""The grammar: it has no conflicts, names no word, builds fast, and its table of mistakes holds."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from netc.dsl.build import Builder
from netc.dsl.diagnostics import CODES
from netc.dsl.grammar import build_lark, grammar_text
from netc.dsl.syntax_errors import RESERVED, SYNTAX_ERRORS, Row
from netc.dsl.syntax_explain import faults_of, find_row


def test_the_grammar_builds_with_conflicts_as_errors() -> None:
    pytest.importorskip("interegular")
    build_lark(Builder(), strict=True)


def test_the_grammar_knows_sentences_and_no_words() -> None:
    quoted = set(re.findall(r'"([a-z]+)"', re.sub(r"//.*", "", grammar_text())))
    sentences = (
        "net let input target noise output threshold loss updater metric train data targets part def repeat if import"
    )
    parts = "trains with else weight state return or and not"
    kinds = "block activation loss metric init schedule layer cell updater"
    assert quoted == set(f"{sentences} {parts} {kinds}".split())


def test_every_rule_has_its_method() -> None:
    rules = set(re.findall(r"^\?*([a-z]\w*)(?:\{\w+\})?:", grammar_text(), re.MULTILINE))
    silent = set(re.findall(r"^\?([a-z]\w*)(?:\{\w+\})?:", grammar_text(), re.MULTILINE))
    names = (rules - silent) | set(re.findall(r"-> (\w+)", re.sub(r"//.*", "", grammar_text())))
    aliased = {"unnamed", "trained", "worded", "setting", "formulas", "when", "negative", "given", "keyed"}
    assert [name for name in sorted(names - aliased) if not hasattr(Builder, name)] == []


def test_importing_the_language_does_not_import_lark() -> None:
    code = "import sys, netc.dsl.parse; sys.exit('lark' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("row", SYNTAX_ERRORS, ids=lambda row: row.message)
def test_every_example_is_explained_by_its_row(row: Row) -> None:
    assert row.code in CODES
    assert row.examples
    for example in row.examples:
        faults = faults_of(example)
        assert faults, f"{example!r} parses"
        assert find_row(faults[0]) is row, f"{example!r} is explained otherwise"


def test_a_reserved_word_is_no_name() -> None:
    for text in ("let true = 3", "input not: f32", "relu -> and", "targets or", "let a = b.else"):
        assert find_row(faults_of(text)[0]) is RESERVED


def test_messages_have_only_known_blanks_to_fill() -> None:
    for row in SYNTAX_ERRORS:
        for text in (row.message, row.help or ""):
            assert set(re.findall(r"\{(\w+)\}", text)) <= {"found", "word", "term"}
