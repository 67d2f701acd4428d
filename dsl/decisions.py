"""Decisions: how a prediction becomes a class, or a yes or no, and what the sentence `threshold` says of that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from typing import cast as cast_to

import numpy as np

from .constants import LARGEST_REAL, NotConstantError
from .diagnostics import did_you_mean, listed
from .ir import Builder, Program, Tensor
from .net import Field, StateInfo, Threshold, Tuning
from .ops import argmax, argmin, cast, literal, pick, slice_axis, total
from .options import bind, convert, word_or_fail
from .over_time import steps_of
from .resolve import Spec
from .scope import Scope
from .source import Place
from .syntax import Call, Items, Name
from .syntax import Threshold as Sentence
from .types import UNIT, Domain, Type
from .words import WORDS, Kind, Option, Word

COUNT = Domain(low=0.0, low_open=False, whole=True)
VALUE = Option("the threshold", Kind("real", "a number between 0 and 1", 0, 1, True, True), None, required=True)
COST = Kind("real", "a number above 0", 0, low_open=True)
COSTS = {name: Option(name, COST, None, required=True) for name in ("fp", "fn")}
WAYS = ("best", "cost")


def decided(p: Tensor, threshold: Threshold | None, ids: bool) -> Tensor:
    """The class of each example, (N,), or whether each column is decided to be 1, which it is from the threshold on."""
    if threshold is not None and threshold.costs:
        values = np.array(threshold.costs)
        costs = p.builder.emit(literal, values=values, shape=values.shape, name=threshold.setting)
        return argmin(p @ costs, axis=len(p.shape) - 1).named("decided")
    if threshold is None:
        return argmax(p, axis=len(p.shape) - 1).named("decided") if ids else p >= 0.5
    limit = _limit(p.builder, threshold)
    if not ids:
        return p >= limit
    return cast(_second(p) >= limit, dtype="i64").named("decided")


def _second(p: Tensor) -> Tensor:
    """The probability of class 1, of each example or of each step of it."""
    last = len(p.shape) - 1
    return (
        pick(p, index=1)
        if last == 1
        else total(slice_axis(p, axis=last, start=1, stop=2), axes=(last,), keepdims=False)
    )


def _limit(builder: Builder, threshold: Threshold) -> Tensor:
    """The threshold as a setting of the trainer, or as an input that holds what was tuned."""
    if threshold.tuned is None:
        assert threshold.number is not None
        return builder.constant(threshold.number, "f32", threshold.setting)
    name = threshold.tuned.state
    known = [i for i in builder.inputs if i.role == "state" and i.name == name]
    if known:
        return Tensor(builder, known[0].value)
    return builder.input("state", name, Type("f32", threshold.tuned.shape, UNIT))


# The sentence ---------------------------------------------------------------------------------------------------------


@dataclass
class Thresholds:
    """The threshold sentences of a spec, each resolved once it is known which target its output predicts.

    `names` are those that the artifacts have, to which the states of tuned thresholds add theirs.
    """

    spec: Spec
    names: set[str]
    states: dict[str, StateInfo] = field(default_factory=lambda: {})
    sentences: dict[str, Sentence] = field(default_factory=lambda: {})
    known: dict[str, Threshold | None] = field(default_factory=lambda: {})

    def __post_init__(self) -> None:
        for sentence in self.spec.thresholds:
            if sentence.name in self.sentences:
                message = f"{sentence.name} has a threshold already"
                self.scope.report.error("duplicate-sentence", message, sentence.place, "keep one of them")
            self.sentences.setdefault(sentence.name, sentence)

    @property
    def scope(self) -> Scope:
        """What the spec's constants are, and where its faults go."""
        return self.spec.scope

    def of(self, output: str, p: Type, target: Field | None) -> Threshold | None:
        """The threshold of an output that predicts a target, where the spec gives it one that holds."""
        if output in self.sentences and output not in self.known:
            try:
                self.known[output] = _Reading(self, self.sentences[output], p, target).threshold()
            except NotConstantError:
                self.known[output] = None
        return self.known.get(output)

    def rest(self, outputs: list[str]) -> None:
        """Report the sentences that name no output; of a net whose chains are at fault nothing is known."""
        for name, sentence in self.sentences.items() if outputs else ():
            if name not in outputs:
                help = did_you_mean(name, outputs) or f"the net gives {listed(outputs)}"
                self.scope.report.error("unknown-name", f"there is no output {name}", sentence.name_place, help)

    def state(self, output: str, target: Field) -> str:
        """The name of a new array of thresholds, one a column, or one of class 1."""
        name = f"threshold_{output}"
        while name in self.names:
            name += "_"
        self.names.add(name)
        columns = tuple(d for d in target.shape if isinstance(d, int)) if target.kind == "binary" else ()
        self.states[name] = StateInfo(name, columns or (1,), 0.5)
        return name


@dataclass(frozen=True)
class _Reading:
    """A sentence beside the output that it names and the target that this predicts."""

    all: Thresholds
    sentence: Sentence
    p: Type
    target: Field | None

    def threshold(self) -> Threshold:
        """What the sentence says."""
        target, value = self._target(), self.sentence.value
        if isinstance(value, Items):
            return self._table(value)
        if not isinstance(value, Call):
            self._two("a threshold", value.place)
            number = convert(VALUE, value, self.sentence.name, self.all.scope)
            return Threshold(self.sentence.name, number)
        if value.word == "best":
            return self._best(value, target)
        if value.word == "cost":
            return self._cost(value)
        help = did_you_mean(value.word, WAYS) or "there are best(f1), cost(fp=1, fn=5), and a number"
        raise self._fail("unknown-word", f"{value.word} is no way to set a threshold", value.word_place, help)

    def _fail(self, code: str, message: str, place: Place, help: str) -> NotConstantError:
        return self.all.scope.fail(code, message, place, help)

    def _target(self) -> Field:
        name, target, place = self.sentence.name, self.target, self.sentence.name_place
        if target is None:
            message = f"nothing says what {name} predicts, so there is nothing to decide"
            raise self._fail("target-mismatch", message, place, "compare it with a target in the loss or in a metric")
        if target.kind not in ("class", "binary"):
            message = f"{name} predicts {target.name}, which is {target.kind}: there is nothing to decide"
            raise self._fail("target-mismatch", message, place, "thresholds go with targets of type class and binary")
        if not self.p.domain.within(UNIT):
            message = f"a threshold needs probabilities, but {name} lies in {self.p.domain}"
            ending = "softmax" if target.kind == "class" else "sigmoid"
            raise self._fail("domain-mismatch", message, place, f"end its chain with {ending}")
        return target

    @property
    def _classes(self) -> int:
        return (self.target.classes if self.target else None) or 2

    @property
    def _ids(self) -> bool:
        return self.target is not None and self.target.kind == "class"

    def _two(self, what: str, place: Place) -> None:
        if self._classes > 2:
            message = f"{what} parts two classes, but {self.sentence.name} has {self._classes}"
            help = "weigh mistakes instead: a table of costs has a row for each true class, a column for each decision"
            raise self._fail("bad-option", message, place, help)

    def _best(self, call: Call, target: Field) -> Threshold:
        """Tuned by a metric on the rows held out."""
        self._two("a threshold", call.place)
        names = [a.value for a in call.arguments if isinstance(a.value, Name) and a.key is None]
        if len(names) != 1 or len(call.arguments) != 1:
            message = f"best takes the metric that decides, and this is {len(call.arguments)} values"
            raise self._fail("bad-option", message, call.place, "as in: best(f1)")
        word = word_or_fail("metric", names[0].id, names[0].place, self.all.scope)
        if word.score is None:
            tuning = listed([w.name for w in WORDS.values() if w.kind == "metric" and w.score])
            message = f"a threshold cannot be tuned by {word.name} alone"
            raise self._fail("bad-option", message, names[0].place, f"it is tuned by one of {tuning}")
        if not self.all.spec.train["validation"] and self.all.spec.wanted != ("inference",):
            message = "a threshold is tuned on the validation rows, and there are none"
            raise self._fail("missing-validation", message, call.place, "add validation=20% to train")
        if steps_of(self.p, target) > 1:
            name = self.sentence.name
            message = f"a threshold is tuned for examples or their steps, but {name} has steps within steps"
            raise self._fail("bad-option", message, call.place, f"write the number: threshold {name} 0.5")
        state = self.all.state(self.sentence.name, target)
        shape = self.all.states[state].shape
        return Threshold(self.sentence.name, tuned=Tuning(word.name, _score(word), state, shape))

    def _cost(self, call: Call) -> Threshold:
        first = call.arguments[0] if call.arguments else None
        if first is not None and first.key is None and isinstance(first.value, Items) and len(call.arguments) == 1:
            return self._table(first.value)
        self._two("cost(fp=..., fn=...)", call.place)
        costs = bind("cost", COSTS, call.arguments, call.place, self.all.scope, None, "cost(fp=1, fn=5)")
        return self._costing(((0.0, costs["fp"]), (costs["fn"], 0.0)))

    def _table(self, items: Items) -> Threshold:
        """A row of costs for each true class, in it one for each decision; the right decision costs least."""
        value, size = cast_to("tuple[Any, ...]", self.all.scope.number(items)), self._classes
        rows = [cast_to("tuple[Any, ...]", row) for row in value if isinstance(row, tuple)]
        numbers = [n for row in rows for n in row if isinstance(n, int | float) and not isinstance(n, bool)]
        if len(value) != size or any(len(row) != size for row in rows) or len(numbers) != size**2:
            message = f"a table of costs has {size} rows here, true classes, each of {size} numbers, decisions"
            raise self._fail("bad-option", message, items.place, "as in [[0, 1], [5, 0]], where missing a 1 costs 5")
        if any(abs(n) > LARGEST_REAL for n in numbers):
            raise self._fail("bad-option", "costs fit 32 bits", items.place, f"sizes go to {LARGEST_REAL:.2g}")
        table = tuple(tuple(float(n) for n in row) for row in rows)
        for true, row in enumerate(table):
            if any(cost <= row[true] for decision, cost in enumerate(row) if decision != true):
                message = f"in row {true + 1} a wrong decision costs no more than the right one"
                raise self._fail("bad-option", message, items.place, "the right decision stands on the diagonal")
        return self._costing(table)

    def _costing(self, table: tuple[tuple[float, ...], ...]) -> Threshold:
        """Classes are weighed by the table; of truth values the decision turns at one probability (Elkan 2001)."""
        if self._ids:
            return Threshold(self.sentence.name, costs=table)
        (right_0, false_1), (false_0, right_1) = table
        return Threshold(self.sentence.name, (false_1 - right_0) / (false_1 - right_0 + false_0 - right_1))


def _score(word: Word) -> Program:
    """What a metric says of counts of decisions, elementwise."""
    assert word.score is not None
    builder = Builder()
    counts = [builder.input("count", name, Type("f32", ("cuts",), COUNT)) for name in ("tp", "fp", "fn", "tn")]
    return builder.program(f"{word.name}_score", {"score": word.score(*counts)})
