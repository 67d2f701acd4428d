"""Runs the bodies of formulas of a user's layers and updaters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from .context import net
from .field_sentence import MOST_AXES
from .formula import Evaluator, Value
from .ir import Tensor
from .options import bind
from .parameters import FIRSTS, OF_WEIGHTS
from .scope import Scope
from .syntax import Argument, Assign, Definition, Expr, If, Name, Return, Sentence, State, Weight
from .types import NON_NEGATIVE, REAL
from .universal import OF_MOVING, UNIVERSAL
from .vocabulary.fan_initializers import XAVIER
from .vocabulary.initializers import ZEROS
from .words import Hyperparameter, Init, Update
from .words import State as Kept


class _Body:
    """Runs the sentences of a body in order."""

    def __init__(self, definition: Definition, ev: Evaluator):
        self.definition, self.ev = definition, ev

    def sentences(self, sentences: tuple[Sentence, ...]) -> Value | None:
        """The value that is returned, if one is."""
        for sentence in sentences:
            match sentence:
                case Assign():
                    self.assign(sentence)
                case Weight():
                    self.weight(sentence)
                case State():
                    self.state(sentence)
                case Return():
                    return self.ev.number(self.ev.value(sentence.value), sentence.value)
                case If():
                    result = self.sentences(self._branch(sentence))
                    if result is not None:
                        return result
                case _:
                    raise AssertionError(sentence)
        return None

    def _branch(self, sentence: If) -> tuple[Sentence, ...]:
        place = sentence.condition.place
        condition = self.ev.truth(self.condition(sentence.condition), place)
        if not isinstance(condition, bool):
            message = "if is decided when the spec is read, by parameters and constants, and this is not known then"
            raise self.ev.fail("not-constant", message, place, "choose between values by where(condition, a, b)")
        return sentence.body if condition else sentence.orelse

    def condition(self, expr: Expr) -> Value:
        """What decides an if."""
        return self.ev.value(expr)

    def assign(self, sentence: Assign) -> None:
        """Give a name a value; a new value is called by it on the page."""
        value = self.ev.value(sentence.value)
        if isinstance(value, Tensor) and not value.value.hint and sentence.name != "w":
            value.named(sentence.name)
        self.ev.names[sentence.name] = value

    def weight(self, sentence: Weight) -> None:
        """Only layers have weights, which was checked."""
        raise AssertionError(sentence)

    def state(self, sentence: State) -> None:
        """Only updaters have a state, which was checked."""
        raise AssertionError(sentence)


class LayerBody(_Body):
    """The body of a layer."""

    def run(self) -> Value | None:
        """The layer's value."""
        return self.sentences(self.definition.body)

    def weight(self, sentence: Weight) -> None:
        """Make a weight of the net."""
        ev = self.ev
        shape = tuple(self._size(expr) for expr in sentence.shape)
        if len(shape) > MOST_AXES:
            raise ev.fail("too-large", f"a weight has at most {MOST_AXES} axes", sentence.place, "join some of them")
        own, init = self._options(sentence)
        init = init or (XAVIER if len(shape) > 1 else ZEROS)
        ev.builder.origin = (*ev.base, sentence.place)
        prefix = "bias_" if len(shape) == 1 else ""
        own = {f"{prefix}{key}" if f"{prefix}{key}" in UNIVERSAL else key: value for key, value in own.items()}
        ev.names[sentence.name] = net().weight(sentence.name, shape, init, None, own)

    def _size(self, expr: Expr) -> int:
        size = self.ev.value(expr)
        if isinstance(size, Tensor | bool) or size < 1 or not float(size).is_integer():
            found = "" if isinstance(size, Tensor) else f", and this is {size:g}"
            message = f"a size is a whole number of at least 1{found}"
            raise self.ev.fail("bad-type", message, expr.place, "as in [in.features, units]")
        return int(size)

    def _options(self, sentence: Weight) -> tuple[dict[str, Any], Init | None]:
        """The options that the weight itself has, and its initializer, which may be a parameter."""
        ev, given = self.ev, {a.key: a for a in sentence.options}
        parameter = self._parameter(given.get("init"))
        rest = [a for a in sentence.options if a.key != "init" or parameter is None]
        values = bind(f"the weight {sentence.name}", {}, rest, sentence.place, constants_of(ev), OF_WEIGHTS)
        own = {a.key: values[a.key] for a in rest if a.key and a.key != "init"}
        idle = next((a for a in rest if values["frozen"] and a.key in OF_MOVING), None)
        if idle:
            message = f"{sentence.name} is frozen, so {idle.key} does nothing"
            raise ev.fail("unknown-option", message, idle.place, f"take {idle.key} away")
        return own, parameter or values["init"]

    def _parameter(self, argument: Argument | None) -> Init | None:
        value = argument.value if argument else None
        found = self.ev.names.get(value.id) if isinstance(value, Name) else None
        return found if isinstance(found, Init) else None


class UpdaterBody(_Body):
    """The body of an updater; `keep` gives what was kept of a state.

    A state that begins at 0 or above is taken to stay there, unless its next value could then fall below.
    """

    def __init__(self, definition: Definition, ev: Evaluator, keep: Kept):
        super().__init__(definition, ev)
        self.keep = keep
        self.states: dict[str, Tensor] = {}
        self.signed: set[str] = set()
        self.given = dict(ev.names)

    @property
    def start(self) -> Tensor:
        """The weight before the step."""
        return self.given["w"]

    def run(self) -> Update:
        """The moved weight, and the new state."""
        names = self._pass()
        while falling := {s for s in self.states if names[s].type.domain.low < 0} - self.signed:
            self.signed |= falling
            names = self._pass()
        if names["w"] is self.start:
            message = f"{self.definition.name} does not move the weight here: no branch that was taken assigns w"
            raise self.ev.fail("bad-definition", message, self.definition.name_place, "assign w in each branch")
        return Update(names["w"], {name: names[name] for name in self.states})

    def condition(self, expr: Expr) -> Value:
        """What decides an if, which sees a parameter's number, unless a schedule stands for it."""
        names = self.ev.names
        self.ev.names = {n: v.number if isinstance(v, Hyperparameter) else v for n, v in names.items()}
        try:
            return super().condition(expr)
        finally:
            self.ev.names = names

    def _pass(self) -> dict[str, Any]:
        self.ev.names = dict(self.given)
        self.sentences(self.definition.body)
        return self.ev.names

    def state(self, sentence: State) -> None:
        """Declare what is kept of a weight from step to step."""
        name, value = sentence.name, sentence.value
        named = FIRSTS.get(value.id) if isinstance(value, Name) else None
        first = self.ev.value(value) if named is None else named
        if isinstance(first, Tensor | bool):
            message = "a state begins with a number that is known when the spec is read"
            raise self.ev.fail("bad-definition", message, value.place, "write zeros, ones or a number")
        if name not in self.states:
            self.states[name] = self.keep(name, float(self.ev.fitting(first, value.place)))
        kept = self.states[name].value
        domain = NON_NEGATIVE if first >= 0 and name not in self.signed else REAL
        kept.type = replace(kept.type, domain=domain)
        self.ev.names[name] = self.states[name]

    def assign(self, sentence: Assign) -> None:
        """Give a name a value; that of the weight and of a state has the weight's shape."""
        super().assign(sentence)
        name, ev = sentence.name, self.ev
        if name != "w" and name not in self.states:
            return
        value = ev.names[name] = ev.number(ev.names[name], sentence.value)
        if not isinstance(value, Tensor) or value.shape != self.start.shape:
            message = f"{name} has a number for each of the weight's, but this is a single one"
            raise ev.fail("shape-mismatch", message, sentence.value.place, "compute it from w, g or a state")


def constants_of(ev: Evaluator) -> Scope:
    """What an option within a formula may name: constants, and parameters that are numbers."""
    given = {name: value for name, value in ev.names.items() if isinstance(value, int | float | str)}
    declared = dict.fromkeys((n for n, v in ev.names.items() if isinstance(v, Tensor)), "a value of the formula")
    constants = cast(Mapping[str, Any], given)
    return replace(ev.scope, constants=constants, declared=declared)
