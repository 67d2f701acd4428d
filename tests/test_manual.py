"""The manual: what each word's record says of it, in the terminal, as JSON and in docs/words.md."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from harness import batch, module
from netc.cli.explain import command as explain
from netc.cli.main import run
from netc.cli.words import command as words
from netc.dsl import load_text
from netc.dsl.diagnostics import CODES, SpecError
from netc.dsl.manual import SECTIONS, TABLES, Manual, manuals
from netc.dsl.manual_page import page, plural
from netc.dsl.words import WORDS
from netc.runtime import CODES as RUNTIME_CODES
from reading import slug
from road import ENV, NETC

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "words.md"
MANUALS = manuals()
# A terminal has 80 columns or more.
WIDTH = 80


def each(manual: Manual) -> str:
    return f"{manual.kind}-{manual.name}"


def called(*args: str) -> Result:
    return CliRunner().invoke(words, args)


def said(*args: str) -> str:
    """What `netc words` prints of what it knows."""
    result = called(*args)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*args: str) -> tuple[str, str | None]:
    """The message and the help with which `netc words` refuses."""
    error = called(*args).exception
    assert isinstance(error, SpecError)
    (diagnostic,) = error.diagnostics
    assert diagnostic.code == "unknown-word"
    return diagnostic.message, diagnostic.help


# Records --------------------------------------------------------------------------------------------------------------


def test_every_word_has_a_manual():
    assert {(m.kind, m.name) for m in MANUALS} == set(WORDS)


@pytest.mark.parametrize("manual", MANUALS, ids=each)
def test_a_manual_is_whole(manual: Manual):
    """Its docstring has each section once and in order, and nothing reads as if cut off."""
    assert list(manual.sections) == list(SECTIONS)
    assert manual.formula and not any(re.search(r"(?<!\.\.)[.,]$", statement) for statement in manual.formula)
    texts = [manual.summary, *manual.details, *(manual.sections[name] for name in SECTIONS[1:])]
    assert all(text.endswith(".") and not text.endswith("..") for text in texts)
    assert all(text.count("(") == text.count(")") for text in (*texts, *manual.formula))
    assert re.match(r"definition\b|.*\d{4}|Deeplearning4j", manual.sections["Source"]), "a source has its year"


@pytest.mark.parametrize("manual", MANUALS, ids=each)
def test_a_signature_shows_every_option(manual: Manual):
    word = WORDS[manual.kind, manual.name]
    assert manual.signature.startswith(manual.name)
    for row, option in zip(manual.options, word.options.values(), strict=True):
        assert (row.name.upper() if option.required else f"{row.name}=") in manual.signature
        assert row.takes and (row.name, row.required) == (option.name, option.required)
    operands = word.operands if word.kind == "layer" else ()
    assert all(operand.strip("*?").upper() in manual.signature for operand in operands)


@pytest.mark.parametrize("manual", MANUALS, ids=each)
def test_an_example_trains(manual: Manual):
    """The line stands in the spec around it, which compiles, and whose trainer takes a few steps."""
    assert manual.line in manual.spec
    net = load_text(manual.spec)
    made = module(net)
    made.EPOCHS, made.BATCH = 2, 4
    inputs, targets = batch(net, np.random.default_rng(2), 6)
    first, last = made.init(made.SEED), made.train(inputs, targets)
    assert all(np.all(np.isfinite(w)) for w in last.values())
    assert (manual.name == "none") == all(np.array_equal(first[name], last[name]) for name in net.weights)


# The page -------------------------------------------------------------------------------------------------------------


def test_the_page_is_current(update_golden: bool):
    """docs/words.md is what the records say; pytest --update-golden prints it anew."""
    if update_golden:
        PAGE.write_text(page(MANUALS), encoding="utf-8")
    assert page(MANUALS) == PAGE.read_text(encoding="utf-8"), "pytest tests/test_manual.py --update-golden prints it"


def test_the_links_of_the_page_lead_to_headings():
    text = PAGE.read_text(encoding="utf-8")
    anchors = [slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.M)]
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= set(anchors)
    assert {each(m) for m in MANUALS} <= set(re.findall(r"\]\(#([^)]*)\)", text))


def test_the_page_is_markdown():
    """Every row of a table has as many cells as its head, and no sign of mathematics is taken for a style."""
    text = re.sub(r"```.*?```", "", PAGE.read_text(encoding="utf-8"), flags=re.S)
    tables = re.findall(r"(?:^\|.*\n)+", text, re.M)
    assert len(tables) > len(TABLES)
    for table in tables:
        counts = {len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", row))) for row in table.splitlines()}
        assert len(counts) == 1, table
    prose = re.sub(r"`[^`\n]*`|\]\([^)]*\)|^#.*$", "", text, flags=re.M)
    assert not re.search(r"(?<!\\)[*<]|(?<![\w\\])_|(?<!\\)_(?!\w)", prose)


# The terminal ---------------------------------------------------------------------------------------------------------


@cache
def everything() -> str:
    """What `netc words NAME` prints of every name, and the lists."""
    names = dict.fromkeys([*(m.name for m in MANUALS), *(row.name for t in TABLES.values() for row in t.rows)])
    return "\n".join([said(), *(said(name) for name in names)])


def test_lines_fit_a_terminal():
    lines = everything().splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert not [line for line in lines if line.endswith(" ") or "\t" in line or "\x1b" in line]


def test_a_manual_has_everything_in_its_order():
    text = said("adam")
    manual = next(m for m in MANUALS if m.name == "adam")
    parts = [manual.signature, *(f"\n  {row.name}" for row in manual.options), "\nformula\n", *manual.formula]
    parts += [*(f"\n  {name}  " for name in SECTIONS[1:]), f"\nexample\n  {manual.line}\n", "\na whole spec\n"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "default 0.001" in text and "eps=1e-8" in text


def test_the_list_has_every_word_and_option():
    text = said()
    for manual in MANUALS:
        assert re.search(rf"^  {manual.name}(  |$)", text, re.M), manual.name
    for table in TABLES.values():
        assert table.title in text and all(f"\n  {row.name}" in text for row in table.rows)


SEVERAL = {
    "l2": ["l2, a loss", "l2, an option of every layer with weights"],
    "step": ["step, an activation", "step, a schedule"],
    "sigmoid": ["sigmoid, an activation", "sigmoid, a schedule"],
    "relu": ["relu, an activation", "he, an initializer"],
    "mse": ["mse, a loss", "mse, a metric"],
    "normal": ["normal, an initializer", "normal, a type"],
    "lbfgs": ["lbfgs, a solver"],
    "silu": ["swish, an activation"],
    "batch": ["batch, a setting of the sentence train"],
    "warmup": ["warmup, an option of every schedule"],
    "class": ["class, a type"],
}


@pytest.mark.parametrize("name", SEVERAL)
def test_a_name_of_several_kinds_shows_all(name: str):
    heads = [part.splitlines()[0] for part in said(name).split("\n\n\n")]
    assert heads == SEVERAL[name]


def test_a_kind_narrows_the_manual():
    assert said("l2", "--kind", "loss").startswith("l2, a loss\n") and "option of every" not in said(
        "l2", "--kind", "loss"
    )
    assert said("step", "--kind", "schedule").startswith("step, a schedule\n")


@pytest.mark.parametrize("kind", sorted({m.kind for m in MANUALS}))
def test_a_kind_lists_its_words(kind: str):
    text = said("--kind", kind)
    assert text == said(kind) == said(plural(kind))
    listed = re.findall(r"^  (\w+)", text.split("\n\n")[0], re.M)
    assert listed == [m.name for m in MANUALS if m.kind == kind]


def test_unknown_names_are_refused():
    assert refused("reluu") == ("reluu is not a word", "did you mean relu?")
    assert refused("quux") == ("quux is not a word", "netc words lists them")
    assert refused("adam", "--kind", "loss") == ("adam is not a loss; it is an updater", "netc words loss lists them")
    assert refused("huberr", "--kind", "loss") == ("huberr is not a loss", "did you mean huber?")
    assert refused("smothing", "--kind", "schedule")[1] == "netc words schedule lists them"
    assert called("--kind", "flavour").exit_code == 2


@pytest.mark.parametrize("line", [["l2"], ["cosine"], [], ["--kind", "type"], ["train"], ["no_word"]], ids=str)
def test_the_command_exits_as_it_should(line: list[str], capsys: pytest.CaptureFixture[str]):
    assert run(["words", *line]) == (1 if line == ["no_word"] else 0)
    out, err = capsys.readouterr()
    assert bool(err) == (line == ["no_word"]) == (not out)


def test_headings_are_bold_on_a_terminal_alone():
    shown = CliRunner().invoke(words, ["relu6"], color=True).output
    assert "\x1b[1mrelu6, an activation\x1b[0m" in shown and "\x1b[1mformula\x1b[0m" in shown
    done = subprocess.run([NETC, "words", "relu6"], env=ENV, capture_output=True, text=True, check=True)
    assert done.stdout == re.sub(r"\x1b\[\d*m", "", shown) == said("relu6")


# JSON -----------------------------------------------------------------------------------------------------------------

ROW = {"name": str, "takes": str, "default": str, "about": str, "required": bool}
SCHEMA = {
    "kind": str,
    "name": str,
    "aliases": list,
    "signature": str,
    "summary": str,
    "details": list,
    "options": list,
    "shared": list,
    "formula": str,
    "source": str,
    "deeplearning4j": str,
    "keras": str,
    "pytorch": str,
    "example": str,
    "spec": str,
}


def schema_of(record: dict[str, Any]) -> dict[str, type]:
    return {key: type(value) for key, value in record.items()}


def test_json_holds_all_that_is_known():
    found = json.loads(said("--json"))
    assert found["ok"] is True and list(found) == ["ok", "words", "options"]
    assert [(w["kind"], w["name"]) for w in found["words"]] == [(m.kind, m.name) for m in MANUALS]
    for word in found["words"]:
        judged = {"target": str, "prediction": str} if word["kind"] in ("loss", "metric") else {}
        assert schema_of(word) == SCHEMA | judged, word["name"]
        assert all(schema_of(row) == ROW for row in word["options"])
    assert all(schema_of(row) == {"of": str} | ROW for row in found["options"])
    assert {row["of"] for row in found["options"]} == set(TABLES)


def test_json_of_one_name():
    found = json.loads(said("l2", "--json"))
    assert [w["kind"] for w in found["words"]] == ["loss"] and [o["of"] for o in found["options"]] == ["layer"]
    (adam,) = json.loads(said("adam", "--json"))["words"]
    assert [row["name"] for row in adam["options"]] == ["lr", "beta1", "beta2", "eps"]
    assert adam["options"][3]["default"] == "1e-8" and adam["spec"].endswith(f"{adam['example']}\n")
    (cosine,) = json.loads(said("cosine", "--json"))["words"]
    assert cosine["shared"] == ["per"], "it has a warmup of its own"
    (norm,) = json.loads(said("batchnorm", "--json"))["words"]
    assert "frozen" in norm["shared"], "it makes weights, though none begins as init= says"
    (pool,) = json.loads(said("maxpool", "--json"))["words"]
    assert not pool["shared"]


# A user's own words ---------------------------------------------------------------------------------------------------

LIBRARY = """let k = 2
## A relu that waves below 0.
##
## It is not monotonic.
def activation wavy(x, depth=k) = where(x > 0, x, depth * sin(k * x))
def loss mse(p, y, tilt) = mean(abs(p - y) * where(p > y, tilt, 1))
def layer bilinear(units, init=he) {
    weight W: [in.features, units] init=init
    weight V: [in.features, units]
    return (in @ W) * (in @ V)
}
def block residual(units, slope=0.1) {
    skip = in
    dense units -> leakyrelu slope -> dense units -> add skip
}
def updater careful(lr=1e-4) {
    w = w - lr * sign(g)
}
def schedule halving(rate=0.1) = rate / 2^epoch
def init small(scale=0.5) = scale * normal()
def metric gap(p, y) = mean(p - y)
"""


@pytest.fixture
def library(tmp_path: Path) -> str:
    path = tmp_path / "mine.net"
    path.write_text(LIBRARY, "utf-8")
    return str(path)


def test_own_words_are_listed(library: str):
    text = said("--spec", library)
    assert "  wavy              A relu that waves below 0.\n" in text
    assert "  careful           careful lr=0.0001\n" in text, "without a comment the signature stands for it"
    found = json.loads(said("--spec", library, "--json"))
    assert {(w["kind"], w["name"]) for w in found["words"]} == {
        *(("activation", "wavy"), ("loss", "mse"), ("layer", "bilinear"), ("block", "residual")),
        *(("updater", "careful"), ("schedule", "halving"), ("init", "small"), ("metric", "gap")),
    }
    assert not found["options"]
    assert said("--spec", library, "--kind", "block").split() == [
        "blocks",
        "residual",
        "residual",
        "UNITS",
        "slope=0.1",
    ]


def test_own_words_have_manuals(library: str):
    text = said("wavy", "--spec", library)
    assert text.startswith(
        "wavy, an activation\n\nA relu that waves below 0.\n\nIt is not monotonic.\n\n  wavy depth=2\n"
    )
    assert "where(x > 0, x, depth * sin(k * x))" in text and "example\n  dense 16 -> wavy\n" in text
    assert "bilinear UNITS init=he" in said("bilinear", "--spec", library)
    assert "wavy depth=3" in said("wavy", "--spec", library, "-D", "k=3")
    assert called("wavy", "-D", "k=3").exit_code == 2


def test_an_own_word_comes_before_the_built_in_one(library: str):
    own, built_in, metric = said("mse", "--spec", library).split("\n\n\n")
    assert "mse TILT" in own and "MSELoss" in built_in and metric.startswith("mse, a metric")
    assert refused("wavvy", "--spec", library)[1] == "did you mean wavy?"
    assert said("adam", "--spec", library) == said("adam")


def test_a_spec_without_words_and_one_that_is_wrong(tmp_path: Path):
    spec = tmp_path / "plain.net"
    spec.write_text(MANUALS[0].spec, "utf-8")
    assert said("--spec", str(spec)) == "there are no such words\n"
    spec.write_text("def activation wavy(x) = x ** 2\n", "utf-8")
    assert isinstance(called("--spec", str(spec)).exception, SpecError)


# Codes ----------------------------------------------------------------------------------------------------------------


def test_every_code_is_explained():
    codes = {**CODES, **RUNTIME_CODES}
    listed = CliRunner().invoke(explain, []).output
    assert re.findall(r"^  ([\w-]+)", listed, re.M) == sorted(codes)
    assert max(map(len, listed.splitlines())) <= WIDTH
    for code, text in codes.items():
        shown = CliRunner().invoke(explain, [code]).output
        head, _, rest = shown.partition("\n\n")
        assert head == code and rest.split() == text.split() and text.endswith(".")
        assert max(map(len, shown.splitlines())) <= WIDTH


def test_pages_of_diagnostics_show_no_fault_of_ours():
    for path in sorted((ROOT / "tests" / "diagnostics").glob("*.md")):
        text = path.read_text("utf-8")
        assert "error[internal]" not in text and "Traceback" not in text, path.name
        assert str(ROOT) not in text and not re.search(r"(?<![\w.])/(?:tmp|home|root|Users)/", text), path.name
