"""One whole training step as a program: gradients, and every weight and moment moved."""

from __future__ import annotations

from dataclasses import replace

from ..dsl.constraints import constrained
from ..dsl.ir import Builder, Equation, Program, Tensor, Value
from ..dsl.net import Net
from ..dsl.prune import prune
from .body import Names
from .gradients import loss_and_grads
from .simplify import Simplifier


def next_name(name: str) -> str:
    """The result that holds the next value of a weight, a state or a moment."""
    return f"{name}.next"


def step_program(net: Net) -> Program:
    """From batch, weights, state, moments, draws and clock to each loss, by its label, and what all these are next.

    The losses step in their order, each with the weights and the state that the former left.
    """
    gradients = [_unnamed(_bounded(loss_and_grads(net, loss), net)) for loss in net.losses]
    builder = Simplifier(gradients[0], expand=True)
    names = Names({i.name for i in gradients[0].inputs if i.role != "clock"})
    arrays = {i.name: i.value for i in gradients[0].of("weight", "state")}
    clock = _clock(builder, gradients, names)
    results: dict[str, Tensor] = {}
    for loss, gradient in zip(net.losses, gradients, strict=True):
        if loss is not net.losses[0]:
            for equation in gradient.equations:
                builder.replay(equation)
        found = {name: builder.known[value] for name, value in gradient.results.items()}
        results[names.aside(loss.label)] = found["loss"]
        builder.section = builder.undoes = None
        update = _unnamed(net.programs[loss.updater.key])
        for each in [i for i in update.of("clock") if i.name not in clock]:
            clock[each.name] = builder.input("clock", names.aside(each.name), each.value.type)
        for name in loss.trained:
            w = builder.known[arrays[name]]
            states = {
                m.name: builder.input("moment", loss.moment(name, m.name), m.type(w.shape))
                for m in loss.updater.moments
            }
            own = {o.name: builder.constant(o.of(net.weights[name]), "f64") for o in loss.updater.owns}
            given = {
                "weight": {"w": w},
                "gradient": {"g": found[f"d{name}"]},
                "moment": states,
                "own": own,
                "clock": clock,
            }
            # A state may be called as the clock or what a weight has of its own is, such as step.
            arguments = {f"{role} {key}": value for role, of in given.items() for key, value in of.items()}
            apart = replace(update, inputs=tuple(replace(i, name=f"{i.role} {i.name}") for i in update.inputs))
            moved = builder.inline(apart, arguments)
            # What steps later reads the weight as this loss left it.
            kept = constrained(moved["w"], net.weights[name].constraints)
            builder.known[arrays[name]] = results[next_name(name)] = kept
            results |= {next_name(loss.moment(name, m.name)): moved[m.name] for m in loss.updater.moments}
        for name in loss.moved:
            builder.known[arrays[name]] = results[next_name(name)] = found[name]
    values: dict[str, Value] = {name: tensor.value for name, tensor in results.items()}
    return prune(Program("step", tuple(builder.inputs), tuple(builder.equations), values)).check()


def _clock(builder: Simplifier, gradients: list[Program], names: Names) -> dict[str, Tensor]:
    """The clock by name, as far as gradients look at it; its inputs step aside where the user has their names."""
    given = {i.value: i for gradient in gradients for i in gradient.of("clock")}
    builder.inputs = [i for i in builder.inputs if i.role != "clock"]
    clock: dict[str, Tensor] = {}
    for value, each in given.items():
        builder.inputs.append(replace(each, name=names.aside(each.name)))
        clock[each.name] = builder.known[value] = Tensor(builder, value)
    return clock


def _bounded(program: Program, net: Net) -> Program:
    """The program with the gradients' bound as a number rather than an input."""
    limits = program.of("limit")
    if not limits:
        return program
    builder = Builder()
    known = {limit.value: builder.constant(float(net.train[limit.name])).value for limit in limits}
    moved = [replace(e, args=tuple(known.get(a, a) for a in e.args)) for e in program.equations]
    inputs = tuple(i for i in program.inputs if i.role != "limit")
    return replace(program, inputs=inputs, equations=(*builder.equations, *moved))


def _unnamed(program: Program) -> Program:
    """The program with settings as plain numbers, which fold."""
    return program.with_equations(_plain(e) for e in program.equations)


def _plain(equation: Equation) -> Equation:
    named = equation.op.name == "constant" and equation.attrs["name"]
    return replace(equation, attrs={**equation.attrs, "name": ""}) if named else equation
