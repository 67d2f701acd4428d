"""The definitions of a spec and its libraries: what each `def` makes known, and what it sees itself."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from .bodies import reached
from .constants import NotConstantError
from .declared import Names, a_kind
from .libraries import Library
from .scope import Scope
from .source import Place
from .syntax import Definition, Tree
from .words import Kind, Option, find

# What a parameter of a block takes.
ANY = Kind("given", "a constant, or the name of a value")
# Names that mean something within every block.
RESERVED = {"in": "the input of the block", "name": "an option of every use of a block"}

# Kinds that stand in chains, where a name has one meaning.
LINKED = ("block", "layer", "activation", "cell")


@dataclass
class Defined:
    """A definition, the scope that it sees, and the options of a block.

    `imports` are the places of the imports of its library, the innermost first.
    """

    definition: Definition
    scope: Scope
    options: dict[str, Option]
    imports: tuple[Place, ...]
    used: bool = False


Definitions = dict[tuple[str, str], Defined]


def collect(libraries: Iterable[tuple[Library, Scope]], tree: Tree, scope: Scope) -> Definitions:
    """Every definition by kind and name; a name that is defined twice is reported."""
    found: Definitions = {}
    for library, own in libraries:
        with own.report.used(*library.uses):
            _add(library.tree, own, found, library.uses)
    _add(tree, scope, found, ())
    return found


def _add(tree: Tree, scope: Scope, found: Definitions, imports: tuple[Place, ...]) -> None:
    for definition in tree.sentences:
        if isinstance(definition, Definition) and Names(scope.report).check(definition.name, definition.name_place):
            kinds = LINKED if definition.kind in LINKED else (definition.kind,)
            earlier = next((found[k, definition.name] for k in kinds if (k, definition.name) in found), None)
            if earlier is None:
                _warn_hidden(definition, kinds, scope)
                options = _options(definition, scope) if definition.kind == "block" else {}
                found[definition.kind, definition.name] = Defined(definition, scope, options, imports)
                continue
            message = f"{definition.name} is already defined in {where(earlier.definition, definition.place)}"
            scope.report.error("duplicate-name", message, definition.name_place, "choose another name")


def _options(block: Definition, scope: Scope) -> dict[str, Option]:
    """The parameters of a block, which take constants and values."""
    options: dict[str, Option] = {}
    for parameter in block.parameters:
        name, place, default = parameter.name, parameter.place, None
        if name in RESERVED:
            scope.report.error("duplicate-name", f"{name} is {RESERVED[name]}", place, "choose another name")
            continue
        Names(scope.report).check(name, place)
        if name in options:
            message = f"{name} is already a parameter of {block.name}"
            scope.report.error("duplicate-name", message, place, "choose another name")
        if parameter.default is not None:
            with suppress(NotConstantError):
                default = scope.number(parameter.default)
        options[name] = Option(name, ANY, default, parameter.default is None)
        if name not in reached(block.body, {}):
            help = "use it in the body, or take it away"
            scope.report.error("unused", f"nothing uses the parameter {name}", place, help)
    return options


def _warn_hidden(definition: Definition, kinds: Iterable[str], scope: Scope) -> None:
    kind = next((k for k in kinds if find(k, definition.name)), None)
    if kind:
        message = f"{definition.name} is also the name of {a_kind(kind)}; here it means your definition"
        help = "another name would read more easily"
        scope.report.warning("hidden-word", message, definition.name_place, help)


def where(definition: Definition, seen_from: Place) -> str:
    """The line of a definition, with its file where it is another."""
    place = definition.name_place
    of = "" if place.source is seen_from.source else f" of {place.source.name}"
    return f"line {place.line}{of}"
