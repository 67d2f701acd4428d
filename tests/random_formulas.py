"""Random definitions of a spec's own words: formulas over every function of the language, within what it bears."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from netc.dsl.functions import FUNCTIONS
from netc.dsl.words import Kind, Option
from random_words import Definition, Own, Pen

# How a function is called so that what it is given fits, and that no value grows without bound; any other takes the
# values as they are. What is flat wherever it has a slope stands beside what is not, and jumps where nothing saturates:
# 1 and 0.9999999 are neighbours in float32, but not for ceil.
GUARDED = {
    "exp": "exp(min({0}, 1))",
    "expm1": "expm1(min({0}, 1))",
    "log": "log(0.5 + square({0}))",
    "log1p": "log1p(abs({0}))",
    "sqrt": "sqrt(0.5 + square({0}))",
    "square": "square(tanh({0}))",
    "sign": "({0} + 0.1 * sign({0} - 0.3))",
    "floor": "({0} + 0.1 * floor({0} + 0.3))",
    "ceil": "({0} - 0.1 * ceil({0} + 0.3))",
    "clip": "(0.1 * {0} + clip({0}, -1.5, 1.5))",
    "where": "where({0} > {1}, {0}, {2})",
    "max": "max({0}, {1})",
    "min": "min({0}, {1})",
}
# Over the axes of an example; its value alone has such.
REDUCED = {
    "mean": "({0} - mean({0}, axis=0, keep=true))",
    "sum": "tanh(sum({0}, keep=true) + {0})",
    "norm": "({0} / (1 + norm({0}, keep=true)))",
    "max": "({0} - max({0}, keep=true))",
    "min": "({0} - min({0}, axis=0, keep=true))",
}
# Those of one kind of definition stand in its own pattern below.
OF_ONE_KIND = {"transpose", "batch_mean", "batch_sum", "normal", "uniform"}
# No graph computes it in float64, in which schedules and updaters have their single numbers.
NOT_IN_F64 = {"erf"}
EACH = [name for name in FUNCTIONS if name not in OF_ONE_KIND and name not in ("mean", "sum", "norm")]
ARITHMETIC = (
    "({0} + {1})",
    "({0} - {1})",
    "({0} * {1})",
    "({0} / (1 + {1}^2))",
    "-{0}",
    "({0}^2 - {1})",
    "(0.5 * {0})",
)
# Activations may be called too; these are bounded or grow no faster than what they are given.
CALLED = ("softsign", "hardtanh", "leakyrelu", "mish", "swish", "gelu", "elu")

NUMBER = Kind("number", "a number", 0.2, 1.5)
RATE = Kind("scheduled", "a number, or a schedule", 0.001, 0.5)
SHARE = Kind("scheduled", "a number, or a schedule", 0.1, 0.9)


def formula(pen: Pen, x: str, others: tuple[str, ...], depth: int = 2, alone: bool = False) -> str:
    """A formula in which `x` stands, beside other names and numbers; `alone` keeps to functions of single numbers."""
    if depth == 0:
        return x
    known = ("pi", "e") if not alone else ()

    def inner(value: str) -> str:
        return formula(pen, value, others, depth - 1, alone or value != x) if pen.maybe(0.6) else value

    one = inner(x)
    other, third = (inner(pen.chance.choice((x, *others, *known, "0.7", "1.2"))) for _ in range(2))
    roll = pen.chance.random()
    if roll < 0.25:
        return pen.chance.choice(ARITHMETIC).format(one, other)
    if roll < 0.35 and not alone:
        return f"{pen.chance.choice(CALLED)}({one})"
    if roll < 0.5 and not alone:
        name = pen.chance.choice(list(REDUCED))
        pen.count("function", name)
        return REDUCED[name].format(one)
    name = pen.chance.choice([name for name in EACH if not (alone and name in NOT_IN_F64)])
    pen.count("function", name)
    return GUARDED.get(name, f"{name}({{0}})").format(one, other, third)


def definition(pen: Pen, kind: str, name: str) -> tuple[Definition, Own]:
    """A definition of a kind, and the word that it makes."""
    pen = replace(pen, used=Counter())
    pen.count("sentence", f"def {kind}")
    text, own = DEFINED[kind](pen, name)
    return Definition(name, text, pen.used), own


def parameters(pen: Pen, kind: Kind = NUMBER) -> tuple[str, dict[str, Option]]:
    """Sometimes a parameter `a`, with its default or without."""
    if pen.maybe(0.4):
        return "", {}
    required = pen.maybe(0.3)
    return ("a" if required else "a=0.7"), {"a": Option("a", kind, 0.7, required)}


def _activation(pen: Pen, name: str) -> tuple[str, Own]:
    text, options = parameters(pen)
    value = formula(pen, "x", tuple(options))
    # What a parameter is for must be read somewhere, and a value must lead a slope back.
    value = f"{value} + 0.1 * x" + "".join(f" * {o}" for o in options)
    return f"def activation {name}({', '.join(filter(None, ('x', text)))}) = {value}", Own("activation", name, options)


def _loss(pen: Pen, name: str) -> tuple[str, Own]:
    text, options = parameters(pen)
    distance = f"square(p - y) * (1 + 0.1 * tanh({formula(pen, 'p', ('y',))}))"
    whole = pen.chance.choice(
        ("mean({})", "sum({})", "0.5 * mean(sqrt(1 + {}))", "mean({}) + 0.1 * square(mean(p - y))")
    )
    value = whole.format(distance)
    for batch in ("batch_mean", "batch_sum"):
        if pen.maybe(0.2):
            pen.count("function", batch)
            value += f" + 0.01 * mean(square(tanh({batch}(p))) + 0 * p)"
    value += "".join(f" + {o} * mean(abs(p - y))" for o in options)
    return f"def loss {name}({', '.join(filter(None, ('p, y', text)))}) = {value}", Own("loss", name, options)


def _metric(pen: Pen, name: str) -> tuple[str, Own]:
    value = pen.chance.choice(
        (
            f"mean(abs(p - y) + square(tanh({formula(pen, 'p', ('y',))})))",
            "sqrt(mean(batch_mean(square(p - y))))",
            "max(abs(p - y))",
        )
    )
    return f"def metric {name}(p, y) = {value}", Own("metric", name)


def _init(pen: Pen, name: str) -> tuple[str, Own]:
    text, options = parameters(pen)
    law = pen.chance.choice(("normal", "uniform"))
    pen.count("function", law)
    drawn = {"normal": "normal()", "uniform": "(2 * uniform() - 1)"}[law]
    scale = pen.chance.choice(("sqrt(2 / (fan_in + fan_out))", "1 / sqrt(fan_in)", "0.4"))
    value = f"{scale} * ({drawn} + 0.2 * {formula(pen, drawn, ())})" + "".join(f" * {o}" for o in options)
    return f"def init {name}({text}) = {value}", Own("init", name, options)


def _schedule(pen: Pen, name: str) -> tuple[str, Own]:
    """Whatever its formula gives, the value lies between half the rate and the rate."""
    value = formula(pen, pen.chance.choice(("t", "epoch", "(step / 50)")), ("t",), alone=True)
    # tanh of what overflows is 1, and a rate is a number to the end.
    rate = Option("rate", Kind("setting", "a number of at least 0", 0), None, True)
    return f"def schedule {name}(rate) = rate * (0.75 + 0.25 * tanh({value}))", Own("schedule", name, {"rate": rate})


def _layer(pen: Pen, name: str) -> tuple[str, Own]:
    options = {"units": Option("units", Kind("whole", "a whole number", 1, 5), None, True)}
    options["bias"] = Option("bias", Kind("flag", "true or false"), True, False)
    own = pen.chance.choice(("", " init=he", " init=normal(0, 0.4) l2=0.01", " lr_scale=0.5", " init=init"))
    if "init=init" in own:
        options["init"] = Option("init", Kind("init", "an initializer"), None, False)
    heads = ["units", "bias=true", *(["init=xavier"] if "init" in options else [])]
    body = [f"weight W: [in.features, units]{own}"]
    product, again = "in @ W", pen.maybe(0.4)
    if again:
        pen.count("function", "transpose")
        body += ["weight V: [units, in.features]"]
        product = f"(in @ W) * tanh({formula(pen, '(in @ transpose(V))', (), 1)})"
    body += [
        f"z = {product}",
        "if bias {",
        "    weight b: [units] init=normal(0, 0.1)",
        "    return z + b",
        "}",
        "return z",
    ]
    return "\n".join([f"def layer {name}({', '.join(heads)}) {{", *(f"    {b}" for b in body), "}"]), Own(
        "layer", name, options
    )


def _cell(pen: Pen, name: str) -> tuple[str, Own]:
    """A state that stays between -1 and 1, and sometimes another one beside it."""
    beside, starts = pen.maybe(0.5), pen.chance.choice(("zeros", "ones"))
    body = ["weight W: [in.features, units]", f"weight U: [units, units]{pen.chance.choice(('', ' init=orthogonal'))}"]
    body += [f"state h = {pen.chance.choice(('zeros', 'ones'))}(units)"]
    z = formula(pen, "z", ("h", *(["s"] if beside else [])), alone=True)
    body += [f"state s = {starts}(units)"] if beside else []
    body += ["z = in @ W + h @ U"]
    body += ["s = 0.9 * s + 0.1 * sigmoid(h)"] if beside else []
    body += [f"h = tanh(z + 0.3 * {z}){' * s' if beside else ''}"]
    body += [f"return {pen.chance.choice(('h', 'h * 2', 'h + z'))}"]
    options = {"units": Option("units", Kind("whole", "a whole number", 1, 5), None, True)}
    text = "\n".join([f"def cell {name}(units) {{", *(f"    {b}" for b in body), "}"])
    return text, Own("cell", name, options)


def _updater(pen: Pen, name: str) -> tuple[str, Own]:
    options = {"lr": Option("lr", RATE, 0.01, False), "beta": Option("beta", SHARE, 0.8, False)}
    first = pen.chance.choice(("zeros", "ones", "0.1"))
    move = formula(pen, "m", ("g", "w"), alone=True)
    second = pen.maybe(0.5)
    body = [f"state m = {first}", *(["state v = zeros"] if second else []), "m = beta * m + (1 - beta) * g"]
    body += ["v = beta * v + (1 - beta) * g^2"] if second else []
    scale = " / (sqrt(abs(v / (1 - max(beta, 0)^t))) + 0.01)" if second else ""
    body += [f"w = w - lr * (m + 0.1 * tanh({move})){scale}"]
    return "\n".join([f"def updater {name}(lr=0.01, beta=0.8) {{", *(f"    {b}" for b in body), "}"]), Own(
        "updater", name, options
    )


DEFINED: dict[str, Callable[[Pen, str], tuple[str, Own]]] = {
    "activation": _activation,
    "loss": _loss,
    "metric": _metric,
    "init": _init,
    "schedule": _schedule,
    "layer": _layer,
    "cell": _cell,
    "updater": _updater,
}
