"""Every code has a page in tests/diagnostics, and every example of a page is rendered as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from netc.dsl.diagnostics import CODES, Diagnostic, SpecError, render
from netc.dsl.parse import parse
from netc.dsl.source import Source

PAGES = sorted((Path(__file__).parent / "diagnostics").glob("*.md"))

# A spec, which may stand for itself written several times over, and what is printed for it.
EXAMPLE = re.compile(r"(```net(?: x (\d+))?\n(.*?)```\n\n?)(```text\n(.*?)```)?", re.DOTALL)


def diagnostics_of(text: str) -> list[Diagnostic]:
    """What is said of a text whose name is spec.net."""
    try:
        parse(Source("spec.net", text))
    except SpecError as error:
        return list(error.diagnostics)
    return []


def rendered(example: re.Match[str]) -> str:
    text = example[3] * int(example[2] or 1)
    return "".join(f"{render(diagnostic)}\n\n" for diagnostic in diagnostics_of(text))[:-1]


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_page(page: Path, update_golden: bool) -> None:
    text = page.read_text("utf-8")
    examples = list(EXAMPLE.finditer(text))
    assert examples, "a page has an example"
    assert not text.startswith("```"), "a page begins with prose"
    if update_golden:
        page.write_text(EXAMPLE.sub(lambda m: f"{m[1]}```text\n{rendered(m)}```", text), "utf-8")
        return
    for example in examples:
        assert rendered(example) == example[5]
        assert f"[{page.stem}]" in example[5], "an example shows its page's code"


def test_every_code_has_its_page_and_the_reverse() -> None:
    assert {page.stem for page in PAGES} == set(CODES)
