"""The program of one gradient: the loss of a batch and the gradient of each trained weight."""

from __future__ import annotations

from typing import Any

from ..dsl.ir import Input, Op, Program, Tensor, Value, handles
from ..dsl.net import LossInfo, Net
from ..dsl.ops import broadcast_like
from ..dsl.ops.gradients import clip_by_norm, clip_by_value, normalized
from ..dsl.prune import prune
from ..dsl.section import Section
from ..dsl.types import Type
from .autodiff import backward
from .simplify import Simplifier

# What train may ask for, under whose name the trainer takes it too: the primitive, what a heading says of it, and the
# argument with which the trainer leaves the gradients as they are.
NORMALISATIONS: dict[str, tuple[Op, str, bool | None]] = {
    "clip_norm": (clip_by_norm, "clip_norm bounds {}", None),
    "clip_value": (clip_by_value, "clip_value bounds each element of the gradients", None),
    "renormalize": (normalized, "renormalize makes {} 1", False),
}
NORMS = {
    None: "the joint norm of the gradients",
    "all": "the joint norm of the gradients",
    "layer": "the norm of each layer's gradients",
    "weight": "the norm of each gradient",
}


def normalisation(net: Net) -> str | None:
    """What is done with the gradients of the data's loss, by the name of the setting; None where nothing is."""
    return next((name for name in NORMALISATIONS if net.train[name]), None)


def normalisation_heading(net: Net, asked: str) -> str:
    """What a heading says of what is done with the gradients."""
    return NORMALISATIONS[asked][1].format(NORMS[net.train["norm_per"]])


def loss_and_grads(net: Net, loss: LossInfo, apart: bool = False) -> Program:
    """The results `loss`, for each weight that the loss moves `d` + its name, and what it leaves of states by name.

    The gradients of the data's loss are clipped before those of l1 and l2 are added; or, `apart`, neither is done, and
    the results `penalty` + name are what to add.
    """
    program = net.programs[loss.key]
    builder = Simplifier(program, expand=True)
    simple = builder.simplified(program)
    trained = set(loss.trained)
    weights = {i.name: i.value for i in program.of("weight") if i.name in trained}
    asked, added = normalisation(net), dict[str, Value]()
    if asked is None:
        found = _gradients(builder, simple, "loss", weights)
    else:
        found = _gradients(builder, simple, "data_loss" if "data_loss" in simple.results else "loss", weights)
        found = found if apart else _normalised(builder, net, asked, found)
        if "penalty" in simple.results:
            extra = backward(builder, simple, simple.results["penalty"], weights.values(), named=False)
            for name, value in weights.items():
                if value in extra and apart:
                    added[f"penalty{name}"] = extra[value].value
                elif value in extra:
                    found[name] = (found[name] + extra[value]).named(f"d{name}")
    results: dict[str, Value] = {"loss": simple.results["loss"], **added}
    results |= {f"d{name}": gradient.value for name, gradient in found.items()}
    results |= {name: simple.results[name] for name in loss.moved}
    inputs: tuple[Input, ...] = tuple(builder.inputs)
    return prune(Program(loss.function, inputs, tuple(builder.equations), results)).check()


def _normalised(builder: Simplifier, net: Net, asked: str, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """The gradients, bounded or brought to the norm 1 in the groups that the spec asks for."""
    op, per = NORMALISATIONS[asked][0], net.train["norm_per"]
    builder.section, builder.undoes = Section(normalisation_heading(net, asked)), None
    limit = builder.input("limit", asked, Type("f32", ()))
    groups: dict[Any, list[str]] = {}
    for name in found:
        key = {"layer": net.weights[name].section, "weight": name}.get(per)
        groups.setdefault(key, []).append(name)
    for names in groups.values():
        results = handles(op(limit, *(found[name] for name in names)))
        found |= {name: g.named(f"d{name}") for name, g in zip(names, results, strict=True)}
    return found


def _gradients(builder: Simplifier, program: Program, of: str, weights: dict[str, Value]) -> dict[str, Tensor]:
    found = backward(builder, program, program.results[of], weights.values())
    return {
        name: found[value] if value in found else broadcast_like(builder.constant(0.0), Tensor(builder, value))
        for name, value in weights.items()
    }
