"""Evaluates the formulas of a user's definition: its syntax tree over tensors, numbers and truth values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, cast

from . import ops
from .constants import LARGEST_REAL, SMALLEST_REAL, NotConstantError, checked, combine, negate
from .field_sentence import LARGEST_EXAMPLE
from .functions import ANY, FUNCTIONS, text_of
from .ir import OPS, Builder, Tensor
from .nowhere import anywhere
from .options import bind
from .scope import Scope
from .source import Place
from .syntax import Binary, Boolean, Call, Expr, Field, Name, Number, Unary
from .types import Domain, Shape, batched, broadcast, count, point, show_shape
from .words import Word, WordError

# What a formula computes with: a value of the net, or a number or truth value known when the spec is read.
Value = Tensor | int | float | bool

# How deep formulas nest, a call of a definition counting for some levels, and how many operations they make, at most.
DEEPEST, CALL = 200, 10
MOST_OPERATIONS = 2_000
MOST_OF_ALL = 100_000

COMPARISONS = {"<": "less", ">": "greater", "<=": "less_equal", ">=": "greater_equal", "==": "equal", "!=": "not_equal"}
ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div", "^": "pow"}
FIELDS = ("features", "channels", "size")
CONSTANTS = {"pi": 3.141592653589793, "e": 2.718281828459045}

# How deep the formula is that calls a definition; 0 where a sentence of the spec uses it.
_depth: ContextVar[int] = ContextVar("depth", default=0)


def nested() -> bool:
    """Whether another formula calls the definition that runs."""
    return _depth.get() > 0


@dataclass(frozen=True)
class Plain:
    """A number that a formula gives to an activation of the spec, and the builder that a value would have."""

    builder: Builder
    number: int | float


class Evaluator:
    """Evaluates the formulas of one use; `names` holds the parameters, the values and what was assigned so far."""

    def __init__(self, scope: Scope, builder: Builder, names: Mapping[str, Any]):
        self.scope, self.builder = scope, builder
        self.names: dict[str, Any] = {**CONSTANTS, **scope.constants, **names}
        self.base = builder.origin
        self.start = len(builder.equations)
        self.depth = _depth.get()

    def value(self, expr: Expr) -> Value:
        """The value of an expression; NotConstantError, after a diagnostic, where it has none."""
        self.depth += 1
        self._check_limits(expr.place)
        try:
            return self._value(expr)
        finally:
            self.depth -= 1

    def _value(self, expr: Expr) -> Value:
        match expr:
            case Number() | Boolean():
                return expr.value
            case Name():
                return self._name(expr)
            case Unary():
                return self._unary(expr, self.value(expr.operand))
            case Binary():
                return self._binary(expr, self.value(expr.left), self.value(expr.right))
            case Call():
                return self._call(expr)
            case Field():
                return self._field(expr)
            case _:
                help = "a formula is made of numbers, names, operators and functions"
                raise self.fail("bad-formula", "this has no meaning in a formula", expr.place, help)

    def _check_limits(self, place: Place) -> None:
        made = len(self.builder.equations)
        if self.depth > DEEPEST:
            message = f"formulas nest at most {DEEPEST} levels deep, with the definitions that they use"
            raise self.fail("too-deep", message, place, "use fewer definitions within definitions")
        if made - self.start > MOST_OPERATIONS or made > MOST_OF_ALL:
            message = f"one use of a definition takes at most {MOST_OPERATIONS:,} operations, all uses {MOST_OF_ALL:,}"
            raise self.fail("too-large", message, place, "make its formula shorter")

    def _name(self, expr: Name) -> Value:
        if expr.id not in self.names:
            message = f"{expr.id} has no value here: nothing that was reached assigns it"
            raise self.fail("unknown-name", message, expr.place, "assign it in each branch")
        found = self.names[expr.id]
        if found is None:
            raise NotConstantError
        if not isinstance(found, Tensor | int | float):
            message = f"{expr.id} is no number, no truth value and no value of the net"
            raise self.fail("bad-formula", message, expr.place, "a formula computes with numbers")
        return found

    # Operators --------------------------------------------------------------------------------------------------------

    def _unary(self, expr: Unary, x: Value) -> Value:
        if expr.op == "not":
            x = self.truth(x, expr.operand.place)
            return self.emit(expr, "logical_not", x) if isinstance(x, Tensor) else not x
        x = self.number(x, expr)
        return self.emit(expr, "neg", x) if isinstance(x, Tensor) else self.folded(expr, lambda: negate("-", x))

    def _binary(self, expr: Binary, x: Value, y: Value) -> Value:
        if expr.op in ("and", "or"):
            return self._logical(expr, self.truth(x, expr.left.place), self.truth(y, expr.right.place))
        if expr.op == "*" and is_truth(x) != is_truth(y):
            return self._masked(expr, x, y) if is_truth(y) else self._masked(expr, y, x)
        x, y = self.number(x, expr.left), self.number(y, expr.right)
        if not isinstance(x, Tensor) and not isinstance(y, Tensor):
            return self.folded(expr, lambda: combine(expr.op, x, y))
        if expr.op == "@":
            return self._product(expr, x, y)
        if expr.op == "^" and not isinstance(y, Tensor) and y == 2:
            return self.emit(expr, "square", x)
        self._check_divisor(expr, x, y)
        self._check_power(expr, x, y)
        return self.emit(expr, (COMPARISONS | ARITHMETIC)[expr.op], x, y)

    def _logical(self, expr: Binary, x: Value, y: Value) -> Value:
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            return self.emit(expr, f"logical_{expr.op}", x, y)
        known, other = (y, x) if isinstance(x, Tensor) else (x, y)
        return other if bool(known) == (expr.op == "and") else bool(known)

    def _masked(self, expr: Binary, x: Value, keep: Value) -> Value:
        """x where a truth value holds, and else 0."""
        x = self.number(x, expr)
        if isinstance(keep, Tensor) and isinstance(x, Tensor) and x.shape:
            return self.emit(expr, "mask", x, keep)
        keep = self.number(keep, expr)
        if isinstance(keep, Tensor) or isinstance(x, Tensor):
            return self.emit(expr, "mul", x, keep)
        return self.folded(expr, lambda: combine("*", x, keep))

    def _product(self, expr: Binary, x: Value, y: Value) -> Tensor:
        """A row of features times a matrix of weights."""
        left, right = shape_of(x), shape_of(y)
        row = isinstance(x, Tensor) and len(x.shape) >= 2 and batched(x.shape)
        if not row or not isinstance(y, Tensor) or len(y.shape) != 2 or batched(y.shape):
            message = f"@ joins a row of features and a matrix of weights, but here {left} and {right}"
            raise self.fail("shape-mismatch", message, expr.place, "as in: in @ W, with weight W: [in.features, units]")
        if cast(Tensor, x).shape[-1] != y.shape[0]:
            message = f"{left} @ {right}: the row has another size than the matrix has rows"
            raise self.fail("shape-mismatch", message, expr.place, "give the matrix as many rows: [in.features, ...]")
        return self.raw(expr, "matmul", [x, y])

    def _check_divisor(self, expr: Binary, x: Value, y: Value) -> None:
        """Nothing is divided by 0, and a number of the host by nothing that may be 0, at which Python stops."""
        divisor = y if expr.op == "/" else x if expr.op == "^" and _may_fall(y) else None
        if divisor is None:
            return
        domain = divisor.type.domain if isinstance(divisor, Tensor) else point(divisor)
        if domain.low == domain.high == 0 and expr.op == "/":
            raise self.fail("domain-mismatch", "this divides by 0", expr.place, "change the divisor")
        alone = all(t.type.dtype == "f64" for t in (x, y) if isinstance(t, Tensor))
        if alone and holds_zero(domain):
            of = text_of(expr.right if expr.op == "/" else expr.left)
            message = f"this may divide by 0, since {of} lies in {domain}"
            raise self.fail("domain-mismatch", message, expr.place, f"write max({of}, 1e-8)")

    def _check_power(self, expr: Binary, x: Value, y: Value) -> None:
        """A root, or a power that is itself a value, of what may be negative has no value."""
        if expr.op != "^" or (not isinstance(y, Tensor) and float(y).is_integer()):
            return
        low = x.type.domain.low if isinstance(x, Tensor) else x
        if low < 0:
            found = f"this lies in {x.type.domain}" if isinstance(x, Tensor) else f"this is {x:g}"
            message = f"a power that may be no whole number needs a base of at least 0, but {found}"
            help = f"write max({text_of(expr.left)}, 0)" if isinstance(x, Tensor) else "take a base above 0"
            raise self.fail("domain-mismatch", message, expr.left.place, help)

    # Calls and fields -------------------------------------------------------------------------------------------------

    def _call(self, expr: Call) -> Value:
        own = self.scope.words.get(("activation", expr.word))
        if own is None and expr.word in FUNCTIONS:
            args = [self.value(a.value) for a in expr.arguments if a.key is None]
            return FUNCTIONS[expr.word].apply(self, expr, args)
        word = own or self.scope.find("activation", expr.word)
        assert word is not None
        x = self.number(self.value(expr.arguments[0].value), expr.arguments[0].value)
        if own is None and (not isinstance(x, Tensor) or x.type.dtype == "f64" or x.shape in ((), ANY)):
            message = f"{word.name} acts on values with axes, and this is a number by itself"
            raise self.fail("bad-formula", message, expr.place, "write it out, by functions such as exp, tanh and max")
        return self._activated(expr, word, x if isinstance(x, Tensor) else Plain(self.builder, x))

    def _activated(self, expr: Call, word: Word, x: Tensor | Plain) -> Value:
        given = {name: value for name, value in self.names.items() if not isinstance(value, Tensor)}
        declared = {name: "a value of the formula" for name in self.names if name not in given}
        scope = replace(self.scope, constants=given, declared=declared)
        options = bind(word.name, word.options, expr.arguments[1:], expr.place, scope, None, word.example)
        before = _depth.set(self.depth + CALL)
        self.builder.origin = (*self.base, expr.place)
        try:
            with anywhere(text_of(expr.arguments[0].value)):
                return _featured(lambda x: word.function(x, **options), x)
        except WordError as error:
            raise self.fail(error.code, error.message, expr.place, error.help) from None
        finally:
            _depth.reset(before)

    def _field(self, expr: Field) -> Value:
        value = self.value(expr.value)
        if not isinstance(value, Tensor):
            message = "this is a number, and has no axes"
            raise self.fail("bad-formula", message, expr.place, "as in: in.features")
        sizes = [d for d in seen(value.shape) if isinstance(d, int)]
        found = {"features": sizes[-1:], "channels": sizes[:1], "size": [count(value.shape)]}[expr.name]
        return found[0] if found else 1

    # What operators and functions are made of -------------------------------------------------------------------------

    def emit(self, expr: Expr, op: str, *args: Value, **attrs: Any) -> Any:
        """The result of an op over values whose shapes are made to fit."""
        return self.raw(expr, op, self._aligned(expr, args), **attrs)

    def raw(self, expr: Expr, op: str, args: Iterable[Value], **attrs: Any) -> Any:
        """The result of an op over values as they are."""
        self.builder.origin = (*self.base, expr.place)
        result = self.builder.emit(OPS[op], *args, **attrs)
        if count(result.shape) > LARGEST_EXAMPLE:
            message = f"this has {count(result.shape):,} numbers an example; the limit is {LARGEST_EXAMPLE:,}"
            raise self.fail("too-large", message, expr.place, "make it smaller")
        return result

    def _aligned(self, expr: Expr, args: Iterable[Value]) -> list[Value]:
        """The values with axes that fit from the last one on, each example by itself."""
        args = list(args)
        tensors = [a for a in args if isinstance(a, Tensor)]
        shapes = [seen(t.shape) for t in tensors]
        try:
            broadcast(*shapes)
        except ValueError:
            sign = expr.op if isinstance(expr, Binary) else cast(Call, expr).word
            shown = " and ".join(dict.fromkeys(show_shape(s) for s in shapes if s))
            message = f"{sign} needs shapes that fit, but these are {shown}"
            help = "shapes fit where their axes are the same, from the last one on"
            raise self.fail("shape-mismatch", message, expr.place, help) from None
        rank = max(map(len, shapes), default=0)
        single = any(t.type.dtype == "f32" for t in tensors)
        return [self._widened(a, rank) if isinstance(a, Tensor) else self._sized(a, expr, single) for a in args]

    def _widened(self, x: Tensor, rank: int) -> Tensor:
        """An example's value with axes of size 1 in front, so that the batch stays the first axis."""
        if batched(x.shape):
            for _ in range(rank - len(x.shape) + 1):
                x = ops.expand_dims(x, axis=1)
        return x

    def _sized(self, number: Value, expr: Expr, single: bool) -> Value:
        return self.fitting(cast(float, number), expr.place) if single else number

    def fitting(self, number: float, place: Place) -> float:
        """A number that float32 can hold."""
        if number and not SMALLEST_REAL <= abs(number) <= LARGEST_REAL:
            help = f"sizes go from {SMALLEST_REAL:.2g} to {LARGEST_REAL:.2g}"
            raise self.fail("bad-constant", f"{number:g} does not fit 32 bits", place, help)
        return number

    def number(self, x: Value, expr: Expr) -> Tensor | int | float:
        """A value as numbers: truth values become 0 and 1."""
        if isinstance(x, bool):
            return int(x)
        if not is_truth(x):
            return x
        self.builder.origin = (*self.base, expr.place)
        return ops.cast(x, dtype="f64" if self.operand(cast(Tensor, x)).type.dtype == "f64" else "f32")

    def truth(self, x: Value, place: Place) -> Tensor | bool:
        """A value that is true or false."""
        if is_truth(x):
            return cast("Tensor | bool", x)
        raise self.fail("bad-formula", "a truth value is needed here", place, "compare something: x > 0")

    def operand(self, truth: Tensor) -> Tensor:
        """The numbers that a truth value was found from."""
        value = truth.value
        for equation in reversed(self.builder.equations):
            if value in equation.results and value.type.dtype == "bool":
                value = max(equation.args, key=lambda a: (a.type.rank, a.type.dtype == "f32"))
        return Tensor(self.builder, value)

    def folded(self, expr: Expr, compute: Callable[[], Any]) -> Any:
        """A number that is computed when the spec is read."""
        return checked(expr, compute, self.scope.report)

    def fail(self, code: str, message: str, place: Place, help: str | None = None) -> NotConstantError:
        """Report an error and return what to raise."""
        return self.scope.fail(code, message, place, help)


def _may_fall(exponent: Value) -> bool:
    """Whether an exponent may be negative."""
    return (exponent.type.domain.low if isinstance(exponent, Tensor) else exponent) < 0


def holds_zero(domain: Domain) -> bool:
    """Whether 0 lies in a domain."""
    inside = domain.low < 0 < domain.high
    return inside or (domain.low == 0 and not domain.low_open) or (domain.high == 0 and not domain.high_open)


def is_truth(x: Value) -> bool:
    """Whether a value is true or false, rather than a number."""
    return x.type.dtype == "bool" if isinstance(x, Tensor) else isinstance(x, bool)


def seen(shape: Shape) -> Shape:
    """A shape as a formula sees it: without the batch axis."""
    return shape[1:] if batched(shape) else shape


def shape_of(x: Value) -> str:
    """The shape of a value, in prose."""
    return show_shape(x.shape) if isinstance(x, Tensor) and seen(x.shape) else "a number"


def _featured(function: Callable[[Any], Any], x: Tensor | Plain) -> Any:
    """The function of a value that has at least one axis beside the batch's, as words expect."""
    if isinstance(x, Plain) or len(x.shape) != 1 or not batched(x.shape):
        return function(x)
    result = function(ops.expand_dims(x, axis=1))
    single = isinstance(result, Tensor) and result.shape == (*x.shape, 1)
    return ops.reshape(result, shape=x.shape) if single else result
