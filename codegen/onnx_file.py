"""The ONNX graphs: inference with its weights, and one whole training step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper, shape_inference

from ..dsl.derived_steps import Steps, derived
from ..dsl.ir import Program, Value
from ..dsl.longest import aligned, longest, shortest
from ..dsl.net import Field, Net, Output
from ..dsl.types import Type
from .about import digest, spec_file, version
from .body import Names
from .decision_nodes import Decisions
from .graph import DTYPES, Graph, add_program
from .norm_folding import Folded
from .simplify import Simplifier
from .step import next_name, step_program

OPSET = 21
# Opset to the IR version that came with it; the stock runtime refuses what is newer than itself.
IR_VERSIONS = {18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11}


def to_onnx(
    net: Net, weights: Mapping[str, Any], opset: int = OPSET, trained: bool = False, folded: Folded | None = None
) -> ModelProto:
    """The inference graph with the given weights and state by name, those that took norms in where it is `folded`."""
    source = folded.program if folded else net.programs["predict"]
    weights = folded.held(weights) if folded else weights
    program = Simplifier(source, expand=True).simplified(source)
    names = Names({*(i.name for i in program.inputs), *net.tuned})
    graph = _begin(program, names, {**_result_names(program)})
    add_program(graph, program, spec_file(net), opset >= 21)
    outputs: list[ValueInfoProto] = []
    described: list[dict[str, Any]] = []
    for output in net.outputs:
        name = _identified(graph, program.results[output.name], output.name)
        outputs.append(_info(name, output.type))
        described.append({"name": name, "shape": list(output.type.shape[1:]), **_described(output)})
    decisions = Decisions(graph, outputs, described)
    for output in net.outputs:
        decisions.add(output, weights)
    used = set(_read(graph.nodes))
    held = [*(i.name for i in program.of("weight", "state")), *net.tuned]
    stored = [
        numpy_helper.from_array(np.ascontiguousarray(weights[name], np.float32), name) for name in held if name in used
    ]
    inputs = [_info(f.name, f.type) for f in net.given]
    meta = {**metadata(net, described, trained), **_asked(net)}
    if folded:
        meta["folded"] = [name for names in folded.norms for name in names]
    return _model(net, graph, inputs, outputs, stored, meta, opset)


def to_step(net: Net, opset: int = OPSET) -> ModelProto:
    """The training step; its inputs and results are told by the `step` part of its metadata."""
    program = step_program(net)
    names = Names({i.name for i in program.inputs})
    graph = _begin(program, names, _result_names(program))
    add_program(graph, program, spec_file(net), opset >= 21)
    outputs = [
        _info(_identified(graph, value, name), Type(value.type.dtype, value.type.shape))
        for name, value in program.results.items()
    ]
    inputs = [_info(i.name, i.value.type) for i in program.inputs]
    meta = {**metadata(net, [], False), "step": _roles(net, program)}
    return _model(net, graph, inputs, outputs, [], meta, opset)


def _asked(net: Net) -> dict[str, Any]:
    """What predictions need, where that is not what training does."""
    noises = [
        {"name": f.name, "law": f.kind, "shape": list(f.shape), "doc": f.doc} for f in net.noises if f in net.given
    ]
    return {"inputs": [_field(f, net) for f in net.inputs if f in net.given], "noises": noises}


def _roles(net: Net, program: Program) -> dict[str, Any]:
    """Which inputs and results of the step graph are what."""
    of = {role: [i.name for i in program.of(role)] for role in ("weight", "state", "moment", "draw", "clock")}
    moved = [*net.trained, *net.running, *of["moment"]]
    falling = [plateau.clock for plateau in net.plateaus]
    times = [name for name in of["clock"] if name not in falling]
    return {
        "weights": of["weight"],
        "trained": list(net.trained),
        "state": of["state"],
        "moments": of["moment"],
        "draws": {name: name for name in of["draw"]},
        "clock": dict(zip(("step", "epoch"), times, strict=True)) | {name: name for name in falling},
        "losses": [
            {"name": loss.label, "output": name} for loss, name in zip(net.losses, _losses(net, program), strict=True)
        ],
        "next": {name: next_name(name) for name in moved},
    }


def _losses(net: Net, program: Program) -> list[str]:
    """The results that are losses, in their order."""
    moved = {next_name(name) for name in (*net.trained, *net.running, *net.moments)}
    return [name for name in program.results if name not in moved]


def _begin(program: Program, names: Names, results: dict[Value, str]) -> Graph:
    for given in program.inputs:
        names.of[given.value] = given.name
    given_values = {i.value for i in program.inputs}
    for value, name in results.items():
        if value not in given_values:
            names.of[value] = name
    names.taken |= set(results.values())
    return Graph(names, program)


def _result_names(program: Program) -> dict[Value, str]:
    """The name of each result's value, the first where a value is several results."""
    found: dict[Value, str] = {}
    for name, value in program.results.items():
        found.setdefault(value, name)
    return found


def _identified(graph: Graph, value: Value, name: str) -> str:
    """The name of a result, which gets a node of its own where its value has another name."""
    have = graph.names.of[value]
    if have != name:
        graph.nodes.append(helper.make_node("Identity", [have], [name], name=name))
    return name


# Outputs --------------------------------------------------------------------------------------------------------------


def _described(output: Output) -> dict[str, Any]:
    target = output.target
    kind = target.kind if target else "f32"
    return {"kind": kind, "labels": list(target.labels) if target and target.labels else None, "role": "prediction"}


def _info(name: str, type: Type) -> ValueInfoProto:
    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(DTYPES[type.dtype]))
    return helper.make_tensor_value_info(name, dtype, list(type.shape))


# The model ------------------------------------------------------------------------------------------------------------


def metadata(net: Net, outputs: list[dict[str, Any]], trained: bool) -> dict[str, Any]:
    """What the runtime needs to know of a net, for the `netc` key of a graph's metadata."""
    return {
        "version": 1,
        "netc": version(),
        "name": net.name,
        "doc": net.doc,
        "spec_file": spec_file(net),
        "spec": net.source.text,
        "libraries": net.libraries,
        "spec_sha256": digest(net),
        "defines": net.defines,
        "inputs": [_field(f, net) for f in net.inputs],
        "targets": [_field(f, net) for f in net.targets],
        "outputs": outputs,
        "train": {k: v for k, v in net.train.items() if v},
        "data": net.data,
        "streams": net.streams,
        "trained": trained,
    }


def _field(field: Field, net: Net) -> dict[str, Any]:
    steps = (*field.shape, field.counts)
    bounds = {name: most for name, most in longest(net).items() if name in field.shape}
    least = {name: size for name, size in shortest(net).items() if size > 1 and name in steps}
    return {
        "name": field.name,
        "kind": field.kind,
        "shape": list(field.shape),
        "classes": field.classes,
        "labels": list(field.labels) if field.labels else None,
        "doc": field.doc,
        **({"counts": field.counts} if field.counts else {}),
        **({"longest": bounds} if bounds else {}),
        **({"shortest": least} if least else {}),
        **({"aligned": places} if (places := _places(field, net)) else {}),
    }


def _places(field: Field, net: Net) -> list[dict[str, Any]]:
    """Among how many steps each loss looks for the places of a target's labels."""
    known = (derived(dim) or Steps("", int(dim)) for name, dim in aligned(net) if name == field.name)
    return [{"base": steps.base, "plus": steps.plus, "over": steps.over} for steps in known]


def _model(
    net: Net,
    graph: Graph,
    inputs: list[ValueInfoProto],
    outputs: list[ValueInfoProto],
    stored: list[TensorProto],
    meta: dict[str, Any],
    opset: int,
) -> ModelProto:
    used = set(_read(graph.nodes))
    constants = [tensor for name, tensor in graph.constants.items() if name in used]
    body = helper.make_graph(graph.nodes, net.name, inputs, outputs, [*stored, *constants], doc_string=net.doc)
    model = helper.make_model(
        body,
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=IR_VERSIONS[opset],
        producer_name="netc",
        producer_version=version(),
        doc_string=net.doc,
    )
    helper.set_model_props(model, {"netc": json.dumps(meta, sort_keys=True)})
    checker.check_model(model, full_check=True)  # pyright: ignore[reportUnknownMemberType]
    shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    return model


def _read(nodes: Iterable[NodeProto]) -> Iterator[str]:
    """What nodes read by name, also within the bodies of loops."""
    for node in nodes:
        yield from node.input
        for attribute in node.attribute:
            yield from _read(attribute.g.node)


def serialized(model: ModelProto) -> bytes:
    """The bytes of a model, the same for the same model."""
    return model.SerializeToString(deterministic=True)
