"""The updaters on the page: their first state, and the functions that move weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..dsl.constraints import CONSTRAINTS
from ..dsl.ir import Input, Program, Value
from ..dsl.net import LossInfo, Moment, Net, UpdaterInfo
from . import head
from .body import assignments
from .functions import CLOCK, Functions, clock, reads
from .simplify import simplify
from .spelling import WIDTH, number, quote, spell, wrap


class UpdaterPage:
    """Prints `init_updater` and an update for each updater."""

    def __init__(self, page: Functions):
        self.net, self.page = page.net, page

    def init(self) -> str:
        """The function that gives the first state."""
        if self.net.solver:
            return self._remembered(self.net.losses[0])
        losses, words = self.net.losses, list(dict.fromkeys(u.word for u in self.net.updaters))
        lines = ["def init_updater(p):", f'    """Return the first state of {" and ".join(words)} by name."""']
        if not self.net.moments:
            return "\n".join([*lines, "    return {}"])
        moments = losses[0].updater.moments
        if not losses[0].name and not any(m.first or m.scalar for m in moments):
            return "\n".join([*lines, *self._zeros(moments)])
        lines.append("    moments = {}")
        for loss in losses:
            lines += self._first(loss)
        return "\n".join([*lines, "    return moments"])

    def _remembered(self, loss: LossInfo) -> str:
        """The function that gives what a solver remembers at first."""
        mover = loss.updater
        assert mover.solver is not None
        options = {name: setting.name for name, setting in zip(mover.solver.options, mover.settings, strict=True)}
        shapes: dict[str, tuple[object, ...]] = mover.solver.function("count", **options)
        lines = ["def init_updater(p):", f'    """Return what {mover.word} remembers at first, by name."""']
        if any("count" in shape for shape in shapes.values()):
            lines.append(f"    count = sum(p[name].size for name in {self.trained(loss)})")
        made = [f"{quote(name)}: np.zeros({_shape(shape)})" for name, shape in shapes.items()]
        return "\n".join([*lines, *wrap("return {", made, "}", 4)])

    def solver(self, given: list[str]) -> dict[str, Any]:
        """What the template sets into the function of a solver, whose kernels the page gets, and into its call.

        `given` are the arguments of the loss besides the weights and the examples.
        """
        loss = self.net.losses[0]
        word = loss.updater.solver
        if word is None:
            return {"solver": "", "solver_given": [], "label": loss.label}
        self.page.kernels.add(*word.kernels)
        return {
            "solver": word.name,
            "solver_given": given,
            "solver_of": self.trained(loss),
            "solver_trained": "names" if loss.name else self.trained(loss),
            "solved": wrap("loss = solve(", ["p", "memory", "*examples", *given], ")", 8),
            "label": loss.label,
        }

    def _zeros(self, moments: Iterable[Moment]) -> list[str]:
        """The state of one loss whose moments are all zeros like their weight."""
        parts = [
            'f"{name}.{own}": np.zeros_like(p[name])',
            f"for name in {self.trained(self.net.losses[0])}",
            f"for own in {_tuple(m.name for m in moments)}",
        ]
        flat = f"    return {{{' '.join(parts)}}}"
        if len(flat) <= WIDTH:
            return [flat]
        inner = f"        {' '.join(parts)}"
        lines = [inner] if len(inner) <= WIDTH else [f"        {part}" for part in parts]
        return ["    return {", *lines, "    }"]

    def _first(self, loss: LossInfo) -> list[str]:
        """The lines that make the state of a loss."""
        if not loss.updater.moments:
            return []
        lines = [f"    for name in {self.trained(loss)}:"]
        for moment in loss.updater.moments:
            first = f"np.full_like(p[name], {moment.first!r})" if moment.first else "np.zeros_like(p[name])"
            first = f"np.array({moment.first!r})" if moment.scalar else first
            lines.append(f'        moments[f"{loss.moment("{name}", moment.name)}"] = {first}')
        return lines

    def trained(self, loss: LossInfo) -> str:
        """What lists the weights that a loss moves."""
        if loss.name:
            return f"LOSSES[{quote(loss.name)}]"
        return "TRAINED" if head.some_trained(self.net) else "p"

    def update(self, updater: UpdaterInfo) -> str:
        """The function of an updater; one that several losses share is told whose state it moves."""
        shared = bool(self.net.losses[0].name) and not updater.of
        times = moment(self.net, updater)
        called = ["p", "moments", "grads", *times, *(["loss"] if shared else [])]
        lines = wrap(f"def {updater.key}(", called, "):")
        doc = f"Move each weight by {updater.word}; step counts from 1, epoch has fractions."
        program = simplify(self.net.programs[updater.key])
        kept = self._constraints()
        if not program.equations:
            lines.append(
                f'    """Leave each weight as it is, as {updater.word} does{", within its bounds" if kept else ""}."""'
            )
            return "\n".join([*lines, *(["    for name in grads:", *kept] if kept else [])])
        lines.append(f'    """{doc}"""')
        body, _ = self.page.body(program, (*called, "name"), indent=8)
        prefix = "{loss}." if shared else f"{updater.of}." if updater.of else ""
        # What is kept as one number is taken as Python's, beside which an array keeps its precision.
        single = [m.name for m in updater.moments if m.scalar]
        stores = {"w": "p[name]"}
        stores |= {m.name: f'moments[f"{prefix}{{name}}.{m.name}"]' for m in updater.moments}
        others = body.store({name: place for name, place in stores.items() if name not in single})
        own = _of_weights(program)
        body.shared = {value for value in (*program.producers, *(i.value for i in program.inputs)) if value not in own}
        statements = body.statements()
        self.page.kernels |= body.kernels
        inner = [s for s in statements if s.equation.results[0] in own]
        lines += [s.lines("    ") for s in statements if s not in inner]
        lines.append("    for name, g in grads.items():")
        local = {i.name: body.names.of[i.value] for i in program.of("weight", "moment") if reads(program, i)}
        taken = [(local[n], f"float({at})" if n in single else at) for n, at in stores.items() if n in local]
        taken += [(body.names.of[i.value], _own(updater, i)) for i in program.of("own")]
        lines += assignments(taken, "        ")
        lines += [s.lines("        ") for s in inner]
        lines += assignments([(place, body.final(name)) for name, place in others.items()], "        ")
        lines += [f"        {stores[name]} = np.array({body.final(name)})" for name in single]
        return "\n".join([*lines, *kept])

    def _constraints(self) -> list[str]:
        """The lines that bring a moved weight back within what its layer asks for."""
        lines: list[str] = []
        for table, _ in head.constraints(self.net):
            op = CONSTRAINTS[table.lower()].op
            self.page.kernels.add(*op.kernels)
            given = {1: f", {table}[name]", 2: f", *{table}[name]"}.get(len(op.cases[0][1]), "")
            lines += [f"        if name in {table}:", f"            p[name] = {op.name}(p[name]{given})"]
        return lines


def moment(net: Net, updater: UpdaterInfo) -> tuple[str, ...]:
    """What an update takes of the clock."""
    return CLOCK if "drops" in clock(simplify(net.programs[updater.key])) else CLOCK[:2]


def _of_weights(program: Program) -> set[Value]:
    """What belongs to a weight, rather than to the step."""
    own = {i.value for i in program.inputs if i.role != "clock"}
    for equation in program.equations:
        if not own.isdisjoint(equation.args):
            own.update(equation.results)
    return own


def _own(updater: UpdaterInfo, given: Input) -> str:
    """What a weight has of its own, or else the number of the others."""
    own = next(own for own in updater.owns if own.name == given.name)
    default = own.setting or spell(number(own.default))
    return f"{own.table}.get(name, {default})"


def _shape(sizes: tuple[object, ...]) -> str:
    """A shape whose sizes are numbers or names."""
    joined = ", ".join(map(str, sizes))
    return f"({joined})" if len(sizes) > 1 else joined


def _tuple(names: Iterable[str]) -> str:
    quoted = [quote(n) for n in names]
    return f"({', '.join(quoted)}{',' if len(quoted) == 1 else ''})"
