"""The inference graph against the file: predictions, classes, labels and decisions, and the weights that it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np

from ..codegen.norm_folding import Folded
from ..dsl.net import Net, Threshold
from ..dsl.prune import read
from ..runtime import Output, Session, Trainer, ort
from ..runtime.fields import Array
from ..runtime.module import Arrays
from . import sampling
from .differences import Ledger, Row, Values, fact
from .sampling import Batch, wide, widened

# Decisions are compared where probabilities are further apart than this.
MARGIN = 1e-4
# Factors on unbounded inputs: statistics learned from data may be far from the size of a random number.
FACTORS = (30.0, 1000.0)
# Examples of a net that decides: so many that some are near its thresholds.
DECISIONS = 1000
# How often other weights are drawn for a net that decides the same of every example.
REDRAWN = 4
ROLES = ("class", "label", "decision")


@dataclass(frozen=True)
class Subject:
    """A graph with certain weights beside the file with the same ones."""

    net: Net
    trainer: Trainer
    weights: Arrays
    run: Callable[[dict[str, Array]], Mapping[str, Array]]
    outputs: Iterable[Output]
    what: str

    @cached_property
    def near(self) -> Arrays:
        """The weights with another last bit."""
        return sampling.beside(self.net, self.weights)

    @cached_property
    def precise(self) -> Arrays:
        """The weights in float64."""
        return widened(self.weights)

    def compare(self, ledger: Ledger, batch: Batch) -> None:
        """Enter the predictions and decisions of a batch."""
        given = batch.given(self.net)
        graph = self.run({field.name: array for field, array in zip(self.net.given, given, strict=True)})
        file = _tuple(self.trainer.predict(dict(self.weights), *given))
        exact = _tuple(self.trainer.precise.predict(dict(self.precise), *map(wide, given)))
        near = _tuple(self.trainer.predict(dict(self.near), *sampling.batch_beside(self.net, batch).given(self.net)))
        for k, (output, mine, precise, other) in enumerate(zip(self.net.outputs, file, exact, near, strict=True)):
            values = Values(graph[output.name], mine, precise, beside=other)
            if not values.agree:
                values = replace(values, around=self._around(batch, k))
            ledger.compare(output.name, self.what, values, examples=True, stretched=batch.stretched)
        said = {output.name: array for output, array in zip(self.net.outputs, file, strict=True)}
        for output in self.outputs:
            if output.of is not None:
                wanted, clear = _decided(self.net, output, said[output.of], self.weights)
                wrong = _mistaken(graph[output.name], wanted, clear)
                ledger.count(output.name, output.role, wrong, wanted[clear].tolist())

    def _around(self, batch: Batch, k: int) -> float:
        """The largest error of the float32 file in an output, at points around."""

        def error(p: Arrays, batch: Batch) -> float:
            given = batch.given(self.net)
            mine = _tuple(self.trainer.predict(dict(p), *given))[k]
            exact = _tuple(self.trainer.precise.predict(widened(p), *map(wide, given)))[k]
            errors = np.abs(mine - exact)
            return float(np.max(errors[np.isfinite(errors)], initial=0.0))

        return max(error(*point) for point in sampling.around(self.net, self.weights, batch))


def predictions(
    net: Net,
    trainer: Trainer,
    model: Any,
    first: Arrays,
    held: Arrays,
    trained: bool,
    gain: float,
    folded: Folded | None = None,
) -> list[Row]:
    """Compare what the model says with its own weights, and with others that hide nothing."""
    data = graph_bytes(model)
    session = Session(data, provider="cpu", threads=1)
    own = f"prediction, {'trained' if trained else 'first'} weights"
    as_held = Subject(net, trainer, held, lambda feeds: session.run(**feeds), session.outputs, own)

    def other(key: int) -> Subject:
        moved = sampling.perturbed(net, first, gain * (-1.0) ** key, key)
        moved |= _halving(net, trainer, moved)
        run = with_weights(data, folded.held(moved) if folded else moved)
        return Subject(net, trainer, moved, run, session.outputs, "prediction")

    ledger = Ledger()
    count, most, many = sampling.rows(net), sampling.rows(net, all=True), sampling.rows(net, DECISIONS, all=True)
    # A large net is looked at once.
    factors, redrawn = ((), 0) if sampling.large(net) else (FACTORS, REDRAWN)
    for subject in (make() for make in (lambda: other(0), lambda: as_held)):
        sizes = *sampling.sizes(count), *([many] if len(session.outputs) > len(net.outputs) else [])
        for size in dict.fromkeys(sizes):
            subject.compare(ledger, sampling.batch(net, size))
        for factor in factors:
            if any(row.what == subject.what and row.status == "not proven" for row in ledger.rows):
                subject.compare(ledger, sampling.batch(net, most, factor=factor))
    for key in range(1, redrawn + 1):
        if any(row.what in ROLES and row.status == "not proven" for row in ledger.rows):
            other(key).compare(ledger, sampling.batch(net, most, factor=(1.0, *FACTORS)[key % 3]))
    return [*ledger.rows, *_keys(net, first, held, model, folded), *_missing(net, session.outputs)]


def _tuple(predicted: Any) -> tuple[Array, ...]:
    return cast("tuple[Array, ...]", predicted) if isinstance(predicted, tuple) else (predicted,)


def _mistaken(said: Array, wanted: Array, clear: Array) -> int:
    """How many clear decisions are wrong."""
    return int((said[clear] != wanted[clear]).sum()) if said.shape == wanted.shape else wanted.size


def _halving(net: Net, trainer: Trainer, weights: Arrays) -> Arrays:
    """Tuned thresholds in the middle of what the net predicts with these weights, so that it decides both ways."""
    if not net.tuned:
        return {}
    batch = sampling.batch(net, sampling.rows(net, all=True)).given(net)
    found: Arrays = {}
    for output, values in zip(net.outputs, _tuple(trainer.predict(dict(weights), *batch)), strict=True):
        if output.threshold and output.threshold.tuned:
            tuned = output.threshold.tuned
            ones = values[..., 1:] if output.target and output.target.kind == "class" else values
            found[tuned.state] = np.median(ones.reshape(-1, *tuned.shape), axis=0).astype(np.float32)
    return found


def _decided(net: Net, output: Output, predicted: Array, weights: Arrays) -> tuple[Array, Array]:
    """What a class, label or decision has to be, and where the prediction leaves no doubt of it."""
    source = next(o for o in net.outputs if o.name == output.of)
    threshold = source.threshold
    if output.role == "decision" or (threshold is not None and not threshold.costs):
        limit = _limit(threshold, weights)
        ones = predicted if output.role == "decision" else predicted[..., 1]
        ids, clear = (ones >= limit).astype(np.int64), np.abs(ones - limit) > MARGIN
    else:
        costs = np.array(threshold.costs) if threshold else -np.eye(predicted.shape[-1])
        ordered = np.sort(predicted @ costs, axis=-1)
        clear = ordered[..., 1] - ordered[..., 0] > MARGIN * np.abs(costs).max()
        ids = (predicted @ costs).argmin(axis=-1)
    if output.role != "label":
        return ids, clear
    assert source.target is not None and source.target.labels is not None
    return np.array(source.target.labels, dtype=object)[ids], clear


def _limit(threshold: Threshold | None, weights: Arrays) -> Any:
    """The probability from which on it is decided for 1."""
    if threshold is None:
        return 0.5
    return weights[threshold.tuned.state] if threshold.tuned else threshold.number


def _missing(net: Net, outputs: Iterable[Output]) -> list[Row]:
    """A row for each decision that the spec's types promise and the model does not give."""
    have = {(output.of, output.role) for output in outputs}
    promised = [
        (output.name, role)
        for output in net.outputs
        if output.target is not None
        for role in _PROMISED.get(output.target.kind, ())
        if role != "label" or output.target.labels
    ]
    return [fact(name, role, "the model has no such output") for name, role in promised if (name, role) not in have]


_PROMISED = {"class": ("class", "label"), "binary": ("decision",)}


# Weights --------------------------------------------------------------------------------------------------------------


def _keys(net: Net, first: Arrays, held: Arrays, model: Any, folded: Folded | None) -> list[Row]:
    """The names and shapes of `init`, of the weights, and of the model's initializers are the same."""
    wrong = [n for n in (*first, *held) if n not in first or n not in held or first[n].shape != held[n].shape]
    rows = [fact("weights", "names and shapes", f"init and the weights differ in {', '.join(wrong)}" if wrong else "")]
    stored = _stored(model)
    if stored is not None:
        program, held = (folded.program, folded.held(held)) if folded else (net.programs["predict"], held)
        # What a value has of steps it has from an input, whatever weights it went through.
        seen = read(program)
        names = [*(i.name for i in program.of("weight", "state") if i.value in seen), *net.tuned]
        stale = [n for n in names if n not in stored or stored[n] != np.asarray(held.get(n), np.float32).tobytes()]
        rows.append(fact("weights", "in the model", f"the model has another {', '.join(stale)}" if stale else ""))
    return rows


def _stored(model: Any) -> dict[str, bytes] | None:
    """The bytes of a graph's initializers by name; None of a graph that is bytes itself."""
    graph = getattr(model, "graph", None)
    return None if graph is None else {tensor.name: tensor.raw_data for tensor in graph.initializer}


# Graphs ---------------------------------------------------------------------------------------------------------------


def graph_bytes(model: Any) -> bytes:
    """The bytes of a graph, which is a ModelProto or its bytes."""
    return model if isinstance(model, bytes) else model.SerializeToString(deterministic=True)


def with_weights(data: bytes, weights: Arrays) -> Callable[[Mapping[str, Array]], dict[str, Array]]:
    """The graph with other weights in place of its own, as it is written: optimisers fold its own weights into it."""
    runtime = ort.runtime()
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = ort.SILENT
    values = {name: runtime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(a)) for name, a in weights.items()}
    for name, value in values.items():
        options.add_initializer(name, value)
    session = runtime.InferenceSession(data, options, providers=[ort.CPU])
    names = [node.name for node in session.get_outputs()]

    def run(feeds: Mapping[str, Array]) -> dict[str, Array]:
        # The session reads `values` where they lie, so they live as long as it does.
        assert len(values) == len(weights)
        results = ort.guarded(lambda: session.run(None, dict(feeds)), "the model")
        return dict(zip(names, results, strict=True))

    return run
