"""The sections of a net: its layers, and what else gets a heading on the page."""

from __future__ import annotations

from dataclasses import dataclass

from .source import Place


@dataclass(frozen=True, eq=False)
class Use:
    """One use of a block: the names that stand before those of its arrays, and the use around it.

    `title` is how it is written, with the values of constants, and `plain` as the text has it.
    """

    path: tuple[str, ...]
    block: str
    title: str
    plain: str
    outer: Use | None = None


def around(use: Use | None) -> list[Use]:
    """A use, and those that it lies in, the innermost first."""
    return [use, *around(use.outer)] if use else []


@dataclass(eq=False)
class Section:
    """A layer, or another part of the net that gets a heading on the page; layers with weights are numbered.

    Within the use of a block or part, `path` are the names that stand before its own, `uses` the places of the uses,
    the outermost first, and `turn` says which use of the part it is. `within` is the use of a block that it lies in,
    and `plain` its title as the definition writes it.
    """

    title: str
    place: Place | None = None
    number: int | None = None
    name: str | None = None
    path: tuple[str, ...] = ()
    uses: tuple[Place, ...] = ()
    turn: int = 1
    within: Use | None = None
    plain: str = ""

    def named(self, name: str) -> str:
        """The name of a weight or value of its own, after those of the uses that it lies in."""
        return "_".join((*self.path, name))

    @property
    def label(self) -> str:
        """How a backward section calls it."""
        return self._within(self.name or (str(self.number) if self.number is not None else self.title))

    @property
    def mark(self) -> str:
        """What stands before its title: its number, after the use that it lies in."""
        return self._within("" if self.number is None else str(self.number))

    def _within(self, own: str) -> str:
        words = ["_".join(self.path), own]
        return " ".join(filter(None, words)) + (f" (use {self.turn})" if self.turn > 1 else "")

    @property
    def suffix(self) -> str:
        """What the names of its weights and values end in: its name, or its number."""
        return f"_{self.name}" if self.name else str(self.number or "")

    @property
    def heading(self) -> str:
        """The heading of its forward section."""
        return f"{self.mark}  {self.title}" if self.mark else self.title
