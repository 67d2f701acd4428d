"""The proof in every build: the graphs executed and compared with the file, and the file's gradients with differences.

    prove(net, trainer_text, model, step, weights, trained) -> Proof

`model` is the inference graph, `step` the step graph or None, each a ModelProto or its bytes; `weights` are what the
model holds. A Proof has `rows` (see differences.Row), `slopes` (see slopes.Slope), `unproven`, `notes`, `ok`, `seconds`
and `to_json()`; show_proof.render(proof, width=80) gives its lines.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np

from ..dsl.net import Net
from ..runtime import trainer_of
from ..runtime.fields import Array
from . import sampling
from .differences import EXACT, Difference, Row, short
from .prove_predictions import predictions
from .prove_training import reaching_gain, training
from .slopes import Slope


@dataclass(frozen=True)
class Proof:
    """What was compared, how far it differs, and what could not be proven."""

    rows: tuple[Row, ...]
    slopes: tuple[Slope, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether nothing differs; what is not proven is told by `unproven`."""
        return all(each.status != "differs" for each in (*self.rows, *self.slopes))

    @property
    def unproven(self) -> list[tuple[str, str]]:
        """Each value that says nothing, and why."""
        rows = [(f"{row.name}, {row.what}", row.reason) for row in self.rows if row.status == "not proven"]
        return rows + [(f"{s.name}, gradient", s.reason) for s in self.slopes if s.status == "not proven"]

    @property
    def differing(self) -> list[tuple[str, str]]:
        """Each value that is wrong, and what about it."""
        rows = [(f"{row.name}, {row.what}", row.reason) for row in self.rows if row.status == "differs"]
        return rows + [(f"{s.name}, gradient", s.reason) for s in self.slopes if s.status == "differs"]

    @property
    def proven(self) -> int:
        """How many values are proven, gradients among them."""
        return sum(each.ok for each in (*self.rows, *self.slopes))

    @property
    def largest(self) -> Difference:
        """The comparison that is nearest to its limit."""
        nearest = max(self.rows, key=lambda row: row.difference.ratio, default=None)
        return nearest.difference if nearest else EXACT

    @property
    def summary(self) -> str:
        """The proof in a line."""
        if not self.ok:
            count = len(self.rows) + len(self.slopes)
            return f"NOT proved: {len(self.differing)} of {count} values differ"
        nearest = self.largest
        largest = f"largest difference {nearest.error:.1e} (limit {short(nearest.limit)})"
        return f"proved: {self.proven} values, {largest}, {len(self.unproven)} not proven"

    def to_json(self) -> dict[str, Any]:
        """The proof as an object for programs; what is not a number is told as text."""
        return {
            "ok": self.ok,
            "summary": self.summary,
            "proven": self.proven,
            "values": [_plain(row) for row in self.rows],
            "gradients": [_plain(slope) for slope in self.slopes],
            "unproven": [{"name": name, "reason": reason} for name, reason in self.unproven],
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
        }


def prove(net: Net, trainer_text: str, model: Any, step: Any, weights: Mapping[str, Array], trained: bool) -> Proof:
    """Execute the artifacts and compare them."""
    began = time.perf_counter()
    with np.errstate(all="ignore"):
        rows, slopes, notes = _proven(net, trainer_text, model, step, dict(weights), trained)
    return Proof(tuple(rows), tuple(slopes), tuple(notes), time.perf_counter() - began)


def _proven(
    net: Net, trainer_text: str, model: Any, step: Any, weights: dict[str, Array], trained: bool
) -> tuple[list[Row], list[Slope], list[str]]:
    trainer = trainer_of(trainer_text, f"{net.name}.py")
    first = trainer.init(int(net.train["seed"] or 0))
    trains = step is not None or net.solver is not None
    gain = reaching_gain(net, trainer, first) if trains else 1.0
    rows = predictions(net, trainer, model, first, weights, trained, gain)
    slopes: list[Slope] = []
    notes = _notes(net, gain)
    if trains:
        found = training(net, trainer, step, first, gain)
        rows, notes, slopes = rows + found.rows, notes + found.notes, found.slopes
    return rows, slopes, notes


def _notes(net: Net, gain: float) -> list[str]:
    notes: list[str] = []
    count, batch = sampling.rows(net), int(net.train["batch"] or 0)
    if count < batch:
        notes.append(f"proven on {count} of a batch's {batch} examples")
    if gain != 1.0:
        notes.append(f"proven with the first weights times {gain:g}, so that signals reach every weight")
    return notes


def _plain(record: Row | Slope) -> dict[str, Any]:
    return {name: _finite(value) for name, value in asdict(record).items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in cast("dict[str, Any]", value).items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
