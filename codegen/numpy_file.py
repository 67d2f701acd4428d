"""The standalone NumPy trainer: the net's programs printed as functions, set into the page of a template."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from ..dsl.ir import OPS, Input, Program, Value
from ..dsl.net import Net
from ..dsl.types import BATCH
from . import head
from .about import escape
from .body import Body, Names, Statement, assignments, kernel_name
from .fold import folded
from .gradients import CLIP, loss_and_grads
from .simplify import simplify
from .spelling import WIDTH, quote, wrap

# Names that functions of the page read as globals, so that no local may take them.
GLOBALS = {"np", "math", "stream", "seed", "len", "float", "max", "min", "abs", "SEED"}
# Parameters that callers name, while those of the user are known by their position.
KEYWORDS = ("draws", CLIP)
# The methods of NumPy's generators that draw by a law.
LAWS = {"uniform": "random", "normal": "standard_normal"}
Kernels = dict[str, Callable[..., object]]


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template("train.py.jinja")


def to_numpy(net: Net) -> str:
    """The text of NAME.py; the same net gives the same bytes."""
    return _Page(net).render()


class _Page:
    def __init__(self, net: Net):
        self.net = net
        self.kernels: Kernels = {}
        self.globals = GLOBALS | {kernel_name(k) for op in OPS.values() for k in op.kernels}

    def render(self) -> str:
        net, programs = self.net, self.net.programs
        trains = "update" in programs
        page: dict[str, Any] = {
            "name": net.name,
            "docstring": head.page_docstring(net, trains),
            "trains": trains,
            "some_trained": head.some_trained(net) if trains else [],
            "fields": head.fields(net),
            "settings": head.settings(net) if trains else [("SEED", net.train["seed"])],
            "literals": head.literals(net),
            "has_state": bool(net.states),
            "init": self._init(),
            "fit": self._fit() if "fit" in programs else "",
            "predict": self._returning("predict", f"Return {_outputs_text(net)} for a batch."),
        }
        page |= self._training() if trains else {}
        page["modules"] = self._modules(page)
        page["kernels"] = [_source(k) for k in self.kernels.values()]
        return folded(_template().render(page))

    def _training(self) -> dict[str, Any]:
        net, programs = self.net, self.net.programs
        compared = "compared" in programs
        gradient = loss_and_grads(net)
        draws = gradient.of("draw")
        predictions = programs["metrics"].of("prediction")
        extras = ["draws=draw(epoch, step, len(batch))"] if draws else []
        extras += ["clip_norm=CLIP_NORM"] if net.train["clip_norm"] else []
        return {
            "compared": self._returning("compared", "Return the values that the loss looks at.") if compared else "",
            "loss_and_grads": self._loss_and_grads(gradient),
            "updater": net.updater,
            "init_updater": self._init_updater(),
            "update": self._update(),
            "metrics": self._metrics() if self._measured() else "",
            "penalty": self._returning("penalty", "Return what l1 and l2 add to the loss.")
            if "penalty" in programs
            else "",
            "predictor": "compared" if compared else "predict",
            "single": len(predictions) == 1,
            "validation": bool(net.train["validation"]),
            "early_stop": bool(net.train["early_stop"]),
            "draws": self._draws(draws),
            "step": _step(extras),
            "check_draws": ", draws=draws" if draws else "",
        }

    def _measured(self) -> bool:
        """Whether anything is reported beside the training loss."""
        return bool(self.net.train["validation"]) or len(self.net.programs["metrics"].results) > 1

    def _modules(self, page: dict[str, Any]) -> list[str]:
        code = [str(v) for name, v in page.items() if name != "docstring"]
        code += [_source(k) for k in self.kernels.values()]
        # What stands behind # is a comment, where the spec may say anything.
        uses_math = re.search(r"^[^#]*\bmath\.", "\n".join(code), re.MULTILINE)
        modules = ["hashlib", *(["math"] if uses_math else [])]
        return [*modules, *(["os", "sys"] if page["trains"] else [])]

    # Functions --------------------------------------------------------------------------------------------------------

    def _body(self, program: Program, own: Iterable[str] = (), indent: int = 4) -> tuple[Body, dict[str, str]]:
        """A body, and what its own names, such as p, are called beside the user's."""
        keywords = {name for name in own if name in KEYWORDS}
        names = Names(self.globals | keywords)
        for given in program.of("example", "target", "prediction"):
            names.give(given.value, given.name)
        called = {name: name if name in keywords else names.aside(name) for name in own}
        body = Body(program, names, indent)
        return body, called

    def _function(
        self, name: str, program: Program, doc: str, roles: tuple[str, ...], own: tuple[str, ...]
    ) -> tuple[list[str], Body, dict[str, str]]:
        """The head of a function: its signature, docstring, and the lines that bring its inputs into shape."""
        body, called = self._body(program, own)
        fields = {f.name: f for f in (*self.net.inputs, *self.net.targets)}
        given = program.of(*roles)
        by_name = {i.name: i for i in given}
        order = [i.name for i in given if i.role == "prediction"]
        order += [name for name in fields if name in by_name and name not in order]
        names = [body.names.of[by_name[n].value] for n in order]
        after = [called[n] + d for n, d in (("draws", ""), (CLIP, "=None")) if n in called]
        before = [called["p"]] if "p" in called else []
        lines = wrap(f"def {name}(", [*before, *names, *after], "):")
        lines.append(f'    """{escape(doc)}"""')
        for each in order:
            field = fields.get(each)
            if field is not None and field.shape == (1,) and _reads(program, by_name[each]):
                local = body.names.of[by_name[each].value]
                lines.append(f"    {local} = {local}.reshape(-1, 1)  # (N,) is taken for (N, 1)")
        return lines, body, called

    def _unpacked(self, body: Body, called: dict[str, str], statements: list[Statement]) -> list[str]:
        """The statements, with each array of p or draws taken out before its first use."""
        sources = {"weight": "p", "state": "p", "draw": "draws"}
        inputs = [i for i in body.program.inputs if i.role in sources and _reads(body.program, i)]
        right = {i.value: f"{called[sources[i.role]]}[{quote(i.name)}]" for i in inputs}
        flat = assignments([(body.names.of[i.value], right[i.value]) for i in inputs], body.indent)
        if len(flat) <= 1:
            return [*flat, *([""] if flat else []), *body.lines(statements)]
        return body.lines(statements, {i.value: right[i.value] for i in inputs})

    def _returning(self, name: str, doc: str) -> str:
        """A function that returns the results of a program over p and the inputs."""
        program = simplify(self.net.programs[name])
        hints = {value: value.hint for value in program.results.values() if _last_of_several(program, value)}
        for value in hints:
            value.hint = ""  # it is returned where it is computed
        lines, body, called = self._function(name, program, doc, ("example",), ("p",))
        statements = body.statements()
        long = [(r, v) for r, v in program.results.items() if v in hints and len(body.final(r)) > WIDTH - 12]
        if long:  # but not where its line would grow too long
            for result, value in long:
                value.hint = hints[value] or result
            lines, body, called = self._function(name, program, doc, ("example",), ("p",))
            statements = body.statements()
        self.kernels |= body.kernels
        lines += self._unpacked(body, called, statements)
        finals = [body.final(result) for result in program.results]
        flat = f"    return {', '.join(finals)}"
        lines += [flat] if len(flat) <= WIDTH else wrap("return (", finals, ")", 4)
        return "\n".join(lines)

    def _loss_and_grads(self, program: Program) -> str:
        own = ("p", *(["draws"] if program.of("draw") else []), *([CLIP] if program.of("limit") else []))
        doc = "Return the mean loss of a batch and its gradient for each parameter."
        lines, body, called = self._function("loss_and_grads", program, doc, ("example", "target"), own)
        for limit in program.of("limit"):
            body.names.of[limit.value] = called[CLIP]
        statements = body.statements()
        self.kernels |= body.kernels
        lines += [*self._unpacked(body, called, statements), ""]
        items = [f"{quote(name)}: {body.final(f'd{name}')}" for name in self.net.trained]
        lines += wrap(f"return {body.final('loss')}, {{", items, "}", 4)
        return "\n".join(lines)

    def _init(self) -> str:
        program = self.net.programs["init"]
        body, _ = self._body(program)
        statements = body.statements()
        self.kernels |= body.kernels
        for name in program.results:
            if len(self._entry(body, name)) > WIDTH:
                statements += body.name_final(name)
        lines = [statement.lines(body.indent) for statement in statements]
        entries = [self._entry(body, name) for name in program.results]
        cast = "return {name: value.astype(np.float32) for name, value in p.items()}"
        return "\n".join([*lines, "    p = {", *entries, "    }", f"    {cast}"])

    def _entry(self, body: Body, name: str) -> str:
        return f"        {quote(name)}: {body.final(name)},"

    def _fit(self) -> str:
        program = self.net.programs["fit"]
        program = simplify(program)
        doc = "Set the statistics of the training rows, in float64 until the end."
        lines, body, called = self._function("fit", program, doc, ("example",), ("p",))
        places = {name: f"{called['p']}[{quote(name)}]" for name in program.results}
        others = body.store(places)
        lines += [statement.lines(body.indent) for statement in body.statements()]
        lines += [f"{body.indent}{place} = {body.final(name)}" for name, place in others.items()]
        return "\n".join(lines)

    def _init_updater(self) -> list[str]:
        if not self.net.moments:
            return ["    return {}"]
        loops = [
            f"for name in {'TRAINED' if head.some_trained(self.net) else 'p'}",
            f"for part in {_tuple(self.net.moments)}",
        ]
        parts = ['f"{name}.{part}": np.zeros_like(p[name])', *loops]
        flat = f"    return {{{' '.join(parts)}}}"
        if len(flat) <= WIDTH:
            return [flat]
        inner = f"        {' '.join(parts)}"
        lines = [inner] if len(inner) <= WIDTH else [f"        {part}" for part in parts]
        return ["    return {", *lines, "    }"]

    def _update(self) -> str:
        program = simplify(self.net.programs["update"])
        body, _ = self._body(program, ("p", "moments", "grads", "name"), indent=8)
        stores = {"w": "p[name]", **{m: f'moments[f"{{name}}.{m}"]' for m in self.net.moments}}
        others = body.store(stores)
        statements = body.statements()
        scalar = [s for s in statements if s.equation.results[0].type.dtype == "f64"]
        inner = [s for s in statements if s not in scalar]
        lines = [s.lines("    ") for s in scalar]
        lines.append("    for name, g in grads.items():")
        lines += assignments(list(stores.items()), "        ")
        lines += [s.lines("        ") for s in inner]
        lines += assignments([(place, body.final(name)) for name, place in others.items()], "        ")
        return "\n".join(lines)

    def _metrics(self) -> str:
        program = simplify(self.net.programs["metrics"])
        doc = "Return the loss and the metrics of predictions, by name."
        lines, body, _ = self._function("metrics", program, doc, ("prediction", "target"), ())
        statements = body.statements()
        for name in program.results:
            if len(body.final(name)) > 50:
                statements += body.name_final(name)
        self.kernels |= body.kernels
        lines += [s.lines(body.indent) for s in statements]
        entries = [f"{quote(name)}: float({body.final(name)})" for name in program.results]
        return "\n".join([*lines, *wrap("return {", entries, "}", 4)])

    def _draws(self, draws: tuple[Input, ...]) -> list[str]:
        lines: list[str] = []
        for law, method in LAWS.items():
            shapes = [f"{quote(i.name)}: {_shape(i)}" for i in draws if i.law == law]
            if shapes:
                lines += [*wrap(f"{law} = {{", shapes, "}", 4), f"    for name, shape in {law}.items():"]
                lines.append(f"        draws[name] = stream(SEED, name, epoch, step).{method}(shape, np.float32)")
        return lines


def _shape(draw: Input) -> str:
    """The shape of a draw for `count` examples."""
    sizes = ["count" if size == BATCH else str(size) for size in draw.value.type.shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _step(extras: list[str]) -> list[str]:
    """The call of loss_and_grads in the training loop."""
    head, examples = "loss, grads = loss_and_grads(", "a[batch] for a in (*inputs, *targets)"
    if not extras:
        return [f"            {head}p, *({examples}))"]
    return [f"            examples = [{examples}]", *wrap(head, ["p", "*examples", *extras], ")", 12)]


def _last_of_several(program: Program, value: Value) -> bool:
    """Whether nothing else reads a result, and its layer has other lines to stand under the layer's heading."""
    if program.uses[value] > 1 or value not in program.producers:
        return False
    section = program.producers[value].section
    lines = [e for e in program.equations if e.section is section and e.results[0].hint]
    return section is None or len(lines) > 1


def _reads(program: Program, given: Input) -> bool:
    return given.value in program.uses


def _tuple(names: Iterable[str]) -> str:
    quoted = [quote(n) for n in names]
    return f"({', '.join(quoted)}{',' if len(quoted) == 1 else ''})"


def _outputs_text(net: Net) -> str:
    said = {"class": "the class probabilities of {}", "binary": "the probability of {}"}
    return " and ".join(said.get(o.target.kind if o.target else "", "{}").format(o.name) for o in net.outputs)


def _source(kernel: Callable[..., object]) -> str:
    """The source of a kernel, under the name by which the page calls it."""
    text = textwrap.dedent(inspect.getsource(kernel)).rstrip()
    return text.replace(f"def {kernel.__name__}(", f"def {kernel_name(kernel)}(", 1)
