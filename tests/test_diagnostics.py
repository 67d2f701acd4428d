"""Every code has a page in tests/diagnostics, and every example of a page is rendered as the page says.

A page is prose and blocks, which are played in a folder of their own from top to bottom:

- `net` is a spec (`net x 100`: written a hundred times over); a block `text` below it is what is said of it;
- `file NAME` is a file that is written; `python` is run, and a block `text` below it is the fault that it ends in;
- `console` shows command lines, each with its output (only that of errors where `> FILE` ends the line).
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netc.cli.main import run
from netc.dsl import Source, SpecError, check, load_text
from netc.dsl.diagnostics import CODES, Diagnostic, render
from netc.dsl.parse import parse
from netc.runtime import CODES as RUNTIME_CODES
from netc.runtime import Fault, Session

PAGES = sorted((Path(__file__).parent / "diagnostics").glob("*.md"))
BLOCK = re.compile(r"```(net|file|python|console)(?: ([^\n]*))?\n(.*?)```\n(?:\n```text\n.*?```\n)?", re.DOTALL)
SHOWN = re.compile(r"```(?:text|console)\n(.*?)```", re.DOTALL)

# What takes a fault of ours, another machine or a hand on the keyboard; tests below bring it about.
UNSHOWN = {"artifact-differs", "internal", "interrupted", "model-failed", "system"}
UNSHOWN |= {"pillow-missing", "provider-missing"}


def diagnostics_of(text: str) -> list[Diagnostic]:
    """What is said of a text whose name is spec.net."""
    return check(Source("spec.net", text))[1].ordered()


def played(text: str, folder: Path) -> str:
    """A page with what its examples really give."""
    return BLOCK.sub(lambda block: _played(*block.groups(), folder), text)


def _played(kind: str, argument: str | None, body: str, folder: Path) -> str:
    head = f"```{kind}{' ' + argument if argument else ''}\n"
    match kind:
        case "net":
            times = int((argument or "1").removeprefix("x "))
            said = rendered(diagnostics_of(body * times))
        case "file":
            said, path = "", folder / (argument or "")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body, "utf-8")
        case "python":
            said = raised_by(body)
        case _:
            commands = [line for line in body.splitlines() if line.startswith("$ ")]
            return head + "".join(f"{line}\n{output_of(line[2:])}" for line in commands) + "```\n"
    return f"{head}{body}```\n" + (f"\n```text\n{said}```\n" if said else "")


def rendered(diagnostics: list[Diagnostic]) -> str:
    return "".join(f"{render(diagnostic)}\n\n" for diagnostic in diagnostics)[:-1]


def raised_by(code: str) -> str:
    """The fault or the diagnostics in which a piece of Python ends, if it does."""
    try:
        exec(code, {"np": np, "Session": Session, "load_text": load_text})
    except SpecError as error:
        return rendered(list(error.diagnostics))
    except Fault as fault:
        return rendered([Diagnostic(fault.code, fault.message, None, fault.help, where=fault.where)])
    return ""


def output_of(line: str) -> str:
    """What a command line of netc prints."""
    (program, *arguments), (_, kept, _) = shlex.split(line.partition(" > ")[0]), line.partition(" > ")
    assert program == "netc", line
    code, out, err = called(arguments)
    said = err if kept else out + err
    return said if code == 0 else said.rstrip("\n") + "\n"


def called(arguments: list[str]) -> tuple[int, str, str]:
    """The exit code and the output of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(arguments)
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_page(page: Path, update_golden: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page.read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    found = played(text, tmp_path)
    if update_golden:
        page.write_text(found, "utf-8")
        return
    assert found == text
    assert text.startswith(f"# {page.stem}\n\n") and not text.split("\n")[2].startswith("```"), "it begins with prose"
    shown = [match[1] for match in SHOWN.finditer(text)]
    assert bool(shown) != (page.stem in UNSHOWN), "a page has an example"
    named = (f"[{page.stem}]", f'"code": "{page.stem}"')
    assert not shown or any(name in example for example in shown for name in named), "an example shows its page's code"


def test_every_code_has_its_page_and_the_reverse() -> None:
    assert {page.stem for page in PAGES} == CODES.keys() | RUNTIME_CODES.keys()
    assert not CODES.keys() & RUNTIME_CODES.keys()


def parses(text: str) -> bool:
    try:
        return bool(parse(Source("spec.net", text)))
    except SpecError:
        return False


def examples() -> Iterator[Any]:
    """Every spec of the pages that is free of syntax errors."""
    for page in PAGES:
        for number, block in enumerate(BLOCK.finditer(page.read_text("utf-8"))):
            if block[1] == "net" and not block[2] and parses(block[3]):
                yield pytest.param(page.stem, block[3], id=f"{page.stem}-{number}")


@pytest.mark.parametrize(("code", "text"), list(examples()))
def test_one_mistake_gives_one_kind_of_error(code: str, text: str) -> None:
    """Nothing else is said in an example of a page: no error follows from another."""
    assert {diagnostic.code for diagnostic in diagnostics_of(text)} == {code}


SEVERAL = """net several
input x: f33[4]
target y: class(3)
let k = 1 / 0
b = dens 8 -> relu 3
x -> dense 0 -> relu slope=2
dense k -> softmax
loss mxcent
updater adm lr=1e-2
train epochs=none batch=0
"""


def test_independent_mistakes_are_told_at_once_and_in_order() -> None:
    found = [(d.place.line if d.place else 0, d.code) for d in diagnostics_of(SEVERAL)]
    assert found == [
        (2, "unknown-type"),
        (4, "bad-constant"),
        (5, "unknown-word"),
        (5, "too-many-options"),
        (6, "bad-option"),
        (6, "unknown-option"),
        (8, "unknown-word"),
        (9, "unknown-word"),
        (10, "unknown-name"),
        (10, "bad-option"),
    ]
