"""`netc words`: the manual of the vocabulary, from the records of its words."""

from __future__ import annotations

import click

from ..dsl import vocabulary
from ..dsl.diagnostics import did_you_mean, refuse
from ..dsl.words import WORDS, Word


@click.command("words")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the words of the language, or show the manual of one."""
    assert vocabulary.__all__
    if name is None:
        click.echo("\n".join(_list()))
        return
    found = [word for word in WORDS.values() if name in (word.name, *word.aliases)]
    if not found:
        help = did_you_mean(name, {n for _, n in WORDS}) or "netc words lists them"
        raise refuse("unknown-word", f"{name} is not a word", help)
    click.echo("\n\n".join("\n".join(_manual(word)) for word in found))


def _list() -> list[str]:
    lines: list[str] = []
    for kind in dict.fromkeys(kind for kind, _ in WORDS):
        lines += ["", f"{kind}s" if kind != "loss" else "losses"]
        for word in [w for w in WORDS.values() if w.kind == kind]:
            summary = word.doc.splitlines()[0]
            lines.append(f"  {word.name:<13}{summary if len(summary) <= 64 else summary[:61] + '...'}")
    return lines[1:]


def _manual(word: Word) -> list[str]:
    lines = [f"{word.name}, {'an' if word.kind[0] in 'aeiou' else 'a'} {word.kind}", ""]
    lines += [f"  {line}".rstrip() for line in word.doc.splitlines()]
    if word.options:
        lines.append("")
    for option in word.options.values():
        default = "needed" if option.required else f"default {getattr(option.default, 'text', option.default)}"
        lines.append(f"  {option.name:<13}{option.kind.description}; {default}")
    if word.aliases:
        lines += ["", f"  also written {', '.join(word.aliases)}"]
    return [*lines, "", f"  example: {word.example}"]
