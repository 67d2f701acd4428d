"""What an inference graph says beyond its predictions: the decisions that they come to, and the classes' names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper

from ..dsl.net import Output
from .graph import Graph


class Decisions:
    """Adds to a graph the decision of each class or binary output; `outputs` and `described` get a row for each."""

    def __init__(self, graph: Graph, outputs: list[ValueInfoProto], described: list[dict[str, Any]]):
        self.graph, self.outputs, self.described = graph, outputs, described

    def add(self, output: Output, weights: Mapping[str, Any]) -> None:
        """The decision of an output, and its label where labels have names."""
        kind = output.target.kind if output.target else ""
        batch = output.type.shape[:-1]
        if kind == "class":
            chosen = self._class(output)
            self._tell(chosen, TensorProto.INT64, batch, "class", output, _threshold(output, weights))
            labels = output.target.labels if output.target else None
            if labels:
                words = self.graph.constant(np.array(labels, dtype=object), "labels")
                label = self._node(f"{output.name}_label", "Gather", [words, chosen])
                self._tell(label, TensorProto.STRING, batch, "label", output)
        elif kind == "binary":
            above = self._node(f"{output.name}_above", "GreaterOrEqual", [output.name, self._limit(output)])
            decision = self._node(f"{output.name}_decision", "Cast", [above], to=TensorProto.INT64)
            shape = output.type.shape
            self._tell(decision, TensorProto.INT64, shape, "decision", output, _threshold(output, weights))

    def _class(self, output: Output) -> str:
        """The most probable class, the one of the lowest expected cost, or 1 of two from a threshold on."""
        name, threshold = f"{output.name}_class", output.threshold
        if threshold is None:
            return self._node(name, "ArgMax", [output.name], axis=-1, keepdims=0)
        if threshold.costs:
            costs = self.graph.constant(np.array(threshold.costs, np.float32), "costs")
            expected = self._node(f"{output.name}_costs", "MatMul", [output.name, costs])
            return self._node(name, "ArgMin", [expected], axis=-1, keepdims=0)
        column = self.graph.constant(np.array(1, np.int64))
        second = self._node(f"{output.name}_second", "Gather", [output.name, column], axis=-1)
        above = self._node(f"{output.name}_above", "GreaterOrEqual", [second, self._limit(output)])
        return self._node(name, "Cast", [above], to=TensorProto.INT64)

    def _limit(self, output: Output) -> str:
        """The value from which on it is decided for 1."""
        threshold = output.threshold
        if threshold is not None and threshold.tuned:
            return threshold.tuned.state
        number = 0.5 if threshold is None else threshold.number
        return self.graph.constant(np.array(number, np.float32))

    def _node(self, name: str, operator: str, inputs: list[str], **attributes: Any) -> str:
        name = self.graph.names.fresh(name)
        self.graph.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def _tell(
        self,
        name: str,
        dtype: int,
        shape: tuple[Any, ...],
        role: str,
        of: Output,
        threshold: dict[str, Any] | None = None,
    ) -> None:
        self.outputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        told = {"threshold": threshold} if threshold else {}
        self.described.append({"name": name, "role": role, "of": of.name, **told})


def _threshold(output: Output, weights: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the metadata says of an output's threshold."""
    threshold = output.threshold
    if threshold is None:
        return None
    if threshold.costs:
        return {"kind": "costs", "value": [list(row) for row in threshold.costs]}
    if threshold.tuned:
        value = np.asarray(weights[threshold.tuned.state], np.float32).tolist()
        return {"kind": "tuned", "metric": threshold.tuned.metric, "value": value}
    return {"kind": "fixed", "value": threshold.number}
