"""Losses and metrics: predictions beside their targets, each pair checked before it is compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .constants import NotConstantError
from .diagnostics import listed
from .ir import Builder, Tensor
from .net import Field
from .ops import broadcast_like
from .options import bind, word_or_fail
from .resolve import Spec
from .source import Place
from .syntax import Argument, Binary, Call, Expr, Name, Number, Unary
from .types import BATCH, SIMPLEX, UNIT, show_shape
from .words import Word, find

# The name of the last chain's value where a loss or a metric does not say what it looks at.
LAST = ""

Lookup = Callable[[str, Place], Tensor | None]


@dataclass
class Comparison:
    """Evaluates losses and metrics over tensors that `lookup` finds by name; LAST finds the last chain's value."""

    spec: Spec
    builder: Builder
    lookup: Lookup
    targets: dict[str, Tensor]
    used: list[str] = field(default_factory=lambda: [])
    pairs: list[tuple[str, Field]] = field(default_factory=lambda: [])

    def loss(self, expr: Expr) -> Tensor:
        """One number an example, (N,)."""
        result = self._loss(expr)
        if not isinstance(result, Tensor):
            raise self._fail("bad-loss", "this loss is a constant", expr.place, "compare a prediction with its target")
        if result.shape != (BATCH,):
            message = f"a loss is one number an example, but this has shape {show_shape(result.shape)}"
            raise self._fail("shape-mismatch", message, expr.place)
        return result

    def metric(self, expr: Expr) -> tuple[str, Tensor]:
        """A metric's name and value."""
        if not isinstance(expr, Name | Call):
            raise self._fail("bad-loss", "a metric is a word, or a word with what it compares", expr.place)
        value, names = self._compared("metric", expr)
        word = expr.id if isinstance(expr, Name) else expr.word
        found = find("metric", word)
        return "_".join([found.name if found else word, *names]), value

    def _loss(self, expr: Expr) -> Tensor | float:
        match expr:
            case Number():
                return float(expr.value)
            case Unary(op="-"):
                return -self._loss(expr.operand)
            case Binary() if expr.op in "+-*/^":
                return self._combine(expr)
            case Name() if expr.id in self.spec.scope.constants:
                value = self.spec.scope.number(expr)
                if isinstance(value, int | float):
                    return float(value)
            case Name() | Call():
                return self._compared("loss", expr)[0]
            case _:
                pass
        message = "a loss is a word, or a sum of words with what they compare"
        help = "write loss mse, or loss mse(price, y) + 0.3 * mcxent(kind, k)"
        raise self._fail("bad-loss", message, expr.place, help)

    def _combine(self, expr: Binary) -> Tensor | float:
        left, right = self._loss(expr.left), self._loss(expr.right)
        if isinstance(left, float) and isinstance(right, float):
            value = self.spec.scope.number(expr)
            assert isinstance(value, int | float)
            return float(value)
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
        word = word_or_fail(kind, name, place, self.spec.scope)
        arguments = expr.arguments if isinstance(expr, Call) else ()
        given = [a for a in arguments if a.key is None]
        options = bind(word.name, word.options, [a for a in arguments if a.key], expr.place, self.spec.scope)
        p, y, target = self._given(word, given, expr.place) if given else self._implied(word, expr.place)
        self._check(word, p, y, target, expr.place)
        return word.function(p, y, **options), [a.value.id for a in given if isinstance(a.value, Name)]

    def _implied(self, word: Word, place: Place) -> tuple[Tensor, Tensor, Field | None]:
        targets = self.spec.of("target")
        if len(targets) != 1:
            found = f"there are {len(targets)} targets" if targets else "there is no target"
            message = f"{word.name} alone compares the last chain's value with the only target, and {found}"
            help = f"say what it compares: {word.name}(prediction, target)"
            raise self._fail("ambiguous-target", message, place, help)
        p = self._prediction(LAST, place)
        self.pairs.append((LAST, targets[0]))
        return p, self.target(targets[0]), targets[0]

    def _given(self, word: Word, given: list[Argument], place: Place) -> tuple[Tensor, Tensor, Field | None]:
        if len(given) != 2 or not isinstance(given[0].value, Name):
            message = f"{word.name} compares two things: a prediction, by its name, and its target"
            raise self._fail("bad-loss", message, place, f"write {word.name}(prediction, target)")
        name, second = given[0].value, given[1].value
        p = self._prediction(name.id, name.place)
        if isinstance(second, Number):
            constant = self.builder.constant(float(second.value))
            return p, broadcast_like(constant, p), None
        if not isinstance(second, Name):
            message = "a target is named, or a number"
            raise self._fail("bad-loss", message, second.place, f"write {word.name}({name.id}, target)")
        target = self.spec.fields.get(second.id)
        if target is None or target.role != "target":
            return p, self._prediction(second.id, second.place), None
        self.pairs.append((name.id, target))
        return p, self.target(target), target

    def _prediction(self, name: str, place: Place) -> Tensor:
        value = self.lookup(name, place)
        if value is None:
            raise NotConstantError
        if name not in self.used:
            self.used.append(name)
        return value

    def target(self, target: Field) -> Tensor:
        """The target as an input of the program."""
        if target.name not in self.targets:
            self.targets[target.name] = self.builder.input("target", target.name, target.type)
        return self.targets[target.name]

    # Checks -----------------------------------------------------------------------------------------------------------

    def _check(self, word: Word, p: Tensor, y: Tensor, target: Field | None, place: Place) -> None:
        kind = target.kind if target else "f32"
        if kind not in word.targets:
            takes = listed([k for k in ("class", "binary", "unit", "positive", "f32") if k in word.targets])
            subject = f"the target {target.name} is" if target else "what it is compared with is"
            message = f"{word.name} takes a target of type {takes}, but {subject} {kind}"
            raise self._fail("target-mismatch", message, place, TARGET_HELP.get((word.kind, kind)))
        # A softmax over one output is told where it stands; here the domain says more than the shape.
        if not p.type.domain.within(word.prediction):
            raise self._domain(word, p, place)
        expected = target.predicted if target else y.shape
        if p.shape != expected:
            what = f"the target {target.name}" if target else "what it is compared with"
            message = f"the prediction is {show_shape(p.shape)}, but {what} needs {show_shape(expected)}"
            help = f"end the chain with dense {expected[-1]}" if len(expected) == 2 else None
            raise self._fail("shape-mismatch", message, place, help)
        if not target and word.prediction.simplex is not None and y.type.domain.simplex is None:
            message = f"{word.name} compares probabilities, but its second value is {y.type.domain}"
            raise self._fail("domain-mismatch", message, place, "end its chain with softmax")

    def _domain(self, word: Word, p: Tensor, place: Place) -> NotConstantError:
        message = f"{word.name} needs {_needed(word)}, but the prediction lies in {p.type.domain}"
        if word.prediction.simplex is not None and p.type.domain.within(UNIT):
            message = f"{word.name} needs {_needed(word)}, but these are independent: each lies in {p.type.domain}"
            return self._fail("domain-mismatch", message, place, "end the chain with softmax, or use xent")
        help = "end the chain with softmax" if word.prediction == SIMPLEX else "end the chain with sigmoid"
        return self._fail("domain-mismatch", message, place, help)

    def _fail(self, code: str, message: str, place: Place, help: str | None = None) -> NotConstantError:
        return self.spec.scope.fail(code, message, place, help)


TARGET_HELP = {
    ("loss", "class"): "classes go with softmax and mcxent",
    ("loss", "f32"): "numbers go with mse or mae; declare the target binary or class if it is one",
    ("metric", "class"): "classes go with accuracy and f1",
    ("metric", "f32"): "numbers go with mae, rmse and r2",
}


def _needed(word: Word) -> str:
    return str(word.prediction) if word.prediction.simplex is not None else f"values in {word.prediction}"
