"""One whole training step as a program: gradients, and every weight and moment moved."""

from __future__ import annotations

from dataclasses import replace

from ..dsl.ir import Builder, Equation, Program, Tensor, Value
from ..dsl.net import Net
from ..dsl.prune import prune
from ..dsl.types import Type
from .body import Names
from .gradients import loss_and_grads
from .simplify import Simplifier


def next_name(name: str) -> str:
    """The result that holds the next value of a weight or a moment."""
    return f"{name}.next"


def step_program(net: Net) -> Program:
    """From batch, weights, moments, draws and clock to `loss` and the next weights and moments."""
    gradient = _unnamed(_bounded(loss_and_grads(net), net))
    builder = Simplifier(gradient, expand=True)
    simple = builder.simplified(gradient)
    builder.section = builder.undoes = None
    update = _unnamed(net.programs["update"])
    names = Names({i.name for i in gradient.inputs})
    clock = {i.name: builder.input("clock", names.aside(i.name), i.value.type) for i in update.of("clock")}
    weights = {i.name: Tensor(builder, i.value) for i in gradient.of("weight")}
    results = {names.aside("loss"): Tensor(builder, simple.results["loss"])}
    for name in net.trained:
        w = weights[name]
        states = {m: builder.input("moment", f"{name}.{m}", Type("f32", w.shape)) for m in net.moments}
        gradient_of_w = Tensor(builder, simple.results[f"d{name}"])
        moved = builder.inline(update, {"w": w, "g": gradient_of_w, **states, **clock})
        results[next_name(name)] = moved["w"]
        results |= {next_name(f"{name}.{m}"): moved[m] for m in net.moments}
    values: dict[str, Value] = {name: tensor.value for name, tensor in results.items()}
    return prune(Program("step", tuple(builder.inputs), tuple(builder.equations), values)).check()


def _bounded(program: Program, net: Net) -> Program:
    """The program with the gradients' bound as a number rather than an input."""
    limits = program.of("limit")
    if not limits:
        return program
    builder = Builder()
    bound = builder.constant(net.train["clip_norm"])
    known = {limit.value: bound.value for limit in limits}
    moved = [replace(e, args=tuple(known.get(a, a) for a in e.args)) for e in program.equations]
    inputs = tuple(i for i in program.inputs if i.role != "limit")
    return replace(program, inputs=inputs, equations=(*builder.equations, *moved))


def _unnamed(program: Program) -> Program:
    """The program with settings as plain numbers, which fold."""
    return program.with_equations(_plain(e) for e in program.equations)


def _plain(equation: Equation) -> Equation:
    named = equation.op.name == "constant" and equation.attrs["name"]
    return replace(equation, attrs={**equation.attrs, "name": ""}) if named else equation
