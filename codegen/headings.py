"""Headings of the mathematics: a layer with weights, and what goes on from it without any, have one together."""

from __future__ import annotations

from dataclasses import replace

from ..dsl.ir import Program, Value
from ..dsl.section import Section

# A heading is not made longer than this by what goes on.
LONGEST = 64


def joined(program: Program) -> Program:
    """The program with one section for a layer with weights and those that go on from it without any."""
    of: dict[Section, Section] = {}
    last: Section | None = None
    made: set[Value] = set()
    for equation in program.equations:
        section = equation.section
        if section is None or equation.undoes is not None or not equation.args:
            continue
        if section not in of:
            head = of[last] if last is not None and not made.isdisjoint(equation.args) else None
            if head is not None and _goes_on(head, section):
                head.title, head.plain = f"{head.title} -> {section.title}", f"{head.plain} -> {section.plain}"
                of[section] = head
            else:
                of[section] = replace(section)
        if section is not last:
            last, made = section, set()
        made.update(equation.results)
    sections = {**of, None: None}
    return program.with_equations(replace(e, section=sections.get(e.section, e.section)) for e in program.equations)


def _goes_on(head: Section, section: Section) -> bool:
    """Whether a layer without weights or a name may stand in the heading of one with them."""
    marked = [each.number is not None or each.name is not None for each in (head, section)]
    together = section.place is not None and (head.path, head.within) == (section.path, section.within)
    return marked == [True, False] and together and len(f"{head.heading} -> {section.title}") <= LONGEST
