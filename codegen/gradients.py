"""The program of one gradient: the loss of a batch and the gradient of each trained weight."""

from __future__ import annotations

from ..dsl.ir import Input, Program, Section, Tensor, Value
from ..dsl.net import Net
from ..dsl.ops import broadcast_like
from ..dsl.ops.gradients import clip_by_norm
from ..dsl.prune import prune
from ..dsl.types import Type
from .autodiff import backward
from .simplify import Simplifier

# The input that bounds the gradients' joint norm, where the spec asks for that.
CLIP = "clip_norm"


def loss_and_grads(net: Net) -> Program:
    """The results `loss` and, for each trained weight, `d` + its name.

    The gradients of the data's loss are clipped before those of l1 and l2 are added.
    """
    program = net.programs["loss"]
    builder = Simplifier(program, expand=True)
    simple = builder.simplified(program)
    trained = set(net.trained)
    weights = {i.name: i.value for i in program.of("weight") if i.name in trained}
    if not net.train["clip_norm"]:
        found = _gradients(builder, simple, "loss", weights)
    else:
        found = _gradients(builder, simple, "data_loss" if "data_loss" in simple.results else "loss", weights)
        builder.section, builder.undoes = Section("clip_norm bounds the joint norm of the gradients"), None
        limit = builder.input("limit", CLIP, Type("f32", ()))
        clipped = clip_by_norm(limit, *found.values())
        found = {name: g.named(f"d{name}") for name, g in zip(found, clipped, strict=True)}
        if "penalty" in simple.results:
            extra = backward(builder, simple, simple.results["penalty"], set(weights.values()), named=False)
            for name, value in weights.items():
                if value in extra:
                    found[name] = (found[name] + extra[value]).named(f"d{name}")
    results: dict[str, Value] = {"loss": simple.results["loss"]}
    results |= {f"d{name}": gradient.value for name, gradient in found.items()}
    inputs: tuple[Input, ...] = tuple(builder.inputs)
    return prune(Program("loss_and_grads", inputs, tuple(builder.equations), results)).check()


def _gradients(builder: Simplifier, program: Program, of: str, weights: dict[str, Value]) -> dict[str, Tensor]:
    found = backward(builder, program, program.results[of], set(weights.values()))
    return {
        name: found[value] if value in found else broadcast_like(builder.constant(0.0), Tensor(builder, value))
        for name, value in weights.items()
    }
