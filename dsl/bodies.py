"""The bodies of blocks, parts, repeat and if, before they are run: which branches are taken, and what they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .constants import NotConstantError
from .scope import Scope
from .syntax import Call, Chain, If, Link, Name, Node, Repeat, Sentence

Body = Iterable[Sentence]


def decided(body: Body, scope: Scope) -> tuple[list[Any], list[Body]]:
    """The sentences of a body with the branch of each `if` that its condition takes, and the branches not taken."""
    taken: list[Any] = []
    skipped: list[Body] = []
    for sentence in body:
        if not isinstance(sentence, If):
            taken.append(sentence)
            continue
        branch, other = (sentence.body, sentence.orelse)[:: 1 if _holds(sentence, scope) else -1]
        inner, below = decided(branch, scope)
        taken += inner
        skipped += [*below, other]
    return taken, skipped


def _holds(sentence: If, scope: Scope) -> bool:
    """Whether a condition holds; one at fault is taken to, so that the names of its first branch are known."""
    try:
        value = scope.number(sentence.condition)
    except NotConstantError:
        return True
    if not isinstance(value, bool):
        message = "the condition of an if is true or false, and this is neither"
        scope.report.error("bad-constant", message, sentence.condition.place, "compare it with something: n > 0")
    return bool(value)


def times(sentence: Repeat, scope: Scope, most: int) -> int | None:
    """How often a body is repeated; None, after a diagnostic, where that is no whole number."""
    try:
        value = scope.number(sentence.count)
    except NotConstantError:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        message = f"repeat takes a whole number from 0 to {most:,}"
        scope.report.error("bad-constant", message, sentence.count.place, "as in repeat 3 { dense 8 -> relu }")
        return None
    return value


def chains(body: Body, repeated: bool = True) -> Iterator[Chain]:
    """Every chain of a body, in both branches of an `if`, and within `repeat` where told."""
    for sentence in body:
        match sentence:
            case Chain():
                yield sentence
            case If():
                yield from chains((*sentence.body, *sentence.orelse), repeated)
            case Repeat() if repeated:
                yield from chains(sentence.body)
            case _:
                pass


def links(body: Body) -> Iterator[tuple[Link, bool]]:
    """Every link of a body, and whether it may be the source of its chain."""
    for chain in chains(body):
        for index, link in enumerate(chain.links):
            yield link, index == 0 and not link.arguments


def reached(body: Body, defined: Mapping[str, Sequence[Node]]) -> set[str]:
    """Every name and word that a body mentions, and those that what is defined by them mentions in its turn."""
    found: set[str] = set()
    pending: list[Node] = list(body)
    while pending:
        for name in {*mentioned(pending.pop())} - found:
            found.add(name)
            pending += defined.get(name, ())
    return found


def mentioned(node: Node) -> Iterator[str]:
    """Every name and word that stands below a node."""
    match node:
        case Name():
            yield node.id
        case Link() | Call():
            yield node.word
        case _:
            pass
    for child in node.children():
        yield from mentioned(child)
