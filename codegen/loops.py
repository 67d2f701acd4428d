"""The way back through loops over steps: a loop that goes from the last step to the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..dsl.ir import Builder, Equation, Program, Tensor, Value
from ..dsl.loop import Loop
from ..dsl.ops import broadcast_like, scan, total
from ..dsl.ops.recurrence import before
from ..dsl.prune import prune

Differentiate = Callable[[Builder, Program, Value, set[Value]], dict[Value, Tensor]]


def back_through(
    builder: Builder, equation: Equation, given: Sequence[Tensor | None], differentiate: Differentiate
) -> tuple[Tensor | None, ...]:
    """The gradients of a loop's arguments from those of its results.

    The loop back carries the gradients of what the loop carries, and sums those of the constants. It computes each step
    again from the state before it, which the loop gives: its last results are what it carries, step by step.
    """
    loop: Loop = equation.attrs["loop"]
    args = [Tensor(builder, a) for a in equation.args]
    firsts, sequences, constants = _dealt(args, loop)
    states = [Tensor(builder, r) for r in equation.results[len(equation.results) - loop.carries :]]
    earlier = [before(h, first).named("earlier") for h, first in zip(states, firsts, strict=True)]
    reading = [k for k, gradient in enumerate(given) if gradient is not None]
    back, summed = _loop_back(loop, reading, differentiate)
    read = [gradient for gradient in given if gradient is not None]
    found = list(scan.scan(*read, *sequences, *earlier, *constants, loop=back))
    dfirsts, rest = found[: loop.carries], found[loop.carries :]
    dconstants, dsequences = dict(zip(summed, rest, strict=False)), rest[len(summed) :]
    return (*dfirsts, *dsequences, *(dconstants.get(k) for k in range(len(constants))))


def _dealt(values: list[Tensor], loop: Loop) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    end = loop.carries + loop.given
    return values[: loop.carries], values[loop.carries : end], values[end:]


def _loop_back(loop: Loop, reading: list[int], differentiate: Differentiate) -> tuple[Loop, list[int]]:
    """The loop back for gradients of some of the steps' results, and the constants whose gradients it sums."""
    program, builder = loop.program, Builder()
    outputs = list(program.results.values())
    results = [*outputs[: loop.carries], *(outputs[loop.carries + k] for k in reading)]
    carried, given, constants = (list(program.of(role)) for role in ("carry", "step", "constant"))
    summed = [k for k, each in enumerate(constants) if each.value.type.dtype == "f32"]
    gradients = [builder.input("carry", f"d{i.name}", i.value.type) for i in carried]
    sums = [builder.input("carry", f"d{constants[k].name}", constants[k].value.type) for k in summed]
    ranks = [str(n) if n > 1 else "" for n in range(1, len(reading) + 1)]
    gradients += [
        builder.input("step", f"dy{n}", value.type) for n, value in zip(ranks, results[loop.carries :], strict=True)
    ]
    builder.inputs += [*given, *(replace(i, role="step") for i in carried), *constants]
    builder.equations += program.equations
    # The gradient of the sum of all results, each times what is its own: so each gets its own.
    parts = [Tensor(builder, v) * g for v, g in zip(results, gradients, strict=True)]
    wholes = [total(part, axes=tuple(range(len(part.shape))), keepdims=False) for part in parts]
    loss = wholes[0]
    for whole in wholes[1:]:
        loss = loss + whole
    wanted = [*(i.value for i in carried), *(constants[k].value for k in summed), *(i.value for i in given)]
    forward = builder.program(f"{loop.name}_grad", {"loss": loss})
    found = differentiate(builder, forward, loss.value, set(wanted))
    new = [found.get(value) or _zeros(Tensor(builder, value)) for value in wanted]
    for k, each in enumerate(sums, len(carried)):
        new[k] = _added(each, new[k])
    back = prune(builder.program(f"{loop.name}_grad", {f"r{k}": tensor for k, tensor in enumerate(new)}))
    steps = len(reading) + len(given) + len(carried)
    return Loop(back, len(carried) + len(sums), steps, backwards=True, undoes=loop), summed


def _zeros(like: Tensor) -> Tensor:
    return broadcast_like(like.builder.constant(0.0), like)


def _added(total: Tensor, part: Tensor) -> Tensor:
    """A sum by the name of what it was before, without a name for what is added."""
    part.value.hint = ""
    return (total + part).named(total.value.hint)
