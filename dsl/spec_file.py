"""Reads the files in which specs and libraries stand."""

from __future__ import annotations

from pathlib import Path

from .diagnostics import refuse
from .parse import SIZE_LIMIT


def read_text(path: Path) -> str:
    """The text of a spec file; SpecError where it cannot be read."""
    try:
        return decoded(start_of(path), str(path))
    except OSError as error:
        help = "give the path of a .net file, or - for standard input"
        raise refuse("unreadable", f"{path} cannot be read: {error.strerror}", help) from None


def start_of(path: Path) -> bytes:
    """A file's bytes; what is longer than any spec may be is refused by parse, and need not be read to its end."""
    with path.open("rb") as file:
        return file.read(4 * SIZE_LIMIT + 4)


def decoded(data: bytes, name: str) -> str:
    """The text of a spec; SpecError where it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(data) > 4 * SIZE_LIMIT:
            return data.decode("utf-8-sig", "replace")
        message = f"{name} is not UTF-8: byte {error.start:,} is {data[error.start]:#04x}"
        raise refuse("unreadable", message, "a spec is text; save it as UTF-8") from None
