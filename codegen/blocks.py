"""Uses of blocks in a program, taken apart: the way on and the way back as programs of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..dsl.ir import Equation, Input, Program, Value
from ..dsl.prune import prune
from ..dsl.section import Section, Use
from .calls import CALL, DRAWS, P, is_dict
from .spelling import quote

# Where the functions of a page find arrays.
ARRAYS = {"weight": "p", "state": "p", "draw": "draws"}


@dataclass(eq=False)
class Split:
    """The equations of one use of a block in a program: those on the way on, and those on the way back."""

    use: Use
    program: Program
    on: list[Equation] = field(default_factory=lambda: [])
    back: list[Equation] = field(default_factory=lambda: [])

    @property
    def name(self) -> str:
        """What stands before the names of its arrays."""
        return "_".join(self.use.path)

    @cached_property
    def made(self) -> set[Value]:
        """What it computes on its way on."""
        return {value for equation in self.on for value in equation.results}

    @cached_property
    def read_elsewhere(self) -> set[Value]:
        """What other equations read."""
        own = {id(e) for e in (*self.on, *self.back)}
        return {a for e in self.program.equations if id(e) not in own for a in e.args}

    @cached_property
    def outside(self) -> set[Value]:
        """What is read outside of it, as a result too."""
        return self.read_elsewhere | set(self.program.results.values())


def deepest(program: Program) -> int:
    """How deep uses of blocks lie in one another."""
    return max((_depth(e.section.within) for e in program.equations if e.section), default=0)


def splits(program: Program, depth: int) -> list[Split]:
    """The uses of blocks of a depth, counted from 1, in the order of the program."""
    found: dict[tuple[str, ...], Split] = {}
    for equation in program.equations:
        use = _at(equation.section, depth)
        if use is not None and equation.args:
            split = found.setdefault(use.path, Split(use, program))
            (split.on if equation.undoes is None else split.back).append(equation)
    return [split for split in found.values() if split.on]


def _depth(use: Use | None) -> int:
    return 0 if use is None else 1 + _depth(use.outer)


def _at(section: Section | None, depth: int) -> Use | None:
    use = section.within if section else None
    while _depth(use) > depth:
        assert use is not None
        use = use.outer
    return use if _depth(use) == depth else None


# Ways as programs -----------------------------------------------------------------------------------------------------


class NotAloneError(Exception):
    """A use that reaches further than functions of its own could."""


@dataclass
class Way:
    """The equations of one way through a use, as a program with names as they are within it.

    `takes` are the values of the program around that it takes, `gives` those that it returns, `left` the states that
    the way on leaves by their names, `kept` what it hands to the way back, and `grads` the gradients that the way back
    returns by the names of weights; `copies` are all these values in the program, and `sources` says where its arrays
    come from. One that `serves` prediction too is `told`, by the parameter `train`, where that is not the same.
    The options `explicit` are given also where they are as usual.
    """

    program: Program
    takes: list[Value]
    gives: list[Value]
    kept: list[Value]
    left: dict[str, Value]
    grads: dict[str, Value]
    copies: dict[Value, Value]
    sources: dict[Value, str]
    draws: bool
    serves: bool = False
    told: bool = False
    explicit: frozenset[str] = frozenset()


def ways(split: Split) -> tuple[Way, Way | None] | None:
    """The way on and the way back, where there is one; None where they cannot be functions of their own."""
    try:
        _apart(split.program, split.on)
        on = _way_on(split)
        if not split.back:
            return on, None
        _apart(split.program, split.back)
        return on, _way_back(split, on)
    except NotAloneError:
        return None


def _apart(program: Program, part: list[Equation]) -> None:
    """Raise where something else has to happen in the middle of a part."""
    own = {id(e) for e in part}
    places = [i for i, e in enumerate(program.equations) if id(e) in own]
    results = {value for e in part for value in e.results}
    others = [e for e in program.equations[places[0] : places[-1]] if id(e) not in own]
    if any(a in results for e in others for a in e.args):
        raise NotAloneError


class _Copier:
    """Copies equations of a use, with names and headings as they are within it."""

    def __init__(self, split: Split):
        self.split = split
        self.known: dict[Value, Value] = {P: P, DRAWS: DRAWS}
        self.equations: list[Equation] = []
        self.takes: list[Value] = []
        self.sources: dict[Value, str] = {}
        self.draws = False
        self._sections: dict[int, Section] = {}
        self._inputs = {i.value: i for i in split.program.inputs}

    def equation(self, equation: Equation) -> None:
        """Copy an equation whose arguments are known."""
        results = tuple(Value(old.type, self._hint(old)) for old in equation.results)
        args = tuple(self.known[a] for a in equation.args)
        attrs = equation.attrs
        if equation.op is CALL:
            attrs = {**attrs, "use": attrs["use"].removeprefix(f"{self.split.name}_"), "inside": True}
            self.draws |= DRAWS in args
        self.known.update(zip(equation.results, results, strict=True))
        section = self._section(equation.section)
        self.equations.append(replace(equation, args=args, results=results, section=section, attrs=attrs))

    def take(self, value: Value, hint: str) -> None:
        """Let a value of the program around be taken under a name, which is the block's own where it is given."""
        _, hint = value.given.get(self.split.use, (0, hint))
        self.known[value] = Value(value.type, hint)
        self.takes.append(value)

    def array(self, given: Input) -> None:
        """Let an array of p or draws be taken out."""
        own = given.name.removeprefix(f"{self.split.name}_")
        copy = self.known[given.value] = Value(given.value.type, own)
        key = f'f"{{name}}_{own}"' if own != given.name else quote(own)
        self.sources[copy] = f"{ARRAYS[given.role]}[{key}]"
        self.draws |= given.role == "draw"

    def bring(self, value: Value, hint: str) -> None:
        """Make a value known: a number by its equation, an array of p, or another as what the function takes."""
        if value in self.known:
            return
        given, producer = self._inputs.get(value), self.split.program.producers.get(value)
        if producer is not None and not producer.args:
            self.equation(producer)
        elif given is not None and given.role in ARRAYS:
            self.array(given)
        else:
            self.take(value, hint)

    def way(self, gives: list[Value], kept: list[Value], left: dict[str, Value], grads: dict[str, Value]) -> Way:
        """The way that was copied."""
        known, results = self.known, dict[str, Value]()
        results |= {f"give{i}": known[v] for i, v in enumerate(gives)}
        results |= {f"keep{i}": known[v] for i, v in enumerate(kept)}
        results |= {f"leave{own}": known[v] for own, v in left.items()}
        results |= {f"d{own}": known[v] for own, v in grads.items()}
        inputs = [Input("example", known[v].hint, known[v]) for v in self.takes]
        inputs += [Input("array", copy.hint, copy) for copy in self.sources]
        program = Program(self.split.name, tuple(inputs), tuple(self.equations), results)
        return Way(program, self.takes, gives, kept, left, grads, known, self.sources, self.draws)

    def _hint(self, value: Value) -> str:
        of = self.known.get(value.gradient_of) if value.gradient_of else None
        if of is not None:
            return f"d{of.hint}"
        for start in ("", "d"):
            hint = value.hint.removeprefix(f"{start}{self.split.name}_")
            if hint != value.hint:
                return start + hint
        return value.hint

    def _section(self, section: Section | None) -> Section | None:
        if section is None:
            return None
        if id(section) not in self._sections:
            path = section.path[len(self.split.use.path) :]
            self._sections[id(section)] = Section(section.plain, None, section.number, section.name, path)
        return self._sections[id(section)]


def _way_on(split: Split) -> Way:
    copier = _Copier(split)
    for value in _given(split):
        copier.bring(value, "")
    for equation in split.on:
        for arg in equation.args:
            copier.bring(arg, f"x{len(copier.takes) + 1 if copier.takes else ''}")
        copier.equation(equation)
    left = _left(split)
    gives = [v for e in split.on for v in e.results if v in split.outside and v not in left.values()]
    if not gives:
        raise NotAloneError
    for number, value in enumerate(gives, 1):
        copier.known[value].hint = f"out{number if number > 1 else ''}"
    # What was taken out of draws is kept, what comes from p is taken out again.
    arrays = {i.value for i in split.program.of("weight", "state")}
    numbers = {v for v, e in split.program.producers.items() if not e.args}
    read = set(_read_back(split))
    kept = [v for v in copier.known if v in read and v not in arrays | numbers | {P, DRAWS}]
    for value in kept:
        copier.known[value].hint = copier.known[value].hint or split.program.producers[value].op.called
    return copier.way(gives, kept, left, {})


def _given(split: Split) -> list[Value]:
    """The values that a use is given and reads, in the order of its parameters."""
    read = dict.fromkeys(a for e in split.on for a in e.args if split.use in a.given and a not in split.made)
    return sorted(read, key=lambda value: value.given[split.use])


def _left(split: Split) -> dict[str, Value]:
    """The states of its own that a use leaves, by their names; those of a call within are in a dict."""
    start, found = f"{split.name}_", dict[str, Value]()
    states = {i.name for i in split.program.of("state") if i.name.startswith(start)}
    for name, value in split.program.results.items():
        if name in states and value in split.made and value not in split.read_elsewhere:
            called = split.program.producers[value].op is CALL
            found[(value.hint if called else name).removeprefix(start)] = value
    return found


def _read_back(split: Split) -> Iterator[Value]:
    """What the way back reads from elsewhere; for a view, which it may take again, the value under it."""
    made = {value for e in split.back for value in e.results}
    pending = [a for e in split.back for a in e.args if a not in made]
    while pending:
        value = pending.pop()
        view = _view(split, value)
        if view is None:
            yield value
        else:
            pending += view.args


def _view(split: Split, value: Value) -> Equation | None:
    """The equation of a value that is a view of another one."""
    producer = split.program.producers.get(value)
    return producer if producer and producer.args and not producer.undoes and producer.op.cheap(producer) else None


def _way_back(split: Split, on: Way) -> Way:
    copier = _Copier(split)
    copier.known |= {v: Value(v.type, on.copies[v].hint) for v in on.kept}
    # The names of what it does not read are those of gradients all the same.
    named = {v: on.copies[v].hint for v in [*on.takes, *on.gives, *split.made]}

    def bring(value: Value) -> None:
        view = _view(split, value)
        if value in copier.known:
            return
        producer = split.program.producers.get(value)
        again = view or (producer if _of_weights(split, value) else None)
        if again is not None:
            for each in again.args:
                bring(each)
            copier.equation(again)
            return
        if producer is not None and producer.args and producer.undoes is None:
            raise NotAloneError
        known = named.get(value.gradient_of) if value.gradient_of else None
        copier.bring(value, f"d{known or ('out' if not copier.takes else f'x{len(copier.takes) + 1}')}")

    for equation in split.back:
        for arg in equation.args:
            bring(arg)
        copier.equation(equation)
    for old, new in copier.known.items():
        if old.gradient_of and old.gradient_of in named:
            new.hint = f"d{named[old.gradient_of]}"
    gives, grads = _given_back(split)
    places = {value: place for place, value in enumerate(on.takes)}
    gives.sort(key=lambda value: places.get(value.gradient_of, len(places)) if value.gradient_of else len(places))
    for value in gives:
        # What other uses add to is not yet the gradient.
        copier.known[value].hint = copier.known[value].hint or "dx"
    return copier.way(gives, on.kept, {}, grads)


def _of_weights(split: Split, value: Value) -> bool:
    """Whether a value is computed from weights alone, as the gradient of l2 is, so that a function may do it itself."""
    producer = split.program.producers.get(value)
    if producer is None:
        return value in {i.value for i in split.program.of("weight")}
    return all(_of_weights(split, arg) for arg in producer.args)


def _given_back(split: Split) -> tuple[list[Value], dict[str, Value]]:
    """What the way back gives: values that others read, and gradients of the use's own weights, by their names."""
    names: dict[Value, list[str]] = {}
    for name, value in split.program.results.items():
        names.setdefault(value, []).append(name)
    start, gives = f"d{split.name}_", list[Value]()
    grads: dict[str, Value] = {}
    for value in [v for e in split.back for v in e.results if v in split.outside]:
        own = [name.removeprefix(start) for name in names.get(value, ()) if name.startswith(start)]
        if value in split.read_elsewhere or len(own) < len(names.get(value, ())):
            gives.append(value)
        else:
            grads |= dict.fromkeys(own, value)
    order = {name: i for i, name in enumerate(split.program.results)}
    return gives, dict(sorted(grads.items(), key=lambda found: order[start + found[0]]))


def replaced(program: Program, calls: Iterable[tuple[Split, Equation, Equation | None]]) -> Program:
    """The program with calls in the place of uses."""
    at: dict[int, Equation] = {}
    gone: set[int] = set()
    results = dict(program.results)
    for split, on, back in calls:
        at[id(split.on[-1])] = on
        gone |= {id(e) for e in (*split.on, *split.back)}
        state = [value for value in on.results if is_dict(value)]
        lost = split.made - set(on.results)
        results |= {name: state[0] for name, value in results.items() if value in lost}
        if back is not None:
            at[id(split.back[-1])] = back
            made = {value for e in split.back for value in e.results} - set(back.results)
            results |= {name: back.results[-1] for name, value in results.items() if value in made}
    equations = [at.get(id(e), e) for e in program.equations if id(e) in at or id(e) not in gone]
    return prune(program.with_equations(equations, results))
