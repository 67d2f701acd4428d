"""The page's functions for loops over steps."""

from __future__ import annotations

import linecache
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..dsl.ir import Program, Value
from ..dsl.loop import Loop
from .body import Body, Names, Statement, assignments
from .kernels import Kernel, kernel_name
from .simplify import Simplifier
from .spelling import wrap

# What the functions read that is not theirs.
GLOBALS = {"np", "math", "range", "reversed", "len"}


class LoopFunctions:
    """The functions of a page's loops; loops whose text is the same share one.

    `own_name` gives a free name of the page like the one that is asked for.
    """

    def __init__(self, own_name: Callable[[str], str] | None = None):
        self._own_name = own_name or _Numbered()
        self._texts: dict[Loop, str] = {}
        self._kernels: dict[Loop, dict[str, Kernel]] = {}
        self._names: dict[str, str] = {}
        self._functions: dict[str, Kernel] = {}

    def name(self, loop: Loop) -> str:
        """The name of a loop's function."""
        text = self._text(loop)
        if text not in self._names:
            self._names[text] = self._free(loop)
        return self._names[text]

    def functions(self, loop: Loop) -> Sequence[Kernel]:
        """The function of a loop, behind those that it calls."""
        name, inner = self.name(loop), self._kernels[loop]
        text = self._text(loop).replace(f"def {loop.name}(", f"def {name}(", 1)
        if text not in self._functions:
            self._functions[text] = _function_of(text, name, inner)
        return (*inner.values(), self._functions[text])

    def _free(self, loop: Loop) -> str:
        beside = f"{self.name(loop.undoes)}_grad" if loop.undoes else loop.name
        if loop.undoes and beside not in self._names.values():
            return beside
        return self._own_name(beside)

    def _text(self, loop: Loop) -> str:
        if loop not in self._texts:
            program = Simplifier(loop.program, expand=True).simplified(loop.program)
            self._kernels[loop] = {kernel_name(k): k for e in program.equations for k in e.op.kernels}
            self._texts[loop] = _Printer(loop, program, set(self._kernels[loop])).text()
        return self._texts[loop]


class _Numbered:
    """Free names where there is no page."""

    def __init__(self):
        self.taken: set[str] = set()

    def __call__(self, name: str) -> str:
        found, number = name, 1
        while found in self.taken:
            number += 1
            found = f"{name}_{number}"
        self.taken |= {found, f"{found}_grad"}
        return found


def _function_of(text: str, name: str, calls: Mapping[str, Kernel]) -> Kernel:
    """The function of a text, whose source can be looked up like any other's."""
    file = f"<{name} {zlib.crc32(text.encode()):08x}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    space: dict[str, object] = {"np": np, "math": math, **calls}
    exec(compile(text, file, "exec"), space)  # the text is printed from a program, never the user's own
    made = space[name]
    assert callable(made)
    return made


class _Printer:
    """Prints the function of one loop."""

    def __init__(self, loop: Loop, program: Program, calls: set[str]):
        self.loop, self.program, self.calls = loop, program, calls
        self.results = list(program.results.values())
        body, statements = self._printed({})
        # What is carried on takes the place of what was carried, where nothing reads that any more.
        self.body, self.statements = self._printed(self._moved(body, statements))

    def _printed(self, moved: Mapping[Value, str]) -> tuple[Body, list[Statement]]:
        names = Names(GLOBALS | self.calls | {self.loop.name})
        for given in self.program.inputs:
            names.give(given.value, given.name)
        names.of.update(moved)
        body = Body(self.program, names, indent=8)
        # Without remarks on shapes, so that layers of several sizes share the function.
        return body, [replace(statement, remark="") for statement in body.statements()]

    def _moved(self, body: Body, statements: list[Statement]) -> dict[Value, str]:
        """What is carried on and can have the name of what was carried."""
        found: dict[Value, str] = {}
        names = body.names.of
        for value, given in zip(self.results, self.program.of("carry"), strict=False):
            name, made = names[given.value], body.producers.get(value)
            at = next((k for k, statement in enumerate(statements) if statement.equation is made), None)
            if at is None or names.get(value) == name:
                continue
            later = {names[read] for statement in statements[at + 1 :] for read in statement.reads}
            later |= {each for result in self.results if result is not value for each in self._read(body, result)}
            if name not in later:
                found[value], value.hint = name, value.hint or name
        return found

    def _read(self, body: Body, value: Value) -> set[str]:
        """The names that the expression of a result reads."""
        pending, found = [value], set[str]()
        while pending:
            each = pending.pop()
            if each in body.names.of:
                found.add(body.names.of[each])
            else:
                pending += body.producers[each].args
        return found

    def text(self) -> str:
        """The function: its head, what it begins with, the loop, and what it returns."""
        loop, names, stacks = self.loop, self.body.names, self._stacks()
        local = {role: [names.of[i.value] for i in self.program.of(role)] for role in ("carry", "step", "constant")}
        wholes = [names.fresh(f"{name}s") for name in local["step"]]
        at, used = names.fresh("t"), self.program.uses
        given = zip(self.program.of("step"), local["step"], wholes, strict=True)
        read = [(name, whole) for step, name, whole in given if step.value in used]
        entering = [] if loop.backwards else local["carry"]
        starts = self._starts(dict(zip(local["step"], wholes, strict=True))) if loop.backwards else []
        steps = f"range({wholes[-1]}.shape[1])"
        finals = [self.body.final(name) for name in self.program.results]
        order = "[::-1]" if loop.backwards else ""
        returned = [*(local["carry"] if loop.backwards else []), *(f"np.stack({s}{order}, axis=1)" for s in stacks)]
        back = ["    # from the last step to the first, since a step acts on those behind it"]
        lines = [
            *wrap(f"def {loop.name}(", [*wholes, *entering, *local["constant"]], "):"),
            f'    """{self._doc()}"""',
            *assignments(list(zip(local["carry"], starts, strict=False)), "    "),
            *assignments([(stack, "[]") for stack in stacks], "    "),
            *(back if loop.backwards else []),
            f"    for {at} in {f'reversed({steps})' if loop.backwards else steps}:",
            *assignments([(n, f"{w}[:, {at}]") for n, w in read], self.body.indent),
            *(statement.lines(self.body.indent) for statement in self.statements),
            *(f"        {s}.append({output})" for s, output in zip(stacks, finals[loop.carries :], strict=True)),
            *_carried(local["carry"], finals[: loop.carries]),
            *wrap("    return ", returned, ""),
        ]
        return "\n".join(lines) + "\n"

    def _doc(self) -> str:
        loop, name = self.loop, self.loop.name
        if loop.undoes:
            return f"Return the gradients of all that {loop.undoes.name} takes."
        more = len(loop.outputs) > loop.carries
        return f"Return what {name} gives of all steps, and its states." if more else f"Return all states of {name}."

    def _stacks(self) -> list[str]:
        """The lists that hold what the steps give."""
        names = self.body.names
        values = self.results[self.loop.carries :]
        hints = [names.of.get(value, "") if value.hint else "" for value in values]
        return [names.fresh(f"{hint or 'result'}s") for hint in hints]

    def _starts(self, wholes: Mapping[str, str]) -> list[str]:
        """Zeros like what the way back carries: the gradients of states and of constants."""
        names = {i.name: self.body.names.of[i.value] for i in self.program.inputs}
        found: list[str] = []
        for given in self.program.of("carry"):
            name = names[given.name.removeprefix("d")]
            found.append(f"np.zeros_like({wholes[name]}[:, 0])" if name in wholes else f"np.zeros_like({name})")
        return found


def _carried(names: list[str], finals: list[str]) -> list[str]:
    """The assignments of what goes on to the next step."""
    moved = [(name, final) for name, final in zip(names, finals, strict=True) if name != final]
    return assignments(moved, 8 * " ") if moved else []
