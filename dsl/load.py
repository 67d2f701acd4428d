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
from .syntax import Let

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


def read_text(path: Path) -> str:
    """The text of a spec file; SpecError where it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise refuse("unreadable", f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}"
        raise refuse("unreadable", message, "save it as UTF-8") from None


def check(
    source: Source,
    defines: Mapping[str, str] | None = None,
    folder: str | None = None,
    memory: int = MEMORY_BUDGET,
) -> tuple[Net | None, Report]:
    """The net, or None, and everything that there is to say of the spec."""
    report = Report()
    try:
        tree = parse(source)
        values = {name: defined(name, text) for name, text in (defines or {}).items()}
    except SpecError as error:
        report.diagnostics += error.diagnostics
        return None, report
    spec = resolve(tree, values, folder, report, Place(source, 0, 0))
    if any(d.code == "not-yet" for d in report.diagnostics):
        # The rest of such a spec leans on what is not there; more errors would only mislead.
        return None, report
    return assemble(spec, source, values, memory), report


def defined(name: str, text: str) -> Constant:
    """The value of `-D NAME=VALUE`."""
    source = Source(f"-D {name}", f"let {name} = {text}")
    report = Report()
    (sentence,) = parse(source).sentences or (None,)
    if not isinstance(sentence, Let):
        report.error("bad-constant", "this is not a value", Place(source, 0, len(source.text)))
    else:
        try:
            return evaluate(sentence.value, {}, report)
        except NotConstantError:
            pass
    raise SpecError(report.ordered())
