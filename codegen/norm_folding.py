"""Folds batchnorm into the weights and the bias right before it, as a model that only predicts allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..dsl.ir import Builder, Equation, Program, Tensor, Value
from ..dsl.net import Net
from ..dsl.ops import reshape
from ..dsl.ops.elementwise import is_constant
from ..dsl.types import Type
from .simplify import Simplifier


def _of_filters(factors: Any, w: Any, groups: int) -> Any:
    """The factors of the outputs beside a weight whose first axis they are."""
    return factors.reshape(-1, *[1] * (w.ndim - 1))


def _of_outputs(factors: Any, w: Any, groups: int) -> Any:
    """The factors beside a weight whose second axis are the outputs of the group that its first axis lies in."""
    apart = factors.reshape(groups, -1, *[1] * (w.ndim - 2))
    return np.repeat(apart, len(w) // groups, axis=0)


# What multiplies by a weight, its second argument, and where its outputs are among the weight's axes.
PRODUCTS = {"conv": _of_filters, "conv_transpose": _of_outputs, "matmul": _of_outputs}


@dataclass(frozen=True)
class Norm:
    """A use of batchnorm that normalises nothing but the product with a weight, and a bias that is added to it, if any.

    `arrays` are the names of the weight, the bias (or None), gamma, beta, mean and variance; a number stands for
    itself.
    """

    equation: Equation
    product: Equation
    shift: Equation | None
    arrays: tuple[str | float | None, ...]

    @property
    def key(self) -> tuple[Any, ...]:
        """What the folded arrays are made of."""
        return *self.arrays, self.equation.attrs["eps"]

    def folded(self, weights: Mapping[str, Any]) -> tuple[Any, Any]:
        """The weight and the bias with the norm in them, in float64."""
        given = (weights[a] if isinstance(a, str) else a or 0.0 for a in self.arrays)
        w, b, gamma, beta, mean, var = (np.asarray(a, np.float64) for a in given)
        factors = np.broadcast_to(gamma / np.sqrt(var + self.equation.attrs["eps"]), mean.shape)
        beside = PRODUCTS[self.product.op.name](factors, w, self.product.attrs.get("groups", 1))
        return w * beside, (b - mean) * factors + beta


@dataclass(frozen=True)
class Folded:
    """The predictions of a net without the norms that could be folded, each by the weight and bias that took it in.

    `notes` tell what was folded, and what was not and why.
    """

    program: Program
    norms: Mapping[tuple[str, str], Norm]
    notes: tuple[str, ...]

    def held(self, weights: Mapping[str, Any]) -> dict[str, Any]:
        """What the graph holds, beside weights that stay as they are."""
        found = {
            name: np.asarray(array, np.float32)
            for names, norm in self.norms.items()
            for name, array in zip(names, norm.folded(weights), strict=True)
        }
        return {**weights, **found}


def fold_norms(net: Net) -> Folded:
    """Fold each batchnorm whose input is the product with a weight that nothing else reads, or that and a bias."""
    source = net.programs["predict"]
    program = Simplifier(source, expand=True).simplified(source)
    found = _Search(program)
    biases = {norm.arrays[0]: norm.arrays[1] or _bias_name(net, str(norm.arrays[0])) for norm in found.norms}
    norms = {(str(norm.arrays[0]), str(biases[norm.arrays[0]])): norm for norm in found.norms}
    without = _without(program, found.norms, {str(weight): str(bias) for weight, bias in biases.items()})
    return Folded(without, norms, tuple(found.notes()))


def _bias_name(net: Net, weight: str) -> str:
    """The bias that the layer of a weight would have, but for an underscore where something else is called so."""
    section = net.weights[weight].section
    name = section.named(f"b{section.suffix}")
    taken = {*net.weights, *net.states, *(f.name for f in (*net.inputs, *net.noises)), *(o.name for o in net.outputs)}
    while name in taken:
        name += "_"
    return name


def _without(program: Program, norms: list[Norm], biases: Mapping[str, str]) -> Program:
    """The program without norms, in the place of which a bias is added where there was none."""
    at = {norm.equation: norm for norm in norms}
    builder = Builder(inputs=list(program.inputs))
    new: dict[str, Tensor] = {}
    known: dict[Value, Value] = {}
    for equation in program.equations:
        norm = at.get(equation)
        if norm is None:
            builder.equations.append(replace(equation, args=tuple(known.get(a, a) for a in equation.args)))
            continue
        result = equation.args[0]
        if norm.shift is None:
            builder.section, builder.origin = equation.section, equation.origin
            name, channels = biases[str(norm.arrays[0])], result.type.shape[1]
            if name not in new:
                new[name] = builder.input("weight", name, Type("f32", (channels,)))
            ones = [1] * (result.type.rank - 2)
            beside = reshape(new[name], shape=(channels, *ones)) if ones else new[name]
            result = (Tensor(builder, result) + beside).value
        result.hint = equation.result.hint
        known[equation.result] = result
    results = {name: known.get(value, value) for name, value in program.results.items()}
    program = program.with_equations(builder.equations, results)
    return replace(program, inputs=tuple(i for i in builder.inputs if i.value in program.uses)).check()


class _Search:
    """Finds the uses of batchnorm that can be folded, and says of the others why they cannot."""

    def __init__(self, program: Program):
        self.program = program
        self.weights = {i.value: i.name for i in program.of("weight")}
        self.names = self.weights | {i.value: i.name for i in program.of("state")}
        self.readers: dict[Value, list[Equation]] = {}
        for equation in program.equations:
            for value in equation.args:
                self.readers.setdefault(value, []).append(equation)
        self.norms: list[Norm] = []
        self.reasons: list[tuple[Equation, str]] = []
        groups: dict[Any, list[Norm]] = {}
        for equation in program.equations:
            if equation.op.name == "batchnorm_predict":
                found = self._norm(equation)
                if isinstance(found, Norm):
                    groups.setdefault(found.arrays[0], []).append(found)
                else:
                    self.reasons.append((equation, found))
        for group in groups.values():
            if self._alone(group):
                self.norms += group
            else:
                self.reasons += [(norm.equation, "the weights before it are read elsewhere too") for norm in group]

    def _norm(self, equation: Equation) -> Norm | str:
        """A use that stands behind a product, or why it cannot be folded."""
        value = equation.args[0]
        product, shift, bias = self.program.producers.get(value), None, None
        if product is not None and product.op.name == "add":
            shift, ends = product, (product.args, product.args[::-1])
            found = [(a, b) for a, b in ends if self._is_bias(b, equation)]
            product, bias = (self.program.producers.get(found[0][0]), found[0][1]) if found else (None, None)
        if product is None or product.op.name not in PRODUCTS or product.args[1] not in self.weights:
            return "no conv, deconv, depthwise, separable or dense stands right before it"
        if any(self.program.uses[v] > 1 for v in (value, product.result)):
            return "what it normalises is read elsewhere too"
        arrays = (bias and self._array(bias), *(self._array(a) for a in equation.args[1:]))
        return Norm(equation, product, shift, (self.weights[product.args[1]], *arrays))

    def _is_bias(self, value: Value, equation: Equation) -> bool:
        """Whether a value is a weight with a number for each of the features that a norm has."""
        array = self._viewed(value)
        return array in self.weights and array.type.shape == equation.args[3].type.shape

    def _viewed(self, value: Value) -> Value:
        """The value that another is a view of."""
        equation = self.program.producers.get(value)
        return equation.args[0] if equation is not None and equation.op.name == "reshape" else value

    def _array(self, value: Value) -> str | float:
        """The name of a weight or a state, whatever its shape; or a number."""
        equation = self.program.producers.get(value)
        if equation is not None and is_constant(equation):
            return float(equation.attrs["number"])
        return self.names[self._viewed(value)]

    def _alone(self, group: list[Norm]) -> bool:
        """Whether norms with the same numbers are behind all that reads the weight and the bias of a group."""
        arrays = [value for value, name in self.weights.items() if name in group[0].arrays[:2]]
        readers = {id(e) for value in arrays for e in self._readers(value)}
        own = {id(e) for norm in group for e in (norm.product, norm.shift)}
        return readers <= own and len({norm.key for norm in group}) == 1

    def _readers(self, value: Value) -> list[Equation]:
        """What reads a value, in whatever shape."""
        found = self.readers.get(value, [])
        views = [e for e in found if e.op.name == "reshape"]
        return [e for e in found if e not in views] + [e for view in views for e in self._readers(view.result)]

    def notes(self) -> list[str]:
        """What was folded, and for each line that has something else, why it was not."""
        count = len(self.norms) + len(self.reasons)
        if not count:
            return ["nothing to fold: the net has no batchnorm"]
        why = {f"the batchnorm of line {e.origin[-1].line} is not folded: {reason}" for e, reason in self.reasons}
        return [f"{len(self.norms)} of {count} uses of batchnorm are folded", *sorted(why)]
