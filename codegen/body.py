"""The body of an emitted function: the equations of a program as statements with headings, in an order to be read."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

from ..dsl.ir import Equation, Program, Value
from ..dsl.loop import Loop
from ..dsl.section import Section
from ..dsl.types import batched
from .kernels import Kernels
from .spelling import WIDTH, expression, spell

# Deeper expressions are hard to read, and would exhaust the recursion of whoever prints or parses them.
DEEPEST = 8


@dataclass
class Statement:
    """An assignment: the equation at the root of its expression, and what it reads by name."""

    equation: Equation
    text: str
    reads: tuple[Value, ...]
    remark: str = ""

    def lines(self, indent: str) -> str:
        """The assignment with its remark where that fits."""
        line = f"{indent}{self.text}"
        commented = f"{line}  # {self.remark}"
        return commented if self.remark and len(commented) <= WIDTH else line


@dataclass
class Names:
    """Python names of values: each value's hint, made unique within its function."""

    taken: set[str]
    of: dict[Value, str] = field(default_factory=lambda: {})
    # How often each hint was asked for, so that the search for a free name does not begin anew each time.
    counts: dict[str, int] = field(default_factory=lambda: {})

    def give(self, value: Value, hint: str) -> str:
        """The name of a value, given at its first use."""
        if value not in self.of:
            self.of[value] = self.fresh(hint)
        return self.of[value]

    def fresh(self, hint: str) -> str:
        """A free name like the hint."""
        name, number = hint, self.counts.get(hint, 1)
        while name in self.taken:
            number += 1
            name = f"{hint}{'_' if hint[-1].isdigit() else ''}{number}"
        self.counts[hint] = number
        self.taken.add(name)
        return name

    def aside(self, name: str) -> str:
        """A name of the artifact's own, which steps aside where the user has it."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def copy(self) -> Names:
        """The names given so far."""
        return Names(set(self.taken), dict(self.of), dict(self.counts))


class Loops(Protocol):
    """The functions of a page's loops."""

    def name(self, loop: Loop) -> str:
        """The name of a loop's function."""
        ...

    def functions(self, loop: Loop) -> Sequence[Callable[..., object]]:
        """The function of a loop, behind those that it calls."""
        ...


class Body:
    """Prints the equations of one program."""

    def __init__(self, program: Program, names: Names, indent: int = 4, loops: Loops | None = None):
        self.program, self.names = program, names
        self.loops = {e: (loops, e.attrs["loop"]) for e in program.equations if "loop" in e.attrs and loops}
        names.taken |= {loops.name(loop) for loops, loop in self.loops.values()}
        self.indent = " " * indent
        self.uses = program.uses
        self.producers = program.producers
        self.finals = set(program.results.values())
        # Results that are stored elsewhere than in a name, such as p["W1"].
        self.places: dict[Value, str] = {}
        self.depths: dict[Value, int] = {}
        # Values that need no name although they have a hint.
        self.inline: set[Value] = set()
        # Values that are there for each of several weights, so that what is one weight's own does not take their names.
        self.shared: set[Value] = set()
        # Options of kernels that are given also where they are as usual.
        self.explicit: frozenset[str] = frozenset()
        self.kernels = Kernels()
        for given in program.inputs:
            names.give(given.value, given.name)

    # Deciding ---------------------------------------------------------------------------------------------------------

    def statements(self) -> list[Statement]:
        """Every assignment, in the order of the program; a name whose value is read no more may be assigned again."""
        names = self.names.copy()
        self.last: dict[Value, Equation] = {}
        for statement in self._pass():
            self.last.update((value, statement.equation) for value in statement.reads)
        # A result that has no name is spelled where the function returns, and what it reads is read there last.
        for value in self.finals - self.names.of.keys() - self.places.keys():
            for read in self._reads(self.producers[value]):
                self.last.pop(read, None)
        self.names = names
        self.depths.clear()
        return self._pass()

    def _pass(self) -> list[Statement]:
        found: list[Statement] = []
        for equation in self.program.equations:
            self._call(equation)
            if self._needs_name(equation):
                found += self._statement(equation)
        return found

    def _needs_name(self, equation: Equation) -> bool:
        value = equation.results[0]
        if equation.op.cheap(equation):
            return False
        hinted = bool(value.hint) and value not in self.inline
        named = len(equation.results) > 1 or hinted or value in self.places
        return named or self.uses.get(value, 0) > 1 or self._depth(equation) > DEEPEST

    def _depth(self, equation: Equation) -> int:
        value = equation.results[0]
        if value not in self.depths:
            inner = [self.producers[a] for a in equation.args if a in self.producers and a not in self.names.of]
            self.depths[value] = 1 + max((self._depth(e) for e in inner), default=0)
        return self.depths[value]

    def _statement(self, equation: Equation) -> list[Statement]:
        """The assignment of an equation's results, after assignments of parts where the line would grow too long."""
        before: list[Statement] = []
        expr = self._expression(equation)
        left = ", ".join(self._hint(value) for value in equation.results)
        while len(f"{self.indent}{left} = {spell(expr)}") > WIDTH:
            part = self._longest_part(equation)
            if part is None:
                break
            before += self._statement(part)
            expr = self._expression(equation)
        reads = tuple(self._reads(equation))
        if equation.results[0] in self.places:
            return [*before, Statement(equation, f"{left} = {spell(expr)}", reads)]
        for value in equation.results:
            self._reuse(value, reads, equation)
        targets = ", ".join(
            self.names.give(v, self._hint(v)) if v in self.uses or len(equation.results) == 1 else "_"
            for v in equation.results
        )
        return [*before, Statement(equation, f"{targets} = {spell(expr)}", reads, self._remark(equation, reads))]

    def _reuse(self, value: Value, reads: Iterable[Value], equation: Equation) -> None:
        """Let a result take the name of a value that this statement is the last to read."""
        for old in reads:
            name, lasts = self.names.of[old], old in self.shared and value not in self.shared
            if name == value.hint and self.last.get(old) is equation and old not in self.finals and not lasts:
                self.names.of[value] = name

    def _hint(self, value: Value) -> str:
        of = value.gradient_of
        if of in self.names.of:
            return f"d{self.names.of[of]}"
        return self.places.get(value) or value.hint or self.producers[value].op.called

    def store(self, results: Mapping[str, str]) -> dict[str, str]:
        """Let results be assigned to places where nothing else reads them; return the others."""
        values = {name: self.program.results[name] for name in results}
        alone = {n for n, v in values.items() if self.uses[v] == 1 and v in self.producers and not v.hint}
        self.places = {values[name]: results[name] for name in alone}
        return {name: place for name, place in results.items() if name not in alone}

    def _longest_part(self, equation: Equation) -> Equation | None:
        """The longest part of an expression that fits on a line of its own; the shortest where none does."""
        room = WIDTH - len(f"{self.indent}100 = ")
        parts = [(len(spell(self._expression(part))), part) for part in self._parts(equation)]
        fitting = [found for found in parts if found[0] <= room - len(found[1].op.called)]
        if fitting:
            return max(fitting, key=lambda found: found[0])[1]
        return min(parts, key=lambda found: found[0], default=(0, None))[1]

    def _parts(self, equation: Equation) -> Iterable[Equation]:
        """The equations that are spelled within an expression, and could be named instead."""
        for arg in equation.args:
            part = self.producers.get(arg)
            if part is not None and arg not in self.names.of:
                if not part.op.cheap(part):
                    yield part
                yield from self._parts(part)

    def _call(self, equation: Equation) -> None:
        """Note the functions that an equation calls; that of a loop is printed for it."""
        if equation not in self.loops:
            self.kernels.add_of(equation)
            return
        loops, loop = self.loops[equation]
        for kernel in loops.functions(loop):
            self.kernels.add(kernel)

    def _expression(self, equation: Equation) -> ast.expr:
        found = expression(equation, [self._argument(a) for a in equation.args], self.explicit)
        if equation in self.loops and isinstance(found, ast.Call):
            loops, loop = self.loops[equation]
            found.func = ast.Name(loops.name(loop))
        return found

    def _argument(self, value: Value) -> ast.expr:
        if value in self.names.of:
            return ast.Name(self.names.of[value])
        return self._expression(self.producers[value])

    def _reads(self, equation: Equation) -> Iterable[Value]:
        for arg in equation.args:
            if arg in self.names.of:
                yield arg
            else:
                yield from self._reads(self.producers[arg])

    def _remark(self, equation: Equation, reads: Iterable[Value]) -> str:
        """The shape, where a batch's shape changes."""
        shape = equation.results[0].type.shape
        known = [r.type.shape for r in reads if batched(r.type.shape)]
        if len(shape) < 2 or not batched(shape) or shape in known or len(equation.results) > 1:
            return ""
        return f"({', '.join(map(str, shape))})"

    def final(self, name: str, level: int = 0) -> str:
        """The expression of a result, in parentheses where it binds weaker than `level`."""
        return spell(self._argument(self.program.results[name]), level)

    def name_final(self, name: str) -> list[Statement]:
        """The assignment of a result whose expression is too long to stand where it is used."""
        value = self.program.results[name]
        if value in self.names.of:
            return []
        value.hint = value.hint or name
        return self._statement(self.producers[value])

    # Arranging --------------------------------------------------------------------------------------------------------

    def lines(self, statements: list[Statement]) -> list[str]:
        """The statements under their headings; the way back in an order that gives each weight's gradient early."""
        out: list[str] = []
        heading: tuple[bool, Section | None] | None = None
        backward = False
        for group in _groups(statements):
            first = group[0].equation
            key = (first.undoes is not None, first.section)
            if key != heading:
                if key[0] and not backward:
                    out.append("")
                    backward = True
                out += self._heading(key, group)
            heading = key
            arranged = _weights_first(group, self.finals) if key[0] else group
            out += [statement.lines(self.indent) for statement in arranged]
        return out

    def _heading(self, key: tuple[bool, Section | None], group: list[Statement]) -> list[str]:
        back, section = key
        if section is None or not section.label:
            return []
        if back:
            return [f"{self.indent}# back through {'the ' if section.title == 'loss' else ''}{_fit(section.label)}"]
        notes = [s.equation.op.note for s in group if s.equation.op.note]
        return [f"{self.indent}# {_fit(': '.join([section.heading, *notes[:1]]))}"]


def assignments(pairs: list[tuple[str, str]], indent: str) -> list[str]:
    """Assignments of as many pairs as fit on a line."""
    rows: list[list[tuple[str, str]]] = []
    for pair in pairs:
        if rows and len(_assigned([*rows[-1], pair], indent)) <= WIDTH:
            rows[-1].append(pair)
        else:
            rows.append([pair])
    return [_assigned(row, indent) for row in rows]


def unpacked(pairs: list[tuple[str, str]], indent: str) -> list[str]:
    """Assignments as above, in which those of a layer, whose names end alike, stay together where they can."""
    rows: list[list[tuple[str, str]]] = []
    for _, group in groupby(pairs, lambda pair: re.sub(r"^[^\W\d_]+", "", pair[0])):
        together = list(group)
        if rows and len(_assigned([*rows[-1], *together], indent)) <= WIDTH:
            rows[-1] += together
        else:
            rows.append(together)
    return [line for row in rows for line in assignments(row, indent)]


def _assigned(pairs: list[tuple[str, str]], indent: str) -> str:
    return f"{indent}{', '.join(left for left, _ in pairs)} = {', '.join(right for _, right in pairs)}"


def _fit(text: str) -> str:
    limit = WIDTH - 24
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _groups(statements: list[Statement]) -> Iterable[list[Statement]]:
    """Runs of statements of one section and one direction."""
    group: list[Statement] = []
    for statement in statements:
        if group and _key(group[-1]) != _key(statement):
            yield group
            group = []
        group.append(statement)
    if group:
        yield group


def _key(statement: Statement) -> tuple[bool, Section | None]:
    return statement.equation.undoes is not None, statement.equation.section


def _weights_first(group: list[Statement], finals: set[Value]) -> list[Statement]:
    """First what the gradients of weights need, then these in the order of the layer, then what goes further back."""
    results = [s for s in group if finals.intersection(s.equation.results)]
    by_value: Mapping[Value, Statement] = {v: s for s in group for v in s.equation.results}
    needed: set[int] = set()
    pending = list(results)
    while pending:
        for value in pending.pop().reads:
            statement = by_value.get(value)
            if statement is not None and id(statement) not in needed:
                needed.add(id(statement))
                pending.append(statement)
    first = [s for s in group if id(s) in needed]
    # The equations of a backward section stand in reverse, the bias before the matrix.
    own = [s for s in reversed(results) if id(s) not in needed]
    rest = [s for s in group if id(s) not in needed and s not in results]
    return [*first, *own, *rest]
