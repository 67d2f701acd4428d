"""A graph of ONNX nodes under construction: what the `onnx` fact of an op builds with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from ..dsl.ir import Equation, Program, Value
from ..dsl.loop import Loop
from ..dsl.ops.elementwise import is_constant
from ..dsl.prune import prune
from ..dsl.types import Type
from .body import Names
from .simplify import Simplifier

DTYPES = {"f32": np.float32, "f64": np.float64, "i64": np.int64, "u8": np.uint8, "bool": np.bool_}


class Graph:
    """Nodes and constants; an operator's name as a method adds a node and returns the name of its result.

    `g.MatMul(a, b)` adds a MatMul of the values named a and b.
    """

    def __init__(self, names: Names, program: Program):
        self.names, self.program, self.producers, self.uses = names, program, program.producers, program.uses
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}
        self._known: dict[Any, str] = {}

    def __getattr__(self, operator: str) -> Any:
        if not operator[0].isupper():
            raise AttributeError(operator)
        return partial(self.node, operator)

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one result; its name is provisional until `finish`."""
        return self.several(operator, 1, *inputs, **attributes)[0]

    def several(self, operator: str, count: int, *inputs: str, **attributes: Any) -> tuple[str, ...]:
        """Add a node of several results."""
        names = tuple(self.names.fresh(operator.lower()) for _ in range(count))
        self.nodes.append(helper.make_node(operator, list(inputs), list(names), **attributes))
        return names

    # Constants --------------------------------------------------------------------------------------------------------

    def constant(self, array: Any, stem: str = "constant") -> str:
        """The name of an initializer that holds an array; equal arrays share one."""
        array = np.ascontiguousarray(array) if np.ndim(array) else np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            name = self.names.fresh(stem)
            self.constants[name] = numpy_helper.from_array(array, name)
            self._known[key] = name
        return self._known[key]

    def ints(self, values: Iterable[int]) -> str:
        """A list of whole numbers."""
        return self.constant(np.array(list(values), np.int64), "shape")

    def scalar(self, number: float, type: Type) -> str:
        """A number in the precision of a type."""
        return self.constant(np.array(number, DTYPES[type.dtype]))

    def zero(self, equation: Equation) -> str:
        """0 in the precision of an equation's result."""
        return self.scalar(0, equation.results[0].type)

    def one(self, equation: Equation) -> str:
        """1 in the precision of an equation's result."""
        return self.scalar(1, equation.results[0].type)

    def reads(self, *values: Value) -> bool:
        """Whether anything reads one of the values."""
        return any(value in self.uses for value in values)

    def reads_only(self, op: str, value: Value) -> bool:
        """Whether all that reads a value, if anything does, are equations of one op."""
        readers = (equation for equation in self.program.equations if equation.op.name == op)
        return self.uses.get(value, 0) == sum(arg is value for equation in readers for arg in equation.args)

    def is_zero(self, value: Value) -> bool:
        """Whether a value is the literal 0."""
        return is_constant(self.producers.get(value), 0)

    def dtype(self, type: Type) -> int:
        """ONNX's number for a dtype."""
        return helper.np_dtype_to_tensor_dtype(np.dtype(DTYPES[type.dtype]))

    def number(self, name: str, type: Type) -> str:
        """A value as floating-point numbers; truth values become 0 and 1."""
        return self.Cast(name, to=TensorProto.FLOAT) if type.dtype in ("bool", "i64") else name

    # Loops ------------------------------------------------------------------------------------------------------------

    def scan(
        self,
        loop: Loop,
        carried: Sequence[str],
        given: Sequence[str],
        constants: Sequence[str],
        wanted: Sequence[bool] | None = None,
    ) -> list[str]:
        """Add a Scan over the steps; the names of what it carries in the end, and of what its steps give.

        What steps give is left out where it is not `wanted`; its name is then empty.
        """
        program = Simplifier(loop.program, expand=True).simplified(loop.program)
        kept = [True] * len(carried) + (list(wanted) if wanted else [True] * len(loop.outputs))
        results = {name: value for (name, value), keep in zip(program.results.items(), kept, strict=True) if keep}
        program = prune(program.with_equations(program.equations, results))
        sequences = [self._along(x, i.value.type.rank, 1, loop) for x, i in zip(given, program.of("step"), strict=True)]
        attributes = {"body": self._step(program, constants), "num_scan_inputs": len(given)}
        found = list(self.several("Scan", len(results), *carried, *sequences, **attributes))
        for k, value in list(enumerate(results.values()))[len(carried) :]:
            found[k] = self._along(found[k], value.type.rank, 0, loop)
        names = iter(found)
        return [next(names) if keep else "" for keep in kept]

    def _step(self, program: Program, constants: Sequence[str]) -> GraphProto:
        """The graph of one step, which reads what is known outside by the names that it has there."""
        inner = Graph(Names(self.names.taken, {}, self.names.counts), program)
        inner.constants, inner._known = self.constants, self._known
        for each, name in zip(program.of("constant"), constants, strict=True):
            inner.names.of[each.value] = name
        entering = [i for i in program.inputs if i.role != "constant"]
        inputs = [_told(inner.names.give(i.value, i.role), i.value.type) for i in entering]
        add_program(inner, program, "", True)
        outputs: list[ValueInfoProto] = []
        for value in program.results.values():
            name = inner.names.of[value]
            # A result is one of the body's own, and each has a name of its own.
            known = value not in inner.producers or name in {output.name for output in outputs}
            outputs.append(_told(inner.Identity(name) if known else name, value.type))
        return helper.make_graph(inner.nodes, self.names.fresh("body"), inputs, outputs)

    def _along(self, name: str, rank: int, axis: int, loop: Loop) -> str:
        """Steps of a rank each, moved from the second axis to the first or back, and in the order of the loop.

        Scan can do both itself, but ONNX's reference runtime cannot.
        """
        if loop.backwards:
            end = np.iinfo(np.int64).min
            name = self.Slice(name, self.ints((-1,)), self.ints((end,)), self.ints((axis,)), self.ints((-1,)))
        return self.Transpose(name, perm=[1, 0, *range(2, rank + 1)])

    # Equations --------------------------------------------------------------------------------------------------------

    def equation(self, equation: Equation, source: str, typed_nodes: bool) -> None:
        """Add the nodes of an equation; its results get the names of their values."""
        op = equation.op
        if op.name == "constant":
            value = equation.results[0]
            self.names.of[value] = self.scalar(equation.attrs["number"], value.type)
            return
        assert op.onnx is not None, f"{op.name} has no ONNX form"
        start = len(self.nodes)
        args = [self.names.of[a] for a in equation.args]
        found: Any = self.node(op.onnx, *args) if isinstance(op.onnx, str) else op.onnx(self, equation, *args)
        results: tuple[str, ...] = (found,) if isinstance(found, str) else found
        self._finish(equation, results, start, source, typed_nodes)

    def _finish(self, equation: Equation, found: Sequence[str], start: int, source: str, typed_nodes: bool) -> None:
        """Name the results as their values, and every node after its result and its place in the spec."""
        made = {output for node in self.nodes[start:] for output in node.output}
        final: dict[str, str] = {}
        for value, name in zip(equation.results, found, strict=True):
            if value in self.names.of and (name not in made or name in final):
                self.nodes.append(helper.make_node("Identity", [name], [self.names.of[value]]))
            elif name in made and name not in final:
                final[name] = self.names.give(value, value.hint or equation.op.name)
            else:
                self.names.of[value] = final.get(name, name)
        for node in self.nodes[start:]:
            node.input[:] = [final.get(name, name) for name in node.input]
            node.output[:] = [final.get(name, name) for name in node.output]
            node.name = node.output[0]
            if source and typed_nodes:
                node.metadata_props.add(key="source", value=source)
            elif source:
                node.doc_string = source


def _told(name: str, type: Type) -> ValueInfoProto:
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(np.dtype(DTYPES[type.dtype])), list(type.shape)
    )


def add_program(graph: Graph, program: Program, source_name: str, typed_nodes: bool) -> None:
    """Add every equation of a program, each with the line of the spec that it comes from."""
    for equation in biased(program).equations:
        line = f"{source_name}:{equation.origin[0].line}" if equation.origin else ""
        graph.equation(equation, line, typed_nodes)


# What takes a bias for each channel as a third argument in a graph.
BIASED = ("conv", "conv_transpose")


def biased(program: Program) -> Program:
    """The program in which a convolution has the bias that is added to it among its arguments, as ONNX has it."""
    joined: dict[Equation, Equation] = {}
    for equation in program.equations:
        for product, shift in (equation.args, equation.args[::-1]) if equation.op.name == "add" else ():
            found, view = program.producers.get(product), program.producers.get(shift)
            alone = found is not None and found.op.name in BIASED and program.uses[product] == 1
            if found and view and alone and _per_channel(view, found):
                joined[equation] = replace(found, args=(*found.args, view.args[0]), results=equation.results)
    return prune(program.with_equations(joined.get(e, e) for e in program.equations)) if joined else program


def _per_channel(view: Equation, product: Equation) -> bool:
    """Whether an equation brings a vector with a number for each channel beside an image."""
    channels, *places = product.result.type.shape[1:]
    return (
        view.op.name == "reshape"
        and view.args[0].type.shape == (channels,)
        and (view.result.type.shape == (channels, *[1] * len(places)))
    )
