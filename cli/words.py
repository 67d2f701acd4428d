"""`netc words`: the manual of the vocabulary, and of the words that a spec defines itself."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

import click

from ..dsl.declared import a_kind
from ..dsl.diagnostics import did_you_mean, listed, refuse
from ..dsl.examples import KINDS as EXAMPLES
from ..dsl.foreign import word_here
from ..dsl.manual import TABLES, Manual, Row, manuals
from ..dsl.manual_page import plural
from . import show
from .options import define_option, json_option, parse_defines, spec_source
from .show import WIDTH, entry

KINDS = tuple(dict.fromkeys([*EXAMPLES, "block", *TABLES]))
# Where summaries begin.
COLUMN = 20


@click.command("words")
@click.argument("name", required=False)
@click.option("--kind", type=click.Choice(KINDS), help="Only these.")
@click.option("--spec", metavar="SPEC", help="The words that this spec or library defines itself.")
@define_option
@json_option
def command(name: str | None, kind: str | None, spec: str | None, defines: tuple[str, ...], as_object: bool) -> None:
    """List the words of the language, or show the manual of NAME.

    NAME is a word, an option that every layer or schedule takes, a setting of train, or a type; a kind lists its words.
    """
    if defines and not spec:
        raise click.BadParameter("only a spec has constants; name one with --spec", param_hint="-D")
    if kind is None and name in (*KINDS, *map(plural, KINDS)):
        name, kind = None, next(k for k in KINDS if name in (k, plural(k)))
    known = _own(spec, defines) if spec else []
    if name or not spec:
        known += manuals()
    found = [m for m in known if name in (None, m.name, *m.aliases) and kind in (None, m.kind)]
    tables = [k for k in TABLES if (name or not spec) and kind in (None, k)]
    rows = [(table, row) for table in tables for row in TABLES[table].rows if name in (None, row.name)]
    if name and not found and not rows:
        raise _unknown(name, kind, known)
    if as_object:
        words = [m.as_json() for m in found]
        show.report({"ok": True, "words": words, "options": [{"of": of, **vars(row)} for of, row in rows]})
    elif name:
        texts = [*map(_manual, found), *(_row(of, row) for of, row in rows)]
        click.echo("\n\n\n".join("\n".join(text) for text in texts))
    else:
        click.echo("\n".join(_list(found, tables)).rstrip() or "there are no such words")


def _own(spec: str, defines: tuple[str, ...]) -> list[Manual]:
    from ..dsl.own_words import own_manuals

    return own_manuals(*spec_source(spec), parse_defines(defines))


def _unknown(name: str, kind: str | None, known: list[Manual]) -> Exception:
    """What is said of a name that is none, or none of a kind."""
    names = {n for m in known if kind in (None, m.kind) for n in (m.name, *m.aliases)}
    names |= {row.name for table, t in TABLES.items() if kind in (None, table) for row in t.rows}
    others = [a_kind(m.kind) for m in known if name in (m.name, *m.aliases)]
    message = f"{name} is not {a_kind(kind)}" if kind else f"{name} is not a word"
    here = word_here(name, *([kind] if kind else dict.fromkeys(m.kind for m in known)))
    help = f"here it is called {here}" if here else did_you_mean(name, names)
    help = help or f"netc words {kind or ''}".rstrip() + " lists them"
    return refuse("unknown-word", message + (f"; it is {listed(others)}" if others else ""), help)


# Lists ----------------------------------------------------------------------------------------------------------------


def _list(found: list[Manual], tables: Iterable[str]) -> Iterator[str]:
    for kind in dict.fromkeys(m.kind for m in found):
        yield _heading(plural(kind))
        for manual in [m for m in found if m.kind == kind]:
            yield from entry(manual.name, manual.summary or manual.signature, COLUMN)
        yield ""
    for table in tables:
        yield _heading(TABLES[table].title)
        for row in TABLES[table].rows:
            yield from entry(row.name, row.about if table != "type" else row.takes, COLUMN)
        yield ""


def _heading(text: str) -> str:
    return click.style(text, bold=True)


# Manuals --------------------------------------------------------------------------------------------------------------


def _manual(m: Manual) -> Iterator[str]:
    yield _heading(f"{m.name}, {a_kind(m.kind)}")
    if m.aliases:
        yield f"also written {', '.join(m.aliases)}"
    for text in filter(None, [m.summary, *m.details]):
        yield from ["", *textwrap.wrap(text, WIDTH)]
    yield from ["", *_indented(m.signature), *([""] if m.options else [])]
    for row in m.options:
        yield from entry(row.name, row.taken, 4 + max(len(r.name) for r in m.options) + 1)
    if m.shared:
        yield from ["", *_indented(f"and {TABLES[m.shared].title.lower()}: {', '.join(m.shared_names)}")]
    if m.formula:
        yield from ["", _heading("formula")]
        for statement in m.formula:
            yield from _indented(statement)
    if m.beside:
        yield ""
    for name, text in m.beside.items():
        yield from entry(name, text, 18)
    yield from ["", _heading("example"), *_indented(m.line)]
    if m.spec:
        yield from ["", _heading("a whole spec"), *(f"  {line}".rstrip() for line in m.spec.splitlines())]


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _row(table: str, row: Row) -> Iterator[str]:
    yield _heading(f"{row.name}, {TABLES[table].one}")
    texts = (row.takes, row.about) if table == "type" else (row.about, row.taken)
    yield from ["", *_indented(texts[0]), *_indented(texts[1])]
