"""Who computes a training step: the emitted file's own functions, or the step graph on ONNX Runtime."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from . import ort
from .errors import Fault, listed
from .fields import Array
from .metadata import StepNames
from .module import DROPS, NEVER, Arrays, Drops, Loss, Trainer, time_of
from .ort import Device, Provider
from .session import metadata_of


class Engine(Protocol):
    """Holds weights and updater state, and moves them one batch at a time."""

    name: str
    provider: Device
    provider_reason: str

    def start(self, weights: Arrays, moments: Arrays, inputs: tuple[Array, ...], targets: tuple[Array, ...]) -> None:
        """Take over the state, and the arrays that batches index."""
        ...

    def step(
        self, batch: Array, draws: Arrays | None, step: int, epoch: float, drops: Drops = NEVER
    ) -> tuple[float, ...]:
        """Train on the examples of a batch and return its losses; `step` counts from 1, `epoch` is fractional."""
        ...

    def weights(self) -> Arrays:
        """The weights and the net's state on the host; the caller does not change them."""
        ...

    def moments(self) -> Arrays:
        """The updater's state on the host; the caller does not change it."""
        ...


def gradients(
    trainer: Trainer,
    loss: Loss,
    weights: Arrays,
    examples: tuple[Array, ...],
    draws: Arrays | None,
    clock: tuple[int, float, Drops],
) -> tuple[float, Arrays, Arrays]:
    """The value, the gradients and the state of one of the file's losses on a batch, with the options of the file."""
    value, grads, state = loss.at(weights, *examples, **_given(loss, draws, clock), **trainer.normalisation)
    return float(value), grads, state


def _given(loss: Loss, draws: Arrays | None, clock: tuple[int, float, Drops]) -> dict[str, Any]:
    """What a loss takes by name of a moment of training."""
    options = time_of(loss.and_grads, *clock)
    return options if draws is None else {**options, "draws": draws}


class NumpyEngine:
    """The emitted file computes: for each loss its gradients, then the update; or all of it in a solver."""

    name = "numpy"
    provider: Device = "cpu"
    provider_reason = "NumPy runs on the CPU"

    def __init__(self, trainer: Trainer):
        self._trainer = trainer
        self._weights: Arrays = {}
        self._moments: Arrays = {}
        self._arrays: tuple[Array, ...] = ()

    def start(self, weights: Arrays, moments: Arrays, inputs: tuple[Array, ...], targets: tuple[Array, ...]) -> None:
        """Take over the state, and the arrays that batches index."""
        self._weights, self._moments = weights, moments
        self._arrays = inputs + targets

    def step(
        self, batch: Array, draws: Arrays | None, step: int, epoch: float, drops: Drops = NEVER
    ) -> tuple[float, ...]:
        """Train on a batch, up to the first loss that is not finite, which moves nothing."""
        clock = step, epoch, drops
        examples = tuple(array[batch] for array in self._arrays)
        values: list[float] = []
        if self._trainer.solve is not None:
            options = _given(self._trainer.losses[0], draws, clock)
            return (self._trainer.solve(self._weights, self._moments, *examples, **options),)
        for loss in self._trainer.losses:
            value, grads, state = gradients(self._trainer, loss, self._weights, examples, draws, clock)
            values.append(value)
            if not math.isfinite(value):
                break
            loss.move(self._weights, self._moments, grads, *clock)
            self._weights.update(state)
        return tuple(values)

    def weights(self) -> Arrays:
        """The live weights."""
        return self._weights

    def moments(self) -> Arrays:
        """The live state of the updater."""
        return self._moments


@dataclass
class _Batch:
    """What is prepared for one batch size: host buffers, and a binding for each direction of the two state sets."""

    fields: list[tuple[Callable[..., Array], Array]]
    draws: list[tuple[str, Array]]
    feeds: dict[str, Array]
    bindings: tuple[ort.Ort, ort.Ort]


class OnnxEngine:
    """The step graph computes, with IO binding: the state lives in two sets of values on the session's device.

    One step reads the first set and writes the second, the next step the other way round, so nothing is allocated or
    copied between steps. `threads` bounds the threads inside one operator. Raises Fault as Session does.
    """

    name = "onnx"

    def __init__(self, step_graph: str | Path | bytes, provider: Provider = "auto", threads: int | None = None):
        self._where = "the step graph" if isinstance(step_graph, bytes) else str(step_graph)
        opened = ort.open_session(step_graph, provider, threads)
        self.provider: Device = opened.provider
        self.provider_reason = opened.reason
        self._session = opened.session
        self._run = opened.session.run_with_iobinding
        self._metadata = metadata_of(opened.session, self._where)
        self._names = _step_names(self._metadata.step, self._where)
        self._graph_inputs = [node.name for node in opened.session.get_inputs()]
        self._graph_outputs = [node.name for node in opened.session.get_outputs()]
        self._step = np.zeros((), np.int64)
        self._epoch = np.zeros((), np.float64)
        self._drops = {key: np.zeros((), np.int64) for key in self._names.clock if key.startswith(DROPS)}
        self._losses = [np.zeros((), np.float32) for _ in self._names.losses]
        self._loss_values = dict(
            zip(self._names.losses.values(), (ort.value(loss, "cpu") for loss in self._losses), strict=True)
        )

    def start(self, weights: Arrays, moments: Arrays, inputs: tuple[Array, ...], targets: tuple[Array, ...]) -> None:
        """Copy the state to the device, and keep the arrays that batches index."""
        names = [f.name for f in self._metadata.fields]
        self._sources = dict(zip(names, (np.ascontiguousarray(a) for a in inputs + targets), strict=True))
        self._keys = (tuple(weights), tuple(moments))
        state = weights | moments
        self._check_inputs(state)
        # On the CPU a value shares the memory of its array, so `_host` is where the graph reads and writes.
        first = {name: np.array(array, order="C") for name, array in state.items()}
        second = {name: np.empty_like(a) if name in self._names.next else a for name, a in first.items()}
        self._host = (first, second)
        values = {name: ort.value(array, self.provider) for name, array in first.items()}
        others = {n: ort.value(a, self.provider) if n in self._names.next else values[n] for n, a in second.items()}
        self._values = (values, others)
        self._side = 0
        self._sizes: dict[int, _Batch] = {}

    def step(
        self, batch: Array, draws: Arrays | None, step: int, epoch: float, drops: Drops = NEVER
    ) -> tuple[float, ...]:
        """Train on a batch; the weights move even where a loss is not finite."""
        prepared = self._sizes.get(len(batch)) or self._prepare(len(batch), draws)
        for take, buffer in prepared.fields:
            take(batch, 0, buffer, "clip")
        if draws is not None:
            for key, buffer in prepared.draws:
                buffer[...] = draws[key]
        self._step[()] = step
        self._epoch[()] = epoch
        for name, buffer in self._drops.items():
            buffer[()] = drops[name.removeprefix(DROPS)]
        binding = prepared.bindings[self._side]
        try:
            if self.provider != "cpu":
                self._bind_inputs(binding, prepared.feeds, self._side)
            self._run(binding)
            if self.provider != "cpu":
                binding.synchronize_outputs()
        except Exception as error:
            raise Fault("model-failed", ort.tidy(error), self._where) from None
        self._side ^= 1
        return tuple(loss.item() for loss in self._losses)

    def weights(self) -> Arrays:
        """A copy of the weights, in the order of `init`."""
        return self._fetch(self._keys[0])

    def moments(self) -> Arrays:
        """A copy of the updater's state."""
        return self._fetch(self._keys[1])

    def _fetch(self, names: tuple[str, ...]) -> Arrays:
        if self.provider == "cpu":
            return {name: self._host[self._side][name].copy() for name in names}
        return {name: self._values[self._side][name].numpy() for name in names}

    def _prepare(self, size: int, draws: Arrays | None) -> _Batch:
        """Buffers and bindings of a batch size, made when it first occurs."""
        buffers = {name: np.empty((size, *array.shape[1:]), array.dtype) for name, array in self._sources.items()}
        drawn = {
            key: np.empty_like(array, order="C") for key, array in (draws or {}).items() if key in self._names.draws
        }
        feeds = dict(buffers)
        feeds |= {self._names.draws[key]: buffer for key, buffer in drawn.items()}
        clock = {"step": self._step, "epoch": self._epoch, **self._drops}
        feeds |= {name: clock[key] for key, name in self._names.clock.items()}
        bindings = (self._bind(feeds, 0), self._bind(feeds, 1))
        fields = [(self._sources[name].take, buffer) for name, buffer in buffers.items()]
        self._sizes[size] = _Batch(fields, list(drawn.items()), feeds, bindings)
        return self._sizes[size]

    def _bind(self, feeds: Mapping[str, Array], side: int) -> ort.Ort:
        """A binding that reads the state of a side and writes the other one."""
        binding = self._session.io_binding()
        self._bind_inputs(binding, feeds, side)
        written = {
            self._names.next[name]: value for name, value in self._values[1 - side].items() if name in self._names.next
        }
        written |= self._loss_values
        for name in self._graph_outputs:
            binding.bind_ortvalue_output(name, written[name])
        return binding

    def _bind_inputs(self, binding: ort.Ort, feeds: Mapping[str, Array], side: int) -> None:
        """Bind every input. Binding copies a value that lies on another device, so CUDA needs it anew each step."""
        state = self._values[side]
        for name in self._graph_inputs:
            value = ort.value(feeds[name], self.provider) if name in feeds else state[name]
            binding.bind_ortvalue_input(name, value)

    def _check_inputs(self, state: Arrays) -> None:
        names = self._names
        known = {*self._sources, *state, *names.draws.values(), *names.clock.values()}
        wrong = [name for name in self._graph_inputs if name not in known]
        wrong += [name for name in names.next if name not in state]
        wrong += [name for name in self._graph_outputs if name not in (*names.next.values(), *names.losses.values())]
        if wrong:
            raise Fault("model-foreign", f"the step graph and the trainer do not agree on {listed(wrong)}", self._where)


def _step_names(step: StepNames | None, where: str) -> StepNames:
    if step is None:
        help = "the engine needs NAME.step.onnx"
        raise Fault("model-foreign", "it is not a step graph: its metadata has no `step`", where, help)
    return step
