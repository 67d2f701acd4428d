"""Printing a tree: what is printed parses to the same tree, and is canonical."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from netc.dsl.parse import parse
from netc.dsl.source import Source
from netc.dsl.syntax import Tree
from netc.dsl.unparse import unparse
from trees import TREES, bare

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.net"))


def again(text: str) -> Tree:
    return parse(Source("spec.net", text))


@settings(
    max_examples=1000 if "NETC_EXHAUSTIVE" in os.environ else 80, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(TREES)
def test_what_is_printed_parses_to_the_same_tree(tree: Tree) -> None:
    text = unparse(tree)
    assert bare(again(text)) == bare(tree), text


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.stem for sample in SAMPLES])
def test_a_sample_survives(sample: Path) -> None:
    tree = again(sample.read_text())
    text = unparse(tree)
    assert bare(again(text)) == bare(tree)
    assert unparse(again(text)) == text


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("dense(16, bias=false)", "dense 16 bias=false"),
        ("dense   16->relu", "dense 16 -> relu"),
        ("conv 16 (2*k+1)", "conv 16 (2 * k + 1)"),
        ("leakyrelu(-0.1)", "leakyrelu -0.1"),
        ("dense (n) lr=(3)", "dense n lr=3"),
        ("loss huber(delta=2)", "loss huber delta=2"),
        ("loss huber(delta=-2, beta=(n + 1))", "loss huber delta=-2 beta=(n + 1)"),
        ("loss mse(a, b)+0.3*mae(c,d)", "loss mse(a, b) + 0.3 * mae(c, d)"),
        ("let a = ((b))^2 - (c*d) - (e - f)", "let a = b^2 - c * d - (e - f)"),
        ("let a = (-b)^2 + -b^2", "let a = (-b)^2 + -b^2"),
        ("let a = (b^c)^d + b^(c^d)", "let a = (b^c)^d + b^c^d"),
        ("let a = not (b or c) and (d and e)", "let a = not (b or c) and (d and e)"),
        ("part g{relu->tanh}", "part g {\n    relu -> tanh\n}"),
        ("if a{relu}else{tanh\n\n\n relu}", "if a {\n    relu\n} else {\n    tanh\n    relu\n}"),
        ("##one\n##  two\n##\n## three\nrelu # four", "## one\n##  two\n##\n## three\nrelu"),
        ("data 'f'".replace("'", '"') + r' x="a\"b\\c\n\t" y=a .. b z=1..4', r'data "f" x="a\"b\\c\n\t" y=a..b z=1..4'),
        ("noise(0.1)", "noise(0.1)"),
        ("input -> noise 0.1", "input -> noise 0.1"),
    ],
)
def test_canonical_text(written: str, canonical: str) -> None:
    assert unparse(again(written)) == canonical + "\n"
    assert unparse(again(canonical)) == canonical + "\n"
