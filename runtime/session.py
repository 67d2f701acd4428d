"""Running an exported model: named, checked arrays in, named arrays or labelled predictions out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import ort
from .errors import Fault, did_you_mean, listed
from .fields import Array, check_counts, conform
from .metadata import Field, Metadata, Noise, Output
from .noise import draw_noise
from .ort import Device, Provider
from .steps import check_steps

DTYPES = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(double)": np.dtype(np.float64),
    "tensor(int64)": np.dtype(np.int64),
    "tensor(bool)": np.dtype(np.bool_),
    "tensor(string)": np.dtype(object),
}


@dataclass(frozen=True)
class Prediction:
    """What a model says of a batch under one output's name.

    `values` are the numbers, for a class the probabilities (N, classes). `ids` are class ids (N,) or a binary's
    decisions (N, 1), else None. `labels` are the classes' names, where the spec has them. Over steps there is an axis
    more: ids (N, T), and a list of names for each example.
    """

    values: Array
    ids: Array | None = None
    labels: list[Any] | None = None


class Session:
    """A model that `netc` exported, loaded into ONNX Runtime.

    >>> session = Session("iris.onnx")
    >>> session.run(flower=[[5.1, 3.5, 1.4, 0.2]])["species_label"]
    array(['setosa'], dtype=object)

    `provider` asks for where it runs: `cpu`, `cuda`, which is refused with a Fault if the session does not get it, or
    `auto`, CUDA where it can be had. The attribute `provider` says which it is, `provider_reason` why. `threads`
    bounds the threads inside one operator; by default there is one for each core. Raises Fault: `model-unreadable`,
    `model-foreign`, `provider-missing`, `file-missing`.
    """

    def __init__(self, model: str | Path | bytes, provider: Provider = "auto", threads: int | None = None):
        self._where = "the model" if isinstance(model, bytes) else str(model)
        opened = ort.open_session(model, provider, threads)
        self._session = opened.session
        self._metadata = metadata_of(opened.session, self._where)
        self._provider: Device = opened.provider
        self._reason = opened.reason
        graph = {node.name: node for node in opened.session.get_outputs()}
        self._shapes = {
            name: tuple(n for n in node.shape[1:] if isinstance(n, int)) for name, node in graph.items() if node.shape
        }
        self._dtypes = {name: DTYPES.get(node.type, np.dtype(np.float32)) for name, node in graph.items()}
        self._fields = {f.name: f for f in (*self._metadata.inputs, *self._metadata.noises)}
        self._check_graph({node.name for node in opened.session.get_inputs()})

    @property
    def metadata(self) -> Metadata:
        """What the model says of itself: spec, types, settings."""
        return self._metadata

    @property
    def source(self) -> str:
        """The file that it was loaded from, as messages say it."""
        return self._where

    @property
    def inputs(self) -> tuple[Field, ...]:
        """The inputs, in the spec's order."""
        return self._metadata.inputs

    @property
    def noises(self) -> tuple[Noise, ...]:
        """The inputs of random numbers, which `noise` draws."""
        return self._metadata.noises

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The outputs, in the graph's order: the first is the prediction, labels and decisions follow."""
        return self._metadata.outputs

    @property
    def provider(self) -> Device:
        """Where the model runs: what was obtained, not what was asked."""
        return self._provider

    @property
    def provider_reason(self) -> str:
        """Why it runs there."""
        return self._reason

    def run(self, /, **arrays: object) -> dict[str, Array]:
        """Run a batch of any size, also of none, and return every output by name.

        Each input is an array (N, …) or a nested list. Integers and float64 are taken for float32 inputs if they stay
        finite; a category takes ids, or labels where it has them; axes of size one may be left out.
        Raises Fault naming the input: `model-input`, `data-shape`, `data-dtype`, `data-value`, `data-label` …
        """
        feeds = self._checked(arrays)
        if len(next(iter(feeds.values()))) == 0:
            return {name: np.empty((0, *self._shapes[name]), self._dtypes[name]) for name in self._shapes}
        return ort.guarded(lambda: self._run(feeds), self._where)

    def noise(self, count: int, seed: int = 1) -> dict[str, Array]:
        """Noise for so many examples, by name: `session.run(**session.noise(16))`."""
        return draw_noise(self.noises, count, seed)

    def predict(self, /, **arrays: object) -> dict[str, Prediction]:
        """Run a batch and gather, for each predicted value, its numbers, class ids and labels."""
        results = self.run(**arrays)
        predictions: dict[str, Prediction] = {}
        for output in self.outputs:
            if output.role != "prediction":
                continue
            ids = self._beside(results, output, ("class", "decision"))
            labels = self._beside(results, output, ("label",))
            said: list[Any] | None = None if labels is None else labels.astype(str).tolist()
            predictions[output.name] = Prediction(results[output.name], ids, said)
        return predictions

    def _beside(self, results: dict[str, Array], output: Output, roles: tuple[str, ...]) -> Array | None:
        """The result that goes with a prediction in one of these roles."""
        return next((results[o.name] for o in self.outputs if o.of == output.name and o.role in roles), None)

    def _checked(self, arrays: dict[str, object]) -> dict[str, Array]:
        for name in arrays:
            if name not in self._fields:
                help = did_you_mean(name, self._fields) or f"the inputs are {listed(self._fields)}"
                raise Fault("model-input", f"the model has no input {name}", self._where, help)
        missing = [f"{f.name} ({f.text})" for f in self._fields.values() if f.name not in arrays]
        if missing:
            raise Fault("model-input", f"the input {listed(missing)} is missing", self._where)
        feeds = {name: conform(f, _array(name, arrays[name]), "the input") for name, f in self._fields.items()}
        if len({len(array) for array in feeds.values()}) > 1:
            check_counts(feeds, dict.fromkeys(feeds, "the inputs"))
        check_steps(self._fields.values(), feeds, dict.fromkeys(feeds, "the input"))
        return feeds

    def _run(self, feeds: dict[str, Array]) -> dict[str, Array]:
        binding = self._session.io_binding()
        held = {name: ort.value(array, self._provider) for name, array in feeds.items()}
        for name, value in held.items():
            binding.bind_ortvalue_input(name, value)
        for name in self._dtypes:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        # copy_outputs_to_cpu of ONNX Runtime 1.31 crashes the process on an output of strings.
        return {name: value.numpy() for name, value in zip(self._dtypes, binding.get_outputs(), strict=True)}

    def _check_graph(self, names: set[str]) -> None:
        wrong = names ^ set(self._fields) or {o.name for o in self.outputs} ^ set(self._dtypes)
        if wrong:
            message = f"the `netc` metadata and the graph do not agree on {listed(sorted(wrong))}"
            help = "this is a step graph, which `netc train` runs" if self._metadata.step else None
            raise Fault("model-foreign", message, self._where, help)


def metadata_of(session: ort.Ort, where: str) -> Metadata:
    """The `netc` key of a loaded model; Fault `model-foreign` where it has none."""
    text = session.get_modelmeta().custom_metadata_map.get("netc")
    if text is None:
        help = "build it with `netc build`"
        raise Fault("model-foreign", "it was not made by netc: it has no `netc` metadata", where, help)
    return Metadata.from_json(text, where)


def _array(name: str, value: object) -> Array:
    try:
        array = np.asarray(value)
    except ValueError:
        raise Fault("data-shape", f"{name}: the rows of the list differ in length", "the input") from None
    # Labels come as objects from pandas, and from a session itself.
    strings = array.dtype.hasobject and array.size and all(isinstance(cell, str) for cell in array.flat)
    return array.astype(str) if strings else array
