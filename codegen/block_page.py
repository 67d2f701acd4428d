"""Blocks that are used again and again, as functions of the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..dsl.ir import Equation, Program, Value
from ..dsl.section import Section, Use
from .blocks import Split, Way, deepest, replaced, splits, ways
from .body import Body, Names, assignments
from .calls import CALL, DRAWS, P, a_dict, a_tuple, is_dict, kept, own_arrays
from .forms import Parameter, arguments, bare, form, generalised, numbers, parameters, serves, unlike
from .modes import by_batches, computes, either
from .spelling import WIDTH, Part, returning, wrap

if TYPE_CHECKING:
    from .functions import Functions

Ways = tuple[Way, Way | None]
# The texts of the functions of a use: of the way on, and of the way back where there is one.
Texts = tuple[str, ...]
# More numbers than these would tell a reader of the call nothing.
MOST_NUMBERS = 4
EMPTY = Part("{}", [], "{}")


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


def _found(program: Program, depth: int) -> list[tuple[Split, Ways]]:
    """The uses of blocks of a depth that can be functions, with their ways."""
    return [(split, both) for split in splits(program, depth) if (both := ways(split)) is not None]


class BlockPage:
    """Prints the blocks of a net, and sets calls in the place of their uses."""

    def __init__(self, page: Functions):
        self.page = page
        self.shared: list[_Shared] = []
        self._new: list[str] = []
        # The ways of prediction, and the calls and ways of training that may serve it, by the paths of their uses.
        self._resting: dict[tuple[str, ...], Way] = {}
        self._trained: dict[tuple[str, ...], tuple[Equation, Way]] = {}

    def folded(self, training: list[Program], resting: list[Program]) -> tuple[list[Program], list[Program]]:
        """Programs with calls in the place of uses that share their functions with others.

        Those of prediction call the functions of training where these compute the same.
        """
        for depth in range(max(map(deepest, [*training, *resting]), default=0), 0, -1):
            self._resting = {split.use.path: on for program in resting for split, (on, _) in _found(program, depth)}
            training = [self._folded(program, self._either(program, depth)) for program in training]
            resting = [self._folded(program, dict(_found(program, depth))) for program in resting]
        return training, resting

    def printed(self) -> list[str]:
        """The functions that were made since this was asked last."""
        new, self._new = self._new, []
        return new

    def _either(self, program: Program, depth: int) -> dict[Split, Ways]:
        """The uses of a program of training, with ways that serve prediction where they can."""
        found = dict(_found(program, depth))
        for split, (on, back) in found.items():
            resting = self._resting.get(split.use.path)
            if back is not None and resting is not None and computes(on, resting):
                found[split] = either(on), back
        return found

    def _folded(self, program: Program, found: dict[Split, Ways]) -> Program:
        served = {split: call for split, (on, _) in found.items() if (call := self._served(split, on)) is not None}
        texts = {split: self._texts(split, both, _name(split)) for split, both in found.items() if split not in served}
        self._spell_out(texts, found)
        self._share({split: text for split, text in texts.items() if self._of(text) is None}, found)
        shared = {split: of for split, text in texts.items() if (of := self._of(text)) is not None}
        named = _naming([split.use for split in found if split in shared or split in served])
        calls = {s: _calls(s, found[s], of.name, of.numbers(texts[s]), *named[s.use]) for s, of in shared.items()}
        self._trained |= {s.use.path: (on, found[s][0]) for s, (on, _) in calls.items() if found[s][0].serves}
        calls |= {s: (_served_by(call, found[s][0], s, named[s.use][0]), None) for s, call in served.items()}
        return replaced(program, [(split, *calls[split]) for split in calls])

    def _served(self, split: Split, on: Way) -> Equation | None:
        """The call of the same use in training, where that serves a way of prediction."""
        call, trained = self._trained.get(split.use.path, (None, on))
        return call if call is not None and not split.back and computes(trained, on) else None

    def _of(self, texts: Texts) -> _Shared | None:
        """The functions that a use with such texts may call."""
        return next((shared for shared in self.shared if shared.serves(texts)), None)

    def _spell_out(self, texts: dict[Split, Texts], found: dict[Split, Ways]) -> None:
        """Let uses that differ in which options are as usual give these, so that they have one form."""
        groups: dict[str, list[Split]] = {}
        for split, text in texts.items():
            groups.setdefault(bare(_joined(text)), []).append(split)
        for uses in groups.values():
            explicit = unlike([_joined(texts[use]) for use in uses])
            for use in uses if explicit else ():
                on, back = found[use]
                found[use] = replace(on, explicit=explicit), back and replace(back, explicit=explicit)
                texts[use] = self._texts(use, found[use], _name(use))

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
        own += ["train=True"] if on.told else []
        head = [*wrap(f"def {name}(", own, "):"), f'    """{doc}"""']
        parts = [*_values(body, on), *([self._arrays(body, "leave", on.left, "state")] if on.left else [])]
        if back is None:
            return ("\n".join([*head, *lines, *returning(parts)]),)
        texts = [body.final(f"keep{i}") for i in range(len(on.kept))]
        first = "\n".join([*head, *lines, *returning([*parts, kept(texts)])])
        return first, self._text_back(back, f"{name}_grad", texts, more[1], remarks)

    def _arrays(self, body: Body, start: str, own: Mapping[str, Value], called: str) -> Part:
        """Arrays that a function returns by their names; those of a call within are in a dict."""
        texts = {name: body.final(f"{start}{name}") for name in own}
        arrays = {name: text for name, text in texts.items() if not is_dict(own[name])}
        return own_arrays(called, arrays, [text for name, text in texts.items() if name not in arrays])

    def _text_back(self, back: Way, name: str, texts: list[str], more: Sequence[str], remarks: bool) -> str:
        names = self._names(more)
        for value, given in zip(back.kept, texts, strict=True):
            names.taken.add(given)
            names.of[back.copies[value]] = given
        body, lines = self._lines(back, names, remarks)
        taken = [names.of[back.copies[v]] for v in back.takes]
        head = wrap(f"def {name}(", ["p", "name", *taken, "saved", *more], "):")
        gives = _values(body, back)
        of = f"the gradient{'s' if len(gives) > 1 else ''} of what it takes, and those" if gives else "the gradients"
        head.append(f'    """Return {of} of the weights by name."""')
        flat = f"    {', '.join(texts)} = saved" if len(texts) > 1 else f"    ({texts[0]},) = saved" if texts else ""
        taken_out = [flat] if len(flat) <= WIDTH else wrap("(", texts, ") = saved", 4)
        head += taken_out if texts else []
        parts = [*gives, *([self._arrays(body, "d", back.grads, "grads")] if back.grads else [EMPTY])]
        return "\n".join([*head, *lines, *returning(parts)])

    def _names(self, more: Sequence[str]) -> Names:
        names = Names(self.page.globals | {"p", "name", "saved", "draws", "state", "grads", "train", *more})
        names.of |= {P: "p", DRAWS: "draws"}
        return names

    def _lines(self, way: Way, names: Names, remarks: bool) -> tuple[Body, list[str]]:
        body = Body(way.program, names, loops=self.page.loops)
        body.explicit = way.explicit
        statements = body.statements()
        self.page.kernels |= body.kernels
        if not remarks:
            statements = [replace(statement, remark="") for statement in statements]
        taken = [(names.of[value], source) for value, source in way.sources.items()]
        return body, [*assignments(taken, body.indent), *(line for line in body.lines(statements) if line)]


def _values(body: Body, way: Way) -> list[Part]:
    """The values that a way gives, as parts of what its function returns."""
    texts = [body.final(f"give{i}") for i in range(len(way.gives))]
    return [Part(text, [], text) for text in texts]


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

    Its number is that of the call, so that a call fits on a line.
    """
    sections: dict[Use | None, Section] = {}
    counts = Counter(use.outer for use in uses)
    numbers: Counter[Use | None] = Counter()
    found: dict[Use, tuple[Section, str]] = {}
    for use in uses:
        section = Section("blocks", path=use.path[:-1], within=use.outer, plain="blocks")
        numbers[use.outer] += 1
        number = numbers[use.outer] if counts[use.outer] > 1 else ""
        found[use] = sections.setdefault(use.outer, section), f"{{}}{number}"
    return found


def _calls(
    split: Split, both: Ways, function: str, given: list[tuple[str, ...]], section: Section, named: str
) -> tuple[Equation, Equation | None]:
    """The calls that stand for a use; what they return beside values is `named`."""
    on, back = both
    origin = split.on[-1].origin[:1]
    attrs: dict[str, Any] = {"function": function, "use": split.name, "inside": False, "numbers": given[0]}
    attrs |= {"told": on.told, "mode": "", "picked": 0}
    saved = a_tuple(named.format("saved"))
    state = [a_dict(named.format("state"))] if on.left else []
    results = (*_returned(split, on), *state, *((saved,) if back else ()))
    way_on = Equation(CALL, (P, *on.takes, *((DRAWS,) if on.draws else ())), attrs, results, section, origin)
    if back is None:
        return way_on, None
    attrs = attrs | {"function": f"{function}_grad", "numbers": given[1], "told": False}
    results = (*back.gives, a_dict(named.format("grads")))
    return way_on, Equation(CALL, (P, *back.takes, saved), attrs, results, section, origin, split.on[-1])


def _served_by(call: Equation, on: Way, split: Split, section: Section) -> Equation:
    """The call for a use without a way back, as in prediction, from that in training."""
    mode = "train=False" if call.attrs["told"] and not by_batches(on) else ""
    attrs = {**call.attrs, "mode": mode, "picked": len(on.gives)}
    args = (P, *on.takes, *((DRAWS,) if on.draws else ()))
    return Equation(CALL, args, attrs, tuple(_returned(split, on)), section, split.on[-1].origin[:1])


def _returned(split: Split, on: Way) -> list[Value]:
    """What a call gives; one value, which the spec calls nothing where it is used, is named by the use."""
    if len(on.gives) == 1 and on.gives[0].hint.startswith(f"{split.name}_"):
        on.gives[0].hint = f"{split.name}_h"
    return on.gives
