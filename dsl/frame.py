"""The bodies of a net while they are run: what their names mean, and how their layers are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from .called import IN
from .diagnostics import Report
from .ir import Tensor
from .resolve import needless
from .scope import Scope
from .section import Section, Use
from .source import Place
from .titles import Shown
from .words import WordError


@dataclass
class Level:
    """The net, or one use of a block or part: its layers with weights are numbered from 1.

    `path` are the names that stand before theirs, `uses` the places of the uses, the outermost first, `running` the
    blocks and parts that are being run, and `parts` the parts among them; `turn` counts the uses of the innermost part;
    `within` is the use of a block.
    """

    path: tuple[str, ...] = ()
    uses: tuple[Place, ...] = ()
    running: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    turn: int = 1
    within: Use | None = None
    numbers: int = 0
    names: set[str] = field(default_factory=lambda: set[str]())
    counts: Counter[str] = field(default_factory=lambda: Counter[str]())

    def section(self, title: str, plain: str, place: Place) -> Section:
        """A layer of this level, by its title in the spec and as its definition writes it."""
        return Section(title, place, None, None, self.path, self.uses, self.turn, self.within, plain)

    def segment(self, block: str) -> str:
        """The name of a block's next use: its own, and a running number; names that the spec gives step not aside."""
        self.counts[block] += 1
        name = f"{block}{'_' if block[-1].isdigit() else ''}{self.counts[block]}"
        if name in self.names:
            return self.segment(block)
        self.names.add(name)
        return name


@dataclass
class Frame:
    """One run of a body; that of `repeat` lies in another, `outer`, whose names it sees.

    `values` maps a name to its tensor, or to None where it is at fault; `places` are those of the names that the body
    declares, and those of the parameters that are values, which are `given`; `named` is the place of the name that the
    last chain gave; `shown` are the constants whose values headings show, and the values that they call as the use
    does; `subject` is the block or part as prose.
    """

    scope: Scope
    level: Level
    values: dict[str, Tensor | None] = field(default_factory=lambda: {})
    places: Mapping[str, Place] = field(default_factory=lambda: {})
    given: Mapping[str, Place] = field(default_factory=lambda: {})
    outer: Frame | None = None
    current: Tensor | None = None
    started: bool = False
    named: Place | None = None
    used: set[str] = field(default_factory=lambda: set[str]())
    shown: Shown = field(default_factory=lambda: {})
    subject: str = ""
    depth: int = 0

    def inner(self) -> Frame:
        """The frame of one iteration of `repeat` in this body."""
        return Frame(
            self.scope,
            self.level,
            outer=self,
            current=self.current,
            started=self.started,
            named=self.named,
            shown=self.shown,
            subject=self.subject,
            depth=self.depth + 1,
        )

    def holding(self, name: str) -> Frame | None:
        """The nearest frame in which a name has a value."""
        if name in self.values:
            return self
        return self.outer.holding(name) if self.outer else None

    def going_on(self) -> Tensor | None:
        """The value from which a chain goes on that names none; it may still be the one that the body is given."""
        holder = self.holding(IN)
        if holder and self.current is holder.values[IN]:
            holder.used.add(IN)
        return self.current

    def report_unused(self, last: str | None, gone_on: Container[Place | None], report: Report) -> None:
        """Report the names of a body that nothing uses; the value of the last chain, which has this name, is its own.

        `gone_on` are the names of values from which the next chain goes on by itself.
        """
        for name, place in self.places.items():
            given_back = name == IN and self.values.get(IN) is self.current
            if name in self.used or name == last or given_back:
                continue
            away = "it" if name in self.given else "its name"
            left = f"use it in a chain of this body, or take {away} away"
            message, help = f"nothing uses the value {name}", needless(name) if place in gone_on else left
            if name == IN:
                message = f"{self.subject} does not use in, the value that it goes on from"
                help = "let a chain of this body begin with in"
            report.error("unused", message, place, help)

    def poison(self) -> None:
        """Let every name be at fault, so that nothing more is said of it."""
        self.values = dict.fromkeys((*self.places, *self.values))
        self.current, self.started = None, True

    def declares(self, name: str) -> bool:
        """Whether a name is declared here or around."""
        return name in self.places or (self.outer is not None and self.outer.declares(name))

    @property
    def visible(self) -> dict[str, Place]:
        """The places of all names that are declared here or around."""
        return {**(self.outer.visible if self.outer else {}), **self.places}

    @property
    def known(self) -> list[str]:
        """The names that have a value here."""
        own = [name for name, value in self.values.items() if value is not None]
        return [*(self.outer.known if self.outer else ()), *own]


# Longer names of arrays would leave no room for anything else on a line of the trainer.
LONGEST_ARRAY = 60


def array_name(section: Section, own: str) -> str:
    """The name of an array of a layer, after those of the uses that it lies in."""
    name = section.named(own)
    if len(name) > LONGEST_ARRAY:
        message = f"its array would be called {name}, which has {len(name)} characters; the limit is {LONGEST_ARRAY}"
        raise WordError("unsafe-name", message, "give blocks shorter names where they are used: name=")
    return name


def unused_name(base: str, names: set[str]) -> str:
    """A name, or where it is taken the next one with a number; it is among the names from then on."""
    stem, number = base.rstrip("0123456789"), 2
    name = base
    while name in names:
        name, number = f"{stem}{number}", number + 1
    names.add(name)
    return name
