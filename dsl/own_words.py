"""The manuals of the words that a spec, or a library, defines itself."""

from __future__ import annotations

from collections.abc import Mapping

from .definitions import Defined
from .diagnostics import Report
from .examples import example_of
from .load import defined
from .manual import Manual, compose
from .parse import parse
from .resolve import Spec, resolve
from .source import Place, Source


def own_manuals(source: Source, folder: str | None, defines: Mapping[str, str]) -> list[Manual]:
    """The manuals of a spec's own words and blocks; SpecError where it cannot be read."""
    report = Report()
    values = {name: defined(name, text) for name, text in defines.items()}
    spec = resolve(parse(source), values, folder, report, Place(source, 0, 0))
    # A library has no net, and needs none here.
    report.diagnostics[:] = [d for d in report.diagnostics if d.code != "missing-net"]
    report.raise_errors()
    return [_manual(kind, name, defined, spec) for (kind, name), defined in spec.definitions.items()]


def _manual(kind: str, name: str, defined: Defined, spec: Spec) -> Manual:
    definition = defined.definition
    word = spec.scope.words.get((kind, name))
    options = word.options if word else defined.options
    needed = [f"{option.name}=..." for option in options.values() if option.required]
    line = example_of(word).line if word else " ".join([name, *needed])
    doc = f"{definition.doc}\n\n{_formula(defined)}"
    return compose(kind, name, doc, options.values(), line, word=word)


def _formula(defined: Defined) -> str:
    """The text of the formula of a definition that has one."""
    value = defined.definition.value
    return f"Formula: {value.place.source.text[value.place.start : value.place.end]}" if value else ""
