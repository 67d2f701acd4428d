"""What is said of part, def block, repeat and if where they are at fault: each fault with its place and its uses."""

from __future__ import annotations

from typing import Any

import pytest
from harness import spec
from netc.dsl import Source, SpecError, check, load_text
from netc.dsl.diagnostics import Diagnostic
from test_structure import deep


def said(text: str) -> list[Diagnostic]:
    return check(Source("spec.net", spec(text)))[1].ordered()


def where(diagnostic: Diagnostic) -> tuple[str, str, list[str]]:
    """The code of a diagnostic, and the texts of its place and its uses."""
    assert diagnostic.place is not None
    texts = [p.source.text[p.start : p.end] for p in (diagnostic.place, *diagnostic.uses)]
    return diagnostic.code, texts[0], texts[1:]


FAULTS: dict[str, tuple[str, list[Any]]] = {
    "an argument points to the use": (
        "def block wide(n) { dense n }\nwide n=0 m=3 -> wide -> wide 2 3 -> dense 2",
        [("unknown-option", "m", []), ("missing-option", "wide", []), ("too-many-options", "3", [])],
    ),
    "a value that a word refuses points to the body": (
        "def block wide(n) { dense n }\nwide 0 -> dense 2",
        [("bad-option", "n", ["wide 0"])],
    ),
    "a fault in a body of a body": (
        "def block outer(n) { inner n }\ndef block inner(n) { reshape n }\nrepeat 2 { outer [4] }\ndense 2",
        [("shape-mismatch", "reshape n", ["inner n", "outer [4]"])],
    ),
    "a fault is told once, though the body runs twice": (
        "def block wide(n) { dense n -> foo }\nwide 2\nx -> wide 2 -> dense 2",
        [("unknown-word", "foo", ["wide 2"])],
    ),
    "a part takes no options": (
        "part core { dense 6 }\ncore 3 -> core name=a -> dense 2",
        [("too-many-options", "3", []), ("unknown-option", "name", [])],
    ),
    "the value around is not seen": (
        "h = dense 6\npart core { add h }\nrepeat 1 { add h }\ncore -> dense 2",
        [("unknown-name", "h", ["core"])],
    ),
    "a constant of the spec is seen, a parameter wins over it": (
        "let n = 7\nlet m = 2\ndef block wide(n) { dense n -> reshape [m, 3] -> flatten }\nwide 6 -> dense 2",
        [],
    ),
    "a name of a body is not seen outside": (
        "repeat 2 { a = dense 6 -> tanh }\nadd a -> dense 2",
        [("unknown-name", "a", [])],
    ),
    "an unused name in one iteration": (
        "repeat 2 {\n    a = dense 6 -> tanh\n    relu\n}\ndense 2",
        [("unused", "a", [])],
    ),
    "a name that a branch declares is used": ("if true { a = tanh }\ndense 2", [("unused", "a", [])]),
    "a value that only the other branch uses": ("a = tanh\nif false { add a }\nx -> dense 2", []),
    "an input that only the other branch uses": ("if false { dense 3 }\ndense 2", []),
    "definitions that only the other branch uses": (
        "def init own(a) = a * normal()\ndef schedule down(rate) = rate * exp(-epoch)\n"
        "if false { dense 3 init=own(2) -> dropout rate=down(0.2) }\ndense 2",
        [],
    ),
    "definitions that a part uses which only the other branch uses": (
        "def init own(a) = a * normal()\ndef activation twice(x) = 2 * x\npart low { dense 3 init=own(2) -> twice }\n"
        "part core { low }\ndef block wide() { core }\nif false { wide } else { tanh }\ndense 2",
        [],
    ),
    "words of branches and bodies that are not run": (
        "def block wide(n) { dens n }\npart core { rel }\nif false { wide 3 -> core -> foo } else { tanh }\n"
        "repeat 0 { bar }\ndense 2",
        [("unknown-word", "foo", []), ("unknown-word", "bar", [])],
    ),
    "a definition that nothing uses": (
        "def block wide(n) { dens n }\ndense 2",
        [("unknown-word", "dens", [])],
    ),
    "a layer's name is given once": (
        "def block two() { dense 6 name=a -> dense 6 name=a }\nrepeat 2 { two name=b }\ndense 2 name=b",
        [("duplicate-name", "a", ["two name=b"]), ("duplicate-name", "b", []), ("duplicate-name", "b", [])],
    ),
    "a block is called like a part": (
        "part core { dense 3 }\ndef block wide() { core -> dense 3 }\nwide name=core -> dense 2",
        [("duplicate-name", "core", [])],
    ),
    "reserved parameters": (
        "def block wide(in, name=1, n=1, n=2) { dense n }\nwide -> dense 2",
        [("duplicate-name", p, []) for p in ("in", "name=1", "n=2")],
    ),
    "a default is a constant": (
        "def block wide(n=x, m=n) { dense n bias=m }\nwide -> dense 2",
        [("not-constant", "x", []), ("unknown-name", "n", [])],
    ),
    "a part has no value": ("part core { dense 6 }\ncore -> add core -> dense 2", [("unknown-name", "core", [])]),
    "a target in a block": ("def block bad() { add y }\nbad -> dense 2", [("unknown-name", "y", ["bad"])]),
    "a block that hides a word": ("def block relu() { tanh }\nrelu -> dense 2", [("hidden-word", "relu", [])]),
    "a value that hides a block": (
        "def block wide() { dense 6 }\nh = tanh -> wide\nwide = h -> tanh\nadd wide h -> dense 2",
        [("hidden-word", "wide", [])],
    ),
    "a condition at fault": (
        "if foo { a = tanh } else { a = relu }\na -> dense 2",
        [("unknown-name", "foo", [])],
    ),
    "a count at fault": (
        'repeat "3" { dense 3 }\nrepeat true { relu }\ndense 2',
        [("bad-constant", '"3"', []), ("bad-constant", "true", [])],
    ),
    "nothing but bodies without layers": (
        "if false { dense 2 }\nrepeat 0 { dense 2 }",
        [("missing-layers", "net small", [])],
    ),
    "more than can be built": (
        "\n".join(["def block b0() { tanh }", *(f"def block b{i}() {{ b{i - 1} -> b{i - 1} }}" for i in range(1, 18))])
        + "\na = b17\na -> dense 2",
        [("too-large", "tanh", [*["b0"], *(f"b{i}" for i in range(1, 18))])],
    ),
    "iterations without layers": (
        "repeat 10000 { repeat 10000 { if false { tanh } } }\ndense 2",
        [("too-large", "if false { tanh }", [])],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str):
    text, expected = FAULTS[name]
    assert [where(d) for d in said(text)] == expected


def test_names_of_arrays_have_a_length():
    assert {d.code for d in said(deep(20))} == {"unsafe-name"}


def test_near_names_are_suggested():
    text = "part generator { dense 6 }\ndef block residual(n) { dense n }\ngenerater -> residul 6 -> dense 2"
    assert [d.help for d in said(text) if d.code == "unknown-word"] == [
        "did you mean generator?",
        "did you mean residual?",
    ]


LEFT_BEHIND = {
    "by a chain with another source": "x -> tanh\nz -> dense 2",
    "by a branch that is not taken": (
        "def block b(other, n) { if n { in -> tanh } else { other -> dense 3 } }\nx -> b z false -> dense 2"
    ),
}


def test_an_input_of_a_branch_that_is_not_taken_is_not_left_behind():
    text = "net m\nlet deep = false\ninput x: f32[4]\ninput z: f32[4]\ntarget y: f32[2]\n"
    text += "if deep { x -> tanh -> dense 2 } else { z -> dense 2 }\nloss mse\nupdater sgd\n"
    assert {i.name for i in load_text(text, "m.net").programs["predict"].of("example")} == {"z"}


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_an_input_that_is_left_behind_is_told(name: str):
    """A chain begins with it, but nothing that is given, trained or compared depends on it."""
    text = f"net m\ninput x: f32[4]\ninput z: f32[4]\ntarget y: f32[2]\n{LEFT_BEHIND[name]}\nloss mse\nupdater sgd\n"
    with pytest.raises(SpecError, match="no output and no loss depends on the input x") as caught:
        load_text(text, "m.net")
    assert [d.place.line for d in caught.value.diagnostics if d.place] == [2]
