"""docs/language.md: its samples compile, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from netc.dsl import Source, check
from reading import slug

DOCS = Path(__file__).resolve().parent.parent / "docs"
LANGUAGE = (DOCS / "language.md").read_text(encoding="utf-8")


def samples(text: str) -> list[Any]:
    found = re.findall(r"^```\n(.*?)^```", text, re.M | re.S)
    return [pytest.param(block, id=block.split("\n")[0].strip("# {")) for block in found]


def codes_of(text: str) -> set[str]:
    return {d.code for d in check(Source("spec.net", text))[1].ordered() if d.severity == "error"}


# What uses the definitions of a sample that is no net.
USES = {
    "def block residual": "residual 4 slope=0.2 -> encoder -> dense 2\nloss mse\nupdater adam\n",
    "def block join": "h = dense 3\njoin h 3 -> join other=x units=2\nloss mse\nupdater adam\n",
    "def cell leaky": "reshape [2, 2] -> leaky 3 -> last_step -> dense 2\nloss mse\nupdater adam\n",
    "# a library": "dense 4 -> mish -> bilinear 2\nloss huber\nupdater lion\n",
}


@pytest.mark.parametrize("text", samples(LANGUAGE))
def test_a_sample_of_the_page_compiles(text: str):
    if not re.search("^net ", text, re.M):
        (uses,) = [uses for start, uses in USES.items() if text.startswith(start)]
        text = f"net used\ninput x: f32[4]\ntarget y: f32[2]\n{text}{uses}"
    assert not codes_of(text)


def test_the_links_of_the_language_lead_to_headings():
    anchors = {"": LANGUAGE, "words.md": (DOCS / "words.md").read_text(encoding="utf-8")}
    for file, anchor in re.findall(r"\]\(([\w.]*)#([^)]*)\)", LANGUAGE):
        assert anchor in [slug(heading) for heading in re.findall(r"^#+ (.*)$", anchors[file], re.M)], anchor
