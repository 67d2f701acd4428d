"""From a spec to a checked net: parse, resolve, lower in each mode, and put the programs together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from . import vocabulary
from .assemble import assemble
from .constants import Constant, NotConstantError, evaluate
from .diagnostics import Report, SpecError, refuse
from .net import Net
from .parse import parse
from .resolve import resolve
from .source import Place, Source
from .spec_file import read_text
from .structure import Lowering
from .syntax import Let, Name

__all__ = ["check", "defined", "load", "load_text", "vocabulary"]

# The memory that training a net may ask for unless told otherwise, in bytes.
MEMORY_BUDGET = 8 * 2**30


def load(path: str | Path, defines: Mapping[str, str] | None = None, memory: int = MEMORY_BUDGET) -> Net:
    """The net of a spec file; SpecError holds every diagnostic where it cannot be accepted.

    `defines` sets constants of `let` by the text of their values; `memory` is the budget in bytes.
    """
    path = Path(path)
    return load_text(read_text(path), str(path), defines, str(path.parent), memory)


def load_text(
    text: str,
    name: str = "spec.net",
    defines: Mapping[str, str] | None = None,
    folder: str | None = None,
    memory: int = MEMORY_BUDGET,
) -> Net:
    """The net of a text; see `load`."""
    net, report = check(Source(name, text), defines, folder, memory)
    report.raise_errors()
    assert net is not None
    return net


def check(
    source: Source,
    defines: Mapping[str, str] | None = None,
    folder: str | None = None,
    memory: int = MEMORY_BUDGET,
) -> tuple[Net | None, Report]:
    """The net, or None, and everything that there is to say of the spec."""
    report = Report()
    values = _defined(defines or {}, report)
    try:
        tree = parse(source)
    except SpecError as error:
        report.diagnostics[:0] = error.diagnostics
        return None, report
    spec = resolve(tree, values, folder, report, Place(source, 0, 0))
    if any(d.code == "not-yet" for d in report.diagnostics):
        # The rest of such a spec leans on what is not there; more errors would only mislead.
        return None, report
    if not (spec.name or spec.chains or spec.fields):
        Lowering(spec, "predict").run()  # which checks what a library defines
        return None, report
    return assemble(spec, source, {k: v for k, v in values.items() if v is not None}, memory), report


def _defined(defines: Mapping[str, str], report: Report) -> dict[str, Constant | None]:
    """The values of -D; one at fault is None."""
    values: dict[str, Constant | None] = {}
    for name, text in defines.items():
        try:
            values[name] = defined(name, text)
        except SpecError as error:
            report.diagnostics += error.diagnostics
            values[name] = None
    return values


def defined(name: str, text: str) -> Constant:
    """The value of `-D NAME=VALUE`; SpecError where it has none."""
    if not name.isidentifier() or not name.isascii():
        raise refuse("unknown-define", f"-D {name}: this cannot be the name of a let", "write -D width=64")
    source = Source(f"-D {name}", f"let {name} = {text}")
    whole = Place(source, len(source.text) - len(text), len(source.text))
    report = Report()
    sentences = parse(source).sentences
    if len(sentences) != 1 or not isinstance(sentences[0], Let) or isinstance(sentences[0].value, Name):
        help = "a value is a number, true, false, or a string in double quotes"
        report.error("bad-constant", "this is not a value", whole, help)
    else:
        try:
            return evaluate(sentences[0].value, {}, report)
        except NotConstantError:
            pass
    raise SpecError(report.ordered())
