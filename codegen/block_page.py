"""Blocks that are used again and again, as functions of the page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..dsl.ir import Equation, Program, Value
from ..dsl.section import Section, Use
from .blocks import Split, Way, deepest, replaced, splits, ways
from .body import Body, Names
from .calls import CALL, DRAWS, P, a_dict, a_tuple, is_dict
from .forms import Parameter, arguments, form, generalised, numbers, parameters, serves
from .spelling import WIDTH, wrap

if TYPE_CHECKING:
    from .functions import Functions

Ways = tuple[Way, Way | None]
# The texts of the functions of a use: of the way on, and of the way back where there is one.
Texts = tuple[str, ...]
# More numbers than these would tell a reader of the call nothing.
MOST_NUMBERS = 4


@dataclass(frozen=True)
class _Shared:
    """The functions that several uses share: the texts of one use, and the numbers in which others may differ."""

    name: str
    texts: Texts
    given: tuple[Parameter, ...]

    def serves(self, texts: Texts) -> bool:
        """Whether these are the functions of a use with such texts."""
        same = form(_joined(texts)) == form(_joined(self.texts))
        return same and serves(_joined(self.texts), self.given, _joined(texts))

    def numbers(self, texts: Texts) -> list[tuple[str, ...]]:
        """What a use with such texts gives to each function."""
        return [tuple(arguments(_joined(texts), given)) for given in _each(texts, self.given)]


def _joined(texts: Texts) -> str:
    return "\n".join(texts)


def _each(texts: Texts, given: Sequence[Parameter]) -> list[list[Parameter]]:
    """The parameters that each function takes."""
    ends = [len(numbers(_joined(texts[: i + 1]))) for i in range(len(texts))]
    ranges = [range(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    return [[each for each in given if any(place in part for place in each.places)] for part in ranges]


class BlockPage:
    """Prints the blocks of a net, and sets calls in the place of their uses."""

    def __init__(self, page: Functions):
        self.page = page
        self.shared: list[_Shared] = []
        self._new: list[str] = []

    def folded(self, program: Program) -> Program:
        """The program with calls in the place of uses that share their functions with others."""
        for depth in range(deepest(program), 0, -1):
            program = self._folded(program, depth)
        return program

    def printed(self) -> list[str]:
        """The functions that were made since this was asked last."""
        new, self._new = self._new, []
        return new

    def _folded(self, program: Program, depth: int) -> Program:
        found = {split: both for split in splits(program, depth) if (both := ways(split)) is not None}
        texts = {split: self._texts(split, both, _name(split)) for split, both in found.items()}
        self._share({split: text for split, text in texts.items() if self._of(text) is None}, found)
        shared = {split: of for split, text in texts.items() if (of := self._of(text)) is not None}
        named = _naming([split.use for split in shared])
        return replaced(
            program,
            [(s, *_calls(s, found[s], of.name, of.numbers(texts[s]), *named[s.use])) for s, of in shared.items()],
        )

    def _of(self, texts: Texts) -> _Shared | None:
        """The functions that a use with such texts may call."""
        return next((shared for shared in self.shared if shared.serves(texts)), None)

    def _share(self, texts: dict[Split, Texts], found: dict[Split, Ways]) -> None:
        """Make functions for uses of one form."""
        forms: dict[str, list[Split]] = {}
        for split, text in texts.items():
            forms.setdefault(form(_joined(text)), []).append(split)
        for uses in forms.values():
            given = parameters([_joined(texts[use]) for use in uses])
            alike = [uses] if given is not None and len(given) <= MOST_NUMBERS else _alike(uses, texts)
            for several in [group for group in alike if len(group) > 1]:
                self._define({use: texts[use] for use in several}, found)

    def _define(self, uses: dict[Split, Texts], found: dict[Split, Ways]) -> None:
        """Name the functions of uses, and keep their texts, with remarks on shapes where these are the same."""
        split, texts = next(iter(uses.items()))
        given = parameters([_joined(text) for text in uses.values()]) or []
        name = self.page.own_name(_name(split))
        self.shared.append(_Shared(name, texts, tuple(given)))
        more = [[each.name for each in part] for part in _each(texts, given)]
        remarked = {self._texts(use, found[use], name, more, remarks=True) for use in uses}
        best = self._texts(split, found[split], name, more, remarks=len(remarked) == 1)
        lines = generalised(_joined(best), given).splitlines()
        first = len(best[0].splitlines())
        self._new += ["\n".join(part) for part in (lines[:first], lines[first:]) if part]

    # Printing ---------------------------------------------------------------------------------------------------------

    def _texts(
        self, split: Split, both: Ways, name: str, more: Sequence[Sequence[str]] = ((), ()), remarks: bool = False
    ) -> Texts:
        """The functions of a use; `more` are the numbers that each takes."""
        on, back = both
        rest = ", its new state" * bool(on.left) + ", and what its gradient needs" * bool(back)
        doc = f"Return the value of the block {split.use.block}{rest}."
        names = self._names(more[0])
        body, lines = self._lines(on, names, remarks)
        own = ["p", "name", *(names.of[on.copies[v]] for v in on.takes), *(["draws"] if on.draws else []), *more[0]]
        head = [*wrap(f"def {name}(", own, "):"), f'    """{doc}"""']
        gives = [body.final(f"give{i}") for i in range(len(on.gives))]
        if on.left:
            lines += wrap("state = {", _entries(body, "leave", on.left), "}", 4)
            gives.append("state")
        if back is None:
            return ("\n".join([*head, *lines, f"    return {', '.join(gives)}"]),)
        kept = [body.final(f"keep{i}") for i in range(len(on.kept))]
        end = ",)" if len(kept) == 1 else ")"
        first = "\n".join([*head, *lines, *wrap(f"return {', '.join(gives)}, (", kept, end, 4)])
        return first, self._text_back(back, f"{name}_grad", kept, more[1], remarks)

    def _text_back(self, back: Way, name: str, kept: list[str], more: Sequence[str], remarks: bool) -> str:
        names = self._names(more)
        for value, given in zip(back.kept, kept, strict=True):
            names.taken.add(given)
            names.of[back.copies[value]] = given
        body, lines = self._lines(back, names, remarks)
        taken = [names.of[back.copies[v]] for v in back.takes]
        head = wrap(f"def {name}(", ["p", "name", *taken, "saved", *more], "):")
        gives = [body.final(f"give{i}") for i in range(len(back.gives))]
        of = f"the gradient{'s' if len(gives) > 1 else ''} of what it takes, and those" if gives else "the gradients"
        head.append(f'    """Return {of} of the weights by name."""')
        flat = f"    {', '.join(kept)}{',' if len(kept) == 1 else ''} = saved"
        head += [flat] if len(flat) <= WIDTH else wrap("(", kept, ") = saved", 4)
        entries = _entries(body, "d", back.grads)
        start = f"return {''.join(f'{each}, ' for each in gives)}{{"
        return "\n".join([*head, *lines, *wrap(start, entries, "}", 4)])

    def _names(self, more: Sequence[str]) -> Names:
        names = Names(self.page.globals | {"p", "name", "saved", "draws", "state", *more})
        names.of |= {P: "p", DRAWS: "draws"}
        return names

    def _lines(self, way: Way, names: Names, remarks: bool) -> tuple[Body, list[str]]:
        body = Body(way.program, names)
        statements = body.statements()
        self.page.kernels |= body.kernels
        if not remarks:
            statements = [replace(statement, remark="") for statement in statements]
        return body, [line for line in body.lines(statements, way.sources) if line]


def _entries(body: Body, start: str, own: Mapping[str, Value]) -> list[str]:
    """The entries of a dict by the names of arrays; what a call gives is such a dict."""
    texts = {name: body.final(f"{start}{name}") for name in own}
    return [f"**{texts[n]}" if is_dict(v) else f'f"{{name}}_{n}": {texts[n]}' for n, v in own.items()]


def _alike(uses: list[Split], texts: dict[Split, Texts]) -> list[list[Split]]:
    """The uses whose texts are the same, together."""
    found: dict[Texts, list[Split]] = {}
    for use in uses:
        found.setdefault(texts[use], []).append(use)
    return list(found.values())


def _name(split: Split) -> str:
    return split.use.block if split.back else f"{split.use.block}_predict"


def _naming(uses: list[Use]) -> dict[Use, tuple[Section, str]]:
    """The section of each use's calls, which those that follow one another share, and how what they return is named.

    What comes from the block that is used most has the number of the use alone, so that a call fits on a line.
    """
    sections: dict[Use | None, Section] = {}
    most = Counter(use.block for use in uses).most_common(1)
    found: dict[Use, tuple[Section, str]] = {}
    for use in uses:
        section = Section("blocks", path=use.path[:-1], within=use.outer, plain="blocks")
        name = "_".join(use.path)
        number = re.sub(r"^.*?(\d*)$", r"\1", name)
        short = use.block == most[0][0]
        found[use] = sections.setdefault(use.outer, section), f"{{}}{number}" if short else f"{name}_{{}}"
    return found


def _calls(
    split: Split, both: Ways, function: str, given: list[tuple[str, ...]], section: Section, named: str
) -> tuple[Equation, Equation | None]:
    """The calls that stand for a use; what they return beside values is `named`."""
    on, back = both
    origin = split.on[-1].origin[:1]
    attrs = {"function": function, "use": split.name, "inside": False, "numbers": given[0]}
    saved = a_tuple(named.format("saved"))
    state = [a_dict(named.format("state"))] if on.left else []
    results = (*on.gives, *state, *((saved,) if back else ()))
    way_on = Equation(CALL, (P, *on.takes, *((DRAWS,) if on.draws else ())), attrs, results, section, origin)
    if back is None:
        return way_on, None
    attrs = attrs | {"function": f"{function}_grad", "numbers": given[1]}
    results = (*back.gives, a_dict(named.format("grads")))
    return way_on, Equation(CALL, (P, *back.takes, saved), attrs, results, section, origin, split.on[-1])
