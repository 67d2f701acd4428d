"""The function `init` of the page; the weights of blocks that a net repeats are drawn by functions of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..dsl.prune import prune
from ..dsl.section import Use
from .calls import own_arrays
from .forms import Parameter, arguments, form, generalised, parameters
from .functions import Functions
from .repeats import arrays
from .spelling import gathered, quote, returning, wrap

# A longer value has a line of its own.
LONGEST = 40


class InitPage:
    """Prints `init`, and for each form of a repeated block the function that it calls."""

    def __init__(self, page: Functions):
        self.page, self.program = page, page.net.programs["init"]

    def parts(self) -> dict[str, str]:
        """What the template sets into the page: the functions of blocks, and the body of `init`."""
        names = {use: own for use, own in arrays(self.page.net).items() if own}
        texts = {use: self._text_of(use, own) for use, own in names.items()}
        forms: dict[str, list[Use]] = {}
        for use, text in texts.items():
            forms.setdefault(form(text), []).append(use)
        functions: list[str] = []
        calls: dict[str, str] = {}
        for uses in forms.values():
            given = parameters([texts[use] for use in uses]) if len(uses) > 1 else None
            if given is None:
                continue
            name = self.page.own_name(f"{uses[0].block}_init")
            functions.append(_function(name, uses[0].block, texts[uses[0]], given))
            for use in uses:
                values = ["seed", quote(use.path[0]), *arguments(texts[use], given)]
                call = f"{name}({', '.join(values)})"
                calls |= dict.fromkeys(names[use].values(), call)
        return {"init_blocks": "\n\n\n".join(functions), "init": self._body(calls)}

    def _body(self, calls: dict[str, str]) -> str:
        lines, entries = self._printed([n for n in self.program.results if n not in calls])
        found = {name: (quote(name), text) for name, text in entries.items()} | {n: ("", c) for n, c in calls.items()}
        items = dict.fromkeys(found[name] for name in self.program.results)
        cast = "    return {name: value.astype(np.float32) for name, value in p.items()}"
        return "\n".join([*lines, *gathered("p", list(items)), cast])

    def _text_of(self, use: Use, own: dict[str, str]) -> str:
        """The body of the function of a use, with the names of its arrays as they are within."""
        lines, entries = self._printed([*own.values()])
        arrays = own_arrays("p", {n: _within(use, entries[full]) for n, full in own.items()})
        return "\n".join([*(_within(use, line) for line in lines), *returning([arrays])])

    def _printed(self, names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Assignments, and the value of each array."""
        program = self.program
        body, _ = self.page.body(prune(replace(program, results={name: program.results[name] for name in names})))
        statements = body.statements()
        self.page.kernels |= body.kernels
        for name in names:
            if len(body.final(name)) > LONGEST:
                statements += body.name_final(name)
        return [s.lines(body.indent) for s in statements], {name: body.final(name) for name in names}


def _within(use: Use, text: str) -> str:
    """A text with the names of a use's arrays as they are in the function of its block."""
    return re.sub(rf'"{use.path[0]}_(\w+)"', r'f"{name}_\1"', text).replace(f"{use.path[0]}_", "")


def _function(name: str, block: str, text: str, given: list[Parameter]) -> str:
    own = ["seed", "name", *(each.name for each in given)]
    doc = f'    """Return the first weights and state of a block {block}."""'
    return "\n".join([*wrap(f"def {name}(", own, "):"), doc, generalised(text, given)])
