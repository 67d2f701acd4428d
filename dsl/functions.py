"""The functions that formulas may call, in one table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .context import net
from .ir import Tensor
from .nowhere import Nowhere
from .ops.losses import TINY
from .syntax import Call, Expr, Items
from .types import batched

if TYPE_CHECKING:
    from .formula import Evaluator, Value

# The shape of a weight in an updater, which is of any.
ANY = ("W",)

Apply = Callable[["Evaluator", Call, "list[Value]"], "Value"]


@dataclass(frozen=True)
class Function:
    """A function: how many values it takes, the options that it has, and the kinds of definition that may call it."""

    least: int
    most: int
    apply: Apply
    options: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


def text_of(expr: Expr) -> str:
    """An expression as the spec writes it, if it is short."""
    text = " ".join(expr.place.source.text[expr.place.start : expr.place.end].split())
    return text if len(text) <= 30 else "..."


# Of each element ------------------------------------------------------------------------------------------------------


def _each(op: str, number: Callable[[float], float], check: Callable[..., None] | None = None) -> Function:
    def apply(ev: Evaluator, call: Call, args: list[Value]) -> Value:
        x = ev.number(args[0], call)
        if not isinstance(x, Tensor):
            return ev.folded(call, lambda: number(x))
        if check is not None:
            check(ev, call, x)
        return ev.emit(call, op, x)

    return Function(1, 1, apply)


def _above(low: float, closed: bool, instead: tuple[str, ...]) -> Callable[..., None]:
    """A check that a function's argument cannot lie outside of what it is defined on."""

    def check(ev: Evaluator, call: Call, x: Tensor) -> None:
        domain = x.type.domain
        if domain.low > low or (domain.low == low and (closed or domain.low_open)):
            return
        inner = text_of(call.arguments[0].value)
        need = f"values {'of at least' if closed else 'above'} {low:g}"
        help = f"write {' or '.join(each.format(inner) for each in instead)}"
        raise ev.fail("domain-mismatch", f"{call.word} needs {need}, but this lies in {domain}", call.place, help)

    return check


def _of_arrays(ev: Evaluator, call: Call, x: Tensor) -> None:
    """A check that what no graph computes in float64 is not asked for."""
    if x.type.dtype == "f64":
        message = f"{call.word} is not computed of a single number, which schedules and updaters have in float64"
        raise ev.fail("bad-formula", message, call.place, "use tanh, or sigmoid")


_check_log = _above(0, False, ("log(max({}, 1e-7))", "log(softplus({}))"))


def _log(ev: Evaluator, call: Call, args: list[Value]) -> Value:
    x = ev.number(args[0], call)
    if not isinstance(x, Tensor):
        return ev.folded(call, lambda: math.log(x))
    _check_log(ev, call, x)
    # What is above 0 in real numbers may be 0 in float32.
    small = x.type.domain.low == 0 and x.type.dtype == "f32"
    return ev.emit(call, "log", ev.emit(call, "maximum", x, TINY) if small else x)


def _ceil(ev: Evaluator, call: Call, args: list[Value]) -> Value:
    x = ev.number(args[0], call)
    if not isinstance(x, Tensor):
        return ev.folded(call, lambda: math.ceil(x))
    return ev.emit(call, "neg", ev.emit(call, "floor", ev.emit(call, "neg", x)))


def _relu(ev: Evaluator, call: Call, args: list[Value]) -> Value:
    return _larger("maximum", max, ev, call, [args[0], 0])


# Of several values ----------------------------------------------------------------------------------------------------


def _larger(op: str, number: Callable[..., float], ev: Evaluator, call: Call, args: list[Value]) -> Value:
    result = ev.number(args[0], call)
    for arg in args[1:]:
        x, y = result, ev.number(arg, call)
        if isinstance(x, Tensor) or isinstance(y, Tensor):
            # A number stands second, as in max(x, 0), whose slope at 0 is 0.
            result = ev.emit(call, op, *((x, y) if isinstance(x, Tensor) else (y, x)))
        else:
            result = number(x, y)
    return result


def _extreme(op: str, reduce: str, number: Callable[..., float]) -> Function:
    """The largest or smallest of several values, element by element, or among the elements of one."""
    single = _reduction(reduce)

    def apply(ev: Evaluator, call: Call, args: list[Value]) -> Value:
        if len(args) == 1:
            return single(ev, call, args)
        if any(a.key for a in call.arguments):
            help = f"write {call.word}({call.word}(a, b), axis=0)"
            raise ev.fail("bad-formula", f"{call.word} of several values has no options", call.place, help)
        return _larger(op, number, ev, call, args)

    return Function(1, 99, apply, REDUCING)


def _clip(ev: Evaluator, call: Call, args: list[Value]) -> Value:
    x, low, high = (ev.number(a, call) for a in args)
    if isinstance(x, Tensor) and not isinstance(low, Tensor) and not isinstance(high, Tensor):
        if low > high:
            raise ev.fail("bad-formula", f"clip from {low:g} to {high:g} leaves nothing", call.place, "swap them")
        return ev.emit(
            call, "clip", x, low=float(ev.fitting(low, call.place)), high=float(ev.fitting(high, call.place))
        )
    return _larger("minimum", min, ev, call, [_larger("maximum", max, ev, call, [x, low]), high])


def _where(ev: Evaluator, call: Call, args: list[Value]) -> Value:
    condition = ev.truth(args[0], call.arguments[0].place)
    x, y = ev.number(args[1], call), ev.number(args[2], call)
    if not isinstance(condition, Tensor):
        return x if condition else y
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        if x == y:
            return x
        # Two numbers say no precision; what was compared does.
        like = ev.operand(condition)
        if like.type.dtype == "f64":
            x, y = ev.builder.constant(x, "f64"), ev.builder.constant(y, "f64")
        else:
            x = ev.emit(call, "broadcast_like", ev.builder.constant(ev.fitting(x, call.place)), like)
    return ev.emit(call, "where", condition, x, y)


# Over axes ------------------------------------------------------------------------------------------------------------

REDUCING = ("axis", "keep")


def _reduction(op: str) -> Apply:
    def apply(ev: Evaluator, call: Call, args: list[Value]) -> Value:
        x = ev.number(args[0], call)
        if not isinstance(x, Tensor):
            return x
        axes, keep = _axes(ev, call, x), _flag(ev, call, "keep")
        if any(net(Nowhere()).lengths(x, axis) is not None for axis in axes or ()):
            message = f"{call.word} goes over steps, and lengths=true says that some are padding"
            help = "make one value of the steps first, by globalavgpool, attention_pool or last_step"
            raise ev.fail("bad-formula", message, call.word_place, help)
        return ev.emit(call, op, x, axes=axes, keepdims=keep) if axes != () else x

    return apply


def _axes(ev: Evaluator, call: Call, x: Tensor) -> tuple[int, ...] | None:
    """The axes to reduce, counted with the batch's: all of the example's, or those that axis= names."""
    first = int(batched(x.shape))
    rank = len(x.shape) - first
    given = next((a for a in call.arguments if a.key == "axis"), None)
    if x.shape == ANY:
        if given:
            raise ev.fail("bad-formula", "a weight of an updater has any number of axes", given.place, "take axis away")
        return None
    if given is None:
        return tuple(range(first, len(x.shape)))
    wanted = [ev.value(e) for e in (given.value.items if isinstance(given.value, Items) else (given.value,))]
    axes = {a % rank for a in wanted if isinstance(a, int) and not isinstance(a, bool) and -rank <= a < rank}
    if len(axes) != len(wanted) or not axes:
        number = f"has {rank} axes" if rank != 1 else "has one axis, 0"
        message = f"axis is a whole number from 0 on, each once, and this value {number}"
        raise ev.fail("bad-formula", message, given.place, "axis=0 is the first axis in the brackets of the shape")
    return tuple(sorted(first + a for a in axes))


def _flag(ev: Evaluator, call: Call, name: str) -> bool:
    given = next((a for a in call.arguments if a.key == name), None)
    value = ev.value(given.value) if given else False
    if given and not isinstance(value, bool):
        raise ev.fail("bad-formula", f"{name} is true or false", given.place)
    return bool(value)


def _norm(ev: Evaluator, call: Call, args: list[Value]) -> Value:
    x = ev.number(args[0], call)
    if not isinstance(x, Tensor):
        return abs(x)
    squares = _reduction("total")(ev, call, [ev.emit(call, "square", x)])
    # The slope of a root is infinite at 0.
    return ev.emit(call, "sqrt", ev.emit(call, "maximum", squares, TINY))


def _over_batch(op: str) -> Function:
    def apply(ev: Evaluator, call: Call, args: list[Value]) -> Value:
        x = ev.number(args[0], call)
        if not isinstance(x, Tensor) or not batched(x.shape):
            message = f"{call.word} needs a value of each example, and this is the same for all"
            raise ev.fail("bad-formula", message, call.place, "take it away")
        return ev.emit(call, op, x, axes=(0,), keepdims=False)

    return Function(1, 1, apply, kinds=("loss", "metric"))


def _transpose(ev: Evaluator, call: Call, args: list[Value]) -> Value:
    x = ev.number(args[0], call)
    if not isinstance(x, Tensor) or len(x.shape) != 2 or batched(x.shape):
        raise ev.fail("shape-mismatch", "transpose needs a matrix of weights", call.place, "as in: in @ transpose(W)")
    return ev.emit(call, "transpose", x)


# Random numbers -------------------------------------------------------------------------------------------------------


def _drawn(op: str) -> Function:
    def apply(ev: Evaluator, call: Call, args: list[Value]) -> Value:
        fresh = ev.names[FRESH]
        drawn = sum(e.op.name.startswith("draw_") for e in ev.builder.equations[ev.start :])
        # Each call draws numbers of its own.
        key = f"{fresh.name}.{drawn + 1}" if drawn else fresh.name
        return ev.raw(call, op, [], key=key, shape=fresh.shape)

    return Function(0, 0, apply, kinds=("init",))


# Where an initializer's formula finds the weight that it draws; no name of a spec is like it.
FRESH = "(weight)"


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _sigmoid(x: float) -> float:
    return 0.5 * (1 + math.tanh(0.5 * x))


FUNCTIONS: dict[str, Function] = {
    "exp": _each("exp", math.exp),
    "expm1": _each("expm1", math.expm1),
    "log": Function(1, 1, _log),
    "log1p": _each("log1p", math.log1p, _above(-1, False, ("log1p(max({}, 0))",))),
    "sqrt": _each("sqrt", math.sqrt, _above(0, True, ("sqrt(max({}, 0))", "sqrt(abs({}))"))),
    "square": _each("square", lambda x: x * x),
    "abs": _each("absolute", abs),
    "sign": _each("sign", lambda x: (x > 0) - (x < 0)),
    "floor": _each("floor", math.floor),
    "ceil": Function(1, 1, _ceil),
    "sin": _each("sin", math.sin),
    "cos": _each("cos", math.cos),
    "tanh": _each("tanh", math.tanh),
    "sigmoid": _each("sigmoid", _sigmoid),
    "softplus": _each("softplus", _softplus),
    "erf": _each("erf", math.erf, _of_arrays),
    "relu": Function(1, 1, _relu),
    "clip": Function(3, 3, _clip),
    "where": Function(3, 3, _where),
    "max": _extreme("maximum", "amax", max),
    "min": _extreme("minimum", "amin", min),
    "mean": Function(1, 1, _reduction("mean"), REDUCING),
    "sum": Function(1, 1, _reduction("total"), REDUCING),
    "norm": Function(1, 1, _norm, REDUCING),
    "transpose": Function(1, 1, _transpose, kinds=("layer",)),
    "batch_mean": _over_batch("mean"),
    "batch_sum": _over_batch("total"),
    "normal": _drawn("draw_normal"),
    "uniform": _drawn("draw_uniform"),
}
