"""The standalone NumPy trainer: the net's programs printed as functions, set into the page of a template."""

from __future__ import annotations

import inspect
import re
import textwrap
from functools import cache
from pathlib import Path
from typing import Any, cast

import jinja2

from ..dsl.longest import longest
from ..dsl.net import Net
from . import head
from .calls import HELPERS
from .fold import folded
from .functions import Functions
from .init_page import InitPage
from .kernels import Kernel, kernel_name
from .simplify import simplify
from .spelling import quote
from .training_page import TrainingPage


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


class _Page(Functions):
    def render(self) -> str:
        """The whole page."""
        net, programs = self.net, self.net.programs
        trains = net.trains
        training = TrainingPage(self) if trains else None
        if training is None:
            self.folded([])
        page: dict[str, Any] = {
            "name": net.name,
            "docstring": head.page_docstring(net, trains),
            "trains": trains,
            "some_trained": head.some_trained(net) if trains else [],
            "fields": [*head.fields(net), *(head.checked(net) if trains else [])],
            "whole": bool(head.whole(net)),
            "sized": bool(net.steps),
            "shortest": bool(head.needed(net)),
            "longest": bool(longest(net)),
            "lengths": bool(head.lengths(net)),
            "inner_lengths": bool(head.inner_lengths(net)),
            "labels": head.labels(net),
            "shares": bool(head.shares(net)),
            "settings": head.settings(net) if trains else [("SEED", net.train["seed"])],
            "literals": head.literals(net),
            "has_state": bool(net.states),
            **InitPage(self).parts(),
            "fit": self._fit() if "fit" in programs else "",
            "predict": self.returning("predict", f"Return {_outputs_text(net)} for a batch."),
        }
        page |= training.parts() if training else {}
        code = self._code(page)
        page["modules"] = _modules(code, trains)
        helpers = [h for h in HELPERS if _uses(code, f"{h.__name__}(")]
        page["kernels"] = [_source(k) for k in (*helpers, *_paired(self.kernels.chosen()))]
        return folded(_template().render(page))

    def _code(self, page: dict[str, Any]) -> str:
        """What the page has besides its docstring and the lines of the template."""
        code = [line for name, value in page.items() if name != "docstring" for line in _texts(value)]
        return "\n".join([*code, *(_source(k) for k in self.kernels.chosen().values())])

    # Functions --------------------------------------------------------------------------------------------------------

    def _fit(self) -> str:
        program = self.net.programs["fit"]
        program = simplify(program)
        doc = "Set the statistics of the training rows, in float64 until the end."
        lines, body, called = self.function("fit", program, doc, ("example",), ("p",))
        places = {name: f"{called['p']}[{quote(name)}]" for name in program.results}
        others = body.store(places)
        lines += [statement.lines(body.indent) for statement in body.statements()]
        lines += [f"{body.indent}{place} = {body.final(name)}" for name, place in others.items()]
        return "\n".join(lines)


def _modules(code: str, trains: bool) -> list[str]:
    modules = ["hashlib", *(["math"] if _uses(code, "math.") else [])]
    return sorted([*modules, *(["argparse", "os", "sys"] if trains else [])])


def _uses(code: str, what: str) -> bool:
    """Whether code has something; what stands behind # is a comment, where the spec may say anything."""
    return bool(re.search(rf"^[^#\n]*\b{re.escape(what)}", code, re.MULTILINE))


def _texts(value: Any) -> list[str]:
    """Every text in a value of the template, which may lie in lists."""
    if isinstance(value, list | tuple):
        return [text for each in cast("list[Any]", value) for text in _texts(each)]
    return [str(value)]


def _outputs_text(net: Net) -> str:
    said = {"class": "the class probabilities of {}", "binary": "the probability of {}"}
    return " and ".join(said.get(o.target.kind if o.target else "", "{}").format(o.name) for o in net.outputs)


def _paired(kernels: dict[str, Kernel]) -> list[Kernel]:
    """The kernels in the order of their first use, but each gradient right behind what it undoes."""
    ranks = {name: rank for rank, name in enumerate(kernels)}
    return [kernels[name] for name in sorted(ranks, key=lambda n: ranks.get(n.removesuffix("_grad"), ranks[n]))]


def _source(kernel: Kernel) -> str:
    """The source of a kernel, under the name by which the page calls it."""
    text = textwrap.dedent(inspect.getsource(kernel)).rstrip()
    return text.replace(f"def {kernel.__name__}(", f"def {kernel_name(kernel)}(", 1)
