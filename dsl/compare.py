"""Losses and metrics: predictions beside their targets, each pair checked before it is compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .advice import activation_for, either, ending, instead, needed, stepping, turning
from .constants import NotConstantError
from .decisions import decided
from .ir import Builder, Tensor, Value
from .kinds import NUMBERS, of_lengths
from .loss_arrays import LossArrays
from .net import Field, Threshold
from .ops import broadcast_like
from .options import bind, word_or_fail
from .over_time import OverTime, steps_of
from .resolve import Spec
from .source import Place
from .syntax import Argument, Binary, Call, Expr, Items, Name, Number, Text, Unary
from .types import PROBABILITIES, UNIT, Domain, Shape, batched, pieces, show_shape
from .words import Word, WordError

# The name of the last chain's value where a loss or a metric does not say what it looks at.
LAST = ""

Lookup = Callable[[str, Place], Tensor | None]
Rule = Callable[[str, Field | None], Threshold | None]


@dataclass
class Comparison:
    """Evaluates losses and metrics over tensors that `lookup` finds by name; LAST finds the last chain's value.

    `keeper` makes what losses keep; `rule` gives the threshold of a prediction beside its target, where it has one.
    """

    spec: Spec
    builder: Builder
    lookup: Lookup
    targets: dict[str, Tensor]
    keeper: LossArrays
    rule: Rule = lambda name, target: None
    decisions: dict[tuple[Value, str], Tensor] = field(default_factory=lambda: {})
    used: list[str] = field(default_factory=lambda: [])
    pairs: list[tuple[str, Field]] = field(default_factory=lambda: [])
    # Whether rows that do not count are left out, as of finished predictions.
    drops: bool = False

    def __post_init__(self) -> None:
        self.over_time = OverTime(self.spec.fields, self.lookup, self.drops)

    def loss(self, expr: Expr) -> Tensor:
        """One number an example, (N,)."""
        result = self._loss(expr)
        if not isinstance(result, Tensor):
            raise self._fail("bad-loss", "this loss is a constant", expr.place, "compare a prediction with its target")
        if len(result.shape) != 1 or not batched(result.shape):
            message = f"a loss is one number an example, but this has shape {show_shape(result.shape)}"
            raise self._fail("shape-mismatch", message, expr.place)
        return result

    def metric(self, expr: Expr) -> tuple[str, Tensor]:
        """A metric's name, with its options and what it compares where the spec gives them, and its value."""
        if not isinstance(expr, Name | Call):
            raise self._fail("bad-loss", "a metric is a word, or a word with what it compares", expr.place)
        value, names = self._compared("metric", expr)
        word = expr.id if isinstance(expr, Name) else expr.word
        found = self.spec.scope.find("metric", word)
        return "_".join([found.name if found else word, *names]), value

    def _loss(self, expr: Expr) -> Tensor | float:
        match expr:
            case Number():
                return float(expr.value)
            case Unary(op="-"):
                return -self._loss(expr.operand)
            case Binary() if expr.op in "+-*/^":
                return self._combine(expr)
            case Name() if expr.id in self.spec.scope.constants and not self.spec.scope.find("loss", expr.id):
                return self._number(expr)
            case Name() | Call():
                return self._compared("loss", expr)[0]
            case _:
                pass
        message = "a loss is a word, or a sum of words with what they compare"
        help = "write loss mse, or loss mse(price, y) + 0.3 * mcxent(kind, k)"
        raise self._fail("bad-loss", message, expr.place, help)

    def _number(self, expr: Expr) -> float:
        """The value of a constant."""
        value = self.spec.scope.number(expr)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._fail("bad-loss", "this is no number", expr.place, "weigh losses by numbers: 0.3 * mse(a, b)")
        return float(value)

    def _combine(self, expr: Binary) -> Tensor | float:
        left, right = self._loss(expr.left), self._loss(expr.right)
        if isinstance(left, float) and isinstance(right, float):
            return self._number(expr)
        if expr.op == "/" and right == 0.0:
            raise self._fail("bad-constant", "this has no value: it divides by zero", expr.place, "change the divisor")
        if isinstance(left, Tensor) and isinstance(right, Tensor) and left.shape != right.shape:
            message = (
                "one of these losses is a number for each step, and the other one for each example, or other steps"
            )
            help = "make them two sentences: loss a = ... and loss b = ..."
            raise self._fail("shape-mismatch", message, expr.place, help)
        operators: dict[str, Callable[[Any, Any], Any]] = {
            "+": lambda a, b: a + b,
            "-": lambda a, b: a - b,
            "*": lambda a, b: a * b,
            "/": lambda a, b: a / b,
            "^": lambda a, b: a**b,
        }
        return operators[expr.op](left, right)

    def _compared(self, kind: str, expr: Name | Call) -> tuple[Tensor, list[str]]:
        """The value of a loss or metric word, and the names that it was given."""
        name, place = (expr.id, expr.place) if isinstance(expr, Name) else (expr.word, expr.word_place)
        if name in self.spec.places and not self.spec.scope.find(kind, name):
            message, help = (
                f"{name} is a name of the spec, and no {kind}",
                f"write what compares it, such as mse(p, {name})",
            )
            raise self._fail("bad-loss", message, place, help)
        word = word_or_fail(kind, name, place, self.spec.scope)
        arguments = expr.arguments if isinstance(expr, Call) else ()
        given = [a for a in arguments if a.key is None]
        keyed = [a for a in arguments if a.key]
        options = bind(word.name, {}, keyed, expr.place, self.spec.scope, word.options, word.example)
        p, y, target = self._given(word, given, expr.place) if given else self._implied(word, expr.place)
        start = len(self.builder.equations)
        try:
            self._check(word, p, y, target, options, expr.place)
            if word.decides:
                p = self._decided(p, y, given[0].value if given else None, target)
            if word.aligns:
                value = word.function(p, y, self.over_time.lengths(p), **options)
            else:
                seen = self.over_time.rows(p, y, target)
                if word.own:
                    seen = self.over_time.counting(*seen)
                value = word.function(*seen, *([self.keeper] if word.keeps else []), **options)
                self.over_time.need_single(word.name, self.builder.equations[start:])
            self.keeper.given(value.value)
        except WordError as error:
            raise self._fail(error.code, error.message, expr.place, error.help) from None
        chosen = [f"{options[a.key]:g}" for a in keyed if a.key and isinstance(options[a.key], int | float)]
        return value, [*chosen, *(a.value.id for a in given if isinstance(a.value, Name))]

    def _decided(self, p: Tensor, y: Tensor, name: Expr | None, target: Field | None) -> Tensor:
        """The decision that a prediction comes to, which all metrics share."""
        key = p.value, y.type.dtype
        if key not in self.decisions:
            threshold = self.rule(name.id if isinstance(name, Name) else LAST, target)
            self.decisions[key] = decided(p, threshold, y.type.dtype == "i64")
        return self.decisions[key]

    def _implied(self, word: Word, place: Place) -> tuple[Tensor, Tensor, Field | None]:
        targets = self.spec.targets
        if not targets and self.spec.of("target"):
            raise NotConstantError  # the only one is named as the weight of the examples, which was reported
        if len(targets) != 1:
            found = f"there are {len(targets)} targets" if targets else "there is no target"
            message = f"{word.name} alone compares the last chain's value with the only target, and {found}"
            inputs = [f"(prediction, {field.name})" for field in self.spec.of("input")]
            help = f"say what it compares: {word.name}(prediction, target)"
            if not targets:
                also = f", or compare with an input: {word.name}{inputs[0]}" if inputs else ""
                help = f"declare one, target y: f32{also}"
            raise self._fail("ambiguous-target", message, place, help)
        return self._with_target(word, LAST, targets[0], place, place)

    def _given(self, word: Word, given: list[Argument], place: Place) -> tuple[Tensor, Tensor, Field | None]:
        if len(given) != 2 or not isinstance(given[0].value, Name):
            message = f"{word.name} compares two things: a prediction, by its name, and its target"
            raise self._fail("bad-loss", message, place, self._two(word, given))
        name, second = given[0].value, given[1].value
        self._look_at_order(word, name, second)
        target = self.spec.fields.get(second.id) if isinstance(second, Name) else None
        if target is not None and target.role == "target":
            return self._with_target(word, name.id, target, name.place, place)
        p = self._prediction(name.id, name.place)
        if isinstance(second, Name) and second.id not in self.spec.scope.constants:
            return p, self._prediction(second.id, second.place), None
        if isinstance(second, Call | Items | Text):
            help = f"write {word.name}({name.id}, target)"
            raise self._fail("bad-loss", "a target is named, or a number", second.place, help)
        return p, broadcast_like(self.builder.constant(self._number(second)), p), None

    def _two(self, word: Word, given: list[Argument]) -> str:
        """The help where not two things are compared."""
        first = given[0].value
        if len(given) == 1 and isinstance(first, Name) and first.id in self.spec.fields:
            return f"name the chain of the prediction, p = ..., and write {word.name}(p, {first.id})"
        return f"write {word.name}(prediction, target)"

    def _look_at_order(self, word: Word, first: Name, second: Expr) -> None:
        """The target comes second."""
        field = self.spec.fields.get(first.id)
        if field is None or field.role != "target":
            return
        message = f"{first.id} is a target, and the prediction comes first"
        other = second.id if isinstance(second, Name) and second.id not in self.targets else "prediction"
        raise self._fail("bad-loss", message, first.place, f"write {word.name}({other}, {first.id})")

    def _with_target(
        self, word: Word, name: str, target: Field, named: Place, place: Place
    ) -> tuple[Tensor, Tensor, Field]:
        """A prediction beside a target, whose kind is looked at first: it is at fault by itself."""
        if word.features:
            self.used.append(target.name)
        else:
            self.pairs.append((name, target))
        if target.name in self.spec.faulty:
            raise NotConstantError
        if target not in self.spec.targets:
            message = f"{target.name} holds the weights of the examples (sample_weight), and is nothing to predict"
            raise self._fail("bad-loss", message, place, "compare with another target")
        if target.kind not in word.targets:
            message = (
                f"{word.name} takes a target of type {either(word)}, but the target {target.name} is {target.kind}"
            )
            raise self._fail("target-mismatch", message, place, instead(word, target.kind))
        return self._prediction(name, named), self.target(target), target

    def _prediction(self, name: str, place: Place) -> Tensor:
        value = self.lookup(name, place)
        if value is None:
            raise NotConstantError
        if value.type.dtype == "i64":
            found = f"{name} is a category, whose values are ids and not numbers"
            ids = found, "compare what onehot or embedding makes of it"
            message, help = of_lengths(name, value.type.domain) or ids
            raise self._fail("ids-mismatch", message, place, help)
        if pieces(value.shape[0]) > 1:
            message = f"{name or 'this value'} is in {pieces(value.shape[0])} pieces of each example"
            raise self._fail("shape-mismatch", message, place, "put batch_to_space into its chain")
        if name not in self.used:
            self.used.append(name)
        return value

    def target(self, target: Field) -> Tensor:
        """The target as an input of the program."""
        if target.name not in self.targets:
            self.targets[target.name] = self.builder.input("target", target.name, target.type)
        return self.targets[target.name]

    # Checks -----------------------------------------------------------------------------------------------------------

    def _check(
        self, word: Word, p: Tensor, y: Tensor, target: Field | None, options: dict[str, Any], place: Place
    ) -> None:
        if target is None and not any(y.type.domain.within(NUMBERS[k]) for k in word.targets if k in NUMBERS):
            low, high = y.type.domain.low, y.type.domain.high
            found = f"this is {low:g}" if low == high else f"this value lies in {y.type.domain}"
            message = f"{word.name} takes a target of type {either(word)}, but {found}"
            domains = {NUMBERS[k]: None for k in word.targets if k in NUMBERS}
            widest = [str(d) for d in domains if not any(d.within(other) for other in domains if other != d)]
            among = f"values in {' or '.join(widest)}" if widest else f"a target of type {either(word)}"
            raise self._fail("target-mismatch", message, place, f"compare with {among}")
        needs = word.needs(target.kind if target else None)
        expected = target.predicted if target else y.shape
        if word.predicts:
            # What it needs at each step, where the target has steps.
            steps = expected[1 : 1 + steps_of(p, target)]
            (count, *each) = word.predicts((expected[0], *expected[1 + len(steps) :]), **options)
            expected = (count, *steps, *each)
        if word.aligns:
            expected = self._aligned(word, p, target, expected, place)
        if word.features:
            self._need_features(word, p, place)
            expected = p.shape
        # A softmax over one output is told where it stands; here the domain says more than the shape.
        # What is said of the classes of an example goes with softmax, also where less would do.
        ends = PROBABILITIES if target and target.kind == "class" and needs.within(UNIT) else needs
        if not p.type.domain.within(needs):
            raise self._domain(word, needs, ends, p, expected, place)
        if p.shape != expected:
            what = f"the target {target.name}" if target else "what it is compared with"
            message = f"the prediction is {show_shape(p.shape)}, but {what} needs {show_shape(expected)}"
            help = stepping(expected, p.shape) or turning(expected, ends, p) or ending(expected, ends, p.type)
            raise self._fail("shape-mismatch", message, place, help if target or not word.predicts else None)
        if not target and needs.simplex is not None and y.type.domain.simplex is None:
            message = f"{word.name} compares probabilities, but its second value is {y.type.domain}"
            raise self._fail("domain-mismatch", message, place, "end its chain with softmax")

    def _aligned(self, word: Word, p: Tensor, target: Field | None, expected: Shape, place: Place) -> Shape:
        """What a loss of whole sequences needs of a prediction: a list of its own number of steps."""
        if target is None or len(target.shape) != 1:
            message = f"{word.name} compares with labels in a row, and this target is no such list"
            classes = target.classes if target else p.outputs
            raise self._fail("shape-mismatch", message, place, f"declare it as such: target y: class({classes})[S]")
        if len(p.shape) != 3 or p.value.channels:
            message = f"{word.name} needs probabilities at each step, but the prediction is {show_shape(p.shape)}"
            help = f"end a chain that still has steps, as without last_step, with dense {expected[-1]} -> softmax"
            raise self._fail("shape-mismatch", message, place, help)
        return (*p.shape[:2], expected[-1])

    def _need_features(self, word: Word, p: Tensor, place: Place) -> None:
        if len(p.shape) != 2:
            message = f"{word.name} looks at one axis of features, but this is {show_shape(p.shape)}"
            known = all(isinstance(d, int) for d in p.shape[1:])
            help = f"end its chain with {'flatten' if known else 'last_step'}, or with globalavgpool"
            raise self._fail("shape-mismatch", message, place, help)

    def _domain(
        self, word: Word, needs: Domain, ends: Domain, p: Tensor, expected: Shape, place: Place
    ) -> NotConstantError:
        message = f"{word.name} needs {needed(needs)}, but the prediction lies in {p.type.domain}"
        activation = activation_for(ends)
        help = f"end the chain with {activation}" if activation else None
        turned = turning(expected, ends, p)
        if needs.simplex is not None and p.type.domain.within(UNIT):
            these = "those along the last axis" if turned else "these"
            message = f"{word.name} needs {needed(needs)}, but {these} are independent: each lies in {p.type.domain}"
        if ends.simplex is not None and (turned or p.shape != expected or expected[-1] == 1):
            help = turned or ending(expected, ends, p.type)
        return self._fail("domain-mismatch", message, place, help)

    def _fail(self, code: str, message: str, place: Place, help: str | None = None) -> NotConstantError:
        return self.spec.scope.fail(code, message, place, help)
