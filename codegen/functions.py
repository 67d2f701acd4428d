"""Functions of the emitted file: a program printed under its signature, with its arrays taken out of p."""

from __future__ import annotations

import builtins
from collections.abc import Iterable

from ..dsl.constraints import CONSTRAINTS
from ..dsl.ir import OPS, Input, Program, Value
from ..dsl.net import Net
from ..dsl.plateau import CLOCK as DROPS
from .about import escape
from .block_page import BlockPage
from .body import Body, Names, unpacked
from .calls import CALL, DRAWS, P
from .gradients import NORMALISATIONS
from .kernels import Kernels, kernel_name
from .loop_page import LoopFunctions
from .simplify import simplify
from .spelling import WIDTH, quote, wrap

# Names that functions of the page read as globals, so that no local may take them.
GLOBALS = {"named", "np", "math", "stream", "seed", "len", "float", "max", "min", "abs", "SEED"}
# Parameters that callers name, while those of the user are known by their position.
CLOCK = ("step", "epoch", "drops")
KEYWORDS = ("draws", *NORMALISATIONS, *CLOCK)
# Functions of the page whatever the net.
FUNCTIONS = {
    *("init", "fit", "predict", "compared", "init_updater", "update", "solve", "metrics", "penalty", "noise"),
    *("predictions", "evaluate", "tune", "split", "batches", "draw", "train", "check", "load", "main"),
}


class Functions:
    """Prints the functions of a net, and gathers the kernels that they call."""

    def __init__(self, net: Net):
        self.net = net
        self.kernels = Kernels()
        self.blocks = BlockPage(self)
        self.loops = LoopFunctions(self.own_name)
        # Those in which blocks are calls.
        self.programs: dict[str, Program] = {}
        self.globals = GLOBALS | {kernel_name(k) for op in OPS.values() for k in op.kernels}
        self.globals |= {setting.name for setting in net.layer_settings} | {name.upper() for name in CONSTRAINTS}
        self.globals |= {o.threshold.setting for o in net.outputs if o.threshold}

    def own_name(self, name: str) -> str:
        """A free name of the page for a function, and one behind it for the way back; locals step aside for both."""
        taken = self.globals | FUNCTIONS | {loss.function for loss in self.net.losses} | set(dir(builtins))
        taken |= {f.name for f in (*self.net.inputs, *self.net.noises, *self.net.targets)}
        found, number = name, 1
        while taken & {found, f"{found}_grad"}:
            number += 1
            found = f"{name}_{number}"
        self.globals |= {found, f"{found}_grad"}
        return found

    def body(self, program: Program, own: Iterable[str] = (), indent: int = 4) -> tuple[Body, dict[str, str]]:
        """A body, and what its own names, such as p, are called beside the user's."""
        keywords = {name for name in own if name in KEYWORDS}
        names = Names(self.globals | keywords)
        for given in program.of("example", "noise", "target", "prediction"):
            names.give(given.value, given.name)
        called = {name: name if name in keywords else names.aside(name) for name in own}
        names.of.update({i.value: called[i.name] for i in program.of("clock") if i.name in called})
        names.of.update({value: called[value.hint] for value in (P, DRAWS) if value.hint in called})
        if "drops" in called:
            falling = [i for i in program.of("clock") if i.name.startswith(DROPS)]
            names.of.update({i.value: f"{called['drops']}[{quote(i.name.removeprefix(DROPS))}]" for i in falling})
        body = Body(program, names, indent, self.loops)
        return body, called

    def function(
        self, name: str, program: Program, doc: str, roles: tuple[str, ...], own: tuple[str, ...]
    ) -> tuple[list[str], Body, dict[str, str]]:
        """The head of a function: its signature, docstring, and the lines that bring its inputs into shape."""
        body, called = self.body(program, own)
        fields = {f.name: f for f in (*self.net.inputs, *self.net.noises, *self.net.targets)}
        given = program.of(*roles)
        by_name = {i.name: i for i in given}
        order = [i.name for i in given if i.role == "prediction"]
        order += [name for name in fields if name in by_name and name not in order]
        names = [body.names.of[by_name[n].value] for n in order]
        after = [called["draws"]] if "draws" in called else []
        after += [f"{called[n]}={unbounded}" for n, (_, _, unbounded) in NORMALISATIONS.items() if n in called]
        after += ["*", *(n for n in CLOCK if n in called)] if "epoch" in called else []
        # What is tuned after training is 1/2 until then; what a loss keeps has no such number.
        held = [i.name for i in program.of("state") if "p" not in called]
        after += [f"{name}=0.5" if name in self.net.tuned else name for name in held]
        before = [called["p"]] if "p" in called else []
        lines = wrap(f"def {name}(", [*before, *names, *after], "):")
        lines.append(f'    """{escape(doc)}"""')
        for each in order:
            field = fields.get(each)
            if field is not None and field.shape[-1:] == (1,) and reads(program, by_name[each]):
                local, shape = body.names.of[by_name[each].value], ("N", *field.shape)
                if field.shape == (1,):
                    lines.append(f"    {local} = {local}.reshape(-1, 1)  # (N,) is taken for (N, 1)")
                elif field.steps:
                    kept = ", ".join(map(str, shape[:-1]))
                    sizes = f"*{local}.shape[:{len(shape) - 1}], 1"
                    lines.append(f"    {local} = {local}.reshape({sizes})  # ({kept}) is taken for ({kept}, 1)")
        return lines, body, called

    def unpacked(self, body: Body, called: dict[str, str]) -> list[str]:
        """The lines that take arrays out of p and draws."""
        sources = {"weight": "p", "state": "p", "draw": "draws"}
        inputs = [i for i in body.program.inputs if i.role in sources and reads(body.program, i)]
        taken = [(body.names.of[i.value], f"{called[sources[i.role]]}[{quote(i.name)}]") for i in inputs]
        return unpacked(taken, body.indent)

    def folded(self, training: list[Program]) -> list[Program]:
        """Programs of training with blocks as calls, as they then are in those of prediction."""
        judging = [name for name in ("predict", "compared") if name in self.net.programs]
        resting = [simplify(self.net.programs[name]) for name in judging]
        training, resting = self.blocks.folded(training, resting)
        self.programs |= dict(zip(judging, resting, strict=True))
        return training

    def returning(self, name: str, doc: str) -> str:
        """A function that returns the results of a program over p and the inputs."""
        program = self.programs[name] if name in self.programs else simplify(self.net.programs[name])
        own = ("p", *clock(program))
        # Where the loss tells the same at length, the headings, and names for the parts of a layer, are left to it.
        brief = self.net.trains and name in ("predict", "compared")
        inline = {value for value in program.results.values() if _last_of_several(program, value)}
        inline |= _parts_of_layers(program) if brief else set()
        lines, body, called = self.function(name, program, doc, ("example", "noise"), own)
        body.inline = inline
        statements = body.statements()
        statements += [s for r in program.results if len(body.final(r)) > WIDTH - 12 for s in body.name_final(r)]
        self.kernels |= body.kernels
        lines += self.unpacked(body, called)
        lines += [s.lines(body.indent) for s in statements] if brief else body.lines(statements)
        finals = [body.final(result) for result in program.results]
        flat = f"    return {', '.join(finals)}"
        lines += [flat] if len(flat) <= WIDTH else wrap("return (", finals, ")", 4)
        return "\n\n\n".join([*self.blocks.printed(), "\n".join(lines)])

    def compared(self, doc: str) -> str:
        """The function `compared`: what `predict` returns and inputs, or, where it is more, all in full."""
        program, predict = self.net.programs["compared"], self.net.programs["predict"]
        given = [i for i in program.of("example", "noise") if i.name in {each.name for each in predict.inputs}]
        known = {i.value for i in program.inputs} | set(predict.results.values())
        if not known.issuperset(program.results.values()) or len(given) < len(predict.of("example", "noise", "clock")):
            return self.returning("compared", doc)
        lines, body, called = self.function("compared", program, doc, ("example", "noise"), ("p",))
        order = [f.name for f in (*self.net.inputs, *self.net.noises)]
        names = [body.names.of[i.value] for i in sorted(given, key=lambda i: order.index(i.name))]
        returned = [name if v in program.results.values() else "_" for name, v in predict.results.items()]
        called_with = [called["p"], *names]
        finals = [body.names.of.get(value, f"predict({', '.join(called_with)})") for value in program.results.values()]
        if len(returned) > 1 or len(f"    return {', '.join(finals)}") > WIDTH:
            left = [name if name == "_" else body.names.give(predict.results[name], name) for name in returned]
            lines += wrap(f"{', '.join(left)} = predict(", called_with, ")", 4)
            finals = [body.names.of[value] for value in program.results.values()]
        return "\n".join([*lines, f"    return {', '.join(finals)}"])


def _last_of_several(program: Program, value: Value) -> bool:
    """Whether nothing else reads a result, and its layer has other lines to stand under the layer's heading."""
    if program.uses[value] > 1 or value not in program.producers:
        return False
    section = program.producers[value].section
    lines = [e for e in program.equations if e.section is section and e.results[0].hint]
    return section is None or len(lines) > 1


def _parts_of_layers(program: Program) -> set[Value]:
    """The values that only their own layer reads, once, and what is only given another shape for the next one."""
    readers = {arg: e for e in program.equations for arg in e.args}
    once = {v: e for v, e in program.producers.items() if v in readers and program.uses[v] == 1 and e.op is not CALL}
    return {v for v, e in once.items() if readers[v].section is e.section or e.op.name == "reshape"}


def reads(program: Program, given: Input) -> bool:
    """Whether a program reads an input."""
    return given.value in program.uses


def clock(*programs: Program) -> tuple[str, ...]:
    """What functions of these programs take of the clock by name: nothing, or `step`, `epoch` and, if read, `drops`."""
    read = {i.name for program in programs for i in program.of("clock") if reads(program, i)}
    falls = any(name.startswith(DROPS) for name in read)
    return CLOCK if falls else CLOCK[:2] if read else ()
