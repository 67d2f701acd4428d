"""What is wrong with a definition however it is used: names, functions, and what its body assigns and returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import cast

from .declared import Names, a_kind
from .definitions import Defined
from .diagnostics import did_you_mean, listed
from .foreign import word_here
from .formula import CONSTANTS, FIELDS
from .functions import FUNCTIONS
from .parameters import FIRSTS, MEANINGS, OF_WEIGHTS, VALUES
from .source import Place
from .syntax import (
    Argument,
    Assign,
    Binary,
    Boolean,
    Call,
    Expr,
    Field,
    If,
    Items,
    Name,
    Number,
    Return,
    Sentence,
    State,
    Unary,
    Weight,
)
from .words import WORDS, Word

# Cycles that are told one by one.
MOST_CYCLES = 10


# Kinds whose bodies give a value and have weights, and those that keep a state.
VALUED, KEEPING = ("layer", "cell"), ("updater", "cell")


def check_all(definitions: Iterable[Defined]) -> set[int]:
    """Check each definition; return the ids of those that cannot be evaluated."""
    definitions = list(definitions)
    faulty: set[int] = set()
    calls: dict[str, dict[str, Place]] = {}
    activations: dict[str, Defined] = {}
    mentioned: set[str] = set()
    for defined in definitions:
        check = Check(defined)
        with defined.scope.report.used(*defined.imports):
            if not check.run():
                faulty.add(id(defined))
        mentioned |= check.mentioned
        if defined.definition.kind == "activation":
            calls[defined.definition.name], activations[defined.definition.name] = check.calls, defined
    for defined in definitions:
        # What a branch uses that no use takes is not left over.
        defined.used |= defined.definition.name in mentioned
    return faulty | {id(activations[name]) for name in _circling(calls, activations)}


def _circling(calls: Mapping[str, Mapping[str, Place]], activations: Mapping[str, Defined]) -> set[str]:
    """Report activations that use themselves, also by way of others; return them all."""
    graph = {name: set(found) & activations.keys() for name, found in calls.items()}
    circling: set[str] = set()
    for _ in range(MOST_CYCLES):
        try:
            TopologicalSorter(graph).prepare()
            break
        except CycleError as error:
            # Each of the cycle stands before what uses it.
            *way, _last = error.args[1][::-1]
        first = min(way, key=list(graph).index)
        way = [*way[way.index(first) :], *way[: way.index(first)]]
        called = way[1] if len(way) > 1 else first
        defined = activations[first]
        message = f"{first} uses itself, without end: {' -> '.join([*way, first])}"
        with defined.scope.report.used(*defined.imports):
            defined.scope.report.error("recursion", message, calls[first][called], "write out what it shall do")
        circling |= set(way)
        graph = {name: found - set(way) for name, found in graph.items() if name not in way}
    else:
        circling |= set(graph)
    return circling


class Check:
    """Checks one definition; `used` are the names that it reads, `calls` the activations of the spec that it uses."""

    def __init__(self, defined: Defined):
        self.definition, self.scope = defined.definition, defined.scope
        self.report = defined.scope.report
        self.fine = True
        self.meanings = MEANINGS.get(self.definition.kind, {})
        parameters = {p.name: p.place for p in self.definition.parameters}
        self.known = {*CONSTANTS, *self.scope.constants, *self.meanings, *parameters}
        # Names that a body gives, and which sentence gives each first.
        self.weights: dict[str, Place] = {}
        self.states: dict[str, Place] = {}
        self.locals: dict[str, Place] = {}
        self.parameters = parameters
        self.assigned: set[str] = set()
        self.used: set[str] = set()
        self.calls: dict[str, Place] = {}
        # Words that it names, be they the spec's or not.
        self.mentioned: set[str] = set()

    def error(self, code: str, message: str, place: Place, help: str | None = None) -> None:
        """Add an error after which the definition cannot be evaluated."""
        self.report.error(code, message, place, help)
        self.fine = False

    def run(self) -> bool:
        """Whether the definition can be evaluated."""
        for parameter in self.definition.parameters:
            if isinstance(parameter.default, Name | Call):
                self._named(parameter.default)
        if self.definition.value is not None:
            self.visit(self.definition.value)
        else:
            self._body()
        self._unused()
        return self.fine

    def _unused(self) -> None:
        if not self.fine:
            return
        groups = {"parameter": self.parameters, "weight": self.weights, "state": self.states, "value": self.locals}
        for what, names in groups.items():
            for name, place in names.items():
                if name not in self.used:
                    self.error("unused", f"nothing uses the {what} {name}", place, self._how_to_use(name))

    def _how_to_use(self, name: str) -> str:
        kind, values = self.definition.kind, VALUES.get(self.definition.kind, ())
        given = dict(zip((p.name for p in self.definition.parameters), values, strict=False))
        if name in given and len(values) > 1:
            return f"it is {given[name]}, which every {kind} is given: where it does not count, add 0 * {name}"
        return "use it in a formula, or take it away"

    # Expressions ------------------------------------------------------------------------------------------------------

    def visit(self, expr: Expr) -> None:
        """Check an expression."""
        match expr:
            case Number() | Boolean():
                pass
            case Name():
                self._name(expr)
            case Unary():
                self.visit(expr.operand)
            case Binary():
                self.visit(expr.left)
                self.visit(expr.right)
            case Field():
                self._field(expr)
            case Call():
                self._call(expr)
            case _:
                help = "a formula is made of numbers, names, operators and functions"
                self.error("bad-formula", "this has no meaning in a formula", expr.place, help)

    def _name(self, expr: Name) -> None:
        self.used.add(expr.id)
        if expr.id in self.known:
            return
        if expr.id in FUNCTIONS:
            help = f"write {expr.id}(...)"
            self.error("unknown-name", f"{expr.id} is a function, and no value", expr.place, help)
        elif expr.id in self.scope.declared:
            message = f"{expr.id} is {self.scope.declared[expr.id]}, and a formula sees its parameters alone"
            self.error("unknown-name", message, expr.place, "add a parameter for it")
        else:
            own = [n for n in self.known if n not in CONSTANTS]
            help = did_you_mean(expr.id, self.known) or (f"the formula sees {listed(sorted(own))}" if own else None)
            self.error("unknown-name", f"nothing is named {expr.id} here", expr.place, help)

    def _field(self, expr: Field) -> None:
        self.visit(expr.value)
        if expr.name not in FIELDS:
            help = did_you_mean(expr.name, FIELDS) or f"there are {listed(FIELDS)}"
            help = "a matrix is turned by transpose(W)" if expr.name == "T" else help
            self.error("unknown-name", f"a value has no {expr.name}", expr.place, help)

    def _call(self, expr: Call) -> None:
        function = FUNCTIONS.get(expr.word)
        self.mentioned.add(expr.word)
        own = self.scope.words.get(("activation", expr.word))
        word = own or (None if function else self.scope.find("activation", expr.word))
        given = [a for a in expr.arguments if a.key is None]
        if own:
            self.calls.setdefault(expr.word, expr.word_place)
        for argument in expr.arguments:
            self._argument(argument, listing=argument.key == "axis" and word is None)
        if word is not None:
            self._activation(expr, word, given)
        elif function is not None:
            self._function(expr, function.least, function.most, len(given))
            for a in [a for a in expr.arguments if a.key and a.key not in function.options]:
                takes = f"it has {listed(function.options)}" if function.options else "it has none"
                self.error("unknown-option", f"{expr.word} has no option {a.key}", a.key_place or a.place, takes)
            if function.kinds and self.definition.kind not in function.kinds:
                self._misplaced(expr, function.kinds)
        else:
            self._unknown(expr)

    def _argument(self, argument: Argument, listing: bool) -> None:
        """An argument; axis= may be a list."""
        items = argument.value.items if listing and isinstance(argument.value, Items) else (argument.value,)
        for item in items:
            self.visit(item)

    def _function(self, expr: Call, least: int, most: int, count: int) -> None:
        if not least <= count <= most:
            wanted = {0: "no value", 1: "one value"}.get(most, f"{least} values")
            message = f"{expr.word} takes {wanted}; here {'is' if count == 1 else 'are'} {count or 'none'}"
            self.error("bad-formula", message, expr.place, f"see {expr.word} in the table of functions")

    def _activation(self, expr: Call, word: Word, given: list[Argument]) -> None:
        options = list(word.options)
        keys = {a.key for a in expr.arguments if a.key}
        if not given or len(given) > 1 + len(options):
            takes = f"a value, and then {listed(options)}" if options else "one value"
            message = f"{word.name} takes {takes}; here {'is' if len(given) == 1 else 'are'} {len(given) or 'none'}"
            self.error("bad-formula", message, expr.place, f"as in: {word.name}(x)")
        for a in [a for a in expr.arguments if a.key and a.key not in options]:
            takes = did_you_mean(a.key or "", options) or (f"it takes {listed(options)}" if options else "it has none")
            self.error("unknown-option", f"{word.name} has no option {a.key}", a.key_place or a.place, takes)
        for name in [o for o in options[max(len(given) - 1, 0) :] if word.options[o].required and o not in keys]:
            message = f"{word.name} needs {name}: {word.options[name].kind.description}"
            self.error("missing-option", message, expr.place, f"give it {name}=")

    def _misplaced(self, expr: Call, kinds: tuple[str, ...]) -> None:
        where = " or ".join(a_kind(kind) for kind in kinds)
        message = f"{expr.word} stands in the formula of {where}, and this is {a_kind(self.definition.kind)}"
        help = None
        if expr.word.startswith("batch_"):
            help = f"what a net gives for an example does not depend on the others; {expr.word[6:]} is over its axes"
        self.error("bad-formula", message, expr.place, help)

    def _unknown(self, expr: Call) -> None:
        known = [*FUNCTIONS, *self.scope.names("activation")]
        kind = next((k for k, name in [*self.scope.words, *WORDS] if name == expr.word), None)
        message = f"{expr.word} is not a function and not an activation"
        message += f"; it is the name of {a_kind(kind)}" if kind else ""
        here = word_here(expr.word, "activation")
        help = f"here it is called {here}" if here else did_you_mean(expr.word, known)
        help = help or "formulas call functions, such as exp and mean, and activations"
        self.error("unknown-word", message, expr.word_place, help)

    # Bodies -----------------------------------------------------------------------------------------------------------

    def _body(self) -> None:
        definition = self.definition
        returns = self._sentences(definition.body)
        if definition.kind in VALUED and not returns:
            message = f"{definition.name} can end without return, and would have no value"
            self.error("bad-definition", message, definition.name_place, "end it with return and the layer's value")
        if definition.kind == "updater" and "w" not in self.assigned:
            message = f"{definition.name} does not move the weight: nothing assigns w"
            self.error("bad-definition", message, definition.name_place, "as in: w = w - lr * g")
        for name, place in self.states.items():
            if name not in self.assigned:
                message = f"the state {name} keeps its first value for ever: nothing assigns it"
                self.error("bad-definition", message, place, f"give its next value: {name} = ...")

    def _sentences(self, sentences: tuple[Sentence, ...]) -> bool:
        """Check the sentences of a body; whether one of them returns for certain."""
        returns = False
        for sentence in sentences:
            if returns:
                self.error("bad-definition", "nothing behind return is reached", sentence.place, "take it away")
                return True
            returns = self._sentence(sentence)
        return returns

    def _sentence(self, sentence: Sentence) -> bool:
        match sentence:
            case Assign():
                self.visit(sentence.value)
                self._assign(sentence)
            case Weight():
                self._weight(sentence)
            case State():
                self._state(sentence)
            case If():
                self.visit(sentence.condition)
                parts = [self._sentences(body) for body in (sentence.body, sentence.orelse)]
                return all(parts)
            case Return():
                return self._return(sentence)
            case _:
                raise AssertionError(sentence)
        return False

    def _assign(self, sentence: Assign) -> None:
        name, updates = sentence.name, self.definition.kind in KEEPING
        if updates and (name in self.states or (name == "w" and self.definition.kind == "updater")):
            self.assigned.add(name)
        elif self._is_free(name, sentence.name_place):
            self.locals.setdefault(name, sentence.name_place)
            self.known.add(name)

    def _is_free(self, name: str, place: Place) -> bool:
        """Whether a body may give this name, which is reported otherwise."""
        taken = {**self.meanings, **dict.fromkeys(self.parameters, f"a parameter of {self.definition.name}")}
        taken |= {**dict.fromkeys(self.weights, "a weight"), **dict.fromkeys(self.states, "a state")}
        if name in taken:
            self.error("duplicate-name", f"{name} is already {taken[name]}", place, "choose another name")
            return False
        safe = Names(self.report).check(name, place)
        self.fine &= safe
        return safe

    def _weight(self, sentence: Weight) -> None:
        for expr in sentence.shape:
            self.visit(expr)
        if self.definition.kind not in VALUED:
            message = f"{a_kind(self.definition.kind)} has no weights of its own"
            self.error("bad-definition", message, sentence.place, "what it keeps between steps is a state")
        for option in sentence.options:
            self._named(option.value)
            if option.key not in OF_WEIGHTS:
                help = did_you_mean(option.key or "", OF_WEIGHTS) or f"it takes {listed(OF_WEIGHTS)}"
                self.error("unknown-option", f"a weight has no option {option.key}", option.place, help)
        if self._is_free(sentence.name, sentence.name_place):
            self.weights[sentence.name] = sentence.name_place
            self.known.add(sentence.name)

    def _named(self, expr: Expr) -> None:
        """The names in an option of a weight, or in a default, which may be words."""
        match expr:
            case Name():
                self.used.add(expr.id)
                self.mentioned.add(expr.id)
            case Call():
                self.mentioned.add(expr.word)
            case _:
                pass
        for node in expr.children():
            inner = node.value if isinstance(node, Argument) else node
            self._named(cast(Expr, inner))

    def _state(self, sentence: State) -> None:
        value = sentence.value
        if self.definition.kind not in KEEPING:
            message = f"{a_kind(self.definition.kind)} keeps nothing from step to step"
            self.error("bad-definition", message, sentence.place, "write def cell for a layer that goes over the steps")
            self.assigned.add(sentence.name)
        elif self.definition.kind == "cell":
            self._first(value)
        elif not (isinstance(value, Name) and value.id in FIRSTS):
            self.visit(value)
        if self._is_free(sentence.name, sentence.name_place):
            self.states[sentence.name] = sentence.name_place
            self.known.add(sentence.name)

    def _first(self, value: Expr) -> None:
        """The state of a cell begins with so many zeros or ones."""
        if isinstance(value, Call) and value.word in FIRSTS and len(value.arguments) == 1:
            self.visit(value.arguments[0].value)
            return
        message = "the state of a cell begins with so many zeros or ones"
        self.error("bad-definition", message, value.place, "as in: state h = zeros(units)")

    def _return(self, sentence: Return) -> bool:
        self.visit(sentence.value)
        if self.definition.kind not in VALUED:
            message = f"{a_kind(self.definition.kind)} returns nothing: it assigns w"
            self.error("bad-definition", message, sentence.place, "write w = ...")
        return True
