"""What an artifact says of itself: where it comes from and what its layers are."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import PurePath

from ..dsl.net import Net
from ..dsl.types import Type


def version() -> str:
    """The version of this compiler."""
    return metadata.version("netc")


def digest(net: Net) -> str:
    """The SHA-256 of the spec's text, in hexadecimal."""
    return hashlib.sha256(net.source.text.encode()).hexdigest()


def spec_file(net: Net) -> str:
    """The spec's file name, without its folder, which says nothing on another machine."""
    return PurePath(net.source.name).name


def provenance(net: Net) -> str:
    """One sentence on where an artifact comes from: no date, no machine."""
    defines = "".join(f" -D {name}={value}" for name, value in net.defines.items())
    return f"Compiled by netc {version()} from {spec_file(net)}{defines} (sha256 {digest(net)[:16]})."


def layer_table(net: Net) -> list[str]:
    """The layers as lines of text: what each gives and how many parameters it has."""
    rows = [("layer", "gives", f"{net.parameters:,} parameters")]
    for layer in net.layers:
        number = f"{layer.section.number}" if layer.section.number is not None else ""
        rows.append((f"{number:<3}{layer.section.title}", show_type(layer.type), f"{layer.parameters:,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in rows]


def show_type(type: Type) -> str:
    """A shape as NumPy writes it, the batch axis first."""
    return f"({', '.join(map(str, type.shape))}{',' if len(type.shape) == 1 else ''})"


def docstring(lines: list[str]) -> str:
    """The inside of a module's docstring."""
    return "\n".join(escape(line).rstrip() for line in lines)


def escape(text: str) -> str:
    """Text that can stand between three double quotes."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
