"""What an artifact says of itself: where it comes from and what its layers are."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import PurePath

from ..dsl.diagnostics import listed
from ..dsl.net import Net
from ..dsl.types import Type
from .repeats import outermost, repeated


def version() -> str:
    """The version of this compiler."""
    return metadata.version("netc")


def digest(net: Net) -> str:
    """The SHA-256 of the spec's text and of its libraries', in hexadecimal."""
    state = hashlib.sha256(net.source.text.encode())
    for path, text in net.libraries.items():
        # No text can be taken for another's name, nor for a part of it.
        state.update(f"\0{path}\0{len(text)}\0{text}".encode())
    return state.hexdigest()


def spec_file(net: Net) -> str:
    """The spec's file name, without its folder, which says nothing on another machine."""
    return PurePath(net.source.name).name


def provenance(net: Net) -> str:
    """One sentence on where an artifact comes from: no date, no machine."""
    defines = "".join(f" -D {name}={value}" for name, value in net.defines.items())
    libraries = f" with {listed(net.libraries)}" if net.libraries else ""
    return f"Compiled by netc {version()} from {spec_file(net)}{defines}{libraries} (sha256 {digest(net)[:16]})."


def layer_table(net: Net) -> list[str]:
    """The layers as lines of text: what each gives and how many parameters it has."""
    rows = [("layer", "gives", f"{net.parameters:,} parameters")]
    width = max([3, *(len(mark) + 1 for mark, _, _, _ in _rows(net))])
    for mark, title, type, parameters in _rows(net):
        rows.append((f"{mark:<{width}}{title}", show_type(type), f"{parameters:,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in rows]


def _rows(net: Net) -> list[tuple[str, str, Type, int]]:
    """What each layer is called, what it is, gives and has; a use of a repeated block is a row."""
    uses = repeated(net)
    found: dict[object, tuple[str, str, Type, int]] = {}
    for layer in net.layers:
        use = outermost(layer.section)
        if use and use in uses:
            before = found[use][3] if use in found else 0
            found[use] = "_".join(use.path), use.title, layer.type, before + layer.parameters
        else:
            found[layer] = layer.section.mark, layer.section.title, layer.type, layer.parameters
    return list(found.values())


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
