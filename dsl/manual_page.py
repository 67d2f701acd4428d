"""The manual of the whole vocabulary as a page of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .manual import TABLES, Manual, Row, Table

HEAD = """\
# The words of the language

Every word, printed from its record in `dsl/vocabulary/` by `pytest tests/test_manual.py --update-golden`. `netc words`
lists them in the terminal, and `netc words NAME` shows one with a whole spec around its example. In a signature what a
word needs is in capitals, what it may be given has its default, and `[name=]` may be left out.
[language.md](language.md) says how sentences are made of words.
"""


def plural(kind: str) -> str:
    """What several words of a kind are called."""
    return {"init": "initializers", "loss": "losses"}.get(kind, f"{kind}s")


def page(manuals: Iterable[Manual]) -> str:
    """The manuals in sections by kind, behind an index."""
    kinds: dict[str, list[Manual]] = {}
    for manual in manuals:
        kinds.setdefault(manual.kind, []).append(manual)
    lines = [HEAD, "| kind | words |", "|---|---|"]
    for kind, words in kinds.items():
        links = " ".join(f"[{m.name}](#{kind}-{m.name})" for m in words)
        lines.append(f"| [{plural(kind)}](#{plural(kind)}) | {links} |")
    lines.append(f"| beside words | {', '.join(_link(table.title) for table in TABLES.values())} |")
    for kind, words in kinds.items():
        lines += ["", f"## {plural(kind).capitalize()}"]
        for manual in words:
            lines += ["", *_manual(manual)]
    for name, table in TABLES.items():
        lines += ["", f"## {table.title}", "", *_table(name, table)]
    return "\n".join(lines) + "\n"


def _manual(m: Manual) -> Iterator[str]:
    yield f"### {m.kind} {m.name}"
    for text in filter(None, [m.summary, *m.details]):
        yield from ["", _escaped(text)]
    yield from ["", "```", m.signature, "```", ""]
    if m.options:
        yield from ["| option | takes | default |", "|---|---|---|"]
        yield from (f"| `{r.name}` | {_escaped(r.takes)} | {_default(r)} |" for r in m.options)
        yield ""
    if m.shared:
        yield from [f"Beside them it takes the {_link(TABLES[m.shared].title)}.", ""]
    if m.aliases:
        yield f"- Also written: {', '.join(f'`{alias}`' for alias in m.aliases)}"
    yield from _formula([f"`{statement.replace('`', '')}`" for statement in m.formula])
    yield from (f"- {name}: {_escaped(text)}" for name, text in m.beside.items())
    yield f"- Example: `{m.line}`"


def _default(row: Row) -> str:
    return "needed" if row.required else row.default


def _link(title: str) -> str:
    return f"[{title[0].lower()}{title[1:]}](#{title.lower().replace(' ', '-').replace(',', '')})"


def _formula(statements: list[str]) -> list[str]:
    if len(statements) == 1:
        return [f"- Formula: {statements[0]}"]
    return ["- Formula:", *(f"  - {statement}" for statement in statements)]


def _table(name: str, table: Table) -> Iterator[str]:
    if name == "type":
        yield from ["| type | values | where |", "|---|---|---|"]
        yield from (f"| `{r.name}` | {_escaped(r.takes)} | {r.about} |" for r in table.rows)
        return
    yield from ["| option | what it does | takes | default |", "|---|---|---|---|"]
    yield from (f"| `{r.name}` | {_escaped(r.about)} | {_escaped(r.takes)} | {r.default} |" for r in table.rows)


def _escaped(text: str) -> str:
    """Text in which no sign of mathematics means a style, and no bar ends a cell; what is code stays as it is."""
    pieces = text.split("`")
    pieces[::2] = (re.sub(r"([*_|<\[])", r"\\\1", piece) for piece in pieces[::2])
    return "`".join(pieces)
